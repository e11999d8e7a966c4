"""The verdicts of all subjects seen from the other end: for each peer, which subjects let it through and on which ports.

Rows with equal peers are joined and large rows entered as exceptions from everything, so the cost follows the number of
distinct rules, not of pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.network.bits import from_members, members, transposed
from auditor.network.cells import NONE, Cells, Part
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.pairs import Column
from auditor.network.representation import Bits, Direction
from auditor.network.translation import Translation


class _Membership:
    """For each peer the numbers of the rows that hold it, as a set: a matrix of bits, turned over."""

    def __init__(self, rows: Sequence[Bits], size: int) -> None:
        self._turned = transposed(rows, size) if rows else None

    def of(self, position: int) -> Bits:
        return 0 if self._turned is None else int.from_bytes(self._turned[position].tobytes(), "little")


@dataclass(slots=True)
class _Kind:
    """One verdict's transposed cells: rows by distinct peer bits."""

    rows: list[list[Part]]
    base: Cells
    small: "_Membership"
    holes: "_Membership"
    known: dict[tuple[Bits, Bits], Cells] = field(default_factory=dict)

    def key(self, position: int) -> tuple[Bits, Bits]:
        return self.small.of(position), self.holes.of(position)

    def column(self, position: int) -> Cells:
        key = self.key(position)
        found = self.known.get(key)
        if found is None:
            small, holes = key
            without = Cells.of(part for number in members(holes) for part in self.rows[number])
            added = Cells.of(part for number in members(small) for part in self.rows[number])
            found = self.known[key] = (self.base - without) | added
        return found


class Columns:
    """All subjects' verdicts in one direction, indexed by peer."""

    def __init__(self, verdicts: Sequence[tuple[Bits, Verdicts]], size: int) -> None:
        """From disjoint sets of subjects with their verdicts, over `size` peers."""
        self._kinds = [_transpose(verdicts, index, size) for index in range(4)]

    def at(self, position: int) -> Column:
        """For a peer, the cells of subjects: allowed, conditional, indeterminate, declared but not enforced."""
        allowed, conditional, indeterminate, unenforced = (kind.column(position) for kind in self._kinds)
        return allowed, conditional, indeterminate, unenforced

    def key(self, position: int) -> tuple[object, ...]:
        """Peers with equal keys have equal columns."""
        return tuple(kind.key(position) for kind in self._kinds)


class PatchedColumns:
    """Columns in which some subjects' verdicts have been replaced by newer ones."""

    def __init__(
        self, base: "Columns | PatchedColumns", translation: Translation, newer: Columns, replaced: Bits
    ) -> None:
        self._base, self._translation, self._newer, self._replaced = base, translation, newer, replaced
        self._known: dict[object, Column] = {}

    def at(self, position: int) -> Column:
        """As `Columns.at`."""
        key = self.key(position)
        found = self._known.get(key)
        if found is None:
            older = self._base.at(self._translation.cut.position(position))
            kept = [self._translation.cells(cells).without(self._replaced) for cells in older]
            newer = self._newer.at(position)
            allowed, conditional, indeterminate, unenforced = (
                part | more for part, more in zip(kept, newer, strict=True)
            )
            found = self._known[key] = (allowed, conditional, indeterminate, unenforced)
        return found

    def key(self, position: int) -> tuple[object, ...]:
        """As `Columns.key`."""
        return self._base.key(self._translation.cut.position(position)), self._newer.key(position)


AnyColumns = Columns | PatchedColumns


def columns_of(judge: Judge, direction: Direction, basis: Basis, size: int, among: Bits) -> Columns:
    """The columns of the subjects in `among`, which holds whole classes."""
    classes = judge.datapath.classes(direction)
    verdicts = [
        (from_members(positions), judge.of_class(key, positions[0], direction, basis))
        for key, positions in classes.items()
        if among >> positions[0] & 1
    ]
    return Columns(verdicts, size)


def _transpose(verdicts: Sequence[tuple[int, Verdicts]], index: int, size: int) -> _Kind:
    by_peers: dict[int, dict[int, int]] = {}
    for subjects, verdict in verdicts:
        for mask, peers in verdict.parts[index].parts:
            row = by_peers.setdefault(peers, {})
            row[mask] = row.get(mask, 0) | subjects
    rows: list[list[Part]] = []
    large: list[Part] = []
    small: list[Bits] = []
    holes: list[Bits] = []
    everyone = (1 << size) - 1
    for peers, masks in by_peers.items():
        rows.append(list(masks.items()))
        is_large = peers.bit_count() * 2 > size
        if is_large:
            large.extend(masks.items())
        small.append(0 if is_large else peers)
        holes.append(everyone & ~peers if is_large else 0)
    base = Cells.of(large) if large else NONE
    return _Kind(rows, base, _Membership(small, size), _Membership(holes if large else (), size))
