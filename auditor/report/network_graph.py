"""What a network diagram shows, before any drawing: boxes for namespaces, nodes in them, ranges outside, edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.connectivity_result import EndpointRow
from auditor.model.scope import ScopeClass
from auditor.network.all_pairs import PairVerdict
from auditor.report.connectivity_words import cause_text, peer_text, ports_text
from auditor.report.display import bounded

NODES = "nodes"
_NO_CLASSES: Mapping[str, ScopeClass] = {}
_MAX_LINES = 4


@dataclass(frozen=True, slots=True)
class GraphNode:
    """Endpoints of one namespace that decide alike, or an external range. `box` None: outside the cluster.

    `open_in`, `open_out`: no policy limits who connects, or where it connects; then those edges may be left out.
    """

    id: str
    lines: tuple[str, ...]
    title: str
    box: str | None
    open_in: bool = False
    open_out: bool = False


@dataclass(frozen=True, slots=True)
class GraphBox:
    """A namespace, or the cluster's nodes (`class_` None)."""

    id: str
    label: str
    class_: ScopeClass | None


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A connection. `state` is allowed, conditional or indeterminate: the best that any of its ports has."""

    source: str
    destination: str
    label: str
    title: str
    state: str
    restricted: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """A diagram. `level` is that of the view."""

    level: str
    boxes: tuple[GraphBox, ...]
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


def build_graph(view: ConnectivityView, classes: Mapping[str, ScopeClass] = _NO_CLASSES) -> Graph:
    """The diagram of a view whose groups never mix namespaces. `classes` are those of namespaces by name."""
    named = {row.id: row for row in view.endpoints}
    nodes = [
        GraphNode(
            id=group.id,
            lines=_lines(view.level, named[group.members[0]], group.members),
            title=", ".join(peer_text(member) for member in group.members),
            box=named[group.members[0]].namespace or NODES,
        )
        for group in view.groups
    ]
    outside = [GraphNode(row.id, (bounded(row.id),), ", ".join(row.cidrs), None) for row in view.externals]
    names = sorted({node.box for node in nodes if node.box})
    kinds = {row.namespace for row in view.endpoints if row.namespace}
    boxes = [GraphBox(name, bounded(name), classes.get(name) if name in kinds else None) for name in names]
    pairs = [(pair.source, pair.destination, pair.verdict) for pair in view.pairs]
    if view.level == "namespace":
        ids = {group.members[0]: group.id for group in view.groups}
        pairs += [(ids[name], ids[name], verdict) for name, verdict in sorted(view.within.items())]
    edges = (make_edge(source, destination, view.verdicts[verdict]) for source, destination, verdict in pairs)
    return Graph(view.level, tuple(boxes), (*nodes, *outside), tuple(edges))


def _lines(level: str, first: EndpointRow, members: Sequence[str]) -> tuple[str, ...]:
    if level == "namespace" and first.namespace:
        return ("on the host network" if first.host_network else "pods",)
    shown = [bounded(member.partition("/")[2] or member) for member in members[:_MAX_LINES]]
    more = len(members) - _MAX_LINES
    return (*shown, f"and {more} more") if more > 0 else tuple(shown)


def make_edge(source: str, destination: str, verdict: PairVerdict) -> GraphEdge:
    """An edge of a verdict that isn't "denied"."""
    conditional = [f"{ports_text(ports)} if: {cause_text(why)}" for ports, why in verdict.conditional]
    unknown = [f"{ports_text(ports)} unknown: {cause_text(why)}" for ports, why in verdict.indeterminate]
    state = "allowed" if verdict.allowed else "conditional" if conditional else "indeterminate"
    first = verdict.allowed or (verdict.conditional or verdict.indeterminate)[0][0]
    told = [ports_text(verdict.allowed)] if verdict.allowed else []
    return GraphEdge(
        source=source,
        destination=destination,
        label=ports_text(first),
        title="; ".join([*told, *conditional, *unknown]),
        state=state,
        restricted=bool(verdict.decided_by),
    )
