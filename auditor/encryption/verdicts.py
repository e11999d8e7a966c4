"""The values that the mesh engines give: membership, protection of a port, what a client puts on the wire."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, EncryptionRecord, Protection, RuleRef, Tri


class DataPlane(StrEnum):
    """What carries an endpoint's traffic."""

    ISTIO_SIDECAR = "istio-sidecar"
    ISTIO_AMBIENT = "istio-ambient"
    LINKERD = "linkerd"
    CILIUM_ZTUNNEL = "cilium-ztunnel"
    NONE = "none"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """How membership is known: seen in running pods, predicted from the webhooks for a template, or not at all."""

    OBSERVED = "observed"
    PREDICTED = "predicted"
    UNKNOWN = "unknown"


class Wire(StrEnum):
    """What a client's side puts on the wire. Worst first: a client that has several ways is as good as the worst."""

    PLAINTEXT = "plaintext"
    INDETERMINATE = "indeterminate"
    TLS_UNVERIFIED = "tls-unverified"
    TLS = "tls"
    MUTUAL_TLS = "mutual-tls"
    MESH_MTLS = "mesh-mtls"


T = TypeVar("T")


def _joined(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    if not first or not second:
        return first or second
    return tuple(dict.fromkeys(first + second))


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why something is said: causes from the closed list, the rules that led there, evidence ids."""

    causes: tuple[Cause, ...] = ()
    chain: tuple[RuleRef, ...] = ()
    evidence: tuple[str, ...] = ()

    def __add__(self, other: "Reasons") -> "Reasons":
        """Both, in order, without repetition."""
        return Reasons(
            _joined(self.causes, other.causes),
            _joined(self.chain, other.chain),
            _joined(self.evidence, other.evidence),
        )


@dataclass(frozen=True, slots=True)
class MeshVerdict:
    """What one mesh says of one (endpoint, container port, protocol)."""

    record: EncryptionRecord
    mode: str | None
    reasons: Reasons


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Whether an endpoint is in the data plane of Istio (sidecar or ambient) and of Linkerd.

    `gateway`: its proxy serves others, as ingress, egress or waypoint; its ports are governed by Gateway objects.
    `control_plane`: it belongs to a mesh's own control plane.
    """

    endpoint: Endpoint
    data_plane: DataPlane
    istio: Tri
    linkerd: Tri
    basis: Basis
    gateway: bool
    control_plane: bool
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeshPresence:
    """Whether each mesh is installed. NO only where the evidence is complete enough to know."""

    istio: Tri
    linkerd: Tri
    istio_reasons: Reasons
    linkerd_reasons: Reasons


@dataclass(frozen=True, slots=True, eq=False)
class PortProtection:
    """What protects (endpoint, container port, protocol).

    `record` and `label` are of all layers together, `mesh_record` and `mesh_label` of the mesh alone (PLAINTEXT where
    it has none). `mode` is the mesh's word: `STRICT`, `PERMISSIVE`, `all-authenticated`, ... `covered_by` names the
    layers that contribute. `proxy_port`: one of the mesh proxy's own ports (metrics, health), not the application's.
    `minimum_tls` is the oldest version that the mesh's TLS takes, `1.2` or `1.3`; None where it has none or isn't known.
    """

    endpoint: Endpoint
    port: int
    protocol: str
    label: Protection
    record: EncryptionRecord
    mesh_label: Protection
    mesh_record: EncryptionRecord
    data_plane: str
    mode: str | None
    proxy_port: bool
    minimum_tls: str | None
    covered_by: tuple[str, ...]
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The id of the port as a subject: `namespace/Kind/name:port/PROTOCOL`."""
        return f"{self.endpoint.id}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, eq=False)
class ClientTls:
    """What `source` puts on the wire when it calls `destination` on a container port (TCP)."""

    source: Endpoint
    destination: Endpoint
    port: int
    wire: Wire
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FlowProtection:
    """What protects one flow: the client's side and the port together, with the nodes below.

    DENIED: the two ends do not come together, the connection fails. `same_node`: both ends run on one and the same node.
    """

    source: Endpoint
    destination: Endpoint
    port: int
    protocol: str
    wire: Wire
    label: Protection
    record: EncryptionRecord
    same_node: Tri
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClientRule:
    """A DestinationRule, seen from the services in the mesh that its host names.

    `services` are those of meshed endpoints for which some client uses the rule (`namespace/Service/name`); `applies` is
    false where there is none. `wire` is the weakest that its clauses make clients send to one of them (mesh mTLS where it
    sets no TLS), `chain` those clauses. `downgrades`: YES for plaintext, and for TLS without verifying the server.
    """

    object: str
    namespace: str
    host: str
    applies: bool
    downgrades: Tri
    wire: Wire
    services: tuple[str, ...]
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AutomaticMtls:
    """Whether MeshConfig lets clients use mesh mTLS by themselves, and what lacks it where it doesn't.

    `services` (`namespace/Service/name`) have meshed endpoints, and for some client no DestinationRule says what to
    send: where `enabled` is NO such clients send plaintext. Worked out only where `enabled` is not YES.
    """

    enabled: Tri
    source: RuleRef | None
    services: tuple[str, ...]
