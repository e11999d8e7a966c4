"""AdminNetworkPolicy, its baseline and ClusterNetworkPolicy, sentence by sentence (points 16 to 19)."""

from typing import Any

import pytest

from auditor.model.verdict import Reach
from auditor.network.connectivity import Basis, Connectivity
from tests.network.building import Raw, cluster_policy, connect, labels, namespace, node, pod, policy

_ALL: Raw = {"namespaces": {}}
_FAR: Raw = {"namespaces": labels(team="far")}


def _admin(name: str, priority: int, *rules: Raw, direction: str = "ingress", subject: Raw = _ALL) -> Raw:
    spec = {"priority": priority, "subject": subject, direction: list(rules)}
    return cluster_policy("AdminNetworkPolicy", name, "v1alpha1", spec)


def _cluster_wide(name: str, priority: int, tier: str, *rules: Raw, direction: str = "ingress") -> Raw:
    spec = {"priority": priority, "tier": tier, "subject": _ALL, direction: list(rules)}
    return cluster_policy("ClusterNetworkPolicy", name, "v1alpha2", spec)


def _baseline(*rules: Raw) -> Raw:
    spec = {"subject": _ALL, "ingress": list(rules)}
    return cluster_policy("BaselineAdminNetworkPolicy", "default", "v1alpha1", spec)


def _from(action: str, *peers: Raw, **more: Any) -> Raw:
    return {"action": action, "from": list(peers) or [_ALL], **more}


def _to(action: str, *peers: Raw) -> Raw:
    return {"action": action, "to": list(peers)}


def _with(*policies: Raw) -> Connectivity:
    return connect(
        [
            node("node-1", "192.0.2.1"),
            node("node-2", "192.0.2.2", {"zone": "a"}),
            namespace("default"),
            namespace("far", team="far"),
            pod(
                "db", labels={"app": "db"}, address="10.0.0.2", ports=[{"name": "sql", "containerPort": 5432}]
            ),
            pod("far", "far", address="10.0.9.9", node="node-2"),
            pod("host", "far", host_network=True, address="192.0.2.2", node="node-2"),
            *policies,
        ]
    )


_NP = policy("np", ingress=[{"from": [{"namespaceSelector": {}}]}])
_NP_DENY = policy("np", ingress=[])
_ROWS: list[tuple[str, list[Raw], str, str, Reach]] = [
    (
        "16 the lower number comes first",
        [_admin("a", 2, _from("Deny")), _admin("b", 1, _from("Allow"))],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "16 within a policy the first rule that matches decides",
        [_admin("a", 1, _from("Deny", _FAR), _from("Allow"))],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "16 equal priorities that disagree are indeterminate",
        [_admin("a", 1, _from("Deny")), _admin("b", 1, _from("Allow"))],
        *("far/far", "default/db", Reach.INDETERMINATE),
    ),
    (
        "16 equal priorities that agree are not",
        [_admin("a", 1, _from("Deny")), _admin("b", 1, _from("Deny", _FAR))],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "16 an Allow goes over a NetworkPolicy",
        [_admin("a", 1, _from("Allow")), _NP_DENY],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "16 a Deny too",
        [_admin("a", 1, _from("Deny")), _NP],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "17 Pass skips the rest of the tier",
        [_admin("a", 1, _from("Pass")), _admin("b", 2, _from("Deny"))],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "17 and goes on to NetworkPolicy",
        [_admin("a", 1, _from("Pass")), _NP_DENY],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "17 the baseline decides for a pod that no NetworkPolicy selects",
        [_baseline(_from("Deny"))],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "17 a pod that one selects never reaches it",
        [_baseline(_from("Deny")), _NP],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "18 ClusterNetworkPolicy accepts in its Admin tier",
        [_cluster_wide("c", 1, "Admin", _from("Accept")), _NP_DENY],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "18 and denies in its Baseline tier what no NetworkPolicy governs",
        [_cluster_wide("c", 1, "Baseline", _from("Deny"))],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "18 Pass in the Baseline tier falls to the default",
        [_cluster_wide("c", 1, "Baseline", _from("Pass"), _from("Deny"))],
        *("far/far", "default/db", Reach.ALLOWED),
    ),
    (
        "18 an unknown peer: Accept matches nothing",
        [_cluster_wide("c", 1, "Admin", _from("Accept", {"new": {}}), _from("Deny"))],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "18 an unknown peer: Deny becomes deny-all",
        [_cluster_wide("c", 1, "Admin", _from("Deny", {"new": {}}))],
        *("internet", "default/db", Reach.DENIED),
    ),
    (
        "18 an unknown peer: Pass becomes deny-all",
        [_cluster_wide("c", 1, "Admin", _from("Pass", {"new": {}}))],
        *("internet", "default/db", Reach.DENIED),
    ),
    (
        "19 a network covers pods as well",
        [_cluster_wide("c", 1, "Admin", _to("Deny", {"networks": ["0.0.0.0/0"]}), direction="egress")],
        *("far/far", "default/db", Reach.DENIED),
    ),
    (
        "19 a pod with hostNetwork is no subject",
        [_admin("a", 1, _to("Deny", _ALL), direction="egress")],
        *("far/host", "default/db", Reach.ALLOWED),
    ),
    (
        "19 nor a peer",
        [_admin("a", 1, _from("Deny"))],
        *("far/host", "default/db", Reach.ALLOWED),
    ),
    (
        "19 nodes select node addresses, with the pods on them",
        [_admin("a", 1, _to("Deny", {"nodes": labels(zone="a")}), direction="egress")],
        *("default/db", "far/host", Reach.DENIED),
    ),
    (
        "24 domain names make a condition",
        [
            _admin(
                *("a", 1),
                _to("Allow", {"domainNames": ["*.example.org"]}),
                _to("Deny", {"networks": ["0.0.0.0/0"]}),
                direction="egress",
            )
        ],
        *("default/db", "internet", Reach.CONDITIONAL),
    ),
]


@pytest.mark.parametrize(
    ("objects", "source", "destination", "expected"),
    [row[1:] for row in _ROWS],
    ids=[row[0] for row in _ROWS],
)
def test_sentence(objects: list[Raw], source: str, destination: str, expected: Reach) -> None:
    connectivity = _with(*objects)
    decision = connectivity.allows(connectivity.resolve(source), connectivity.resolve(destination), 80)
    assert decision.declared is expected


def test_16_equal_priorities_are_reported() -> None:
    problems = _with(_admin("a", 1, _from("Deny")), _admin("b", 1, _from("Allow"))).policy_problems
    assert [(p.field, p.code) for p in problems] == [("spec.priority", "invalid.equal-priority")] * 2


def test_16_equal_priorities_are_the_cause() -> None:
    connectivity = _with(_admin("a", 1, _from("Deny")), _admin("b", 1, _from("Allow")))
    ends = connectivity.resolve("far/far"), connectivity.resolve("default/db")
    found = connectivity.connection(*ends, Basis.DECLARED)
    assert [why.code for _, why in found.indeterminate] == ["indeterminate.equal-priority"]


def test_named_ports_resolve_at_the_subject() -> None:
    rule = _from("Deny", ports=[{"namedPort": "sql"}])
    connectivity = _with(_admin("a", 1, rule))
    ends = connectivity.resolve("far/far"), connectivity.resolve("default/db")
    assert connectivity.allows(*ends, 5432).declared is Reach.DENIED
    assert connectivity.allows(*ends, 80).declared is Reach.ALLOWED
