"""What a rule changes, found by taking it away: verdicts before and after, over every class of pods that it selects.

For systems in which rules come in an order, or deny, so that rules don't simply add up (Calico's tiers, Cilium's denies,
the cluster-wide policies of the Kubernetes network policy group).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from auditor.network.cells import NONE, Cells
from auditor.network.datapath import ClassKey, Step
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.representation import BOTH, Action, Direction, Rule
from auditor.network.support import NETWORK_LAYERS

MAX_EVALUATIONS = 20_000
"""So many classes are judged again in all; of rules whose turn comes later it isn't told whether they do anything."""
_GATE = "network"


@dataclass(frozen=True, slots=True)
class Place:
    """A rule by its object and its path in it."""

    object: str
    path: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What taking a rule away does. `needed`: something changes, or it can't be told that nothing does.

    `shadowed`: others that come first take everything it matches. `by`: the rules that decide instead of it.
    """

    needed: bool
    shadowed: bool = False
    by: tuple[Place, ...] = ()


NEEDED = Effect(True)


@dataclass(slots=True)
class _Unit:
    """The rules of a place, in each direction, in the order of the data path."""

    place: Place
    position: tuple[int, int]
    layer: str
    rules: dict[Direction, list[Rule]] = field(default_factory=dict)


class Effects:
    """The rules of a cluster, and what becomes of verdicts without them. Rules that are taken away stay away."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._datapath = judge.datapath
        self._gone: set[Place] = set()
        self._left = MAX_EVALUATIONS
        self._units: dict[Place, _Unit] = {}
        self._classes: dict[Place, list[tuple[Direction, ClassKey, int]]] = {}
        self._base: dict[tuple[Direction, ClassKey], tuple[Verdicts, ...]] = {}
        for direction in BOTH:
            self._collect(direction)

    @property
    def exhausted(self) -> bool:
        """Whether no more rules can be judged."""
        return self._left <= 0

    def places(self, layers: Sequence[str]) -> list[Place]:
        """The rules of some layers, the last to be met first: what goes is the exception, not what it hides behind."""
        units = [unit for unit in self._units.values() if unit.layer in layers]
        return [unit.place for unit in sorted(units, key=lambda unit: unit.position, reverse=True)]

    def rules(self, place: Place) -> dict[Direction, list[Rule]]:
        """The compiled rules of a place, by direction."""
        return self._units[place].rules

    def take_away(self, place: Place) -> Effect:
        """What changes without a rule; if nothing does, it is left out of all that is asked later."""
        unit = self._units.get(place)
        if unit is None or any(not _is_plain(rule) for rules in unit.rules.values() for rule in rules):
            return NEEDED
        shadowed, by, matched = True, dict[Place, None](), False
        for direction, key, member in self._classes.get(place, ()):
            own = self._cells(unit, direction, member)
            if not own:
                continue
            matched = True
            steps = self._steps(direction, key)
            without = _without(steps, place)
            if not self._same(direction, key, member, without, own):
                return NEEDED
            takers, rest = self._takers(without, member, own)
            if rest or not takers:
                return NEEDED  # a default decides: the rule says aloud what would hold anyway
            by |= takers
            shadowed = shadowed and not (own & self._reached(steps, member, own, place))
        if not matched:
            return NEEDED
        self._gone.add(place)
        return Effect(False, shadowed, tuple(by))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _collect(self, direction: Direction) -> None:
        for step in self._datapath.steps[direction]:
            if step.tier.gate == _GATE and step.policy.layer in NETWORK_LAYERS:
                for number, rule in enumerate(step.directed.rules):
                    place = Place(step.policy.object, rule.ref.rule)
                    unit = self._units.setdefault(
                        place, _Unit(place, (step.position, number), step.policy.layer)
                    )
                    unit.rules.setdefault(direction, []).append(rule)
        for key, members in self._datapath.classes(direction).items():
            places = {
                Place(step.policy.object, rule.ref.rule): None
                for step in self._network_steps(direction, key)
                for rule in step.directed.rules
            }
            for place in places:
                self._classes.setdefault(place, []).append((direction, key, members[0]))

    def _network_steps(self, direction: Direction, key: ClassKey) -> list[Step]:
        return [step for step in self._datapath.steps_for(key, direction) if step.tier.gate == _GATE]

    def _steps(self, direction: Direction, key: ClassKey) -> list[Step]:
        """The steps of a class without the rules that are gone."""
        steps = self._network_steps(direction, key)
        for place in self._gone:
            steps = _without(steps, place)
        return steps

    def _cells(self, unit: _Unit, direction: Direction, member: int) -> Cells:
        return Cells.of(
            part
            for rule in unit.rules.get(direction, ())
            for part in self._datapath.cells(rule, member, False).parts
        )

    def _same(
        self, direction: Direction, key: ClassKey, member: int, without: list[Step], own: Cells
    ) -> bool:
        """Whether both bases give the same verdicts, certain ones where the rule matches.

        The base is that of all rules: those that are gone have changed nothing.
        """
        self._left -= 1
        if self._left < 0:
            return False
        if (direction, key) not in self._base:
            every = self._network_steps(direction, key)
            self._base[direction, key] = tuple(self._judge.of_steps(every, member, basis) for basis in Basis)
        for before, basis in zip(self._base[direction, key], Basis, strict=True):
            after = self._judge.of_steps(without, member, basis)
            if (after.conditional | after.indeterminate) & own:
                return False
            if not all(x.same_as(y) for x, y in zip(before.parts, after.parts, strict=True)):
                return False
        return True

    def _takers(self, steps: Sequence[Step], member: int, own: Cells) -> tuple[dict[Place, None], Cells]:
        """The rules that decide some cells, and the cells that no rule decides."""
        found: dict[Place, None] = {}
        live = own
        for _, tier in groupby(steps, key=lambda step: (step.tier.order, step.tier.name)):
            passed = NONE
            for step, rule in _rules(list(tier)):
                hit = self._datapath.cells(rule, member, False) & live
                if hit and rule.action is not Action.LOG:
                    found[Place(step.policy.object, rule.ref.rule)] = None
                    live = live - hit
                    passed = passed | hit if rule.action is Action.PASS else passed
            live = live | passed
        return found, live

    def _reached(self, steps: Sequence[Step], member: int, own: Cells, place: Place) -> Cells:
        """The cells that no rule has decided when the turn of a rule comes."""
        live = own
        for _, tier in groupby(steps, key=lambda step: (step.tier.order, step.tier.name)):
            passed = NONE
            for step, rule in _rules(list(tier)):
                if (step.policy.object, rule.ref.rule) == (place.object, place.path):
                    return live
                hit = self._datapath.cells(rule, member, False) & live
                if hit and rule.action is not Action.LOG:
                    live = live - hit
                    passed = passed | hit if rule.action is Action.PASS else passed
            live = live | passed
        return live


def _is_plain(rule: Rule) -> bool:
    """Whether it is certain what a rule matches and does."""
    certain = rule.condition is None and all(term.unsure is None for term in rule.terms)
    return certain and rule.action not in (Action.LOG, Action.LIMIT)


def _rules(steps: Sequence[Step]) -> Iterator[tuple[Step, Rule]]:
    return ((step, rule) for step in steps for rule in step.directed.rules)


def _without(steps: list[Step], place: Place) -> list[Step]:
    """The steps without a rule; its policy selects, and isolates, as before."""
    return [_thinned(step, place) if step.policy.object == place.object else step for step in steps]


def _thinned(step: Step, place: Place) -> Step:
    rules = tuple(rule for rule in step.directed.rules if rule.ref.rule != place.path)
    return replace(step, directed=replace(step.directed, rules=rules))
