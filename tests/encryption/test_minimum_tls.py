"""The oldest TLS version that a mesh takes, from each mesh's settings. Answers worked out by hand."""

import pytest

from tests.encryption.mesh_manifests import (
    DISABLE,
    STRICT,
    Manifest,
    config_map,
    judge,
    peer_authentication,
    pod,
)

STRICT_SHOP = peer_authentication("ns", "shop", STRICT)
AMBIENT = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})
LINKERD = pod(
    proxy="linkerd-proxy", annotations={"config.linkerd.io/default-inbound-policy": "all-authenticated"}
)


def mesh(text: str) -> Manifest:
    return config_map("istio", "istio-system", mesh=text)


def ztunnel(*env: Manifest) -> Manifest:
    found = pod("ztunnel", "istio-system", proxy=None)
    found["spec"]["containers"] = [{"name": "istio-proxy", "env": list(env)}]
    return found


CASES: list[tuple[str, list[Manifest], str | None]] = [
    ("a sidecar takes TLS 1.2 by default", [pod(), STRICT_SHOP], "1.2"),
    (
        "TLS_AUTO is the default",
        [pod(), STRICT_SHOP, mesh("meshMTLS: {minProtocolVersion: TLS_AUTO}")],
        "1.2",
    ),
    (
        "meshMTLS asks for TLS 1.3",
        [pod(), STRICT_SHOP, mesh("meshMTLS: {minProtocolVersion: TLSV1_3}")],
        "1.3",
    ),
    (
        "tlsDefaults is not about the mesh's own TLS",
        [pod(), STRICT_SHOP, mesh("tlsDefaults: {minProtocolVersion: TLSV1_3}")],
        "1.2",
    ),
    (
        "a version that Istio doesn't have",
        [pod(), STRICT_SHOP, mesh("meshMTLS: {minProtocolVersion: V9}")],
        None,
    ),
    ("MeshConfig that isn't YAML", [pod(), STRICT_SHOP, mesh("{{{")], None),
    ("PERMISSIVE has a version for those who use TLS", [pod()], "1.2"),
    ("DISABLE has none", [pod(), peer_authentication("ns", "shop", DISABLE)], None),
    ("ztunnel takes TLS 1.3 alone", [AMBIENT, STRICT_SHOP, ztunnel()], "1.3"),
    (
        "ztunnel with TLS12_ENABLED",
        [AMBIENT, STRICT_SHOP, ztunnel({"name": "TLS12_ENABLED", "value": "true"})],
        "1.2",
    ),
    (
        "ztunnel with TLS12_ENABLED false",
        [AMBIENT, STRICT_SHOP, ztunnel({"name": "TLS12_ENABLED", "value": "false"})],
        "1.3",
    ),
    ("ztunnel that nobody collected may take TLS 1.2", [AMBIENT, STRICT_SHOP], "1.2"),
    ("Linkerd's proxy offers TLS 1.3 alone", [LINKERD], "1.3"),
    ("no mesh, no version", [pod(proxy=None)], None),
]


@pytest.mark.parametrize(("case", "manifests", "expected"), CASES, ids=[case[0] for case in CASES])
def test_the_oldest_version_that_the_mesh_takes(
    case: str, manifests: list[Manifest], expected: str | None
) -> None:
    assert judge(*manifests).minimum_tls == expected
