"""All pairs at once say of every pair what the engine says of it alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.network.addresses import External
from auditor.network.all_pairs import AllPairs, PairVerdict
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.universe import Peer
from tests.network.building import Raw, connect, labels, node, pod, policy
from tests.network.generated import clusters
from tests.network.proof import examples
from tests.network.test_mixtures_against_reference import SETUPS, mixed_clusters


def pairs(network: Connectivity, basis: Basis) -> dict[tuple[str, str], PairVerdict]:
    """Every row of every group, written out by peers."""
    found = network.all_pairs(basis)
    groups = found.groups
    rows = list(found.rows())
    listed = [
        ((a.id, b.id), found.verdicts[verdict])
        for i, j, verdict in rows
        for a in groups[i].peers
        for b in groups[j].peers
        if a is not b
    ]
    assert len(dict(listed)) == len(listed), "an ordered pair has more than one row"
    return dict(listed)


def both_outside(one: Peer, other: Peer) -> bool:
    return isinstance(one, External) and isinstance(other, External)


def check(network: Connectivity, basis: Basis) -> None:
    found = pairs(network, basis)
    peers = network.universe.peers
    for source in peers:
        for destination in peers:
            if source is destination or both_outside(source, destination):
                assert (source.id, destination.id) not in found
                continue
            alone = network.connection(source, destination, basis)
            joined = found.get((source.id, destination.id))
            if not alone.is_open:
                assert joined is None
                continue
            assert joined is not None, (source.id, destination.id)
            assert joined.allowed == alone.allowed | alone.declared_not_enforced
            assert joined.conditional == alone.conditional
            assert joined.indeterminate == alone.indeterminate
            if basis is Basis.ENFORCED and alone.decided_by:
                assert joined.decided_by == alone.decided_by


@pytest.mark.parametrize("basis", list(Basis))
@examples(60)
@given(cluster=clusters(admin=True))
def test_every_pair_agrees_with_the_engine(basis: Basis, cluster: list[dict[str, object]]) -> None:
    check(connect(cluster), basis)


@pytest.mark.parametrize("basis", list(Basis))
@examples(60)
@given(cluster=st.sampled_from(list(SETUPS)).flatmap(mixed_clusters))
def test_every_pair_of_a_mixture_agrees_with_the_engine(basis: Basis, cluster: list[Raw]) -> None:
    check(connect(cluster), basis)


def test_groups_are_a_partition_of_the_peers() -> None:
    network = connect(
        [pod(f"p{n}", labels={"k": "xy"[n % 2]}) for n in range(6)] + [node("node-1", "192.0.2.1")]
    )
    found: AllPairs = network.all_pairs(Basis.DECLARED)
    listed = [peer.id for group in found.groups for peer in group.peers]
    assert sorted(listed) == sorted(peer.id for peer in network.universe.peers)


def test_pods_without_policies_are_one_group() -> None:
    network = connect([pod(f"p{n}") for n in range(5)])
    ends = [g.peers for g in network.all_pairs(Basis.DECLARED).groups if g.external is None]
    assert [[peer.id for peer in peers] for peers in ends if len(peers) > 1] == [
        [f"default/Pod/p{n}" for n in range(5)]
    ]


def test_isolated_pods_on_different_nodes_differ_by_what_their_own_node_reaches() -> None:
    network = connect(
        [
            pod("one", node="node-1"),
            pod("two", node="node-1"),
            pod("three", node="node-2"),
            node("node-1", "192.0.2.1"),
            node("node-2", "192.0.2.2"),
            policy("deny", types=["Ingress"]),
        ]
    )
    found = network.all_pairs(Basis.DECLARED)
    ends = {tuple(p.id for p in g.peers) for g in found.groups if g.external is None}
    assert ends == {
        ("default/Pod/one", "default/Pod/two"),
        ("default/Pod/three",),
        ("/Node/node-1",),
        ("/Node/node-2",),
    }
    reached = pairs(network, Basis.DECLARED)
    assert ("/Node/node-1", "default/Pod/one") in reached
    assert ("/Node/node-2", "default/Pod/one") not in reached
    assert ("default/Pod/one", "default/Pod/two") not in reached


def test_marks_keep_groups_apart() -> None:
    network = connect([pod("one"), pod("two")])
    first = 1 << network.universe.index["default/Pod/one"]
    found = network.all_pairs(Basis.DECLARED, [first])
    ends = [tuple(p.id for p in g.peers) for g in found.groups if g.external is None]
    assert ("default/Pod/one",) in ends
    assert ("default/Pod/two",) in ends


def test_a_group_of_several_pods_has_a_row_to_itself_only_if_they_reach_each_other() -> None:
    objects = [
        *(pod(f"open{n}", labels={"app": "open"}) for n in range(2)),
        *(pod(f"shut{n}", labels={"app": "shut"}) for n in range(2)),
        policy("shut", pods=labels(app="shut"), types=["Ingress"]),
    ]
    reached = pairs(connect(objects), Basis.DECLARED)
    assert ("default/Pod/open0", "default/Pod/open1") in reached
    assert ("default/Pod/shut0", "default/Pod/shut1") not in reached
