"""Rows with more columns than the terminal is wide: what a row is about, its values aligned below, then the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

_PROSE = 30
_GAP = 2
_INDENT = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns, by name, head a row, and which follow below its values; the others are aligned in between.

    `prose` are columns of sentences, which a table may wrap. `short` are briefer names of columns.
    """

    heading: tuple[str, ...]
    details: tuple[str, ...]
    prose: tuple[str, ...]
    short: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FittingRows:
    """`table` where the terminal is wide enough for it without breaking names, else `lines` stacked as `layout` says."""

    table: RenderableType
    layout: Layout
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    styles: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich, which knows the width."""
        if self._needed() <= options.max_width:
            yield self.table
            return
        aligned = [i for i, name in enumerate(self.columns) if not self._apart(name)]
        widths = {i: max(cell_len(text) for text in (self._name(i), *self._column(i))) for i in aligned}
        yield _indented(_row({i: self._name(i) for i in aligned}, widths), "bold")
        for line, style in zip(self.lines, self.styles, strict=True):
            yield Text(self._joined(line, self.layout.heading, "  "), f"bold {style}".strip())
            yield _indented(_row({i: line[i] for i in aligned}, widths), style)
            if told := self._details(line):
                yield _indented(told, "dim")

    def _needed(self) -> int:
        widest = (
            min(widest, _PROSE) if name in self.layout.prose else widest
            for i, name in enumerate(self.columns)
            for widest in [max(map(cell_len, (name, *self._column(i))))]
        )
        return sum(width + _GAP for width in widest)

    def _apart(self, name: str) -> bool:
        return name in self.layout.heading or name in self.layout.details

    def _name(self, column: int) -> str:
        name = self.columns[column]
        return dict(self.layout.short).get(name, name)

    def _column(self, column: int) -> list[str]:
        return [line[column] for line in self.lines]

    def _joined(self, line: Sequence[str], names: Sequence[str], between: str) -> str:
        values = dict(zip(self.columns, line, strict=True))
        return between.join(text for name in names if (text := values[name]))

    def _details(self, line: Sequence[str]) -> str:
        values = dict(zip(self.columns, line, strict=True))
        told = [(name, values[name]) for name in self.layout.details if values[name]]
        named = " · ".join(f"{name} {text}" for name, text in told if name not in self.layout.prose)
        sentences = [text for name, text in told if name in self.layout.prose]
        return "\n".join(filter(None, (named, *sentences)))


def _indented(text: str, style: str) -> Padding:
    return Padding(Text(text, style), (0, 0, 0, _INDENT), expand=False)


def _row(cells: dict[int, str], widths: dict[int, int]) -> str:
    """Cells side by side, each as wide as its column; the last as it is."""
    padded = [set_cell_size(text, widths[column]) for column, text in cells.items()]
    return (" " * _GAP).join(padded).rstrip()
