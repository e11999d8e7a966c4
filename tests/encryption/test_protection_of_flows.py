"""Flows: the client's side and the port together (issue: flows meet encryption). Worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.verdicts import FlowProtection, Wire
from auditor.model.verdict import Protection, Tri
from tests.encryption.mesh_manifests import (
    DISABLE,
    STRICT,
    WIREGUARD,
    Manifest,
    assert_explained,
    custom,
    namespace,
    peer_authentication,
    pod,
    service,
    world,
)

P, W = Protection, Wire
CLIENT = pod("client", "front")
OUTSIDE = pod("client", "front", proxy=None)
STRICT_SHOP = peer_authentication("ns", "shop", STRICT)


def rule(**tls: Any) -> Manifest:
    spec = {"host": "web.shop.svc.cluster.local", "trafficPolicy": {"tls": tls}}
    return custom("networking.istio.io/v1", "DestinationRule", "r", "shop", spec, "01")


def flow(*manifests: Manifest, protocol: str = "TCP", **options: Any) -> FlowProtection:
    encryption, endpoints = world(*manifests, service(), **options)
    found = encryption.flow(endpoints["front/Pod/client"], endpoints["shop/Pod/web"], 8080, protocol)
    assert_explained(found.causes)
    return found


FLOWS = [
    ("meshed to STRICT", [CLIENT, pod(), STRICT_SHOP], W.MESH_MTLS, P.ENFORCED_MTLS),
    ("meshed to PERMISSIVE: this client uses mTLS", [CLIENT, pod()], W.MESH_MTLS, P.ENFORCED_MTLS),
    ("unmeshed to PERMISSIVE", [OUTSIDE, pod()], W.PLAINTEXT, P.PLAINTEXT),
    ("unmeshed to STRICT fails", [OUTSIDE, pod(), STRICT_SHOP], W.PLAINTEXT, P.DENIED),
    ("meshed to unmeshed", [CLIENT, pod(proxy=None)], W.PLAINTEXT, P.PLAINTEXT),
    (
        "a rule turns TLS off towards PERMISSIVE",
        [CLIENT, pod(), rule(mode="DISABLE")],
        W.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "a rule turns TLS off towards STRICT",
        [CLIENT, pod(), STRICT_SHOP, rule(mode="DISABLE")],
        W.PLAINTEXT,
        P.DENIED,
    ),
    ("a rule sends ordinary TLS", [CLIENT, pod(), rule(mode="SIMPLE")], W.TLS, P.TLS_SERVER_ONLY),
    (
        "a rule sends ordinary TLS towards STRICT",
        [CLIENT, pod(), STRICT_SHOP, rule(mode="SIMPLE")],
        W.TLS,
        P.DENIED,
    ),
    (
        "a rule forces mTLS on a port where it is disabled",
        [CLIENT, pod(), peer_authentication("ns", "shop", DISABLE), rule(mode="ISTIO_MUTUAL")],
        W.MESH_MTLS,
        P.INDETERMINATE,
    ),
    (
        "unmeshed, refused by authorization after arrival",
        [
            OUTSIDE,
            pod(),
            custom(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "a",
                "shop",
                {"rules": [{"from": [{"source": {"principals": ["*"]}}]}]},
            ),
        ],
        W.PLAINTEXT,
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "wire", "expected"), FLOWS, ids=[case[0] for case in FLOWS])
def test_both_sides_together(case: str, manifests: list[Manifest], wire: Wire, expected: Protection) -> None:
    found = flow(*manifests)
    assert (found.wire, found.label) == (wire, expected)


REDIRECTED = {"ambient.istio.io/redirection": "enabled"}
AMBIENT_CLIENT = pod("client", "front", proxy=None, annotations=REDIRECTED)
AMBIENT = pod(proxy=None, annotations=REDIRECTED)
TOGETHER = [
    ("mesh mTLS above WireGuard", [CLIENT, pod(), STRICT_SHOP], P.ENFORCED_MTLS, Tri.YES, Tri.YES),
    (
        "an unmeshed client of a PERMISSIVE port above WireGuard",
        [OUTSIDE, pod()],
        P.NODE_ENCRYPTED_UNAUTHENTICATED,
        Tri.YES,
        Tri.NO,
    ),
    (
        "an unmeshed client of a STRICT port is refused above WireGuard too",
        [OUTSIDE, pod(), STRICT_SHOP],
        P.DENIED,
        Tri.NO,
        Tri.NO,
    ),
    (
        "a rule turns TLS off above WireGuard",
        [CLIENT, pod(), rule(mode="DISABLE")],
        P.NODE_ENCRYPTED_UNAUTHENTICATED,
        Tri.YES,
        Tri.NO,
    ),
    (
        "refused by authorization after arrival, above WireGuard",
        [
            OUTSIDE,
            pod(),
            custom(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "a",
                "shop",
                {"rules": [{"from": [{"source": {"principals": ["*"]}}]}]},
            ),
        ],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
        Tri.YES,
        Tri.UNKNOWN,
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "expected", "cross", "same"), TOGETHER, ids=[case[0] for case in TOGETHER]
)
def test_mesh_and_nodes_below_a_flow(
    case: str, manifests: list[Manifest], expected: Protection, cross: Tri, same: Tri
) -> None:
    found = flow(*manifests, nodes=WIREGUARD)
    assert (found.label, found.record.cross_node_encrypted, found.record.same_node_encrypted) == (
        expected,
        cross,
        same,
    )


def waypoint(**labels: str) -> Manifest:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "waypoint", "namespace": "shop", "labels": labels},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": []},
    }


USES = namespace("shop", {"istio.io/use-waypoint": "waypoint"})
WAYPOINTS = [
    ("a waypoint on the way", [AMBIENT, USES, waypoint()], P.ENFORCED_MTLS, "istio.waypoint"),
    ("a waypoint that isn't there", [AMBIENT, USES], P.ENFORCED_MTLS, "istio.waypoint-missing"),
    (
        "a waypoint for workloads only",
        [AMBIENT, USES, waypoint(**{"istio.io/waypoint-for": "workload"})],
        P.ENFORCED_MTLS,
        "istio.waypoint-not-for-it",
    ),
    (
        "beyond the waypoint a pod outside the mesh",
        [pod(proxy=None), USES, waypoint()],
        P.PLAINTEXT,
        "istio.waypoint",
    ),
    ("no waypoint is asked for", [AMBIENT], P.ENFORCED_MTLS, None),
]


@pytest.mark.parametrize(
    ("case", "manifests", "expected", "code"), WAYPOINTS, ids=[case[0] for case in WAYPOINTS]
)
def test_a_waypoint_is_named_and_leaves_what_arrives_as_it_is(
    case: str, manifests: list[Manifest], expected: Protection, code: str | None
) -> None:
    found = flow(AMBIENT_CLIENT, *manifests)
    assert found.label is expected
    said = {cause.code for cause in found.causes if "waypoint" in cause.code}
    assert said == ({code} if code else set())


def test_a_policy_of_a_waypoint_keeps_nobody_from_the_pod_itself() -> None:
    """Plaintext goes to the pod past the waypoint, where only policies without targetRefs hold."""
    at_waypoint = custom(
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "a",
        "shop",
        {
            "targetRefs": [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "waypoint"}],
            "rules": [{"from": [{"source": {"principals": ["*"]}}]}],
        },
    )
    assert flow(OUTSIDE, AMBIENT, USES, waypoint(), at_waypoint).label is P.PLAINTEXT


def test_udp_between_meshed_pods_is_plaintext() -> None:
    assert flow(CLIENT, pod(), STRICT_SHOP, protocol="UDP").label is P.PLAINTEXT


def test_nodes_encrypt_below_a_plaintext_flow() -> None:
    assert flow(OUTSIDE, pod(proxy=None), nodes=WIREGUARD).label is P.NODE_ENCRYPTED_UNAUTHENTICATED


def test_nodes_cover_a_flow_only_at_both_ends() -> None:
    client = pod("client", "front", proxy=None, hostNetwork=True)
    assert flow(client, pod(proxy=None), nodes=WIREGUARD).label is P.PLAINTEXT


@pytest.mark.parametrize(
    ("here", "there", "expected"), [("n1", "n1", Tri.YES), ("n1", "n2", Tri.NO), (None, "n1", Tri.UNKNOWN)]
)
def test_whether_both_ends_share_a_node(here: str | None, there: str, expected: Tri) -> None:
    assert flow(pod("client", "front", nodeName=here), pod(nodeName=there)).same_node is expected
