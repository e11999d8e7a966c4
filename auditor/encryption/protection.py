"""What protects each port: the one place where meshes and encryption between nodes come together."""

from collections.abc import Hashable, Sequence
from functools import cached_property

from auditor.encryption import record as records
from auditor.encryption.client_classes import ClientClass, ClientClasses
from auditor.encryption.cni import node_encryption
from auditor.encryption.egress.values import Egress
from auditor.encryption.egress.ways import WaysOut
from auditor.encryption.flows import flow_record
from auditor.encryption.istio.client_rules import ClientRules
from auditor.encryption.istio.data_plane import IstioDataPlane
from auditor.encryption.istio.inbound import IstioInbound
from auditor.encryption.istio.mesh_config import MeshConfig, MeshConfigs
from auditor.encryption.istio.outbound import IstioOutbound
from auditor.encryption.linkerd.config import LinkerdConfig, read_linkerd_config
from auditor.encryption.linkerd.data_plane import LinkerdDataPlane
from auditor.encryption.linkerd.inbound import LinkerdInbound
from auditor.encryption.linkerd.outbound import LinkerdOutbound
from auditor.encryption.meshes import Meshes
from auditor.encryption.minimum_tls import minimum_tls, ztunnel_minimum
from auditor.encryption.node_encryption import NodeEncryption
from auditor.encryption.verdicts import (
    AutomaticMtls,
    ClientRule,
    ClientTls,
    DataPlane,
    FlowProtection,
    Membership,
    MeshPresence,
    MeshVerdict,
    PortProtection,
    Reasons,
    Wire,
)
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.verdict import Cause, EncryptionRecord, Protection, Tri, all_of

_NOT_COVERING = (records.PLAINTEXT, records.INDETERMINATE)
_SETTLED = (Protection.DENIED, Protection.ENFORCED_MTLS, Protection.TLS_SERVER_ONLY)


class Encryption:
    """Encryption in transit of a cluster. Cheap to construct; everything is worked out when it is asked for."""

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Sequence[Endpoint],
        services: Services,
        node_encryption: NodeEncryption | None = None,
    ) -> None:
        self._cluster = cluster
        self._endpoints = tuple(endpoints)
        self._services = services
        self._given_nodes = node_encryption
        self._asked: tuple[tuple[str, int, str], MeshVerdict] | None = None

    @cached_property
    def nodes(self) -> NodeEncryption:
        """What the CNI encrypts between nodes."""
        return self._given_nodes or node_encryption(self._cluster)

    @property
    def meshes(self) -> MeshPresence:
        """Whether Istio and Linkerd are installed."""
        return self._meshes.presence

    @property
    def mesh_configs(self) -> tuple[MeshConfig, ...]:
        """Istio's MeshConfig of each revision; one of defaults where none is in the evidence."""
        return self._configs.all

    def membership(self, endpoint: Endpoint) -> Membership:
        """Which data plane carries the endpoint's traffic."""
        return self._meshes.membership(endpoint)

    def port(self, endpoint: Endpoint, port: int, protocol: str) -> PortProtection:
        """What protects a container port of an endpoint, declared or not; `protocol` is TCP, UDP or SCTP."""
        plane, verdict = self._workload_verdict(endpoint, port, protocol)
        cross, same, below = self._below(endpoint)
        record = records.combine(verdict.record, cross, same)
        mesh_label = records.label(verdict.record)
        reasons = verdict.reasons if mesh_label in _SETTLED else verdict.reasons + below
        return PortProtection(
            endpoint=endpoint,
            port=port,
            protocol=protocol,
            label=records.label(record),
            record=record,
            mesh_label=mesh_label,
            mesh_record=verdict.record,
            data_plane=plane.value,
            mode=verdict.mode,
            proxy_port=self._is_proxy_port(endpoint, port, plane),
            minimum_tls=minimum_tls(plane, mesh_label, self._configs.of(endpoint), self._ztunnel_minimum),
            covered_by=self._covering(plane, verdict.record, cross, same),
            causes=reasons.causes,
            chain=reasons.chain,
            evidence=tuple(dict.fromkeys((*reasons.evidence, *endpoint.evidence[:2]))),
        )

    def rows(self) -> tuple[PortProtection, ...]:
        """Every port that a container or a Service declares, sorted by endpoint, port and protocol."""
        return tuple(
            self.port(endpoint, number, protocol)
            for endpoint in self._endpoints
            for number, protocol in self._services.ports_of(endpoint)
        )

    def client_tls(self, source: Endpoint, destination: Endpoint, port: int) -> ClientTls:
        """What the source's side puts on the wire to a container port of the destination (TCP)."""
        wire, reasons = self._wire(source, destination, port)
        return ClientTls(source, destination, port, wire, reasons.causes, reasons.chain, reasons.evidence)

    def flow(
        self, source: Endpoint, destination: Endpoint, port: int, protocol: str = "TCP"
    ) -> FlowProtection:
        """What protects a flow from one endpoint to a container port of another."""
        asked = (destination.id, port, protocol)
        if self._asked is None or self._asked[0] != asked:
            # Flows are asked for port by port, from many sources.
            self._asked = asked, self._workload_verdict(destination, port, protocol)[1]
        verdict = self._asked[1]
        wire, sent = Wire.PLAINTEXT, Reasons()
        if protocol == "TCP":
            wire, sent = self._wire(source, destination, port)
        own = flow_record(wire, verdict.record)
        cross, same, below = self._below(destination)
        from_cross, from_same, _ = self._below(source)
        record = records.combine(own, all_of((cross, from_cross)), all_of((same, from_same)))
        reasons = sent + verdict.reasons
        if records.label(own) not in _SETTLED:
            reasons = reasons + below
        return FlowProtection(
            source=source,
            destination=destination,
            port=port,
            protocol=protocol,
            wire=wire,
            label=records.label(record),
            record=record,
            same_node=_same_node(source, destination),
            causes=reasons.causes,
            chain=reasons.chain,
            evidence=reasons.evidence,
        )

    def client_class(self, source: Endpoint) -> ClientClass:
        """Sources of one class have flows of the same record to every port; causes may name the source."""
        return self._client_classes.of(source)

    def client_at(self, client: ClientClass, destination: Endpoint) -> Hashable:
        """The class as far as a destination tells clients apart: fewer classes with the same promise."""
        if self._client_classes.matters(client.namespace, destination):
            return client
        return client.common

    def client_rules(self) -> tuple[ClientRule, ...]:
        """Every DestinationRule, sorted by id, with what it does to clients of meshed services."""
        return self._client_rules.all()

    def automatic_mtls(self) -> AutomaticMtls:
        """Whether Istio's sidecars use mesh mTLS by themselves, and the services that lack it where they don't."""
        return self._client_rules.automatic(self._endpoints)

    @cached_property
    def egress(self) -> tuple[Egress, ...]:
        """Every way out of the cluster, for clients that fare alike together."""
        return WaysOut(
            self._cluster,
            self._endpoints,
            self._services,
            self._configs,
            self._meshes,
            self._istio_client,
            self._client_classes,
            self._between_nodes,
            self._linkerd_config.egress_namespace,
            self._linkerd_client.goes_past,
        ).rows()

    def _between_nodes(self, source: Endpoint, destination: Endpoint) -> Tri:
        return all_of((self._below(source)[0], self._below(destination)[0]))

    def _wire(self, source: Endpoint, destination: Endpoint, port: int) -> tuple[Wire, Reasons]:
        plane = self._meshes.membership(source).data_plane
        if plane is DataPlane.LINKERD:
            return self._linkerd_client.wire(source, destination, port)
        if plane is DataPlane.ISTIO_SIDECAR:
            found = self._istio_client.from_sidecar(source, destination, port)
            return found.wire, found.reasons
        if plane is DataPlane.ISTIO_AMBIENT:
            found = self._istio_client.from_ambient(source, destination)
            return found.wire, found.reasons
        known = plane is DataPlane.NONE
        code = "client.not-in-mesh" if known else "indeterminate.client.source"
        causes = (Cause(code, (("endpoint", source.id),)),)
        return Wire.PLAINTEXT if known else Wire.INDETERMINATE, Reasons(causes, (), source.evidence)

    def _workload_verdict(
        self, endpoint: Endpoint, port: int, protocol: str
    ) -> tuple[DataPlane, MeshVerdict]:
        member = self._meshes.membership(endpoint)
        plane, why = member.data_plane, Reasons(member.causes, member.chain, member.evidence)
        if plane is DataPlane.LINKERD:
            verdict = self._linkerd.verdict(endpoint, port, protocol, member.basis)
        elif plane in (DataPlane.ISTIO_SIDECAR, DataPlane.ISTIO_AMBIENT):
            ambient = plane is DataPlane.ISTIO_AMBIENT
            verdict = self._istio.verdict(endpoint, port, protocol, ambient=ambient)
        elif plane is DataPlane.NONE:
            return self._without_mesh(endpoint, protocol, why)
        elif protocol != "TCP":
            cause = Cause("mesh.tcp-only", (("mesh", "Istio, Linkerd"), ("protocol", protocol)))
            return plane, MeshVerdict(records.PLAINTEXT, None, Reasons((cause,)))
        else:
            unknown = Reasons((Cause("indeterminate.mesh.membership"),)) + why
            return plane, MeshVerdict(records.INDETERMINATE, None, unknown)
        return plane, MeshVerdict(verdict.record, verdict.mode, verdict.reasons + why)

    def _without_mesh(self, endpoint: Endpoint, protocol: str, why: Reasons) -> tuple[DataPlane, MeshVerdict]:
        """Cilium's ztunnel carries TCP of enrolled namespaces, never of pods on the node's network."""
        enrolled = endpoint.namespace in self.nodes.workload_mtls
        if not enrolled or protocol != "TCP" or endpoint.host_network:
            return DataPlane.NONE, MeshVerdict(records.PLAINTEXT, None, Reasons((Cause("mesh.none"),)) + why)
        cni = self.nodes.cni or ""
        causes = (
            Cause("combined.workload-mtls", (("cni", cni), ("namespace", endpoint.namespace))),
            Cause("indeterminate.workload-mtls-plaintext", (("cni", cni),)),
        )
        reasons = Reasons(causes, self.nodes.chain, self.nodes.evidence)
        return DataPlane.CILIUM_ZTUNNEL, MeshVerdict(records.INDETERMINATE, None, reasons)

    def _below(self, endpoint: Endpoint) -> tuple[Tri, Tri, Reasons]:
        """What the nodes encrypt of an endpoint's traffic, across nodes and inside one, and why."""
        nodes = self.nodes
        cross, same, causes = nodes.cross_node, nodes.same_node, nodes.causes
        if endpoint.host_network:
            cross, same = (_weaker(value, nodes.host_network) for value in (cross, same))
        if nodes.except_nodes and cross is Tri.YES:
            cross = Tri.UNKNOWN
            first = min(nodes.except_nodes)
            causes = (*causes, Cause("indeterminate.node-not-covered", (("node", first),)))
        return cross, same, Reasons(causes, nodes.chain, nodes.evidence)

    def _covering(self, plane: DataPlane, record: EncryptionRecord, cross: Tri, same: Tri) -> tuple[str, ...]:
        layers = []
        if plane not in (DataPlane.NONE, DataPlane.UNKNOWN) and record not in _NOT_COVERING:
            layers.append(plane.value)
        if Tri.YES in (cross, same):
            layers.append(f"{self.nodes.cni or 'cni'}-{self.nodes.mechanism or 'encryption'}")
        return tuple(layers)

    def _is_proxy_port(self, endpoint: Endpoint, port: int, plane: DataPlane) -> bool:
        if plane is DataPlane.LINKERD:
            return self._linkerd.is_proxy_port(port)
        return plane is DataPlane.ISTIO_SIDECAR and self._istio.is_proxy_port(endpoint, port)

    @cached_property
    def _ztunnel_minimum(self) -> str:
        return ztunnel_minimum(self._endpoints)

    @cached_property
    def _configs(self) -> MeshConfigs:
        return MeshConfigs(self._cluster)

    @cached_property
    def _istio_data_plane(self) -> IstioDataPlane:
        return IstioDataPlane(self._cluster, self._endpoints)

    @cached_property
    def _linkerd_data_plane(self) -> LinkerdDataPlane:
        return LinkerdDataPlane(self._cluster)

    @cached_property
    def _istio(self) -> IstioInbound:
        return IstioInbound(self._cluster, self._configs, self._istio_data_plane)

    @cached_property
    def _linkerd(self) -> LinkerdInbound:
        return LinkerdInbound(self._cluster, self._linkerd_config, self._linkerd_data_plane)

    @cached_property
    def _istio_client(self) -> IstioOutbound:
        return IstioOutbound(self._cluster, self._services, self._configs, self._istio, self._meshes)

    @cached_property
    def _client_rules(self) -> ClientRules:
        return ClientRules(self._istio_client.rules, self._services, self._configs, self._meshes)

    @cached_property
    def _client_classes(self) -> ClientClasses:
        return ClientClasses(
            self._cluster,
            self._services,
            self._configs,
            self._meshes,
            self._linkerd_data_plane,
            self._istio_client.rules,
            self._istio_data_plane.config,
        )

    @cached_property
    def _linkerd_client(self) -> LinkerdOutbound:
        return LinkerdOutbound(
            self._services, self._linkerd_config, self._linkerd_data_plane, self._linkerd, self._meshes
        )

    @cached_property
    def _meshes(self) -> Meshes:
        return Meshes(
            self._cluster,
            self._endpoints,
            self._istio_data_plane,
            self._linkerd_data_plane,
            self._configs,
            self._linkerd_config,
        )

    @cached_property
    def _linkerd_config(self) -> LinkerdConfig:
        return read_linkerd_config(self._cluster, self._endpoints)


def _same_node(source: Endpoint, destination: Endpoint) -> Tri:
    """Whether all pods of both ends run on one node, none of them on a node of the other's, or it cannot be told."""
    nodes, others = source.node_names, destination.node_names
    if not nodes or not others:
        return Tri.UNKNOWN
    if nodes == others and len(nodes) == 1:
        return Tri.YES
    return Tri.NO if nodes.isdisjoint(others) else Tri.UNKNOWN


def _weaker(covered: Tri, host_network: Tri) -> Tri:
    """Coverage of pods on the node's network, given that of pods."""
    return covered if covered is Tri.NO or host_network is Tri.YES else host_network
