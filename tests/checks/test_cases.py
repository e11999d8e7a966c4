"""Every case folder gives exactly the findings and exclusions that were worked out by hand for it."""

import pytest

from auditor.checks.registry import all_checks
from tests.checks.parts import CASES, Case, all_cases


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.check_id}/{case.folder.name}")
def test_a_case_gives_exactly_its_findings(case: Case) -> None:
    run = case.run()
    found = sorted((f.subject.id, str(f.outcome), f.reason) for f in run.findings)
    wanted = sorted((f["subject"], f["outcome"], f["reason"]) for f in case.expected["findings"])
    assert found == wanted
    excluded = {entry.subject: entry.reason for entry in run.excluded}
    assert excluded == case.expected.get("excluded", {})
    assert len(run.listed) == len({f.subject.id for f in run.findings} & run.listed) + len(run.excluded)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.check_id}/{case.folder.name}")
def test_the_folders_name_is_an_outcome_that_the_case_has(case: Case) -> None:
    assert case.outcome in {finding["outcome"] for finding in case.expected["findings"]}


@pytest.mark.parametrize("check_id", list(all_checks()))
@pytest.mark.parametrize("outcome", ["PASS", "FAIL", "NOT_EVALUATED"])
def test_every_check_has_a_case_of_each_outcome(check_id: str, outcome: str) -> None:
    assert any(case.outcome == outcome for case in all_cases() if case.check_id == check_id)


def test_every_case_folder_belongs_to_a_check() -> None:
    assert {path.name for path in CASES.iterdir() if path.name != "parts"} <= set(all_checks())


@pytest.mark.parametrize("check_id", list(all_checks()))
def test_every_reason_of_a_check_that_cases_can_reach_is_reached(check_id: str) -> None:
    reached = {
        f["reason"] for case in all_cases() if case.check_id == check_id for f in case.expected["findings"]
    }
    failing = {r.code for r in all_checks()[check_id].reasons.values() if r.outcome == "FAIL"}
    assert failing <= reached | _UNREACHED.get(check_id, set())


_UNREACHED: dict[str, set[str]] = {
    "istio-plaintext-refused": {"tls-without-client"},
    "linkerd-plaintext-refused": {"plaintext-refused-after-arrival"},
}
"""Reasons that the two meshes share and that only the other one can give."""
