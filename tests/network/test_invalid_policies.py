"""Bad policies: the object and the field are named, what they could change is indeterminate, the rest goes on."""

from typing import Any

import pytest

from auditor.model.verdict import Reach
from auditor.network.connectivity import Connectivity
from tests.network.building import Raw, cluster_policy, connect, enforced, labels, namespace, pod, policy


def _with(*policies: Raw) -> Connectivity:
    pods = [
        pod("web", labels={"app": "web"}, address="10.0.0.1"),
        pod("db", labels={"app": "db"}, address="10.0.0.2"),
    ]
    return connect(
        [*enforced("node-1"), namespace("default"), *pods, pod("far", "far", address="10.0.9.9"), *policies]
    )


def _verdict(connectivity: Connectivity, source: str, destination: str) -> Reach:
    return connectivity.allows(connectivity.resolve(source), connectivity.resolve(destination), 80).verdict


def _rule(**fields: Any) -> list[Raw]:
    return [fields]


_DB = labels(app="db")
_BAD: list[tuple[str, Raw, str]] = [
    (
        "unknown operator",
        policy("p", pods={"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]}),
        "spec.podSelector.matchExpressions[0].operator",
    ),
    ("port 70000", policy("p", ingress=_rule(ports=[{"port": 70000}])), "spec.ingress[0].ports[0].port"),
    (
        "endPort below port",
        policy("p", ingress=_rule(ports=[{"port": 80, "endPort": 79}])),
        "spec.ingress[0].ports[0].endPort",
    ),
    (
        "endPort with a named port",
        policy("p", ingress=_rule(ports=[{"port": "http", "endPort": 90}])),
        "spec.ingress[0].ports[0].endPort",
    ),
    (
        "a block with host bits",
        policy("p", ingress=_rule(**{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]})),
        "spec.ingress[0].from[0].ipBlock.cidr",
    ),
    (
        "an exception outside its block",
        policy(
            "p", ingress=_rule(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]})
        ),
        "spec.ingress[0].from[0].ipBlock.except[0]",
    ),
    (
        "mixed address families",
        policy(
            "p", ingress=_rule(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/64"]}}]})
        ),
        "spec.ingress[0].from[0].ipBlock.except[0]",
    ),
    ("an empty peer", policy("p", ingress=_rule(**{"from": [{}]})), "spec.ingress[0].from[0]"),
    (
        "an address block beside a selector",
        policy("p", ingress=_rule(**{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]})),
        "spec.ingress[0].from[0]",
    ),
    ("rules that are no list", policy("p", ingress={"from": []}), "spec.ingress"),
    ("an unknown policy type", policy("p", types=["Sideways"]), "spec.policyTypes"),
    (
        "an unknown protocol",
        policy("p", ingress=_rule(ports=[{"protocol": "QUIC"}])),
        "spec.ingress[0].ports[0].protocol",
    ),
]


@pytest.mark.parametrize(("bad", "field"), [row[1:] for row in _BAD], ids=[row[0] for row in _BAD])
def test_the_field_is_named_and_what_it_could_change_is_unknown(bad: Raw, field: str) -> None:
    connectivity = _with(bad)
    assert [(p.object, p.field) for p in connectivity.policy_problems] == [("default/NetworkPolicy/p", field)]
    assert _verdict(connectivity, "far/far", "default/db") is Reach.INDETERMINATE
    assert _verdict(connectivity, "default/db", "far/far") is not Reach.DENIED
    assert _verdict(connectivity, "default/web", "far/far") is not Reach.DENIED


def test_a_bad_policy_leaves_other_pods_alone() -> None:
    bad = policy("bad", pods=labels(app="web"), ingress=_rule(ports=[{"port": 0}]))
    good = policy("good", pods=_DB, ingress=[])
    connectivity = _with(bad, good)
    assert _verdict(connectivity, "far/far", "default/db") is Reach.DENIED
    assert _verdict(connectivity, "far/far", "default/web") is Reach.INDETERMINATE


def test_what_a_good_policy_allows_stays_allowed_beside_a_bad_one() -> None:
    bad = policy("bad", ingress=_rule(ports=[{"port": 0}]))
    good = policy("good", pods=_DB, ingress=[{}])
    assert _verdict(_with(bad, good), "far/far", "default/db") is Reach.ALLOWED


def _admin(**spec: Any) -> Raw:
    rule = {"action": "Deny", "from": [{"namespaces": {}}]}
    return cluster_policy(
        "AdminNetworkPolicy",
        "a",
        "v1alpha1",
        {"priority": 1, "subject": {"namespaces": {}}, "ingress": [rule], **spec},
    )


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (_admin(priority=1001), "spec.priority"),
        (_admin(subject={}), "spec.subject"),
        (_admin(ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]), "spec.ingress[0].action"),
        (_admin(ingress=[{"action": "Deny", "from": []}]), "spec.ingress[0].from"),
        (
            _admin(
                ingress=[
                    {"action": "Deny", "from": [{"namespaces": {}}], "ports": [{"portNumber": {"port": 0}}]}
                ]
            ),
            "spec.ingress[0].ports[0].portNumber.port",
        ),
        (
            _admin(egress=[{"action": "Deny", "to": [{"networks": ["10.0.0.1/8"]}]}]),
            "spec.egress[0].to[0].networks",
        ),
        (
            _admin(egress=[{"action": "Deny", "to": [{"domainNames": ["a.example"]}]}]),
            "spec.egress[0].to",
        ),
    ],
)
def test_cluster_wide_policies(bad: Raw, field: str) -> None:
    connectivity = _with(bad)
    assert field in [problem.field for problem in connectivity.policy_problems]
    source, destination = connectivity.resolve("far/far"), connectivity.resolve("default/db")
    assert connectivity.allows(source, destination, 80).declared is Reach.INDETERMINATE


def test_hostile_content_does_not_break_the_run() -> None:
    odd: list[Any] = [
        None,
        7,
        "text",
        [],
        [None],
        {"a": 1},
        [[]],
        [{"from": 3}],
        [{"ports": "x"}],
        "x" * 1_000_000,
    ]
    policies = [
        policy(f"p{i}", pods={"matchLabels": {"app": "x" * 100_000}}, ingress=value)
        for i, value in enumerate(odd)
    ]
    policies += [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"s{i}"},
            "spec": value,
        }
        for i, value in enumerate(odd)
    ]
    connectivity = _with(*policies)
    assert connectivity.policy_problems
    connectivity.into(connectivity.resolve("default/db"))
