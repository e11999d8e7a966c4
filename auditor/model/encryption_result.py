"""What `auditor encryption` writes (contracts, encryption and entry points)."""

from typing import Annotated, Literal

from pydantic import Field

from auditor.model.record import Record

YesNo = Literal["yes", "no", "unknown"]
Verdict = Literal[
    "PLAINTEXT",
    "OPPORTUNISTIC",
    "PLAINTEXT_REJECTED_BY_AUTHZ",
    "NODE_ENCRYPTED_UNAUTHENTICATED",
    "TLS_SERVER_ONLY",
    "ENFORCED_MTLS",
    "DENIED",
    "INDETERMINATE",
]
DataPlaneName = Literal["istio-sidecar", "istio-ambient", "linkerd", "cilium-ztunnel", "none", "unknown"]


class ReasonRow(Record):
    """Why something is said: a code of the closed list of causes with its parameters, and its English sentence."""

    code: str
    parameters: dict[str, str] = {}
    message: str


class RecordRow(Record):
    """The fields that a verdict is the label of; they speak of every connection to the port."""

    plaintext_accepted: YesNo
    cross_node_encrypted: YesNo
    same_node_encrypted: YesNo
    server_authenticated: YesNo
    client_authenticated: YesNo


class EncryptionRow(Record):
    """What protects one container port.

    `workload` is the endpoint's id; `pod` is the pod's name for a pod without an owner and where a pod was asked for.
    `covered_by` names the layers that contribute, `mode` is the mesh's own word for what it asks of clients.
    `minimum_tls_version` is the oldest version that the mesh's TLS takes; null where it has none, or it isn't known.
    """

    namespace: str
    workload: str
    pod: str | None
    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["TCP", "UDP", "SCTP"]
    verdict: Verdict
    record: RecordRow
    data_plane: DataPlaneName
    mode: str | None
    minimum_tls_version: Literal["1.2", "1.3"] | None = None
    covered_by: list[str]
    reasons: list[ReasonRow]
    evidence: list[str]


class EncryptionResult(Record):
    """One row for each declared port of each workload, sorted by workload, port and protocol."""

    format_version: Literal[1] = 1
    rows: list[EncryptionRow]
