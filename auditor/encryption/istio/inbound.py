"""Istio's verdict on one container port: capture, mode, authorization and the settings that may override them."""

from dataclasses import dataclass

from auditor.encryption import record as records
from auditor.encryption.istio.authorization import (
    AUTHORIZATION_POLICY,
    AuthorizationRules,
    Authorizations,
    rejects_plaintext,
)
from auditor.encryption.istio.capture import (
    BYPASS_AMBIENT,
    Redirection,
    captured,
    is_proxy_port,
    read_redirection,
)
from auditor.encryption.istio.data_plane import IstioDataPlane
from auditor.encryption.istio.injector_config import InjectorConfig
from auditor.encryption.istio.mesh_config import MeshConfig, MeshConfigs
from auditor.encryption.istio.peer_authentication import (
    PEER_AUTHENTICATION,
    Governing,
    Mode,
    PeerAuthentications,
    Scopes,
    governing_mode,
)
from auditor.encryption.istio.proxy_settings import (
    ENVOY_FILTER,
    SIDECAR,
    SelectedObjects,
    filters_touching_tls,
    ingress_tls,
)
from auditor.encryption.verdicts import MeshVerdict, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause, EncryptionRecord, Tri

READS = (PEER_AUTHENTICATION, AUTHORIZATION_POLICY, SIDECAR, ENVOY_FILTER, CONFIG_MAP)
"""The kinds that decide whether Istio's proxies accept plaintext (ConfigMaps `istio*` by name)."""

_TLS_OF_INGRESS = {
    "SIMPLE": records.SERVER_ONLY,
    "OPTIONAL_MUTUAL": records.SERVER_ONLY,
    "MUTUAL": records.MUTUAL,
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is the same for all ports of an endpoint."""

    config: MeshConfig
    root: str
    redirection: Redirection
    scopes: Scopes
    authorizations: tuple[AuthorizationRules, ...]
    filters: list[KubeObject]
    gateway: bool


class IstioInbound:
    """What Istio's data plane does with connections to a port."""

    def __init__(self, cluster: Cluster, configs: MeshConfigs, data_plane: IstioDataPlane) -> None:
        self._configs = configs
        self._data_plane = data_plane
        self.peers = PeerAuthentications(cluster)
        self._authorizations = Authorizations(cluster)
        self._sidecars = SelectedObjects(cluster, SIDECAR)
        self._filters = SelectedObjects(cluster, ENVOY_FILTER)
        self._facts: dict[tuple[str, bool], _Facts] = {}

    def verdict(self, endpoint: Endpoint, port: int, protocol: str, *, ambient: bool) -> MeshVerdict:
        """The verdict for an endpoint of which it is known that the sidecar, or ztunnel, has its traffic."""
        if protocol != "TCP":
            cause = Cause("mesh.tcp-only", (("mesh", "Istio"), ("protocol", protocol)))
            return MeshVerdict(records.PLAINTEXT, None, Reasons((cause,)))
        facts = self._facts_of(endpoint, ambient)
        verdict = self._ambient(endpoint, facts, port) if ambient else self._sidecar(endpoint, facts, port)
        return MeshVerdict(verdict.record, verdict.mode, verdict.reasons)

    @property
    def injector(self) -> InjectorConfig:
        """The sidecar injector's settings."""
        return self._data_plane.config

    def is_proxy_port(self, endpoint: Endpoint, port: int) -> bool:
        """Whether the port belongs to the sidecar itself."""
        return is_proxy_port(port, self._facts_of(endpoint, ambient=False).redirection)

    def port_modes(self, endpoint: Endpoint, port: int, *, ambient: bool) -> Governing:
        """The mode of a port alone, as clients' auto mTLS looks at it."""
        return governing_mode(self._facts_of(endpoint, ambient).scopes, port, ambient=ambient)

    def _facts_of(self, endpoint: Endpoint, ambient: bool) -> _Facts:
        key = (endpoint.id, ambient)
        if key not in self._facts:
            config = self._configs.of(endpoint)
            root = config.root_namespace or ""
            self._facts[key] = _Facts(
                config=config,
                root=root,
                redirection=read_redirection(endpoint, config, self._data_plane.config),
                scopes=self.peers.scopes(endpoint, root, ambient=ambient),
                authorizations=self._authorizations.of(endpoint, root),
                filters=self._filters.of(endpoint, endpoint.namespace, root),
                gateway=is_istio_gateway(endpoint),
            )
        return self._facts[key]

    def _sidecar(self, endpoint: Endpoint, facts: _Facts, port: int) -> MeshVerdict:
        taken, why = captured(endpoint, facts.redirection, port)
        if facts.gateway and not is_proxy_port(port, facts.redirection):
            return _indeterminate("indeterminate.istio.gateway-port", endpoint)
        if taken is not Tri.YES:
            record = records.PLAINTEXT if taken is Tri.NO else records.INDETERMINATE
            return MeshVerdict(record, None, why)
        touching = tuple(filters_touching_tls(facts.filters, port, inbound=True))
        if touching:
            cause = Cause("indeterminate.istio.envoy-filter", (("policy", touching[0].object),))
            evidence = tuple(dict.fromkeys(rule.evidence_id for rule in touching))
            return MeshVerdict(records.INDETERMINATE, None, Reasons((cause,), touching, evidence))
        return self._by_mode(endpoint, facts, port, ambient=False)

    def _ambient(self, endpoint: Endpoint, facts: _Facts, port: int) -> MeshVerdict:
        if endpoint.annotations.get(BYPASS_AMBIENT, "").lower() == "true":
            reasons = Reasons((Cause("istio.ambient-bypassed"),), (), endpoint.evidence)
            return MeshVerdict(records.PLAINTEXT, None, reasons)
        return self._by_mode(endpoint, facts, port, ambient=True)

    def _by_mode(self, endpoint: Endpoint, facts: _Facts, port: int, *, ambient: bool) -> MeshVerdict:
        if facts.config.root_namespace is None:
            return _indeterminate("indeterminate.istio.mesh-config", endpoint)
        governing = governing_mode(facts.scopes, port, ambient=ambient)
        reasons = governing.reasons + Reasons(facts.config.causes)
        mode = governing.mode
        if mode is Mode.UNKNOWN:
            return MeshVerdict(records.INDETERMINATE, None, reasons)
        if mode is Mode.STRICT:
            return MeshVerdict(records.MUTUAL, mode.value, reasons)
        if mode is Mode.DISABLE:
            record, why = self._disabled(endpoint, facts, port)
            return MeshVerdict(record, mode.value, reasons + why)
        rejecting = rejects_plaintext(facts.authorizations, port, ambient=ambient)
        if rejecting is None:
            return MeshVerdict(records.OPPORTUNISTIC, mode.value, reasons)
        return MeshVerdict(records.REJECTED_BY_AUTHZ, mode.value, reasons + rejecting)

    def _disabled(self, endpoint: Endpoint, facts: _Facts, port: int) -> tuple[EncryptionRecord, Reasons]:
        """Only where mutual TLS is disabled does TLS of a Sidecar's listener count."""
        tls = ingress_tls(self._sidecars, endpoint, facts.root, port)
        if tls is None:
            return records.PLAINTEXT, Reasons()
        evidence = (tls.rule.evidence_id,)
        record = _TLS_OF_INGRESS.get(tls.mode or "")
        if record is None or not tls.certain:
            cause = Cause("indeterminate.istio.sidecar-tls", (("policy", tls.rule.object),))
            return records.INDETERMINATE, Reasons((cause,), (tls.rule,), evidence)
        cause = Cause("istio.sidecar-tls", (("mode", tls.mode or ""), ("policy", tls.rule.object)))
        return record, Reasons((cause,), (tls.rule,), evidence)


def _indeterminate(code: str, endpoint: Endpoint) -> MeshVerdict:
    return MeshVerdict(records.INDETERMINATE, None, Reasons((Cause(code),), (), endpoint.evidence))
