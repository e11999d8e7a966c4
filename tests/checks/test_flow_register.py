"""What the register lists: every flow with its peers, services, verdict and approvals."""

from typing import Any

from tests.checks.parts import CASES, Case


def flows(check: str, case: str, subject: str) -> list[dict[str, Any]]:
    run = Case(CASES / check / case).run()
    found = next(finding for finding in run.findings if finding.subject.id == subject)
    listed: list[dict[str, Any]] = found.parameters["flows"]
    return [{k: v for k, v in flow.items() if k not in ("causes", "ports", "decided_by")} for flow in listed]


def test_approved_and_unapproved_services_of_one_rule_are_listed_apart() -> None:
    common = {
        "sources": ["analytics/Pod/etl"],
        "peers_total": 1,
        "verdict": "allowed",
        "outside": True,
    }
    assert flows("flows-approved", "fail__a_second_port_that_nobody_approved", "vault/Pod/db") == [
        {**common, "services": "5432/TCP", "approved_by": ["f1"]},
        {**common, "services": "9187/TCP", "approved_by": []},
    ]


def test_addresses_outside_the_cluster_are_destinations() -> None:
    (flow,) = flows("flows-approved", "fail__addresses_outside_the_cluster", "vault/Pod/db")
    assert flow == {
        "destinations": ["203.0.113.0/28"],
        "peers_total": 1,
        "verdict": "allowed",
        "outside": True,
        "services": "443/TCP",
        "approved_by": [],
    }


def test_without_approved_flows_what_is_allowed_is_listed_all_the_same() -> None:
    (flow,) = flows("flows-approved", "manual__nobody_approved_anything", "vault/Pod/db")
    assert (flow["sources"], flow["services"], flow["approved_by"]) == (["analytics/Pod/etl"], "5432/TCP", [])


def test_systems_that_the_scope_names_as_connected_are_not_outside() -> None:
    (flow,) = flows("flows-approved", "manual__a_connected_system_without_an_approval", "vault/Pod/db")
    assert (flow["sources"], flow["outside"]) == (["analytics/Pod/etl"], False)
