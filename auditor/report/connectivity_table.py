"""Connectivity in the terminal: rows between groups, what enforces them, what is broken or missing. Obeys NO_COLOR."""

from collections.abc import Collection, Iterable, Iterator
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
    table = plain_table("from", "to", "ports", "decided by")
    for sources, destinations, verdict in _joined(view):
        told = view.verdicts[verdict]
        add_row(
            table,
            sources,
            destinations,
            verdict_text(told),
            rules_text(told.decided_by) or "no policy restricts it",
            style="" if told.allowed else "yellow",
        )
    yield table
    yield from _groups(view)
    yield from footer(view.enforcement, view.completeness)


def _joined(view: ConnectivityView) -> Iterator[tuple[str, str, int]]:
    """Rows with equal verdicts joined: the same sources to several destinations in one. Nothing is left out.

    A pair that has no row because it says nothing (a single endpoint to itself, range to range) doesn't keep rows apart.
    """
    outside = {row.id for row in view.externals}
    everyone = {*view.grouped, *outside}
    sources: dict[tuple[str, int], set[str]] = {}
    for pair in view.pairs:
        sources.setdefault((pair.destination, pair.verdict), set()).add(pair.source)
    rows: dict[tuple[frozenset[str], int], list[str]] = {}
    for (destination, verdict), found in sources.items():
        vacuous = outside if destination in outside else {destination}
        if everyone <= found | vacuous and len(view.members(destination)) == 1:
            found = everyone
        rows.setdefault((frozenset(found), verdict), []).append(destination)
    for (found_sources, verdict), destinations in sorted(rows.items(), key=lambda row: _place(*row)):
        yield _names(view, found_sources, everyone), _names(view, destinations, everyone), verdict


def _place(key: tuple[frozenset[str], int], destinations: list[str]) -> tuple[list[str], list[str], int]:
    return sorted(destinations), sorted(key[0]), key[1]


def _names(view: ConnectivityView, ids: Collection[str], everyone: set[str]) -> str:
    if len(everyone) > 1 and everyone <= set(ids):
        return "everyone"
    inside, outside = set(view.grouped), everyone - set(view.grouped)
    told = []
    for family, word in ((inside, "every endpoint"), (outside, "every address outside")):
        found = family & set(ids)
        whole = len(family) > 1 and found == family
        told += [word] if whole else [group_text(view, id) for id in sorted(found)]
    return ", ".join(told)


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
    if words:
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
