"""Rows of 1b: which mode governs a container port, behind a sidecar and behind ztunnel."""

from typing import Any

from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import (
    DISABLE,
    PERMISSIVE,
    STRICT,
    Manifest,
    authorization,
    custom,
    judge,
    peer_authentication,
    pod,
    service,
    workload,
)
from tests.encryption.semantics.rows import RowCase, each

P = Protection
ROOT = "istio-system"
AMBIENT = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})
UNSET = {"mtls": {"mode": "UNSET"}}


def peer(spec: Any, where: str = "shop", name: str = "p", created: str | None = "01") -> Manifest:
    return peer_authentication(name, where, spec, created)


def ports(mode: str, **spec: Any) -> Manifest:
    return workload(portLevelMtls={8080: {"mode": mode}}, **spec)


def listener(mode: str) -> Manifest:
    spec = {
        "workloadSelector": {"labels": {"app": "web"}},
        "ingress": [
            {
                "port": {"number": 8080, "protocol": "HTTPS"},
                "defaultEndpoint": "127.0.0.1:1",
                "tls": {"mode": mode},
            }
        ],
    }
    return custom("networking.istio.io/v1", "Sidecar", "s", "shop", spec, "01")


def patched(apply_to: str, context: str, value: Any) -> Manifest:
    patch = {
        "applyTo": apply_to,
        "match": {"context": context},
        "patch": {"operation": "MERGE", "value": value},
    }
    return custom("networking.istio.io/v1alpha3", "EnvoyFilter", "f", "shop", {"configPatches": [patch]})


MUST_SHOW = authorization("a", "shop", {"rules": [{"from": [{"source": {"principals": ["*"]}}]}]})

CASES = [
    RowCase("1b.1", "own namespace by selector", [pod(), peer(workload(**STRICT))], P.ENFORCED_MTLS),
    RowCase(
        "1b.1", "own namespace, empty selector", [pod(), peer({"selector": {}, **STRICT})], P.ENFORCED_MTLS
    ),
    RowCase("1b.1", "root namespace without selector", [pod(), peer(STRICT, ROOT)], P.ENFORCED_MTLS),
    RowCase("1b.1", "root namespace with selector", [pod(), peer(workload(**STRICT), ROOT)], P.OPPORTUNISTIC),
    RowCase("1b.1", "another workload", [pod(), peer(workload({"app": "x"}, **STRICT))], P.OPPORTUNISTIC),
    RowCase(
        "1b.2",
        "the oldest",
        [pod(), peer(STRICT, name="a", created="02"), peer(DISABLE, name="b", created="01")],
        P.PLAINTEXT,
    ),
    RowCase(
        "1b.2",
        "equal ages: the name",
        [pod(), peer(DISABLE, name="b"), peer(STRICT, name="a")],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "1b.2",
        "the loser's port level goes with it",
        [
            pod(),
            peer(workload(**STRICT), name="old", created="01"),
            peer(ports("DISABLE"), name="new", created="02"),
        ],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "1b.2",
        "ages that nobody recorded",
        [pod(), peer(STRICT, name="a", created=None), peer(DISABLE, name="b", created=None)],
        P.INDETERMINATE,
    ),
    RowCase("1b.3", "nothing is set", [pod()], P.OPPORTUNISTIC),
    RowCase("1b.3", "the mesh", [pod(), peer(STRICT, ROOT)], P.ENFORCED_MTLS),
    RowCase("1b.3", "the namespace over the mesh", [pod(), peer(STRICT, ROOT), peer(DISABLE)], P.PLAINTEXT),
    RowCase(
        "1b.3",
        "the workload over the namespace",
        [pod(), peer(DISABLE), peer(workload(**STRICT), name="w")],
        P.ENFORCED_MTLS,
    ),
    RowCase("1b.3", "UNSET overrides nothing", [pod(), peer(STRICT, ROOT), peer(UNSET)], P.ENFORCED_MTLS),
    RowCase("1b.4", "the container port", [pod(), service(), peer(ports("DISABLE", **STRICT))], P.PLAINTEXT),
    RowCase(
        "1b.4",
        "not the Service's port",
        [pod(), service(port=80), peer(workload(portLevelMtls={80: {"mode": "DISABLE"}}, **STRICT))],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "1b.4",
        "not of a namespace policy",
        [pod(), peer({"portLevelMtls": {8080: {"mode": "DISABLE"}}, **STRICT})],
        P.ENFORCED_MTLS,
    ),
    RowCase("1b.4", "UNSET is the workload's", [pod(), peer(ports("UNSET", **STRICT))], P.ENFORCED_MTLS),
    RowCase("1b.5", "a port that nobody declares", [pod(), peer(STRICT)], P.ENFORCED_MTLS, 31337),
    RowCase("1b.6", "under DISABLE", [pod(), peer(DISABLE), listener("SIMPLE")], P.TLS_SERVER_ONLY),
    RowCase("1b.6", "under DISABLE, MUTUAL", [pod(), peer(DISABLE), listener("MUTUAL")], P.ENFORCED_MTLS),
    RowCase("1b.6", "under PERMISSIVE", [pod(), listener("SIMPLE")], P.OPPORTUNISTIC),
    RowCase("1b.6", "under STRICT", [pod(), peer(STRICT), listener("SIMPLE")], P.ENFORCED_MTLS),
    RowCase("1b.ambient-disable", "namespace", [AMBIENT, peer(DISABLE)], P.OPPORTUNISTIC),
    RowCase("1b.ambient-disable", "workload", [AMBIENT, peer(workload(**DISABLE))], P.OPPORTUNISTIC),
    RowCase(
        "1b.ambient-port",
        "under a STRICT namespace",
        [AMBIENT, peer(STRICT, name="ns"), peer(ports("DISABLE"))],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "1b.ambient-port",
        "a sidecar differs",
        [pod(), peer(STRICT, name="ns"), peer(ports("DISABLE"))],
        P.PLAINTEXT,
    ),
    RowCase("1b.ambient-root", "ambient", [AMBIENT, peer({"selector": {}, **STRICT}, ROOT)], P.OPPORTUNISTIC),
    RowCase("1b.ambient-root", "a sidecar", [pod(), peer({"selector": {}, **STRICT}, ROOT)], P.ENFORCED_MTLS),
    RowCase(
        "1b.ambient-ties",
        "equal ages that differ in effect",
        [AMBIENT, peer(STRICT, name="a"), peer(PERMISSIVE, name="b")],
        P.INDETERMINATE,
    ),
    RowCase("1b.strict", "a sidecar", [pod(), peer(STRICT)], P.ENFORCED_MTLS),
    RowCase("1b.strict", "ambient", [AMBIENT, peer(STRICT)], P.ENFORCED_MTLS),
    RowCase("1b.permissive", "alone", [pod(), peer(PERMISSIVE)], P.OPPORTUNISTIC),
    RowCase(
        "1b.permissive",
        "authorization rejects plaintext",
        [pod(), peer(PERMISSIVE), MUST_SHOW],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    RowCase("1b.plaintext", "DISABLE", [pod(), peer(DISABLE)], P.PLAINTEXT),
    RowCase("1b.plaintext", "no data plane", [pod(proxy=None), peer(STRICT)], P.PLAINTEXT),
    RowCase(
        "1b.plaintext",
        "a bypassed port",
        [pod(annotations={"traffic.sidecar.istio.io/excludeInboundPorts": "8080"}), peer(STRICT)],
        P.PLAINTEXT,
    ),
    RowCase("1b.plaintext", "UDP", [pod(), peer(STRICT)], P.PLAINTEXT, (8080, "UDP")),
    RowCase(
        "1b.envoy-filter",
        "a filter chain",
        [pod(), peer(STRICT), patched("FILTER_CHAIN", "SIDECAR_INBOUND", {"x": 1})],
        P.INDETERMINATE,
    ),
    RowCase(
        "1b.envoy-filter",
        "a transport socket",
        [pod(), peer(STRICT), patched("LISTENER", "ANY", {"transport_socket": {}})],
        P.INDETERMINATE,
    ),
    RowCase(
        "1b.envoy-filter",
        "an HTTP filter touches no TLS",
        [pod(), peer(STRICT), patched("HTTP_FILTER", "SIDECAR_INBOUND", {"name": "lua"})],
        P.ENFORCED_MTLS,
    ),
    RowCase("1b.ambient-tls", "1.3 alone", [AMBIENT, peer(STRICT), pod("ztunnel", ROOT, proxy=None)], "1.3"),
]


@each(CASES)
def test_the_verdict_on_a_port(case: RowCase) -> None:
    port, protocol = case.asked if isinstance(case.asked, tuple) else (case.asked or 8080, "TCP")
    found = judge(*case.given, port=port, protocol=protocol)
    assert case.expected in (found.label, found.minimum_tls)
