"""Boxes of the network diagram, and the links between them before they are told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_scope import ScopeClasses
from auditor.inventory.endpoints import Endpoint
from auditor.model import result as r
from auditor.model.connectivity_result import EntryRow
from auditor.model.scope import ScopeClass
from auditor.model.verdict import Reach
from auditor.network.addresses import External
from auditor.network.bits import from_members, members
from auditor.network.ports import PortSet
from auditor.network.universe import Peer, Universe

EDGE_VERDICTS = (Reach.ALLOWED, Reach.DECLARED_NOT_ENFORCED, Reach.CONDITIONAL, Reach.INDETERMINATE)
"""The least restricted first; the order of `Part.ports`."""

INTERNET = "internet"
PRIVATE = "private addresses"
_OUTSIDE = "outside/"


@dataclass(frozen=True, slots=True)
class Part:
    """Peers of two boxes that fare alike, as bits; `ports` by verdict as in EDGE_VERDICTS."""

    universe: Universe
    sources: int
    destinations: int
    ports: tuple[PortSet, ...]

    def destination_peers(self) -> Iterator[Peer]:
        """The destinations."""
        return self.universe.of(self.destinations)

    def universe_bit(self, peer: Peer) -> int:
        """The bit of a peer."""
        return 1 << self.universe.position(peer)


@dataclass(slots=True)
class Link:
    """Everything from one box to another. `crosses`: one of the boxes holds nothing in scope, or is outside."""

    key: tuple[str, str]
    parts: list[Part]
    entry: bool
    crosses: bool


class Places:
    """Which box every peer stands in. `scoped`: endpoints in scope; `shown`: peers whose links are drawn."""

    def __init__(self, facts: Facts, classes: ScopeClasses) -> None:
        self.universe = facts.network.universe
        self._classes = classes
        peers = self.universe.peers
        self.scoped = from_members(
            i for i, peer in enumerate(peers) if isinstance(peer, Endpoint) and classes.in_scope(peer)
        )
        self._boxes: dict[str, int] = {}
        self._box_of: dict[int, str] = {}
        grouped: dict[str, list[int]] = {}
        for place, peer in enumerate(peers):
            if (box := _box(peer)) is not None:
                grouped.setdefault(box, []).append(place)
                self._box_of[place] = box
        self._boxes = {box: from_members(grouped[box]) for box in sorted(grouped)}
        everything = from_members(self._box_of)
        self.shown = everything & ~(self.universe.host_network & ~self.scoped)

    @cached_property
    def internet(self) -> int:
        """The addresses of the internet."""
        return self._boxes.get(_OUTSIDE + INTERNET, 0)

    def boxes(self) -> list[r.DiagramBox]:
        """Every namespace, sorted."""
        counts: dict[str, int] = {}
        scoped = {self._box_of[place] for place in members(self.scoped)}
        for endpoint in self.universe.endpoints:
            counts[endpoint.namespace] = counts.get(endpoint.namespace, 0) + 1
        found = []
        for name in sorted({*self._classes.namespaces, *counts}):
            class_ = self._classes.namespaces.get(name, ScopeClass.UNCLASSIFIED)
            if name in scoped and class_ is not ScopeClass.UNCLASSIFIED:
                class_ = ScopeClass.IN_SCOPE
            found.append(
                r.DiagramBox.model_validate({"id": name, "class": class_, "workloads": counts.get(name, 0)})
            )
        return found

    def outside(self) -> list[r.DiagramOutside]:
        """Every network outside, sorted."""
        ids = sorted(box for box in self._boxes if "/" in box)
        return [r.DiagramOutside(id=id, name=id.removeprefix(_OUTSIDE)) for id in ids]

    def is_crossing(self, key: tuple[str, str]) -> bool:
        """Whether one of two boxes holds nothing in scope."""
        return not all(self._boxes[box] & self.scoped for box in key)

    def by_box(self, places: Iterable[int], anyway: bool = False) -> dict[tuple[str, bool], int]:
        """Peers by their box and whether they are in scope; `anyway` also those whose links aren't drawn."""
        found: dict[tuple[str, bool], list[int]] = {}
        for place in places:
            if place in self._box_of and (anyway or self.shown >> place & 1):
                key = self._box_of[place], bool(self.scoped >> place & 1)
                found.setdefault(key, []).append(place)
        return {key: from_members(inside) for key, inside in found.items()}

    def split(self, bits: int) -> Iterator[tuple[str, int]]:
        """Peers by their box."""
        if bits:
            for box, inside in self._boxes.items():
                if some := bits & inside:
                    yield box, some

    def gateways(self, row: EntryRow) -> int:
        """A controller's endpoints are drawn wherever they run."""
        return self.universe.host_network if row.way == "controller" else 0


def _box(peer: Peer) -> str | None:
    if isinstance(peer, Endpoint):
        return peer.namespace
    if not isinstance(peer, External) or peer.block.is_loopback:
        return None
    if peer.networks:
        return _OUTSIDE + peer.networks[0]
    return _OUTSIDE + (PRIVATE if peer.is_private else INTERNET)
