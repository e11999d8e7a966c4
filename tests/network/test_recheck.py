"""After a change of policies: what is kept answers as a new computation does, or nothing is kept and that is said."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.inventory.cluster import Cluster
from auditor.network.addresses import External, contains
from auditor.network.changes import changed_pairs
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING, PortSet
from auditor.network.recheck import POLICY_KINDS, Rechecked, recheck
from auditor.network.representation import Direction
from auditor.network.universe import Peer
from tests.network.building import Raw, connect, enforced, labels, namespace, pod, policy, snapshot
from tests.network.generated import clusters
from tests.network.policy_changes import changes, is_policy
from tests.network.proof import examples
from tests.network.test_calico_against_reference import calico_clusters
from tests.network.test_cilium_against_reference import cilium_clusters
from tests.network.test_mesh_authorization_against_reference import istio_clusters, linkerd_clusters
from tests.network.test_mixtures_against_reference import SETUPS, mixed_clusters


def change(before: list[Raw], after: list[Raw]) -> tuple[Connectivity, Rechecked]:
    """The earlier state, with everything computed, and the recheck. Objects that stay are the same ones."""
    known = connect(before)
    for basis in Basis:
        list(known.matrix(basis))
    old = {obj.id: obj for obj in known.cluster.snapshot.objects}
    fresh = {obj.id: obj for obj in snapshot(after).objects}
    kept = {id: old[id] if id in old and old[id].body == obj.body else obj for id, obj in fresh.items()}
    changed = [obj for id, obj in old.items() if kept.get(id) is not obj]
    changed += [obj for id, obj in kept.items() if old.get(id) is not obj]
    source = snapshot(after)
    cluster = Cluster(type(source)(objects=tuple(kept.values()), claims=source.claims))
    return known, recheck(known, cluster, changed)


def peers_alike(found: Connectivity, fresh: Connectivity) -> Iterator[tuple[Peer, Peer]]:
    """Each peer of the recheck with the one of a new computation that it is, or is a part of."""
    for peer in found.universe.peers:
        if not isinstance(peer, External):
            yield peer, fresh.universe.peers[fresh.universe.index[peer.id]]
            continue
        around = [e for e in fresh.externals if contains(e.block, peer.block)]
        if around:
            yield peer, max(around, key=lambda external: external.block.prefixlen)


def answers(connectivity: Connectivity, peers: Sequence[Peer], basis: Basis) -> list[Any]:
    return [
        (c.allowed, c.conditional, c.indeterminate, c.declared_not_enforced, c.witness())
        for source in peers
        for destination in peers
        for c in [connectivity.connection(source, destination, basis)]
    ]


def require_equal(found: Connectivity, fresh: Connectivity) -> None:
    alike = list(peers_alike(found, fresh))
    here, there = [pair[0] for pair in alike], [pair[1] for pair in alike]
    for basis in Basis:
        told, expected = answers(found, here, basis), answers(fresh, there, basis)
        positions = [(a, b) for a in alike for b in alike]
        for (a, b), one, other in zip(positions, told, expected, strict=True):
            if not (isinstance(a[0], External) and a[1] is b[1]):
                assert one == other, (a[0].id, b[0].id, basis)
    assert found.policies == fresh.policies
    assert found.policy_problems == fresh.policy_problems
    assert found.enforcement == fresh.enforcement


def reach(connectivity: Connectivity, peers: Mapping[str, Peer], basis: Basis) -> dict[tuple[str, str], Any]:
    found = {}
    for one, source in peers.items():
        for other, destination in peers.items():
            if one != other:
                c = connectivity.connection(source, destination, basis)
                sure = c.allowed | c.declared_not_enforced
                for ports, _ in c.conditional:
                    sure = sure | ports
                unsure = NOTHING
                for ports, _ in c.indeterminate:
                    unsure = unsure | ports
                found[one, other] = (sure, unsure)
    return found


def require_changes(before: list[Raw], after: list[Raw], known: Connectivity, found: Rechecked) -> None:
    """The changes are exactly the pairs that differ between two new computations."""
    universe = found.after.universe
    states = [connect(before), connect(after)]
    outside = {peer.id for peer in universe.externals}
    for basis in Basis:
        was, now = (
            reach(state, {a.id: b for a, b in peers_alike(found.after, state)}, basis) for state in states
        )
        told: dict[tuple[str, str], Any] = {}
        for entry in changed_pairs(known, found, basis):
            for source in universe.of(entry.sources):
                for destination in universe.of(entry.destinations):
                    if source is not destination:
                        assert (source.id, destination.id) not in told
                        sides = entry.before, entry.after
                        told[source.id, destination.id] = tuple((s.reachable, s.uncertain) for s in sides)
        expected = {pair: (was[pair], now[pair]) for pair in was if was[pair] != now[pair]}
        assert told == {pair: sides for pair, sides in expected.items() if not set(pair) <= outside}


def check(before: list[Raw], after: list[Raw]) -> None:
    known, found = change(before, after)
    require_equal(found.after, connect(after))
    if found.anew is None:
        require_changes(before, after, known, found)


@given(changes(clusters()))
@examples(30)
def test_network_policies(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(clusters(admin=True)))
@examples(30)
def test_cluster_wide_policies(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(calico_clusters(kubernetes=True)))
@examples(30)
def test_calico_beside_network_policies(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(cilium_clusters(kubernetes=True)))
@examples(30)
def test_cilium_beside_network_policies(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(istio_clusters()))
@examples(30)
def test_istio_authorization(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(linkerd_clusters()))
@examples(30)
def test_linkerd_authorization(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(st.sampled_from(list(SETUPS)).flatmap(lambda name: changes(mixed_clusters(name))))
@examples(40)
def test_mixtures(states: tuple[list[Raw], list[Raw]]) -> None:
    check(*states)


@given(changes(clusters(admin=True)), changes(clusters(admin=True)))
@examples(12)
def test_a_recheck_of_a_recheck(
    first: tuple[list[Raw], list[Raw]], second: tuple[list[Raw], list[Raw]]
) -> None:
    """The policies of the second cluster come last, over the pods of the first."""
    before, after = first
    last = [*(raw for raw in after if not is_policy(raw)), *(raw for raw in second[1] if is_policy(raw))]
    _, found = change(before, after)
    old = {obj.id: obj for obj in found.after.cluster.snapshot.objects}
    source = snapshot(last)
    changed = [obj for obj in old.values() if obj.key in POLICY_KINDS]
    new = [obj for obj in source.objects if obj.key in POLICY_KINDS]
    objects = [obj for obj in old.values() if obj.key not in POLICY_KINDS] + new
    cluster = Cluster(type(source)(objects=tuple(objects), claims=source.claims))
    require_equal(recheck(found.after, cluster, [*changed, *new]).after, connect(last))


# -- by hand ------------------------------------------------------------------------------------------------------------


def shop() -> list[Raw]:
    return [
        *enforced("node-1"),
        namespace("shop"),
        pod("web", "shop", {"app": "web"}, address="10.0.0.1"),
        pod("db", "shop", {"app": "db"}, address="10.0.0.2"),
        policy("db", "shop", pods=labels(app="db"), ingress=[{"ports": [{"port": 5432}]}]),
    ]


def replaced(rule: Raw) -> list[Raw]:
    return [*shop()[:-1], policy("db", "shop", pods=labels(app="db"), ingress=[rule])]


def test_only_the_selected_pods_are_touched() -> None:
    _, found = change(shop(), replaced({"ports": [{"port": 80}]}))
    universe = found.after.universe
    assert found.anew is None
    assert [p.id for p in universe.of(found.touched[Direction.INGRESS])] == ["shop/Pod/db"]
    assert found.touched[Direction.EGRESS] == 0


def test_a_port_that_no_rule_told_apart_before() -> None:
    known, found = change(shop(), replaced({"ports": [{"port": 5432}, {"port": 9999}]}))
    (entry,) = changed_pairs(known, found, Basis.DECLARED)
    assert found.anew is None
    assert entry.after.reachable.minus(entry.before.reachable) == PortSet.single("TCP", 9999)
    assert not entry.before.reachable.minus(entry.after.reachable)


def test_a_range_that_no_rule_told_apart_before() -> None:
    """Only 203.0.113.0/24 still reaches the database, nobody else does: pods, other addresses."""
    known, found = change(shop(), replaced({"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}))
    universe = found.after.universe
    told = {
        universe.peers[position].id: (entry.before.reachable, entry.after.reachable)
        for entry in changed_pairs(known, found, Basis.DECLARED)
        for position in range(len(universe.peers))
        if entry.sources >> position & 1
    }
    assert found.anew is None
    assert told["203.0.113.0/24"] == (PortSet.single("TCP", 5432), PortSet.whole("TCP", "UDP", "SCTP"))
    assert told["internet"] == (PortSet.single("TCP", 5432), NOTHING)
    assert told["shop/Pod/web"] == (PortSet.single("TCP", 5432), NOTHING)


def only(cidr: str) -> list[Raw]:
    return replaced({"from": [{"ipBlock": {"cidr": cidr}}]})


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (shop(), [*shop(), pod("job", "shop")], "anew.kind"),
        (shop(), only("2001:db8::/32"), "anew.addresses"),
        (only("10.0.0.0/9"), only("10.128.0.0/9"), "anew.addresses"),
    ],
)
def test_a_change_that_reaches_further_is_computed_anew_and_says_so(
    before: list[Raw], after: list[Raw], code: str
) -> None:
    known, found = change(before, after)
    assert found.anew is not None
    assert found.anew.code == code
    with pytest.raises(ValueError, match="computed anew"):
        list(changed_pairs(known, found, Basis.DECLARED))
