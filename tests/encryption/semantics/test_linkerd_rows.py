"""Rows of section 2: Linkerd's injection, redirection, Servers, defaults and clients."""

from typing import Any

from auditor.encryption.verdicts import DataPlane, Wire
from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import (
    Manifest,
    deployment,
    judge,
    namespace,
    pod,
    service,
    world,
)
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_linkerd_inbound import (
    ACCOUNT,
    ANY_IDENTITY,
    ANY_NETWORK,
    GATEWAY_API,
    INJECTOR,
    MESH_TLS,
    NETWORK,
    cluster_default,
    meshed,
    policy,
    route,
    route_target,
    server,
    server_authorization,
)

P, L, N = Protection, DataPlane.LINKERD, DataPlane.NONE
ASK = "linkerd.io/inject"
CONFIG = "config.linkerd.io/"
DEFAULT = CONFIG + "default-inbound-policy"


def asking(value: str) -> Manifest:
    return namespace(annotations={ASK: value})


def with_default(value: str, **more: str) -> Manifest:
    return meshed(annotations={DEFAULT: value, **more})


MEMBERS = [
    RowCase("2.inject", "the namespace asks", [INJECTOR, asking("enabled"), deployment()], L),
    RowCase("2.inject", "ingress", [INJECTOR, asking("ingress"), deployment()], L),
    RowCase("2.inject", "another value", [INJECTOR, asking("yes"), deployment()], N),
    RowCase(
        "2.inject",
        "the pod refuses",
        [INJECTOR, asking("enabled"), deployment(annotations={ASK: "disabled"})],
        N,
    ),
    RowCase("2.inject", "the pod asks", [INJECTOR, namespace(), deployment(annotations={ASK: "enabled"})], L),
    RowCase("2.never", "the node's network", [INJECTOR, asking("enabled"), deployment(hostNetwork=True)], N),
    RowCase("2.observed", "an ordinary container", [meshed()], L),
    RowCase(
        "2.observed",
        "a native sidecar",
        [pod(proxy=None, initContainers=[{"name": "linkerd-proxy", "restartPolicy": "Always"}])],
        L,
    ),
    RowCase(
        "2.observed",
        "the webhook was skipped",
        [INJECTOR, asking("enabled"), pod(proxy=None, annotations={ASK: "enabled"})],
        N,
    ),
]
INIT = {"name": "linkerd-init", "args": ["--inbound-ports-to-ignore", "4190,8080"]}
PORTS = [
    RowCase("2.skipped", "by linkerd-init", [with_default("deny"), INIT], P.PLAINTEXT, (8080, "TCP")),
    RowCase("2.skipped-default", "4567", [with_default("deny")], P.PLAINTEXT, (4567, "TCP")),
    RowCase("2.skipped-default", "4568", [with_default("deny")], P.PLAINTEXT, (4568, "TCP")),
    RowCase("2.skipped-default", "the admin port", [with_default("deny")], P.PLAINTEXT, (4191, "TCP")),
    RowCase("2.skipped-default", "the control port", [with_default("deny")], P.PLAINTEXT, (4190, "TCP")),
    RowCase("2.udp", "UDP", [with_default("deny")], P.PLAINTEXT, (8080, "UDP")),
]
SERVERS = [
    RowCase(
        "2.server",
        "the oldest",
        [
            server("a", "02", accessPolicy="all-unauthenticated"),
            server("b", "01", accessPolicy="all-authenticated"),
        ],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "2.server",
        "equal ages: the name",
        [
            server("b", accessPolicy="all-unauthenticated"),
            server("a", accessPolicy="all-authenticated"),
        ],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "2.server",
        "ages that nobody recorded",
        [
            server("a", None, accessPolicy="all-unauthenticated"),
            server("b", None, accessPolicy="all-authenticated"),
        ],
        P.INDETERMINATE,
    ),
    RowCase(
        "2.server", "another port", [server(port=9, accessPolicy="all-unauthenticated")], P.ENFORCED_MTLS
    ),
    RowCase("2.server", "a port by name", [server(port="http")], P.DENIED),
    RowCase("2.default-deny", "no accessPolicy", [server()], P.DENIED),
    RowCase(
        "2.unauthenticated",
        "beside an authenticated one",
        [server(), policy(ACCOUNT), policy(name="b")],
        P.OPPORTUNISTIC,
    ),
    RowCase("2.unauthenticated", "audit", [server(accessPolicy="audit")], P.OPPORTUNISTIC),
    RowCase(
        "2.unauthenticated",
        "a ServerAuthorization",
        [server(), server_authorization({"unauthenticated": True})],
        P.OPPORTUNISTIC,
    ),
    RowCase(
        "2.route",
        "unauthenticated on a route",
        [
            server(),
            route(GATEWAY_API + "/v1", "HTTPRoute"),
            policy(target=route_target(GATEWAY_API, "HTTPRoute")),
        ],
        P.OPPORTUNISTIC,
    ),
    RowCase(
        "2.route",
        "identity on a route",
        [
            server(),
            route("policy.linkerd.io/v1beta3", "HTTPRoute"),
            policy(ACCOUNT, target=route_target("policy.linkerd.io", "HTTPRoute")),
        ],
        P.ENFORCED_MTLS,
    ),
    RowCase("2.network-only", "networks", [server(), ANY_NETWORK, policy(NETWORK)], P.OPPORTUNISTIC),
    RowCase("2.network-only", "no reference", [server(), policy()], P.OPPORTUNISTIC),
    RowCase("2.missing", "the only one", [server(), policy(NETWORK)], P.DENIED),
    RowCase("2.missing", "one of two", [server(), ANY_NETWORK, policy(NETWORK, MESH_TLS)], P.DENIED),
    RowCase(
        "2.and",
        "network and identity",
        [server(), ANY_NETWORK, ANY_IDENTITY, policy(NETWORK, MESH_TLS)],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "2.tls-without-identity",
        "unauthenticatedTLS",
        [server(), server_authorization({"meshTLS": {"unauthenticatedTLS": True}})],
        P.TLS_SERVER_ONLY,
    ),
    RowCase("2.identity", "all", [server(), ANY_IDENTITY, policy(MESH_TLS)], P.ENFORCED_MTLS),
    RowCase("2.identity", "none", [server()], P.DENIED),
]
DEFAULTS = [
    RowCase("2.default", f"{where} {value}", value, expected, where)
    for value, expected in (
        ("all-authenticated", P.ENFORCED_MTLS),
        ("cluster-authenticated", P.ENFORCED_MTLS),
        ("all-unauthenticated", P.OPPORTUNISTIC),
        ("cluster-unauthenticated", P.OPPORTUNISTIC),
        ("audit", P.OPPORTUNISTIC),
        ("deny", P.DENIED),
    )
    for where in ("the pod's", "the cluster's")
]
REQUIRE = CONFIG + "proxy-require-identity-inbound-ports"
OTHERS = [
    RowCase(
        "2.require-identity",
        "under an allowing default",
        [with_default("all-unauthenticated", **{REQUIRE: "8080"})],
        P.ENFORCED_MTLS,
    ),
    RowCase("2.require-identity", "under deny", [with_default("deny", **{REQUIRE: "8080"})], P.DENIED),
    RowCase(
        "2.require-identity",
        "with a Server",
        [
            with_default("all-unauthenticated", **{REQUIRE: "8080"}),
            server(accessPolicy="all-unauthenticated"),
        ],
        P.OPPORTUNISTIC,
    ),
    RowCase(
        "2.pod-only",
        "the namespace's annotation",
        [
            meshed(),
            cluster_default(),
            namespace(annotations={DEFAULT: "all-authenticated"}),
        ],
        P.OPPORTUNISTIC,
    ),
    RowCase(
        "2.opaque",
        "under a strict default",
        [with_default("all-authenticated", **{CONFIG + "opaque-ports": "8080"})],
        P.ENFORCED_MTLS,
    ),
    RowCase(
        "2.probe",
        "a probe of a strict port",
        [with_default("all-authenticated")],
        P.ENFORCED_MTLS,
    ),
]
CLIENTS = [
    RowCase("2.client", "the control plane's label", [meshed()], Wire.MESH_MTLS),
    RowCase(
        "2.client",
        "another control plane",
        [meshed(labels={"linkerd.io/control-plane-ns": "other"})],
        Wire.PLAINTEXT,
    ),
    RowCase("2.client", "no proxy", [pod(proxy=None)], Wire.PLAINTEXT),
    RowCase(
        "2.client",
        "the port is skipped",
        [meshed(annotations={CONFIG + "skip-inbound-ports": "8080"})],
        Wire.PLAINTEXT,
    ),
]
CASES = MEMBERS + PORTS + SERVERS + DEFAULTS + OTHERS + CLIENTS


@each(MEMBERS)
def test_who_is_meshed(case: RowCase) -> None:
    encryption, endpoints = world(*case.given)
    endpoint = next(endpoint for name, endpoint in endpoints.items() if name.endswith("/web"))
    assert encryption.membership(endpoint).data_plane is case.expected


@each(PORTS)
def test_ports_that_bypass_the_proxy(case: RowCase) -> None:
    body, *init = case.given
    found: Any = {**body, "spec": {**body["spec"], "initContainers": init}}
    port, protocol = case.asked
    assert judge(found, cluster_default(), port=port, protocol=protocol).label is case.expected


@each(SERVERS)
def test_under_a_server(case: RowCase) -> None:
    assert judge(with_default("all-authenticated"), *case.given).label is case.expected


@each(DEFAULTS)
def test_without_a_server(case: RowCase) -> None:
    own = case.asked == "the pod's"
    pods = (
        [with_default(case.given), cluster_default("deny")]
        if own
        else [meshed(), cluster_default(case.given)]
    )
    assert judge(*pods).label is case.expected


@each(OTHERS)
def test_other_settings(case: RowCase) -> None:
    body, *more = case.given
    if case.row == "2.probe":
        body["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8080, "path": "/ready"}}
    found = judge(body, *more)
    assert found.label is case.expected
    said = {cause.code for cause in found.causes}
    assert ("linkerd.probe-without-identity" in said) == (case.row == "2.probe")
    assert ("linkerd.opaque-port" in said) == (case.row == "2.opaque")


@each(CLIENTS)
def test_what_clients_send(case: RowCase) -> None:
    client = pod("client", "front", proxy="linkerd-proxy", labels={"linkerd.io/control-plane-ns": "linkerd"})
    encryption, endpoints = world(client, service(), *case.given)
    found = encryption.client_tls(endpoints["front/Pod/client"], endpoints["shop/Pod/web"], 8080)
    assert found.wire is case.expected
