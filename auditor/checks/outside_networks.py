"""The networks of the scope file as places outside: in which of them addresses lie, and which decide PCI DSS 4.2.1.

That requirement is about open, public networks. The internet is one, and so are networks marked `untrusted` and
`wireless`; the way to a `third-party`'s network is not the entity's own, and counts as open until the scope file calls it
`trusted`. Addresses that no network names are the internet, or private addresses of which nobody says anything.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from auditor.model.scope import ExternalNetwork, Scope
from auditor.network.addresses import External, Network, contains, disjoint_externals

TRUSTED = "trusted"
_LEAST_TRUSTED = ("untrusted", "wireless", "third-party", TRUSTED)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where addresses outside lie: a network of the scope file, else (`trust` is "") what no network names."""

    name: str
    trust: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether the scope file says that the network is no open, public one."""
        return self.trust == TRUSTED

    def __str__(self) -> str:
        return f"{self.name} ({self.trust})" if self.trust else self.name


INTERNET = Place("internet")
PRIVATE = Place("private addresses")
UNKNOWN = Place("addresses that aren't known")
Places = frozenset[Place]


class OutsideNetworks:
    """The external networks of a scope file. Of several that hold an address the most specific counts, of several such the
    least trusted."""

    def __init__(self, scope: Scope | None) -> None:
        self.all: tuple[ExternalNetwork, ...] = tuple(
            sorted(scope.external_networks if scope else (), key=lambda network: network.name)
        )
        self._blocks = [
            (ipaddress.ip_network(text), network) for network in self.all for text in network.cidrs
        ]
        self._named = [
            (network.name, [ipaddress.ip_network(text) for text in network.cidrs]) for network in self.all
        ]
        self.of_addresses = cache(self._of_addresses)

    def of_external(self, external: External) -> Place:
        """The place of addresses that no rule tells apart; the networks' own blocks are always told apart."""
        holding = [(block, network) for block, network in self._blocks if contains(block, external.block)]
        if not holding:
            return PRIVATE if external.is_private else INTERNET
        length = max(block.prefixlen for block, _ in holding)
        nearest = [network for block, network in holding if block.prefixlen == length]
        chosen = min(nearest, key=lambda network: _LEAST_TRUSTED.index(network.trust))
        return Place(chosen.name, chosen.trust)

    def of_externals(self, externals: Iterable[External]) -> Places:
        """The places of several."""
        return frozenset(map(self.of_external, externals))

    def _of_addresses(self, addresses: Sequence[Network] | None) -> Places:
        """The places that hold any of the addresses; the internet where they aren't known."""
        if addresses is None:
            return frozenset({INTERNET})
        found = disjoint_externals(addresses, self._named)
        within = (e for e in found if any(contains(outer, e.block) for outer in addresses))
        return self.of_externals(within)


def are_trusted(places: Places) -> bool:
    """Whether every address is in a network that is marked trusted."""
    return bool(places) and all(place.is_trusted for place in places)


def told(places: Iterable[Place]) -> list[str]:
    """Names for a finding, with what the scope file says of them."""
    return [str(place) for place in sorted(places)]
