"""Which scoped clients policy lets open connections to addresses outside, and in which networks those addresses lie."""

from functools import cache, reduce

from auditor.checks.context import Context
from auditor.checks.outside_networks import INTERNET, UNKNOWN, OutsideNetworks, Place, Places
from auditor.encryption.egress.values import Egress, Location
from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Flows


class EgressReach:
    """What policy leaves open to scoped clients; a gateway's own reach is not asked for on the ways through it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._network = context.network
        self.outside = OutsideNetworks(context.scope)
        self._external = context.network.family(context.network.externals)
        self._place_of: dict[str, Place] = {}
        self._flows = cache(self._flows_out)
        self._through = cache(self._senders_on)
        self._open = cache(self._places_on)

    def senders(self, row: Egress) -> frozenset[str]:
        """The ids of scoped clients, but for those to which policy denies every address outside on the port that is
        called in the end (on all of TCP where that isn't known)."""
        if _is_beyond_policy(row):
            return self._context.in_scope
        return self._through(row.hops[0].port)

    def places(self, row: Egress, client: Endpoint) -> Places:
        """Where a way out ends: where its addresses lie, else wherever policy lets the client go on the port."""
        if row.addresses is not None:
            return self.outside.of_addresses(row.addresses)
        if row.location is Location.INTERNAL:
            return frozenset({UNKNOWN})
        if _is_beyond_policy(row) or not (self.outside.all or row.host == "*"):
            return frozenset({INTERNET})
        return self._open(client, row.hops[0].port)

    def into(self, place: Place) -> list[tuple[Endpoint, PortSet]]:
        """The scoped clients that policy lets connect to a network, sorted by id, with the ports."""
        found = []
        for client in self._context.facts.endpoints:
            if client.id in self._context.in_scope:
                ports = (ports for ports, where in self._flows(client) if place in where)
                if joined := reduce(PortSet.__or__, ports, NOTHING):
                    found.append((client, joined))
        return found

    def _senders_on(self, port: int | None) -> frozenset[str]:
        scoped = (client for client in self._context.facts.endpoints if client.id in self._context.in_scope)
        return frozenset(c.id for c in scoped if any(holds(ports, port) for ports, _ in self._flows(c)))

    def _places_on(self, client: Endpoint, port: int | None) -> Places:
        """Not the places alone that hold for certain: whatever isn't denied for certain may be reached."""
        found = (where for ports, where in self._flows(client) if holds(ports, port))
        return frozenset(place for places in found for place in places)

    def _flows_out(self, client: Endpoint) -> tuple[tuple[PortSet, Places], ...]:
        flows = self._network.flows_out_of(client, self._external)
        return tuple((possible_ports(each), self._where(each)) for each in flows)

    def _where(self, flows: Flows) -> Places:
        found = set()
        for external in flows.destinations:
            if isinstance(external, External):
                place = self._place_of.get(external.id)
                if place is None:
                    place = self._place_of[external.id] = self.outside.of_external(external)
                found.add(place)
        return frozenset(found)


def _is_beyond_policy(row: Egress) -> bool:
    """Whether what policy lets the client reach outside doesn't tell where the way ends."""
    return len(row.hops) != 1 or row.location is Location.INTERNAL


def possible_ports(flows: Flows) -> PortSet:
    """The ports that aren't denied for certain."""
    unsure = (ports for ports, _ in (*flows.conditional, *flows.indeterminate))
    return reduce(PortSet.__or__, unsure, flows.allowed | flows.declared_not_enforced)


def holds(ports: PortSet, port: int | None) -> bool:
    """Whether a TCP port is among them, or any where None."""
    if port is not None:
        return ports.contains(port, "TCP")
    return bool(ports.of_protocol("TCP"))


def beside_tcp(ports: PortSet) -> bool:
    """Whether they hold datagrams, which no mesh carries."""
    return bool(ports.of_protocol("UDP") or ports.of_protocol("SCTP"))
