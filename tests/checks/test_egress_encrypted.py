"""Which clients a finding about a way out names, and what it says of policy. Answers worked out by hand."""

from typing import Any

import pytest

from tests.checks.parts import CASES, Case

SCALES = "pay/ServiceEntry.networking.istio.io/scales:scales.store.example:80/TCP"
PSP = "pay/ServiceEntry.networking.istio.io/psp:api.psp.example:80/TCP"
EQUAL = "not_evaluated__policies_of_equal_priority_disagree"
INVALID = "not_evaluated__the_policy_is_invalid"


def told(case: str, subject: str) -> dict[str, Any]:
    found = Case(CASES / "egress-encrypted" / case).run().findings
    return next(dict(finding.parameters) for finding in found if finding.subject.id == subject)


@pytest.mark.parametrize("subject", [SCALES, "outside/warehouse-wlan"])
def test_a_failure_names_the_clients_alone_that_certainly_get_through(subject: str) -> None:
    parameters = told("fail__some_clients_certainly_get_through", subject)
    assert parameters["sources"] == ["pay/Pod/ledger"]
    assert parameters["source_count"] == 1
    assert [flow["sources"] for flow in parameters["flows"]] == [["pay/Pod/ledger"]]


@pytest.mark.parametrize(
    ("case", "subject", "code"),
    [
        (EQUAL, SCALES, "indeterminate.equal-priority"),
        (EQUAL, "outside/warehouse-wlan", "indeterminate.equal-priority"),
        (INVALID, SCALES, "indeterminate.invalid-policy"),
        (INVALID, PSP, "indeterminate.invalid-policy"),
        (INVALID, "outside/branches", "indeterminate.invalid-policy"),
    ],
)
def test_what_cannot_be_told_names_what_policy_leaves_open(case: str, subject: str, code: str) -> None:
    parameters = told(case, subject)
    assert code in [cause["code"] for cause in parameters["causes"]]
    flow = next(f for f in parameters["flows"] if code in [cause["code"] for cause in f["causes"]])
    assert flow["sources"] == ["pay/Pod/ledger"]
    assert "Policy" in " ".join(rule["object"] for rule in flow["decided_by"])
