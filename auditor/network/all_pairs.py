"""All pairs at once: peers that decide alike in one group, and one verdict for every ordered pair of groups.

What a peer meets on its own side depends on its class; what the other end meets there on the rules that name it. Pairs
of those two are few, so verdicts, causes and deciding rules are computed once for each such pair (connectivity.md, a
representation that scales). Own-node traffic (point 10) then splits the groups in which it makes a difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, RuleRef
from auditor.network.addresses import External
from auditor.network.bits import flags, from_members, members
from auditor.network.enforcement import Enforcement
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.pairs import Masks, join_masks
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Because
from auditor.network.reasons import cause
from auditor.network.representation import Action, Bits, Direction
from auditor.network.trace import walk
from auditor.network.universe import Peer, Universe

_PLACEMENT = cause("indeterminate.node-placement")
_UNDECIDED = cause("indeterminate.undecided")
_CORE, _MAYBE_NEAR, _NEAR = 0, 1, 2
_NETWORK_USER, _POD, _EXTERNAL = 0, 1, 2
_CUTS_AT_ONCE = 512
Numbers = NDArray[np.int32]
_Tag = tuple[int, int, tuple[int, ...]]
"""What keeps peers apart however alike they decide: their kind, an external range's position, the marks."""


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What one group reaches of another. Ports in none of the three are denied; `decided_by` are the rules behind them."""

    allowed: PortSet
    conditional: Because
    indeterminate: Because
    decided_by: tuple[RuleRef, ...]

    def __bool__(self) -> bool:
        return bool(self.allowed or self.conditional or self.indeterminate)


DENIED = PairVerdict(NOTHING, (), (), ())


@dataclass(frozen=True, slots=True)
class PeerGroup:
    """Peers that decide alike: endpoints and nodes, or a single external range."""

    peers: tuple[Peer, ...]

    @property
    def external(self) -> External | None:
        """The external range, None for groups of endpoints."""
        first = self.peers[0]
        return first if isinstance(first, External) else None


@dataclass(frozen=True, slots=True)
class _Profile:
    """What one side says of a peer: masks by verdict, causes, and the rules that match."""

    masks: Masks
    notes: tuple[tuple[int, Cause], ...]
    rules: tuple[tuple[int, RuleRef], ...]


@dataclass(slots=True)
class _Interned:
    """Profiles by number."""

    known: dict[_Profile, int] = field(default_factory=dict)
    listed: list[_Profile] = field(default_factory=list)

    def number(self, profile: _Profile) -> int:
        found = self.known.get(profile)
        if found is None:
            found = self.known[profile] = len(self.listed)
            self.listed.append(profile)
        return found


class _Side:
    """One direction: the class of every peer as a subject, and for each class the peers by their profile."""

    def __init__(
        self,
        universe: Universe,
        judge: Judge,
        enforcement: Enforcement | None,
        direction: Direction,
        basis: Basis,
        profiles: _Interned,
    ) -> None:
        self._universe, self._judge, self._enforcement = universe, judge, enforcement
        self._direction, self._basis, self._profiles = direction, basis, profiles
        self.class_at: Numbers = np.zeros(len(universe.peers), np.int32)
        self.cuts: dict[Bits, None] = {}
        """Every set of peers that some class sees differently from the others."""
        self._seen: list[list[tuple[Bits, int]]] = []
        for number, (key, positions) in enumerate(judge.datapath.classes(direction).items()):
            self.class_at[positions] = number
            self._seen.append(list(self._blocks(key, positions[0])))

    def seen(self, peers: NDArray[np.intp]) -> Numbers:
        """The profile that each class (a row) has of each of these peers (a column)."""
        count = len(self._universe.peers)
        found = np.zeros((len(self._seen), len(peers)), np.int32)
        for row, blocks in zip(found, self._seen, strict=True):
            if len(blocks) == 1:
                row[:] = blocks[0][1]
                continue
            for block, profile in blocks:
                row[flags(block, count)[peers]] = profile
        return found

    def _blocks(self, key: tuple[int, ...], subject: int) -> Iterator[tuple[Bits, int]]:
        datapath = self._judge.datapath
        verdicts = self._judge.of_class(key, subject, self._direction, self._basis)
        steps = datapath.steps_for(key, self._direction)
        cells = [*verdicts.parts, *(cells for cells, _ in verdicts.notes)]
        cells += [
            datapath.cells(rule, subject, unsure)
            for step in steps
            for rule in step.directed.rules
            for unsure in (False, True)
        ]
        blocks = [self._universe.everything]
        found = dict.fromkeys(bits for entry in cells for _, bits in entry.parts)
        self.cuts.update(found)
        for bits in found:
            blocks = [part for block in blocks for part in (block & bits, block & ~bits) if part]
        for block in blocks:
            yield block, self._profiles.number(self._profile(verdicts, key, subject, next(members(block))))

    def _profile(self, verdicts: Verdicts, key: tuple[int, ...], subject: int, peer: int) -> _Profile:
        datapath = self._judge.datapath
        allowed, conditional, indeterminate, unenforced = (part.at(peer) for part in verdicts.parts)
        notes = ((cells.at(peer), why) for cells, why in verdicts.notes)
        steps = datapath.steps_for(key, self._direction)
        events = walk(datapath, steps, subject, peer, datapath.table.full, self._enforcement)
        rules = (
            (event.mask, event.rule.ref)
            for event in events
            if event.rule is not None and event.rule.action is not Action.PASS
        )
        return _Profile(
            (allowed, conditional, indeterminate, unenforced),
            tuple((mask, why) for mask, why in notes if mask),
            tuple(dict.fromkeys(rules)),
        )


class _Joined:
    """Verdicts of pairs of profiles, each computed once; number 0 is "denied"."""

    def __init__(self, judge: Judge, profiles: _Interned) -> None:
        self._table = judge.datapath.table
        self._profiles = profiles
        self.known: dict[tuple[int, int, int], int] = {}
        self._numbers: dict[PairVerdict, int] = {DENIED: 0}
        self.listed: list[PairVerdict] = [DENIED]
        self.full: set[int] = set()

    def number(self, outward: int, inward: int, near: int = _CORE) -> int:
        """The verdict where the source's egress gives one profile and the destination's ingress the other."""
        key = (outward, inward, near)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._compute(outward, inward, near)
        return found

    def _compute(self, outward: int, inward: int, near: int) -> int:
        if near == _NEAR:
            return self._intern(PairVerdict(self._table.ports(self._table.full), (), (), ()), True)
        one, other = self._profiles.listed[outward], self._profiles.listed[inward]
        masks = join_masks(one.masks, other.masks)
        if near == _CORE and not any(masks):
            return 0
        allowed, conditional, indeterminate = masks[0] | masks[3], masks[1], masks[2]
        notes = [*one.notes, *other.notes]
        if near == _MAYBE_NEAR:
            indeterminate |= self._table.full & ~(allowed | conditional)
            notes.append((self._table.full, _PLACEMENT))
        unknown = [entry for entry in notes if entry[1].code.startswith("indeterminate.")]
        limited = [entry for entry in notes if not entry[1].code.startswith("indeterminate.")]
        opened = allowed | conditional | indeterminate
        verdict = PairVerdict(
            self._table.ports(allowed),
            self._because(conditional, limited),
            self._because(indeterminate, [*unknown, *limited]),
            tuple(sorted({ref for mask, ref in (*one.rules, *other.rules) if mask & opened})),
        )
        return self._intern(verdict, allowed == self._table.full)

    def _because(self, mask: int, notes: Sequence[tuple[int, Cause]]) -> Because:
        found = []
        for covered, why in notes:
            if both := mask & covered:
                found.append((self._table.ports(both), why))
                mask &= ~both
        if mask:
            found.append((self._table.ports(mask), _UNDECIDED))
        return tuple(found)

    def _intern(self, verdict: PairVerdict, full: bool) -> int:
        if not verdict:
            return 0
        number = self._numbers.setdefault(verdict, len(self.listed))
        if number == len(self.listed):
            self.listed.append(verdict)
        if full:
            self.full.add(number)
        return number


@dataclass(frozen=True, slots=True)
class _Group:
    """Peers of one atom; `nodes` where own-node traffic makes a difference, else None."""

    bits: Bits
    atom: int
    kind: int
    nodes: frozenset[str] | None


class AllPairs:
    """Groups of peers and the verdict for every ordered pair of them.

    `marks` are sets of peers that no group may mix with others (scope classes, say). Pairs of two external ranges are left
    out: that traffic isn't the cluster's. A group's pair with itself is about any two distinct members.
    """

    def __init__(
        self,
        universe: Universe,
        judge: Judge,
        enforcement: Enforcement,
        basis: Basis,
        marks: Sequence[Bits] = (),
    ) -> None:
        self._universe = universe
        profiles = _Interned()
        counting = None if basis is Basis.DECLARED else enforcement
        outward, inward = (
            _Side(universe, judge, counting, direction, basis, profiles)
            for direction in (Direction.EGRESS, Direction.INGRESS)
        )
        self._joined = _Joined(judge, profiles)
        self._profiles = profiles
        self._atoms, self._tags = self._split(outward, inward, marks)
        self._kinds = np.array([tag[0] for tag in self._tags], np.int32)
        first = np.array([next(members(bits)) for bits in self._atoms], np.intp)
        self._classes = outward.class_at[first], inward.class_at[first]
        self._outward, self._inward = outward.seen(first), inward.seen(first)
        self._rows = self._verdicts_of_atoms()
        self._live = list(self._merge())
        self._groups = list(self._near_groups())

    @property
    def groups(self) -> tuple[PeerGroup, ...]:
        """Every peer in exactly one group."""
        return tuple(PeerGroup(tuple(self._universe.of(group.bits))) for group in self._groups)

    @property
    def verdicts(self) -> Sequence[PairVerdict]:
        """By the numbers that `matrix` and `rows` give; complete once they have run."""
        return self._joined.listed

    def matrix(self) -> Numbers:
        """The verdict's number for every source group (a row) and destination group; 0 where all is denied or unsaid."""
        atoms = np.array([group.atom for group in self._groups], np.intp)
        found: Numbers = np.zeros((len(atoms), len(atoms)), np.int32)
        outside = np.array([group.kind == _EXTERNAL for group in self._groups], bool)
        for i, source in enumerate(self._groups):
            found[i] = self._rows[source.atom][atoms]
            self._apply_near(source, found[i])
            if source.bits.bit_count() == 1:
                found[i, i] = 0
            if source.kind == _EXTERNAL:
                found[i, outside] = 0
        return found

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """(source group, destination group, verdict) for every pair that isn't denied altogether."""
        for i, line in enumerate(self.matrix()):
            for j in np.flatnonzero(line).tolist():
                yield i, j, int(line[j])

    # -- atoms ------------------------------------------------------------------------------------------------------

    def _split(self, outward: _Side, inward: _Side, marks: Sequence[Bits]) -> tuple[list[Bits], list[_Tag]]:
        """Peers with equal classes that every class sees alike; external ranges stay by themselves."""
        cuts = list({**outward.cuts, **inward.cuts})
        seen = _columns(cuts, len(self._universe.peers))
        found: dict[object, list[int]] = {}
        tags: dict[object, _Tag] = {}
        classes = zip(outward.class_at.tolist(), inward.class_at.tolist(), strict=True)
        for position, pair in enumerate(classes):
            kind = self._kind(position)
            marked = tuple(bits >> position & 1 for bits in marks)
            tag = (kind, position if kind == _EXTERNAL else -1, marked)
            key = (tag, pair, seen[position].tobytes())
            found.setdefault(key, []).append(position)
            tags[key] = tag
        return [from_members(positions) for positions in found.values()], list(tags.values())

    def _kind(self, position: int) -> int:
        if self._universe.outside >> position & 1:
            return _EXTERNAL
        return _POD if self._universe.pods >> position & 1 else _NETWORK_USER

    def _verdicts_of_atoms(self) -> Numbers:
        """The verdict's number for every ordered pair of atoms, computed once for each pair of profiles."""
        count, width = len(self._atoms), len(self._profiles.listed)
        found: Numbers = np.zeros((count, count), np.int32)
        inward = np.ascontiguousarray(self._inward.T)
        number = self._joined.number
        for atom in range(count):
            out = self._outward[self._classes[0][atom]].astype(np.int64)
            keys, places = np.unique(out * width + inward[atom][self._classes[1]], return_inverse=True)
            known = np.array([number(*divmod(key, width)) for key in keys.tolist()], np.int32)
            found[atom] = known[places]
        return found

    def _merge(self) -> Iterator[int]:
        """Join atoms of which all verdicts are equal, in both directions; gives those that remain."""
        columns = np.ascontiguousarray(self._rows.T)
        alike: dict[object, list[int]] = {}
        for atom, (row, column) in enumerate(zip(self._rows, columns, strict=True)):
            alike.setdefault((self._tags[atom], _digest(row), _digest(column)), []).append(atom)
        for first, *others in alike.values():
            for other in others:
                self._atoms[first] |= self._atoms[other]
            yield first

    # -- own node -----------------------------------------------------------------------------------------------------

    def _near_groups(self) -> Iterator[_Group]:
        """Split the atoms by node where a pod and the users of its node's network are not already free to connect."""
        open_ = np.zeros(len(self._joined.listed), bool)
        open_[list(self._joined.full)] = True
        live = np.array(self._live, np.intp)
        by_kind = {kind: live[self._kinds[live] == kind] for kind in (_NETWORK_USER, _POD)}
        for atom in self._live:
            kind = int(self._kinds[atom])
            others = by_kind[1 - kind] if kind != _EXTERNAL else live[:0]
            matters = not (open_[self._rows[atom, others]].all() and open_[self._rows[others, atom]].all())
            if not matters:
                yield _Group(self._atoms[atom], atom, kind, None)
                continue
            by_nodes: dict[frozenset[str], list[int]] = {}
            for position in members(self._atoms[atom]):
                by_nodes.setdefault(self._nodes(position), []).append(position)
            for nodes, positions in by_nodes.items():
                yield _Group(from_members(positions), atom, kind, nodes)

    def _nodes(self, position: int) -> frozenset[str]:
        peer = self._universe.peers[position]
        return peer.node_names if isinstance(peer, Endpoint) else frozenset({getattr(peer, "name", "")})

    def _apply_near(self, source: _Group, line: Numbers) -> None:
        if source.nodes is None:
            return
        for j, other in enumerate(self._groups):
            if other.nodes is None or other.kind == source.kind:
                continue
            if not source.nodes or not other.nodes:
                line[j] = self._joined.number(*self._profiles_of(source.atom, other.atom), _MAYBE_NEAR)
            elif source.nodes & other.nodes:
                line[j] = self._joined.number(*self._profiles_of(source.atom, other.atom), _NEAR)

    def _profiles_of(self, source: int, destination: int) -> tuple[int, int]:
        outward = self._outward[self._classes[0][source], destination]
        return int(outward), int(self._inward[self._classes[1][destination], source])


def _columns(sets: Sequence[Bits], count: int) -> NDArray[np.uint8]:
    """For each of `count` peers (a row) the sets that hold it, eight to a byte."""
    parts = [
        np.packbits(np.array([flags(bits, count) for bits in sets[start : start + _CUTS_AT_ONCE]]), axis=0).T
        for start in range(0, len(sets), _CUTS_AT_ONCE)
    ]
    return np.concatenate([np.zeros((count, 1), np.uint8), *parts], axis=1)


def _digest(line: Numbers) -> bytes:
    return blake2b(line.tobytes(), digest_size=32).digest()
