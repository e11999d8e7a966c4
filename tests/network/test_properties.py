"""Properties that hold for every cluster."""

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.network.connectivity import Basis, Connectivity
from tests.network.building import Raw, connect, policy
from tests.network.generated import SPACES, clusters, network_policies, np_rules

_settings = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def _all_pairs(connectivity: Connectivity, basis: Basis = Basis.DECLARED) -> dict[tuple[str, str], Any]:
    return {
        (c.source.id, c.destination.id): (c.allowed, dict(c.indeterminate), c.declared_not_enforced)
        for destination in connectivity.universe.peers
        for c in connectivity.into(destination, basis=basis)
    }


@given(clusters(admin=True), st.randoms(use_true_random=False))
@_settings
def test_the_order_of_objects_is_irrelevant(objects: list[Raw], chance: random.Random) -> None:
    shuffled = list(objects)
    chance.shuffle(shuffled)
    assert _all_pairs(connect(objects)) == _all_pairs(connect(shuffled))


@given(clusters(), network_policies(99), st.data())
@_settings
def test_an_added_allow_to_an_isolated_pod_never_removes_reachability(
    objects: list[Raw], extra: Raw, data: st.DataObject
) -> None:
    isolating = [policy(f"isolate-{s}", s, types=["Ingress", "Egress"]) for s in SPACES]
    rules = {"ingress": [data.draw(np_rules("from"))], "egress": [data.draw(np_rules("to"))]}
    extra["spec"].update({"policyTypes": ["Ingress", "Egress"], **rules})
    before = connect([*objects, *isolating])
    after = connect([*objects, *isolating, extra])
    found = _all_pairs(after)
    for pair, (allowed, _, _) in _all_pairs(before).items():
        assert (allowed | found[pair][0]) == found[pair][0]


@given(clusters(), st.sampled_from(SPACES))
@_settings
def test_an_empty_selector_is_everything(objects: list[Raw], space: str) -> None:
    rule = [{"from": [{"namespaceSelector": {}, "podSelector": {}}]}]
    connectivity = connect([*objects, policy("all", space, ingress=rule)])
    universe = connectivity.universe
    fact = next(fact for fact in connectivity.policies if fact.object == f"{space}/NetworkPolicy/all")
    assert set(fact.selected) == {p.id for p in universe.of(universe.namespace(space))}
    for destination in universe.of(universe.namespace(space)):
        for source in universe.of(universe.pods):
            egress = connectivity.isolation(source, "egress")  # type: ignore[arg-type]
            if not egress.policies:
                assert connectivity.connection(source, destination, Basis.DECLARED).is_open


@given(clusters(admin=True))
@_settings
def test_one_change_of_enforcement_never_hides_a_flow(objects: list[Raw]) -> None:
    connectivity = connect(objects)
    declared, judged = _all_pairs(connectivity), _all_pairs(connectivity, Basis.ENFORCED)
    network_policies_only = [raw for raw in objects if not raw["apiVersion"].startswith("policy.")]
    if len(network_policies_only) == len(objects):
        assert declared == judged


@given(clusters(admin=True), st.data())
@_settings
def test_the_chain_says_what_the_verdict_says(objects: list[Raw], data: st.DataObject) -> None:
    connectivity = connect(objects)
    peers = connectivity.universe.peers
    source, destination = data.draw(st.sampled_from(peers)), data.draw(st.sampled_from(peers))
    decision = connectivity.allows(source, destination, 80, "TCP")
    shown = {entry.verdict for entry in decision.chain}
    if decision.verdict in ("denied", "declared-not-enforced"):
        assert decision.verdict in shown
    if decision.verdict == "allowed":
        assert "denied" not in shown
