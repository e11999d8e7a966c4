"""All pairs at once: peers that decide alike in one group, and one verdict for every ordered pair of groups.

What a peer meets on its own side depends on its class; what the other end meets there on the rules that name it. Pairs
of those two are few, so verdicts, causes and deciding rules are computed once for each such pair (connectivity.md, a
representation that scales). Own-node traffic (point 10) then splits the groups in which it makes a difference.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, RuleRef
from auditor.network.addresses import External
from auditor.network.bits import from_members, members
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
    """One direction: the class of every peer as a subject, and for each class the profile of every peer."""

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
        count = len(universe.peers)
        self.class_at = array("l", [0]) * count
        self.columns: list[array[int]] = []
        for number, (key, positions) in enumerate(judge.datapath.classes(direction).items()):
            for position in positions:
                self.class_at[position] = number
            column = array("l", [0]) * count
            for block, profile in self._blocks(key, positions[0]):
                for position in members(block):
                    column[position] = profile
            self.columns.append(column)

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
        for bits in dict.fromkeys(bits for entry in cells for _, bits in entry.parts):
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
        self._atoms, self._tags = self._split(outward, inward, marks)
        self._kinds = [tag[0] for tag in self._tags]
        first = [next(members(bits)) for bits in self._atoms]
        self._classes = [(outward.class_at[p], inward.class_at[p]) for p in first]
        self._outward = [[column[p] for p in first] for column in outward.columns]
        self._inward = [[column[p] for p in first] for column in inward.columns]
        rows = [array("l", self._row(atom)) for atom in range(len(first))]
        self._rows = rows
        self._live = list(self._merge())
        self._groups = list(self._near_groups())

    @property
    def groups(self) -> tuple[PeerGroup, ...]:
        """Every peer in exactly one group."""
        return tuple(PeerGroup(tuple(self._universe.of(group.bits))) for group in self._groups)

    @property
    def verdicts(self) -> Sequence[PairVerdict]:
        """By the numbers that `rows` gives; complete once `rows` has run."""
        return self._joined.listed

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """(source group, destination group, verdict) for every pair that isn't denied altogether."""
        atoms = [group.atom for group in self._groups]
        for i, source in enumerate(self._groups):
            row = self._rows[source.atom]
            line = [row[atom] for atom in atoms]
            self._apply_near(source, line)
            for j, verdict in enumerate(line):
                if verdict and not self._is_left_out(i, j):
                    yield i, j, verdict

    def _is_left_out(self, i: int, j: int) -> bool:
        if i == j:
            return self._groups[i].bits.bit_count() == 1
        return self._groups[i].kind == _EXTERNAL and self._groups[j].kind == _EXTERNAL

    # -- atoms ------------------------------------------------------------------------------------------------------

    def _split(self, outward: _Side, inward: _Side, marks: Sequence[Bits]) -> tuple[list[Bits], list[_Tag]]:
        """Peers with equal classes that every class sees alike; external ranges stay by themselves."""
        found: dict[object, list[int]] = {}
        tags: dict[object, _Tag] = {}
        for position, seen in enumerate(zip(*outward.columns, *inward.columns, strict=True)):
            kind = self._kind(position)
            marked = tuple(bits >> position & 1 for bits in marks)
            tag = (kind, position if kind == _EXTERNAL else -1, marked)
            key = (tag, outward.class_at[position], inward.class_at[position], seen)
            found.setdefault(key, []).append(position)
            tags[key] = tag
        return [from_members(positions) for positions in found.values()], list(tags.values())

    def _kind(self, position: int) -> int:
        if self._universe.outside >> position & 1:
            return _EXTERNAL
        return _POD if self._universe.pods >> position & 1 else _NETWORK_USER

    def _row(self, atom: int) -> Iterator[int]:
        known, number = self._joined.known, self._joined.number
        sees = self._outward[self._classes[atom][0]]
        seen = [column[atom] for column in self._inward]
        for outward, (_, inward) in zip(sees, self._classes, strict=True):
            key = (outward, seen[inward], _CORE)
            yield known[key] if key in known else number(*key)

    def _merge(self) -> Iterator[int]:
        """Join atoms of which all verdicts are equal, in both directions; gives those that remain."""
        alike: dict[object, list[int]] = {}
        for atom, row in enumerate(self._rows):
            alike.setdefault((self._tags[atom], row.tobytes()), []).append(atom)
        for candidates in alike.values():
            columns: dict[object, list[int]] = {}
            for atom in candidates:
                key = tuple(row[atom] for row in self._rows) if len(candidates) > 1 else ()
                columns.setdefault(key, []).append(atom)
            for first, *others in columns.values():
                for other in others:
                    self._atoms[first] |= self._atoms[other]
                yield first

    # -- own node -----------------------------------------------------------------------------------------------------

    def _near_groups(self) -> Iterator[_Group]:
        """Split the atoms by node where a pod and the users of its node's network are not already free to connect."""
        by_kind = {kind: [a for a in self._live if self._kinds[a] == kind] for kind in (_NETWORK_USER, _POD)}
        full = self._joined.full
        for atom in self._live:
            kind = self._kinds[atom]
            others = by_kind.get(1 - kind, []) if kind != _EXTERNAL else []
            matters = any(self._rows[atom][o] not in full or self._rows[o][atom] not in full for o in others)
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

    def _apply_near(self, source: _Group, line: list[int]) -> None:
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
        outward = self._outward[self._classes[source][0]][destination]
        return outward, self._inward[self._classes[destination][1]][source]
