"""Where the boxes and lines of the network diagram stand: columns from the outside inwards, lines through the gaps.

Geometry in units of the viewBox only; the template draws it, with attributes, since WeasyPrint's SVG knows no page styles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from auditor.model.scope import ScopeClass
from auditor.report.diagram_lines import Drawn, DrawnBox, Line
from auditor.report.wording import N_

WIDTH = 740
_BOX, _LEFT, _TOP, _TALL = 126.0, 4.0, 26.0, 840.0
_LINE, _SLOT, _TAG = 11.5, 11.0, (15.0, 10.0)
_LONGEST, _MAX_LINES = 20, 4
_BOWS = 74.0
"""Room for lines within one column, which bow out to its right."""

_COLUMNS: tuple[tuple[str, tuple[ScopeClass | None, ...]], ...] = (
    (N_("outside the cluster"), (None,)),
    (N_("connected-to or security-impacting"), (ScopeClass.CONNECTED_TO, ScopeClass.SECURITY_IMPACTING)),
    (N_("in scope"), (ScopeClass.IN_SCOPE, ScopeClass.UNCLASSIFIED)),
    (N_("out of scope"), (ScopeClass.OUT_OF_SCOPE,)),
)
Point = tuple[float, float]


@dataclass(slots=True)
class PlacedBox:
    """A box with the lines of its text; `inside` is the number tag of what connects within it."""

    box: DrawnBox
    column: int
    x: float
    lines: tuple[str, ...]
    y: float = 0.0
    height: float = 0.0
    sides: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    within: Line | None = None

    @property
    def names_left(self) -> int:
        """Names that the text leaves out."""
        return max(0, len(self.box.names) - len(self.lines))

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A path, its arrow heads and diamonds (entries) as paths, and the middle of its number tag."""

    line: Line
    path: str
    heads: str
    diamonds: str
    tag: Point | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture."""

    width: int
    height: int
    columns: tuple[tuple[str, float], ...]
    boxes: tuple[PlacedBox, ...]
    lines: tuple[PlacedLine, ...]


def lay_out(drawn: Drawn) -> Layout:
    """Places for everything. The same input gives the same picture."""
    columns = [(title, [box for box in drawn.boxes if box.class_ in members]) for title, members in _COLUMNS]
    columns = [column for column in columns if column[1]]
    ids = {box.id for box in columns[-1][1]}
    bowed = any(a is not b and {a.id, b.id} <= ids for a, b in (line.ends for line in drawn.lines))
    step = (WIDTH - 2 * _LEFT - _BOX - bowed * _BOWS) / max(1, len(columns) - 1)
    placed = [
        PlacedBox(box, number, _LEFT + number * step, _text_lines(box))
        for number, (_, boxes) in enumerate(columns)
        for box in boxes
    ]
    by_id = {entry.box.id: entry for entry in placed}
    pairs = [(line, by_id[line.ends[0].id], by_id[line.ends[1].id]) for line in drawn.lines]
    height = _stack(placed, pairs)
    lines = _Router(placed, step - _BOX).route(pairs)
    headings = tuple((title, _LEFT + number * step) for number, (title, _) in enumerate(columns))
    return Layout(WIDTH, round(height), headings, tuple(placed), tuple(lines))


def _text_lines(box: DrawnBox) -> tuple[str, ...]:
    lines = [line for name in box.names for line in _wrapped(name)]
    if len(lines) <= _MAX_LINES:
        return tuple(lines)
    return tuple(_wrapped(name)[0] for name in box.names[: _MAX_LINES - 1])


def _wrapped(name: str) -> list[str]:
    """A name on one line or two, broken behind a sign where there is one; cut where two lines don't hold it."""
    if len(name) <= _LONGEST:
        return [name]
    signs = (name.rfind(sign, 4, _LONGEST) for sign in "-._ ")
    place = max(signs) + 1 or _LONGEST
    rest = name[place:]
    return [name[:place], rest if len(rest) <= _LONGEST else rest[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"]


_Pairs = Sequence[tuple[Line, PlacedBox, PlacedBox]]


def _stack(placed: Sequence[PlacedBox], pairs: _Pairs) -> float:
    """Heights by text and by lines that arrive; then from top to bottom, near what each box is linked with."""
    for line, a, b in pairs:
        if a is b:
            a.within = line
            continue
        for one, other in ((a, b), (b, a)):
            one.sides.setdefault(_side(one, other), []).append((0.0, other.box.id))
    for entry in placed:
        busiest = max((len(side) for side in entry.sides.values()), default=0)
        more = entry.names_left > 0
        text = (len(entry.lines) + more + 1) * _LINE + 9
        entry.height = max(text, busiest * _SLOT + 4)
    columns = [[e for e in placed if e.column == n] for n in range(max(e.column for e in placed) + 1)]
    needed = [sum(entry.height for entry in column) for column in columns]
    gaps = [
        min(40.0, max(12.0, (_TALL - total) / len(column)))
        for total, column in zip(needed, columns, strict=True)
    ]
    height = max(total + gap * len(c) for total, gap, c in zip(needed, gaps, columns, strict=True))
    for _ in range(3):
        for column, total in zip(columns, needed, strict=True):
            column.sort(key=lambda entry: (_pull(entry, pairs), entry.box.id))
            _spread(column, (height - total) / len(column))
    return _TOP + height + 4


def _spread(column: Sequence[PlacedBox], gap: float) -> None:
    y = _TOP + gap / 2
    for entry in column:
        entry.y = round(y, 1)
        y += entry.height + gap


def _pull(entry: PlacedBox, pairs: _Pairs) -> float:
    """Where the boxes that it is linked with stand, on the mean; those in scope keep their order by name."""
    if entry.box.class_ in (ScopeClass.IN_SCOPE, ScopeClass.UNCLASSIFIED):
        return 0.0
    others = [b if a is entry else a for _, a, b in pairs if (a is entry) != (b is entry)]
    return round(sum(other.middle for other in others) / len(others), 1) if others else 0.0


def _side(one: PlacedBox, other: PlacedBox) -> str:
    return "left" if other.column < one.column else "right"


class _Router:
    """Draws lines between boxes that stand; those that pass a column take the nearest gap between its boxes."""

    def __init__(self, placed: Sequence[PlacedBox], between: float) -> None:
        self._placed = placed
        self._between = between
        self._ports: dict[tuple[str, str, str], float] = {}
        self._used: dict[tuple[int, float], int] = {}
        self._tags: list[Point] = []
        self._bows = 0
        for entry in placed:
            for side, ends in entry.sides.items():
                self._attach(entry, side, [id for _, id in ends])

    def _attach(self, entry: PlacedBox, side: str, others: list[str]) -> None:
        middles = {other.box.id: (other.middle, other.column) for other in self._placed}
        ordered = sorted(others, key=lambda id: (middles[id], id))
        for place, id in enumerate(ordered, 1):
            self._ports[entry.box.id, side, id] = round(
                entry.y + entry.height * place / (len(ordered) + 1), 1
            )

    def route(self, pairs: _Pairs) -> Iterator[PlacedLine]:
        """Paths, long ones first, so that they get the gaps nearest to them."""
        ways = [(line, a, b) for line, a, b in pairs if a is not b]
        for line, a, b in sorted(ways, key=lambda way: -abs(way[1].column - way[2].column)):
            yield self._line(line, a, b) if a.column <= b.column else self._line(line, b, a)

    def _line(self, line: Line, a: PlacedBox, b: PlacedBox) -> PlacedLine:
        start = (a.x + _BOX, self._ports[a.box.id, "right", b.box.id])
        side = _side(b, a)
        end = (b.x + (0 if side == "left" else _BOX), self._ports[b.box.id, side, a.box.id])
        points = [start]
        for column in range(a.column + 1, b.column):
            x = next(entry.x for entry in self._placed if entry.column == column)
            y = self._gap(
                column, start[1] + (end[1] - start[1]) * (column - a.column) / (b.column - a.column)
            )
            points += [(x - 3, y), (x + _BOX + 3, y)]
        points.append(end)
        if a.column == b.column:
            self._bows += 1
            bow = start[0] + 14 + (self._bows * 13) % max(20.0, min(_BOWS, self._between) - 16)
            path, samples = _curve(start, (bow, start[1]), (bow, end[1]), end)
        else:
            path, samples = _through(points)
        towards = {line.ends[1].id: line.there, line.ends[0].id: line.back}
        heads = diamonds = ""
        for box, (x, y), sign in ((a, start, 1.0), (b, end, -1.0 if side == "left" else 1.0)):
            if (direction := towards[box.box.id]) is not None:
                heads += f"M{x:.1f} {y:.1f}l{6 * sign:.1f} -3.2v6.4z"
                if direction.entry:
                    diamonds += (
                        f"M{x + 8 * sign:.1f} {y:.1f}l{4 * sign:.1f} -4l{4 * sign:.1f} 4l{-4 * sign:.1f} 4z"
                    )
        return PlacedLine(line, path, heads, diamonds, self._tag(samples) if line.number else None)

    def _gap(self, column: int, wanted: float) -> float:
        """The nearest free height between two boxes of a column; each line of a gap gets its own."""
        boxes = sorted((e for e in self._placed if e.column == column), key=lambda entry: entry.y)
        edges = [_TOP - 6, *(y for e in boxes for y in (e.y, e.y + e.height))]
        edges.append(max(e.y + e.height for e in self._placed) + 6)
        slots = [
            top + 4 + 5 * n
            for top, bottom in zip(edges[::2], edges[1::2], strict=True)
            for n in range(max(1, int((bottom - top - 4) // 5)))
        ]
        y = min(slots, key=lambda slot: abs(slot - wanted) + 60 * self._used.get((column, slot), 0))
        self._used[column, y] = self._used.get((column, y), 0) + 1
        return y

    def _tag(self, samples: Sequence[Point]) -> Point:
        """The place on the line that other tags and boxes leave most free, the middle before the ends."""
        best = min(
            samples, key=lambda point: (self._cover(point), abs(samples.index(point) - len(samples) / 2))
        )
        self._tags.append(best)
        return best

    def _cover(self, point: Point) -> float:
        x, y = point
        wide, high = _TAG
        over = sum(abs(x - a) < wide + 3 and abs(y - b) < high + 1 for a, b in self._tags)
        boxed = any(e.x - 18 < x < e.x + _BOX + 18 and e.y - 6 < y < e.y + e.height + 6 for e in self._placed)
        return over + 5 * boxed


def _through(points: Sequence[Point]) -> tuple[str, list[Point]]:
    """Curves between columns, straight through their gaps."""
    path, samples = f"M{points[0][0]:.1f} {points[0][1]:.1f}", []
    for place in range(0, len(points) - 1, 2):
        one, other = points[place], points[place + 1]
        middle = (one[0] + other[0]) / 2
        piece, some = _curve(one, (middle, one[1]), (middle, other[1]), other)
        path += piece[piece.index("C") :]
        samples += some
        if place + 2 < len(points):
            path += f"H{points[place + 2][0]:.1f}"
    return path, samples


def _curve(a: Point, b: Point, c: Point, d: Point) -> tuple[str, list[Point]]:
    """A cubic curve, and points on it."""
    path = f"M{a[0]:.1f} {a[1]:.1f}C{b[0]:.1f} {b[1]:.1f} {c[0]:.1f} {c[1]:.1f} {d[0]:.1f} {d[1]:.1f}"
    samples = []
    for step in range(4, 17):
        t = step / 20
        p, q, r, s = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        x = p * a[0] + q * b[0] + r * c[0] + s * d[0]
        y = p * a[1] + q * b[1] + r * c[1] + s * d[1]
        samples.append((round(x, 1), round(y, 1)))
    return path, samples
