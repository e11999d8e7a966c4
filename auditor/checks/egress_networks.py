"""The networks of the scope file that aren't trusted: what policy lets scoped clients send there, encrypted how."""

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property, partial

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded
from auditor.checks.egress_parts import Part, code_of, judgement, parts_of, worst_of
from auditor.checks.egress_reach import EgressReach, beside_tcp, holds, port_of
from auditor.checks.outside_networks import Place
from auditor.encryption.egress.values import Egress
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Subject
from auditor.model.scope import ExternalNetwork
from auditor.model.verdict import Cause
from auditor.network.ports import PortSet

_UNKNOWN = "indeterminate.egress"


class EgressNetworks:
    """One subject for each external network, `outside/name`."""

    def __init__(self, context: Context, reach: EgressReach) -> None:
        self._context = context
        self._reach = reach

    def judged(self) -> Iterator[Yielded]:
        """Each network: the worst of what scoped clients may send there; trusted ones are excluded."""
        for network in self._reach.outside.all:
            yield self._judge(network, Place(network.name, network.trust))

    def _judge(self, network: ExternalNetwork, place: Place) -> Yielded:
        subject = Subject(f"outside/{network.name}")
        if place.is_trusted:
            return Exclusion(subject.id, "trusted-network")
        if not self._context.in_scope:
            return Exclusion(subject.id, "no-client")
        parts = list(self._parts(place, self._reach.into(place)))
        if not parts:
            scoped = (e for e in self._context.facts.endpoints if e.id in self._context.in_scope)
            evidence = tuple(item for endpoint in scoped for item in endpoint.evidence[:1])
            named = {"host": network.name, "networks": [str(place)]}
            return Judgement("network-closed", subject, named, tuple(dict.fromkeys(evidence)))
        worst = worst_of(parts)
        code = "plaintext-to-network" if worst == "egress-in-plaintext" else worst
        return judgement(code, subject, network.name, [p for p in parts if p.code == worst])

    def _parts(self, place: Place, reaching: Sequence[tuple[Endpoint, PortSet]]) -> Iterator[Part]:
        """What clients may send to a network: to destinations there that are registered, and to whatever isn't."""
        places = frozenset({place})
        by_tcp = {client.id: ports for client, ports in reaching if ports.of_protocol("TCP")}
        followed: set[str] = set()
        for row in self._rows:
            there = row.addresses is None or place in self._reach.outside.of_addresses(row.addresses)
            if not there and not row.elsewhere:
                continue
            clients = _able(row, by_tcp)
            if there and row.host == "*":
                followed.update(client.id for client in clients)
            if clients and there:
                yield from parts_of(row, clients, places, partial(self._reach.doubt, row, into=place))
            elif clients and code_of(row) != "egress-encrypted":
                yield Part(row, clients, _UNKNOWN, places, Reasons((Cause("egress.other-routes"),)))
        yield from _beside_rows(place, reaching, by_tcp.keys() - followed)

    @cached_property
    def _rows(self) -> list[Egress]:
        """The ways out that end at known addresses, or anywhere."""
        found = self._context.encryption.egress
        return [row for row in found if row.hops and (row.host == "*" or row.addresses is not None)]


def _able(row: Egress, by_tcp: Mapping[str, PortSet]) -> tuple[Endpoint, ...]:
    """The clients of a way that policy doesn't certainly keep from its port; through a gateway from all."""
    port = port_of(row)
    fits = {ports: holds(ports, port) for ports in set(by_tcp.values())}
    return tuple(c for c in row.sources if c.id in by_tcp and fits[by_tcp[c.id]])


def _beside_rows(
    place: Place, reaching: Sequence[tuple[Endpoint, PortSet]], unfollowed: Set[str]
) -> Iterator[Part]:
    """What no way out tells: connections of gateways' own, and other protocols than TCP."""
    places, named = frozenset({place}), (("network", place.name),)
    for client, _ in reaching:
        if client.id in unfollowed:
            cause = Cause("indeterminate.egress.gateway-client", (("endpoint", client.id), *named))
            yield Part(None, (client,), _UNKNOWN, places, Reasons((cause,)))
    if others := tuple(client for client, ports in reaching if beside_tcp(ports)):
        yield Part(None, others, _UNKNOWN, places, Reasons((Cause("egress.not-tcp", named),)))
