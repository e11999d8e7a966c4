"""Which scoped clients policy lets open connections to addresses outside, and in which networks those addresses lie."""

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from ipaddress import ip_network

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.outside_networks import INTERNET, UNKNOWN, OutsideNetworks, Place, Places
from auditor.encryption.egress.values import Addresses, Egress, Location
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External, Network, contains
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Because, Flows
from auditor.network.representation import Bits


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
        self._doubt = cache(self._doubt_on)
        self._ends = cache(self._externals_of)

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

    def doubt(self, row: Egress, client: Endpoint, into: Place | None = None) -> Reasons:
        """Why it can't be told whether policy lets a sender through on its way out (with `into`: to that network).

        Empty where it certainly gets through: what policy allows, allows under a condition, or denies without being
        enforced is reachable. It is asked about the addresses that the way ends at, where they are known and policy
        doesn't deny them all, and not about trusted networks. Empty as well for a way whose end the client's policy
        doesn't tell; `into` a network it counts there too, through a gateway on any port.
        """
        if not _is_beyond_policy(row):
            return self._doubt(client, row.hops[0].port, row.addresses, into)
        return Reasons() if into is None else self._doubt(client, port_of(row), None, into)

    def into(self, place: Place) -> list[tuple[Endpoint, PortSet]]:
        """The scoped clients that policy doesn't certainly keep from a network, sorted by id, with the ports."""
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

    def _doubt_on(
        self, client: Endpoint, port: int | None, addresses: Addresses | None, into: Place | None
    ) -> Reasons:
        wider = self._external if into is None else self._ends(None, into)
        for ends in (self._ends(addresses, into), wider):
            flows = self._network.flows_out_of(client, ends)
            if open_ones := [each for each in flows if holds(possible_ports(each), port)]:
                return self._weighed(client, port, open_ones)
        return Reasons()

    def _weighed(self, client: Endpoint, port: int | None, flows: Sequence[Flows]) -> Reasons:
        if any(holds(certain_ports(each), port) for each in flows):
            return Reasons()
        causes = (why for each in flows for ports, why in each.indeterminate if holds(ports, port))
        pairs = (self._network.connection(client, each.destinations[0]) for each in flows)
        rules = tuple(dict.fromkeys(rule for pair in pairs for rule in pair.decided_by))
        return Reasons(tuple(dict.fromkeys(causes)), rules, told.rule_evidence(rules))

    def _externals_of(self, addresses: Addresses | None, into: Place | None) -> Bits:
        """The ranges that hold any of the addresses, or all of them: those in one place, else all but trusted ones."""
        externals = self._network.externals
        found = externals if addresses is None else [e for a in addresses for e in _holding(a, externals)]
        places = ((external, self._place(external)) for external in found)
        wanted = (e for e, place in places if (place == into if into else not place.is_trusted))
        return self._network.family(wanted)

    def _flows_out(self, client: Endpoint) -> tuple[tuple[PortSet, Places], ...]:
        flows = self._network.flows_out_of(client, self._external)
        return tuple((possible_ports(each), self._where(each)) for each in flows)

    def _where(self, flows: Flows) -> Places:
        return frozenset(self._place(e) for e in flows.destinations if isinstance(e, External))

    def _place(self, external: External) -> Place:
        place = self._place_of.get(external.id)
        if place is None:
            place = self._place_of[external.id] = self.outside.of_external(external)
        return place


def _is_beyond_policy(row: Egress) -> bool:
    """Whether what policy lets the client reach outside doesn't tell where the way ends."""
    return len(row.hops) != 1 or row.location is Location.INTERNAL


def port_of(row: Egress) -> int | None:
    """The port that policy has to open for a way out, None for any: through a gateway the client connects to another."""
    return row.hops[0].port if len(row.hops) == 1 else None


def certain_ports(flows: Flows) -> PortSet:
    """The ports that count as reachable: allowed, conditional, or denied by what isn't enforced."""
    return _joined(flows.allowed | flows.declared_not_enforced, flows.conditional)


def possible_ports(flows: Flows) -> PortSet:
    """The ports that aren't denied for certain."""
    return _joined(certain_ports(flows), flows.indeterminate)


def _joined(ports: PortSet, more: Because) -> PortSet:
    return reduce(PortSet.__or__, (found for found, _ in more), ports)


def _holding(address: Network, externals: Sequence[External]) -> Iterator[External]:
    """The ranges that hold some of a block: those inside it, and the nearest around it unless they fill the block."""
    inside = [external for external in externals if contains(address, external.block)]
    yield from inside
    held = sum(ip_network(piece).num_addresses for external in inside for piece in external.cidrs)
    if held < address.num_addresses:
        around = (external for external in externals if contains(external.block, address))
        if nearest := max(around, key=lambda external: external.block.prefixlen, default=None):
            yield nearest


def holds(ports: PortSet, port: int | None) -> bool:
    """Whether a TCP port is among them, or any where None."""
    if port is not None:
        return ports.contains(port, "TCP")
    return bool(ports.of_protocol("TCP"))


def beside_tcp(ports: PortSet) -> bool:
    """Whether they hold datagrams, which no mesh carries."""
    return bool(ports.of_protocol("UDP") or ports.of_protocol("SCTP"))
