"""Sets of (port, peer) cells: disjoint port masks, each with the bits of the peers it holds for."""

from collections.abc import Iterable

Part = tuple[int, int]


class Cells:
    """An immutable set of cells. `parts` are (port mask, peer bits) with disjoint masks and non-empty bits."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self.parts: tuple[Part, ...] = tuple(parts)

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Cells":
        """From any parts: masks may overlap."""
        by_mask: dict[int, int] = {}
        for mask, peers in parts:
            by_mask[mask] = by_mask.get(mask, 0) | peers
        disjoint: list[Part] = []
        for mask, peers in by_mask.items():
            if mask and peers:
                disjoint = _insert(disjoint, mask, peers)
        return _compact(disjoint)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __or__(self, other: "Cells") -> "Cells":
        if not other.parts or self is other:
            return self
        if not self.parts:
            return other
        disjoint = list(self.parts)
        for mask, peers in other.parts:
            disjoint = _insert(disjoint, mask, peers)
        return _compact(disjoint)

    def __and__(self, other: "Cells") -> "Cells":
        if not self.parts or not other.parts:
            return NONE
        return _compact(
            [
                (both, peers)
                for mine, own in self.parts
                for theirs, foreign in other.parts
                if (both := mine & theirs) and (peers := own & foreign)
            ]
        )

    def __sub__(self, other: "Cells") -> "Cells":
        if not self.parts or not other.parts:
            return self
        left: list[Part] = []
        for mine, own in self.parts:
            rest = mine
            for theirs, foreign in other.parts:
                if both := rest & theirs:
                    if peers := own & ~foreign:
                        left.append((both, peers))
                    rest &= ~theirs
            if rest:
                left.append((rest, own))
        return _compact(left)

    def within(self, peers: int) -> "Cells":
        """Only the cells of some peers."""
        return Cells((mask, both) for mask, own in self.parts if (both := own & peers))

    def without(self, peers: int) -> "Cells":
        """The cells of all peers but some."""
        return Cells((mask, left) for mask, own in self.parts if (left := own & ~peers))

    def at(self, position: int) -> int:
        """The port mask of one peer."""
        found = 0
        for mask, peers in self.parts:
            if peers >> position & 1:
                found |= mask
        return found

    def same_as(self, other: "Cells") -> bool:
        """Whether both hold the same cells, however they are cut into parts."""
        return not (self - other) and not (other - self)

    @property
    def peers(self) -> int:
        """The peers of any cell."""
        found = 0
        for _, own in self.parts:
            found |= own
        return found


NONE = Cells()


def _insert(disjoint: list[Part], mask: int, peers: int) -> list[Part]:
    result: list[Part] = []
    for other, own in disjoint:
        if both := other & mask:
            result.append((both, own | peers))
            if rest := other & ~mask:
                result.append((rest, own))
            mask &= ~other
        else:
            result.append((other, own))
    if mask:
        result.append((mask, peers))
    return result


def _compact(parts: Iterable[Part]) -> Cells:
    """Join masks that have the same peers."""
    by_peers: dict[int, int] = {}
    for mask, peers in parts:
        by_peers[peers] = by_peers.get(peers, 0) | mask
    return Cells((mask, peers) for peers, mask in by_peers.items())
