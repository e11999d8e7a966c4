"""The controllers that serve entry points into scope still get security fixes."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.entries import HTTP_ENTRIES, ISTIO_GATEWAY, every_entry, evidence
from auditor.encryption.entry.support import end_of
from auditor.encryption.entry_points import EntryPoint
from auditor.model.finding import Read, Reason, Subject
from auditor.model.outcome import Outcome


class SupportedRelease(BaseModel):
    """A release that its project or vendor supports until a day, as the entity has looked it up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    controller: Annotated[str, Field(min_length=1, max_length=100)]
    release: Annotated[str, Field(min_length=1, max_length=40)]
    until: date

    def covers(self, version: str) -> bool:
        """Whether a version is this release, or one of its patch releases."""
        return version == self.release or version.startswith((f"{self.release}.", f"{self.release}-"))


class Parameters(BaseModel):
    """Releases whose support has been looked up; what the auditor itself knows to have ended comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    supported: tuple[SupportedRelease, ...] = ()


REASONS = (
    Reason(
        "supported",
        Outcome.PASS,
        "{subject} ({versions}) serves entry points into scope (in all: {entry_count}); it is stated as supported until "
        "{day}.",
    ),
    Reason(
        "support-ended",
        Outcome.FAIL,
        "{subject} serves entry points into scope ({entries}; in all: {entry_count}); its support ended on {day}.",
        final=True,
        remedy="Move the entry points to a controller, or to a release of it, that still gets security fixes.",
    ),
    Reason(
        "support-to-check",
        Outcome.MANUAL,
        "{subject} ({versions}) serves entry points into scope (in all: {entry_count}); no end of its support is known "
        "here. Compare its release with those that its project or vendor supports.",
    ),
    Reason(
        "indeterminate.controller",
        Outcome.NOT_EVALUATED,
        "Which controller serves entry points into scope is not known ({entries}; in all: {entry_count}).",
    ),
)
_SHOWN = 10


@check(
    "entry-controllers-supported",
    reads=(*HTTP_ENTRIES, Read(ISTIO_GATEWAY, subjects=True)),
    reasons=REASONS,
    parameters=Parameters,
)
def entry_controllers_supported(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Fails when a controller that serves entry points into scope was out of support at the time of evaluation.

    Known are the retirement of ingress-nginx and the releases of Traefik whose security support has ended. For every other
    controller, or release, it asks people to compare with the project's own list, and passes only where the parameter
    `supported` states all releases that run, with a day that has not passed. Does not look for known vulnerabilities.
    """
    found: dict[str | None, list[EntryPoint]] = {}
    for entry in every_entry(context):
        if isinstance(entry, tuple):
            found.setdefault(entry[1].controller, []).append(entry[1])
        else:
            yield entry
    today = context.facts.now.date().isoformat()
    for name in sorted(found, key=str):
        yield _judge(name, found[name], parameters, today)


def _judge(name: str | None, rows: list[EntryPoint], given: Parameters, today: str) -> Judgement:
    versions = sorted({version for row in rows for version in row.versions})
    days = sorted({day for row in rows for notice in row.notices if (day := end_of(notice)) is not None})
    stated = [_stated_until(given, name, version) for version in versions]
    known = [day for day in stated if day is not None]
    past = [day for day in (*days, *known) if day < today]
    supported = bool(known) and len(known) == len(versions)
    entries = sorted({row.subject for row in rows})
    parameters = {
        "entry_count": len(entries),
        "entries": entries[:_SHOWN],
        "versions": versions or ["release not known"],
        "day": past[0] if past else min(known, default="not known"),
    }
    decided = "support-ended" if past else "supported" if supported else "support-to-check"
    code = "indeterminate.controller" if name is None else decided
    items = tuple(dict.fromkeys(item for row in rows[:_SHOWN] for item in evidence(row)))
    return Judgement(code, Subject(f"controller {name or 'unknown'}"), parameters, items)


def _stated_until(given: Parameters, controller: str | None, version: str) -> str | None:
    found = [r.until for r in given.supported if r.controller == controller and r.covers(version)]
    return max(found).isoformat() if found else None
