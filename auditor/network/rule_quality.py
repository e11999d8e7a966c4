"""Rules of NetworkPolicies that do nothing, or more than they seem to be for. Decided over the evidence's own peers.

Redundant: every pair and port that the rule lets through is let through by other rules that select the same pods. Rules of
NetworkPolicies only add up (networking.k8s.io/v1), so taking it away changes nothing; all that are found may go together.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.kinds import NETWORK_POLICY
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at
from auditor.network.address_reading import read_blocks
from auditor.network.addresses import AddressError, parse_network
from auditor.network.bits import members
from auditor.network.network_policy import NetworkPolicyLayer
from auditor.network.ports import EVERYTHING, PortSet
from auditor.network.representation import BOTH, Bits, CompiledPolicy, Direction, Match, Rule, Term
from auditor.network.universe import Universe

MAX_STEPS, MAX_TERMS = 10_000, 150
"""A rule whose cover isn't found in so many steps, among so many parts of other rules, counts as needed."""
MAX_RULES = 1_000
"""Of a namespace with more rules in a direction it isn't told which are redundant: the work grows with the square."""
DNS_PORT = 53
_DNS_SERVICES = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
_NODE_LOCAL_DNS = ("k8s-app", "node-local-dns")
_WIDE = {4: 8, 6: 16}
"""Prefix lengths at or below which a block stands for destinations that are known by name."""
_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


class Flaw(StrEnum):
    """What is wrong with a rule, the gravest first."""

    BLOCK_COVERS_PODS = "block-covers-pods"
    EVERY_NAMESPACE = "every-namespace"
    EVERY_POD = "every-pod-of-the-namespace"
    DNS_CUT = "dns-cut"
    REDUNDANT = "redundant-rule"
    MATCHES_NOTHING = "rule-matches-nothing"
    TOO_MANY = "indeterminate.too-many-rules"


@dataclass(frozen=True, slots=True)
class RuleFlaw:
    """A flaw of the rule at `path` of a policy.

    `names`: the endpoints that it concerns, sorted; for a redundant rule the rules that cover it, as `object path`.
    """

    kind: Flaw
    path: str
    names: tuple[str, ...]


Reaches = Callable[[Endpoint, Endpoint, int], bool]
"""Whether policies let one endpoint open a UDP port of another, or may do so."""


def rule_flaws(
    cluster: Cluster, universe: Universe, services: Services, reaches: Reaches
) -> Mapping[str, tuple[RuleFlaw, ...]]:
    """The flaws of every valid NetworkPolicy by object, those without any included; invalid ones are left out."""
    layer = NetworkPolicyLayer().compile(cluster, universe)
    invalid = {problem.object for problem in layer.problems}
    policies = [policy for policy in layer.policies if policy.object not in invalid]
    found: dict[str, list[RuleFlaw]] = {policy.object: [] for policy in policies}
    for owner, flaw in _without_effect(policies):
        found[owner].append(flaw)
    raw = {str(policy.id): policy for policy in cluster.all(NETWORK_POLICY)}
    breadth = _Breadth(universe, read_blocks(cluster, universe).peers)
    resolvers = _resolvers(universe, services)
    for policy in policies:
        found[policy.object] += breadth.flaws(raw[policy.object], policy)
        found[policy.object] += _dns_cut(raw[policy.object], policy, universe, resolvers, reaches)
    return {owner: tuple(sorted(flaws, key=_rank)) for owner, flaws in found.items()}


def _rank(flaw: RuleFlaw) -> tuple[int, str, int]:
    name, _, index = flaw.path.partition("[")
    return list(Flaw).index(flaw.kind), name, int(index.partition("]")[0])


# -- redundant rules, rules without a peer ------------------------------------------------------------------------------


class _Entry:
    """A rule with its policy, its place among the rules of its namespace, and the sets that it spans."""

    __slots__ = ("order", "owner", "peers", "rule", "size", "subjects", "sure")

    def __init__(self, owner: str, rule: Rule, order: int) -> None:
        self.owner, self.rule, self.order = owner, rule, order
        self.subjects = reduce(or_, (term.subjects for term in rule.terms))
        self.peers = reduce(or_, (term.peers for term in rule.terms))
        self.size = sum(term.subjects.bit_count() * term.peers.bit_count() for term in rule.terms)
        self.sure = all(term.unsure is None for term in rule.terms)


def _without_effect(policies: Sequence[CompiledPolicy]) -> Iterator[tuple[str, RuleFlaw]]:
    for direction in BOTH:
        by_namespace: dict[str, list[_Entry]] = {}
        for policy in policies:
            directed = policy.directions.get(direction)
            if directed is None or not directed.selects:
                continue
            entries = by_namespace.setdefault(policy.object.partition("/")[0], [])
            for rule in directed.rules:
                if rule.terms:
                    entries.append(_Entry(policy.object, rule, len(entries)))
                else:
                    yield policy.object, RuleFlaw(Flaw.MATCHES_NOTHING, rule.ref.rule, ())
        for entries in by_namespace.values():
            yield from _redundant(entries) if len(entries) <= MAX_RULES else _too_many(entries)


def _too_many(entries: list[_Entry]) -> Iterator[tuple[str, RuleFlaw]]:
    first = {entry.owner: entry for entry in reversed(entries)}
    for owner, entry in first.items():
        yield owner, RuleFlaw(Flaw.TOO_MANY, entry.rule.ref.rule, ())


def _redundant(entries: list[_Entry]) -> Iterator[tuple[str, RuleFlaw]]:
    """The smallest rules first, and of equal ones the last: what goes is the exception, not the rule that covers it."""
    kept = list(entries)
    gone = []
    for entry in sorted(entries, key=lambda entry: (entry.size, -entry.order)):
        others = [other for other in kept if other is not entry]
        if _cover(entry, others):
            kept = others
            gone.append(entry)
    for entry in gone:
        names = {f"{other.owner} {other.rule.ref.rule}" for other in _cover(entry, kept)}
        yield entry.owner, RuleFlaw(Flaw.REDUNDANT, entry.rule.ref.rule, tuple(sorted(names)))


def _cover(entry: _Entry, others: list[_Entry]) -> list[_Entry]:
    """Other rules that let through all that an entry does, a single one if possible; none where no such can be told."""
    if not entry.sure:
        return []
    near = [other for other in others if other.subjects & entry.subjects and other.peers & entry.peers]
    for choice in (*([other] for other in near), near):
        given = [term for other in choice for term in other.rule.terms if term.unsure is None]
        steps = [MAX_STEPS]
        if all(_covered(term, _meeting(term, given), steps) for term in entry.rule.terms):
            return choice
    return []


def _meeting(term: Term, others: list[Term]) -> list[Term]:
    return [other for other in others if _meet(term, other)][:MAX_TERMS]


def _meet(term: Term, other: Term) -> bool:
    return bool(term.subjects & other.subjects and term.peers & other.peers) and (
        term.ports.minus(other.ports) != term.ports
    )


def _covered(term: Term, others: Sequence[Term], steps: list[int]) -> bool:
    """Whether the union of products holds a product: cut the first that meets it out, and ask for the three pieces."""
    steps[0] -= 1
    if steps[0] < 0:
        return False
    place = next((i for i, other in enumerate(others) if _meet(term, other)), None)
    if place is None:
        return False
    first, rest = others[place], others[place + 1 :]
    both = term.subjects & first.subjects
    pieces = (
        Term(term.subjects & ~first.subjects, term.peers, term.ports),
        Term(both, term.peers & ~first.peers, term.ports),
        Term(both, term.peers & first.peers, _minus(term.ports, first.ports)),
    )
    return all(_covered(p, rest, steps) for p in pieces if p.subjects and p.peers and p.ports)


def _minus(ports: PortSet, others: PortSet) -> PortSet:
    """Every protocol without some ports stays what numbered rules can't cover."""
    return ports if ports == EVERYTHING and not others.everything else ports.minus(others)


# -- rules that are wider than they look --------------------------------------------------------------------------------


def _rules(raw: KubeObject, direction: Direction) -> list[JsonObject]:
    """The rules by their index; a null rule is an empty one."""
    return [mapping_at(entry) for entry in list_at(raw.body, "spec", direction.value)]


def _selects_all(selector: object) -> bool:
    return isinstance(selector, Mapping) and not any(selector.values())


class _Breadth:
    """Peers of rules that hold more pods than their author likely meant."""

    def __init__(self, universe: Universe, readable: Match) -> None:
        self._universe = universe
        self._readable = readable

    def flaws(self, raw: KubeObject, policy: CompiledPolicy) -> Iterator[RuleFlaw]:
        """The flaws of one policy; one that selects nothing has none."""
        own = self._universe.namespace(raw.namespace)
        for direction, directed in policy.directions.items():
            for index, rule in enumerate(_rules(raw, direction)):
                for peer in mappings_at(rule, _PEERS[direction]) if directed.selects else ():
                    kind, pods = self._judge(peer, own, directed.selects, direction)
                    if kind is not None and pods:
                        names = sorted(found.id for found in self._universe.of(pods))
                        yield RuleFlaw(kind, f"{direction.value}[{index}]", tuple(names))

    def _judge(
        self, peer: JsonObject, own: Bits, selected: Bits, direction: Direction
    ) -> tuple[Flaw | None, Bits]:
        if "ipBlock" in peer:
            return Flaw.BLOCK_COVERS_PODS, self._within(mapping_at(peer, "ipBlock")) & ~own
        pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
        if pods is not None and not _selects_all(pods):
            return None, 0
        if _selects_all(namespaces):
            return Flaw.EVERY_NAMESPACE, self._universe.pods & ~own
        if namespaces is None and direction is Direction.INGRESS and selected != own:
            return Flaw.EVERY_POD, own & ~selected
        return None, 0

    def _within(self, block: JsonObject) -> Bits:
        """The pods whose address is in a block for certain, as the agent reads it."""
        try:
            found = self._universe.within(parse_network(block.get("cidr")))
            for hole in block.get("except") or ():
                found = found.minus(self._universe.within(parse_network(hole)))
        except AddressError:
            return 0
        return (found & self._readable).must & self._universe.pods


# -- egress that cuts name resolution -----------------------------------------------------------------------------------


def _resolvers(universe: Universe, services: Services) -> list[tuple[Endpoint, int]]:
    """The cluster's DNS pods and their UDP port; none where each node has a resolver of its own, outside policies' reach."""
    key, value = _NODE_LOCAL_DNS
    if any(endpoint.labels.get(key) == value for endpoint in universe.endpoints):
        return []
    backends = (backend for name in _DNS_SERVICES for backend in services.of_service(*name))
    return [
        (b.endpoint, b.target_port) for b in backends if (b.service_port, b.protocol) == (DNS_PORT, "UDP")
    ]


def _dns_cut(
    raw: KubeObject,
    policy: CompiledPolicy,
    universe: Universe,
    resolvers: list[tuple[Endpoint, int]],
    reaches: Reaches,
) -> Iterator[RuleFlaw]:
    directed = policy.directions.get(Direction.EGRESS)
    if directed is None or not resolvers:
        return
    rules = _rules(raw, Direction.EGRESS)
    named = [i for i, rule in enumerate(rules) if directed.rules[i].terms and _is_by_name(rule)]
    if not named:
        return
    servers = {server.id for server, _ in resolvers}
    selected = [universe.endpoints[i] for i in members(directed.selects)]
    cut = [
        endpoint.id
        for endpoint in selected
        if endpoint.id not in servers and endpoint.spec.get("dnsPolicy") != "None"
        if not any(reaches(endpoint, server, port) for server, port in resolvers)
    ]
    if cut:
        yield RuleFlaw(Flaw.DNS_CUT, f"egress[{named[0]}]", tuple(sorted(cut)))


def _is_by_name(rule: JsonObject) -> bool:
    """Whether clients find what a rule opens by its name: pods behind Services, and blocks too wide to be addresses."""
    peers = mappings_at(rule, "to")
    return not peers or any(_is_wide(peer) for peer in peers)


def _is_wide(peer: JsonObject) -> bool:
    if "ipBlock" not in peer:
        return True
    try:
        block = ipaddress.ip_network(str(mapping_at(peer, "ipBlock").get("cidr")))
    except ValueError:
        return False
    return block.prefixlen <= _WIDE[block.version]
