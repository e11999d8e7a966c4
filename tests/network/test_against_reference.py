"""NetworkPolicy and the cluster-wide kinds against the slow evaluator on generated clusters."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.model.verdict import Reach
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING
from auditor.network.universe import Peer
from tests.network.building import Raw, connect
from tests.network.generated import PORTS, clusters
from tests.network.proof import ALLOW, DENY, MAYBE, compare, examples, points
from tests.network.reference import outcomes, world_of

_ANSWERS = {frozenset({"allow"}): ALLOW, frozenset({"deny"}): DENY, frozenset({"allow", "deny"}): MAYBE}
_POINTS = points((*PORTS, 79, 8081, 10001), "TCP", "UDP", "SCTP")


def _ports_verdict(
    connectivity: Connectivity, source: Peer, destination: Peer, port: int, protocol: str
) -> Reach:
    connection = connectivity.connection(source, destination, Basis.DECLARED)
    if connection.allowed.contains(port, protocol):
        return Reach.ALLOWED
    found = any(ports.contains(port, protocol) for ports, _ in connection.indeterminate)
    return Reach.INDETERMINATE if found else Reach.DENIED


def _compare(objects: list[Raw]) -> None:
    world = world_of(objects)
    compare(
        connect(objects), lambda _, one, __, other, *at: _ANSWERS[outcomes(world, one, other, *at)], _POINTS
    )


@given(clusters())
@examples(40)
def test_network_policies_as_specified(objects: list[Raw]) -> None:
    _compare(objects)


@given(clusters(admin=True))
@examples(40)
def test_cluster_wide_policies_as_specified(objects: list[Raw]) -> None:
    _compare(objects)


@given(clusters(admin=True), st.data())
@examples(30)
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
    @examples(30)
    def check(objects: list[Raw]) -> None:
        codes = {problem.code for problem in connect(objects).policy_problems}
        assert codes <= {"invalid.unknown-peer", "invalid.equal-priority"}

    check()
