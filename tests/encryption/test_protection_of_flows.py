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
