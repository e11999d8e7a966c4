"""Linkerd's ways out: EgressNetworks, the routes attached to them, mirrored Services. Answers worked out by hand."""

from ipaddress import ip_network
from typing import Any

import pytest

from auditor.encryption.egress.values import Location, Sent
from tests.encryption.egress_manifests import HOST, egress_network, way, ways
from tests.encryption.mesh_manifests import Manifest, config_map, custom, pod, service

CLIENT = pod(proxy="linkerd-proxy")


def route(
    kind: str, *, port: int | None = 443, hosts: list[str] | None = None, namespace: str = "shop", **spec: Any
) -> Manifest:
    """A Gateway API route attached to the EgressNetwork `out` of the shop."""
    api = "policy.linkerd.io/v1beta3" if kind == "LinkerdHTTPRoute" else "gateway.networking.k8s.io/v1"
    parent: Manifest = {"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "out"}
    if port:
        parent["port"] = port
    hostnames = {} if kind == "TCPRoute" else {"hostnames": [HOST] if hosts is None else hosts}
    whole = {"parentRefs": [parent], **hostnames, **spec}
    return custom(api, kind.removeprefix("Linkerd"), "partner", namespace, whole, "01")


BACK_OUT = [{"backendRefs": [{"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "out"}]}]
ELSEWHERE = [{"backendRefs": [{"kind": "Service", "name": "squid", "port": 3128}]}]

ANY: list[tuple[str, list[Manifest], Sent]] = [
    ("without an EgressNetwork everything passes", [], Sent.APPLICATION),
    ("Allow", [egress_network("Allow")], Sent.APPLICATION),
    ("Deny", [egress_network("Deny")], Sent.NOTHING),
    ("a policy that Linkerd doesn't have", [egress_network("Maybe")], Sent.INDETERMINATE),
    ("one of another namespace", [egress_network("Deny", "back")], Sent.APPLICATION),
    ("the global namespace's", [egress_network("Deny", "linkerd-egress")], Sent.NOTHING),
    (
        "the client's namespace before the global one",
        [egress_network("Deny", "linkerd-egress"), egress_network("Allow")],
        Sent.APPLICATION,
    ),
    (
        "another global namespace, by the control plane's values",
        [
            config_map("linkerd-config", "linkerd", values="egress: {globalEgressNetworkNamespace: out}"),
            egress_network("Deny", "out"),
        ],
        Sent.NOTHING,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "sent"), ANY, ids=[case[0] for case in ANY])
def test_what_becomes_of_what_no_route_describes(case: str, manifests: list[Manifest], sent: Sent) -> None:
    assert way(CLIENT, *manifests, port=None, host="*").sent is sent


def blocks(*networks: Manifest, policy: str = "Deny") -> Manifest:
    """An EgressNetwork for some addresses."""
    spec = {"trafficPolicy": policy, "networks": list(networks)}
    return custom("policy.linkerd.io/v1alpha1", "EgressNetwork", "out", "shop", spec, "01")


def test_what_no_egress_network_is_for_passes_as_it_is() -> None:
    rows = ways(CLIENT, blocks({"cidr": "198.51.100.0/24"}))
    assert [(row.subject, row.sent) for row in rows] == [
        ("shop/EgressNetwork.policy.linkerd.io/out:*", Sent.NOTHING),
        ("unregistered:*", Sent.APPLICATION),
    ]
    assert rows[0].addresses == (ip_network("198.51.100.0/24"),)


def test_an_egress_network_for_everything_but_some_leaves_these() -> None:
    but_one = blocks({"cidr": "0.0.0.0/0", "except": ["198.51.100.7/32"]})
    assert [row.host for row in ways(CLIENT, but_one)] == ["*", "*"]
    assert len(ways(CLIENT, blocks({"cidr": "0.0.0.0/0"}))) == 1


def test_deny_binds_only_what_the_proxy_sees() -> None:
    arguments = ["--outbound-ports-to-ignore", "4567,4568"]
    by_default = pod("a", proxy="linkerd-proxy", initContainers=[{"name": "linkerd-init", "args": arguments}])
    past = pod("b", proxy="linkerd-proxy", annotations={"config.linkerd.io/skip-outbound-ports": "443"})
    around = pod("c", proxy="linkerd-proxy", annotations={"config.linkerd.io/skip-subnets": "10.0.0.0/8"})
    rows = ways(by_default, past, around, egress_network("Deny"))
    assert {(row.sent, tuple(client.name for client in row.sources)) for row in rows} == {
        (Sent.NOTHING, ("a",)),
        (Sent.APPLICATION, ("b", "c")),
    }


ROUTES: list[tuple[str, Manifest, int | None, str, Sent]] = [
    (
        "TLSRoute: the application's own TLS",
        route("TLSRoute", rules=BACK_OUT),
        443,
        HOST,
        Sent.APPLICATION_TLS,
    ),
    ("HTTPRoute: plain HTTP", route("HTTPRoute", port=80, rules=BACK_OUT), 80, HOST, Sent.PLAINTEXT),
    (
        "Linkerd's own HTTPRoute: plain HTTP",
        route("LinkerdHTTPRoute", port=80, rules=BACK_OUT),
        80,
        HOST,
        Sent.PLAINTEXT,
    ),
    ("GRPCRoute: plain HTTP/2", route("GRPCRoute", port=80, rules=BACK_OUT), 80, HOST, Sent.PLAINTEXT),
    ("TCPRoute: whatever it is", route("TCPRoute", port=5432, rules=BACK_OUT), 5432, "*", Sent.APPLICATION),
    ("a route without rules goes out", route("TLSRoute"), 443, HOST, Sent.APPLICATION_TLS),
    (
        "a route to a Service in the cluster isn't followed",
        route("HTTPRoute", port=80, rules=ELSEWHERE),
        80,
        HOST,
        Sent.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(
    ("case", "attached", "port", "host", "sent"), ROUTES, ids=[case[0] for case in ROUTES]
)
def test_what_a_route_lets_out(
    case: str, attached: Manifest, port: int | None, host: str, sent: Sent
) -> None:
    found = way(CLIENT, egress_network("Deny"), attached, port=port, host=host)
    assert (found.sent, [client.id for client in found.sources]) == (sent, ["shop/Pod/web"])


def test_a_route_attached_to_something_else_lets_nothing_out() -> None:
    other = route("TLSRoute", parentRefs=[{"kind": "Service", "name": "out"}])
    assert {row.host for row in ways(CLIENT, egress_network("Deny"), other)} == {"*"}


def test_the_chain_names_the_network_and_the_route() -> None:
    denied = way(CLIENT, egress_network("Deny"), port=None, host="*")
    assert [(r.object, r.rule) for r in denied.reasons.chain] == [
        ("shop/EgressNetwork.policy.linkerd.io/out", "spec.trafficPolicy")
    ]


def mirrored(*, identity: bool, remote: bool = False) -> list[Manifest]:
    labels = {"multicluster.linkerd.io/remote-discovery": "ledger"} if remote else {}
    front = service("ledger-west", "shop")
    del front["spec"]["selector"]
    front["metadata"]["labels"] = {"mirror.linkerd.io/mirrored-service": "true", **labels}
    annotations = {"mirror.linkerd.io/remote-gateway-identity": "linkerd-gateway.west"} if identity else {}
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "ledger-west-1",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "ledger-west"},
            "annotations": annotations,
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["203.0.113.9"]}],
    }
    return [front, piece]


MIRRORS = [
    ("the gateway's identity is known", mirrored(identity=True), Sent.MESH_MTLS),
    ("no identity is in the evidence", mirrored(identity=False), Sent.INDETERMINATE),
    ("pods of the other cluster directly", mirrored(identity=False, remote=True), Sent.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "manifests", "sent"), MIRRORS, ids=[case[0] for case in MIRRORS])
def test_services_mirrored_from_another_cluster(case: str, manifests: list[Manifest], sent: Sent) -> None:
    found = way(CLIENT, *manifests, host="ledger-west.shop.svc.cluster.local", port=80)
    assert (found.sent, found.location) == (sent, Location.REMOTE_CLUSTER)
