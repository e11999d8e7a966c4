"""Findings that say the same of many subjects are told once, with a table of the subjects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.model.outcome import Outcome
from auditor.model.result import ControlResult, FindingResult
from auditor.report.display import anchor
from auditor.report.sentences import Sentences

_TOLD = (Outcome.FAIL, Outcome.ERROR)
_SEVERITIES = ("high", "medium", "low", "info")


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings of one control with one reason; `number` is how the report calls it."""

    number: int
    anchor: str
    control: ControlResult
    outcome: Outcome
    reason: str
    findings: tuple[FindingResult, ...]


@dataclass(frozen=True, slots=True)
class GapGroup:
    """Findings that could not be evaluated for one cause. `kinds` are the incomplete kinds behind it, if any."""

    cause: str
    kinds: tuple[str, ...]
    findings: tuple[FindingResult, ...]

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls concerned, sorted."""
        return tuple(sorted({finding.control for finding in self.findings}))


def deviation_groups(
    findings: Iterable[FindingResult], controls: Mapping[str, ControlResult]
) -> tuple[FindingGroup, ...]:
    """FAIL before ERROR, then by severity, number of requirements, control and reason."""
    found: dict[tuple[Outcome, str, str, str], list[FindingResult]] = {}
    for finding in findings:
        if finding.outcome in _TOLD:
            key = (finding.outcome, finding.control, finding.check, finding.reason)
            found.setdefault(key, []).append(finding)
    ordered = sorted(found, key=lambda key: _rank(key[0], controls[key[1]], key))
    return tuple(
        FindingGroup(
            number=number,
            anchor=anchor("f", key[1], key[3]),
            control=controls[key[1]],
            outcome=key[0],
            reason=key[3],
            findings=tuple(sorted(found[key], key=lambda finding: (finding.subject, finding.id))),
        )
        for number, key in enumerate(ordered, 1)
    )


def _rank(outcome: Outcome, control: ControlResult, key: tuple[Any, ...]) -> tuple[Any, ...]:
    return _TOLD.index(outcome), _SEVERITIES.index(control.severity), -len(control.requirements), key


def gap_groups(findings: Iterable[FindingResult], sentences: Sentences) -> tuple[GapGroup, ...]:
    """NOT_EVALUATED by cause, the widest first."""
    found: dict[str, list[FindingResult]] = {}
    for finding in findings:
        if finding.outcome is Outcome.NOT_EVALUATED:
            found.setdefault(_cause(finding, sentences), []).append(finding)
    ordered = sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return tuple(GapGroup(cause, _kinds(group), tuple(group)) for cause, group in ordered)


def _cause(finding: FindingResult, sentences: Sentences) -> str:
    """The cause without its subject, so that equal causes meet; the whole sentence where none is given."""
    causes = finding.parameters.get("causes")
    return sentences.cause(causes) if causes else sentences.message(finding)


def _kinds(findings: Sequence[FindingResult]) -> tuple[str, ...]:
    named = (finding.parameters.get("kinds") for finding in findings)
    return tuple(sorted({str(kind) for kinds in named if isinstance(kinds, list) for kind in kinds}))
