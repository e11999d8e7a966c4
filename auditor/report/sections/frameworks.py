"""Results per framework: one row a requirement, then what remains for people."""

from dataclasses import dataclass

from auditor.model import result as r
from auditor.report.bars import Bar, draw_bar
from auditor.report.display import anchor
from auditor.report.draft import Draft, control_anchor, framework_name, grouped, requirement_anchor
from auditor.report.sections import Entry
from auditor.report.wording import N_

TITLE = N_("Results per framework")


@dataclass(frozen=True, slots=True)
class Source:
    """A control that gave evidence for a requirement."""

    title: str
    anchor: str
    entry: r.RequirementControl


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A requirement, where it stands, and its controls; on paper those that only support are counted, not `shown`.

    `in_full`: its text is printed; on paper only where a control decides it.
    """

    entry: r.RequirementResult
    anchor: str
    sources: tuple[Source, ...]
    shown: tuple[Source, ...]
    in_full: bool


@dataclass(frozen=True, slots=True)
class SectionRows:
    """The requirements under one heading of the framework."""

    id: str
    title: str
    rows: tuple[RequirementRow, ...]

    @property
    def decided(self) -> bool:
        """Whether a control decides any of them."""
        return any(row.in_full for row in self.rows)

    @property
    def undecided(self) -> tuple[RequirementRow, ...]:
        """Those that no control decides; on paper they stand in one line."""
        return tuple(row for row in self.rows if not row.in_full)


@dataclass(frozen=True, slots=True)
class FrameworkView:
    """A framework: `manual` are the requirements with steps left for people."""

    framework: r.FrameworkResult
    name: str
    anchor: str
    class_name: str
    bar: Bar
    sections: tuple[SectionRows, ...]
    manual: tuple[RequirementRow, ...]


@dataclass(frozen=True, slots=True)
class FrameworksView:
    """All frameworks that were selected."""

    frameworks: tuple[FrameworkView, ...]


def build(draft: Draft) -> FrameworksView:
    """The view of the results per framework."""
    by_framework = grouped(draft.result.requirements, lambda entry: entry.framework)
    return FrameworksView(
        tuple(_framework(draft, f, by_framework.get(f.id, [])) for f in draft.result.frameworks)
    )


def entries(view: FrameworksView) -> tuple[Entry, ...]:
    """One line a framework."""
    return tuple(Entry(framework.anchor, framework.name) for framework in view.frameworks)


def _framework(
    draft: Draft, framework: r.FrameworkResult, requirements: list[r.RequirementResult]
) -> FrameworkView:
    rows = [_row(draft, entry) for entry in requirements]
    by_section = grouped(rows, lambda row: row.entry.section)
    titles = dict(framework.sections)
    return FrameworkView(
        framework=framework,
        name=framework_name(framework),
        anchor=f"framework-{framework.id}",
        class_name=anchor(framework.id),
        bar=draw_bar(f"framework-{framework.id}", framework.counts),
        sections=tuple(SectionRows(id, titles.get(id, ""), tuple(by_section[id])) for id in by_section),
        manual=tuple(row for row in rows if row.entry.manual_steps),
    )


def _row(draft: Draft, entry: r.RequirementResult) -> RequirementRow:
    sources = [
        Source(draft.controls[used.control].title, control_anchor(used.control), used)
        for used in entry.controls
        if used.control in draft.controls
    ]
    deciding = [source for source in sources if source.entry.strength != "supporting"]
    others = [source for source in sources if source.entry.strength == "supporting"]
    return RequirementRow(
        entry=entry,
        anchor=requirement_anchor(entry.framework, entry.id),
        sources=(*deciding, *others),
        shown=tuple(deciding) if draft.profile.paged else (*deciding, *others),
        in_full=bool(deciding) or not draft.profile.paged,
    )
