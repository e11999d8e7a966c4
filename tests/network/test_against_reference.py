"""The engine against the slow evaluator on generated clusters. AUDITOR_EXAMPLES sets how many; 150 without it."""

import os
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Reach
from auditor.network.addresses import External
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING
from auditor.network.universe import Host, Peer
from tests.network.building import Raw, connect
from tests.network.generated import PORTS, clusters
from tests.network.reference import ALLOW, DENY, Party, outcomes, world_of

_EXAMPLES = int(os.environ.get("AUDITOR_EXAMPLES", "150"))
_settings = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize="AUDITOR_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_EXPECTED = {
    frozenset({ALLOW}): Reach.ALLOWED,
    frozenset({DENY}): Reach.DENIED,
    frozenset({ALLOW, DENY}): Reach.INDETERMINATE,
}
_POINTS = [(port, protocol) for port in (*PORTS, 79, 8081, 10001) for protocol in ("TCP", "UDP", "SCTP")]


def _party(peer: Peer) -> Party | None:
    if isinstance(peer, Endpoint):
        if peer.namespace == "kube-system":
            return None
        ports = tuple((p.name, p.protocol, p.port) for p in peer.ports)
        node = next(iter(peer.node_names))
        return Party(peer.addresses[0], peer.namespace, peer.labels, ports, node, peer.host_network)
    if isinstance(peer, Host):
        return Party(peer.addresses[0], node=peer.name, is_node=True)
    address = peer.cidrs[0].partition("/")[0]
    return Party(address)


def _ports_verdict(
    connectivity: Connectivity, source: Peer, destination: Peer, port: int, protocol: str
) -> Reach:
    connection = connectivity.connection(source, destination, Basis.DECLARED)
    if connection.allowed.contains(port, protocol):
        return Reach.ALLOWED
    found = any(ports.contains(port, protocol) for ports, _ in connection.indeterminate)
    return Reach.INDETERMINATE if found else Reach.DENIED


def _pairs(connectivity: Connectivity) -> Iterator[tuple[Peer, Party, Peer, Party]]:
    parties = [(peer, party) for peer in connectivity.universe.peers if (party := _party(peer)) is not None]
    for source, one in parties:
        for destination, other in parties:
            if not (isinstance(source, External) and isinstance(destination, External)):
                yield source, one, destination, other


def _compare(objects: list[Raw]) -> None:
    connectivity, world = connect(objects), world_of(objects)
    for source, one, destination, other in _pairs(connectivity):
        for port, protocol in _POINTS:
            expected = _EXPECTED[outcomes(world, one, other, port, protocol)]
            where = (source.id, destination.id, port, protocol)
            assert _ports_verdict(connectivity, source, destination, port, protocol) is expected, where


@given(clusters())
@_settings
def test_network_policies_as_specified(objects: list[Raw]) -> None:
    _compare(objects)


@given(clusters(admin=True))
@_settings
def test_cluster_wide_policies_as_specified(objects: list[Raw]) -> None:
    _compare(objects)


@given(clusters(admin=True), st.data())
@settings(_settings, max_examples=max(50, _EXAMPLES // 3))
def test_point_queries_groups_and_matrix_agree_with_pairs(objects: list[Raw], data: st.DataObject) -> None:
    connectivity = connect(objects)
    peers = connectivity.universe.peers
    for basis, destination in product(Basis, peers):
        rows = {c.source.id: c for c in connectivity.into(destination, basis=basis)}
        grouped = {p.id: f for f in connectivity.flows_into(destination, basis=basis) for p in f.sources}
        for source in peers:
            pair = connectivity.connection(source, destination, basis)
            for found in (rows.get(source.id), grouped.get(source.id)):
                if source is not destination:
                    assert (found is not None) == pair.is_open
                if found is not None:
                    assert found.allowed == pair.allowed
                    assert dict(found.indeterminate) == dict(pair.indeterminate)
                    assert found.declared_not_enforced == pair.declared_not_enforced
    port, protocol = data.draw(st.sampled_from(_POINTS))
    source, destination = data.draw(st.sampled_from(peers)), data.draw(st.sampled_from(peers))
    outward = {c.destination.id: c.allowed for c in connectivity.out_of(source, basis=Basis.DECLARED)}
    for peer in peers:
        if peer is not source:
            pair = connectivity.connection(source, peer, Basis.DECLARED)
            assert outward.get(peer.id, NOTHING) == pair.allowed
    decision = connectivity.allows(source, destination, port, protocol)
    assert decision.declared is _ports_verdict(connectivity, source, destination, port, protocol)


@pytest.mark.parametrize("admin", [False, True])
def test_generated_clusters_are_valid(admin: bool) -> None:
    @given(clusters(admin=admin))
    @settings(_settings, max_examples=50)
    def check(objects: list[Raw]) -> None:
        codes = {problem.code for problem in connect(objects).policy_problems}
        assert codes <= {"invalid.unknown-peer", "invalid.equal-priority"}

    check()
