"""What a webhook is sent: the shape of `auditor schema notification`. Of bounded size, whatever a cluster holds."""

from typing import Literal

from auditor.model.comparison import Severity
from auditor.model.outcome import Outcome
from auditor.model.result import Record
from auditor.model.run_record import IncompleteKind

Event = Literal["new-failures", "incomplete"]


class NotifiedFailure(Record):
    """A new failure; texts are cut."""

    control: str
    title: str
    severity: Severity
    subject: str
    namespace: str
    message: str


class Notification(Record):
    """Why somebody is told, and of what. Counts are whole, lists are cut and say by how much.

    `events` is why. `run` and `stored_at` are None, and `cause` says why, when no evidence could be stored.
    """

    format_version: Literal[1] = 1
    events: list[Event]
    name: str
    run: str | None
    stored_at: str | None
    time: str
    cluster: str | None
    cluster_uid: str | None
    complete: bool
    cause: str
    compared_with: str | None
    outcomes: dict[Outcome, int]
    new_failures: int
    resolved: int
    untold: int
    failures: list[NotifiedFailure]
    failures_left_out: int
    incomplete_kinds: list[IncompleteKind]
    incomplete_kinds_left_out: int
