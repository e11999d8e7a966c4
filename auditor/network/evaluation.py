"""What the steps of a data path decide for one subject: which cells may be allowed, limited or denied, and why it is unsure.

Every cell keeps the set of outcomes that are possible. A cell with both allow and deny possible is indeterminate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from auditor.model.verdict import Cause
from auditor.network.cells import NONE, Cells
from auditor.network.datapath import Datapath, Step
from auditor.network.reasons import cause
from auditor.network.representation import Action, Rule

Note = tuple[Cells, Cause]


@dataclass(frozen=True, slots=True, eq=False)
class Possible:
    """The cells for which each outcome is possible; `fallen` are those that no rule or tier may have decided."""

    allow: Cells = NONE
    limited: Cells = NONE
    deny: Cells = NONE
    fallen: Cells = NONE
    notes: tuple[Note, ...] = ()

    def __or__(self, other: "Possible") -> "Possible":
        """Either happens: two states of the world that the evidence cannot tell apart."""
        return Possible(
            self.allow | other.allow,
            self.limited | other.limited,
            self.deny | other.deny,
            self.fallen | other.fallen,
            tuple(dict.fromkeys((*self.notes, *other.notes))),
        )

    def __and__(self, other: "Possible") -> "Possible":
        """Both must let a cell through: two gates."""
        passable = other.allow | other.limited
        return Possible(
            self.allow & other.allow,
            (self.limited & passable) | (self.allow & other.limited),
            self.deny | other.deny,
            self.fallen & other.fallen,
            (*self.notes, *other.notes),
        )


@dataclass(slots=True)
class _State:
    """The evaluation of one gate: `live` may still be undecided, `passed` may have left the tier."""

    live: Cells
    allow: Cells = NONE
    limited: Cells = NONE
    deny: Cells = NONE
    passed: Cells = NONE
    limits: Cells = NONE
    notes: list[Note] = field(default_factory=list)

    def fork(self) -> "_State":
        return _State(self.live, limits=self.limits)


def evaluate(datapath: Datapath, steps: Sequence[Step], subject: int, every: Cells) -> Possible:
    """The possible outcomes of a subject's steps over all cells in `every`."""
    result = Possible(allow=every, fallen=every)
    for _, gate in groupby(steps, key=lambda step: step.tier.gate):
        result = result & _evaluate_gate(datapath, list(gate), subject, every)
    return result


def _evaluate_gate(datapath: Datapath, steps: Sequence[Step], subject: int, every: Cells) -> Possible:
    state = _State(every)
    for _, tier in groupby(steps, key=lambda step: (step.tier.order, step.tier.name)):
        _run_tier(datapath, list(tier), subject, state)
    _settle(state, state.live)
    return Possible(state.allow, state.limited, state.deny, state.live, tuple(state.notes))


def _settle(state: _State, cells: Cells) -> None:
    """Allow cells; those that a LIMIT touched conditionally."""
    state.limited = state.limited | (cells & state.limits)
    state.allow = state.allow | (cells - state.limits)


def _run_tier(datapath: Datapath, steps: Sequence[Step], subject: int, state: _State) -> None:
    if steps[0].tier.ambiguous:
        for _, group in groupby(steps, key=lambda step: step.policy.order[0]):
            _run_group(datapath, list(group), subject, state)
    else:
        _run_rules(datapath, (rule for step in steps for rule in step.directed.rules), subject, state)
    _end_tier(steps, subject, state)
    state.live, state.passed = state.live | state.passed, NONE


def _end_tier(steps: Sequence[Step], subject: int, state: _State) -> None:
    if steps[0].tier.end is not Action.DENY:
        return
    isolating = [step.directed for step in steps if step.directed.isolates]
    if any(directed.selects >> subject & 1 for directed in isolating):
        state.deny, state.live = state.deny | state.live, NONE
        return
    for directed in isolating:
        if directed.may_select >> subject & 1:
            state.deny = state.deny | state.live
            if directed.why is not None and state.live:
                state.notes.append((state.live, directed.why))


def _run_group(datapath: Datapath, group: Sequence[Step], subject: int, state: _State) -> None:
    """Policies of equal priority: any of those that match a cell may be the one that is applied."""
    if len(group) == 1 or all(step.policy.sorted_by_name for step in group):
        _run_rules(datapath, (rule for step in group for rule in step.directed.rules), subject, state)
        return
    forks = []
    for step in group:
        fork = state.fork()
        _run_rules(datapath, step.directed.rules, subject, fork)
        forks.append(fork)
    for fork in forks:
        state.allow, state.deny = state.allow | fork.allow, state.deny | fork.deny
        state.limited, state.passed = state.limited | fork.limited, state.passed | fork.passed
        state.limits = state.limits | fork.limits
        state.notes.extend(fork.notes)
        state.live = state.live & fork.live
    _note_conflicts(group, forks, state)


def _note_conflicts(group: Sequence[Step], forks: Sequence[_State], state: _State) -> None:
    outcomes = [[f.allow, f.deny, f.passed] for f in forks]
    conflict = NONE
    for kind, other in ((0, 1), (0, 2), (1, 2)):
        for i, first in enumerate(outcomes):
            for j, second in enumerate(outcomes):
                if i != j:
                    conflict = conflict | (first[kind] & second[other])
    if conflict:
        names = ", ".join(step.policy.object for step in group)
        state.notes.append((conflict, cause("indeterminate.equal-priority", policies=names)))


def _run_rules(datapath: Datapath, rules: Iterable[Rule], subject: int, state: _State) -> None:
    """First match wins. Plain allows in a row are joined before they are taken out, as their order is irrelevant."""
    for plain, group in groupby(rules, key=lambda r: r.action is Action.ALLOW and r.condition is None):
        if plain:
            _allow_all(datapath, list(group), subject, state)
        else:
            for rule in group:
                _apply(datapath, rule, subject, state)


def _allow_all(datapath: Datapath, rules: Sequence[Rule], subject: int, state: _State) -> None:
    certain = Cells.of(part for rule in rules for part in datapath.cells(rule, subject, False).parts)
    _hit(state, Action.ALLOW, certain & state.live, None)
    state.live = state.live - certain
    for rule in rules:
        _apply_unsure(datapath, rule, subject, state)


def _apply(datapath: Datapath, rule: Rule, subject: int, state: _State) -> None:
    if rule.action is Action.LOG:
        return
    certain = datapath.cells(rule, subject, False)
    _hit(state, rule.action, certain & state.live, rule.condition)
    if rule.action is not Action.LIMIT:
        state.live = state.live - certain
    _apply_unsure(datapath, rule, subject, state)


def _apply_unsure(datapath: Datapath, rule: Rule, subject: int, state: _State) -> None:
    """A rule that may match: its outcome becomes possible, and the cells go on."""
    hit = datapath.cells(rule, subject, True) & state.live
    if not hit:
        return
    _hit(state, rule.action, hit, rule.condition)
    why = next(t.unsure for t in rule.terms if t.unsure is not None and t.subjects >> subject & 1)
    state.notes.append((hit, why))


def _hit(state: _State, action: Action, cells: Cells, condition: Cause | None) -> None:
    if not cells:
        return
    if condition is not None:
        state.notes.append((cells, condition))
    if action is Action.ALLOW and condition is None:
        _settle(state, cells)
    elif action is Action.ALLOW:
        state.limited = state.limited | cells
    elif action is Action.DENY:
        state.deny = state.deny | cells
    elif action is Action.PASS:
        state.passed = state.passed | cells
    elif action is Action.LIMIT:
        state.limits = state.limits | cells
