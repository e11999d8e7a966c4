"""Rules that do nothing, or more than they seem to: tables worked out by hand, and what being redundant means."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from auditor.network.connectivity import Connectivity
from auditor.network.rule_cover import MAX_RULES
from auditor.network.rule_quality import rule_flaws
from tests.network.building import Raw, connect, enforced, labels, namespace, pod, policy
from tests.network.generated import clusters

WEB, API, DB = labels(app="web"), labels(app="api"), labels(app="db")
DNS_RULE = {"to": [{"podSelector": labels(app="dns")}], "ports": [{"port": 53, "protocol": "UDP"}]}


def cluster(*policies: Raw) -> list[Raw]:
    spaces = [namespace("shop"), namespace("other")]
    pods = [
        pod(name, "shop", {"app": name, "tier": "back"}, address=f"10.0.0.{i}", ports=[{"containerPort": 80}])
        for i, name in enumerate(("web", "api", "db"), 1)
    ]
    return [
        *enforced(),
        *spaces,
        *pods,
        pod("guest", "other", {"app": "guest"}, address="10.9.0.1"),
        *policies,
    ]


def dns() -> list[Raw]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"selector": {"app": "dns"}, "ports": [{"port": 53, "protocol": "UDP"}]},
    }
    return [pod("dns", "kube-system", {"app": "dns"}, address="10.8.0.1"), service]


def flaws(objects: list[Raw], reachable: bool = False) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    network = connect(objects)
    assert network.services is not None
    found = rule_flaws(network, network.services, lambda *_: reachable)
    return {
        owner: [(str(flaw.kind), flaw.path, flaw.names) for flaw in listed]
        for owner, listed in found.items()
        if listed
    }


def ingress(name: str, *rules: Any, pods: Any = None) -> Raw:
    return policy(name, "shop", pods=pods or DB, ingress=list(rules))


def from_(selector: Any, *ports: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {"from": [{"podSelector": selector}]}
    return {**rule, "ports": [p if isinstance(p, dict) else {"port": p} for p in ports]} if ports else rule


P = "shop/NetworkPolicy"
REDUNDANT: dict[str, tuple[list[Raw], dict[str, list[tuple[str, str, tuple[str, ...]]]]]] = {
    "two rules for different ports are both needed": ([ingress("a", from_(API, 80), from_(API, 81))], {}),
    "two rules for different peers are both needed": ([ingress("a", from_(API, 80), from_(WEB, 80))], {}),
    "TCP does not cover UDP": (
        [ingress("a", from_(API, 80), from_(API, {"port": 80, "protocol": "UDP"}))],
        {},
    ),
    "of two equal rules the later one goes": (
        [ingress("a", from_(API, 80)), ingress("b", from_(API, 80))],
        {f"{P}/b": [("redundant-rule", "ingress[0]", (f"{P}/a ingress[0]",))]},
    ),
    "a rule for one port is covered by one for a range": (
        [ingress("a", from_(API, 80), from_(API, {"port": 79, "endPort": 81}))],
        {f"{P}/a": [("redundant-rule", "ingress[0]", (f"{P}/a ingress[1]",))]},
    ),
    "a rule is covered by two others together": (
        [ingress("a", from_(labels(tier="back"), 80), from_(API, 80), from_(WEB, 80), from_(DB, 80))],
        {f"{P}/a": [("redundant-rule", f"ingress[{i}]", (f"{P}/a ingress[0]",)) for i in (1, 2, 3)]},
    ),
    "a rule is covered by the halves of what it selects": (
        [
            ingress("halves", from_(API), pods=WEB),
            ingress("rest", from_(API), pods=labels(app="db")),
            ingress(
                "both",
                from_(API, 80),
                pods={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]},
            ),
        ],
        {f"{P}/both": [("redundant-rule", "ingress[0]", (f"{P}/halves ingress[0]", f"{P}/rest ingress[0]"))]},
    ),
    "the rule of a policy for fewer pods does not cover": (
        [ingress("all", from_(API, 80), pods=labels(tier="back")), ingress("wide", from_(API))],
        {},
    ),
    "a rule for every port is not covered by one for TCP": (
        [ingress("a", from_(API), from_(API, {"protocol": "TCP"}))],
        {f"{P}/a": [("redundant-rule", "ingress[1]", (f"{P}/a ingress[0]",))]},
    ),
    "another direction does not cover": (
        [
            policy("a", "shop", pods=DB, egress=[{"to": [{"podSelector": API}]}], types=["Egress"]),
            ingress("b", from_(API)),
        ],
        {},
    ),
    "a selector that no pod has matches nothing": (
        [ingress("a", from_(labels(app="gone"), 80))],
        {f"{P}/a": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "a port name that no pod has matches nothing": (
        [ingress("a", from_(API, {"port": "admin"}))],
        {f"{P}/a": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "a policy that selects nothing is judged elsewhere": (
        [ingress("a", from_(labels(app="gone")), from_(API), from_(API), pods=labels(app="nobody"))],
        {},
    ),
    "an invalid policy neither covers nor is covered": (
        [ingress("a", from_(API, 80)), ingress("b", from_(API, 80), from_(API, 70000))],
        {},
    ),
}


@pytest.mark.parametrize(("policies", "expected"), REDUNDANT.values(), ids=list(REDUNDANT))
def test_rules_that_change_nothing_are_named_with_what_covers_them(
    policies: list[Raw], expected: Any
) -> None:
    assert flaws(cluster(*policies)) == expected


GUEST = "other/Pod/guest"
WIDE: dict[str, tuple[Raw, list[tuple[str, str, tuple[str, ...]]]]] = {
    "a block that holds a pod of another namespace": (
        ingress("a", {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        [("block-covers-pods", "ingress[0]", (GUEST,))],
    ),
    "a block on the way out": (
        policy(
            "a",
            "shop",
            pods=DB,
            egress=[{}, {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}],
            types=["Egress"],
        ),
        [
            ("block-covers-pods", "egress[1]", (GUEST,)),
            ("redundant-rule", "egress[1]", (f"{P}/a egress[0]",)),
        ],
    ),
    "a block that leaves the pod out": (
        ingress("a", {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/24"]}}]}),
        [],
    ),
    "a block with pods of its own namespace": (
        ingress("a", {"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}),
        [],
    ),
    "an empty podSelector is the whole namespace": (
        ingress("a", from_({})),
        [("every-pod-of-the-namespace", "ingress[0]", ("shop/Pod/api", "shop/Pod/web"))],
    ),
    "a selector with empty parts is empty": (
        ingress("a", from_({"matchLabels": {}})),
        [("every-pod-of-the-namespace", "ingress[0]", ("shop/Pod/api", "shop/Pod/web"))],
    ),
    "for every pod of the namespace it is the usual idiom": (
        policy("a", "shop", ingress=[from_({})]),
        [],
    ),
    "an empty podSelector on the way out is the usual idiom": (
        policy("a", "shop", pods=DB, egress=[{"to": [{"podSelector": {}}]}], types=["Egress"]),
        [],
    ),
    "an empty namespaceSelector is the whole cluster": (
        ingress("a", {"from": [{"namespaceSelector": {}}]}),
        [("every-namespace", "ingress[0]", (GUEST,))],
    ),
    "with labels beside it it is not": (
        ingress("a", {"from": [{"namespaceSelector": {}, "podSelector": labels(app="guest")}]}),
        [],
    ),
}


@pytest.mark.parametrize(("given_policy", "expected"), WIDE.values(), ids=list(WIDE))
def test_rules_that_hold_more_pods_than_they_seem_to(given_policy: Raw, expected: Any) -> None:
    assert flaws(cluster(given_policy)).get(f"{P}/a", []) == expected


def egress(*rules: Any) -> Raw:
    return policy("a", "shop", pods=DB, egress=list(rules), types=["Egress"])


CUT = [("dns-cut", "egress[0]", ("shop/Pod/db",))]
NAMES: dict[str, tuple[list[Raw], bool, list[tuple[str, str, tuple[str, ...]]]]] = {
    "pods are found by their Service's name": ([*dns(), egress({"to": [{"podSelector": API}]})], False, CUT),
    "the internet is found by names": (
        [*dns(), egress({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]})],
        False,
        CUT,
    ),
    "a narrow block is used by address": (
        [*dns(), egress({"to": [{"ipBlock": {"cidr": "192.0.2.0/28"}}]})],
        False,
        [],
    ),
    "a policy without a rule cuts on purpose": ([*dns(), egress()], False, []),
    "the DNS pods can be reached": ([*dns(), egress({"to": [{"podSelector": API}]})], True, []),
    "no DNS is known": ([egress({"to": [{"podSelector": API}]})], False, []),
    "the node has a resolver of its own": (
        [
            *dns(),
            egress({"to": [{"podSelector": API}]}),
            pod("cache", "kube-system", {"k8s-app": "node-local-dns"}, host_network=True),
        ],
        False,
        [],
    ),
}


@pytest.mark.parametrize(("objects", "reachable", "expected"), NAMES.values(), ids=list(NAMES))
def test_egress_that_is_opened_without_dns(objects: list[Raw], reachable: bool, expected: Any) -> None:
    assert flaws(cluster(*objects), reachable).get(f"{P}/a", []) == expected


def test_a_namespace_with_too_many_rules_is_said_to_be_so() -> None:
    many = ingress("a", *(from_(API, port) for port in range(1, MAX_RULES + 2)))
    assert flaws(cluster(many)) == {f"{P}/a": [("indeterminate.too-many-rules", "ingress[0]", ())]}


def _reached(network: Connectivity) -> dict[tuple[str, str], Any]:
    return {
        (c.source.id, c.destination.id): (c.allowed, dict(c.indeterminate))
        for destination in network.universe.peers
        for c in network.into(destination)
    }


@given(clusters())
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_without_all_redundant_rules_everyone_reaches_the_same(objects: list[Raw]) -> None:
    pruned = copy.deepcopy(objects)
    policies = {
        f"{raw['metadata']['namespace']}/NetworkPolicy/{raw['metadata']['name']}": raw["spec"]
        for raw in pruned
        if raw["kind"] == "NetworkPolicy"
    }
    # Rules are emptied, not removed, and blocks stay named elsewhere: directions and address ranges stay as they are.
    blocks = copy.deepcopy(
        [policy(f"keep-{i}", "keep", ingress=[{"x": s}]) for i, s in enumerate(policies.values())]
    )
    for owner, listed in flaws(objects).items():
        for kind, path, _ in listed:
            if kind in ("redundant-rule", "rule-matches-nothing") and path.endswith("]") and "." not in path:
                field, index = path[:-1].split("[")
                end = "from" if field == "ingress" else "to"
                policies[owner][field][int(index)] = {end: [{"podSelector": labels(no="such")}]}
    assert _reached(connect([*pruned, *blocks])) == _reached(connect([*objects, *blocks]))
