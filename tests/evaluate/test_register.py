"""The flow register's data, worked out by hand on the shop of the network diagram."""

from typing import Any

from auditor.checks.context import Context, Facts
from auditor.evaluate.register import build_register
from auditor.inventory.scoping import ScopeView
from auditor.model.result import RegisterResult, Standing
from auditor.model.scope import Scope
from tests.connectivity.clusters import facts
from tests.evaluate.test_diagram import flow, on, scope, shop, space
from tests.network.building import Raw, labels, policy

WEB, DB, API, JOB = "shop/Pod/web", "shop/Pod/db", "front/Pod/api", "lab/Pod/job"
AGENT = "kube-system/DaemonSet/kube-router"
PCI, HIPAA, GDPR = "pci-dss-4.0.1", "hipaa", "gdpr"


def register(
    objects: list[Raw], given: Scope | None, frameworks: tuple[str, ...] = (PCI, HIPAA)
) -> RegisterResult:
    known: Facts = facts(objects, given)
    views = {name: Context(known, ScopeView(name, known.cluster, given)) for name in frameworks}
    return build_register(known, views)


def rows(found: RegisterResult) -> list[tuple[Any, ...]]:
    """The flows without those of the network agent, which runs on the node's own network in a namespace out of scope."""
    return [
        (f.direction, f.sources, f.destinations, f.services, str(f.standing), f.approved_by)
        for f in found.flows
        if AGENT not in (*f.sources, *f.destinations)
    ]


def let_lab_in() -> list[Raw]:
    """The shop, and a rule by which lab reaches the web pod too, on two ports."""
    ingress = [{"from": [space("lab")], "ports": [{"port": port} for port in (8443, 9102)]}]
    out = [{"to": [space("shop")], "ports": [{"port": port} for port in (8443, 9102)]}]
    return [
        *shop(),
        policy("lab", "shop", pods=labels(app="web"), ingress=ingress),
        policy("out", "lab", egress=out),
    ]


def test_a_flow_with_what_the_scope_calls_connected_to_is_for_people() -> None:
    found = register(shop(), scope(flow("A", DB, JOB, 1)))
    assert rows(found) == [("in", [API], [WEB], "8443/TCP", "people", [])]
    assert found.counts == {
        Standing.UNAPPROVED: 2,
        Standing.INDETERMINATE: 0,
        Standing.PEOPLE: 1,
        Standing.APPROVED: 0,
    }


def test_approved_and_unapproved_services_are_rows_of_their_own_the_gravest_first() -> None:
    found = register(let_lab_in(), scope(flow("A", "lab/*", WEB, 8443)))
    assert rows(found) == [
        ("in", [JOB], [WEB], "9102/TCP", "unapproved", []),
        ("in", [API], [WEB], "8443/TCP", "people", []),
        ("in", [JOB], [WEB], "8443/TCP", "approved", ["A"]),
    ]
    assert [f.number for f in found.flows] == [1, 2, 3, 4, 5]
    (lab,) = [f for f in found.flows if f.services == "9102/TCP"]
    assert {rule["object"] for rule in lab.decided_by} == {
        "shop/NetworkPolicy/lab",
        "lab/NetworkPolicy/out",
    }


def test_pods_on_a_nodes_network_reach_the_pods_of_their_node_whatever_policy_says() -> None:
    found = register(shop(), scope(flow("A", DB, JOB, 1)))
    agents = [f for f in found.flows if AGENT in (*f.sources, *f.destinations)]
    assert [(f.direction, f.services, str(f.standing)) for f in agents] == [
        ("out", "SCTP, TCP, UDP", "unapproved"),
        ("in", "SCTP, TCP, UDP", "unapproved"),
    ]


def test_without_any_approved_flow_nothing_is_called_unapproved() -> None:
    assert {row[4] for row in rows(register(let_lab_in(), scope()))} == {"people"}


def test_endpoints_that_fare_alike_share_a_row_and_count_once() -> None:
    twice = [
        *let_lab_in(),
        policy("db-too", "shop", pods=labels(app="db"), ingress=on(8443, space("lab"))),
    ]
    found = register(twice, scope(flow("A", DB, JOB, 1)))
    assert ("in", [JOB], [DB], "8443/TCP", "unapproved", []) in rows(found)
    both = [
        *shop(),
        policy("lab", "shop", ingress=on(9102, space("lab"))),
        policy("out", "lab", egress=on(9102, space("shop"), way="to")),
    ]
    assert ("in", [JOB], [DB, WEB], "9102/TCP", "unapproved", []) in rows(
        register(both, scope(flow("A", DB, JOB, 1)))
    )


def test_frameworks_that_see_a_pair_alike_share_its_row() -> None:
    """For the GDPR front is in scope as well, so that only lab's way into the shop is common to both."""
    given = Scope.model_validate(
        {
            "namespaces": [
                {"name": "shop", "class": "in-scope"},
                {"name": "front", "class": "in-scope", "frameworks": [GDPR]},
                {"name": "front", "class": "connected-to", "frameworks": [PCI]},
                {"glob": "*", "class": "out-of-scope", "reason": "Holds nothing."},
            ],
        }
    )
    found = register(let_lab_in(), given, (PCI, GDPR))
    by_framework = {
        (tuple(f.sources), tuple(f.destinations)): f.frameworks for f in found.flows if f.direction == "in"
    }
    assert by_framework[(JOB,), (WEB,)] == [GDPR, PCI]
    assert by_framework[(API,), (WEB,)] == [PCI]
    assert all(frameworks == [GDPR] for ends, frameworks in by_framework.items() if ends[1] == (API,))


def test_an_approved_flow_knows_the_rows_that_it_approves() -> None:
    (entry,) = register(let_lab_in(), scope(flow("A", "lab/*", WEB, 8443))).approvals
    assert (entry.possible, entry.flows, entry.impossible, entry.frameworks) == ("yes", [5], "", [HIPAA, PCI])


def test_approved_but_impossible_wholly_in_part_and_with_an_unknown_end() -> None:
    given = scope(
        flow("denied", "lab/*", DB, 5432),
        flow("half", API, WEB, 8443) | {"services": [{"ports": [8443]}, {"ports": [22, 23]}]},
        flow("unknown", "nowhere/*", DB, 5432),
        flow("within", WEB, DB, 5432),
        flow("elsewhere", "lab/*", API, 8443),
    )
    found = {entry.id: entry for entry in register(shop(), given).approvals}
    assert [(e.id, e.possible, e.impossible, e.unknown) for e in found.values()] == [
        ("denied", "no", "5432/TCP", []),
        ("elsewhere", "no", "8443/TCP", []),
        ("half", "partly", "22-23/TCP", []),
        ("unknown", "unknown-end", "5432/TCP", ["nowhere/*"]),
        ("within", "yes", "", []),
    ]
    assert found["elsewhere"].frameworks == [], "neither end is in scope"
    assert found["within"].flows == [], "both ends are in scope: no flow across its border"


def test_a_review_date_that_is_past_is_overdue() -> None:
    given = scope(
        flow("late", WEB, DB, 5432) | {"review_by": "2020-01-01"},
        flow("in-time", WEB, DB, 5432) | {"review_by": "2099-01-01"},
    )
    assert {e.id: e.review_overdue for e in register(shop(), given).approvals} == {
        "late": True,
        "in-time": False,
    }
