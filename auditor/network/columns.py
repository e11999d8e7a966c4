"""The verdicts of all subjects seen from the other end: for each peer, which subjects let it through and on which ports.

Rows with equal peers are joined and large rows entered as exceptions from everything, so the cost follows the number of
distinct rules, not of pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.network.bits import from_members, members
from auditor.network.cells import NONE, Cells, Part
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.pairs import Column
from auditor.network.representation import Direction


@dataclass(slots=True)
class _Kind:
    """One verdict's transposed cells: rows by distinct peer bits."""

    rows: list[list[Part]]
    base: Cells
    small: list[list[int]]
    holes: list[list[int]]
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], Cells] = field(default_factory=dict)

    def key(self, position: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(self.small[position]), tuple(self.holes[position])

    def column(self, position: int) -> Cells:
        key = self.key(position)
        found = self.known.get(key)
        if found is None:
            small, holes = key
            without = Cells.of(part for number in holes for part in self.rows[number])
            added = Cells.of(part for number in small for part in self.rows[number])
            found = self.known[key] = (self.base - without) | added
        return found


class Columns:
    """All subjects' verdicts in one direction, indexed by peer."""

    def __init__(self, judge: Judge, direction: Direction, basis: Basis, size: int) -> None:
        classes = judge.datapath.classes(direction)
        verdicts = [
            (from_members(positions), judge.of_class(key, positions[0], direction, basis))
            for key, positions in classes.items()
        ]
        self._kinds = [_transpose(verdicts, index, size) for index in range(4)]

    def at(self, position: int) -> Column:
        """For a peer, the cells of subjects: allowed, conditional, indeterminate, declared but not enforced."""
        allowed, conditional, indeterminate, unenforced = (kind.column(position) for kind in self._kinds)
        return allowed, conditional, indeterminate, unenforced

    def key(self, position: int) -> tuple[object, ...]:
        """Peers with equal keys have equal columns."""
        return tuple(kind.key(position) for kind in self._kinds)


def _transpose(verdicts: Sequence[tuple[int, Verdicts]], index: int, size: int) -> _Kind:
    by_peers: dict[int, dict[int, int]] = {}
    for subjects, verdict in verdicts:
        for mask, peers in verdict.parts[index].parts:
            row = by_peers.setdefault(peers, {})
            row[mask] = row.get(mask, 0) | subjects
    rows: list[list[Part]] = []
    large: list[Part] = []
    small: list[list[int]] = [[] for _ in range(size)]
    holes: list[list[int]] = [[] for _ in range(size)]
    everyone = (1 << size) - 1
    for number, (peers, masks) in enumerate(by_peers.items()):
        rows.append(list(masks.items()))
        if peers.bit_count() * 2 > size:
            large.extend(masks.items())
            for position in members(everyone & ~peers):
                holes[position].append(number)
        else:
            for position in members(peers):
                small[position].append(number)
    return _Kind(rows, Cells.of(large) if large else NONE, small, holes)
