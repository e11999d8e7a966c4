"""Mistakes that tools are known to make about meshes: one test for each that a mesh verdict could make."""

from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import (
    DISABLE,
    STRICT,
    Manifest,
    config_map,
    deployment,
    judge,
    namespace,
    peer_authentication,
    pod,
    service,
    workload,
)

P = Protection


def port_level(port: int, mode: str) -> Manifest:
    return workload(portLevelMtls={port: {"mode": mode}}, **STRICT)


def test_the_service_port_is_not_the_key_of_port_level_mtls() -> None:
    """Service port 80 leads to container port 8080: an entry for 80 says nothing about it, one for 8080 does."""
    front = service(port=80, target=8080)
    assert (
        judge(pod(), front, peer_authentication("w", "shop", port_level(80, "DISABLE"))).label
        is P.ENFORCED_MTLS
    )
    assert (
        judge(pod(), front, peer_authentication("w", "shop", port_level(8080, "DISABLE"))).label
        is P.PLAINTEXT
    )


def test_the_first_peer_authentication_is_not_the_oldest() -> None:
    policies = [
        peer_authentication("aaa", "shop", STRICT, "09"),
        peer_authentication("zzz", "shop", DISABLE, "01"),
    ]
    assert judge(pod(), *policies).label is P.PLAINTEXT
    assert judge(pod(), *reversed(policies)).label is P.PLAINTEXT


def test_a_root_namespace_policy_with_a_selector_reaches_nobody() -> None:
    assert judge(pod(), peer_authentication("w", "istio-system", workload(**STRICT))).label is P.OPPORTUNISTIC


def test_ambient_is_not_read_with_sidecar_rules() -> None:
    """DISABLE opens a sidecar's port to plaintext alone; ztunnel goes on taking mTLS beside plaintext."""
    policy = peer_authentication("ns", "shop", DISABLE)
    ambient = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})
    assert judge(pod(), policy).label is P.PLAINTEXT
    assert judge(ambient, policy).label is P.OPPORTUNISTIC


def test_linkerd_is_not_strict_because_it_is_injected() -> None:
    default = config_map("linkerd-config", "linkerd", values="proxy: {}")
    assert judge(pod(proxy="linkerd-proxy"), default).label is P.OPPORTUNISTIC


def test_a_peer_authentication_protects_nobody_outside_the_mesh() -> None:
    assert judge(pod(proxy=None), peer_authentication("ns", "shop", STRICT)).label is P.PLAINTEXT


def test_a_namespace_label_is_not_a_sidecar() -> None:
    asking = namespace(labels={"istio-injection": "enabled"})
    strict = peer_authentication("ns", "shop", STRICT)
    assert judge(asking, pod(proxy=None), strict).label is P.PLAINTEXT
    template = judge(asking, deployment(), strict, endpoint="shop/Deployment/web", claims=())
    assert template.label is P.INDETERMINATE


def test_strict_does_not_cover_udp_nor_ports_past_the_sidecar() -> None:
    strict = peer_authentication("ns", "shop", STRICT)
    assert judge(pod(), strict, protocol="UDP").label is P.PLAINTEXT
    assert judge(pod(), strict, port=15021).label is P.PLAINTEXT
