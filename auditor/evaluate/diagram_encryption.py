"""What encrypts the links of the network diagram and the flows of the register: the worst of all pairs, between nodes."""

from collections.abc import Hashable, Iterable, Iterator
from functools import reduce

from auditor.checks.context import Facts
from auditor.checks.incoming_flows import flow_result
from auditor.evaluate.diagram_places import Link, Part
from auditor.evaluate.egress_states import EgressStates, State
from auditor.inventory.endpoints import Endpoint
from auditor.model.connectivity_result import EntryRow
from auditor.model.verdict import Tri
from auditor.network.addresses import External
from auditor.network.bits import members
from auditor.network.ports import NOTHING, PortSet
from auditor.network.universe import Peer

MAX_FLOWS = 30_000
"""So many flows are judged; a link whose turn comes later is unknown, unless plaintext was seen."""

_OF_ENTRY: dict[Tri, State] = {Tri.YES: "plaintext", Tri.NO: "encrypted", Tri.UNKNOWN: "unknown"}
_PORTS = ("TCP", "UDP", "SCTP")
_Port = tuple[int, str]


class EdgeEncryption:
    """The encryption of links. Sources that fare alike as clients are judged once."""

    def __init__(self, facts: Facts, entries: Iterable[EntryRow]) -> None:
        self._facts = facts
        self._known: dict[tuple[Hashable, str, int, str], State] = {}
        self._pairs: dict[tuple[Hashable, str, PortSet], State] = {}
        self._open: dict[tuple[str, PortSet], list[_Port]] = {}
        self._served = _served(facts, list(entries))
        self._out = EgressStates(facts)
        self._asked = 0

    def of(self, link: Link) -> State:
        """The worst state of any flow; `unknown` where nothing can be told."""
        found: set[State] = set()
        for part in link.parts:
            for state in self._part(part):
                found.add(state)
                if state == "plaintext":
                    return state
        return "encrypted" if found == {"encrypted"} else "unknown"

    def between(self, source: Peer, destination: Peer, ports: PortSet, sure: bool) -> State:
        """The worst state over the ports that one peer may open of another; not `sure`: it can't be told that it may."""
        if isinstance(destination, External) and isinstance(source, Endpoint):
            certain = ports if sure else NOTHING
            return worst(self._out.states(self._out.profile(source), destination, ports, certain))
        if not isinstance(destination, Endpoint):
            return "unknown"
        class_: Hashable = None
        if isinstance(source, Endpoint):
            encryption = self._facts.encryption
            class_ = encryption.client_at(encryption.client_class(source), destination)
        key = (class_, destination.id, ports)
        if key not in self._pairs:
            states = {
                self._flow(class_, source, destination, port)
                if isinstance(source, Endpoint)
                else self._from_outside(destination, port)
                for port in self._ports(ports, destination)
            }
            self._pairs[key] = worst(states)
        state = self._pairs[key]
        return "unknown" if state == "plaintext" and not sure else state

    def _part(self, part: Part) -> Iterator[State]:
        universe, certain = part.universe, reduce(PortSet.__or__, part.ports[:3])
        for place in members(part.destinations):
            destination = universe.peers[place]
            if not isinstance(destination, Endpoint):
                yield from self._outward(part, destination, certain)
                continue
            sources = part.sources & ~(1 << place)
            for port, protocol in self._ports(reduce(PortSet.__or__, part.ports), destination):
                states = self._states(part, sources, destination, (port, protocol))
                sure = certain.contains(port, protocol)
                yield from ("unknown" if state == "plaintext" and not sure else state for state in states)

    def _outward(self, part: Part, destination: Peer, certain: PortSet) -> Iterator[State]:
        """What leaves the cluster, by the ways out of its sources."""
        if not isinstance(destination, External) or part.sources & ~part.universe.endpoint_bits:
            yield "unknown"
        if isinstance(destination, External):
            ports = reduce(PortSet.__or__, part.ports)
            for profile, sources in self._out.by_profile:
                if sources & part.sources:
                    yield from self._out.states(profile, destination, ports, certain)

    def _ports(self, reached: PortSet, destination: Endpoint) -> list[_Port]:
        """The declared ports that are open; where none of them is, the first that is."""
        key = destination.id, reached
        if key not in self._open:
            declared = self._facts.services.ports_of(destination)
            found = [entry for entry in declared if reached.contains(*entry)]
            firsts = (
                (pairs[0][0], protocol) for protocol in _PORTS if (pairs := reached.of_protocol(protocol))
            )
            if not found and (reached.everything or reached.ranges):
                found = [next(firsts, (1, "TCP"))]
            self._open[key] = found
        return self._open[key]

    def _states(self, part: Part, sources: int, destination: Endpoint, port: _Port) -> Iterator[State]:
        if sources & part.universe.outside:
            yield self._from_outside(destination, port)
        seen: set[Hashable] = set()
        for place in members(sources & part.universe.endpoint_bits):
            source = part.universe.endpoints[place]
            encryption = self._facts.encryption
            class_ = encryption.client_at(encryption.client_class(source), destination)
            if class_ not in seen:
                seen.add(class_)
                yield self._flow(class_, source, destination, port)

    def _flow(self, class_: Hashable, source: Endpoint, destination: Endpoint, port: _Port) -> State:
        key = (class_, destination.id, *port)
        if key not in self._known:
            self._asked += 1
            if self._asked > MAX_FLOWS:
                return "unknown"
            encryption = self._facts.encryption
            flow = encryption.flow(source, destination, *port)
            result = flow_result(flow, encryption.nodes.cross_node)
            self._known[key] = (
                "plaintext"
                if result == "plaintext"
                else "encrypted"
                if result in ("encrypted", "refused")
                else "unknown"
            )
        return self._known[key]

    def _from_outside(self, destination: Endpoint, port: _Port) -> State:
        """What the entry points say that serve this port; else what the port itself accepts from strangers."""
        served = self._served.get((destination.id, *port), set())
        if served:
            return worst(served)
        return _OF_ENTRY[self._facts.encryption.port(destination, *port).record.plaintext_accepted]


def worst(states: Iterable[State]) -> State:
    """Plaintext if any is, encrypted if all are; nothing at all is unknown."""
    found = set(states)
    return "plaintext" if "plaintext" in found else "encrypted" if found == {"encrypted"} else "unknown"


def _served(facts: Facts, rows: list[EntryRow]) -> dict[tuple[str, int, str], set[State]]:
    """The states of the entry points behind each port of a controller's endpoints that is open to the outside."""
    serving: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row.way == "controller":
            serving.setdefault((row.object, row.host or ""), set()).update(row.via)
    by_endpoint: dict[str, list[tuple[int | None, State]]] = {}
    for entry in facts.entry_points:
        state = _OF_ENTRY[entry.record.plaintext_accepted]
        listens = entry.port if entry.listener else None
        for endpoint in sorted(serving.get((entry.object, entry.host), ())):
            by_endpoint.setdefault(endpoint, []).append((listens, state))
    found: dict[tuple[str, int, str], set[State]] = {}
    for row in rows:
        if row.way != "controller":
            for listens, state in by_endpoint.get(row.endpoint, ()):
                if listens in (None, row.outside_port):
                    found.setdefault((row.endpoint, row.port, row.protocol), set()).add(state)
    return found
