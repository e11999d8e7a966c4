"""Controls: what each asked, of whom, with which outcome, and why that bears on the requirements."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.model import result as r
from auditor.model.finding import EXCLUSION_REASONS
from auditor.model.outcome import Outcome
from auditor.report.draft import Draft, RequirementRef, control_anchor
from auditor.report.groups import FindingGroup
from auditor.report.sections.summary import References, references
from auditor.report.wording import N_, OUTCOMES, Mark

TITLE = N_("Controls")
_NO_POPULATION = r.PopulationResult(control="", listed=0, evaluated=0, excluded=[])


@dataclass(frozen=True, slots=True)
class ControlView:
    """A control with its population (listed = evaluated + excluded) and the reasons of exclusion, counted.

    `told` are the mappings with their why; on paper the supporting ones are only named, in `supported`,
    and a control of which nothing was judged is told in short.
    """

    control: r.ControlResult
    anchor: str
    population: r.PopulationResult
    excluded: tuple[tuple[str, int], ...]
    counts: tuple[tuple[Mark, int], ...]
    told: tuple[RequirementRef, ...]
    supported: tuple[References, ...]
    findings: tuple[FindingGroup, ...]
    nothing_judged: bool


@dataclass(frozen=True, slots=True)
class ControlsView:
    """All controls that ran."""

    controls: tuple[ControlView, ...]


def build(draft: Draft) -> ControlsView:
    """The view of the controls."""
    return ControlsView(tuple(_control(draft, control) for control in draft.result.controls))


def _control(draft: Draft, control: r.ControlResult) -> ControlView:
    population = draft.populations.get(control.id, _NO_POPULATION)
    refs = draft.requirements_of(control.id)
    named = tuple(ref for ref in refs if draft.profile.paged and ref.strength == "supporting")
    return ControlView(
        control=control,
        anchor=control_anchor(control.id),
        population=population,
        excluded=excluded_counts(population.excluded),
        counts=tuple((mark, control.counts.get(outcome, 0)) for outcome, mark in OUTCOMES.items()),
        told=tuple(ref for ref in refs if ref not in named),
        supported=references(named),
        findings=tuple(group for group in draft.deviations if group.control.id == control.id),
        nothing_judged=draft.profile.paged and control.outcome is Outcome.NOT_APPLICABLE,
    )


def excluded_counts(excluded: Sequence[r.ExclusionResult]) -> tuple[tuple[str, int], ...]:
    """The sentences of the reasons of exclusion, with how many subjects each left out; the most frequent first."""
    counts = Counter(entry.reason for entry in excluded)
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple((EXCLUSION_REASONS.get(reason, reason), count) for reason, count in ordered)
