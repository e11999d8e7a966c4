"""AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) and ClusterNetworkPolicy (v1alpha2).

connectivity.md 16-19; the field documentation of network-policy-api 0.1.8 and 0.2.0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.model.kinds import KindKey, kind_key
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause, RuleRef
from auditor.network.cluster_policy_peers import PEERS_FIELD, PeerReader, Peers
from auditor.network.cluster_policy_ports import parse_ports, parse_protocols
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.named_ports import PortChoice, port_terms
from auditor.network.ports import EVERYTHING
from auditor.network.reasons import cause
from auditor.network.representation import (
    ADMIN_TIER,
    BASELINE_TIER,
    BOTH,
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
    Tier,
)
from auditor.network.universe import Universe

_GROUP = "policy.networking.k8s.io"
_ACTIONS = {"Allow": Action.ALLOW, "Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_LABELS = cause("indeterminate.namespace-labels")


@dataclass(frozen=True, slots=True)
class ClusterPolicyLayer:
    """One of the three kinds. `actions` and `ports_field` are those of its API version; `tiered`: it names its tier."""

    name: str
    kind: KindKey
    actions: tuple[str, ...]
    ports_field: str
    tier: Tier
    tiered: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The enforcement id."""
        return (self.name,)

    @property
    def kinds(self) -> tuple[KindKey, ...]:
        """The one kind."""
        return (self.kind,)

    @property
    def reads(self) -> tuple[KindKey, ...]:
        """All three kinds: what stands beside a baseline policy decides about its order."""
        return (ADMIN_POLICY.kind, BASELINE_POLICY.kind, CLUSTER_POLICY.kind)

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Compile every object of the kind; invalid ones make what they could change unsure."""
        crowded = _with_unordered_baseline(cluster)
        compiled = [
            universe.remember(obj, (self.name, crowded), _Compiler(self, obj, universe, crowded).compile)
            for obj in cluster.all(self.kind)
        ]
        policies = tuple(policy for found in compiled for policy in found.policies)
        problems = [problem for found in compiled for problem in found.problems]
        return CompiledLayer(
            name=self.name,
            policies=policies,
            problems=tuple(sorted([*problems, *_equal_priorities(policies)])),
            entries=tuple(entry for found in compiled for entry in found.entries),
            kinds=self.kinds,
        )


ADMIN_POLICY = ClusterPolicyLayer(
    name="admin-network-policy",
    kind=kind_key(_GROUP, "AdminNetworkPolicy"),
    actions=("Allow", "Deny", "Pass"),
    ports_field="ports",
    tier=ADMIN_TIER,
)
BASELINE_POLICY = ClusterPolicyLayer(
    name="baseline-admin-network-policy",
    kind=kind_key(_GROUP, "BaselineAdminNetworkPolicy"),
    actions=("Allow", "Deny"),
    ports_field="ports",
    tier=BASELINE_TIER,
)
CLUSTER_POLICY = ClusterPolicyLayer(
    name="cluster-network-policy",
    kind=kind_key(_GROUP, "ClusterNetworkPolicy"),
    actions=("Accept", "Deny", "Pass"),
    ports_field="protocols",
    tier=ADMIN_TIER,
    tiered=True,
)


def _with_unordered_baseline(cluster: Cluster) -> bool:
    """A BaselineAdminNetworkPolicy has no priority: beside ClusterNetworkPolicies the order is defined nowhere."""
    return bool(cluster.all(BASELINE_POLICY.kind)) and bool(cluster.all(CLUSTER_POLICY.kind))


class _Compiler:
    """Compiles one object."""

    def __init__(self, layer: ClusterPolicyLayer, obj: KubeObject, universe: Universe, crowded: bool) -> None:
        self._layer, self._object, self._universe = layer, obj, universe
        self._crowded = crowded
        self._reader = PeerReader(universe, layer.ports_field == "ports", self._report)
        self._problems: list[PolicyProblem] = []
        self._broken: Cause | None = None

    def compile(self) -> CompiledObject:
        """The compiled policy, its entry, and what is wrong with it."""
        spec = self._object.spec
        tier, order = self._place(spec)
        subjects, unsure = self._subjects(spec)
        raw = {direction: self._entries(spec, direction) for direction in BOTH}
        self._check_all(raw)
        directions = {
            direction: self._directed(direction, entries, subjects, unsure)
            for direction, entries in raw.items()
            if entries
        }
        policy = CompiledPolicy(
            object=str(self._object.id),
            evidence_id=self._object.evidence_id,
            layer=self._layer.name,
            tier=tier,
            order=(order, self._object.name),
            directions=directions,
        )
        entry = PolicyEntry(
            policy.object, self._layer.name, policy.evidence_id, subjects.any, tuple(directions)
        )
        return CompiledObject((policy,), (entry,), tuple(self._problems))

    def _report(self, problem: FieldProblem) -> None:
        found = PolicyProblem(
            str(self._object.id), problem.field, problem.expected, problem.code, self._object.evidence_id
        )
        if found not in self._problems:
            self._problems.append(found)
        if problem.code != "invalid.unknown-peer" and self._broken is None:
            text = f"{problem.field}: {problem.expected}"
            self._broken = cause("indeterminate.invalid-policy", policy=str(self._object.id), problem=text)

    def _place(self, spec: Mapping[str, Any]) -> tuple[Tier, float]:
        tier = self._layer.tier
        if self._layer.tiered:
            named = spec.get("tier")
            if named not in ("Admin", "Baseline"):
                self._report(FieldProblem("spec.tier", "expected Admin or Baseline", "invalid.spec"))
            tier = BASELINE_TIER if named == "Baseline" else ADMIN_TIER
        if self._layer is BASELINE_POLICY:
            if self._object.name != "default":
                self._report(FieldProblem("metadata.name", "expected the name default", "invalid.spec"))
            return tier, 0.0
        priority = spec.get("priority")
        if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 1000:
            self._report(FieldProblem("spec.priority", "expected a number from 0 to 1000", "invalid.spec"))
            priority = 0
        return tier, 0.0 if self._crowded and tier == BASELINE_TIER else float(priority)

    def _subjects(self, spec: Mapping[str, Any]) -> tuple[Match, Cause | None]:
        try:
            subject = mapping_field(spec.get("subject"), "spec.subject")
            found = self._reader.pods_or_namespaces(subject, "spec.subject")
            if found is None:
                raise FieldProblem(
                    "spec.subject", "expected exactly one of namespaces and pods", "invalid.spec"
                )
        except FieldProblem as problem:
            self._report(problem)
            return Match(0, self._universe.pods), self._broken
        return found, _LABELS

    def _entries(self, spec: Mapping[str, Any], direction: Direction) -> list[Any]:
        try:
            return list_field(spec, direction.value, "spec")
        except FieldProblem as problem:
            self._report(problem)
            return [None]

    def _check_all(self, raw: Mapping[Direction, Sequence[Any]]) -> None:
        """Find what is wrong first: one invalid field makes the whole object doubtful."""
        for direction, entries in raw.items():
            for index, entry in enumerate(entries):
                self._parts(entry, direction, f"spec.{direction.value}[{index}]")

    def _parts(
        self, raw: Any, direction: Direction, where: str
    ) -> tuple[Action | None, Peers | None, Sequence[PortChoice] | None]:
        """A rule's action, peers and ports; None for each part that is broken and could be anything."""
        action: Action | None = None
        peers: Peers | None = None
        ports: Sequence[PortChoice] | None = None
        try:
            rule = mapping_field(raw, where)
        except FieldProblem as problem:
            self._report(problem)
            return None, None, None
        try:
            action = self._action(rule, where)
        except FieldProblem as problem:
            self._report(problem)
        try:
            found = self._reader.peers(rule, direction, where, action is Action.ALLOW)
            if found.named and action is not Action.ALLOW:
                field = f"{where}.{PEERS_FIELD[direction]}"
                raise FieldProblem(field, "expected domainNames only in rules that allow", "invalid.peer")
            peers = found
        except FieldProblem as problem:
            self._report(problem)
        try:
            field = self._layer.ports_field
            parse = parse_ports if field == "ports" else parse_protocols
            ports = parse(list_field(rule, field, where), f"{where}.{field}")
        except FieldProblem as problem:
            self._report(problem)
        return action, peers, ports

    def _action(self, rule: Mapping[str, Any], where: str) -> Action:
        action = rule.get("action")
        if action not in self._layer.actions:
            raise FieldProblem(
                f"{where}.action", f"expected one of {', '.join(self._layer.actions)}", "invalid.rule"
            )
        return _ACTIONS[str(action)]

    def _directed(
        self, direction: Direction, entries: Sequence[Any], subjects: Match, unsure: Cause | None
    ) -> Directed:
        rules = tuple(
            rule
            for index, entry in enumerate(entries)
            for rule in self._rules(entry, direction, f"{direction.value}[{index}]", subjects, unsure)
        )
        if self._broken is not None:
            return Directed(0, rules, isolates=False, may_select=subjects.any, why=self._broken)
        return Directed(subjects.must, rules, isolates=False, may_select=subjects.may, why=unsure)

    def _rules(
        self, raw: Any, direction: Direction, path: str, subjects: Match, unsure: Cause | None
    ) -> Iterator[Rule]:
        action, peers, ports = self._parts(raw, direction, f"spec.{path}")
        ref = RuleRef(str(self._object.id), path, self._object.evidence_id)
        if peers is not None and peers.unknown:
            action, peers, ports = _fail_closed(action, self._universe)
            if action is None:
                return
        chosen = peers or Peers(Match(self._universe.everything))
        terms = tuple(self._terms(direction, subjects, unsure, chosen, ports or [EVERYTHING]))
        for possible in [action] if action is not None else [Action.DENY, Action.ALLOW]:
            yield Rule(possible, terms, ref)
        if chosen.named:
            condition = cause("conditional.fqdn", detail=", ".join(chosen.named))
            outside = Peers(Match(self._universe.outside))
            names = tuple(self._terms(direction, subjects, unsure, outside, ports or [EVERYTHING]))
            yield Rule(Action.ALLOW, names, ref, condition)

    def _terms(
        self,
        direction: Direction,
        subjects: Match,
        unsure: Cause | None,
        peers: Peers,
        ports: Sequence[PortChoice],
    ) -> Iterator[Term]:
        broken = self._broken
        for own, doubt in ((subjects.must, broken), (subjects.may, broken or unsure)):
            for other, why in ((peers.match.must, doubt), (peers.match.may, doubt or peers.unsure)):
                yield from port_terms(self._universe, direction, own, other, ports, why)


def _equal_priorities(policies: Sequence[CompiledPolicy]) -> Iterator[PolicyProblem]:
    """Policies of one tier with equal priority and a direction and subject in common: which one wins is undefined."""
    places: dict[tuple[str, float | str, Direction], list[tuple[CompiledPolicy, int]]] = {}
    for policy in policies:
        for direction, directed in policy.directions.items():
            subjects = directed.selects | directed.may_select
            places.setdefault((policy.tier.name, policy.order[0], direction), []).append((policy, subjects))
    found = {
        (policy.object, policy.evidence_id, other.object)
        for entries in places.values()
        for policy, subjects in entries
        for other, others in entries
        if other is not policy and subjects & others
    }
    for name, evidence, other_name in sorted(found):
        expected = f"expected a priority other than that of {other_name}"
        yield PolicyProblem(name, "spec.priority", expected, "invalid.equal-priority", evidence)


def _fail_closed(
    action: Action | None, universe: Universe
) -> tuple[Action | None, Peers | None, Sequence[PortChoice] | None]:
    """A peer of an unknown type: Accept matches nothing, Deny and Pass deny everything (point 18)."""
    if action is Action.ALLOW:
        return None, None, None
    return Action.DENY, Peers(Match(universe.everything)), [EVERYTHING]
