"""Calico, alone and with Kubernetes NetworkPolicy, against the slow evaluator on generated clusters."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.network.building import Raw, connect, namespace, node
from tests.network.generated import BLOCKS, PORTS, SPACES, network_policies, pods, some
from tests.network.proof import compare, examples, points
from tests.network.reference import world_of
from tests.network.reference_calico import CalicoWorld, outcome

_POINTS = points((*PORTS, 79, 8081), "TCP", "UDP", "SCTP")
_labels = st.sampled_from(({}, {"k": "x"}, {"k": "x"}, {"k": "y"}, {"l": "x"}, {"k": "x", "l": "y"}))
_key, _value = st.sampled_from(("k", "l", "m")), st.sampled_from(("x", "y", "xy"))
_atoms = st.one_of(
    st.builds("{} == '{}'".format, _key, _value),
    st.builds("{} != '{}'".format, _key, _value),
    st.builds("{} in {{'{}', '{}'}}".format, _key, _value, _value),
    st.builds("{} not in {{'{}'}}".format, _key, _value),
    st.builds("{} {} '{}'".format, _key, st.sampled_from(("contains", "starts with", "ends with")), _value),
    st.builds("has({})".format, _key),
    st.just("all()"),
)
_selectors = st.one_of(
    st.just(""),
    _atoms,
    _atoms,
    st.builds("!({})".format, _atoms),
    st.builds("({}) && ({})".format, _atoms, _atoms),
    st.builds("({}) || !({})".format, _atoms, _atoms),
)


@st.composite
def _labelled_pods(draw: st.DrawFn, number: int) -> Raw:
    raw = draw(pods(number))
    return {**raw, "metadata": {**raw["metadata"], "labels": draw(_labels)}}


@st.composite
def _entities(draw: st.DrawFn, to: bool, protocol: str | None) -> Raw:
    entity: Raw = {}
    for field, values in (
        ("selector", _selectors),
        ("notSelector", _atoms),
        ("namespaceSelector", st.sampled_from(("all()", "global()", "k == 'x'", "has(l)", "m != 'x'"))),
        ("nets", some(st.sampled_from(BLOCKS), 1, 2)),
        ("notNets", some(st.sampled_from(BLOCKS), 1)),
        ("serviceAccounts", st.sampled_from(({"names": ["default", "one"]}, {"names": ["two"]}))),
    ):
        if draw(st.sampled_from(range(4 if field != "serviceAccounts" else 12))) == 0:
            entity[field] = draw(values)
    if to and protocol in ("TCP", "UDP"):
        ports = st.sampled_from((*PORTS, "80:8080", "http"))
        for field in ("ports", "notPorts"):
            if draw(st.sampled_from(range(3))) == 0:
                entity[field] = draw(some(ports, 1, 2))
    return entity


@st.composite
def _rules(draw: st.DrawFn) -> Raw:
    rule: Raw = {"action": draw(st.sampled_from(("Allow", "Allow", "Deny", "Deny", "Pass", "Log")))}
    protocol = draw(st.sampled_from((None, "TCP", "TCP", "UDP")))
    if protocol:
        rule["protocol"] = protocol
    elif draw(st.sampled_from(range(3))) == 0:
        rule["notProtocol"] = draw(st.sampled_from(("TCP", "UDP")))
    rule["source"] = draw(_entities(False, protocol))
    rule["destination"] = draw(_entities(True, protocol))
    return rule


@st.composite
def _policies(draw: st.DrawFn, number: int, tiers: tuple[str, ...]) -> Raw:
    space = draw(st.sampled_from((None, *SPACES)))
    tier = draw(st.sampled_from(("default", "default", *tiers)))
    spec: dict[str, Any] = {"selector": draw(_selectors)}
    if tier != "default" or draw(st.booleans()):
        spec["tier"] = tier
    order = draw(st.sampled_from((None, 1, 1, 5.5, 2000)))
    if order is not None:
        spec["order"] = order
    types = draw(st.sampled_from((None, ["Ingress"], ["Egress"], ["Ingress", "Egress"])))
    if types:
        spec["types"] = types
    for field in ("ingress", "egress"):
        if types is None or field.capitalize() in types:
            spec[field] = draw(some(_rules(), 0, 1, 1, 2, 3))
    if space is None and draw(st.sampled_from(range(3))) == 0:
        spec["namespaceSelector"] = draw(st.sampled_from(("all()", "k == 'x'", "!has(l)")))
    name = f"{tier}.p{number}" if tier != "default" else f"p{number}"
    metadata: Raw = {"name": name, **({"namespace": space} if space else {})}
    kind = "NetworkPolicy" if space else "GlobalNetworkPolicy"
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec}


def _object(kind: str, name: str, spec: Raw, **metadata: Any) -> Raw:
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


@st.composite
def _profiles(draw: st.DrawFn, name: str) -> Raw:
    rules = st.builds(
        lambda action, protocol: {"action": action, **({"protocol": protocol} if protocol else {})},
        st.sampled_from(("Allow", "Deny")),
        st.sampled_from((None, "TCP", "UDP")),
    )
    return _object(
        "Profile", name, {"ingress": draw(some(rules, 0, 1, 2)), "egress": draw(some(rules, 0, 1, 2))}
    )


@st.composite
def calico_objects(draw: st.DrawFn, own_tiers_only: bool = False) -> list[Raw]:
    """Tiers, policies, network sets and profiles; `own_tiers_only`: none in the tiers of the cluster-wide kinds."""
    objects = []
    tiers: tuple[str, ...] = () if own_tiers_only else ("kube-admin", "kube-baseline")
    for name in draw(st.sampled_from(((), ("t1",), ("t1", "t2")))):
        spec: Raw = {"defaultAction": draw(st.sampled_from(("Deny", "Pass")))}
        order = draw(st.sampled_from((None, 1, 5, 2_000_000)))
        objects.append(_object("Tier", name, spec if order is None else {**spec, "order": order}))
        tiers = (*tiers, name)
    objects += [draw(_policies(number, tiers)) for number in range(draw(st.sampled_from((1, 2, 3, 4))))]
    for number in range(draw(st.sampled_from((0, 0, 1, 2)))):
        nets = {"nets": draw(some(st.sampled_from(BLOCKS[2:]), 1, 2))}
        space = draw(st.sampled_from((None, *SPACES)))
        where = {"namespace": space} if space else {}
        kind = "NetworkSet" if space else "GlobalNetworkSet"
        objects.append(_object(kind, f"s{number}", nets, labels=draw(_labels), **where))
    if draw(st.sampled_from(range(3))) == 0:
        objects.append(draw(_profiles("kns.a")))
        if draw(st.booleans()):
            objects.append(draw(_profiles("ksa.a.default")))
    return objects


@st.composite
def calico_clusters(draw: st.DrawFn, kubernetes: bool = False) -> list[Raw]:
    """A cluster with Calico's objects; with `kubernetes` also NetworkPolicies."""
    objects = [namespace(name, **draw(_labels)) for name in SPACES]
    objects += [node(f"node-{number}", f"192.0.2.{number}") for number in (1, 2)]
    objects += [draw(_labelled_pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += draw(calico_objects())
    if kubernetes:
        objects += [draw(network_policies(number)) for number in range(draw(st.sampled_from((1, 2))))]
    return objects


def _compare(objects: list[Raw]) -> None:
    connectivity = connect(objects)
    assert connectivity.policy_problems == ()
    kubernetes = world_of([raw for raw in objects if "projectcalico" not in raw["apiVersion"]])
    world = CalicoWorld(kubernetes, tuple(objects))
    compare(connectivity, lambda _, one, __, other, *at: outcome(world, one, other, *at), _POINTS)


@given(calico_clusters())
@examples(30)
def test_calico_as_documented(objects: list[Raw]) -> None:
    _compare(objects)


@given(calico_clusters(kubernetes=True))
@examples(30)
def test_calico_with_kubernetes_policies_as_documented(objects: list[Raw]) -> None:
    _compare(objects)
