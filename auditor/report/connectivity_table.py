"""Connectivity in the terminal: rows between groups, what enforces them, what is broken or missing. Obeys NO_COLOR."""

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.connectivity_result import CompletenessResult, EnforcementRow
from auditor.report.connectivity_words import group_text, object_text, peer_text, rules_text, verdict_text
from auditor.report.display import bounded

_FILE_WIDTH = 220


def connectivity_table(view: ConnectivityView) -> Iterator[RenderableType]:
    """The rows, the members of groups, and the footer."""
    count = f"{len(view.endpoints)} endpoints in {len(view.groups)} groups, {len(view.pairs)} connections"
    yield Text(f"{count} · level {view.level} · basis {view.basis}")
    table = plain_table("source", "destination", "ports", "decided by")
    texts = [verdict_text(verdict) for verdict in view.verdicts]
    for pair in view.pairs:
        verdict = view.verdicts[pair.verdict]
        style = "" if verdict.allowed else "yellow"
        add_row(
            table,
            group_text(view, pair.source),
            group_text(view, pair.destination),
            texts[pair.verdict],
            rules_text(verdict.decided_by) or "no policy restricts it",
            style=style,
        )
    yield table
    yield from _groups(view)
    yield from footer(view.enforcement, view.completeness)


def _groups(view: ConnectivityView) -> Iterator[RenderableType]:
    several = [group for group in view.groups if len(group.members) > 1]
    if several:
        yield Text("\nEndpoints that decide alike", style="bold")
        table = plain_table("group", "members")
        for group in several:
            add_row(table, group.id, ", ".join(map(peer_text, group.members)))
        yield table


def footer(
    enforcement: Iterable[EnforcementRow], completeness: CompletenessResult
) -> Iterator[RenderableType]:
    """What enforces each layer, broken policies, and kinds that the evidence lacks."""
    words = [_enforcement(row) for row in enforcement]
    yield Text("\nEnforcement: " + "; ".join(words))
    for problem in completeness.problems:
        told = f"{object_text(problem.object)} {bounded(problem.field)}: {bounded(problem.expected)}"
        yield Text(f"Problem: {told}; what it could change is indeterminate", style="yellow")
    missing = [kind for kind in completeness.kinds if kind.state not in ("complete", "not-installed")]
    if missing:
        names = ", ".join(f"{kind.kind}{'.' + kind.group if kind.group else ''}" for kind in missing)
        yield Text(f"The evidence isn't known to be complete for: {names}", style="yellow")


def _enforcement(row: EnforcementRow) -> str:
    by = f" by {bounded(row.by)}" if row.by else ""
    nodes = f" (not on {', '.join(map(bounded, row.except_nodes))})" if row.except_nodes else ""
    return f"{row.layer} {row.status}{by}{nodes}"


def plain_table(*columns: str) -> Table:
    """A table without lines; long cells fold, nothing is cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def add_row(table: Table, *cells: str, style: str = "") -> None:
    """A row of texts in which nothing is markup."""
    table.add_row(*(Text(cell, style=style) for cell in cells))


def print_parts(parts: Iterable[RenderableType]) -> None:
    """To standard output, in the terminal's width and colours."""
    console = Console(highlight=False)
    for part in parts:
        console.print(part)


def parts_text(parts: Iterable[RenderableType]) -> bytes:
    """The same as plain text for a file."""
    file = StringIO()
    console = Console(file=file, width=_FILE_WIDTH, no_color=True, highlight=False, force_terminal=False)
    for part in parts:
        console.print(part)
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return ("\n".join(lines) + "\n").encode(errors="replace")
