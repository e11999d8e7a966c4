"""Comparing two audits of one cluster, finding by finding. Pure.

A failure that was there and now can't be told is neither new nor resolved: it stays a failure until evidence says
otherwise, so that a night of incomplete evidence neither hides it nor makes it new again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from auditor.model.comparison import ComparedRun, Comparison, FindingChange
from auditor.model.outcome import Outcome, aggregate
from auditor.model.result import AuditResult, ControlResult, FindingResult

_UNTOLD = frozenset({Outcome.NOT_EVALUATED, Outcome.ERROR})
_SEVERITIES = ("high", "medium", "low", "info")

Key = tuple[str, str, str]
"""Control, check and subject."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A result with the name that it goes by. `carried` are failures of earlier runs that it could not tell of."""

    name: str
    result: AuditResult
    carried: tuple[FindingChange, ...] = ()


def compare(old: Compared | None, new: Compared) -> Comparison:
    """What changed. An `old` of another cluster isn't compared with: that is noted, and every failure is new."""
    notes = _notes(old, new) if old else []
    usable = old if old and not _other_cluster(old, new) else None
    before = _Known.of(usable) if usable else _Known({}, {}, {})
    now = _Known.of(new)
    lists: dict[str, list[FindingChange]] = {"new": [], "resolved": [], "untold": [], "changed": []}
    for key in sorted(before.outcomes.keys() | now.outcomes.keys()):
        place = _place(before.outcomes.get(key), now.outcomes.get(key), key[0] in now.unsure)
        if place is None and now.outcomes.get(key) is Outcome.FAIL and _worsened(key, before, now):
            place = "new"
        if place:
            lists[place].append(_change(key, before, now))
    return Comparison(
        old=_run(usable) if usable else None,
        new=_run(new),
        notes=notes,
        new_failures=_sorted(lists["new"]),
        resolved=_sorted(lists["resolved"]),
        untold=_sorted(lists["untold"]),
        changed=_sorted(lists["changed"]),
    )


def _place(before: Outcome | None, now: Outcome | None, unsure: bool) -> str | None:
    """`unsure`: the control has something that it could not tell, maybe of a subject that was not seen."""
    if now is Outcome.FAIL:
        return None if before is Outcome.FAIL else "new"
    if before is Outcome.FAIL:
        return "untold" if now in _UNTOLD or (now is None and unsure) else "resolved"
    return "changed" if before and now and before is not now else None


def _worsened(key: Key, before: "_Known", now: "_Known") -> bool:
    """Failing as before, and for a reason that wasn't there; what was carried may have had any."""
    return bool(before.reasons.get(key)) and not now.reasons[key] <= before.reasons[key]


@dataclass(frozen=True, slots=True)
class _Known:
    """`reasons` are those of failures."""

    outcomes: Mapping[Key, Outcome]
    told: Mapping[Key, list[FindingChange | FindingResult]]
    controls: Mapping[str, ControlResult]
    unsure: frozenset[str] = frozenset()
    reasons: Mapping[Key, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, compared: Compared) -> "_Known":
        grouped: dict[Key, list[FindingResult]] = {}
        for finding in compared.result.findings:
            grouped.setdefault((finding.control, finding.check, finding.subject), []).append(finding)
        outcomes = {key: aggregate(f.outcome for f in group) for key, group in grouped.items()}
        told: dict[Key, list[FindingChange | FindingResult]] = {
            key: [f for f in group if f.outcome is outcomes[key]] for key, group in grouped.items()
        }
        for carried in compared.carried:
            key = (carried.control, carried.check, carried.subject)
            if outcomes.get(key, Outcome.NOT_EVALUATED) in _UNTOLD:
                outcomes[key] = Outcome.FAIL
                told.setdefault(key, [carried])
        reasons = {
            key: frozenset(f.reason for f in group if f.outcome is Outcome.FAIL)
            for key, group in grouped.items()
        }
        unsure = frozenset(f.control for f in compared.result.findings if f.outcome in _UNTOLD)
        return cls(outcomes, told, {c.id: c for c in compared.result.controls}, unsure, reasons)


def _change(key: Key, before: _Known, now: _Known) -> FindingChange:
    known_before = before.reasons.get(key, frozenset())
    told = now.told.get(key) or before.told[key]
    newest = next((entry for entry in told if entry.reason not in known_before), told[0])
    known = now.controls.get(key[0]) or before.controls.get(key[0])
    carried = newest if isinstance(newest, FindingChange) else None
    return FindingChange(
        control=key[0],
        title=known.title if known else carried.title if carried else key[0],
        severity=known.severity if known else carried.severity if carried else "info",
        check=key[1],
        subject=key[2],
        namespace=newest.namespace,
        before=before.outcomes.get(key),
        now=now.outcomes.get(key),
        reason=newest.reason,
        message=newest.message,
    )


def _sorted(changes: Iterable[FindingChange]) -> list[FindingChange]:
    return sorted(changes, key=lambda c: (_SEVERITIES.index(c.severity), c.control, c.subject, c.check))


def _run(compared: Compared) -> ComparedRun:
    result = compared.result
    return ComparedRun(
        name=compared.name,
        evaluated_at=result.run.evaluated_at,
        collected_at=result.run.collected_at,
        complete=result.run.complete,
        failures=sum(finding.outcome is Outcome.FAIL for finding in result.findings),
    )


def _other_cluster(old: Compared, new: Compared) -> bool:
    uids = (old.result.cluster.uid, new.result.cluster.uid)
    return None not in uids and uids[0] != uids[1]


def _notes(old: Compared, new: Compared) -> list[str]:
    """Why a difference may come from elsewhere than the cluster."""
    if _other_cluster(old, new):
        return [f"{old.name} is about another cluster ({old.result.cluster.uid}): not compared"]
    pairs = (
        ("the scope file", old.result.scope.sha256, new.result.scope.sha256),
        ("auditor's version", old.result.tool.version, new.result.tool.version),
        ("the frameworks", old.result.run.frameworks, new.result.run.frameworks),
        ("the controls", [c.id for c in old.result.controls], [c.id for c in new.result.controls]),
    )
    return [f"{what} changed since {old.name}" for what, before, now in pairs if before != now]
