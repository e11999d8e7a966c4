"""Which pairs fare differently after a change of policies: only those with an end that the change touches are looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.network.bits import members
from auditor.network.cells import Cells
from auditor.network.connectivity import Connectivity
from auditor.network.judgement import Basis, Verdicts
from auditor.network.pairs import Column, exempt, join_columns
from auditor.network.ports import PortSet
from auditor.network.recheck import Rechecked
from auditor.network.representation import BOTH, Bits, Direction
from auditor.network.translation import Translation

_OPPOSITE = {Direction.INGRESS: Direction.EGRESS, Direction.EGRESS: Direction.INGRESS}


@dataclass(frozen=True, slots=True)
class Sides:
    """Ports that are reachable for certain (conditions included), and those of which it can't be told."""

    reachable: PortSet
    uncertain: PortSet


@dataclass(frozen=True, slots=True)
class PairChange:
    """Every source fares differently with every destination than before; an endpoint's pair with itself says nothing."""

    sources: Bits
    destinations: Bits
    before: Sides
    after: Sides


def changed_pairs(before: Connectivity, found: Rechecked, basis: Basis) -> Iterator[PairChange]:
    """Every ordered pair of the new state's peers that fares differently, in exactly one of the changes.

    Needs a recheck that kept what was known.
    """
    if found.translation is None:
        raise ValueError("everything was computed anew: the two states have nothing in common to compare by")
    for direction in BOTH:
        if found.touched[direction]:
            yield from _Comparison(before, found, found.translation, direction, basis).changes()


class _Comparison:
    """The pairs of which the touched peer is the subject of one direction. Those touched at both ends belong to ingress."""

    def __init__(
        self,
        before: Connectivity,
        found: Rechecked,
        translation: Translation,
        direction: Direction,
        basis: Basis,
    ) -> None:
        self._before, self._after, self._translation = before, found.after, translation
        self._direction, self._basis = direction, basis
        self._touched = found.touched
        self._universe = found.after.universe
        self._old = before.transposed(_OPPOSITE[direction], basis)
        self._new = found.after.transposed(_OPPOSITE[direction], basis)

    def changes(self) -> Iterator[PairChange]:
        """Subjects that fare alike are looked at once."""
        groups: dict[object, list[int]] = {}
        for position in members(self._touched[self._direction]):
            groups.setdefault(self._key(position), []).append(position)
        for positions in groups.values():
            subjects = sum(1 << position for position in positions)
            for others, before, after in self._of(positions[0]):
                ends = (others, subjects) if self._direction is Direction.INGRESS else (subjects, others)
                yield PairChange(*ends, before, after)

    def _key(self, position: int) -> object:
        earlier = self._translation.cut.position(position)
        return (
            self._before.datapath.class_of(earlier, self._direction),
            self._after.datapath.class_of(position, self._direction),
            self._old.key(earlier),
            self._new.key(position),
            self._universe.own_node(position),
        )

    def _of(self, position: int) -> Iterator[tuple[Bits, Sides, Sides]]:
        earlier = self._translation.cut.position(position)
        was = self._translation.verdicts(self._before.judge.of(earlier, self._direction, self._basis))
        now = self._after.judge.of(position, self._direction, self._basis)
        among = self._among(was, now)
        old = [self._translation.cells(cells) for cells in self._old.at(earlier)]
        one = self._joined(position, was, (old[0], old[1], old[2], old[3]), among)
        other = self._joined(position, now, self._new.at(position), among)
        for peers, masks in _split_by((*one, *other), among):
            before, after = self._sides(masks[:4]), self._sides(masks[4:])
            if before != after:
                yield peers, before, after

    def _among(self, was: Verdicts, now: Verdicts) -> Bits:
        """The peers for which either end changed."""
        found = 0
        for one, other in zip(was.parts, now.parts, strict=True):
            if one is not other:
                found |= (one - other).peers | (other - one).peers
        if self._direction is Direction.INGRESS:
            return found | self._touched[Direction.EGRESS]
        return found & ~self._touched[Direction.INGRESS]

    def _joined(self, position: int, own: Verdicts, opposite: Column, among: Bits) -> Column:
        near = self._universe.own_node(position)
        column = join_columns(_within(own.parts, among), _within(opposite, among))
        full = self._after.datapath.table.full
        return exempt(column, full, near.must & among, near.may & among)

    def _sides(self, masks: Sequence[int]) -> Sides:
        allowed, conditional, indeterminate, unenforced = masks
        ports = self._after.ports
        return Sides(ports(allowed | conditional | unenforced), ports(indeterminate))


def _within(column: Column, among: Bits) -> Column:
    return column[0].within(among), column[1].within(among), column[2].within(among), column[3].within(among)


def _split_by(columns: Sequence[Cells], among: Bits) -> Iterator[tuple[Bits, tuple[int, ...]]]:
    """Peers by their masks in every column."""
    groups: dict[tuple[int, ...], Bits] = {(0,) * len(columns): among} if among else {}
    for number, cells in enumerate(columns):
        for mask, peers in cells.parts:
            split: dict[tuple[int, ...], Bits] = {}
            for masks, own in groups.items():
                if inside := own & peers:
                    more = (*masks[:number], masks[number] | mask, *masks[number + 1 :])
                    split[more] = split.get(more, 0) | inside
                if outside := own & ~peers:
                    split[masks] = split.get(masks, 0) | outside
            groups = split
    return ((peers, masks) for masks, peers in groups.items())
