"""The networks of the scope file that aren't trusted: what policy lets scoped clients send there, encrypted how."""

from collections.abc import Iterator
from functools import cached_property

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded
from auditor.checks.egress_parts import Part, code_of, judgement, worst_of
from auditor.checks.egress_reach import EgressReach, beside_tcp, holds
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
        parts = [
            part for client, ports in self._reach.into(place) for part in self._parts(place, client, ports)
        ]
        if not parts:
            scoped = (e for e in self._context.facts.endpoints if e.id in self._context.in_scope)
            evidence = tuple(item for endpoint in scoped for item in endpoint.evidence[:1])
            named = {"host": network.name, "networks": [str(place)]}
            return Judgement("network-closed", subject, named, tuple(dict.fromkeys(evidence)))
        worst = worst_of(parts)
        code = "plaintext-to-network" if worst == "egress-in-plaintext" else worst
        return judgement(code, subject, network.name, _joined(p for p in parts if p.code == worst))

    def _parts(self, place: Place, client: Endpoint, ports: PortSet) -> Iterator[Part]:
        """What a client may send to a network: to destinations there that are registered, and to whatever isn't."""
        rows = self._rows_of.get(client.id, ())
        followed = False
        for row in rows if ports.of_protocol("TCP") else ():
            there = row.addresses is None or place in self._reach.outside.of_addresses(row.addresses)
            followed = followed or (there and row.host == "*")
            if there and holds(ports, row.hops[0].port if len(row.hops) == 1 else None):
                yield Part(row, (client,), code_of(row), frozenset({place}))
            elif row.elsewhere and code_of(row) != "egress-encrypted":
                because = Reasons((Cause("egress.other-routes"),))
                yield Part(row, (client,), _UNKNOWN, frozenset({place}), because)
        named = (("endpoint", client.id), ("network", place.name))
        if ports.of_protocol("TCP") and not followed:
            cause = Cause("indeterminate.egress.gateway-client", named)
            yield Part(None, (client,), _UNKNOWN, frozenset({place}), Reasons((cause,)))
        if beside_tcp(ports):
            cause = Cause("egress.not-tcp", named[1:])
            yield Part(None, (client,), _UNKNOWN, frozenset({place}), Reasons((cause,)))

    @cached_property
    def _rows_of(self) -> dict[str, list[Egress]]:
        """By a client's id the ways out that end at known addresses, or anywhere."""
        found: dict[str, list[Egress]] = {}
        for row in self._context.encryption.egress:
            if row.hops and (row.host == "*" or row.addresses is not None):
                for client in row.sources:
                    found.setdefault(client.id, []).append(row)
        return found


def _joined(parts: Iterator[Part]) -> list[Part]:
    """Clients of one way, or of none for one cause, together."""
    found: dict[tuple[object, ...], list[Part]] = {}
    for part in parts:
        found.setdefault((id(part.row), part.because.causes), []).append(part)
    return [
        Part(
            group[0].row,
            tuple(client for part in group for client in part.clients),
            group[0].code,
            group[0].places,
            group[0].because,
        )
        for group in found.values()
    ]
