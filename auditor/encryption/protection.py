"""What protects each port: the one place where meshes and encryption between nodes come together."""

from collections.abc import Sequence
from functools import cached_property

from auditor.encryption import record as records
from auditor.encryption.node_encryption import UNKNOWN_NODE_ENCRYPTION, NodeEncryption
from auditor.encryption.verdicts import (
    Basis,
    ClientRule,
    ClientTls,
    DataPlane,
    Membership,
    MeshPresence,
    PortProtection,
    Reasons,
    Wire,
)
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.verdict import Tri


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

    @cached_property
    def nodes(self) -> NodeEncryption:
        """What the CNI encrypts between nodes."""
        return self._given_nodes or UNKNOWN_NODE_ENCRYPTION

    @cached_property
    def meshes(self) -> MeshPresence:
        """Whether Istio and Linkerd are installed."""
        return MeshPresence(Tri.UNKNOWN, Tri.UNKNOWN, Reasons(), Reasons())

    def membership(self, endpoint: Endpoint) -> Membership:
        """Which data plane carries the endpoint's traffic."""
        unknown = Tri.UNKNOWN
        plane, basis = DataPlane.UNKNOWN, Basis.UNKNOWN
        return Membership(endpoint, plane, unknown, unknown, basis, False, False, (), (), ())

    def port(self, endpoint: Endpoint, port: int, protocol: str) -> PortProtection:
        """What protects a container port of an endpoint, declared or not; `protocol` is TCP, UDP or SCTP."""
        record = records.INDETERMINATE
        label = records.label(record)
        plane = DataPlane.UNKNOWN
        return PortProtection(
            endpoint, port, protocol, label, record, label, record, plane, None, False, (), (), (), ()
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
        return ClientTls(source, destination, port, Wire.INDETERMINATE, (), (), ())

    def client_rules(self) -> tuple[ClientRule, ...]:
        """Every DestinationRule, sorted by id, with what it does to clients of meshed services."""
        return ()
