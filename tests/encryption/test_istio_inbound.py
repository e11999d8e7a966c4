"""Istio sidecars: PeerAuthentication precedence, capture, authorization. Verdicts worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.istio.peer_authentication import _ports
from auditor.encryption.reasons import CAUSES
from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import (
    DISABLE,
    PERMISSIVE,
    STRICT,
    Manifest,
    authorization,
    codes,
    config_map,
    custom,
    judge,
    peer_authentication,
    pod,
    service,
    workload,
)

P = Protection
UNSET = {"mtls": {"mode": "UNSET"}}
ROOT = "istio-system"


def port_level(port: int | str, mode: str, **spec: Any) -> Manifest:
    return workload(portLevelMtls={port: {"mode": mode}}, **spec)


PRECEDENCE = [
    ("no policy: PERMISSIVE by default", [], P.OPPORTUNISTIC),
    ("mesh STRICT", [peer_authentication("default", ROOT, STRICT)], P.ENFORCED_MTLS),
    ("mesh DISABLE", [peer_authentication("default", ROOT, DISABLE)], P.PLAINTEXT),
    (
        "the namespace overrides the mesh",
        [peer_authentication("default", ROOT, STRICT), peer_authentication("ns", "shop", PERMISSIVE)],
        P.OPPORTUNISTIC,
    ),
    (
        "an UNSET namespace inherits from the mesh",
        [peer_authentication("default", ROOT, STRICT), peer_authentication("ns", "shop", UNSET)],
        P.ENFORCED_MTLS,
    ),
    (
        "a policy without mtls inherits",
        [peer_authentication("default", ROOT, STRICT), peer_authentication("ns", "shop", {})],
        P.ENFORCED_MTLS,
    ),
    (
        "the workload overrides the namespace",
        [peer_authentication("ns", "shop", STRICT), peer_authentication("w", "shop", workload(**DISABLE))],
        P.PLAINTEXT,
    ),
    (
        "an UNSET workload inherits from the namespace",
        [peer_authentication("ns", "shop", STRICT), peer_authentication("w", "shop", workload(**UNSET))],
        P.ENFORCED_MTLS,
    ),
    (
        "an empty selector is a namespace policy",
        [peer_authentication("ns", "shop", {"selector": {}, **STRICT})],
        P.ENFORCED_MTLS,
    ),
    (
        "an empty selector in the root namespace is a mesh policy for sidecars",
        [peer_authentication("ns", ROOT, {"selector": {}, **STRICT})],
        P.ENFORCED_MTLS,
    ),
    (
        "another workload's policy does not count",
        [peer_authentication("w", "shop", workload({"app": "other"}, **STRICT))],
        P.OPPORTUNISTIC,
    ),
    (
        "another namespace's policy does not count",
        [peer_authentication("ns", "other", STRICT)],
        P.OPPORTUNISTIC,
    ),
    (
        "the oldest namespace policy wins, not the first by name",
        [
            peer_authentication("a-new", "shop", STRICT, "02"),
            peer_authentication("b-old", "shop", PERMISSIVE, "01"),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "of equally old policies the first by name wins",
        [peer_authentication("b", "shop", PERMISSIVE), peer_authentication("a", "shop", STRICT)],
        P.ENFORCED_MTLS,
    ),
    (
        "the oldest workload policy wins and the loser's port level is dropped with it",
        [
            peer_authentication("old", "shop", workload(**STRICT), "01"),
            peer_authentication("new", "shop", port_level(8080, "DISABLE"), "02"),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "the oldest mesh policy wins",
        [
            peer_authentication("a", ROOT, PERMISSIVE, "02"),
            peer_authentication("b", ROOT, STRICT, "01"),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "competitors without a creation time that differ in effect",
        [
            peer_authentication("a", "shop", STRICT, None),
            peer_authentication("b", "shop", PERMISSIVE, None),
        ],
        P.INDETERMINATE,
    ),
    (
        "one competitor without a creation time is enough",
        [peer_authentication("a", "shop", STRICT, "01"), peer_authentication("b", "shop", DISABLE, None)],
        P.INDETERMINATE,
    ),
    (
        "competitors without a creation time that agree",
        [peer_authentication("a", "shop", STRICT, None), peer_authentication("b", "shop", STRICT, None)],
        P.ENFORCED_MTLS,
    ),
    (
        "competing namespace policies don't matter below a workload policy with a mode",
        [
            peer_authentication("a", "shop", STRICT, None),
            peer_authentication("b", "shop", PERMISSIVE, None),
            peer_authentication("w", "shop", workload(**STRICT)),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "a policy in the root namespace with a selector is ignored",
        [peer_authentication("w", ROOT, workload(**STRICT))],
        P.OPPORTUNISTIC,
    ),
    (
        "the port level outranks the workload",
        [peer_authentication("w", "shop", port_level(8080, "DISABLE", **STRICT))],
        P.PLAINTEXT,
    ),
    (
        "the port level may be stricter",
        [peer_authentication("w", "shop", port_level(8080, "STRICT", **PERMISSIVE))],
        P.ENFORCED_MTLS,
    ),
    (
        "a port level UNSET means the workload's result",
        [
            peer_authentication("ns", "shop", STRICT),
            peer_authentication("w", "shop", port_level(8080, "UNSET")),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "port numbers are text as JSON writes keys",
        [peer_authentication("w", "shop", port_level("8080", "STRICT"))],
        P.ENFORCED_MTLS,
    ),
    (
        "the key is the container port, not the Service's port",
        [
            service(port=80, target=8080),
            peer_authentication("w", "shop", port_level(80, "DISABLE", **STRICT)),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "a port level without a selector counts for nothing",
        [peer_authentication("ns", "shop", {"portLevelMtls": {8080: {"mode": "STRICT"}}, **PERMISSIVE})],
        P.OPPORTUNISTIC,
    ),
    (
        "a mode that Istio doesn't have",
        [peer_authentication("ns", "shop", {"mtls": {"mode": "MANDATORY"}})],
        P.INDETERMINATE,
    ),
    (
        "an unknown mode of the mesh doesn't matter below a namespace policy",
        [
            peer_authentication("m", ROOT, {"mtls": {"mode": "MANDATORY"}}),
            peer_authentication("ns", "shop", STRICT),
        ],
        P.ENFORCED_MTLS,
    ),
    ("mtls of the wrong shape", [peer_authentication("ns", "shop", {"mtls": "STRICT"})], P.INDETERMINATE),
    ("a spec of the wrong shape", [peer_authentication("ns", "shop", ["STRICT"])], P.INDETERMINATE),
    (
        "portLevelMtls of the wrong shape",
        [peer_authentication("w", "shop", workload(portLevelMtls=[8080], **STRICT))],
        P.INDETERMINATE,
    ),
    (
        "a selector of the wrong shape may select the pod",
        [peer_authentication("w", "shop", {"selector": "web", **STRICT})],
        P.INDETERMINATE,
    ),
    (
        "MeshConfig names another root namespace",
        [
            config_map("istio", ROOT, mesh="rootNamespace: mesh-root\n"),
            peer_authentication("default", "mesh-root", STRICT),
            peer_authentication("not-root", ROOT, DISABLE),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "MeshConfig of the pod's revision",
        [
            config_map("istio-canary", ROOT, mesh="rootNamespace: mesh-root\n"),
            peer_authentication("default", "mesh-root", STRICT),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "revisions that differ, for a pod of a third",
        [
            config_map("istio-a", ROOT, mesh="rootNamespace: root-a\n"),
            config_map("istio-b", ROOT, mesh="rootNamespace: root-b\n"),
        ],
        P.INDETERMINATE,
    ),
    (
        "two control planes that call themselves the same and differ",
        [
            config_map("istio", ROOT, mesh="rootNamespace: root-a\n"),
            config_map("istio", "istio-two", mesh="rootNamespace: root-b\n"),
            peer_authentication("ns", "shop", STRICT),
        ],
        P.INDETERMINATE,
    ),
    (
        "MeshConfig that isn't YAML",
        [config_map("istio", ROOT, mesh="{{{"), peer_authentication("ns", "shop", STRICT)],
        P.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(("case", "policies", "expected"), PRECEDENCE, ids=[case[0] for case in PRECEDENCE])
def test_peer_authentication_precedence(case: str, policies: list[Manifest], expected: Protection) -> None:
    found = judge(pod(), *policies)
    assert found.label is expected
    assert codes(found) <= set(CAUSES)
    assert any(code.startswith("indeterminate.") for code in codes(found)) == (expected is P.INDETERMINATE)


def test_the_root_namespaces_own_workloads_ignore_selector_policies_too() -> None:
    policy = peer_authentication("w", ROOT, workload(**STRICT))
    assert judge(pod(namespace=ROOT), policy, endpoint="istio-system/Pod/web").label is P.OPPORTUNISTIC


def test_ports_that_nobody_declares_obey_the_same_mode() -> None:
    policies = [peer_authentication("ns", "shop", STRICT)]
    assert judge(pod(), *policies, port=12345).label is P.ENFORCED_MTLS


def test_the_chain_names_the_policies_that_led_to_the_verdict() -> None:
    policies = [
        peer_authentication("default", ROOT, STRICT),
        peer_authentication("w", "shop", port_level(8080, "DISABLE")),
    ]
    found = judge(pod(), *policies)
    assert [(rule.object, rule.rule) for rule in found.chain] == [
        ("istio-system/PeerAuthentication.security.istio.io/default", "spec.mtls"),
        ("shop/PeerAuthentication.security.istio.io/w", "spec.portLevelMtls.8080"),
    ]
    assert {rule.evidence_id for rule in found.chain} <= set(found.evidence)
    assert (found.mode, found.data_plane) == ("DISABLE", "istio-sidecar")


STRICT_NAMESPACE = peer_authentication("ns", "shop", STRICT)
INBOUND = "traffic.sidecar.istio.io/"
INIT = {
    "name": "istio-init",
    "args": ["istio-iptables", "-b", "*", "-d", "15090,15021,15020,8080", "-m", "REDIRECT"],
}
CAPTURE = [
    ("captured", pod(), 8080, "TCP", P.ENFORCED_MTLS),
    (
        "interceptionMode NONE",
        pod(annotations={"sidecar.istio.io/interceptionMode": "NONE"}),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    (
        "interceptionMode TPROXY captures",
        pod(annotations={"sidecar.istio.io/interceptionMode": "TPROXY"}),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
    (
        "interceptionMode from the proxy's config annotation",
        pod(annotations={"proxy.istio.io/config": "interceptionMode: NONE"}),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    (
        "an unknown interceptionMode",
        pod(annotations={"sidecar.istio.io/interceptionMode": "MAGIC"}),
        8080,
        "TCP",
        P.INDETERMINATE,
    ),
    (
        "listed to be included",
        pod(annotations={INBOUND + "includeInboundPorts": "80,8080"}),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
    (
        "not listed to be included",
        pod(annotations={INBOUND + "includeInboundPorts": "80"}),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    ("nothing is included", pod(annotations={INBOUND + "includeInboundPorts": ""}), 8080, "TCP", P.PLAINTEXT),
    ("excluded", pod(annotations={INBOUND + "excludeInboundPorts": "9,8080"}), 8080, "TCP", P.PLAINTEXT),
    (
        "another port is excluded",
        pod(annotations={INBOUND + "excludeInboundPorts": "9"}),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
    (
        "exclusion counts only while everything is included",
        pod(annotations={INBOUND + "includeInboundPorts": "8080", INBOUND + "excludeInboundPorts": "8080"}),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
    (
        "a list of ports that cannot be read",
        pod(annotations={INBOUND + "excludeInboundPorts": "http"}),
        8080,
        "TCP",
        P.INDETERMINATE,
    ),
    (
        "what istio-init was told beats the annotations",
        pod(initContainers=[INIT], annotations={INBOUND + "excludeInboundPorts": "9"}),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    ("15090 is always excluded", pod(), 15090, "TCP", P.PLAINTEXT),
    ("15021 is always excluded", pod(), 15021, "TCP", P.PLAINTEXT),
    ("the status port is always excluded", pod(), 15020, "TCP", P.PLAINTEXT),
    (
        "another status port",
        pod(annotations={"status.sidecar.istio.io/port": "8080"}),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    ("UDP is not captured", pod(), 8080, "UDP", P.PLAINTEXT),
    ("no data plane", pod(proxy=None), 8080, "TCP", P.PLAINTEXT),
    (
        "a native sidecar",
        pod(proxy=None, initContainers=[{"name": "istio-proxy", "restartPolicy": "Always"}]),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
]


@pytest.mark.parametrize(
    ("case", "running", "port", "protocol", "expected"), CAPTURE, ids=[c[0] for c in CAPTURE]
)
def test_only_captured_tcp_is_protected(
    case: str, running: Manifest, port: int, protocol: str, expected: Protection
) -> None:
    found = judge(running, STRICT_NAMESPACE, port=port, protocol=protocol)
    assert found.label is expected
    assert codes(found) <= set(CAUSES)


def test_the_sidecars_own_ports_are_marked() -> None:
    assert judge(pod(), port=15090).proxy_port
    assert not judge(pod(), port=8080).proxy_port
    assert not judge(pod(proxy=None), port=15090).proxy_port


def test_injector_values_set_the_capture_defaults() -> None:
    values = config_map(
        "istio-sidecar-injector", ROOT, values='{"global":{"proxy":{"excludeInboundPorts":"8080"}}}'
    )
    assert judge(pod(), STRICT_NAMESPACE, values).label is P.PLAINTEXT


def source(**fields: Any) -> list[Manifest]:
    return [{"from": [{"source": fields}]}]


REJECTION = [
    ("no authorization policy", [], P.OPPORTUNISTIC),
    (
        "ALLOW for principals",
        [authorization("a", "shop", {"rules": source(principals=["*"])})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "ALLOW for namespaces",
        [authorization("a", "shop", {"rules": source(namespaces=["shop"])})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "ALLOW for service accounts",
        [authorization("a", "shop", {"rules": source(serviceAccounts=["shop/web"])})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "ALLOW when the principal is one of",
        [authorization("a", "shop", {"rules": [{"when": [{"key": "source.principal", "values": ["x"]}]}]})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    ("spec: {} allows nothing", [authorization("a", "shop", {})], P.PLAINTEXT_REJECTED_BY_AUTHZ),
    ("rules: [{}] allows everything", [authorization("a", "shop", {"rules": [{}]})], P.OPPORTUNISTIC),
    (
        "ALLOW by address",
        [authorization("a", "shop", {"rules": source(ipBlocks=["10.0.0.0/8"])})],
        P.OPPORTUNISTIC,
    ),
    (
        "ALLOW by negated principal",
        [authorization("a", "shop", {"rules": source(notPrincipals=["x"])})],
        P.OPPORTUNISTIC,
    ),
    (
        "one ALLOW without identity among others opens the port",
        [
            authorization("a", "shop", {"rules": source(principals=["*"])}),
            authorization("b", "shop", {"rules": [{"to": [{"operation": {"ports": ["8080"]}}]}]}),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "an ALLOW without identity for another port doesn't",
        [
            authorization("a", "shop", {"rules": source(principals=["*"])}),
            authorization("b", "shop", {"rules": [{"to": [{"operation": {"ports": ["9090"]}}]}]}),
        ],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "a token is no mesh identity",
        [authorization("a", "shop", {"rules": source(requestPrincipals=["*"])})],
        P.OPPORTUNISTIC,
    ),
    (
        "a dry run enforces nothing",
        [
            authorization(
                "a", "shop", {"rules": source(principals=["*"])}, annotations={"istio.io/dry-run": "true"}
            )
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "AUDIT enforces nothing",
        [authorization("a", "shop", {"action": "AUDIT", "rules": source(principals=["*"])})],
        P.OPPORTUNISTIC,
    ),
    (
        "a policy for a gateway enforces nothing here",
        [
            authorization(
                "a",
                "shop",
                {"targetRefs": [{"kind": "Gateway", "name": "g"}], "rules": source(principals=["*"])},
            )
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "DENY of everybody without a principal",
        [authorization("a", "shop", {"action": "DENY", "rules": source(notPrincipals=["*"])})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    ("DENY without rules never matches", [authorization("a", "shop", {"action": "DENY"})], P.OPPORTUNISTIC),
    (
        "DENY of some paths only",
        [
            authorization(
                "a",
                "shop",
                {
                    "action": "DENY",
                    "rules": [
                        {
                            "from": [{"source": {"notPrincipals": ["*"]}}],
                            "to": [{"operation": {"paths": ["/admin"]}}],
                        }
                    ],
                },
            )
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "the root namespace's policies count",
        [authorization("a", ROOT, {"rules": source(principals=["*"])})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "another workload's policies don't",
        [authorization("a", "shop", {**workload({"app": "other"}), "rules": source(principals=["*"])})],
        P.OPPORTUNISTIC,
    ),
    ("rules of the wrong shape", [authorization("a", "shop", {"rules": [{"from": "all"}]})], P.OPPORTUNISTIC),
]


@pytest.mark.parametrize(("case", "policies", "expected"), REJECTION, ids=[case[0] for case in REJECTION])
def test_authorization_that_rejects_plaintext(
    case: str, policies: list[Manifest], expected: Protection
) -> None:
    found = judge(pod(), *policies)
    assert found.label is expected
    assert codes(found) <= set(CAUSES)


def sidecar_tls(port: int, tls: Any) -> Manifest:
    listener = {"port": {"number": port, "protocol": "HTTPS"}, "defaultEndpoint": "127.0.0.1:1", "tls": tls}
    return custom("networking.istio.io/v1", "Sidecar", "s", "shop", {"ingress": [listener]}, "01")


DISABLED = peer_authentication("ns", "shop", DISABLE)
INGRESS_TLS = [
    (
        "SIMPLE where mutual TLS is disabled",
        [DISABLED, sidecar_tls(8080, {"mode": "SIMPLE"})],
        P.TLS_SERVER_ONLY,
    ),
    (
        "MUTUAL where mutual TLS is disabled",
        [DISABLED, sidecar_tls(8080, {"mode": "MUTUAL"})],
        P.ENFORCED_MTLS,
    ),
    (
        "OPTIONAL_MUTUAL does not authenticate clients",
        [DISABLED, sidecar_tls(8080, {"mode": "OPTIONAL_MUTUAL"})],
        P.TLS_SERVER_ONLY,
    ),
    ("another port", [DISABLED, sidecar_tls(9090, {"mode": "SIMPLE"})], P.PLAINTEXT),
    ("TLS without a mode", [DISABLED, sidecar_tls(8080, {})], P.INDETERMINATE),
    ("not where it is PERMISSIVE", [sidecar_tls(8080, {"mode": "MUTUAL"})], P.OPPORTUNISTIC),
]


@pytest.mark.parametrize(("case", "policies", "expected"), INGRESS_TLS, ids=[case[0] for case in INGRESS_TLS])
def test_tls_of_a_sidecars_listener(case: str, policies: list[Manifest], expected: Protection) -> None:
    assert judge(pod(), *policies).label is expected


def envoy_filter(namespace: str, patch: Manifest, **spec: Any) -> Manifest:
    return custom(
        "networking.istio.io/v1alpha3", "EnvoyFilter", "f", namespace, {"configPatches": [patch], **spec}
    )


CHAIN = {"applyTo": "FILTER_CHAIN", "match": {"context": "SIDECAR_INBOUND"}, "patch": {"operation": "MERGE"}}
FILTERS = [
    ("a patch of inbound filter chains", envoy_filter("shop", CHAIN), P.INDETERMINATE),
    ("in the root namespace", envoy_filter(ROOT, CHAIN), P.INDETERMINATE),
    ("in another namespace", envoy_filter("other", CHAIN), P.ENFORCED_MTLS),
    (
        "for another workload",
        envoy_filter("shop", CHAIN, workloadSelector={"labels": {"app": "other"}}),
        P.ENFORCED_MTLS,
    ),
    (
        "of gateways only",
        envoy_filter("shop", {**CHAIN, "match": {"context": "GATEWAY"}}),
        P.ENFORCED_MTLS,
    ),
    (
        "of another port",
        envoy_filter("shop", {**CHAIN, "match": {"listener": {"filterChain": {"destinationPort": 9090}}}}),
        P.ENFORCED_MTLS,
    ),
    (
        "an HTTP filter does not touch TLS",
        envoy_filter(
            "shop",
            {"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_BEFORE", "value": {"name": "lua"}}},
        ),
        P.ENFORCED_MTLS,
    ),
    (
        "an outbound cluster is not the inbound side",
        envoy_filter("shop", {"applyTo": "CLUSTER", "patch": {"value": {"transport_socket": {}}}}),
        P.ENFORCED_MTLS,
    ),
    ("an unknown object", envoy_filter("shop", {"applyTo": "EVERYTHING"}), P.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "patched", "expected"), FILTERS, ids=[case[0] for case in FILTERS])
def test_envoy_filters(case: str, patched: Manifest, expected: Protection) -> None:
    assert judge(pod(), STRICT_NAMESPACE, patched).label is expected


def test_a_gateways_ports_are_left_to_its_gateway_objects() -> None:
    gateway = pod(proxy=None, containers=[{"name": "istio-proxy", "ports": [{"containerPort": 8443}]}])
    found = judge(gateway, STRICT_NAMESPACE, port=8443)
    assert found.label is P.INDETERMINATE
    assert "indeterminate.istio.gateway-port" in codes(found)


def test_a_port_level_key_of_ten_thousand_digits_is_no_port() -> None:
    ports, odd = _ports({"1" * 10_000: {"mode": "STRICT"}, "8080": {"mode": "STRICT"}})
    assert (list(ports), odd) == ([8080], True)
