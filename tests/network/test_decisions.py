"""Point queries: the verdict, its cause, and the chain of deciding rules."""

import pytest

from auditor.model.verdict import Reach
from auditor.network.connectivity import Connectivity
from auditor.network.reasons import REASONS, cause, sentence
from tests.network.building import (
    Raw,
    agent,
    cluster_policy,
    connect,
    enforced,
    labels,
    namespace,
    node,
    pod,
    policy,
)


def _with(*objects: Raw, agents: list[Raw] | None = None) -> Connectivity:
    return connect(
        [
            *(agents or enforced("node-1", "node-2")),
            namespace("default"),
            pod("web", labels={"app": "web"}, address="10.0.0.1"),
            pod("db", labels={"app": "db"}, address="10.0.0.2"),
            *objects,
        ]
    )


def test_the_chain_names_the_rule_of_each_side() -> None:
    connectivity = _with(
        policy("in", pods=labels(app="db"), ingress=[{}, {"ports": [{"port": 5432}]}]),
        policy("out", pods=labels(app="web"), egress=[{"ports": [{"port": 5432}]}]),
    )
    decision = connectivity.allows(
        connectivity.resolve("default/web"), connectivity.resolve("default/db"), 5432
    )
    shown = [
        (e.layer, e.direction.value, e.verdict, [(r.object, r.rule) for r in e.rules]) for e in decision.chain
    ]
    ingress = [("default/NetworkPolicy/in", "ingress[0]"), ("default/NetworkPolicy/in", "ingress[1]")]
    assert shown == [
        ("networkpolicy", "egress", Reach.ALLOWED, [("default/NetworkPolicy/out", "egress[0]")]),
        ("networkpolicy", "ingress", Reach.ALLOWED, ingress),
    ]
    connection = connectivity.connection(
        connectivity.resolve("default/web"), connectivity.resolve("default/db")
    )
    assert {(r.object, r.rule) for r in connection.decided_by} == {
        ("default/NetworkPolicy/out", "egress[0]"),
        *ingress,
    }


def test_a_denial_names_the_policies_that_isolate() -> None:
    connectivity = _with(policy("deny", ingress=[]))
    decision = connectivity.allows(
        connectivity.resolve("default/web"), connectivity.resolve("default/db"), 80
    )
    last = decision.chain[-1]
    assert (decision.verdict, last.why.code) == (Reach.DENIED, "selected-nothing-matches")
    assert [ref.object for ref in last.rules] == ["default/NetworkPolicy/deny"]


def test_without_policies_the_default_decides() -> None:
    connectivity = _with()
    decision = connectivity.allows(
        connectivity.resolve("default/web"), connectivity.resolve("default/db"), 80
    )
    assert (decision.verdict, decision.cause.code) == (Reach.ALLOWED, "default-allow")


def test_layers_after_the_deciding_one_are_not_reached() -> None:
    rule = {"action": "Deny", "from": [{"namespaces": {}}]}
    spec = {"priority": 1, "subject": {"namespaces": {}}, "ingress": [rule]}
    agents = [node("node-1"), agent("ovn", "ovnkube-node", "node-1", args=["--enable-admin-network-policy"])]
    connectivity = _with(
        cluster_policy("AdminNetworkPolicy", "a", "v1alpha1", spec),
        policy("allow", ingress=[{}]),
        agents=agents,
    )
    decision = connectivity.allows(
        connectivity.resolve("default/web"), connectivity.resolve("default/db"), 80
    )
    assert decision.verdict is Reach.DENIED
    chain = [(e.layer, e.why.code) for e in decision.chain if e.direction == "ingress"]
    assert chain == [("admin-network-policy", "rule-denies"), ("networkpolicy", "not-reached")]


def test_a_protocol_that_policies_leave_undefined_is_indeterminate() -> None:
    connectivity = _with(
        policy("deny", pods=labels(app="db"), ingress=[]), policy("some", ingress=[{"ports": [{"port": 1}]}])
    )
    web, db = connectivity.resolve("default/web"), connectivity.resolve("default/db")
    found = connectivity.allows(web, db, 8 * 256, "ICMP")
    assert (found.verdict, found.cause.code) == (Reach.INDETERMINATE, "indeterminate.protocol-undefined")
    outside = connectivity.allows(db, connectivity.resolve("internet"), 8 * 256, "ICMP")
    assert outside.verdict is Reach.ALLOWED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default/web", "default/Pod/web"),
        ("default/Pod/web", "default/Pod/web"),
        ("10.0.0.2", "default/Pod/db"),
        ("192.0.2.2", "/Node/node-2"),
        ("8.8.8.8", "internet"),
        ("192.168.3.4", "192.168.0.0/16"),
        ("internet", "internet"),
        ("/Node/node-1", "/Node/node-1"),
    ],
)
def test_names_of_peers(text: str, expected: str) -> None:
    assert _with().resolve(text).id == expected


def test_an_unknown_name_comes_with_candidates() -> None:
    with pytest.raises(LookupError, match="default/Pod/web"):
        _with().resolve("default/Pod/wbe")


def test_pods_of_one_workload_that_decide_differently_must_be_told_apart() -> None:
    def replica(name: str, **more: str) -> Raw:
        raw = pod(name, labels={"app": "x", **more}, address=f"10.0.5.{len(name)}")
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "controller": True}
        raw["metadata"]["ownerReferences"] = [owner]
        return raw

    canary = policy("canary", pods=labels(track="canary"), ingress=[])
    connectivity = _with(replica("x-1"), replica("x-22", track="canary"), canary)
    with pytest.raises(LookupError, match="default/ReplicaSet/x#1, default/ReplicaSet/x#2"):
        connectivity.resolve("default/ReplicaSet/x")
    web = connectivity.resolve("default/web")
    assert connectivity.allows(web, connectivity.resolve("default/x-1"), 80).verdict is Reach.ALLOWED
    assert connectivity.allows(web, connectivity.resolve("default/x-22"), 80).verdict is Reach.DENIED


def test_reasons_are_a_closed_list() -> None:
    assert sentence(cause("rule-denies", policy="a")) == "a rule of a denies it"
    assert all(sentence(cause(code)) for code in REASONS)
    with pytest.raises(KeyError):
        cause("no-such-reason")
