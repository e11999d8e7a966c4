"""What changed between two audits: tables of outcomes before and now, worked out by hand."""

import pytest

from auditor.evaluate.comparison import Compared, compare
from auditor.model.comparison import Comparison
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, FindingResult
from tests.report.example import example, finding

CONTROL, OTHER = "default-deny-ingress", "default-deny-egress"


def told(
    outcome: str, subject: str = "pay/Deployment/a", control: str = CONTROL, reason: str = ""
) -> FindingResult:
    return finding(control, subject, Outcome(outcome), reason or outcome.lower(), f"{subject}: {outcome}")


def audit(*findings: FindingResult) -> AuditResult:
    return example(list(findings))


def changes(old: list[FindingResult] | None, new: list[FindingResult]) -> Comparison:
    before = Compared("old", audit(*old)) if old is not None else None
    return compare(before, Compared("new", audit(*new)))


def places(found: Comparison) -> dict[str, list[str]]:
    lists = {name: getattr(found, name) for name in ("new_failures", "resolved", "untold", "changed")}
    return {name: [entry.subject for entry in entries] for name, entries in lists.items() if entries}


A = "pay/Deployment/a"
TABLE = {
    "a failure appears": ("PASS", "FAIL", {"new_failures": [A]}),
    "a failure stays": ("FAIL", "FAIL", {}),
    "a failure goes": ("FAIL", "PASS", {"resolved": [A]}),
    "what failed has nothing to judge now": ("FAIL", "NOT_APPLICABLE", {"resolved": [A]}),
    "a failure can't be told any more": ("FAIL", "NOT_EVALUATED", {"untold": [A]}),
    "the check of a failure breaks": ("FAIL", "ERROR", {"untold": [A]}),
    "what could not be told fails": ("NOT_EVALUATED", "FAIL", {"new_failures": [A]}),
    "a pass can't be told any more": ("PASS", "NOT_EVALUATED", {"changed": [A]}),
    "a pass stays": ("PASS", "PASS", {}),
    "a new subject passes": (None, "PASS", {}),
    "a new subject fails": (None, "FAIL", {"new_failures": [A]}),
    "a failing subject is gone": ("FAIL", None, {"resolved": [A]}),
    "a passing subject is gone": ("PASS", None, {}),
}


@pytest.mark.parametrize(("before", "now", "expected"), TABLE.values(), ids=TABLE)
def test_one_subject(before: str | None, now: str | None, expected: dict[str, list[str]]) -> None:
    found = changes([told(before)] if before else [], [told(now)] if now else [])
    assert places(found) == expected


def test_a_failing_subject_that_is_gone_is_untold_where_its_control_could_not_tell_all() -> None:
    unsure = told("NOT_EVALUATED", "cluster")
    assert places(changes([told("FAIL")], [unsure])) == {"untold": [A]}
    elsewhere = told("NOT_EVALUATED", "cluster", OTHER)
    assert places(changes([told("FAIL")], [elsewhere])) == {"resolved": [A]}


def test_failing_for_another_reason_is_a_new_failure() -> None:
    found = changes([told("FAIL", reason="one")], [told("FAIL", reason="one"), told("FAIL", reason="two")])
    assert [(entry.subject, entry.reason) for entry in found.new_failures] == [(A, "two")]
    assert (
        places(
            changes([told("FAIL", reason="one"), told("FAIL", reason="two")], [told("FAIL", reason="two")])
        )
        == {}
    )


def test_a_night_without_evidence_makes_a_failure_neither_new_nor_resolved() -> None:
    first, blind, third = audit(told("FAIL")), audit(told("NOT_EVALUATED", "cluster")), audit(told("FAIL"))
    night = compare(Compared("1", first), Compared("2", blind))
    assert places(night) == {"untold": [A]}
    carried = Compared("2", blind, tuple(night.untold))
    assert places(compare(carried, Compared("3", third))) == {}
    assert places(compare(carried, Compared("3", audit(told("PASS"))))) == {"resolved": [A]}
    again = compare(carried, Compared("3", blind))
    assert places(again) == {"untold": [A]}
    assert again.untold[0].message == f"{A}: FAIL"


def test_without_an_earlier_run_every_failure_is_new() -> None:
    found = changes(None, [told("FAIL"), told("PASS", "pay/Deployment/b")])
    assert (found.old, places(found)) == (None, {"new_failures": [A]})


def test_another_cluster_is_not_compared_with() -> None:
    old, new = audit(told("FAIL")), audit(told("FAIL"))
    other = old.model_copy(update={"cluster": old.cluster.model_copy(update={"uid": "another"})})
    found = compare(Compared("old", other), Compared("new", new))
    assert found.old is None
    assert found.notes == ["old is about another cluster (another): not compared"]
    assert len(found.new_failures) == 1


def test_what_else_changed_is_noted() -> None:
    old, new = audit(), audit()
    scope = old.scope.model_copy(update={"sha256": "0" * 64})
    tool = old.tool.model_copy(update={"version": "0.0.1"})
    changed = old.model_copy(update={"scope": scope, "tool": tool})
    notes = compare(Compared("old", changed), Compared("new", new)).notes
    assert notes == ["the scope file changed since old", "auditor's version changed since old"]


def test_the_most_severe_come_first() -> None:
    found = changes(
        [],
        [told("FAIL", "z", CONTROL), told("FAIL", "a", CONTROL), told("FAIL", "m", "policies-select-pods")],
    )
    severities = [entry.severity for entry in found.new_failures]
    assert severities == sorted(severities, key=("high", "medium", "low", "info").index)
    assert [entry.subject for entry in found.new_failures if entry.control == CONTROL] == ["a", "z"]
