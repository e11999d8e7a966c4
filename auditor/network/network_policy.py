"""Kubernetes NetworkPolicy: networking.k8s.io/v1, connectivity.md 1-15, kubernetes pkg/apis/networking/validation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import Selector, SelectorError, parse_selector
from auditor.model.kinds import NETWORK_POLICY
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause, RuleRef
from auditor.network.address_reading import BlockReading, read_blocks
from auditor.network.addresses import AddressError, contains, parse_network
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.named_ports import NamedPort, PortChoice, port_terms
from auditor.network.ports import EVERYTHING, HIGHEST, LOWEST, PORT_PROTOCOLS, PortSet, full_range
from auditor.network.reasons import cause
from auditor.network.representation import (
    DEFAULT_TIER,
    KUBERNETES_POLICY_ORDER,
    NO_MATCH,
    Action,
    Bits,
    CompiledLayer,
    CompiledObject,
    CompiledPolicy,
    Directed,
    Direction,
    Match,
    PolicyEntry,
    PolicyProblem,
    Rule,
)
from auditor.network.universe import Universe

LAYER = "networkpolicy"
_RULES = {Direction.INGRESS: ("ingress", "from"), Direction.EGRESS: ("egress", "to")}


class NetworkPolicyLayer:
    """All NetworkPolicies of the evidence."""

    names = (LAYER,)
    kinds = (NETWORK_POLICY,)
    reads = kinds

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Compile every NetworkPolicy; invalid ones make what they could change unsure."""
        reading = read_blocks(cluster, universe)
        context = (LAYER, reading.stated, reading.doubt)
        compiled = [
            universe.remember(policy, context, _Compiler(policy, universe, reading).compile)
            for policy in cluster.all(NETWORK_POLICY)
        ]
        return CompiledLayer(
            name=LAYER,
            policies=tuple(policy for found in compiled for policy in found.policies),
            problems=tuple(sorted(problem for found in compiled for problem in found.problems)),
            entries=tuple(entry for found in compiled for entry in found.entries),
            kinds=self.kinds,
        )


@dataclass(frozen=True, slots=True)
class _RawRule:
    """A rule as parsed: the peers that match and the ports. A broken part is None: it could be anything.

    `unsure` says why the evidence cannot tell of some peers whether they match.
    """

    path: str
    peers: Match | None
    ports: Sequence[PortChoice] | None
    unsure: Cause | None = None


class _Compiler:
    """Compiles one NetworkPolicy."""

    def __init__(self, policy: KubeObject, universe: Universe, reading: BlockReading) -> None:
        self._policy = policy
        self._reading = reading
        self._universe = universe
        self._problems: list[PolicyProblem] = []
        self._namespace = universe.namespace(policy.namespace)

    def compile(self) -> CompiledObject:
        """The compiled policy, its entry, and what is wrong with it."""
        spec = self._policy.spec
        if not isinstance(self._policy.body.get("spec", {}), dict):
            self._report(FieldProblem("spec", "expected a mapping", "invalid.spec"))
        selected = self._subjects(spec)
        directions = self._directions(spec)
        raw = {direction: list(self._rules(spec, direction)) for direction in directions}
        invalid = self._invalid()
        compiled = CompiledPolicy(
            object=str(self._policy.id),
            evidence_id=self._policy.evidence_id,
            layer=LAYER,
            tier=DEFAULT_TIER,
            order=(KUBERNETES_POLICY_ORDER, f"knp.default.{self._policy.name}", self._policy.namespace),
            directions={d: self._directed(selected, d, rules, invalid) for d, rules in raw.items()},
        )
        entry = PolicyEntry(
            compiled.object, LAYER, compiled.evidence_id, selected, tuple(directions), inert=None
        )
        return CompiledObject((compiled,), (entry,), tuple(self._problems))

    def _invalid(self) -> Cause | None:
        if not self._problems:
            return None
        first = self._problems[0]
        problem = f"{first.field}: {first.expected}"
        return cause("indeterminate.invalid-policy", policy=str(self._policy.id), problem=problem)

    def _report(self, problem: FieldProblem) -> None:
        self._problems.append(
            PolicyProblem(
                object=str(self._policy.id),
                field=problem.field,
                expected=problem.expected,
                code=problem.code,
                evidence_id=self._policy.evidence_id,
            )
        )

    def _subjects(self, spec: Any) -> Bits:
        """The pods of the policy's namespace that podSelector matches; all of them if it is broken."""
        try:
            selector = parse_selector(spec.get("podSelector"), "spec.podSelector")
        except SelectorError as problem:
            self._report(FieldProblem.of_selector(problem))
            return self._namespace
        return self._namespace & self._universe.select_pods(selector)

    def _directions(self, spec: Any) -> list[Direction]:
        """`policyTypes`, by default Ingress, and Egress only if there are egress rules (point 5)."""
        try:
            listed = list_field(spec, "policyTypes", "spec")
            wrong = [entry for entry in listed if entry not in ("Ingress", "Egress")]
            if wrong:
                raise FieldProblem("spec.policyTypes", "expected Ingress or Egress", "invalid.spec")
            has_egress = bool(list_field(spec, "egress", "spec"))
        except FieldProblem as problem:
            self._report(problem)
            return [Direction.INGRESS, Direction.EGRESS]
        if listed:
            return [d for d in (Direction.INGRESS, Direction.EGRESS) if d.value.capitalize() in listed]
        return [Direction.INGRESS, Direction.EGRESS] if has_egress else [Direction.INGRESS]

    def _rules(self, spec: Any, direction: Direction) -> Iterator[_RawRule]:
        field, peers_field = _RULES[direction]
        try:
            entries = list_field(spec, field, "spec")
        except FieldProblem as problem:
            self._report(problem)
            yield _RawRule(field, None, None)
            return
        for index, entry in enumerate(entries):
            yield self._rule(entry, f"{field}[{index}]", peers_field)

    def _rule(self, raw: Any, path: str, peers_field: str) -> _RawRule:
        where = f"spec.{path}"
        peers: Match | None = None
        unsure: Cause | None = None
        ports: list[PortChoice] | None = None
        try:
            rule = mapping_field(raw, where)
            peers, unsure = self._peers(list_field(rule, peers_field, where), f"{where}.{peers_field}")
        except FieldProblem as problem:
            self._report(problem)
        try:
            ports = parse_ports(list_field(mapping_field(raw, where), "ports", where), f"{where}.ports")
        except FieldProblem as problem:
            self._report(problem)
        return _RawRule(path, peers, ports, unsure)

    def _peers(self, entries: Sequence[Any], where: str) -> tuple[Match, Cause | None]:
        """All peers where the list is missing or empty (point 3), else the union of its entries (point 4)."""
        if not entries:
            return Match(self._universe.everything), None
        found, unsure = NO_MATCH, None
        for index, entry in enumerate(entries):
            match, why = self.peer(entry, f"{where}[{index}]")
            found, unsure = found | match, unsure or (why if match.may else None)
        return found, unsure

    def peer(self, raw: Any, where: str) -> tuple[Match, Cause]:
        """Whom an entry of `from` or `to` stands for, and why the evidence can't tell of some. Raises FieldProblem."""
        peer = mapping_field(raw, where)
        block, pods, namespaces = (peer.get(k) for k in ("ipBlock", "podSelector", "namespaceSelector"))
        if block is not None and pods is None and namespaces is None:
            match, text = self._block(block, f"{where}.ipBlock")
            return match, self._reading.doubt or cause("indeterminate.pod-address", block=text)
        if block is not None or (pods is None and namespaces is None):
            raise FieldProblem(
                where, "expected either ipBlock, or podSelector and namespaceSelector", "invalid.peer"
            )
        try:
            pod_selector = parse_selector(pods, f"{where}.podSelector")
            namespace_selector = parse_selector(namespaces, f"{where}.namespaceSelector")
        except SelectorError as problem:
            raise FieldProblem.of_selector(problem) from None
        match = self._selected(pod_selector, None if namespaces is None else namespace_selector)
        return match, cause("indeterminate.namespace-labels")

    def _selected(self, pods: Selector, namespaces: Selector | None) -> Match:
        chosen = Match(self._universe.select_pods(pods))
        if namespaces is None:
            return chosen & Match(self._namespace)
        return chosen & self._universe.select_namespaces(namespaces)

    def _block(self, raw: Any, where: str) -> tuple[Match, str]:
        """Who has an address in the block, as the agent reads it; `except` narrows its own peer only (point 6)."""
        block = mapping_field(raw, where)
        try:
            outer = parse_network(block.get("cidr"))
        except AddressError as problem:
            raise FieldProblem(f"{where}.cidr", str(problem), "invalid.cidr") from None
        found = self._universe.within(outer)
        for index, text in enumerate(list_field(block, "except", where)):
            place = f"{where}.except[{index}]"
            try:
                hole = parse_network(text)
            except AddressError as problem:
                raise FieldProblem(place, str(problem), "invalid.cidr") from None
            if hole == outer or not contains(outer, hole):
                raise FieldProblem(place, f"expected a block inside {outer}", "invalid.cidr")
            found = found.minus(self._universe.within(hole))
        return found & self._reading.peers, str(outer)

    def _directed(
        self, selected: Bits, direction: Direction, raw: list[_RawRule], invalid: Cause | None
    ) -> Directed:
        rules = tuple(self._compiled_rule(selected, direction, rule, invalid) for rule in raw)
        if invalid is None:
            return Directed(selected, rules)
        return Directed(0, rules, may_select=selected, why=invalid)

    def _compiled_rule(
        self, selected: Bits, direction: Direction, raw: _RawRule, invalid: Cause | None
    ) -> Rule:
        peers = Match(self._universe.everything) if raw.peers is None else raw.peers
        ports: Sequence[PortChoice] = (EVERYTHING,) if raw.ports is None else raw.ports
        unsure = raw.unsure
        terms = (
            *port_terms(self._universe, direction, selected, peers.must, ports, invalid),
            *port_terms(self._universe, direction, selected, peers.may, ports, invalid or unsure),
        )
        ref = RuleRef(str(self._policy.id), raw.path, self._policy.evidence_id)
        return Rule(Action.ALLOW, terms, ref)


def peer_matches(
    policy: KubeObject, universe: Universe, reading: BlockReading, direction: Direction
) -> Iterator[tuple[str, list[Match]]]:
    """For each rule of a valid policy the path of its peers, as `ingress[0].from`, and the match of each."""
    compiler = _Compiler(policy, universe, reading)
    field, peers_field = _RULES[direction]
    for index, rule in enumerate(list_field(policy.spec, field, "spec")):
        path = f"{field}[{index}].{peers_field}"
        entries = list_field(mapping_field(rule, path), peers_field, path)
        yield path, [compiler.peer(entry, path)[0] for entry in entries]


def parse_ports(entries: Sequence[Any], where: str) -> list[PortChoice]:
    """The `ports` of a rule; none means all. Raises FieldProblem (points 3, 7)."""
    if not entries:
        return [EVERYTHING]
    return [_port(entry, f"{where}[{index}]") for index, entry in enumerate(entries)]


def _port(raw: Any, where: str) -> PortChoice:
    entry = mapping_field(raw, where)
    protocol = entry.get("protocol")
    protocol = "TCP" if protocol is None else protocol
    if protocol not in PORT_PROTOCOLS:
        raise FieldProblem(f"{where}.protocol", "expected TCP, UDP or SCTP", "invalid.port")
    port, end = entry.get("port"), entry.get("endPort")
    if port is None:
        if end is not None:
            raise FieldProblem(f"{where}.endPort", "expected a port beside it", "invalid.port")
        return PortSet.single(protocol, *full_range(protocol))
    if isinstance(port, str):
        return _named(port, protocol, end, where)
    _require_port(port, f"{where}.port")
    if end is None:
        return PortSet.single(protocol, port)
    _require_port(end, f"{where}.endPort")
    if end < port:
        raise FieldProblem(f"{where}.endPort", "expected a port not below port", "invalid.port")
    return PortSet.single(protocol, port, end)


def _named(name: str, protocol: str, end: Any, where: str) -> NamedPort:
    if end is not None:
        raise FieldProblem(f"{where}.endPort", "expected no endPort beside a named port", "invalid.port")
    if not 1 <= len(name) <= 15 or not any(letter.isalpha() for letter in name):
        raise FieldProblem(f"{where}.port", "expected a number or the name of a port", "invalid.port")
    return NamedPort(name, (protocol,))


def _require_port(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not LOWEST <= value <= HIGHEST:
        raise FieldProblem(where, "expected a port from 1 to 65535", "invalid.port")
