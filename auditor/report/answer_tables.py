"""Rows of answers as a table for the terminal and as CSV. What a cluster wrote is made fit to be shown first."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import RenderableType
from rich.text import Text

from auditor.report.connectivity_csv import cell
from auditor.report.connectivity_table import add_row, plain_table
from auditor.report.display import bounded
from auditor.report.stacked_rows import FittingRows, Layout


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """A headline, the names of columns, and lines of as many texts. `marked` are the numbers of lines that stand out.

    `layout` says how to stack a row's texts where the terminal is too narrow for the columns.
    """

    headline: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    layout: Layout | None = None


def table_parts(tables: Sequence[AnswerTable], missing: Sequence[str] = ()) -> Iterator[RenderableType]:
    """The tables one after the other, and the kinds that the evidence isn't known to hold completely."""
    for table in tables:
        yield Text(bounded(table.headline))
        if table.lines:
            yield _rows(table)
    if missing:
        names = ", ".join(map(bounded, missing))
        yield Text(f"The evidence isn't known to be complete for: {names}", style="yellow")


def _rows(table: AnswerTable) -> RenderableType:
    lines = [tuple(map(bounded, line)) for line in table.lines]
    styles = ["yellow" if number in table.marked else "" for number in range(len(lines))]
    shown = plain_table(*table.columns)
    for line, style in zip(lines, styles, strict=True):
        add_row(shown, *line, style=style)
    return FittingRows(shown, table.layout, table.columns, lines, styles) if table.layout else shown


def table_csv(table: AnswerTable) -> bytes:
    """UTF-8 with a header line; no cell is a formula to a spreadsheet."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(name.replace(" ", "_") for name in table.columns)
    writer.writerows([cell(text) for text in line] for line in table.lines)
    return file.getvalue().encode(errors="replace")
