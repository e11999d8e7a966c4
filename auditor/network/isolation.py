"""Whether an endpoint is isolated: what no rule mentions is denied (connectivity.md 1, 5, 15).

By policies of the network alone: authorization in a mesh leaves UDP and bypassed ports open (connectivity.md 33).
"""

from dataclasses import replace

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, RuleRef, Tri
from auditor.network.cells import Cells
from auditor.network.datapath import Step
from auditor.network.enforcement import Status
from auditor.network.evaluation import evaluate
from auditor.network.judgement import Judge, worlds
from auditor.network.reach import Isolation
from auditor.network.reasons import cause
from auditor.network.representation import Action, Direction
from auditor.network.support import NETWORK_LAYERS
from auditor.network.universe import Universe


def judge_isolation(universe: Universe, judge: Judge, endpoint: Endpoint, direction: Direction) -> Isolation:
    """The isolation of an endpoint; one on its node's network is never isolated by policies for pods."""
    position = universe.position(endpoint)
    if endpoint.host_network:
        why = cause("host-network", endpoint=endpoint.id)
        return Isolation(endpoint, direction, Tri.NO, Tri.NO, (), (), (), why)
    place = (judge.datapath.class_of(position, direction), direction)
    if place not in judge.isolation:
        judge.isolation[place] = _judge_class(universe, judge, endpoint, direction, position)
    known: Isolation = judge.isolation[place]
    return replace(known, endpoint=endpoint)


def _judge_class(
    universe: Universe, judge: Judge, endpoint: Endpoint, direction: Direction, position: int
) -> Isolation:
    datapath = judge.datapath
    found = datapath.steps_for(datapath.class_of(position, direction), direction)
    steps = [step for step in found if step.policy.layer in NETWORK_LAYERS]
    declared = _isolated(judge, steps, position)
    effective = _enforced(judge, steps, position)
    refs = {RuleRef(s.policy.object, "spec", s.policy.evidence_id) for s in steps}
    return Isolation(
        endpoint=endpoint,
        direction=direction,
        declared=declared,
        effective=effective,
        policies=tuple(sorted(refs)),
        opens=_opening(universe, judge, steps, position, every_port=False),
        opens_entirely=_opening(universe, judge, steps, position, every_port=True),
        cause=_cause(judge, steps, position, declared, effective),
    )


def _isolated(judge: Judge, steps: list[Step], position: int) -> Tri:
    """Yes when nothing falls through to the default; unknown when a policy that would stop it may select the endpoint."""
    if not evaluate(judge.datapath, steps, position, judge.every).fallen:
        return Tri.YES
    unsure = any(step.directed.isolates and step.directed.may_select >> position & 1 for step in steps)
    return Tri.UNKNOWN if unsure else Tri.NO


def _enforced(judge: Judge, steps: list[Step], position: int) -> Tri:
    """The same in every state of the world that unknown enforcement leaves open; where they differ it is unknown."""
    status = {s.policy.layer: judge.enforcement.status(s.policy.layer, position) for s in steps}
    certain = {layer for layer, entry in status.items() if entry is Status.ENFORCED}
    unknown = sorted(layer for layer, entry in status.items() if entry is Status.UNKNOWN)
    found = {
        _isolated(judge, [s for s in steps if s.policy.layer in certain | set(chosen)], position)
        for chosen in worlds(unknown)
    }
    return found.pop() if len(found) == 1 else Tri.UNKNOWN


def _opening(
    universe: Universe, judge: Judge, steps: list[Step], position: int, every_port: bool
) -> tuple[RuleRef, ...]:
    families = [bits for bits in (universe.pods if universe.is_shared else 0, universe.public) if bits]
    full = judge.datapath.table.full
    found = set()
    for step in steps:
        for rule in step.directed.rules:
            cells = judge.datapath.cells(rule, position, unsure=False)
            if rule.action is Action.ALLOW and _covers_any(cells, families, full if every_port else 0):
                found.add(rule.ref)
    return tuple(sorted(found))


def _covers_any(cells: Cells, families: list[int], needed: int) -> bool:
    """Whether all peers of a family get through: on the `needed` ports, or with 0 on any."""
    for family in families:
        ports = 0
        for mask, peers in cells.parts:
            if not family & ~peers:
                ports |= mask
        if ports and not needed & ~ports:
            return True
    return False


def _cause(judge: Judge, steps: list[Step], position: int, declared: Tri, effective: Tri) -> Cause | None:
    if effective is Tri.YES:
        return None
    for step in steps:
        layer = step.policy.layer
        status = judge.enforcement.status(layer, position)
        if declared is not Tri.NO and status is Status.UNKNOWN:
            return judge.enforcement.unknown_cause(layer, position)
        if declared is Tri.YES and status is not Status.ENFORCED:
            return judge.enforcement.why(layer, position)
    unsure = [step.directed.why for step in steps if step.directed.why is not None]
    if effective is Tri.UNKNOWN and unsure:
        return unsure[0]
    return cause("nothing-matches" if steps else "not-selected")
