"""DestinationRules seen from the services of meshed workloads: which of them weaken what clients send."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from auditor.encryption.istio.destination_rules import (
    WEAK,
    DestinationRule,
    DestinationRules,
    Settings,
    service_host,
    wire_of,
)
from auditor.encryption.istio.mesh_config import ROOT_NAMESPACE, MeshConfigs
from auditor.encryption.meshes import Meshes
from auditor.encryption.verdicts import AutomaticMtls, ClientRule, DataPlane, Reasons, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend, Services
from auditor.model.verdict import Cause, Tri

_ELSEWHERE = "\0elsewhere"
_RANK = list(Wire)
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class _Effect:
    service: str
    wire: Wire
    reasons: Reasons


class ClientRules:
    """What each DestinationRule does to clients of meshed services."""

    def __init__(
        self, rules: DestinationRules, services: Services, configs: MeshConfigs, meshes: Meshes
    ) -> None:
        self._rules = rules
        self._root = configs.common.root_namespace or ROOT_NAMESPACE
        self._config = configs.common
        self._auto_mtls = configs.common.auto_mtls
        self._meshes = meshes
        self._backends: dict[str, list[Backend]] = {}
        for (namespace, name), group in sorted(services.backends.items()):
            meshed = [b for b in group if b.protocol == "TCP" and _may_be_meshed(meshes, b.endpoint)]
            if meshed:
                self._backends[service_host(namespace, name)] = meshed

    def all(self) -> tuple[ClientRule, ...]:
        """One value for each DestinationRule, in the order of their ids."""
        return tuple(self._judge(rule) for rule in self._rules.all)

    def automatic(self, clients: Iterable[Endpoint]) -> AutomaticMtls:
        """Automatic mutual TLS, and the services that depend on it; `clients` are the endpoints that may call them."""
        if self._auto_mtls is True:
            return AutomaticMtls(Tri.YES, self._config.source, ())
        members = ((client, self._meshes.membership(client)) for client in clients)
        places = {
            client.namespace for client, member in members if member.data_plane is DataPlane.ISTIO_SIDECAR
        }
        found = {
            str(backend.service.id)
            for host, group in self._backends.items()
            for backend in group
            if any(self._is_unset(place, host, backend) for place in places)
        }
        enabled = Tri.NO if self._auto_mtls is False else Tri.UNKNOWN
        return AutomaticMtls(enabled, self._config.source, tuple(sorted(found)))

    def _is_unset(self, client: str, host: str, backend: Backend) -> bool:
        """Whether no rule says what a client of a namespace sends to a Service port."""
        group = [
            rule
            for rule in self._rules.lookup(client, backend.service.namespace, host, self._root)
            if rule.selector is None
        ]
        found = self._rules.settings(group, {}, backend.endpoint.labels, host, backend.service_port)
        return any(settings.tls is None for settings in found)

    def _judge(self, rule: DestinationRule) -> ClientRule:
        hosts = self._hosts(rule)
        effects = [effect for host in hosts for effect in self._effects(rule, host)]
        worst = min(effects, key=lambda effect: _RANK.index(effect.wire), default=None)
        services = tuple(sorted({str(b.service.id) for host in hosts for b in self._backends[host]}))
        name = str(rule.obj.id)
        nothing = Reasons((Cause("istio.client-no-meshed-service", (("rule", name),)),))
        found = [e.reasons for e in effects if worst is not None and e.wire is worst.wire][:_SHOWN]
        reasons = sum(found, Reasons()) if hosts else nothing
        return ClientRule(
            object=name,
            namespace=rule.obj.namespace,
            host=rule.host,
            applies=bool(hosts),
            downgrades=_downgrades(effects),
            wire=worst.wire if worst else Wire.MESH_MTLS,
            services=services,
            causes=reasons.causes,
            chain=reasons.chain,
            evidence=tuple(dict.fromkeys((rule.obj.evidence_id, *reasons.evidence))),
        )

    def _hosts(self, rule: DestinationRule) -> list[str]:
        """Hosts of meshed services for which some client uses the rule: others may be more specific, or nearer."""
        if not rule.host.startswith("*"):
            matching: Iterable[str] = [rule.host] if rule.host in self._backends else []
        else:
            matching = (host for host in self._backends if host.endswith(rule.host[1:]))
        return [host for host in matching if self._is_used(rule, host)]

    def _is_used(self, rule: DestinationRule, host: str) -> bool:
        namespace = self._backends[host][0].service.namespace
        clients = {rule.obj.namespace} | ({_ELSEWHERE} if rule.export is None else set(rule.export))
        return any(rule in self._rules.lookup(client, namespace, host, self._root) for client in clients)

    def _effects(self, rule: DestinationRule, host: str) -> Iterator[_Effect]:
        for backend in self._backends[host]:
            peers = self._peers(rule, host)
            found = self._rules.settings(peers, None, backend.endpoint.labels, host, backend.service_port)
            for settings in found:
                if settings.source is rule and settings.decides:
                    yield _effect(backend, settings, *wire_of(settings))
                elif settings.source is rule and settings.rule is not None and self._auto_mtls is not True:
                    yield _effect(backend, settings, *self._dropped(settings.rule.object))

    def _dropped(self, rule: str) -> tuple[Wire, Cause]:
        """A port entry without tls drops the rule's; without automatic mTLS that leaves plaintext."""
        named = (("rule", rule),)
        if self._auto_mtls is False:
            return Wire.PLAINTEXT, Cause("istio.client-tls-dropped", named)
        return Wire.INDETERMINATE, Cause("indeterminate.istio.mesh-config", named)

    def _peers(self, rule: DestinationRule, host: str) -> Sequence[DestinationRule]:
        """The rules of its namespace that it is merged with; a rule with a selector stands alone."""
        if rule.selector is not None:
            return [rule]
        namespace = self._backends[host][0].service.namespace
        client = rule.obj.namespace if rule.obj.namespace != self._root else _ELSEWHERE
        group = self._rules.lookup(client, namespace, host, self._root)
        return [other for other in group if other.selector is None] if rule in group else [rule]


def _effect(backend: Backend, settings: Settings, wire: Wire, cause: Cause) -> _Effect:
    rules = settings.rules
    evidence = (*(rule.evidence_id for rule in rules), backend.service.evidence_id)
    return _Effect(str(backend.service.id), wire, Reasons((cause,), rules, evidence))


def _downgrades(effects: Sequence[_Effect]) -> Tri:
    wires = {effect.wire for effect in effects}
    if not wires.isdisjoint(WEAK):
        return Tri.YES
    return Tri.UNKNOWN if Wire.INDETERMINATE in wires else Tri.NO


def _may_be_meshed(meshes: Meshes, endpoint: Endpoint) -> bool:
    return meshes.membership(endpoint).istio is not Tri.NO
