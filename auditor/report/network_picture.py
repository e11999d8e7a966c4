"""A graph made legible: what isn't told apart by policy is drawn once, what no policy restricts is marked, not drawn.

Joined are: nodes with everything on their networks, and the private ranges that the scope file doesn't name. Traffic with
nodes that no rule decides is left out (a pod's own node is exempt from policy). A mark on a pod says that no policy limits
who connects to it, or where it connects; two marked ends may connect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from auditor.evaluate.connectivity_levels import join_verdicts
from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.scope import ScopeClass
from auditor.network.all_pairs import PairVerdict
from auditor.report.connectivity_words import peer_text
from auditor.report.display import bounded
from auditor.report.network_graph import NODES, Graph, GraphBox, GraphNode, build_graph, make_edge

_HOSTS = " hosts"
_PRIVATE = " private"
"""Ids that no group or range has: they begin with a space."""


def build_picture(view: ConnectivityView, classes: Mapping[str, ScopeClass]) -> Graph:
    """The picture of a view whose groups never mix namespaces."""
    graph = build_graph(view, classes)
    places = _hosts(view) | _private(view)
    found: dict[tuple[str, str], set[int]] = {}
    for source, destination, verdict in _rows(view):
        ends = places.get(source, source), places.get(destination, destination)
        found.setdefault(ends, set()).add(verdict)
    joined = {
        ends: join_verdicts([view.verdicts[number] for number in sorted(numbers)])
        for ends, numbers in found.items()
    }
    nodes = _marked(_nodes(view, graph, places), joined)
    edges = (
        make_edge(source, destination, verdict)
        for (source, destination), verdict in sorted(joined.items(), key=lambda entry: entry[0])
        if verdict.decided_by and not (source == destination and source == _HOSTS)
    )
    used = {node.box for node in nodes}
    boxes = [box for box in graph.boxes if box.id in used]
    boxes += [GraphBox(NODES, NODES, None)] if NODES in used and NODES not in {b.id for b in boxes} else []
    return Graph(graph.level, tuple(boxes), tuple(nodes), tuple(edges))


def _rows(view: ConnectivityView) -> Iterable[tuple[str, str, int]]:
    yield from ((pair.source, pair.destination, pair.verdict) for pair in view.pairs)
    ids = {group.members[0]: group.id for group in view.groups}
    yield from ((ids[name], ids[name], verdict) for name, verdict in sorted(view.within.items()))


def _hosts(view: ConnectivityView) -> dict[str, str]:
    """Groups of nodes, and of endpoints on their networks, to the one that stands for them."""
    shared = {row.id for row in view.endpoints if row.host_network}
    return {group.id: _HOSTS for group in view.groups if group.members[0] in shared}


def _private(view: ConnectivityView) -> dict[str, str]:
    shown = {row.id for row in view.externals}
    return {e.id: _PRIVATE for e in view.ranges if e.id in shown and e.is_private and not e.networks}


def _nodes(view: ConnectivityView, graph: Graph, places: Mapping[str, str]) -> list[GraphNode]:
    nodes = [node for node in graph.nodes if node.id not in places]
    if _PRIVATE in places.values():
        ranges = ", ".join(sorted(id for id, place in places.items() if place == _PRIVATE))
        nodes.append(GraphNode(_PRIVATE, ("other private addresses",), bounded(ranges), None))
    hosts = [row for row in view.endpoints if row.host_network]
    if _HOSTS in places.values():
        count = sum(row.kind == "Node" for row in hosts)
        lines = (_counted(count, "node"), f"{_counted(len(hosts) - count, 'endpoint')} on the host network")
        nodes.append(GraphNode(_HOSTS, lines, bounded(", ".join(peer_text(row.id) for row in hosts)), NODES))
    return nodes


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _marked(nodes: Iterable[GraphNode], joined: Mapping[tuple[str, str], PairVerdict]) -> list[GraphNode]:
    """Pods with an unrestricted connection from, or to, anything but nodes."""
    free = [(s, d) for (s, d), verdict in joined.items() if verdict.allowed and not verdict.decided_by]
    into = {destination for source, destination in free if source != _HOSTS}
    out_of = {source for source, destination in free if destination != _HOSTS}
    return [
        replace(node, open_in=node.id in into, open_out=node.id in out_of)
        if node.box not in (None, NODES)
        else node
        for node in nodes
    ]
