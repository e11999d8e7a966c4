"""Properties that hold for every cluster, whatever policy systems it mixes."""

import random
import re
from collections.abc import Iterable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import PORT_PROTOCOLS, PortSet
from auditor.network.universe import Peer
from tests.network.building import Raw, cluster_policy, connect, namespace, pod, policy
from tests.network.generated import SPACES, clusters, network_policies, np_rules
from tests.network.proof import examples
from tests.network.reference_datapath import layer_of
from tests.network.test_mixtures_against_reference import SETUPS, mixed_clusters

_mixtures = st.sampled_from(list(SETUPS)).flatmap(lambda name: st.tuples(st.just(name), mixed_clusters(name)))
_ALL_PORTS = PortSet.whole(*PORT_PROTOCOLS)
Answers = dict[tuple[str, str], Any]


def _all_pairs(connectivity: Connectivity, basis: Basis = Basis.DECLARED) -> Answers:
    return {
        (c.source.id, c.destination.id): (
            c.allowed,
            dict(c.conditional),
            dict(c.indeterminate),
            c.declared_not_enforced,
        )
        for destination in connectivity.universe.peers
        for c in connectivity.into(destination, basis=basis)
    }


def _open(
    connectivity: Connectivity, source: Peer, destination: Peer, basis: Basis
) -> tuple[PortSet, PortSet]:
    """What is allowed for certain, and what may be open at all."""
    found = connectivity.connection(source, destination, basis)
    certain = found.allowed | found.declared_not_enforced
    some = certain
    for ports, _ in (*found.conditional, *found.indeterminate):
        some |= ports
    return _with_ports(certain), _with_ports(some)


def _reachable(connectivity: Connectivity) -> Answers:
    """What is open as far as it is enforced, on conditions or not; and what may be open at all."""
    peers = _peers(connectivity)
    ids = [peer.id for peer in peers[:-3]] + ["outside-1", "outside-2", "outside-3"]
    found = {}
    for i, source in zip(ids, peers, strict=True):
        for j, destination in zip(ids, peers, strict=True):
            if isinstance(source, External) and isinstance(destination, External):
                continue
            certain, some = _open(connectivity, source, destination, Basis.ENFORCED)
            conditional = connectivity.connection(source, destination, Basis.ENFORCED).conditional
            found[i, j] = (
                _with_ports(reduce(PortSet.__or__, (ports for ports, _ in conditional), certain)),
                some,
            )
    return found


def _with_ports(ports: PortSet) -> PortSet:
    """Other protocols are listed only where some policy may name them."""
    return PortSet.of({protocol: ports.of_protocol(protocol) for protocol in PORT_PROTOCOLS})


def _peers(connectivity: Connectivity) -> list[Peer]:
    """Endpoints, nodes and a few addresses outside."""
    inside: list[Peer] = [peer for peer in connectivity.universe.peers if not isinstance(peer, External)]
    return inside + [connectivity.resolve(text) for text in ("198.51.100.9", "203.0.113.9", "10.9.9.9")]


def _answers(connectivity: Connectivity, basis: Basis, names: Iterable[str] | None = None) -> Answers:
    """What is open between peers by id; addresses outside count by their place."""
    peers = _peers(connectivity)
    ids = [peer.id for peer in peers[:-3]] + ["outside-1", "outside-2", "outside-3"]
    kept = [(i, p) for i, p in zip(ids, peers, strict=True) if names is None or i in names]
    return {
        (i, j): _open(connectivity, source, destination, basis)
        for i, source in kept
        for j, destination in kept
        if not (isinstance(source, External) and isinstance(destination, External))
    }


# -- order, names, strangers --------------------------------------------------------------------------------------------


@given(_mixtures, st.sampled_from(Basis), st.randoms(use_true_random=False))
@examples(18)
def test_the_order_of_objects_is_irrelevant(
    mixture: tuple[str, list[Raw]], basis: Basis, chance: random.Random
) -> None:
    shuffled = list(mixture[1])
    chance.shuffle(shuffled)
    assert _all_pairs(connect(mixture[1]), basis) == _all_pairs(connect(shuffled), basis)


_RENAMED = {
    "a": "ma",
    "b": "nb",
    "k": "kk",
    "l": "ll",
    "m": "mm",
    "x": "ux",
    "y": "vy",
    "one": "oo",
    "two": "tt",
}


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {_renamed(key): inner if key == "kind" else _renamed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(entry) for entry in value]
    if isinstance(value, str):
        return re.sub(r"\b[a-z]+\b", lambda match: _RENAMED.get(match[0], match[0]), value)
    return value


@given(_mixtures, st.sampled_from(Basis))
@examples(18)
def test_names_of_namespaces_labels_and_accounts_are_irrelevant(
    mixture: tuple[str, list[Raw]], basis: Basis
) -> None:
    before, after = (_answers(connect(o), basis) for o in (mixture[1], _renamed(mixture[1])))
    assert {tuple(map(_renamed, pair)): found for pair, found in before.items()} == after


@given(_mixtures, network_policies(98), st.sampled_from(Basis))
@examples(18)
def test_an_unrelated_namespace_changes_nothing(
    mixture: tuple[str, list[Raw]], extra: Raw, basis: Basis
) -> None:
    before = connect(mixture[1])
    stranger = {**extra, "metadata": {"name": "np-98", "namespace": "z"}}
    cilium = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "c98", "namespace": "z"},
        "spec": {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]},
    }
    istio = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "a98", "namespace": "z"},
        "spec": {"action": "DENY", "rules": [{}]},
    }
    calico = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"name": "n98", "namespace": "z"},
        "spec": {"order": 0, "ingress": [{"action": "Deny"}], "egress": [{"action": "Deny"}]},
    }
    own = {layer_of(raw) for raw in mixture[1]}
    policies = [raw for raw in (stranger, cilium, istio, calico) if layer_of(raw) in own]
    after = connect(
        [*mixture[1], namespace("z"), pod("other", "z", {"k": "x"}, address="10.0.9.9"), *policies]
    )
    kept = {peer.id for peer in before.universe.peers} | {"outside-1", "outside-2", "outside-3"}
    assert _answers(before, basis, kept) == _answers(after, basis, kept)


@given(_mixtures, st.sampled_from(Basis))
@examples(18)
def test_a_pod_always_reaches_itself(mixture: tuple[str, list[Raw]], basis: Basis) -> None:
    connectivity = connect(mixture[1])
    for endpoint in connectivity.universe.endpoints:
        allowed = connectivity.connection(endpoint, endpoint, basis).allowed
        assert not _ALL_PORTS.minus(allowed)


# -- what an added policy can do -----------------------------------------------------------------------------------------


@given(clusters(), network_policies(99), st.data())
@examples(25)
def test_an_added_allow_to_an_isolated_pod_never_removes_reachability(
    objects: list[Raw], extra: Raw, data: st.DataObject
) -> None:
    isolating = [policy(f"isolate-{s}", s, types=["Ingress", "Egress"]) for s in SPACES]
    rules = {"ingress": [data.draw(np_rules("from"))], "egress": [data.draw(np_rules("to"))]}
    extra["spec"].update({"policyTypes": ["Ingress", "Egress"], **rules})
    before = connect([*objects, *isolating])
    after = connect([*objects, *isolating, extra])
    found = _all_pairs(after)
    for pair, (allowed, *_) in _all_pairs(before).items():
        assert (allowed | found[pair][0]) == found[pair][0]


def _denies(k: str, port: int) -> list[Raw]:
    """One denial in each system that knows denials, of port `port`, for pods labelled `k`."""
    peers = [{"namespaces": {}}]
    subject = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k": k}}}}
    calico = {"action": "Deny", "protocol": "TCP", "destination": {"ports": [port]}}
    entry = {"fromEntities": ["all"], "toPorts": [{"ports": [{"port": str(port), "protocol": "TCP"}]}]}
    return [
        cluster_policy(
            "AdminNetworkPolicy",
            "added",
            "v1alpha1",
            {
                "priority": 1,
                "subject": subject,
                "ingress": [
                    {
                        "action": "Deny",
                        "from": peers,
                        "ports": [{"portNumber": {"protocol": "TCP", "port": port}}],
                    }
                ],
            },
        ),
        cluster_policy(
            "ClusterNetworkPolicy",
            "added",
            "v1alpha2",
            {
                "tier": "Admin",
                "priority": 0,
                "subject": subject,
                "ingress": [{"action": "Deny", "from": peers}],
            },
        ),
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "GlobalNetworkPolicy",
            "metadata": {"name": "added"},
            "spec": {"order": 1, "selector": f"k == '{k}'", "ingress": [calico], "egress": [calico]},
        },
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumClusterwideNetworkPolicy",
            "metadata": {"name": "added"},
            "spec": {"endpointSelector": {"matchLabels": {"k": k}}, "ingressDeny": [entry]},
        },
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "added", "namespace": "istio-system"},
            "spec": {"action": "DENY", "rules": [{"to": [{"operation": {"ports": [str(port)]}}]}]},
        },
    ]


@given(
    _mixtures, st.sampled_from(Basis), st.sampled_from("xy"), st.sampled_from((80, 9000)), st.integers(0, 4)
)
@examples(30)
def test_an_added_denial_never_adds_reachability(
    mixture: tuple[str, list[Raw]], basis: Basis, k: str, port: int, number: int
) -> None:
    added = _denies(k, port)[number]
    before, after = (_answers(connect(o), basis) for o in (mixture[1], [*mixture[1], added]))
    for pair, (certain, some) in after.items():
        assert not certain.minus(before[pair][0])
        assert not some.minus(before[pair][1])


@pytest.mark.parametrize("kind", ["AdminNetworkPolicy", "ClusterNetworkPolicy"])
def test_equal_priorities_that_disagree_are_indeterminate(kind: str) -> None:
    @given(clusters(), st.sampled_from((80, 8080)))
    @examples(15)
    def check(objects: list[Raw], port: int) -> None:
        version, allow = ("v1alpha1", "Allow") if kind == "AdminNetworkPolicy" else ("v1alpha2", "Accept")
        tier = {} if version == "v1alpha1" else {"tier": "Admin"}
        both = [
            cluster_policy(
                kind,
                action.lower(),
                version,
                {
                    **tier,
                    "priority": 0,
                    "subject": {"namespaces": {}},
                    "ingress": [{"action": action, "from": [{"namespaces": {}}]}],
                    "egress": [{"action": action, "to": [{"namespaces": {}}]}],
                },
            )
            for action in (allow, "Deny")
        ]
        connectivity = connect([*objects, *both])
        endpoints = list(connectivity.universe.of(connectivity.universe.pods))
        for source in endpoints:
            for destination in endpoints:
                if source is not destination:
                    found = connectivity.connection(source, destination, Basis.DECLARED)
                    assert not found.allowed
                    assert {why.code for _, why in found.indeterminate} == {"indeterminate.equal-priority"}

    check()


# -- what is enforced ----------------------------------------------------------------------------------------------------


@given(_mixtures)
@examples(18)
def test_a_layer_that_nothing_enforces_never_restricts(mixture: tuple[str, list[Raw]]) -> None:
    """Whatever it says: without its objects the same is open, with the meshes apart, that their own proxies enforce.

    What is open under a condition and what only such a layer denies count alike (contract: both are reachable), since a
    port can be both: denied on the way out by a layer that nothing enforces, let in by a mesh on conditions.
    """
    setup = SETUPS[mixture[0]]
    counted = (
        setup.on | setup.unknown | setup.doubted | {"istio-authorization", "linkerd-authorization", None}
    )
    kept = [raw for raw in mixture[1] if layer_of(raw) in counted]
    assert _reachable(connect(mixture[1])) == _reachable(connect(kept))


@given(clusters(admin=True))
@examples(18)
def test_one_change_of_enforcement_never_hides_a_flow(objects: list[Raw]) -> None:
    connectivity = connect(objects)
    declared, judged = _all_pairs(connectivity), _all_pairs(connectivity, Basis.ENFORCED)
    network_policies_only = [raw for raw in objects if not raw["apiVersion"].startswith("policy.")]
    if len(network_policies_only) == len(objects):
        assert declared == judged


# -- selectors and chains ------------------------------------------------------------------------------------------------


@given(clusters(), st.sampled_from(SPACES))
@examples(18)
def test_an_empty_selector_is_everything(objects: list[Raw], space: str) -> None:
    rule = [{"from": [{"namespaceSelector": {}, "podSelector": {}}]}]
    connectivity = connect([*objects, policy("all", space, ingress=rule)])
    universe = connectivity.universe
    fact = next(fact for fact in connectivity.policies if fact.object == f"{space}/NetworkPolicy/all")
    assert set(fact.selected) == {p.id for p in universe.of(universe.namespace(space))}
    for destination in universe.of(universe.namespace(space)):
        for source in universe.of(universe.pods):
            assert isinstance(source, Endpoint)
            egress = connectivity.isolation(source, "egress")
            if not egress.policies:
                assert connectivity.connection(source, destination, Basis.DECLARED).is_open


@given(_mixtures, st.data())
@examples(30)
def test_the_chain_says_what_the_verdict_says(mixture: tuple[str, list[Raw]], data: st.DataObject) -> None:
    connectivity = connect(mixture[1])
    peers = connectivity.universe.peers
    source, destination = data.draw(st.sampled_from(peers)), data.draw(st.sampled_from(peers))
    decision = connectivity.allows(source, destination, 80, "TCP")
    shown = {entry.verdict for entry in decision.chain}
    if decision.verdict in ("denied", "declared-not-enforced", "conditional"):
        assert decision.verdict in shown
    if decision.verdict == "allowed":
        assert "denied" not in shown
