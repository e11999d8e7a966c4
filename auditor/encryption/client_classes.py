"""Clients that fare alike: endpoints of one class put the same on the wire, whatever port they call.

What is called by very many clients would otherwise be asked about each of them. A class holds everything of a source that
`Encryption.flow` looks at, and no label or namespace that no object in the evidence names.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from auditor.encryption.istio.capture import read_outbound
from auditor.encryption.istio.destination_rules import DESTINATION_RULE, DestinationRules, service_host
from auditor.encryption.istio.injector_config import InjectorConfig
from auditor.encryption.istio.mesh_config import MeshConfigs
from auditor.encryption.istio.outbound import speaks_hbone
from auditor.encryption.istio.proxy_settings import ENVOY_FILTER, SIDECAR, selector_of
from auditor.encryption.linkerd.config import CONTROL_PLANE
from auditor.encryption.linkerd.data_plane import CONFIG_PREFIX, LinkerdDataPlane
from auditor.encryption.linkerd.inbound import init_argument
from auditor.encryption.meshes import Meshes
from auditor.encryption.verdicts import DataPlane
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services

_CLIENT_KINDS = (DESTINATION_RULE, ENVOY_FILTER, SIDECAR)


@dataclass(frozen=True, slots=True)
class ClientClass:
    """What clients have in common, and their namespace where a mesh looks at it."""

    common: Hashable
    namespace: str


class ClientClasses:
    """The class of each endpoint as a client."""

    def __init__(
        self,
        cluster: Cluster,
        services: Services,
        configs: MeshConfigs,
        meshes: Meshes,
        linkerd: LinkerdDataPlane,
        rules: DestinationRules,
        injector: InjectorConfig,
    ) -> None:
        self._injector = injector
        self._configs = configs
        self._meshes = meshes
        self._linkerd = linkerd
        objects = [obj for kind in _CLIENT_KINDS for obj in cluster.all(kind)]
        roots: set[str | None] = {config.root_namespace for config in configs.all}
        self._rules = rules
        self._services = services
        self._labels = sorted({key for obj in objects for key in selector_of(obj)})
        self._everywhere = roots | {obj.namespace for obj in objects if obj.key != DESTINATION_RULE}
        # A Sidecar of the root namespace that imports "./*" means each client's own namespace.
        self._each_namespace = None in roots or any(obj.namespace in roots for obj in cluster.all(SIDECAR))
        self._found: dict[str, ClientClass] = {}
        self._destination: tuple[str, frozenset[str]] | None = None

    def of(self, source: Endpoint) -> ClientClass:
        """A value that equal clients share, apart from their namespace, which matters to some destinations only."""
        if source.id not in self._found:
            plane = self._meshes.membership(source).data_plane
            own: Hashable = None
            if plane is DataPlane.ISTIO_SIDECAR:
                own = self._of_sidecar(source)
            elif plane is DataPlane.LINKERD:
                own = self._of_linkerd(source)
            sidecar = plane is DataPlane.ISTIO_SIDECAR
            namespace = source.namespace if sidecar else ""
            self._found[source.id] = ClientClass((plane, source.host_network, own), namespace)
        return self._found[source.id]

    def matters(self, namespace: str, destination: Endpoint) -> bool:
        """Whether clients of a namespace may fare in a way of their own at a destination."""
        if self._each_namespace or namespace in self._everywhere:
            return True
        if self._destination is None or self._destination[0] != destination.id:
            # Asked for many namespaces in a row.
            self._destination = destination.id, self._namespaces_for(destination)
        return namespace in self._destination[1]

    def _namespaces_for(self, destination: Endpoint) -> frozenset[str]:
        found: set[str] = set()
        for backend in self._services.of_endpoint(destination):
            host = service_host(backend.service.namespace, backend.service.name)
            for rule in self._rules.naming(host):
                found.update((rule.obj.namespace, *(rule.export or ())))
        return frozenset(found)

    def _of_sidecar(self, source: Endpoint) -> Hashable:
        return (
            self._configs.of(source),
            tuple((key, source.labels[key]) for key in self._labels if key in source.labels),
            read_outbound(source, self._configs.of(source), self._injector),
            speaks_hbone(source),
            is_istio_gateway(source),
        )

    def _of_linkerd(self, source: Endpoint) -> Hashable:
        basis = self._meshes.linkerd_member(source).basis
        return (
            source.labels.get(CONTROL_PLANE),
            init_argument(source, "--outbound-ports-to-ignore"),
            self._linkerd.annotations(source, basis).get(CONFIG_PREFIX + "skip-outbound-ports"),
            source.annotations.get(CONFIG_PREFIX + "skip-subnets"),
        )
