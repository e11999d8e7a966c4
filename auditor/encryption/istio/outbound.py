"""What an Istio client puts on the wire: redirection, DestinationRule, automatic mTLS, ztunnel."""

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.encryption.istio.capture import read_outbound
from auditor.encryption.istio.destination_rules import (
    DESTINATION_RULE,
    VIRTUAL_SERVICE,
    DestinationRules,
    Settings,
    service_host,
    wire_of,
)
from auditor.encryption.istio.imported_hosts import imports
from auditor.encryption.istio.inbound import READS as INBOUND_READS
from auditor.encryption.istio.inbound import IstioInbound
from auditor.encryption.istio.mesh_config import MeshConfig, MeshConfigs
from auditor.encryption.istio.peer_authentication import Mode
from auditor.encryption.istio.proxy_settings import (
    ENVOY_FILTER,
    SIDECAR,
    SelectedObjects,
    filters_touching_tls,
)
from auditor.encryption.istio.waypoints import Waypoint, Waypoints
from auditor.encryption.meshes import Meshes
from auditor.encryption.port_lists import parse_ports
from auditor.encryption.verdicts import DataPlane, Reasons, Wire
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend, Services
from auditor.model.kinds import SERVICE
from auditor.model.objects import KubeObject, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

READS = (*INBOUND_READS, DESTINATION_RULE, VIRTUAL_SERVICE, SERVICE)
"""The kinds that decide what Istio's clients send."""

TLS_MODE = "security.istio.io/tlsMode"
TUNNEL = "networking.istio.io/tunnel"
_HBONE = "ISTIO_META_ENABLE_HBONE"
_RANK = list(Wire)


@dataclass(frozen=True, slots=True)
class OnWire:
    """What is on the wire, and why."""

    wire: Wire
    reasons: Reasons


def worst(ways: Iterator[OnWire]) -> OnWire | None:
    """The worst of several ways, None where there is none."""
    return min(ways, key=lambda way: _RANK.index(way.wire), default=None)


class IstioOutbound:
    """The client's side of Istio."""

    def __init__(
        self,
        cluster: Cluster,
        services: Services,
        configs: MeshConfigs,
        inbound: IstioInbound,
        meshes: Meshes,
    ) -> None:
        self._services = services
        self._configs = configs
        self._inbound = inbound
        self._meshes = meshes
        self.rules = DestinationRules(cluster, configs.common.rule_export)
        self.filters = SelectedObjects(cluster, ENVOY_FILTER)
        self.sidecars = SelectedObjects(cluster, SIDECAR)
        self._waypoints = Waypoints(cluster)

    def from_ambient(self, source: Endpoint, destination: Endpoint) -> OnWire:
        """ztunnel tunnels to whatever understands HBONE; DestinationRules don't concern it.

        A waypoint on the way is tunnelled to as well, and goes on to the destination as ztunnel would; so what reaches
        the destination is the same. Where rules of layer 7 hold is told.
        """
        found = self._tunnelled(destination)
        waypoint = self._waypoint_of(destination)
        if waypoint is None:
            return found
        return OnWire(found.wire, found.reasons + waypoint.reasons)

    def _tunnelled(self, destination: Endpoint) -> OnWire:
        target = self._meshes.membership(destination)
        if target.data_plane is DataPlane.ISTIO_AMBIENT or destination.labels.get(TUNNEL) == "http":
            return _because(Wire.MESH_MTLS, "istio.client-hbone", destination)
        if target.istio is Tri.NO:
            return _because(Wire.PLAINTEXT, "client.destination-not-in-mesh", destination)
        if target.data_plane is DataPlane.ISTIO_SIDECAR and _is_running(destination):
            return _because(Wire.PLAINTEXT, "istio.client-no-hbone", destination)
        return _because(Wire.INDETERMINATE, "indeterminate.istio.client-hbone", destination)

    def _waypoint_of(self, destination: Endpoint) -> Waypoint | None:
        """The waypoint of a Service before the destination, else of the destination itself."""
        for backend in self._services.of_endpoint(destination):
            service = backend.service
            found = self._waypoints.of_service(service.labels, service.namespace)
            if found is not None:
                return found
        return self._waypoints.of_workload(destination.labels, destination.namespace)

    def from_sidecar(self, source: Endpoint, destination: Endpoint, port: int) -> OnWire:
        """The worst of the ways through the Services that lead to the port."""
        config = self._configs.of(source)
        touching = tuple(
            filters_touching_tls(
                self.filters.of(source, source.namespace, config.root_namespace or ""), port, inbound=False
            )
        )
        if touching:
            cause = Cause("indeterminate.istio.envoy-filter", (("policy", touching[0].object),))
            return OnWire(Wire.INDETERMINATE, Reasons((cause,), touching, (touching[0].evidence_id,)))
        backends = [
            backend
            for backend in self._services.of_endpoint(destination)
            if backend.target_port == port and backend.protocol == "TCP"
        ]
        found = worst(self._through(source, backend) for backend in backends)
        if found is not None:
            return found
        if config.outbound_any:
            return _because(Wire.PLAINTEXT, "istio.client-passthrough", destination)
        return _because(Wire.INDETERMINATE, "indeterminate.istio.client-no-service", destination)

    def _through(self, source: Endpoint, backend: Backend) -> OnWire:
        past = self.bypass(source, backend.service_port)
        if past is not None:
            return past
        root = self._configs.of(source).root_namespace
        if root is None:
            return _because(Wire.INDETERMINATE, "indeterminate.istio.mesh-config", source)
        service = backend.service
        host = service_host(service.namespace, service.name)
        known, sidecar = imports(self.sidecars, source, root, service.namespace, host, backend.service_port)
        if sidecar is not None and known is not Tri.YES:
            return self._not_imported(source, sidecar, known)
        rules = self.rules.lookup(source.namespace, service.namespace, host, root)
        target = backend.endpoint
        settings = self.rules.settings(rules, source.labels, target.labels, host, backend.service_port)
        found = worst(self._by_settings(source, backend, choice) for choice in settings)
        return found or self._automatic(source, backend, passthrough=False)

    def lets_automatic_mtls(self, namespace: str, config: MeshConfig) -> Tri:
        """Whether MeshConfig and the mode of a destination's namespace let clients use mesh mTLS by themselves."""
        if config.auto_mtls is not True:
            return Tri.NO if config.auto_mtls is False else Tri.UNKNOWN
        modes = self._inbound.peers.namespace_modes(namespace, config.root_namespace or "")
        if modes == {Mode.DISABLE}:
            return Tri.NO
        return Tri.YES if modes.isdisjoint({Mode.DISABLE, Mode.UNKNOWN}) else Tri.UNKNOWN

    def to_backend(self, source: Endpoint, backend: Backend, subset: str | None) -> OnWire:
        """The worst that a source sends to a Service's port along a route that names a subset, or none."""
        root = self._configs.of(source).root_namespace
        if root is None:
            return _because(Wire.INDETERMINATE, "indeterminate.istio.mesh-config", source)
        service = backend.service
        host = service_host(service.namespace, service.name)
        rules = self.rules.lookup(source.namespace, service.namespace, host, root)
        settings = self.rules.of_subset(rules, source.labels, subset, backend.service_port)
        found = worst(self._by_settings(source, backend, choice) for choice in settings)
        return found or self._automatic(source, backend, passthrough=False)

    def bypass(self, source: Endpoint, port: int) -> OnWire | None:
        """What becomes of outbound traffic to a port that the sidecar doesn't see; None where it sees it."""
        found = read_outbound(source, self._configs.of(source), self._inbound.injector)
        excluded = parse_ports(found.exclude_ports)
        if found.mode == "NONE" or port in excluded:
            return _because(Wire.PLAINTEXT, "istio.client-not-captured", source)
        if excluded.unreadable or (found.include_ranges, found.exclude_ranges) != ("*", ""):
            return _because(Wire.INDETERMINATE, "indeterminate.istio.client-capture", source)
        return None

    def excludes_ports(self, source: Endpoint) -> bool:
        """Whether any outbound port goes past the sidecar."""
        found = read_outbound(source, self._configs.of(source), self._inbound.injector)
        return found.mode == "NONE" or bool(found.exclude_ports)

    def _not_imported(self, source: Endpoint, sidecar: RuleRef, known: Tri) -> OnWire:
        """A host that the sidecar doesn't know is passed on as it is, or not at all."""
        any_host = self._configs.of(source).outbound_any
        open_to_all = known is Tri.NO and any_host is True
        wire = Wire.PLAINTEXT if open_to_all else Wire.INDETERMINATE
        code = (
            "istio.client-host-not-imported"
            if open_to_all
            else "indeterminate.istio.client-host-not-imported"
        )
        cause = Cause(code, (("policy", sidecar.object),))
        return OnWire(wire, Reasons((cause,), (sidecar,), (sidecar.evidence_id,)))

    def _by_settings(self, source: Endpoint, backend: Backend, settings: Settings) -> OnWire:
        rules = settings.rules
        evidence = tuple(rule.evidence_id for rule in rules)
        if not settings.decides:
            found = self._automatic(source, backend, settings.passthrough)
            return OnWire(found.wire, Reasons((), rules, evidence) + found.reasons)
        wire, cause = wire_of(settings, gateway=is_istio_gateway(source))
        return OnWire(wire, Reasons((cause,), rules, evidence))

    def _automatic(self, source: Endpoint, backend: Backend, passthrough: bool) -> OnWire:
        """Automatic mTLS: asked for by the mesh, not refused by the namespace, and the endpoint says that it takes it."""
        config, target = self._configs.of(source), backend.endpoint
        if config.auto_mtls is not True:
            known = config.auto_mtls is False
            wire = Wire.PLAINTEXT if known else Wire.INDETERMINATE
            code = "istio.client-auto-mtls-off" if known else "indeterminate.istio.mesh-config"
            rules = (config.source,) if config.source else ()
            return OnWire(wire, Reasons((Cause(code),), rules, tuple(r.evidence_id for r in rules)))
        modes = self._inbound.peers.namespace_modes(backend.service.namespace, config.root_namespace or "")
        if modes == {Mode.DISABLE}:
            return _because(Wire.PLAINTEXT, "istio.client-namespace-disabled", target)
        if not modes.isdisjoint({Mode.DISABLE, Mode.UNKNOWN}):
            return _because(Wire.INDETERMINATE, "indeterminate.istio.client-namespace-mode", target)
        if passthrough or backend.service.spec.get("clusterIP") == "None":
            blocking = self._without_tls(backend)
            if blocking is not None:
                return blocking
        return self._to_endpoint(source, target, backend.target_port)

    def _without_tls(self, backend: Backend) -> OnWire | None:
        """One endpoint of a headless service without mTLS makes all of its clients speak plaintext."""
        service = backend.service
        for other in self._services.of_service(service.namespace, service.name):
            if other.service_port == backend.service_port and self.takes_mtls(other.endpoint) is not Tri.YES:
                unknown = self.takes_mtls(other.endpoint) is Tri.UNKNOWN
                wire = Wire.INDETERMINATE if unknown else Wire.PLAINTEXT
                code = "indeterminate.istio.client-headless" if unknown else "istio.client-headless"
                cause = Cause(code, (("endpoint", other.endpoint.id), ("service", str(service.id))))
                return OnWire(wire, Reasons((cause,), (), (service.evidence_id,)))
        return None

    def takes_mtls(self, endpoint: Endpoint) -> Tri:
        """Whether the endpoint carries the label by which clients know that it takes Istio's mTLS."""
        member = self._meshes.membership(endpoint)
        if endpoint.live and endpoint.labels.get(TLS_MODE):
            return Tri.YES if endpoint.labels[TLS_MODE] == "istio" else Tri.NO
        if member.data_plane is DataPlane.ISTIO_SIDECAR and not _is_running(endpoint):
            return Tri.YES
        return Tri.UNKNOWN if member.istio is Tri.UNKNOWN else Tri.NO

    def _to_endpoint(self, source: Endpoint, target: Endpoint, port: int) -> OnWire:
        member = self._meshes.membership(target)
        if member.data_plane is DataPlane.ISTIO_AMBIENT:
            if speaks_hbone(source):
                return _because(Wire.MESH_MTLS, "istio.client-hbone", target)
            return _because(Wire.INDETERMINATE, "indeterminate.istio.client-hbone", target)
        takes = self.takes_mtls(target)
        if takes is not Tri.YES:
            known = takes is Tri.NO
            wire = Wire.PLAINTEXT if known else Wire.INDETERMINATE
            code = "client.destination-not-in-mesh" if known else "indeterminate.client.destination"
            return _because(wire, code, target)
        mode = self._inbound.port_modes(target, port, ambient=False)
        if mode.mode is Mode.DISABLE:
            return OnWire(Wire.PLAINTEXT, Reasons((Cause("istio.client-port-disabled"),)) + mode.reasons)
        if mode.mode is Mode.UNKNOWN:
            return OnWire(Wire.INDETERMINATE, mode.reasons)
        return _because(Wire.MESH_MTLS, "istio.client-auto-mtls", target)


def speaks_hbone(source: Endpoint) -> bool:
    """Whether a sidecar tunnels to those who understand HBONE."""
    return any(
        entry.get("name") == _HBONE and entry.get("value") == "true"
        for container in source.containers
        if text_at(container, "name") == "istio-proxy"
        for entry in mappings_at(container, "env")
    )


def _is_running(endpoint: Endpoint) -> bool:
    pods: tuple[KubeObject, ...] = endpoint.pods
    return any(pod.status for pod in pods)


def _because(wire: Wire, code: str, endpoint: Endpoint) -> OnWire:
    cause = Cause(code, (("endpoint", endpoint.id),))
    return OnWire(wire, Reasons((cause,), (), endpoint.evidence))
