"""A picture of the zones: namespaces by class, with the approved flows and those that no approval covers.

Plain geometry in units of the SVG's viewBox; the template draws it with attributes only, since WeasyPrint's SVG knows
neither the page's styles nor CSS variables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult
from auditor.model.scope import ScopeClass
from auditor.report.flows import flow_rows
from auditor.report.wording import CLASSES, N_

WIDTH = 640
_TOP, _ROW, _BOX_HEIGHT = 24.0, 35.0, 27.0
_ZONE_GAP, _INNER_GAP = 44.0, 8.0
_TALLEST = 6
_LONGEST = 17
_MAX_ARROWS = 40
_COLUMNS: tuple[tuple[str, tuple[ScopeClass, ...]], ...] = (
    (N_("connected-to or security-impacting"), (ScopeClass.CONNECTED_TO, ScopeClass.SECURITY_IMPACTING)),
    (N_("in scope"), (ScopeClass.IN_SCOPE, ScopeClass.UNCLASSIFIED)),
    (N_("out of scope"), (ScopeClass.OUT_OF_SCOPE,)),
)


Column = tuple[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Box:
    """A namespace or an external network."""

    name: str
    label: str
    class_: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """A flow between two boxes: `approved`, or found without approval."""

    path: str
    approved: bool


@dataclass(frozen=True, slots=True)
class Zones:
    """The picture for some frameworks, its column headings, and how many arrows didn't fit."""

    id: str
    frameworks: tuple[str, ...]
    width: int
    height: int
    columns: tuple[tuple[str, float], ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    approved: int
    unapproved: int
    left_out: int


def draw_zones(
    result: AuditResult, classes: Mapping[str, ScopeClass], frameworks: Sequence[str], id: str
) -> Zones:
    """Columns from the outside to the inside; arrows behind the boxes, deviations before approved flows."""
    outside = ["internet", *(network.name for network in result.scope.external_networks)]
    columns: list[Column] = [(N_("outside the cluster"), [(name, "external") for name in outside])]
    for title, members in _COLUMNS:
        columns.append(
            (title, [(name, str(classes[name])) for name in sorted(classes) if classes[name] in members])
        )
    columns = [column for column in columns if column[1]]
    boxes, headings = _place(columns)
    found, approved = _unapproved(result), _approved(result)
    pairs = [(pair, False) for pair in found] + [(pair, True) for pair in approved if pair not in found]
    drawable = [
        (pair, kind) for pair, kind in pairs if pair[0] in boxes and pair[1] in boxes and pair[0] != pair[1]
    ]
    return Zones(
        id=id,
        frameworks=tuple(frameworks),
        width=WIDTH,
        height=round(max(box.y + box.height for box in boxes.values()) + 4),
        columns=headings,
        boxes=tuple(boxes.values()),
        arrows=tuple(_arrow(boxes[a], boxes[b], kind) for (a, b), kind in drawable[:_MAX_ARROWS]),
        approved=sum(kind for _, kind in drawable),
        unapproved=sum(not kind for _, kind in drawable),
        left_out=max(0, len(drawable) - _MAX_ARROWS),
    )


def _place(columns: Sequence[Column]) -> tuple[dict[str, Box], tuple[tuple[str, float], ...]]:
    """Boxes by name, and the headings. A zone with many members stands in several columns side by side."""
    parts = [-(-len(members) // _TALLEST) for _, members in columns]
    gaps = _ZONE_GAP * (len(columns) - 1) + _INNER_GAP * (sum(parts) - len(parts))
    width = (WIDTH - 2 - gaps) / sum(parts)
    tallest = max(
        min(len(members), -(-len(members) // part)) for (_, members), part in zip(columns, parts, strict=True)
    )
    boxes, headings, x = {}, [], 1.0
    for (title, members), part in zip(columns, parts, strict=True):
        headings.append((title, round(x, 1)))
        rows = -(-len(members) // part)
        above = (tallest - rows) * _ROW / 2
        for place, (name, class_) in enumerate(members):
            left = x + (place // rows) * (width + _INNER_GAP)
            boxes[name] = _box(name, class_, left, _TOP + above + (place % rows) * _ROW, width)
        x += part * width + (part - 1) * _INNER_GAP + _ZONE_GAP
    return boxes, tuple(headings)


def _box(name: str, class_: str, x: float, y: float, width: float) -> Box:
    label = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Box(name, label, class_, round(x, 1), round(y, 1), round(width, 1), _BOX_HEIGHT)


def _arrow(a: Box, b: Box, approved: bool) -> Arrow:
    """A curve from one box to the other; within a column it bows out to the right."""
    y1, y2 = a.y + a.height * 0.5, b.y + b.height * 0.5
    if a.x == b.x:
        x1 = x2 = a.x + a.width
        bow = x1 + 26
        return Arrow(f"M{x1:.1f} {y1:.1f}C{bow:.1f} {y1:.1f} {bow:.1f} {y2:.1f} {x2:.1f} {y2:.1f}", approved)
    to_right = a.x < b.x
    x1, x2 = (a.x + a.width, b.x) if to_right else (a.x, b.x + b.width)
    middle = (x1 + x2) / 2
    return Arrow(
        f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}", approved
    )


def _approved(result: AuditResult) -> list[tuple[str, str]]:
    pairs = ((_zone(flow.source), _zone(flow.destination)) for flow in result.scope.approved_flows)
    return sorted(set(pairs))


def _unapproved(result: AuditResult) -> list[tuple[str, str]]:
    pairs = set()
    for finding in result.findings:
        if finding.outcome is Outcome.FAIL:
            for row in filter(lambda row: row.deviates, flow_rows(finding)):
                pairs |= {(_zone(a), _zone(b)) for a in row.sources for b in row.destinations}
    return sorted(pairs)


def _zone(peer: str) -> str:
    """The namespace of an endpoint id; names of networks stand for themselves."""
    return peer.partition("/")[0]


CLASS_WORDS = {str(known): word for known, word in CLASSES.items()} | {"external": N_("external network")}
"""The class of a box in words."""
