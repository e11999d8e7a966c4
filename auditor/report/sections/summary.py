"""Executive summary: the result in plain words, what to act on first, what was not tested and why."""

from dataclasses import dataclass

from auditor.model.outcome import Outcome, Status
from auditor.report.bars import Bar, draw_bar
from auditor.report.draft import Draft, RequirementRef, framework_name
from auditor.report.groups import FindingGroup, GapGroup
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import N_

TITLE = N_("Summary")
_GAP_ROWS = 8


@dataclass(frozen=True, slots=True)
class FrameworkBar:
    """A framework and its bar."""

    name: str
    anchor: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class Action:
    """A deviation to act on: what was seen, of how many subjects, and the requirements it bears on."""

    group: FindingGroup
    observed: str
    others: int
    references: tuple["References", ...]


@dataclass(frozen=True, slots=True)
class References:
    """Requirement ids of one framework, for a line of references."""

    name: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapRow:
    """A cause, how many findings it left open, and for which requirements."""

    group: GapGroup
    requirements: tuple[References, ...]


@dataclass(frozen=True, slots=True)
class SummaryView:
    """Counts are of requirements, controls and findings of the whole result."""

    requirements: int
    by_status: dict[str, int]
    controls: int
    controls_failed: int
    deviations: int
    errors: int
    passes: int
    undecided: int
    bars: tuple[FrameworkBar, ...]
    actions: Shortened[Action]
    gaps: Shortened[GapRow]


def build(draft: Draft) -> SummaryView:
    """The summary's view."""
    result = draft.result
    outcomes = [finding.outcome for finding in result.findings]
    return SummaryView(
        requirements=len(result.requirements),
        by_status={
            status.name: sum(entry.status is status for entry in result.requirements) for status in Status
        },
        controls=len(result.controls),
        controls_failed=sum(control.outcome is Outcome.FAIL for control in result.controls),
        deviations=outcomes.count(Outcome.FAIL),
        errors=outcomes.count(Outcome.ERROR),
        passes=outcomes.count(Outcome.PASS),
        undecided=outcomes.count(Outcome.NOT_EVALUATED),
        bars=tuple(
            FrameworkBar(framework_name(f), f"framework-{f.id}", draw_bar(f"summary-{f.id}", f.counts))
            for f in result.frameworks
        ),
        actions=shorten([_action(draft, group) for group in draft.deviations], draft.profile.first_actions),
        gaps=shorten([GapRow(group, open_requirements(draft, group)) for group in draft.gaps], _GAP_ROWS),
    )


def _action(draft: Draft, group: FindingGroup) -> Action:
    frameworks = {name for finding in group.findings for name in finding.frameworks}
    refs = draft.requirements_of(group.control.id, frameworks)
    return Action(
        group=group,
        observed=draft.sentences.message(group.findings[0]),
        others=len(group.findings) - 1,
        references=references(tuple(ref for ref in refs if ref.strength != "supporting") or refs),
    )


def open_requirements(draft: Draft, group: GapGroup) -> tuple[References, ...]:
    """The requirements that a cause leaves open, of the frameworks in whose scope its findings are."""
    refs = [
        ref
        for finding in group.findings
        for ref in draft.requirements_of(finding.control, finding.frameworks)
        if ref.strength != "supporting"
    ]
    return references(tuple(dict.fromkeys(refs)))


def references(refs: tuple[RequirementRef, ...]) -> tuple[References, ...]:
    """Requirement ids by framework, each once, in the order in which they come."""
    found: dict[str, dict[str, None]] = {}
    for ref in refs:
        found.setdefault(ref.name, {})[ref.id] = None
    return tuple(References(name, tuple(ids)) for name, ids in found.items())
