"""Geometry of the bars that show how many requirements have each status. Coordinates are units of the SVG's viewBox."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.model.outcome import Status
from auditor.report.wording import STATUSES, Mark

WIDTH = 520.0
_GAP = 1.5
_LEAST = 20.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One status in a bar."""

    mark: Mark
    count: int
    x: float
    width: float

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar; `id` keeps its patterns apart from those of other bars. `counts` has every status, zero too."""

    id: str
    segments: tuple[Segment, ...]
    counts: tuple[tuple[Mark, int], ...]
    total: int


def draw_bar(id: str, counts: Mapping[Status, int]) -> Bar:
    """Widths in proportion to the counts, with a least width so that one requirement is seen and labelled."""
    present = [(mark, counts.get(status, 0)) for status, mark in STATUSES.items()]
    drawn = [(mark, count) for mark, count in present if count]
    widths = _widths([count for _, count in drawn])
    segments, x = [], 0.0
    for (mark, count), width in zip(drawn, widths, strict=True):
        segments.append(Segment(mark, count, round(x, 1), round(width, 1)))
        x += width + _GAP
    return Bar(id, tuple(segments), tuple(present), sum(count for _, count in present))


def _widths(counts: list[int]) -> list[float]:
    room = WIDTH - _GAP * max(0, len(counts) - 1)
    total = sum(counts) or 1
    small = [count * room / total < _LEAST for count in counts]
    rest = sum(count for count, is_small in zip(counts, small, strict=True) if not is_small) or 1
    left = room - _LEAST * sum(small)
    return [_LEAST if s else count * left / rest for count, s in zip(counts, small, strict=True)]
