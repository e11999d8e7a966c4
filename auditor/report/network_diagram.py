"""The network diagram as SVG: namespaces as boxes, scope as colour and pattern, edges with their ports.

Presentation attributes only, no styles, scripts, fonts or links, so that it can stand alone or inline in a report, and
WeasyPrint draws it too. Everything from a cluster is escaped and bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.scope import ScopeClass
from auditor.report.display import displayable
from auditor.report.network_graph import Graph, GraphBox, GraphEdge, GraphNode
from auditor.report.network_picture import build_picture
from auditor.report.wording import CLASSES

MAX_NAMESPACES = 24
"""With more namespaces than that a picture of workloads can't be read: draw the namespace level."""

_WIDTH, _GAP, _BETWEEN, _HEADER, _LINE, _PAD = 200.0, 120.0, 18.0, 22.0, 13.0, 6.0
_TALLEST = 1500.0
_MAX_EDGES, _MAX_CHARS = 300, 32
_SPOTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15, 0.85)
_FONT = 'font-family="Noto Sans, Helvetica, sans-serif"'
_COLUMNS: tuple[tuple[ScopeClass | None, ...], ...] = (
    (ScopeClass.CONNECTED_TO, ScopeClass.SECURITY_IMPACTING),
    (ScopeClass.IN_SCOPE,),
    (ScopeClass.UNCLASSIFIED,),
    (ScopeClass.OUT_OF_SCOPE,),
    (None,),
)
_FILLS: Mapping[ScopeClass | None, tuple[str, str]] = {
    ScopeClass.IN_SCOPE: ("#f3d6d3", "M0 8L8 0M-2 2L2 -2M6 10L10 6"),
    ScopeClass.CONNECTED_TO: ("#f7e8c8", "M0 4H8"),
    ScopeClass.SECURITY_IMPACTING: ("#e3daf0", "M0 0L8 8M0 8L8 0"),
    ScopeClass.UNCLASSIFIED: ("#e4e4e4", "M3 4H5"),
    ScopeClass.OUT_OF_SCOPE: ("#f4f8f4", ""),
    None: ("#f5f7f9", ""),
}
"""Colour and the lines of the pattern, in a tile of 8 by 8."""
_DASHES = {
    "allowed": "",
    "conditional": ' stroke-dasharray="7 3"',
    "indeterminate": ' stroke-dasharray="2 3"',
}
_LINE_COLOUR, _OPEN = "#1b1f24", "#b3261e"
_EDGE_LEGEND = (
    "arrow: a rule lets it through · solid: allowed · dashed: under a condition · dotted: can't be told"
)
_MARK_LEGEND = (
    "red at the left edge: no policy limits who connects · red at the right edge: no policy limits where it connects · "
    "two such ends may connect"
)


@dataclass(frozen=True, slots=True)
class _Area:
    """Where something is drawn."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    def overlaps(self, other: "_Area") -> bool:
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(slots=True)
class _Drawing:
    """A graph with places for its boxes and nodes."""

    graph: Graph
    prefix: str
    boxes: dict[str, _Area]
    nodes: dict[str, _Area]
    width: float
    height: float


def namespace_diagram(
    view: ConnectivityView, classes: Mapping[str, ScopeClass] | None = None, *, id: str = "network"
) -> str:
    """An `<svg>` element of a view of the namespace level, or of one built with `namespaces_apart`.

    `classes` are the namespaces' scope classes by name; `id` tells several pictures in one document apart.
    """
    return render_svg(build_picture(view, classes or {}), id)


def render_svg(graph: Graph, id: str = "network") -> str:
    """The picture of a graph; ends with a line break."""
    drawing = _place(graph, "".join(char for char in id if char.isascii() and char.isalnum()) or "network")
    return "\n".join(_svg(drawing)) + "\n"


# -- geometry -------------------------------------------------------------------------------------------------------


def _place(graph: Graph, prefix: str) -> _Drawing:
    drawing = _Drawing(graph, prefix, {}, {}, 0.0, 0.0)
    inside: dict[str | None, list[GraphNode]] = {}
    for node in graph.nodes:
        inside.setdefault(node.box, []).append(node)
    x, y, top = _PAD, _PAD + _HEADER, _PAD + _HEADER
    for node in inside.get(None, []):
        drawing.nodes[node.id] = _Area(x, y, _WIDTH, _node_height(node))
        y += _node_height(node) + _BETWEEN
    drawing.height = y
    x += (_WIDTH + _GAP) if inside.get(None) else 0
    for column in _columns(graph, inside):
        y = top
        for box in column:
            y = _place_box(drawing, box, inside.get(box.id, []), x, y) + _BETWEEN
        drawing.height = max(drawing.height, y)
        x += _WIDTH + _GAP
    drawing.width = x - _GAP + 70
    drawing.height += 70
    return drawing


def _columns(graph: Graph, inside: Mapping[str | None, Sequence[GraphNode]]) -> Iterator[list[GraphBox]]:
    """Boxes of one class together; a column that grows too tall goes on beside itself."""
    classed = any(box.class_ is not None for box in graph.boxes)
    total = sum(_box_height(inside.get(box.id, [])) + _BETWEEN for box in graph.boxes)
    limit = _TALLEST if classed else min(_TALLEST, max(360.0, (total * (_WIDTH + _GAP)) ** 0.5))
    for members in _COLUMNS:
        column: list[GraphBox] = []
        height = 0.0
        for box in (box for box in graph.boxes if box.class_ in members):
            needed = _box_height(inside.get(box.id, [])) + _BETWEEN
            if column and height + needed > limit:
                yield column
                column, height = [], 0.0
            column.append(box)
            height += needed
        if column:
            yield column


def _node_height(node: GraphNode) -> float:
    return len(node.lines) * _LINE + _PAD


def _box_height(nodes: Sequence[GraphNode]) -> float:
    return _HEADER + sum(_node_height(node) + _PAD for node in nodes) + _PAD


def _place_box(drawing: _Drawing, box: GraphBox, nodes: Sequence[GraphNode], x: float, y: float) -> float:
    drawing.boxes[box.id] = _Area(x, y, _WIDTH, _box_height(nodes))
    below = y + _HEADER + _PAD
    for node in nodes:
        drawing.nodes[node.id] = _Area(x + _PAD, below, _WIDTH - 2 * _PAD, _node_height(node))
        below += _node_height(node) + _PAD
    return below


# -- drawing --------------------------------------------------------------------------------------------------------


def _svg(drawing: _Drawing) -> Iterator[str]:
    graph, edges = drawing.graph, drawing.graph.edges[:_MAX_EDGES]
    width, height = round(drawing.width), round(drawing.height)
    title = f"Network diagram: {len(graph.boxes)} namespaces, {len(graph.edges)} connections"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{_text(title)}">'
    )
    yield f"<title>{_text(title)}</title>"
    yield from _definitions(drawing)
    yield f'<rect x="0" y="0" width="{width}" height="{height}" fill="#ffffff"/>'
    for box in graph.boxes:
        yield from _box(drawing, box)
    taken = [*drawing.boxes.values(), *(drawing.nodes[node.id] for node in graph.nodes if node.box is None)]
    for edge in edges:
        yield from _edge(drawing, edge)
    for edge in edges:
        yield from _edge_label(drawing, edge, taken)
    for node in graph.nodes:
        yield from _node(drawing.nodes[node.id], node)
    yield from _legend(drawing, len(graph.edges) - len(edges))
    yield "</svg>"


def _definitions(drawing: _Drawing) -> Iterator[str]:
    yield "<defs>"
    for class_, (fill, lines) in _FILLS.items():
        name = f"{drawing.prefix}-{class_ or 'none'}"
        yield f'<pattern id="{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        yield f'<rect width="8" height="8" fill="{fill}"/>'
        if lines:
            yield f'<path d="{lines}" stroke="#5a5f66" stroke-width="0.9" fill="none"/>'
        yield "</pattern>"
    yield (
        f'<marker id="{drawing.prefix}-arrow" markerWidth="7" markerHeight="7" refX="6" refY="3.5" '
        f'orient="auto"><path d="M0 0L7 3.5L0 7z" fill="{_LINE_COLOUR}"/></marker>'
    )
    yield "</defs>"


def _box(drawing: _Drawing, box: GraphBox) -> Iterator[str]:
    area = drawing.boxes[box.id]
    word = f" ({CLASSES[box.class_]})" if box.class_ else ""
    pattern = f"url(#{drawing.prefix}-{box.class_ or 'none'})"
    fill = _FILLS[box.class_][0]
    yield f"<g><title>{_text(box.label + word)}</title>"
    yield _rect(area, f'rx="4" fill="{fill}" fill-opacity="0.45" stroke="#5a5f66"')
    yield _rect(_Area(area.x, area.y, area.width, _HEADER), f'rx="4" fill="{pattern}" stroke="#5a5f66"')
    label = _cut(box.label)
    wide = min(area.width - 8, 6.6 * len(label) + 8)
    yield _rect(_Area(area.x + 4, area.y + 4, wide, _HEADER - 8), 'fill="#ffffff"')
    yield _label(area.x + 8, area.y + 15, label, 'font-size="11" font-weight="bold"')
    yield "</g>"


def _node(area: _Area, node: GraphNode) -> Iterator[str]:
    outside = node.box is None
    shape = (
        'rx="9" fill="#ffffff" stroke="#1b1f24" stroke-dasharray="4 2"'
        if outside
        else ('rx="2" fill="#ffffff" stroke="#8a9099"')
    )
    yield f"<g><title>{_text(node.title)}</title>"
    yield _rect(area, shape)
    for shown, x in ((node.open_in, area.x), (node.open_out, area.x + area.width)):
        if shown:
            yield f'<path d="M{x - 4:.1f} {area.middle - 5:.1f}l8 5l-8 5z" fill="{_OPEN}"/>'
    for number, line in enumerate(node.lines):
        yield _label(area.x + 6, area.y + _LINE * (number + 1) - 1, _cut(line), 'font-size="9.5"')
    yield "</g>"


def _edge(drawing: _Drawing, edge: GraphEdge) -> Iterator[str]:
    curve = _curve(drawing.nodes[edge.source], drawing.nodes[edge.destination])
    path = "M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}".format(*curve)
    yield f"<g><title>{_text(edge.title)}</title>"
    yield (
        f'<path d="{path}" fill="none" stroke="{_LINE_COLOUR}" stroke-width="0.9"{_DASHES[edge.state]} '
        f'marker-end="url(#{drawing.prefix}-arrow)"/>'
    )
    yield "</g>"


def _edge_label(drawing: _Drawing, edge: GraphEdge, taken: list[_Area]) -> Iterator[str]:
    curve = _curve(drawing.nodes[edge.source], drawing.nodes[edge.destination])
    label = _cut(edge.label, 22)
    area = _free_spot(curve, 4.6 * len(label) + 4, taken)
    if area is not None:
        taken.append(area)
        yield f"<g><title>{_text(edge.title)}</title>"
        yield _rect(area, 'fill="#ffffff" fill-opacity="0.85"')
        yield _label(area.x + 2, area.y + 8, label, f'font-size="8" fill="{_LINE_COLOUR}"')
        yield "</g>"


def _curve(one: _Area, other: _Area) -> tuple[float, ...]:
    """The four points of a cubic curve: across columns, or bowed to the right within one."""
    y1, y2 = one.middle - 2, other.middle + 2
    if abs(one.x - other.x) < _WIDTH:
        x1, x2 = one.x + one.width, other.x + other.width
        bow = max(x1, x2) + 14 + min(40.0, abs(y1 - y2) / 8)
        return x1, y1, bow, y1, bow, y2, x2, y2
    right = one.x < other.x
    x1, x2 = (one.x + one.width, other.x) if right else (one.x, other.x + other.width)
    middle = (x1 + x2) / 2
    return x1, y1, middle, y1, middle, y2, x2, y2


def _free_spot(curve: Sequence[float], width: float, taken: Sequence[_Area]) -> _Area | None:
    """A place on the curve where a label covers no node and no other label; None when there is none (hover tells it)."""
    x1, y1, x2, y2, x3, y3, x4, y4 = curve
    bowed = x2 == x3 and x2 > max(x1, x4)
    for t in _SPOTS:
        a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        x, y = a * x1 + b * x2 + c * x3 + d * x4, a * y1 + b * y2 + c * y3 + d * y4
        area = _Area(x + 2 if bowed else x - width / 2, y - 5, width, 10)
        if not any(area.overlaps(other) for other in taken):
            return area
    return None


def _legend(drawing: _Drawing, left_out: int) -> Iterator[str]:
    y = drawing.height - 58
    x = _PAD
    present = {box.class_ for box in drawing.graph.boxes}
    for class_, word in CLASSES.items():
        if class_ in present:
            yield _rect(_Area(x, y, 18, 12), f'fill="url(#{drawing.prefix}-{class_})" stroke="#5a5f66"')
            yield _label(x + 23, y + 10, word, 'font-size="9.5"')
            x += 34 + 5.6 * len(word)
    note = f" · {left_out} more connections are not drawn" if left_out else ""
    yield _label(_PAD, y + 27, _EDGE_LEGEND + note, 'font-size="9.5"')
    yield _label(_PAD, y + 41, _MARK_LEGEND, f'font-size="9.5" fill="{_OPEN}"')


def _rect(area: _Area, attributes: str) -> str:
    return f'<rect x="{area.x:.1f}" y="{area.y:.1f}" width="{area.width:.1f}" height="{area.height:.1f}" {attributes}/>'


def _label(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} {attributes}>{_text(text)}</text>'


def _cut(text: str, limit: int = _MAX_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _text(text: str) -> str:
    return escape(displayable(text, 2000), quote=True)
