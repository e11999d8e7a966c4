"""Ports of rules, numbers or names: a name means what the destination's containers call so (connectivity.md 7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.model.verdict import Cause
from auditor.network.bits import from_members, members
from auditor.network.ports import NOTHING, PortSet
from auditor.network.representation import Bits, Direction, Term
from auditor.network.universe import Universe


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port by name, in any of these protocols."""

    name: str
    protocols: tuple[str, ...]


PortChoice = PortSet | NamedPort


def port_terms(
    universe: Universe,
    direction: Direction,
    subjects: Bits,
    peers: Bits,
    ports: Sequence[PortChoice],
    unsure: Cause | None = None,
) -> Iterator[Term]:
    """The terms of a rule: names are resolved at the destination, per protocol; who lacks the name isn't matched."""
    if not subjects or not peers:
        return
    numbered = NOTHING
    for choice in ports:
        if isinstance(choice, PortSet):
            numbered |= choice
    if numbered:
        yield Term(subjects, peers, numbered, unsure)
    for choice in ports:
        if isinstance(choice, NamedPort):
            destinations = subjects if direction is Direction.INGRESS else peers
            for resolved, holders in _resolve(universe, choice, destinations):
                pair = (holders, peers) if direction is Direction.INGRESS else (subjects, holders)
                yield Term(*pair, resolved, unsure)


def _resolve(universe: Universe, wanted: NamedPort, destinations: Bits) -> Iterator[tuple[PortSet, Bits]]:
    by_ports: dict[PortSet, list[int]] = {}
    for position in members(destinations & universe.naming(wanted.name)):
        ports = universe.endpoints[position].ports
        numbers = {p.protocol: p.port for p in reversed(ports) if p.name == wanted.name}
        chosen = PortSet.of({k: [(v, v)] for k, v in numbers.items() if k in wanted.protocols})
        if chosen:
            by_ports.setdefault(chosen, []).append(position)
    for ports_found, positions in by_ports.items():
        yield ports_found, from_members(positions)
