"""What could not be evaluated, and why: gaps stand before passes."""

from collections import Counter
from dataclasses import dataclass

from auditor.report.draft import Draft, control_anchor
from auditor.report.groups import GapGroup
from auditor.report.profile import Shortened, shorten
from auditor.report.sections.summary import References, open_requirements
from auditor.report.wording import N_

TITLE = N_("Not evaluated")


@dataclass(frozen=True, slots=True)
class ControlGap:
    """How many findings of a control the cause left open, and the subjects."""

    title: str
    anchor: str
    count: int
    subjects: Shortened[str]


@dataclass(frozen=True, slots=True)
class GapView:
    """A cause with what it left open."""

    group: GapGroup
    controls: tuple[ControlGap, ...]
    requirements: tuple[References, ...]


@dataclass(frozen=True, slots=True)
class GapsView:
    """All causes, the widest first."""

    gaps: tuple[GapView, ...]
    findings: int


def build(draft: Draft) -> GapsView:
    """The view of what was not evaluated."""
    return GapsView(
        tuple(_gap(draft, group) for group in draft.gaps),
        sum(len(group.findings) for group in draft.gaps),
    )


def _gap(draft: Draft, group: GapGroup) -> GapView:
    counts = Counter(finding.control for finding in group.findings)
    return GapView(
        group=group,
        controls=tuple(
            ControlGap(
                title=draft.controls[name].title,
                anchor=control_anchor(name),
                count=counts[name],
                subjects=shorten(
                    [finding.subject for finding in group.findings if finding.control == name],
                    draft.profile.named,
                ),
            )
            for name in group.controls
        ),
        requirements=open_requirements(draft, group),
    )
