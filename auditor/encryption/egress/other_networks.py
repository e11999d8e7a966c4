"""Other networks of an Istio mesh, behind gateways that `meshNetworks` of the ConfigMap `istio` names (mesh/v1alpha1).

Endpoints of another network are reached through its gateway, and only under the client's mesh mTLS: those to which none
would be sent are left out (pilot/pkg/xds/endpoints, EndpointsByNetworkFilter). Which workloads run there, and what they
accept, is in the evidence of their own cluster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.encryption.egress.istio import OUTSIDE
from auditor.encryption.egress.values import Addresses, Egress, Hop, Location, Sent, as_networks
from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.istio.mesh_config import ROOT_NAMESPACE, MeshConfigs
from auditor.encryption.verdicts import DataPlane, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef

_KEY = "meshNetworks"
_LABEL = "topology.istio.io/network"


@dataclass(frozen=True, slots=True)
class OtherNetwork:
    """A network with gateways at addresses or names outside; `port` None where they differ."""

    source: KubeObject
    name: str
    port: int | None
    addresses: Addresses | None


class OtherNetworks:
    """The networks of a mesh but the cluster's own."""

    def __init__(self, cluster: Cluster, configs: MeshConfigs) -> None:
        root = configs.common.root_namespace or ROOT_NAMESPACE
        self._own = cluster.namespace_labels(root).get(_LABEL, "")
        self._automatic = configs.common.auto_mtls is True
        self.all = tuple(
            network
            for obj in cluster.all(CONFIG_MAP)
            if (obj.name == "istio" or obj.name.startswith("istio-")) and _KEY in mapping_at(obj.body, "data")
            for network in _read(obj)
            if network.name != self._own
        )

    def rows(self, plane: DataPlane, clients: Sequence[Endpoint]) -> Iterator[Egress]:
        """One way out for each network: mesh mTLS of clients with a sidecar where automatic mTLS is on."""
        for network in self.all if clients else ():
            rule = RuleRef(str(network.source.id), f"data.{_KEY}", network.source.evidence_id)
            sure = plane is DataPlane.ISTIO_SIDECAR and self._automatic
            code = "egress.mesh-network" if sure else "indeterminate.egress.mesh-network"
            reasons = Reasons((Cause(code, (("network", network.name),)),), (rule,), (rule.evidence_id,))
            sent = Sent.MESH_MTLS if sure else Sent.INDETERMINATE
            hop = Hop(clients[0].id, OUTSIDE, sent, reasons, port=network.port, addresses=network.addresses)
            yield Egress(
                object=str(network.source.id),
                namespace=network.source.namespace,
                host=network.name,
                port=network.port,
                protocol="TLS",
                location=Location.REMOTE_CLUSTER,
                sources=tuple(clients),
                hops=(hop,),
                evidence=(network.source.evidence_id, *clients[0].evidence[:2]),
            )


def _read(obj: KubeObject) -> Iterator[OtherNetwork]:
    """Networks whose gateways are given by address; a gateway that is a Service of the registry is the cluster's own."""
    found = read_mapping(mapping_at(obj.body, "data").get(_KEY)) or {}
    for name, network in sorted(mapping_at(found, "networks").items(), key=lambda item: str(item[0])):
        gateways = [
            entry for entry in mappings_at(mapping_at(network), "gateways") if text_at(entry, "address")
        ]
        if gateways:
            ports = {entry.get("port") for entry in gateways}
            port = ports.pop() if len(ports) == 1 else None
            valid = isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535
            addresses = as_networks(text_at(entry, "address") for entry in gateways)
            yield OtherNetwork(obj, str(name)[:200], port if valid else None, addresses)
