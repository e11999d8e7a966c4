"""Linkerd's inbound policy at receivers with its proxy (encryption.md 2).

The oldest Server that selects a pod and port decides alone: its grants or nothing. Where no Server does, the pod's default
inbound policy decides. Only TCP that the proxy captures is judged.
"""

from collections.abc import Iterator, Sequence

from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import observe_linkerd_proxy
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.model.kinds import CONFIG_MAP, POD, KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import RuleRef, Tri
from auditor.network.bits import members
from auditor.network.fields import FieldProblem
from auditor.network.mesh_authorization_linkerd_grants import (
    AUTHORIZATION_POLICY,
    MESH_TLS,
    NETWORK_AUTHENTICATION,
    ROUTES,
    SERVER,
    SERVER_AUTHORIZATION,
    Grant,
    LinkerdClients,
    LinkerdGrants,
)
from auditor.network.mesh_authorization_linkerd_settings import (
    DEFAULT_POLICIES,
    OPEN_POLICIES,
    port_ranges,
    read_settings,
    skipped_ports,
)
from auditor.network.named_ports import NamedPort, PortChoice, port_terms
from auditor.network.ports import HIGHEST, LOWEST, PortSet, Range
from auditor.network.reasons import cause
from auditor.network.representation import (
    Action,
    Bits,
    CompiledLayer,
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

LAYER = "linkerd-authorization"
_PASSING = Tier("linkerd-passing", 0, Action.PASS, gate=LAYER)
_SERVERS = Tier("linkerd-servers", 1, Action.PASS, ambiguous=True, gate=LAYER)
_DEFAULTS = Tier("linkerd-defaults", 2, Action.PASS, gate=LAYER)
_TCP = PortSet.whole("TCP")
_OTHER_PROTOCOLS = PortSet.whole("UDP", "SCTP", "ICMP", "ICMPv6")
_DEFAULT_ANNOTATION = "config.linkerd.io/default-inbound-policy"
_REQUIRE_IDENTITY = "config.linkerd.io/proxy-require-identity-inbound-ports"


class LinkerdAuthorizationLayer:
    """Linkerd's Server, ServerAuthorization and AuthorizationPolicy, and the default inbound policies."""

    names = (LAYER,)
    kinds: tuple[KindKey, ...] = (
        SERVER,
        SERVER_AUTHORIZATION,
        AUTHORIZATION_POLICY,
        MESH_TLS,
        NETWORK_AUTHENTICATION,
        *ROUTES,
    )
    reads: tuple[KindKey, ...] = (*kinds, CONFIG_MAP, POD)

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Every Server, for all receivers, and the defaults of receivers that have the proxy."""
        seen = _observed(universe)
        if not seen.must and not any(cluster.all(kind) for kind in self.kinds[:5]):
            return CompiledLayer(LAYER, kinds=self.kinds)
        return _Compiler(cluster, universe, seen).compile(self.kinds)


class _Compiler:
    def __init__(self, cluster: Cluster, universe: Universe, seen: Match) -> None:
        self._cluster = cluster
        self._universe = universe
        self._seen = seen
        self._settings = read_settings(cluster, universe.endpoints)
        self._clients = LinkerdClients(universe)
        self._grants = LinkerdGrants(cluster, universe, self._clients)
        self._problems: list[PolicyProblem] = []
        self._entries: list[PolicyEntry] = []
        self._policies: list[CompiledPolicy] = []

    def compile(self, kinds: tuple[KindKey, ...]) -> CompiledLayer:
        ranks = _ranks(self._cluster.all(SERVER))
        for server in self._cluster.all(SERVER):
            self._server(server, ranks[str(server.id)])
        self._defaults()
        self._passing()
        for obj, problem in self._grants.problems:
            self._report(obj, problem)
        for kind in (SERVER_AUTHORIZATION, AUTHORIZATION_POLICY):
            for obj in self._cluster.all(kind):
                self._entries.append(
                    PolicyEntry(str(obj.id), LAYER, obj.evidence_id, self._granted(obj), (Direction.INGRESS,))
                )
        return CompiledLayer(
            name=LAYER,
            policies=tuple(self._policies),
            problems=tuple(sorted(set(self._problems))),
            entries=tuple(self._entries),
            kinds=kinds,
            data_plane=self._seen,
        )

    def _granted(self, obj: KubeObject) -> Bits:
        """The receivers about which a grant has a say."""
        found = 0
        for policy in self._policies:
            for directed in policy.directions.values():
                if any(rule.ref.object == str(obj.id) for rule in directed.rules):
                    found |= directed.selects
        return found

    def _report(self, obj: KubeObject, problem: FieldProblem) -> None:
        self._problems.append(
            PolicyProblem(str(obj.id), problem.field, problem.expected, problem.code, obj.evidence_id)
        )

    def _server(self, server: KubeObject, rank: float) -> None:
        subjects = self._universe.namespace(server.namespace)
        try:
            subjects = self._subjects(server)
            ports = _port(server)
            rules = tuple(self._rules(server, subjects, ports))
            directed = Directed(subjects, rules, isolates=False)
        except FieldProblem as problem:
            self._report(server, problem)
            directed = self._doubtful(server, subjects, problem)
        self._add(server, _SERVERS, (rank, server.name, server.namespace), directed)
        self._entries.append(
            PolicyEntry(str(server.id), LAYER, server.evidence_id, directed.selects, (Direction.INGRESS,))
        )

    def _add(self, obj: KubeObject, tier: Tier, order: tuple[float | str, ...], directed: Directed) -> None:
        directions = {Direction.INGRESS: directed}
        self._policies.append(CompiledPolicy(str(obj.id), obj.evidence_id, LAYER, tier, order, directions))

    def _subjects(self, server: KubeObject) -> Bits:
        if server.spec.get("podSelector") is None:
            return 0
        try:
            selector = parse_selector(server.spec["podSelector"], "spec.podSelector")
        except SelectorError as problem:
            raise FieldProblem.of_selector(problem) from None
        return self._universe.namespace(server.namespace) & self._universe.select_pods(selector)

    def _rules(self, server: KubeObject, subjects: Bits, ports: PortChoice) -> Iterator[Rule]:
        """The grants, those of routes last, then the denial of everybody else on these ports."""
        grants = [*self._grants.of_server(server), *self._access_policy(server)]
        for grant in sorted(grants, key=lambda entry: entry.condition is not None):
            yield self._rule(Action.ALLOW, subjects, grant, ports)
        everyone = Grant(self._clients.everyone, RuleRef(str(server.id), "accessPolicy", server.evidence_id))
        yield self._rule(Action.DENY, subjects, everyone, ports)

    def _rule(self, action: Action, subjects: Bits, grant: Grant, ports: PortChoice) -> Rule:
        terms = (
            *port_terms(self._universe, Direction.INGRESS, subjects, grant.peers.must, [ports]),
            *port_terms(self._universe, Direction.INGRESS, subjects, grant.peers.may, [ports], grant.unsure),
        )
        return Rule(action, terms, grant.ref, grant.condition)

    def _access_policy(self, server: KubeObject) -> Iterator[Grant]:
        policy = server.spec.get("accessPolicy", "deny")
        if policy not in DEFAULT_POLICIES:
            raise FieldProblem(
                "spec.accessPolicy", f"expected one of {', '.join(DEFAULT_POLICIES)}", "invalid.spec"
            )
        ref = RuleRef(str(server.id), "accessPolicy", server.evidence_id)
        yield from (Grant(peers, ref) for peers in self._admitted(str(policy)))

    def _admitted(self, policy: str) -> Iterator[Match]:
        """Whom one of the named policies admits."""
        if policy == "deny":
            return
        peers = self._clients.meshed if policy.endswith("-authenticated") else self._clients.everyone
        if policy.startswith("cluster-"):
            peers = peers & self._universe.within_any(self._settings.networks)
        yield peers

    def _doubtful(self, server: KubeObject, subjects: Bits, problem: FieldProblem) -> Directed:
        why = cause("indeterminate.invalid-policy", policy=str(server.id), problem=str(problem))
        terms = (Term(subjects, self._universe.everything, _TCP, why),)
        ref = RuleRef(str(server.id), "spec", server.evidence_id)
        rules = tuple(Rule(action, terms, ref) for action in (Action.ALLOW, Action.DENY))
        return Directed(0, rules, False, subjects, why)

    def _defaults(self) -> None:
        groups: dict[tuple[str | None, tuple[Range, ...]], Bits] = {}
        for position in members(self._seen.any):
            endpoint = self._universe.endpoints[position]
            own = endpoint.annotations.get(_DEFAULT_ANNOTATION)
            policy = own if own in DEFAULT_POLICIES else self._settings.default_policy
            if policy is None and not self._seen.must >> position & 1:
                continue
            key = (policy, port_ranges(endpoint.annotations.get(_REQUIRE_IDENTITY, "")))
            groups[key] = groups.get(key, 0) | 1 << position
        for (policy, identified), subjects in sorted(groups.items(), key=lambda entry: str(entry[0])):
            rules = tuple(self._default_rules(policy, identified, subjects))
            if rules:
                directions = {Direction.INGRESS: Directed(subjects, rules, isolates=False)}
                self._policies.append(
                    CompiledPolicy(
                        _named(policy),
                        self._settings.evidence_id,
                        LAYER,
                        _DEFAULTS,
                        (0.0, str(identified)),
                        directions,
                    )
                )

    def _default_rules(
        self, policy: str | None, identified: tuple[Range, ...], subjects: Bits
    ) -> Iterator[Rule]:
        ref = RuleRef(_named(policy), "default-inbound-policy", self._settings.evidence_id)
        everyone = Grant(self._clients.everyone, ref)
        if policy is None:
            unknown = Match(0, self._universe.everything)
            why = cause("indeterminate.linkerd-default")
            yield self._rule(Action.DENY, subjects, Grant(unknown, ref, why), _TCP)
            return
        if identified and policy != "deny":
            needing = PortSet.of({"TCP": identified})
            yield self._rule(Action.ALLOW, subjects, Grant(self._clients.meshed, ref), needing)
            yield self._rule(Action.DENY, subjects, everyone, needing)
        if policy not in OPEN_POLICIES:
            for peers in self._admitted(policy):
                yield self._rule(Action.ALLOW, subjects, Grant(peers, ref), _TCP)
            yield self._rule(Action.DENY, subjects, everyone, _TCP)

    def _passing(self) -> None:
        """What the proxy doesn't capture passes: everything but TCP, and skipped ports."""
        selected = 0
        for policy in self._policies:
            for directed in policy.directions.values():
                selected |= directed.selects | directed.may_select
        groups: dict[tuple[Range, ...], Bits] = {}
        for position in members(selected):
            skipped = skipped_ports(self._universe.endpoints[position])
            groups[skipped] = groups.get(skipped, 0) | 1 << position
        for skipped, subjects in sorted(groups.items()):
            ports = _OTHER_PROTOCOLS | PortSet.of({"TCP": skipped})
            term = Term(subjects, self._universe.everything, ports)
            rule = Rule(Action.ALLOW, (term,), RuleRef("linkerd", "what the proxy does not capture", ""))
            directions = {Direction.INGRESS: Directed(subjects, (rule,), isolates=False)}
            self._policies.append(
                CompiledPolicy("linkerd", "", LAYER, _PASSING, (0.0, str(skipped)), directions)
            )


def _named(policy: str | None) -> str:
    return f"linkerd default-inbound-policy {policy or '(unknown)'}"


def _observed(universe: Universe) -> Match:
    must = may = 0
    for position in members(universe.pods):
        seen = observe_linkerd_proxy(universe.endpoints[position]).present
        must |= (seen is Tri.YES) << position
        may |= (seen is Tri.UNKNOWN) << position
    return Match(must, may)


def _ranks(servers: Sequence[KubeObject]) -> dict[str, float]:
    """The oldest Server of a namespace comes first, then the name; where an age is unknown, none comes first for sure."""
    ranks: dict[str, float] = {}
    unknown = {server.namespace for server in servers if server.created is None}
    ordered = sorted(servers, key=lambda server: (server.created or "", server.name))
    for index, server in enumerate(ordered, 1):
        ranks[str(server.id)] = 0.0 if server.namespace in unknown else float(index)
    return ranks


def _port(server: KubeObject) -> PortChoice:
    port = server.spec.get("port")
    if isinstance(port, int) and not isinstance(port, bool) and LOWEST <= port <= HIGHEST:
        return PortSet.single("TCP", port)
    if isinstance(port, str) and any(letter.isalpha() for letter in port) and len(port) <= 15:
        return NamedPort(port, ("TCP",))
    raise FieldProblem("spec.port", "expected a port from 1 to 65535 or the name of a port", "invalid.port")
