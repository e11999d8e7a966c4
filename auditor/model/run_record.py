"""`run.json`: the record of a stored run. Written last, it says that the run is whole."""

from typing import Annotated, Literal

from pydantic import Field

from auditor.model.outcome import Outcome
from auditor.model.result import Record

RECORD, STARTED, TOLD = "run.json", "started.json", "told.json"
RUN_FILES = (
    "comparison.json",
    "evidence.zip",
    "flow-register.csv",
    "open-reports.yaml",
    "preflight.json",
    "report.html",
    "report.pdf",
    "results.json",
    STARTED,
    TOLD,
)
"""Every file that a run may write beside its record: nothing else is ever deleted."""


class StoredFile(Record):
    """A file of the run."""

    name: str
    size: Annotated[int, Field(ge=0)]
    sha256: str


class IncompleteKind(Record):
    """A kind that controls read and that was not collected completely."""

    kind: str
    completeness: str
    cause: str


class RunStarted(Record):
    """`started.json`: whose folder this is, before it is whole."""

    format_version: Literal[1] = 1
    written_by: Literal["auditor"] = "auditor"
    run: str
    name: str
    started_at: str


class RunTold(Record):
    """`told.json`, added when it was told that a run's evidence is incomplete. `told_at` is of the run in which it was: a
    try soon after that found the same isn't told."""

    format_version: Literal[1] = 1
    written_by: Literal["auditor"] = "auditor"
    told_at: str


class RunRecord(Record):
    """A whole run. `run` is its folder's name; `exit_code` what the evidence deserves, whatever became of deliveries."""

    format_version: Literal[1] = 1
    written_by: Literal["auditor"] = "auditor"
    version: str
    run: str
    name: str
    started_at: str
    finished_at: str
    cluster: str | None
    cluster_uid: str | None
    frameworks: list[str]
    scope_sha256: str | None
    complete: bool
    incomplete_kinds: list[IncompleteKind]
    outcomes: dict[Outcome, int]
    exit_code: int
    compared_with: str | None
    new_failures: int
    resolved: int
    untold: int
    files: list[StoredFile]
