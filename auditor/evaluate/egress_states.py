"""What encrypts connections to addresses outside, by the ways out that clients have there."""

import ipaddress
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Literal

from auditor.checks.context import Facts
from auditor.encryption.egress.values import Addresses, Hop, Sent
from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.ports import PortSet

State = Literal["encrypted", "plaintext", "unknown"]
_STATES: dict[Sent, State] = {
    Sent.PLAINTEXT: "plaintext",
    Sent.TLS_UNVERIFIED: "encrypted",
    Sent.TLS: "encrypted",
    Sent.MUTUAL_TLS: "encrypted",
    Sent.MESH_MTLS: "encrypted",
    Sent.NOTHING: "encrypted",
}
"""What leaves by the last hop; what is refused is no plaintext. Anything else is unknown."""

Profile = tuple[int, ...]
"""The ways out that end with a peer, by their places in the engine's rows; peers of one profile fare alike."""


class EgressStates:
    """The states of the ways out of each endpoint. An egress gateway has those that lead through it."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._rows = facts.encryption.egress
        self.of_profile = cache(self._of_profile)

    def profile(self, source: Endpoint) -> Profile:
        """The key of endpoints that fare alike towards every address outside."""
        return self._profiles.get(source.id, ())

    @cached_property
    def by_profile(self) -> list[tuple[Profile, int]]:
        """The endpoints of each profile, as bits of the universe."""
        found: dict[Profile, int] = {}
        for place, endpoint in enumerate(self._facts.network.universe.endpoints):
            profile = self.profile(endpoint)
            found[profile] = found.get(profile, 0) | 1 << place
        return list(found.items())

    def states(
        self, profile: Profile, destination: External, ports: PortSet, certain: PortSet
    ) -> Iterator[State]:
        """The states of all that may be sent; plaintext is told only of ports of which it is certain that they are open."""
        found = self.of_profile(profile, destination, ports)
        if "plaintext" in found and "plaintext" not in self.of_profile(profile, destination, certain):
            found = found - {"plaintext"} | {"unknown"}
        yield from found

    @cached_property
    def _profiles(self) -> dict[str, Profile]:
        found: dict[str, list[int]] = {}
        for number, row in enumerate(self._rows):
            if len(row.hops) == 1:
                for source in row.sources:
                    found.setdefault(source.id, []).append(number)
            elif row.hops:
                found.setdefault(row.hops[-1].origin, []).append(number)
        return {source: tuple(numbers) for source, numbers in found.items()}

    def _of_profile(self, profile: Profile, destination: External, ports: PortSet) -> frozenset[State]:
        found: set[State] = set()
        followed = False
        for row in (self._rows[number] for number in profile) if ports.of_protocol("TCP") else ():
            hop = row.hops[-1]
            state = _STATES.get(hop.sent, "unknown")
            if row.elsewhere and state != "encrypted":
                found.add("unknown")
            if not _is_open(ports, hop) or not _may_end_in(hop.addresses, destination):
                continue
            anything = row.host == "*" and len(row.hops) == 1
            followed = followed or anything
            known = anything or hop.addresses is not None
            found |= {state} if known else _by_name(state, destination)
        if not followed or ports.of_protocol("UDP") or ports.of_protocol("SCTP"):
            found.add("unknown")
        return frozenset(found)


def _by_name(state: State, destination: External) -> set[State]:
    """A name whose addresses aren't known is on the internet; whether it is in a network of the scope file isn't told."""
    if destination.is_private:
        return set()
    return {state} if not destination.networks else {"unknown"} if state == "plaintext" else set()


def _is_open(ports: PortSet, hop: Hop) -> bool:
    return bool(ports.of_protocol("TCP")) if hop.port is None else ports.contains(hop.port, "TCP")


def _may_end_in(addresses: Addresses | None, destination: External) -> bool:
    if addresses is None:
        return True
    return any(
        block.version == inner.version and block.overlaps(inner)
        for block in addresses
        for inner in map(ipaddress.ip_network, destination.cidrs)
    )
