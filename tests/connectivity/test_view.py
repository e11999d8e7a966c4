"""The JSON of all connections, worked out by hand."""

import pytest
from jsonschema import Draft202012Validator

from auditor.evaluate.connectivity_scope import ScopeClasses
from auditor.evaluate.connectivity_view import build_view
from auditor.model.connectivity_result import ConnectivityResult
from auditor.model.scope import Scope
from auditor.report.connectivity_json import render_connectivity
from auditor.schemas import json_schema
from tests.connectivity.clusters import facts, json_of, reached, shop, view_of, workload
from tests.network.building import enforced, labels, namespace, node, pod, policy

ALL_PORTS = [{"ports": [[1, 65535]], "protocol": protocol} for protocol in ("SCTP", "TCP", "UDP")]
AGENT = "kube-system/DaemonSet/kube-router"
SCOPE = Scope.model_validate(
    {"namespaces": [{"name": "shop", "holds": ["cardholder-data"]}, {"glob": "*", "class": "connected-to"}]}
)


def test_one_cluster_exactly() -> None:
    """The node and the agent on it reach the database (point 10); of the others only the web pod does, on 5432."""
    result = json_of(view_of(shop()))
    assert result["groups"] == [
        {"id": "group-1", "members": ["/Node/node-1", AGENT]},
        {"id": "group-2", "members": ["shop/Pod/db"]},
        {"id": "group-3", "members": ["shop/Pod/web"]},
    ]
    into_db = [row for row in result["connections"] if row["destination"] == "group-2"]
    assert into_db == [
        {
            "source": "group-1",
            "destination": "group-2",
            "allowed": ALL_PORTS,
            "conditional": [],
            "indeterminate": [],
            "decided_by": [],
        },
        {
            "source": "group-3",
            "destination": "group-2",
            "allowed": [{"ports": [[5432, 5432]], "protocol": "TCP"}],
            "conditional": [],
            "indeterminate": [],
            "decided_by": [
                {
                    "object": "shop/NetworkPolicy/db",
                    "rule": "ingress[0]",
                    "evidence": "evidence-of-shop/NetworkPolicy/db",
                }
            ],
        },
    ]
    assert result["endpoints"][2] == {
        "id": "shop/Pod/db",
        "namespace": "shop",
        "kind": "Pod",
        "name": "db",
        "labels": {"app": "db"},
        "replicas": 1,
        "live": True,
        "host_network": False,
    }
    assert (result["level"], result["basis"], result["format_version"]) == ("workload", "declared", 1)
    assert result["enforcement"][0]["layer"] == "networkpolicy"
    assert result["enforcement"][0]["status"] == "enforced"


@pytest.mark.parametrize("level", ["pod", "workload", "namespace"])
@pytest.mark.parametrize("basis", ["declared", "enforced"])
def test_the_file_is_valid_against_the_published_schema(level: str, basis: str) -> None:
    result = json_of(view_of(shop(), level, basis))  # type: ignore[arg-type]
    Draft202012Validator(json_schema("connectivity")).validate(result)
    ConnectivityResult.model_validate(result)


def test_equal_input_gives_equal_bytes_in_any_order() -> None:
    assert render_connectivity(view_of(shop())) == render_connectivity(view_of(list(reversed(shop()))))


def test_rows_groups_and_externals_are_sorted_and_unique() -> None:
    result = json_of(view_of(shop()))
    pairs = [(row["source"], row["destination"]) for row in result["connections"]]
    assert pairs == sorted(set(pairs))
    for name in ("endpoints", "externals", "groups"):
        ids = [row["id"] for row in result[name]]
        assert ids == sorted(set(ids))


def test_groups_are_a_partition_of_the_endpoints() -> None:
    result = json_of(view_of(shop()))
    members = [member for group in result["groups"] for member in group["members"]]
    assert sorted(members) == [row["id"] for row in result["endpoints"]]


def test_no_row_joins_two_external_ranges() -> None:
    result = json_of(view_of(shop()))
    outside = {row["id"] for row in result["externals"]}
    assert not [row for row in result["connections"] if {row["source"], row["destination"]} <= outside]


def test_a_group_to_itself_means_its_distinct_members() -> None:
    objects = [*(pod(f"p{n}") for n in range(3)), namespace("default")]
    result = json_of(view_of(objects))
    group = next(g for g in result["groups"] if len(g["members"]) == 3)
    assert [r for r in result["connections"] if r["source"] == r["destination"] == group["id"]]
    assert len([pair for pair in reached(result) if set(pair) <= set(group["members"])]) == 6


def test_the_declared_basis_takes_policies_at_their_word_and_the_enforced_one_does_not() -> None:
    """Without an agent nothing enforces the policy: with complete evidence everyone reaches the database."""
    objects = [namespace("shop"), node("node-1"), *shop()[3:]]
    pair = ("shop/Pod/web", "shop/Pod/db")
    declared, enforced_ = (
        reached(json_of(view_of(objects, "workload", b))) for b in ("declared", "enforced")
    )  # type: ignore[arg-type]
    assert declared[pair]["allowed"] == [{"ports": [[5432, 5432]], "protocol": "TCP"}]
    assert enforced_[pair]["allowed"] == ALL_PORTS
    assert ("internet", "shop/Pod/db") not in declared
    assert enforced_["internet", "shop/Pod/db"]["allowed"] == ALL_PORTS


def test_at_pod_level_every_pod_stands_for_itself() -> None:
    objects = [*enforced("node-1", "node-2"), *workload("db", "shop", ("db-0", "db-1"), ("node-1", "node-2"))]
    by_workload, by_pod = (json_of(view_of(objects, level)) for level in ("workload", "pod"))  # type: ignore[arg-type]
    assert "shop/StatefulSet/db" in {row["id"] for row in by_workload["endpoints"]}
    assert {"shop/Pod/db-0", "shop/Pod/db-1"} <= {row["id"] for row in by_pod["endpoints"]}
    assert ("shop/Pod/db-0", "shop/Pod/db-1") in reached(by_pod)


def test_isolated_pods_of_one_workload_differ_by_their_own_node_at_pod_level() -> None:
    objects = [
        *enforced("node-1", "node-2"),
        *workload("db", "shop", ("db-0", "db-1"), ("node-1", "node-2")),
        policy("deny", "shop", types=["Ingress"]),
    ]
    found = reached(json_of(view_of(objects, "pod")))
    assert ("/Node/node-1", "shop/Pod/db-0") in found
    assert ("/Node/node-2", "shop/Pod/db-0") not in found
    assert ("shop/Pod/db-1", "shop/Pod/db-0") not in found


def test_namespaces_reach_what_any_of_their_endpoints_reaches() -> None:
    """The shop's pods reach each other, the nodes' network is told apart from the pods of its namespace."""
    objects = [
        *shop(),
        namespace("other"),
        pod("job", "other"),
        policy("web", "shop", pods=labels(app="web")),
    ]
    objects[-1]["spec"]["ingress"] = [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}]
    result = json_of(view_of(objects, "namespace"))
    found = reached(result)
    row = found["/Namespace/other", "/Namespace/shop"]
    assert row["allowed"] == [{"ports": [[80, 80]], "protocol": "TCP"}]
    assert "/Namespace/kube-system#host-network" in {endpoint["id"] for endpoint in result["endpoints"]}


def test_an_unknown_node_is_told_as_indeterminate_never_left_out() -> None:
    objects = [*enforced("node-1"), pod("db", "shop", node=None), policy("deny", "shop", types=["Ingress"])]
    row = reached(json_of(view_of(objects)))["/Node/node-1", "shop/Pod/db"]
    assert not row["allowed"]
    assert {entry["reason"] for entry in row["indeterminate"]} == {"indeterminate.node-placement"}


def test_only_in_scope_keeps_the_connections_of_endpoints_in_scope() -> None:
    objects = [*shop(), namespace("other"), *(pod(f"job{n}", "other") for n in range(2))]
    known = facts(objects, SCOPE)
    classes = ScopeClasses(known, ["pci-dss-4.0.1"])
    found = reached(json_of(build_view(known, in_scope=classes.in_scope)))
    assert ("other/Pod/job0", "shop/Pod/web") in found
    assert ("shop/Pod/web", "other/Pod/job1") in found
    assert ("other/Pod/job0", "other/Pod/job1") not in found


def test_a_broken_policy_is_named() -> None:
    broken = policy("broken", "shop", ingress=[{"ports": [{"port": 70000}]}])
    result = json_of(view_of([*shop(), broken]))
    assert [problem["object"] for problem in result["completeness"]["problems"]] == [
        "shop/NetworkPolicy/broken"
    ]


def test_what_the_evidence_lacks_is_listed() -> None:
    from auditor.checks.context import Facts
    from tests.connectivity.clusters import NOW
    from tests.network.building import snapshot

    view = build_view(Facts(snapshot(shop(), complete=False), None, NOW))
    assert not view.completeness.complete
    assert {kind.state for kind in view.completeness.kinds} == {"absent"}


def test_an_external_network_may_be_called_like_a_group() -> None:
    scope = Scope.model_validate(
        {"external_networks": [{"name": "group-1", "cidrs": ["198.51.100.0/24"], "trust": "untrusted"}]}
    )
    result = json_of(build_view(facts(shop(), scope)))
    groups, ranges = ({row["id"] for row in result[name]} for name in ("groups", "externals"))
    assert "group-1" in ranges
    assert not groups & ranges


def test_conditional_ports_carry_their_reason() -> None:
    spec = {
        "endpointSelector": labels(app="db"),
        "ingress": [
            {
                "fromEndpoints": [labels(app="web")],
                "toPorts": [
                    {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}}
                ],
            }
        ],
    }
    cilium = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": spec,
    }
    row = reached(json_of(view_of([*shop()[:-1], cilium])))["shop/Pod/web", "shop/Pod/db"]
    assert row["conditional"] == [{"ports": [[80, 80]], "protocol": "TCP", "reason": "conditional.l7"}]
