"""The compiled layers put together as a packet meets them, and the subjects that meet the same rules.

connectivity.md 35-37.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

from auditor.network.bits import members
from auditor.network.cells import Cells
from auditor.network.ports import PortSet, PortTable
from auditor.network.representation import (
    BOTH,
    Bits,
    CompiledLayer,
    CompiledPolicy,
    Directed,
    Direction,
    Rule,
    Tier,
)

ClassKey = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One policy in its place: gates in order of name, tiers by order, policies by theirs."""

    position: int
    tier: Tier
    policy: CompiledPolicy
    directed: Directed


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """A data path before a change, and the ids of the objects of which the compiled policies changed."""

    datapath: "Datapath"
    changed: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """A number for each distinct set of subjects; for each peer the numbers of the sets that hold it; for each number the
    steps that select the set."""

    numbers: Mapping[Bits, int]
    keys: list[ClassKey]
    steps: Mapping[int, list[Step]]


class Datapath:
    """Ordered steps per direction, and the classes of subjects that the same steps select in the same way."""

    def __init__(
        self,
        layers: Sequence[CompiledLayer],
        count: int,
        marked: Sequence[Bits] = (),
        earlier: "Earlier | None" = None,
    ) -> None:
        replaced = {(tier.gate, tier.name): tier for layer in layers for tier in layer.tiers}
        placed = [
            (replaced.get((policy.tier.gate, policy.tier.name), policy.tier), policy)
            for layer in layers
            for policy in layer.policies
        ]
        placed.sort(key=lambda entry: _place(*entry))
        self._count = count
        self._earlier = earlier
        self._defined = PortSet.whole(*(protocol for layer in layers for protocol in layer.protocols))
        self._marked = marked
        self.gates: tuple[str, ...] = tuple(sorted({tier.gate for tier, _ in placed}))
        self.steps: Mapping[Direction, tuple[Step, ...]] = {
            direction: tuple(
                Step(position, tier, policy, policy.directions[direction])
                for position, (tier, policy) in enumerate(placed)
                if direction in policy.directions
            )
            for direction in BOTH
        }

    @cached_property
    def table(self) -> PortTable:
        """The port intervals that rules tell apart, those before the change included."""
        return self.told if self._earlier is None else self._earlier.datapath.table.refined(self.told)

    @cached_property
    def told(self) -> PortTable:
        """The port intervals that any rule tells apart."""
        named = (
            term.ports
            for steps in self.steps.values()
            for step in steps
            for rule in step.directed.rules
            for term in rule.terms
        )
        return PortTable(chain((self._defined,), named))

    @cached_property
    def _indexed(self) -> "Mapping[Direction, _Index]":
        return {direction: self._index(direction) for direction in BOTH}

    def _index(self, direction: Direction) -> "_Index":
        """Numbers for the distinct subject sets; an earlier data path's numbers, and so its classes, are kept."""
        earlier = self._earlier
        known = earlier.datapath._indexed[direction].numbers if earlier else {}
        numbers: dict[Bits, int] = dict(known)
        steps: dict[int, list[Step]] = {}
        for bits in () if earlier else self._marked:
            numbers.setdefault(bits, len(numbers))
        for step in self.steps[direction]:
            for bits in (step.directed.selects, step.directed.may_select):
                steps.setdefault(numbers.setdefault(bits, len(numbers)), []).append(step)
            if earlier is None or step.policy.object in earlier.changed:
                for rule in step.directed.rules:
                    for term in rule.terms:
                        numbers.setdefault(term.subjects, len(numbers))
        return _Index(numbers, self._keys(direction, numbers, len(known)), steps)

    def _keys(self, direction: Direction, numbers: Mapping[Bits, int], known: int) -> list[ClassKey]:
        """For each peer the numbers of the sets that hold it; those below `known` are taken over."""
        more: dict[int, list[int]] = {}
        for bits, number in islice(numbers.items(), known, None):
            for position in members(bits):
                more.setdefault(position, []).append(number)
        keys: list[ClassKey] = [()] * self._count
        if self._earlier is not None:
            keys[: len(self._earlier.datapath._indexed[direction].keys)] = self._earlier.datapath._indexed[
                direction
            ].keys
        for position, found in more.items():
            keys[position] = (*keys[position], *found)
        return keys

    def class_of(self, position: int, direction: Direction) -> ClassKey:
        """What tells subjects apart; peers that nothing selects (nodes, externals) have the empty key."""
        return self._indexed[direction].keys[position]

    def steps_for(self, key: ClassKey, direction: Direction) -> list[Step]:
        """The steps that select, or may select, subjects of a class, in their order."""
        by_id = self._indexed[direction].steps
        found = {step.position: step for number in key for step in by_id.get(number, ())}
        return [found[position] for position in sorted(found)]

    def classes(self, direction: Direction) -> Mapping[ClassKey, list[int]]:
        """The members of each class."""
        found: dict[ClassKey, list[int]] = {}
        for position, key in enumerate(self._indexed[direction].keys):
            found.setdefault(key, []).append(position)
        return found

    @cached_property
    def _rule_cells(self) -> dict[tuple[int, ...], Cells]:
        return {}

    def cells(self, rule: Rule, subject: int, unsure: bool) -> Cells:
        """The (port, peer) cells that a rule matches for a subject: for certain, or only possibly."""
        chosen = [
            i
            for i, term in enumerate(rule.terms)
            if term.subjects >> subject & 1 and (term.unsure is not None) == unsure
        ]
        if not chosen:
            return Cells()
        key = (id(rule), *chosen)
        found = self._rule_cells.get(key)
        if found is None:
            terms = [rule.terms[i] for i in chosen]
            found = Cells.of((self.table.mask(term.ports), term.peers) for term in terms)
            self._rule_cells[key] = found
        return found


def _place(
    tier: Tier, policy: CompiledPolicy
) -> tuple[str, float, str, tuple[tuple[int, float, str], ...], str]:
    return tier.gate, tier.order, tier.name, tuple(_sortable(part) for part in policy.order), policy.object


def _sortable(part: float | str) -> tuple[int, float, str]:
    return (1, 0.0, part) if isinstance(part, str) else (0, float(part), "")
