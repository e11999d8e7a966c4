"""Cilium: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (connectivity.md 20-24, 37).

Allows add up with those of Kubernetes NetworkPolicies, a deny of either direction beats every allow: denies stand before
the allows of the default tier, conditional allows after the plain ones. An object holds one rule set under `spec`, more
under `specs`; one that Cilium refuses anywhere is refused whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.model.kinds import CONFIG_MAP, ENDPOINT_SLICE, NAMESPACE, SERVICE, KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at
from auditor.model.verdict import Cause, RuleRef
from auditor.network.cilium_labels import UNKNOWN_LABELS, CiliumConfig, CiliumLabels
from auditor.network.cilium_rules import CIDR_GROUP, CiliumRule, CiliumRules
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.named_ports import port_terms
from auditor.network.ports import EVERYTHING, ICMP_PROTOCOLS
from auditor.network.reasons import cause
from auditor.network.representation import (
    BOTH,
    DEFAULT_TIER,
    KUBERNETES_POLICY_ORDER,
    Action,
    CompiledLayer,
    CompiledObject,
    CompiledPolicy,
    Directed,
    Direction,
    Match,
    PolicyEntry,
    PolicyProblem,
    Rule,
    Term,
)
from auditor.network.universe import Universe

LAYER = "cilium"
NETWORK_POLICY = kind_key("cilium.io", "CiliumNetworkPolicy")
CLUSTERWIDE_POLICY = kind_key("cilium.io", "CiliumClusterwideNetworkPolicy")
_DENIES, _ALLOWS, _CONDITIONAL = -1.0, KUBERNETES_POLICY_ORDER, 2 * KUBERNETES_POLICY_ORDER


@dataclass(frozen=True, slots=True)
class _RuleSet:
    """What one `spec` says: whom it selects, and per direction its denies, its allows and whether it isolates."""

    subjects: Match
    denies: dict[Direction, tuple[CiliumRule, ...]]
    allows: dict[Direction, tuple[CiliumRule, ...]]
    isolates: dict[Direction, bool]


class CiliumLayer:
    """Cilium's own policy kinds, and its enforcement mode `always`."""

    names = (LAYER,)
    kinds: tuple[KindKey, ...] = (NETWORK_POLICY, CLUSTERWIDE_POLICY, CIDR_GROUP)
    reads: tuple[KindKey, ...] = (*kinds, CONFIG_MAP, NAMESPACE, SERVICE, ENDPOINT_SLICE)

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Every Cilium policy of the cluster."""
        return _Compiler(cluster, universe).compile(self.kinds)


class _Compiler:
    def __init__(self, cluster: Cluster, universe: Universe) -> None:
        self._cluster = cluster
        self._universe = universe
        self._config = CiliumConfig.of(cluster)
        self._labels = CiliumLabels(cluster, universe, self._config)
        self._rules = CiliumRules(cluster, universe, self._labels, self._config)

    def compile(self, kinds: tuple[KindKey, ...]) -> CompiledLayer:
        context = (LAYER, self._config, *self._cluster.all(CIDR_GROUP))
        compiled = [
            self._universe.remember(obj, context, partial(self._object, obj))
            for kind in (NETWORK_POLICY, CLUSTERWIDE_POLICY)
            for obj in self._cluster.all(kind)
        ]
        policies = [policy for found in compiled for policy in found.policies]
        if self._config.enforcement == "always":
            policies.append(self._isolate_all())
        return CompiledLayer(
            name=LAYER,
            policies=tuple(policies),
            problems=tuple(sorted({problem for found in compiled for problem in found.problems})),
            entries=tuple(entry for found in compiled for entry in found.entries),
            kinds=kinds,
            protocols=ICMP_PROTOCOLS if policies else (),
        )

    def _isolate_all(self) -> CompiledPolicy:
        """Enforcement mode `always`: a pod that no policy selects is isolated all the same (connectivity.md 20)."""
        directions = {direction: Directed(self._universe.pods, ()) for direction in BOTH}
        config = self._config
        place = (_ALLOWS, "enable-policy", "")
        return CompiledPolicy(config.object, config.evidence_id, LAYER, DEFAULT_TIER, place, directions)

    def _object(self, obj: KubeObject) -> CompiledObject:
        self._rules.dangling.clear()
        selected, directions, hosts = 0, set[Direction](), False
        policies: list[CompiledPolicy] = []
        problems: list[PolicyProblem] = []
        try:
            for where, spec in _specs(obj):
                if spec.get("nodeSelector") is not None and spec.get("endpointSelector") is None:
                    hosts = True
                    problems.append(_problem(obj, _host_policy(where, obj)))
                    continue
                rules = self._read(obj, spec, where)
                selected |= rules.subjects.must
                directions |= {d for d in BOTH if rules.isolates[d] or rules.denies[d] or rules.allows[d]}
                policies.extend(self._compiled(obj, rules))
        except FieldProblem as problem:
            problems.append(_problem(obj, problem))
            policies = list(self._doubtful(obj, problem))
        problems += [_problem(obj, reference) for reference in self._rules.dangling]
        inert = cause("inert.host-policy") if hosts and not directions else None
        listed = tuple(direction for direction in BOTH if direction in directions)
        entry = PolicyEntry(str(obj.id), LAYER, obj.evidence_id, selected, listed, inert)
        return CompiledObject(tuple(policies), (entry,), tuple(problems))

    def _read(self, obj: KubeObject, spec: JsonObject, where: str) -> _RuleSet:
        if spec.get("endpointSelector") is None:
            raise FieldProblem(f"{where}.endpointSelector", "expected a selector", "invalid.selector")
        if spec.get("nodeSelector") is not None:
            raise FieldProblem(
                f"{where}.nodeSelector", "expected no endpointSelector beside it", "invalid.selector"
            )
        subjects = self._labels.subjects(spec["endpointSelector"], f"{where}.endpointSelector", obj.namespace)
        denies, allows, isolates = {}, {}, {}
        for direction in BOTH:
            name = direction.value
            read = self._rules.read
            allows[direction] = tuple(read(spec, name, where, obj.namespace, direction))
            denies[direction] = tuple(read(spec, f"{name}Deny", where, obj.namespace, direction))
            isolates[direction] = _isolates(spec, name, where)
        return _RuleSet(subjects, denies, allows, isolates)

    def _compiled(self, obj: KubeObject, rules: _RuleSet) -> Iterator[CompiledPolicy]:
        """Three parts, each at its place: denies, plain allows, conditional allows."""
        parts: dict[float, dict[Direction, tuple[Rule, ...]]] = {_DENIES: {}, _ALLOWS: {}, _CONDITIONAL: {}}
        for direction in BOTH:
            denies = [
                r for rule in rules.denies[direction] for r in self._rule(obj, rules, rule, direction, True)
            ]
            allows = [
                r for rule in rules.allows[direction] for r in self._rule(obj, rules, rule, direction, False)
            ]
            parts[_DENIES][direction] = tuple(denies)
            parts[_ALLOWS][direction] = tuple(rule for rule in allows if rule.condition is None)
            parts[_CONDITIONAL][direction] = tuple(rule for rule in allows if rule.condition is not None)
        for place, listed in parts.items():
            directions = {
                direction: _directed(rules.subjects, compiled, rules.isolates[direction])
                for direction, compiled in listed.items()
                if compiled or (place == _ALLOWS and rules.isolates[direction])
            }
            if directions:
                yield self._part(obj, place, directions)

    def _part(self, obj: KubeObject, place: float, directions: dict[Direction, Directed]) -> CompiledPolicy:
        order = (place, obj.name, obj.namespace)
        return CompiledPolicy(str(obj.id), obj.evidence_id, LAYER, DEFAULT_TIER, order, directions)

    def _rule(
        self, obj: KubeObject, rules: _RuleSet, rule: CiliumRule, direction: Direction, deny: bool
    ) -> Iterator[Rule]:
        action = Action.DENY if deny else Action.ALLOW
        ref = RuleRef(str(obj.id), rule.path.removeprefix("spec."), obj.evidence_id)
        for ports in rule.ports:
            terms: list[Term] = []
            for subjects, peers, why in _parts(rules.subjects, rule):
                terms += port_terms(self._universe, direction, subjects, peers, ports.choices, why)
            condition = None if deny else rule.condition or ports.condition
            yield Rule(action, tuple(terms), ref, condition)

    def _doubtful(self, obj: KubeObject, problem: FieldProblem) -> Iterator[CompiledPolicy]:
        """A refused object: nobody can tell whether an older version of it is in force, so it may deny and may allow."""
        why = cause("indeterminate.invalid-policy", policy=str(obj.id), problem=str(problem))
        subjects = self._widest_subjects(obj)
        for place, action in ((_DENIES, Action.DENY), (_ALLOWS, Action.ALLOW)):
            term = Term(subjects, self._universe.everything, EVERYTHING, why)
            rule = Rule(action, (term,), RuleRef(str(obj.id), "spec", obj.evidence_id))
            directed = Directed(0, (rule,), place == _ALLOWS, subjects, why)
            yield self._part(obj, place, dict.fromkeys(BOTH, directed))

    def _widest_subjects(self, obj: KubeObject) -> int:
        found = 0
        try:
            for where, spec in _specs(obj):
                found |= self._labels.subjects(spec.get("endpointSelector"), where, obj.namespace).any
        except FieldProblem:
            return self._universe.namespace(obj.namespace) if obj.namespace else self._universe.pods
        return found


def _problem(obj: KubeObject, problem: FieldProblem) -> PolicyProblem:
    return PolicyProblem(str(obj.id), problem.field, problem.expected, problem.code, obj.evidence_id)


def _specs(obj: KubeObject) -> Iterator[tuple[str, JsonObject]]:
    if obj.body.get("spec") is not None:
        yield "spec", mapping_field(obj.body["spec"], "spec")
    for index, raw in enumerate(list_field(obj.body, "specs", "metadata")):
        yield f"specs[{index}]", mapping_field(raw, f"specs[{index}]")
    if obj.body.get("spec") is None and not obj.body.get("specs"):
        raise FieldProblem("spec", "expected spec or specs", "invalid.spec")


def _isolates(spec: JsonObject, direction: str, where: str) -> bool:
    """`enableDefaultDeny`, by default whether the direction has any rule, a deny included (connectivity.md 20, 21)."""
    stated: Any = mapping_at(spec, "enableDefaultDeny").get(direction)
    if isinstance(stated, bool):
        return stated
    if stated is not None:
        raise FieldProblem(f"{where}.enableDefaultDeny.{direction}", "expected true or false", "invalid.spec")
    return bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def _host_policy(where: str, obj: KubeObject) -> FieldProblem:
    if obj.namespace:
        expected = "expected an endpointSelector: only clusterwide policies may select nodes"
    else:
        expected = "it selects nodes, which are outside the model: traffic of nodes is not judged by it"
    return FieldProblem(f"{where}.nodeSelector", expected, "unsupported.feature")


def _directed(subjects: Match, rules: tuple[Rule, ...], isolates: bool) -> Directed:
    return Directed(subjects.must, rules, isolates, subjects.may, UNKNOWN_LABELS if subjects.may else None)


def _parts(subjects: Match, rule: CiliumRule) -> Iterator[tuple[int, int, Cause | None]]:
    yield subjects.must, rule.peers.must, None
    yield subjects.must, rule.peers.may, rule.unsure
    yield subjects.may, rule.peers.any, UNKNOWN_LABELS
