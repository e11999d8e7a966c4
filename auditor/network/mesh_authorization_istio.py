"""Istio's AuthorizationPolicy at receivers with a sidecar or behind ztunnel (connectivity.md 30-33, encryption.md 1d).

CUSTOM, then DENY, then ALLOW. Only TCP that the proxy captures is judged; the rest passes. What only a request shows makes a
connection conditional; ztunnel, which sees connections only, drops such ALLOW rules.
"""

from collections.abc import Iterator, Sequence

from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import observe_istio
from auditor.inventory.selectors import from_labels
from auditor.inventory.services import Services
from auditor.model.kinds import CONFIG_MAP, POD, SERVICE, KindKey, kind_key
from auditor.model.objects import KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri
from auditor.network.bits import members
from auditor.network.fields import FieldProblem, mapping_field
from auditor.network.mesh_authorization_identity import (
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    IstioIdentities,
    MeshSettings,
    MutualTlsDoubt,
)
from auditor.network.mesh_authorization_istio_receivers import (
    Receiver,
    bypassed_ports,
    effects_at_sidecar,
    effects_at_ztunnel,
    is_ambient,
    opaque_ports,
)
from auditor.network.mesh_authorization_istio_rules import IstioMatch, read_rules
from auditor.network.ports import PortSet, Range
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

LAYER = "istio-authorization"
AUTHORIZATION_POLICY = kind_key("security.istio.io", "AuthorizationPolicy")
_PASSING = Tier("istio-passing", 0, Action.PASS, gate=LAYER)
_CUSTOM = Tier("istio-custom", 1, Action.PASS, gate=LAYER)
_DENY = Tier("istio-deny", 2, Action.PASS, gate=LAYER)
_ALLOW = Tier("istio-allow", 3, Action.DENY, gate=LAYER)
_TIERS = {"CUSTOM": _CUSTOM, "DENY": _DENY, "ALLOW": _ALLOW}
_OTHER_PROTOCOLS = PortSet.whole("UDP", "SCTP", "ICMP", "ICMPv6")
_TCP = PortSet.whole("TCP")
_GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
_IDENTITY, _FAMILIES = cause("indeterminate.mesh-identity"), cause("indeterminate.ip-version")


class IstioAuthorizationLayer:
    """Istio's AuthorizationPolicy."""

    names = (LAYER,)
    kinds: tuple[KindKey, ...] = (AUTHORIZATION_POLICY,)
    reads: tuple[KindKey, ...] = (
        *kinds,
        CONFIG_MAP,
        DESTINATION_RULE,
        PEER_AUTHENTICATION,
        POD,
        SERVICE,
    )

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Every AuthorizationPolicy of the cluster, for all receivers; `data_plane` says where a proxy enforces it."""
        if not cluster.all(AUTHORIZATION_POLICY):
            return CompiledLayer(LAYER, kinds=self.kinds)
        return _Compiler(cluster, universe).compile(self.kinds)


class _Compiler:
    def __init__(self, cluster: Cluster, universe: Universe) -> None:
        self._cluster = cluster
        self._universe = universe
        self._settings = MeshSettings.of(cluster)
        self._identities = IstioIdentities(universe, self._settings, lambda e: observe_istio(e).present)
        self._services = Services(cluster, universe.endpoints)
        self._doubt = MutualTlsDoubt(cluster, self._settings)
        self._receivers = self._group_receivers()
        self._problems: list[PolicyProblem] = []
        self._entries: list[PolicyEntry] = []
        self._policies: list[CompiledPolicy] = []

    def compile(self, kinds: tuple[KindKey, ...]) -> CompiledLayer:
        for obj in self._cluster.all(AUTHORIZATION_POLICY):
            self._object(obj)
        selected = 0
        for policy in self._policies:
            for directed in policy.directions.values():
                selected |= directed.selects | directed.may_select
        self._policies.extend(self._passing(selected))
        return CompiledLayer(
            name=LAYER,
            policies=tuple(self._policies),
            problems=tuple(sorted(set(self._problems))),
            entries=tuple(self._entries),
            kinds=kinds,
            data_plane=self._data_plane(),
        )

    def _group_receivers(self) -> dict[Receiver, Bits]:
        groups: dict[Receiver, Bits] = {}
        for position in members(self._universe.pods):
            endpoint = self._universe.endpoints[position]
            backends = self._services.of_endpoint(endpoint)
            receiver = Receiver(
                ambient=is_ambient(endpoint),
                doubtful=self._doubt.of(endpoint.namespace, [b.service for b in backends]),
                opaque=opaque_ports((b.target_port, b.app_protocol or b.service_port_name) for b in backends),
            )
            groups[receiver] = groups.get(receiver, 0) | 1 << position
        return groups

    def _data_plane(self) -> Match:
        must = may = 0
        for position in members(self._universe.pods):
            seen = observe_istio(self._universe.endpoints[position]).present
            must |= (seen is Tri.YES) << position
            may |= (seen is Tri.UNKNOWN) << position
        return Match(must, may)

    def _passing(self, selected: Bits) -> Iterator[CompiledPolicy]:
        """What proxies don't capture passes: everything but TCP, and the ports that the pod excludes."""
        groups: dict[tuple[Range, ...], Bits] = {}
        for position in members(selected):
            bypassed = bypassed_ports(self._universe.endpoints[position])
            groups[bypassed] = groups.get(bypassed, 0) | 1 << position
        for ranges, subjects in sorted(groups.items()):
            ports = _OTHER_PROTOCOLS | PortSet.of({"TCP": ranges})
            rule = Rule(
                Action.ALLOW,
                (Term(subjects, self._universe.everything, ports),),
                RuleRef("istio", "what the proxy does not capture", ""),
            )
            directions = {Direction.INGRESS: Directed(subjects, (rule,), isolates=False)}
            yield CompiledPolicy("istio", "", LAYER, _PASSING, (0.0, str(ranges)), directions)

    def _object(self, obj: KubeObject) -> None:
        inert = _inert(obj)
        subjects = 0
        try:
            subjects = self._subjects(obj)
            action = _action(obj)
            rules = self._rules(obj, action, subjects)
            if inert is None:
                self._add(obj, _TIERS[action], Directed(subjects, rules))
        except FieldProblem as problem:
            self._report(obj, problem)
            if inert is None:
                self._add(obj, _ALLOW, self._doubtful(obj, problem))
        self._waypoint(obj)
        listed = (Direction.INGRESS,)
        self._entries.append(PolicyEntry(str(obj.id), LAYER, obj.evidence_id, subjects, listed, inert))

    def _add(self, obj: KubeObject, tier: Tier, directed: Directed) -> None:
        directions = {Direction.INGRESS: directed}
        order = (0.0, obj.name, obj.namespace)
        self._policies.append(CompiledPolicy(str(obj.id), obj.evidence_id, LAYER, tier, order, directions))

    def _report(self, obj: KubeObject, problem: FieldProblem) -> None:
        self._problems.append(
            PolicyProblem(str(obj.id), problem.field, problem.expected, problem.code, obj.evidence_id)
        )

    def _doubtful(self, obj: KubeObject, problem: FieldProblem) -> Directed:
        """Istio refuses it, or reads it otherwise than we do: it may deny anything it may select."""
        why = cause("indeterminate.invalid-policy", policy=str(obj.id), problem=str(problem))
        term = Term(self._widest(obj), self._universe.everything, _TCP, why)
        rule = Rule(Action.DENY, (term,), RuleRef(str(obj.id), "spec", obj.evidence_id))
        return Directed(0, (rule,), False, term.subjects, why)

    def _widest(self, obj: KubeObject) -> Bits:
        everywhere = obj.namespace == self._settings.root_namespace
        return self._universe.pods if everywhere else self._universe.namespace(obj.namespace)

    def _subjects(self, obj: KubeObject) -> Bits:
        """The receivers: of the policy's namespace, or of all for the root namespace (connectivity.md 31)."""
        selector, targets = obj.spec.get("selector"), _targets(obj)
        if selector is not None and targets:
            raise FieldProblem("spec.targetRefs", "expected no selector beside it", "invalid.selector")
        if targets:
            return self._gateways(obj, targets)
        labels = mapping_field(
            mapping_field(selector, "spec.selector").get("matchLabels"), "spec.selector.matchLabels"
        )
        chosen = from_labels({str(key): str(value) for key, value in labels.items()})
        return self._widest(obj) & self._universe.select_pods(chosen)

    def _gateways(self, obj: KubeObject, targets: Sequence[tuple[str, str]]) -> Bits:
        """A policy that targets a Gateway applies to that gateway's own pods; sidecars never see it."""
        found = 0
        for kind, name in targets:
            if kind == "Gateway":
                found |= self._universe.select_pods(from_labels({_GATEWAY_LABEL: name}))
        return found & self._universe.namespace(obj.namespace)

    def _waypoint(self, obj: KubeObject) -> None:
        """A waypoint may enforce what targets a Service or Gateway, on the way to pods behind ztunnel."""
        if not _targets(obj) or _inert(obj):
            return
        ambient = 0
        for receiver, bits in self._receivers.items():
            ambient |= bits if receiver.ambient else 0
        subjects = ambient & self._widest(obj)
        if subjects:
            why = cause("indeterminate.istio-waypoint", policy=str(obj.id))
            term = Term(subjects, self._universe.everything, _TCP, why)
            rule = Rule(Action.DENY, (term,), RuleRef(str(obj.id), "spec.targetRefs", obj.evidence_id))
            self._add(obj, _DENY, Directed(0, (rule,), False, subjects, why))

    def _rules(self, obj: KubeObject, action: str, subjects: Bits) -> tuple[Rule, ...]:
        compiled: list[Rule] = []
        for index, matches in enumerate(read_rules(obj.spec)):
            ref = RuleRef(str(obj.id), f"rules[{index}]", obj.evidence_id)
            for match in matches:
                for receiver, bits in self._receivers.items():
                    if bits & subjects:
                        compiled += self._compiled(obj, action, match, receiver, bits & subjects, ref)
        return tuple(compiled)

    def _compiled(
        self,
        obj: KubeObject,
        action: str,
        match: IstioMatch,
        receiver: Receiver,
        subjects: Bits,
        ref: RuleRef,
    ) -> Iterator[Rule]:
        peers = self._peers(match, obj.namespace, receiver.doubtful, action == "ALLOW")
        by_address = match.blocks and peers.may & self._universe.dual_stack
        provider = text_at(obj.spec, "provider", "name") or "?"
        effects = (
            effects_at_ztunnel(action, match)
            if receiver.ambient
            else effects_at_sidecar(action, match, receiver, provider)
        )
        for effect in effects:
            ports = PortSet.of({"TCP": effect.ports})
            why = effect.unsure or (cause("indeterminate.destination-address") if match.destination else None)
            terms = (
                Term(subjects, bits, ports, reason)
                for bits, reason in (
                    (peers.must, why),
                    (peers.may, why or (_FAMILIES if by_address else _IDENTITY)),
                )
                if bits and ports
            )
            yield Rule(effect.action, tuple(terms), ref, effect.condition)

    def _peers(self, match: IstioMatch, namespace: str, doubtful: bool, allows: bool) -> Match:
        peers = Match(self._universe.everything)
        for values in match.identities:
            peers = self._identities.narrow(peers, values, namespace, doubtful)
        for wanted, barred in match.blocks:
            if wanted is not None:
                within = self._universe.within_any if allows else self._universe.wholly_within
                peers = peers & within(wanted)
            peers = peers.minus(self._universe.wholly_within(barred))
        return peers


def _inert(obj: KubeObject) -> Cause | None:
    if obj.annotations.get("istio.io/dry-run") == "true":
        return cause("inert.dry-run")
    return cause("inert.audit") if obj.spec.get("action") == "AUDIT" else None


def _action(obj: KubeObject) -> str:
    action = obj.spec.get("action")
    action = "ALLOW" if action is None else action
    if not isinstance(action, str) or (action not in _TIERS and action != "AUDIT"):
        raise FieldProblem("spec.action", "expected ALLOW, DENY, AUDIT or CUSTOM", "invalid.rule")
    if action == "CUSTOM" and not text_at(obj.spec, "provider", "name"):
        raise FieldProblem("spec.provider.name", "expected the name of a provider", "invalid.rule")
    return action


def _targets(obj: KubeObject) -> list[tuple[str, str]]:
    listed = mappings_at(obj.spec, "targetRefs")
    single = mapping_at(obj.spec, "targetRef")
    entries = [*listed, single] if single else listed
    return [(text_at(e, "kind") or "", text_at(e, "name") or "") for e in entries]
