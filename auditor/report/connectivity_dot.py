"""Connectivity as a Graphviz graph: namespaces are clusters, external ranges stand outside, edges carry ports."""

from collections.abc import Iterator

from auditor.model.scope import ScopeClass
from auditor.report.display import displayable
from auditor.report.network_graph import Graph, GraphBox, GraphEdge, GraphNode
from auditor.report.wording import CLASSES

_FILLS: dict[ScopeClass | None, tuple[str, str]] = {
    ScopeClass.IN_SCOPE: ("#f3d6d3", "bold"),
    ScopeClass.CONNECTED_TO: ("#f7e8c8", "dashed"),
    ScopeClass.SECURITY_IMPACTING: ("#e3daf0", "dashed,bold"),
    ScopeClass.OUT_OF_SCOPE: ("#ffffff", "solid"),
    ScopeClass.UNCLASSIFIED: ("#ececec", "dotted,bold"),
    None: ("#f5f7f9", "solid"),
}
_EDGES = {"allowed": "solid", "conditional": "dashed", "indeterminate": "dotted"}
_MAX_LABEL = 60


def render_dot(graph: Graph) -> bytes:
    """DOT text, sorted. Names from the cluster are quoted strings and never anything else."""
    return ("\n".join(_lines(graph)) + "\n").encode(errors="replace")


def _lines(graph: Graph) -> Iterator[str]:
    yield "digraph connectivity {"
    yield '  graph [rankdir=LR, fontname="Helvetica", compound=true];'
    yield '  node [shape=box, style=filled, fillcolor=white, fontname="Helvetica", fontsize=10];'
    yield '  edge [fontname="Helvetica", fontsize=8];'
    for number, box in enumerate(graph.boxes):
        yield from _cluster(number, box, [node for node in graph.nodes if node.box == box.id])
    for node in graph.nodes:
        if node.box is None:
            yield f"  {_node(node, ', shape=ellipse, style=dashed')};"
    for edge in graph.edges:
        yield f"  {_edge(edge)}"
    yield "}"


def _cluster(number: int, box: GraphBox, nodes: list[GraphNode]) -> Iterator[str]:
    fill, style = _FILLS[box.class_]
    label = f"{box.label} ({CLASSES[box.class_]})" if box.class_ else box.label
    yield f"  subgraph cluster_{number} {{"
    yield f'    label={quoted(label)}; style="filled,{style}"; fillcolor="{fill}";'
    for node in nodes:
        yield f"    {_node(node)};"
    yield "  }"


def _node(node: GraphNode, more: str = "") -> str:
    label = quoted(chr(10).join(node.lines))
    return f"{quoted(node.id)} [label={label}, tooltip={quoted(node.title)}{more}]"


def _edge(edge: GraphEdge) -> str:
    label = edge.label if len(edge.label) <= _MAX_LABEL else edge.label[: _MAX_LABEL - 1] + "…"
    ends = f"{quoted(edge.source)} -> {quoted(edge.destination)}"
    return f"{ends} [label={quoted(label)}, tooltip={quoted(edge.title)}, style={_EDGES[edge.state]}];"


def quoted(text: str) -> str:
    """A DOT string: backslashes and quotes escaped, line breaks as `\\n`, nothing that Graphviz would substitute."""
    shown = displayable(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + shown.replace("\n", "\\n").replace("&", "&amp;") + '"'
