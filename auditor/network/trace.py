"""Which rules decide for one subject and one peer, step by step: the witness behind a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.datapath import Datapath, Step
from auditor.network.enforcement import Enforcement, Status
from auditor.network.reach import LayerDecision
from auditor.network.reasons import cause
from auditor.network.representation import Action, Direction, Rule

_VERDICTS = {
    Action.ALLOW: (Reach.ALLOWED, "rule-allows"),
    Action.DENY: (Reach.DENIED, "rule-denies"),
    Action.PASS: (Reach.ALLOWED, "rule-passes"),
    Action.LIMIT: (Reach.CONDITIONAL, "rule-limits"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the ports in `mask`: a rule matched, or (rule None) the tier ended in its denial.

    `unsure`: it may not have happened. `effective`: the layer is enforced, so the ports it decided are gone.
    """

    step: Step
    rule: Rule | None
    mask: int
    unsure: Cause | None
    status: Status


@dataclass(slots=True)
class _Walk:
    datapath: Datapath
    enforcement: Enforcement | None
    subject: int
    peer: int
    live: int
    passed: int = 0

    def status(self, step: Step) -> Status:
        if self.enforcement is None:
            return Status.ENFORCED
        return self.enforcement.status(step.policy.layer, self.subject)

    def tier(self, steps: Sequence[Step]) -> Iterator[Event]:
        if steps[0].tier.ambiguous:
            for _, group in groupby(steps, key=lambda step: step.policy.order[0]):
                yield from self._unordered(list(group))
        else:
            yield from self._in_order(steps)
        yield from self._end(steps)
        self.live, self.passed = self.live | self.passed, 0

    def _unordered(self, group: Sequence[Step]) -> Iterator[Event]:
        """Policies of equal priority: where they disagree, each of them may be the one that is applied."""
        if all(step.policy.sorted_by_name for step in group):
            yield from self._in_order(group)
            return
        found: list[Event] = []
        start = left = self.live
        for step in group:
            self.live = start
            found.extend(self._in_order([step]))
            left &= self.live
        self.live = left
        if len({event.rule.action for event in found if event.rule is not None}) > 1:
            names = ", ".join(step.policy.object for step in group)
            doubt = cause("indeterminate.equal-priority", policies=names)
            found = [replace(event, unsure=event.unsure or doubt) for event in found]
        yield from found

    def _in_order(self, steps: Sequence[Step]) -> Iterator[Event]:
        for plain, group in groupby(
            ((step, rule) for step in steps for rule in step.directed.rules),
            key=lambda pair: pair[1].action is Action.ALLOW and pair[1].condition is None,
        ):
            before = self.live
            for step, rule in group:
                yield from self._rule(step, rule, before if plain else self.live)

    def _rule(self, step: Step, rule: Rule, open_: int) -> Iterator[Event]:
        status = self.status(step)
        for unsure in (False, True):
            hit = self.datapath.cells(rule, self.subject, unsure).at(self.peer) & open_
            if not hit or rule.action is Action.LOG:
                continue
            why = next((t.unsure for t in rule.terms if t.unsure is not None), None) if unsure else None
            yield Event(step, rule, hit, why, status)
            if not unsure and status is Status.ENFORCED and rule.action is not Action.LIMIT:
                self.passed |= hit if rule.action is Action.PASS else 0
                self.live &= ~hit

    def _end(self, steps: Sequence[Step]) -> Iterator[Event]:
        if steps[0].tier.end is not Action.DENY or not self.live:
            return
        denied = 0
        for step in steps:
            directed, status = step.directed, self.status(step)
            if not directed.isolates:
                continue
            certain = bool(directed.selects >> self.subject & 1)
            yield Event(step, None, self.live, None if certain else directed.why, status)
            if certain and status is Status.ENFORCED:
                denied = self.live
        self.live &= ~denied


def walk(
    datapath: Datapath,
    steps: Sequence[Step],
    subject: int,
    peer: int,
    mask: int,
    enforcement: Enforcement | None,
) -> Iterator[Event]:
    """Every event for the ports in `mask`. Without `enforcement` every layer counts."""
    for _, gate in groupby(steps, key=lambda step: step.tier.gate):
        state = _Walk(datapath, enforcement, subject, peer, mask)
        for _, tier in groupby(gate, key=lambda step: (step.tier.order, step.tier.name)):
            yield from state.tier(list(tier))


def layer_decisions(
    events: Sequence[Event],
    steps: Sequence[Step],
    layers: Sequence[str],
    direction: Direction,
    enforcement: Enforcement,
    subject: int,
) -> list[LayerDecision]:
    """One decision for each layer that has policies in the cluster, in the order in which they were met."""
    by_layer: dict[str, list[Event]] = {}
    for event in events:
        by_layer.setdefault(event.step.policy.layer, []).append(event)
    selecting = {step.policy.layer: step.tier.gate for step in steps}
    decided = {event.step.tier.gate for event in events if _is_final(event)}
    found = []
    for layer in sorted(layers, key=lambda name: list(by_layer).index(name) if name in by_layer else 99):
        if layer in by_layer:
            found.append(_decision(layer, direction, by_layer[layer], enforcement, subject))
        else:
            code = "nothing-matches" if layer in selecting else "not-selected"
            code = "not-reached" if selecting.get(layer) in decided else code
            found.append(LayerDecision(layer, direction, Reach.ALLOWED, (), cause(code)))
    return found


def _decision(
    layer: str, direction: Direction, events: Sequence[Event], enforcement: Enforcement, subject: int
) -> LayerDecision:
    first = next((event for event in events if event.unsure is None), events[0])
    alike = [e for e in events if _kind(e) == _kind(first)]
    refs = tuple(dict.fromkeys(_ref(event) for event in alike))
    if first.rule is None:
        verdict, why = Reach.DENIED, cause("selected-nothing-matches")
    else:
        verdict, code = _VERDICTS[first.rule.action]
        why = cause(code, policy=first.step.policy.object)
        if first.rule.condition is not None:
            verdict, why = Reach.CONDITIONAL, first.rule.condition
    if first.unsure is not None:
        verdict, why = Reach.INDETERMINATE, first.unsure
    if first.status is not Status.ENFORCED:
        verdict, why = _unenforced(verdict, first, enforcement, subject)
    return LayerDecision(layer, direction, verdict, refs, why)


def _unenforced(verdict: Reach, event: Event, enforcement: Enforcement, subject: int) -> tuple[Reach, Cause]:
    layer = event.step.policy.layer
    if event.status is Status.UNKNOWN:
        return Reach.INDETERMINATE, enforcement.unknown_cause(layer, subject)
    shown = Reach.DECLARED_NOT_ENFORCED if verdict is Reach.DENIED else Reach.ALLOWED
    return shown, enforcement.why(layer, subject)


def _is_final(event: Event) -> bool:
    """Whether the event ended the evaluation of its gate."""
    certain = event.unsure is None and event.status is Status.ENFORCED
    return certain and (event.rule is None or event.rule.action in (Action.ALLOW, Action.DENY))


def _kind(event: Event) -> tuple[str, bool, Status]:
    return (event.rule.action.value if event.rule else "end"), event.unsure is None, event.status


def _ref(event: Event) -> RuleRef:
    if event.rule is not None:
        return event.rule.ref
    return RuleRef(event.step.policy.object, "spec", event.step.policy.evidence_id)
