"""Calico: tiers, policies of namespaces and of the cluster, profiles (connectivity.md 25-29, 36).

Source: Felix's policy sorter (order, then name) and rule scanner, Calico's conversion of v3 resources. Kubernetes
NetworkPolicies stand in the default tier at order 1000; the layer that compiles those puts them there.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.inventory.cluster import Cluster
from auditor.inventory.services import Services
from auditor.model.kinds import NAMESPACE, SERVICE, SERVICE_ACCOUNT, KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause, RuleRef
from auditor.network.calico_labels import CalicoLabels
from auditor.network.calico_matches import UNKNOWN_LABELS, CalicoMatches, named_protocols
from auditor.network.calico_policies import (
    GLOBAL_NETWORK_POLICY,
    GLOBAL_NETWORK_SET,
    HOST_ENDPOINT,
    LAST,
    NETWORK_POLICY,
    NETWORK_SET,
    PREDEFINED_TIERS,
    PROFILE,
    STAGED,
    TIER,
    CalicoPolicy,
    CalicoProfile,
    CalicoTier,
    read_policy,
    read_profile,
    read_tier,
)
from auditor.network.calico_rules import CalicoRule, Refused
from auditor.network.ports import EVERYTHING, ICMP_PROTOCOLS
from auditor.network.reasons import cause
from auditor.network.representation import (
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

LAYER = "calico"
_OLD_NAMES = {"adminnetworkpolicy": "kube-admin", "baselineadminnetworkpolicy": "kube-baseline"}
_PROFILES = Tier("calico profiles", LAST, Action.DENY)


@dataclass(frozen=True, slots=True)
class _Parsed:
    policies: tuple[CalicoPolicy, ...]
    profiles: tuple[CalicoProfile, ...]
    tiers: dict[str, CalicoTier]
    problems: tuple[PolicyProblem, ...]


class CalicoLayer:
    """Calico's own policy kinds."""

    names = (LAYER,)
    kinds: tuple[KindKey, ...] = (
        NETWORK_POLICY,
        GLOBAL_NETWORK_POLICY,
        NETWORK_SET,
        GLOBAL_NETWORK_SET,
        TIER,
        PROFILE,
        HOST_ENDPOINT,
        *STAGED,
    )
    reads: tuple[KindKey, ...] = (*kinds, NAMESPACE, SERVICE_ACCOUNT, SERVICE)

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Every Calico object of the cluster."""
        if not any(cluster.all(kind) for kind in self.kinds):
            return CompiledLayer(LAYER, kinds=self.kinds)
        return _Compiler(cluster, universe).compile(self.kinds)


class _Compiler:
    def __init__(self, cluster: Cluster, universe: Universe) -> None:
        self._cluster = cluster
        self._universe = universe
        self._parsed = _parse(cluster)
        self._labels = CalicoLabels(cluster, universe)
        services = Services(cluster, universe.endpoints)
        protocols = frozenset(named_protocols(_all_rules(self._parsed)))
        self._matches = CalicoMatches(universe, self._labels, services, protocols)
        around = (NETWORK_SET, GLOBAL_NETWORK_SET, HOST_ENDPOINT, PROFILE)
        self._context = (LAYER, protocols, *(obj for kind in around for obj in cluster.all(kind)))
        """What the meaning of a policy depends on beside its own text and its tier."""

    def compile(self, kinds: tuple[KindKey, ...]) -> CompiledLayer:
        parsed = self._parsed
        compiled_objects = [self._object(policy) for policy in parsed.policies]
        policies = [policy for found in compiled_objects for policy in found.policies]
        policies += [compiled for profile in parsed.profiles for compiled in self._profile(profile)]
        return CompiledLayer(
            name=LAYER,
            policies=tuple(policies),
            tiers=tuple(_tier(tier) for _, tier in sorted(parsed.tiers.items()) if tier.obj is not None),
            problems=tuple(sorted({*parsed.problems, *self._set_problems()})),
            entries=(*(e for found in compiled_objects for e in found.entries), *self._staged()),
            kinds=kinds,
            protocols=ICMP_PROTOCOLS if policies else (),
        )

    def _object(self, policy: CalicoPolicy) -> CompiledObject:
        context = (self._context, self._parsed.tiers.get(policy.tier))
        return self._universe.remember(policy.obj, context, lambda: self._compile_object(policy))

    def _compile_object(self, policy: CalicoPolicy) -> CompiledObject:
        policies = () if policy.outside else (self._policy(policy),)
        return CompiledObject(policies, (self._entry(policy),))

    def _policy(self, policy: CalicoPolicy) -> CompiledPolicy:
        tier = self._parsed.tiers.get(policy.tier)
        subjects = self._labels.select_pods(policy.subjects)
        doubt = _doubt(policy) if policy.problems else None
        if tier is None:
            doubt = doubt or _no_such_tier(policy)
            tier = CalicoTier(f"{policy.tier} (does not exist)", -LAST, "Pass")
        directions = {
            direction: self._directed(policy.obj, rules, subjects, direction, doubt)
            for direction, rules in ((Direction.INGRESS, policy.ingress), (Direction.EGRESS, policy.egress))
            if rules is not None
        }
        return _compiled(policy.obj, _tier(tier), policy.place, directions)

    def _directed(
        self,
        obj: KubeObject,
        rules: Iterable[CalicoRule],
        subjects: Match,
        direction: Direction,
        doubt: Cause | None,
    ) -> Directed:
        if doubt is not None:
            return Directed(
                0, _either(obj, subjects.any, self._universe.everything, doubt), True, subjects.any, doubt
            )
        compiled = tuple(
            done
            for rule in rules
            for done in self._matches.rule(rule, subjects, direction, _ref(obj, rule.path))
        )
        return Directed(subjects.must, compiled, True, subjects.may, UNKNOWN_LABELS if subjects.may else None)

    def _profile(self, profile: CalicoProfile) -> Iterator[CompiledPolicy]:
        """A pod has the profile of its namespace and that of its service account, in that order (connectivity.md 27).

        One that was not collected is what Calico makes of every namespace: it allows all.
        """
        kind, _, rest = profile.obj.name.partition(".")
        namespace, _, account = rest.partition(".")
        if kind == "ksa" and self._cluster.get(PROFILE, "", f"kns.{namespace}") is None:
            return
        bits = self._universe.namespace(namespace if kind == "ksa" else rest) if kind in ("kns", "ksa") else 0
        if kind == "ksa":
            bits &= self._universe.where(("service account", account), lambda e: e.service_account == account)
        doubt = _invalid(profile.obj, profile.problems[0]) if profile.problems else None
        if bits:
            directions = {
                direction: self._directed(profile.obj, rules, Match(bits), direction, doubt)
                for direction, rules in (
                    (Direction.INGRESS, profile.ingress),
                    (Direction.EGRESS, profile.egress),
                )
            }
            place = (float(kind == "ksa"), profile.obj.name, "", "Profile")
            yield _compiled(profile.obj, _PROFILES, place, directions)

    def _set_problems(self) -> Iterator[PolicyProblem]:
        for entry in self._labels.network_sets:
            yield from (_problem(entry.obj, refused) for refused in entry.problems)

    def _entry(self, policy: CalicoPolicy) -> PolicyEntry:
        inert = cause("inert.host-endpoint") if policy.outside else None
        selected = 0 if inert else self._labels.select_pods(policy.subjects).must
        rules = ((Direction.INGRESS, policy.ingress), (Direction.EGRESS, policy.egress))
        directions = tuple(direction for direction, listed in rules if listed is not None)
        return PolicyEntry(str(policy.obj.id), LAYER, policy.obj.evidence_id, selected, directions, inert)

    def _staged(self) -> Iterator[PolicyEntry]:
        for obj in (obj for kind in STAGED for obj in self._cluster.all(kind)):
            yield PolicyEntry(str(obj.id), LAYER, obj.evidence_id, 0, (), cause("inert.staged"))


def _parse(cluster: Cluster) -> _Parsed:
    policies = tuple(
        read_policy(obj) for kind in (NETWORK_POLICY, GLOBAL_NETWORK_POLICY) for obj in cluster.all(kind)
    )
    profiles = tuple(read_profile(obj) for obj in cluster.all(PROFILE))
    tiers = {n: CalicoTier(n, order, end) for n, (order, end) in PREDEFINED_TIERS.items()}
    problems = [_problem(p.obj, refused) for p in policies for refused in p.problems]
    problems += [_problem(p.obj, refused) for p in profiles for refused in p.problems]
    broken: set[str] = set()
    for obj in cluster.all(TIER):
        try:
            tiers[obj.name] = read_tier(obj)
        except Refused as refused:
            problems.append(_problem(obj, refused))
            broken.add(obj.name)
    tiers = {name: tier for name, tier in tiers.items() if name not in broken}
    problems += [_missing_tier(policy) for policy in policies if policy.tier not in tiers]
    problems += _outside(cluster, policies)
    return _Parsed(policies, profiles, tiers, tuple(problems))


def _outside(cluster: Cluster, policies: Iterable[CalicoPolicy]) -> Iterator[PolicyProblem]:
    """What is about host endpoints: outside the model, and said so (connectivity.md 29)."""
    said = "it concerns host endpoints, which are outside the model: traffic of nodes is not judged by it"
    for policy in policies:
        for field in ("doNotTrack", "preDNAT", "applyOnForward"):
            if policy.obj.spec.get(field) is True:
                yield _note(policy.obj, f"spec.{field}", said)
    for obj in cluster.all(HOST_ENDPOINT):
        yield _note(obj, "spec", said)


def _note(obj: KubeObject, field: str, sentence: str) -> PolicyProblem:
    return PolicyProblem(str(obj.id), field, sentence, "unsupported.feature", obj.evidence_id)


def _problem(obj: KubeObject, refused: Refused) -> PolicyProblem:
    return PolicyProblem(str(obj.id), refused.field, refused.expected, _code(refused.field), obj.evidence_id)


def _code(field: str) -> str:
    last = field.rpartition(".")[2].partition("[")[0]
    if last.lower().endswith("selector"):
        return "invalid.selector"
    known = {
        "ports": "invalid.port",
        "notPorts": "invalid.port",
        "nets": "invalid.cidr",
        "notNets": "invalid.cidr",
    }
    return known.get(last, "invalid.rule" if "[" in field else "invalid.spec")


def _missing_tier(policy: CalicoPolicy) -> PolicyProblem:
    expected = f"expected the name of a Tier that exists; {policy.tier!r} is not in the evidence"
    return PolicyProblem(
        str(policy.obj.id), "spec.tier", expected, "invalid.reference", policy.obj.evidence_id
    )


def _no_such_tier(policy: CalicoPolicy) -> Cause:
    problem = f"spec.tier: the tier {policy.tier} does not exist in the evidence"
    return cause("indeterminate.invalid-policy", policy=str(policy.obj.id), problem=problem)


def _doubt(policy: CalicoPolicy) -> Cause:
    return _invalid(policy.obj, policy.problems[0])


def _invalid(obj: KubeObject, refused: Refused) -> Cause:
    return cause("indeterminate.invalid-policy", policy=str(obj.id), problem=str(refused))


def _either(obj: KubeObject, subjects: int, peers: int, doubt: Cause) -> tuple[Rule, ...]:
    """Rules of which nobody knows what they do: each may allow and may deny."""
    terms = (Term(subjects, peers, EVERYTHING, doubt),)
    return tuple(Rule(action, terms, _ref(obj, "spec")) for action in (Action.ALLOW, Action.DENY))


def _compiled(
    obj: KubeObject, tier: Tier, place: tuple[float, str, str, str], directions: dict[Direction, Directed]
) -> CompiledPolicy:
    return CompiledPolicy(str(obj.id), obj.evidence_id, LAYER, tier, place, directions, sorted_by_name=True)


def _ref(obj: KubeObject, path: str) -> RuleRef:
    return RuleRef(str(obj.id), path.removeprefix("spec."), obj.evidence_id)


def _tier(tier: CalicoTier) -> Tier:
    end = Action.DENY if tier.default_action == "Deny" else Action.PASS
    name = _OLD_NAMES.get(tier.name, tier.name)
    # A tier without an order is the last one, but profiles come after every tier.
    return Tier(name, min(tier.order, sys.float_info.max), end, ambiguous=name in _OLD_NAMES.values())


def _all_rules(parsed: _Parsed) -> Iterator[CalicoRule]:
    for policy in parsed.policies:
        yield from (*(policy.ingress or ()), *(policy.egress or ()))
    for profile in parsed.profiles:
        yield from (*profile.ingress, *profile.egress)
