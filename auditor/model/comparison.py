"""What changed between two audits of a cluster: the shape of `auditor compare` and of a stored `comparison.json`."""

from typing import Literal

from auditor.model.outcome import Outcome
from auditor.model.result import Record

Severity = Literal["high", "medium", "low", "info"]


class ComparedRun(Record):
    """One of the two results. `name` is that of the stored run or file."""

    name: str
    evaluated_at: str
    collected_at: str | None
    complete: bool
    failures: int


class FindingChange(Record):
    """A control's answer about a subject, before and now, None where there is none; reason and message are the newest."""

    control: str
    title: str
    severity: Severity
    check: str
    subject: str
    namespace: str
    before: Outcome | None
    now: Outcome | None
    reason: str
    message: str


class Comparison(Record):
    """Changes from `old` to `new`; without an `old` every failure is new.

    `new_failures`: FAIL now and not before, or for a reason that wasn't there before. `resolved`: FAIL before, and the
    evidence of now says otherwise. `untold`: FAIL before, and now it can't be told; they count as failing for the next
    comparison. `changed`: every other change of outcome. Lists are sorted: the most severe first, then by control and
    subject.
    """

    format_version: Literal[1] = 1
    old: ComparedRun | None
    new: ComparedRun
    notes: list[str]
    new_failures: list[FindingChange]
    resolved: list[FindingChange]
    untold: list[FindingChange]
    changed: list[FindingChange]
