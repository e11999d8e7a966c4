"""Rows of 1a: who is in Istio's data plane, and which ports it captures."""

from auditor.encryption.verdicts import DataPlane
from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import (
    STRICT,
    config_map,
    deployment,
    judge,
    namespace,
    peer_authentication,
    pod,
    world,
)
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_istio_membership import INJECT, INJECTOR, REV

S, A, N, U = DataPlane.ISTIO_SIDECAR, DataPlane.ISTIO_AMBIENT, DataPlane.NONE, DataPlane.UNKNOWN
P = Protection
REDIRECTED = "ambient.istio.io/redirection"
MODE = "istio.io/dataplane-mode"
PORTS = "traffic.sidecar.istio.io/"
ZTUNNEL = pod("ztunnel", "istio-system", proxy=None)
ENABLED = namespace(labels={"istio-injection": "enabled"})
NATIVE = pod(proxy=None, initContainers=[{"name": "istio-proxy", "restartPolicy": "Always"}])


def injector(text: str) -> object:
    return config_map("istio-sidecar-injector", "istio-system", config=text)


MEMBERS = [
    RowCase("1a.sidecar", "an ordinary container", [pod()], S),
    RowCase("1a.sidecar", "a native sidecar", [NATIVE], S),
    RowCase("1a.sidecar", "no container", [pod(proxy=None)], N),
    RowCase("1a.ambient", "enabled", [pod(proxy=None, annotations={REDIRECTED: "enabled"})], A),
    RowCase("1a.ambient", "pending", [pod(proxy=None, annotations={REDIRECTED: "pending"})], N),
    RowCase(
        "1a.ambient-expected",
        "the namespace's label",
        [ZTUNNEL, namespace(labels={MODE: "ambient"}), deployment()],
        A,
    ),
    RowCase(
        "1a.ambient-expected",
        "the pod's label",
        [ZTUNNEL, namespace(), deployment(labels={MODE: "ambient"})],
        A,
    ),
    RowCase(
        "1a.ambient-expected",
        "the pod says none",
        [ZTUNNEL, namespace(labels={MODE: "ambient"}), deployment(labels={MODE: "none"})],
        N,
    ),
    RowCase(
        "1a.ambient-expected",
        "the node's network",
        [ZTUNNEL, namespace(labels={MODE: "ambient"}), deployment(hostNetwork=True)],
        N,
    ),
    RowCase(
        "1a.ambient-expected",
        "an injected pod",
        [
            ZTUNNEL,
            namespace(labels={MODE: "ambient"}),
            deployment(annotations={"sidecar.istio.io/status": "{}"}),
        ],
        N,
    ),
    RowCase(
        "1a.webhook",
        "istio-injection outranks the revision",
        [INJECTOR, namespace(labels={"istio-injection": "disabled", REV: "default"}), deployment()],
        N,
    ),
    RowCase(
        "1a.webhook",
        "the pod's label, both namespace labels absent",
        [INJECTOR, namespace(), deployment(labels={INJECT: "true"})],
        S,
    ),
    RowCase(
        "1a.webhook",
        "the pod's label, the namespace refuses",
        [INJECTOR, namespace(labels={"istio-injection": "disabled"}), deployment(labels={INJECT: "true"})],
        N,
    ),
    RowCase("1a.webhook", "the revision", [INJECTOR, namespace(labels={REV: "default"}), deployment()], S),
    RowCase("1a.injected", "the node's network", [INJECTOR, ENABLED, deployment(hostNetwork=True)], N),
    RowCase(
        "1a.injected",
        "the label over the annotation",
        [INJECTOR, ENABLED, deployment(labels={INJECT: "true"}, annotations={INJECT: "false"})],
        S,
    ),
    RowCase(
        "1a.injected",
        "a value that is none",
        [INJECTOR, ENABLED, deployment(annotations={INJECT: "maybe"})],
        N,
    ),
    RowCase(
        "1a.injected",
        "neverInject",
        [INJECTOR, ENABLED, deployment(), injector("neverInjectSelector: [{matchLabels: {app: web}}]")],
        N,
    ),
    RowCase(
        "1a.injected",
        "alwaysInject",
        [
            INJECTOR,
            ENABLED,
            deployment(),
            injector("policy: disabled\nalwaysInjectSelector: [{matchLabels: {app: web}}]"),
        ],
        S,
    ),
    RowCase(
        "1a.injected", "policy disabled", [INJECTOR, ENABLED, deployment(), injector("policy: disabled")], N
    ),
]
SYSTEM = [
    RowCase("1a.injected", name, [INJECTOR, namespace(name, {"istio-injection": "enabled"})], N)
    for name in ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
]
CAPTURE = [
    RowCase("1a.tcp-only", "UDP", [pod()], P.PLAINTEXT, (8080, "UDP")),
    RowCase("1a.tcp-only", "TCP", [pod()], P.ENFORCED_MTLS, (8080, "TCP")),
    RowCase(
        "1a.interception-none",
        "NONE",
        [pod(annotations={"sidecar.istio.io/interceptionMode": "NONE"})],
        P.PLAINTEXT,
        (8080, "TCP"),
    ),
    RowCase(
        "1a.include",
        "absent",
        [pod(annotations={PORTS + "includeInboundPorts": "80"})],
        P.PLAINTEXT,
        (8080, "TCP"),
    ),
    RowCase(
        "1a.include",
        "empty",
        [pod(annotations={PORTS + "includeInboundPorts": ""})],
        P.PLAINTEXT,
        (8080, "TCP"),
    ),
    RowCase(
        "1a.include",
        "listed",
        [pod(annotations={PORTS + "includeInboundPorts": "8080"})],
        P.ENFORCED_MTLS,
        (8080, "TCP"),
    ),
    RowCase(
        "1a.exclude",
        "while everything is included",
        [pod(annotations={PORTS + "excludeInboundPorts": "8080"})],
        P.PLAINTEXT,
        (8080, "TCP"),
    ),
    RowCase(
        "1a.exclude",
        "while a list is included",
        [
            pod(
                annotations={
                    PORTS + "includeInboundPorts": "8080",
                    PORTS + "excludeInboundPorts": "8080",
                }
            )
        ],
        P.ENFORCED_MTLS,
        (8080, "TCP"),
    ),
    RowCase("1a.always-excluded", "15090", [pod()], P.PLAINTEXT, (15090, "TCP")),
    RowCase("1a.always-excluded", "15021", [pod()], P.PLAINTEXT, (15021, "TCP")),
    RowCase(
        "1a.always-excluded",
        "the status port",
        [pod(annotations={"status.sidecar.istio.io/port": "9999"})],
        P.PLAINTEXT,
        (9999, "TCP"),
    ),
    RowCase(
        "1a.ambient-bypass",
        "bypassed",
        [
            pod(
                proxy=None,
                annotations={REDIRECTED: "enabled", "ambient.istio.io/bypass-inbound-capture": "true"},
            )
        ],
        P.PLAINTEXT,
        (8080, "TCP"),
    ),
]
CASES = MEMBERS + SYSTEM + CAPTURE


@each(MEMBERS)
def test_who_is_in_the_data_plane(case: RowCase) -> None:
    encryption, endpoints = world(*case.given)
    endpoint = next(endpoint for name, endpoint in endpoints.items() if name.endswith("/web"))
    assert encryption.membership(endpoint).data_plane is case.expected


@each(SYSTEM)
def test_namespaces_that_are_never_injected(case: RowCase) -> None:
    encryption, endpoints = world(*case.given, deployment(namespace=case.name))
    assert encryption.membership(endpoints[f"{case.name}/Deployment/web"]).data_plane is case.expected


def test_a_gateway_is_known_by_its_template() -> None:
    gateway = pod(annotations={"inject.istio.io/templates": "gateway"})
    encryption, endpoints = world(gateway)
    assert encryption.membership(endpoints["shop/Pod/web"]).gateway


@each(CAPTURE)
def test_which_ports_are_captured_under_strict(case: RowCase) -> None:
    port, protocol = case.asked
    found = judge(*case.given, peer_authentication("ns", "shop", STRICT), port=port, protocol=protocol)
    assert found.label is case.expected
