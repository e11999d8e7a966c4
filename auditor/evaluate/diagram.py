"""The network diagram: which namespaces and networks may connect, on what, encrypted or not, approved or not (PCI 1.2.3).

Drawn is what has an end in scope, and what comes in from outside. Nodes are left out, and so are pods on a node's network
unless they are in scope themselves or serve entry points: policies can't tell them from the node.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Literal

from auditor.checks.approvals import Approval, Approvals, approved_ports, names
from auditor.checks.context import Facts
from auditor.evaluate.connectivity_scope import ScopeClasses
from auditor.evaluate.diagram_encryption import EdgeEncryption
from auditor.evaluate.diagram_places import EDGE_VERDICTS, Link, Part, Places
from auditor.evaluate.entry_reach import reach_entries
from auditor.inventory.endpoints import Endpoint
from auditor.model import result as r
from auditor.model.connectivity_result import EntryRow
from auditor.model.verdict import Reach
from auditor.network.bits import from_members, members
from auditor.network.pairs import group_peers
from auditor.network.ports import NOTHING, PortSet

MAX_EDGES = 400
"""Edges of one diagram; entries and edges across the border of scope are kept first."""

Approved = Literal["yes", "no", "partly", "not-needed"]


def build_diagram(facts: Facts, frameworks: Sequence[str]) -> r.DiagramResult:
    """The diagram for all the frameworks together. Deterministic; the cost follows groups of endpoints, not pairs."""
    classes = ScopeClasses(facts, frameworks)
    places = Places(facts, classes)
    entries = reach_entries(facts)
    links = _links(facts, places, entries)
    kept = sorted(links.values(), key=lambda link: (not link.entry, not link.crosses, link.key))[:MAX_EDGES]
    encryption, approvals = EdgeEncryption(facts, entries), _Approved(facts, places)
    edges = [
        r.DiagramEdge(
            source=link.key[0],
            destination=link.key[1],
            services=_services(link),
            encryption=encryption.of(link),
            approved=approvals.of(link),
            entry=link.entry,
        )
        for link in sorted(kept, key=lambda link: link.key)
    ]
    used = {end for link in links.values() for end in link.key}
    return r.DiagramResult(
        boxes=places.boxes(),
        outside=[box for box in places.outside() if box.id in used],
        edges=edges,
        edges_left_out=len(links) - len(kept),
    )


def _links(facts: Facts, places: Places, entries: Sequence[EntryRow]) -> dict[tuple[str, str], Link]:
    links: dict[tuple[str, str], Link] = {}
    for key, part, entry in (*_by_policy(facts, places), *_by_entry(places, entries)):
        link = links.setdefault(key, Link(key, [], False, places.is_crossing(key)))
        link.parts.append(part)
        link.entry = link.entry or entry
    return links


def _by_policy(facts: Facts, places: Places) -> Iterator[tuple[tuple[str, str], Part, bool]]:
    """What policies let through between two boxes, where one end at least is in scope."""
    network = facts.network
    for peers, column in network.matrix():
        destinations = places.by_box(network.universe.position(peer) for peer in peers)
        if not destinations:
            continue
        for bits, masks in group_peers(column, places.shown):
            ports = tuple(network.ports(mask) for mask in (masks[0], masks[3], masks[1], masks[2]))
            for (box, scoped), inside in destinations.items():
                among = bits if scoped else bits & places.scoped
                for source, sources in places.split(among):
                    if sources & ~inside or inside & (inside - 1):
                        yield (source, box), Part(places.universe, sources, inside, ports), False


def _by_entry(places: Places, entries: Sequence[EntryRow]) -> Iterator[tuple[tuple[str, str], Part, bool]]:
    """What comes in from outside, and what a controller hands on to endpoints in scope."""
    index = places.universe.index
    serving = {id for row in entries if row.way == "controller" for id in row.via}
    for row in entries:
        verdict = Reach(row.verdict)
        node_port = row.way == "host-network" and row.endpoint not in serving
        if verdict is Reach.DENIED or (node_port and not places.shown >> index[row.endpoint] & 1):
            continue
        target, port = 1 << index[row.endpoint], PortSet.single(row.protocol, row.port)
        ports = tuple(port if verdict is kind else NOTHING for kind in EDGE_VERDICTS)
        sources = from_members(index[id] for id in row.via) & (places.shown | places.gateways(row))
        among = sources if row.way == "controller" else sources & places.universe.outside or places.internet
        if row.way == "controller" and not target & places.scoped:
            continue
        for (box, _), inside in places.by_box([index[row.endpoint]], anyway=True).items():
            for source, some in places.split(among):
                yield (source, box), Part(places.universe, some, inside, ports), True


def _services(link: Link) -> list[r.DiagramService]:
    """Each port with the least restricted of its verdicts."""
    told, taken = [], NOTHING
    for place, verdict in enumerate(EDGE_VERDICTS):
        ports = reduce(PortSet.__or__, {part.ports[place] for part in link.parts}, NOTHING)
        if left := (NOTHING if taken.everything else ports.minus(taken)):
            name = "not-enforced" if verdict is Reach.DECLARED_NOT_ENFORCED else str(verdict)
            told.append(r.DiagramService.model_validate({"verdict": name, "services": str(left)}))
            taken = taken | left
    return told


class _Approved:
    """Which links the approved flows of the scope file name."""

    def __init__(self, facts: Facts, places: Places) -> None:
        self._approvals = Approvals(facts.scope)
        self._places = places
        self._sources: dict[str, int] = {}

    def of(self, link: Link) -> Approved:
        """Yes and no for all services of all pairs, partly for some; pairs that need none count only if named."""
        found = {answer for part in link.parts for answer in self._part(part)} - {"not-needed"}
        if not found:
            return "not-needed"
        return "partly" if len(found) > 1 else "yes" if found == {"yes"} else "no"

    def _part(self, part: Part) -> Iterator[Approved]:
        ports = reduce(PortSet.__or__, part.ports)
        for destination in part.destination_peers():
            named = self._approvals.into(destination)
            rest = part.sources & ~part.universe_bit(destination)
            for approval in named:
                rest &= ~self._naming(approval)
            yield self._unnamed(rest, destination)
            for place in members(part.sources & ~part.universe_bit(destination) & ~rest):
                source = part.universe.peers[place]
                approved = approved_ports(named, source=source)
                if ports.minus(approved) != ports:
                    yield "yes"
                if ports.minus(approved):
                    yield self._unnamed(1 << place, destination)

    def _unnamed(self, sources: int, destination: object) -> Approved:
        scoped = self._places.scoped
        if isinstance(destination, Endpoint) and scoped >> self._places.universe.position(destination) & 1:
            return "no" if sources & ~scoped else "not-needed"
        return "no" if sources & scoped else "not-needed"

    def _naming(self, approval: Approval) -> int:
        """The peers that an approval's source names."""
        key = approval.flow.source
        if key not in self._sources:
            peers = enumerate(self._places.universe.peers)
            self._sources[key] = from_members(i for i, peer in peers if names(key, peer))
        return self._sources[key]
