"""What the network diagram draws: boxes that fare alike as one, both directions between two boxes as one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.model.result import DiagramEdge, DiagramResult
from auditor.model.scope import ScopeClass
from auditor.report.wording import CLASSES

MAX_BOXES = 24
_IN_SCOPE = (ScopeClass.IN_SCOPE, ScopeClass.UNCLASSIFIED)
_WORST_FIRST = ("plaintext", "unknown", "encrypted")
_UNAPPROVED = ("no", "partly")
_MAX_TEXTS = 3
Ends = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """Namespaces of one class (outside: networks, `class_` None). `grouped`: all of the class, too many to name."""

    id: str
    names: tuple[str, ...]
    class_: ScopeClass | None
    workloads: int
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Direction:
    """What may connect one way: (verdict, services) pairs, and how it is protected."""

    source: DrawnBox
    destination: DrawnBox
    services: tuple[tuple[str, str], ...]
    encryption: str
    approved: str
    entry: bool
    reverse_too: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Everything between two boxes; `there` leads from the first, `back` to it. `number` 0: it has no row below."""

    there: Direction | None
    back: Direction | None
    number: int = 0

    @property
    def directions(self) -> tuple[Direction, ...]:
        """What it says, one entry for both directions where they are alike."""
        if self.there and self.back and _told(self.there) == _told(self.back):
            if self.there.source is self.there.destination:
                return (self.there,)
            return (replace(self.there, reverse_too=True),)
        return tuple(entry for entry in (self.there, self.back) if entry)

    @property
    def ends(self) -> tuple[DrawnBox, DrawnBox]:
        """The two boxes."""
        first = self.directions[0]
        return (first.source, first.destination) if self.there else (first.destination, first.source)

    @property
    def encryption(self) -> str:
        """The worst of both directions."""
        return min((entry.encryption for entry in self.directions), key=_WORST_FIRST.index)

    @property
    def unapproved(self) -> bool:
        """Whether an approval is wanting for some of it."""
        return any(entry.approved in _UNAPPROVED for entry in self.directions)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Boxes and numbered lines, the gravest first. `unlinked`: namespaces that nothing connects with scope."""

    boxes: tuple[DrawnBox, ...]
    lines: tuple[Line, ...]
    unlinked: tuple[str, ...]
    grouped: bool


def draw_lines(diagram: DiagramResult, rows: int) -> Drawn:
    """Boxes and lines of a diagram; the first lines are numbered, as many as have their rows within `rows`."""
    linked = {end for edge in diagram.edges for end in (edge.source, edge.destination)}
    shown = [box for box in diagram.boxes if box.id in linked or (box.class_ in _IN_SCOPE and box.workloads)]
    outside = {box.id: box.name for box in diagram.outside if box.id in linked}
    classes: dict[str, ScopeClass | None] = {box.id: box.class_ for box in shown} | dict.fromkeys(outside)
    places = _alike(diagram.edges, classes)
    grouped = len(set(places.values())) > MAX_BOXES
    if grouped:
        places = {id: (f"class/{class_}" if class_ else "outside/") for id, class_ in classes.items()}
    workloads = {box.id: box.workloads for box in shown}
    boxes: dict[str, DrawnBox] = {}
    for place in dict.fromkeys(places.values()):
        members = [id for id in places if places[id] == place]
        names = tuple(outside.get(id, id) for id in members)
        total = sum(workloads.get(id, 0) for id in members)
        class_ = classes[members[0]]
        boxes[place] = DrawnBox(place, names, class_, total, grouped and class_ is not None)
    lines = _numbered(_lines(diagram.edges, places, boxes), rows)
    unlinked = tuple(box.id for box in diagram.boxes if box.id not in places)
    return Drawn(tuple(boxes.values()), lines, unlinked, grouped)


def _alike(edges: Sequence[DiagramEdge], classes: Mapping[str, ScopeClass | None]) -> dict[str, str]:
    """Boxes out of scope and outside with the same class and the same links stand together, under the first's id."""
    links: dict[str, set[object]] = {id: set() for id in classes}
    for edge in edges:
        told = (
            tuple((s.verdict, s.services) for s in edge.services),
            edge.encryption,
            edge.approved,
            edge.entry,
        )
        links[edge.source].add(("to", edge.destination, told))
        links[edge.destination].add(("from", edge.source, told))
    first: dict[object, str] = {}
    return {
        id: id if class_ in _IN_SCOPE else first.setdefault((class_, frozenset(links[id])), id)
        for id, class_ in classes.items()
    }


def _lines(
    edges: Sequence[DiagramEdge], places: Mapping[str, str], boxes: Mapping[str, DrawnBox]
) -> list[Line]:
    joined: dict[Ends, list[DiagramEdge]] = {}
    for edge in edges:
        joined.setdefault((places[edge.source], places[edge.destination]), []).append(edge)
    found = {ends: _direction(boxes[ends[0]], boxes[ends[1]], some) for ends, some in joined.items()}
    order = list(boxes)
    pairs = {tuple(sorted(ends, key=order.index)) for ends in found}
    return [Line(found.get((a, b)), found.get((b, a))) for a, b in sorted(pairs)]


def _direction(source: DrawnBox, destination: DrawnBox, edges: Sequence[DiagramEdge]) -> Direction:
    texts: dict[str, dict[str, None]] = {}
    for edge in edges:
        for service in edge.services:
            texts.setdefault(service.verdict, {})[service.services] = None
    approved = {edge.approved for edge in edges} - {"not-needed"} or {"not-needed"}
    return Direction(
        source=source,
        destination=destination,
        services=tuple((verdict, _joined(list(found))) for verdict, found in texts.items()),
        encryption=min((edge.encryption for edge in edges), key=_WORST_FIRST.index),
        approved="partly" if len(approved) > 1 else min(approved),
        entry=any(edge.entry for edge in edges),
    )


def _joined(texts: Sequence[str]) -> str:
    more = "; \N{HORIZONTAL ELLIPSIS}" if len(texts) > _MAX_TEXTS else ""
    return "; ".join(texts[:_MAX_TEXTS]) + more


def _numbered(lines: Sequence[Line], rows: int) -> tuple[Line, ...]:
    found, taken = [], 0
    for number, line in enumerate(sorted(lines, key=_gravity), 1):
        taken += len(line.directions)
        found.append(replace(line, number=number if taken <= rows else 0))
    return tuple(found)


def _gravity(line: Line) -> tuple[object, ...]:
    into_scope = any(e.class_ in _IN_SCOPE for e in line.ends)
    plain = line.encryption == "plaintext"
    entry = any(entry.entry for entry in line.directions)
    return (
        not (into_scope and line.unapproved and entry),
        not entry,
        not (line.unapproved and plain),
        not (plain or line.unapproved),
        line.encryption != "unknown",
        [list(CLASSES).index(end.class_) if end.class_ else -1 for end in line.ends],
        [end.id for end in line.ends],
    )


def _told(direction: Direction) -> tuple[object, ...]:
    return direction.services, direction.encryption, direction.approved, direction.entry
