"""Clients that fare alike: endpoints of one class put the same on the wire, whatever port they call.

What is called by very many clients would otherwise be asked about each of them. A class holds everything of a source that
`Encryption.flow` looks at, and no label or namespace that no object in the evidence names.
"""

from collections.abc import Hashable, Iterator

from auditor.encryption.istio.capture import MODE
from auditor.encryption.istio.destination_rules import DESTINATION_RULE
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
from auditor.model.objects import KubeObject, list_at

_CLIENT_KINDS = (DESTINATION_RULE, ENVOY_FILTER, SIDECAR)
_TRAFFIC = "traffic.sidecar.istio.io/"


class ClientClasses:
    """The class of each endpoint as a client."""

    def __init__(
        self, cluster: Cluster, configs: MeshConfigs, meshes: Meshes, linkerd: LinkerdDataPlane
    ) -> None:
        self._configs = configs
        self._meshes = meshes
        self._linkerd = linkerd
        objects = [obj for kind in _CLIENT_KINDS for obj in cluster.all(kind)]
        roots: set[str | None] = {config.root_namespace for config in configs.all}
        self._labels = sorted({key for obj in objects for key in selector_of(obj)})
        self._namespaces = roots | {name for obj in objects for name in _named(obj)}
        # A Sidecar of the root namespace that imports "./*" means each client's own namespace.
        self._each_namespace = None in roots or any(obj.namespace in roots for obj in cluster.all(SIDECAR))
        self._found: dict[str, Hashable] = {}

    def of(self, source: Endpoint) -> Hashable:
        """A value that equal clients share."""
        if source.id not in self._found:
            plane = self._meshes.membership(source).data_plane
            own: Hashable = None
            if plane is DataPlane.ISTIO_SIDECAR:
                own = self._of_sidecar(source)
            elif plane is DataPlane.LINKERD:
                own = self._of_linkerd(source)
            self._found[source.id] = (plane, source.host_network, own)
        return self._found[source.id]

    def _of_sidecar(self, source: Endpoint) -> Hashable:
        named = self._each_namespace or source.namespace in self._namespaces
        annotations = {
            key: value for key, value in source.annotations.items() if key == MODE or key.startswith(_TRAFFIC)
        }
        return (
            self._configs.of(source),
            source.namespace if named else "",
            tuple((key, source.labels[key]) for key in self._labels if key in source.labels),
            tuple(sorted(annotations.items())),
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


def _named(obj: KubeObject) -> Iterator[str]:
    """The namespaces whose clients an object may treat in a way of their own."""
    yield obj.namespace
    yield from (str(name) for name in list_at(obj.spec, "exportTo"))
