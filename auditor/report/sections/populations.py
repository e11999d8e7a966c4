"""Populations: every subject of every control with its outcome, passes too, and those excluded with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.model import result as r
from auditor.model.finding import EXCLUSION_REASONS
from auditor.model.outcome import Outcome
from auditor.report.draft import Draft, control_anchor
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import N_, OUTCOMES

TITLE = N_("Populations")
_ORDER = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}
_TOLD_ELSEWHERE = (Outcome.FAIL, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A subject with its outcome; `frameworks` where other rows are about the same subject."""

    finding: r.FindingResult
    observed: str
    frameworks: str


@dataclass(frozen=True, slots=True)
class PopulationView:
    """A control's population: the sum, the judged, the excluded with sentences."""

    control: r.ControlResult
    anchor: str
    control_anchor: str
    population: r.PopulationResult
    judged: Shortened[JudgedRow]
    excluded: Shortened[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PopulationsView:
    """The populations of all controls."""

    populations: tuple[PopulationView, ...]


def build(draft: Draft) -> PopulationsView:
    """The view of the populations."""
    return PopulationsView(
        tuple(
            _population(draft, draft.controls[population.control], population)
            for population in draft.result.populations
            if population.control in draft.controls
        )
    )


def _population(draft: Draft, control: r.ControlResult, population: r.PopulationResult) -> PopulationView:
    findings = draft.findings.get(control.id, [])
    limit = draft.profile.population_rows
    chosen = choose(findings, limit)
    rows = tuple(
        JudgedRow(finding, draft.sentences.message(finding), draft.told_for(finding)) for finding in chosen
    )
    excluded = [(e.subject, EXCLUSION_REASONS.get(e.reason, e.reason)) for e in population.excluded]
    return PopulationView(
        control=control,
        anchor=f"population-{control.id}",
        control_anchor=control_anchor(control.id),
        population=population,
        judged=Shortened(rows, len(findings)),
        excluded=shorten(excluded, max(2, limit // 2)),
    )


def choose(findings: Sequence[r.FindingResult], limit: int) -> list[r.FindingResult]:
    """The rows to show, gaps first. Where not all fit, deviations (told in full elsewhere) leave room for the rest."""
    ordered = sorted(findings, key=lambda finding: (_ORDER[finding.outcome], finding.subject))
    if len(ordered) <= limit + 1:
        return ordered
    told = [finding for finding in ordered if finding.outcome in _TOLD_ELSEWHERE]
    others = [finding for finding in ordered if finding.outcome not in _TOLD_ELSEWHERE]
    kept = min(len(told), max(limit // 2, limit - len(others)))
    return told[:kept] + others[: limit - kept]
