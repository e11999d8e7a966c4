"""The result of an audit: what `results.json` holds and every renderer reads (contracts, results.json)."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from auditor.model.certificates_result import CertificateRow, HostRow
from auditor.model.control import Automation, Entity, Strength
from auditor.model.outcome import Outcome, Status
from auditor.model.record import Record as Record
from auditor.model.scope import AdministrativeAccess, ApprovedFlow, ExternalNetwork, ScopeClass

FORMAT_VERSION: Literal[1] = 1


class Tool(Record):
    """The program that made the result."""

    name: str
    version: str
    command: list[str]


class Run(Record):
    """When it was evaluated and collected. `collected_at` None is printed as "not recorded"."""

    evaluated_at: str
    collected_at: str | None
    collected_by: str | None
    period: str | None
    assume_complete: str | None
    frameworks: list[str]
    complete: bool
    """Whether nothing that the controls read is missing from the evidence."""


class ClusterResult(Record):
    """Which cluster was looked at; None is printed as "not recorded"."""

    name: str | None
    uid: str | None
    nodes: int | None
    namespaces: int
    pods: int
    endpoints: int
    components: list[str]
    """What was recognised: CNI, meshes, ingress controllers, with versions where visible; sorted."""


class NamespaceClass(Record):
    """The class of a namespace in a framework, and the rule of the scope file that gave it."""

    namespace: str
    framework: str
    class_: Annotated[ScopeClass, Field(alias="class")]
    rule: int | None
    undecided: bool
    reason: str | None


class ScopeResult(Record):
    """The scope that was used. `file` None: no scope file, everything is in scope."""

    file: str | None
    sha256: str | None
    organisation: str | None
    assessor: str | None
    entity: Entity
    marking: str | None
    distribution: str | None
    namespaces: list[NamespaceClass]
    external_networks: list[ExternalNetwork]
    approved_flows: list[ApprovedFlow]
    administrative_access: list[AdministrativeAccess] = []


class Input(Record):
    """A file that was read."""

    path: str
    size: int
    sha256: str
    objects: int
    problem: str | None


class KindEvidence(Record):
    """A kind: how many objects, how complete, by which requests."""

    group: str
    kind: str
    resource: str | None
    objects: int
    completeness: str
    cause: str
    requests: list[str]
    read: bool
    """Whether a selected control reads this kind; kinds that none reads are listed as not evaluated."""


class EvidenceItem(Record):
    """An object that a finding points to. `id` is the sha256 of its redacted canonical JSON."""

    id: str
    object: str
    kind: str
    source: str
    resource_version: str | None
    completeness: str
    redactions: list[str]
    excerpt: dict[str, Any] | None
    """The redacted object without status and bookkeeping metadata, for policy kinds that a report prints."""


class ExclusionResult(Record):
    """A subject that was listed and not evaluated."""

    subject: str
    reason: str


class PopulationResult(Record):
    """listed = evaluated + len(excluded)."""

    control: str
    listed: int
    evaluated: int
    excluded: list[ExclusionResult]


class FindingResult(Record):
    """One outcome for one subject. `message` is the English sentence."""

    id: str
    control: str
    check: str
    subject: str
    namespace: str
    outcome: Outcome
    reason: str
    parameters: dict[str, Any]
    message: str
    remedy: str
    evidence: list[str]
    frameworks: list[str]


class MappingResult(Record):
    """Why a control bears on a requirement."""

    framework: str
    requirement: str
    strength: Strength
    because: str


class ControlResult(Record):
    """A control with its aggregated outcome and the counts behind it."""

    id: str
    title: str
    severity: Literal["high", "medium", "low", "info"]
    automation: Automation
    objective: str
    why_it_matters: str
    limitations: list[str]
    remediation: str
    outcome: Outcome
    counts: dict[Outcome, int]
    checks: list[str]
    requirements: list[MappingResult]


class RequirementControl(Record):
    """A control mapped to a requirement, with its outcome under that framework's scope."""

    control: str
    strength: Strength
    outcome: Outcome


class RequirementResult(Record):
    """A requirement's status. Never "compliant"."""

    framework: str
    id: str
    section: str
    title: str
    text: str
    automation: Automation
    because: str
    manual_steps: list[str]
    designation: str | None
    note: str | None
    status: Status
    status_reason: str
    controls: list[RequirementControl]


class FrameworkResult(Record):
    """A framework and how many of its requirements have each status."""

    id: str
    title: str
    version: str
    wording: str
    source: str
    sections: list[tuple[str, str]]
    counts: dict[Status, int]


class RedactionResult(Record):
    """What was dropped while parsing."""

    object: str
    fields: list[str]
    reason: str


class DiagramBox(Record):
    """A namespace in the network diagram. `class_`: the strictest that the selected frameworks give it or its endpoints."""

    id: str
    class_: Annotated[ScopeClass, Field(alias="class")]
    workloads: int


class DiagramOutside(Record):
    """Addresses outside the cluster: the internet, a network of the scope file, or private addresses that it does not name.

    Its id is `outside/name`, which no namespace can have.
    """

    id: str
    name: str


class DiagramService(Record):
    """Services between two boxes that fare alike, as `443/TCP, 8000-8080/TCP`."""

    verdict: Literal["allowed", "not-enforced", "conditional", "indeterminate"]
    services: str


class DiagramEdge(Record):
    """What may connect from one box to another, all pairs of endpoints joined.

    `services`: the least restricted first; a port stands with its first verdict only. `encryption` is the worst of all
    pairs; of what leaves the cluster the ways out tell it. `approved`: whether approved flows name the services;
    not-needed where both ends are in scope, or neither. `entry`: some of it comes in from outside by an entry point or
    an exposed port.
    """

    source: str
    destination: str
    services: list[DiagramService]
    encryption: Literal["encrypted", "plaintext", "unknown"]
    approved: Literal["yes", "no", "partly", "not-needed"]
    entry: bool


class DiagramResult(Record):
    """The cluster's part of a network diagram: what touches scope, and what comes in from outside."""

    boxes: list[DiagramBox]
    outside: list[DiagramOutside]
    edges: list[DiagramEdge]
    edges_left_out: int


class Standing(StrEnum):
    """What becomes of a flow that crosses the border of scope when it is held against the approved flows.

    `people`: nothing is approved at all, or the scope file names the other end as connected-to or security-impacting; a
    person decides whether the need is on record. `indeterminate`: it can't be told whether it may pass.
    """

    UNAPPROVED = "unapproved"
    INDETERMINATE = "indeterminate"
    PEOPLE = "people"
    APPROVED = "approved"


FlowEncryption = Literal["plaintext", "unknown", "encrypted"]


class RegisterFlow(Record):
    """Services that may pass between endpoints in scope and peers that are not: all pairs that fare alike, joined.

    `direction` is seen from scope. `encryption` is the worst of all pairs and ports, told between nodes. `decided_by` are
    `{"object", "rule"}`, none where nothing restricts; `causes` say why it is conditional or can't be told.
    """

    number: int
    frameworks: list[str]
    direction: Literal["in", "out"]
    sources: list[str]
    destinations: list[str]
    services: str
    ports: list[dict[str, Any]]
    verdict: Literal["allowed", "declared-not-enforced", "conditional", "indeterminate"]
    standing: Standing
    approved_by: list[str]
    encryption: FlowEncryption
    causes: list[dict[str, Any]]
    decided_by: list[dict[str, str]]


class RegisterApproval(Record):
    """An approved flow of the scope file (by its `id`), held against what may connect.

    `frameworks`: those with an end of it in scope, or with an end that names nothing; none, and it is not judged.
    `possible`: whether its services may pass: `no` where policies deny all of them, `partly` where they deny some
    (`impossible`), `indeterminate` where they deny none and it can't be told of some (`undecided`). `unknown`: ends that
    name nothing. `flows`: numbers of the register's flows that it approves.
    """

    id: str
    frameworks: list[str]
    possible: Literal["yes", "no", "partly", "indeterminate", "unknown-end"]
    services: str
    impossible: str
    undecided: str
    unknown: list[str]
    review_overdue: bool
    encryption: FlowEncryption | None
    flows: list[int]
    causes: list[dict[str, Any]]


class RegisterResult(Record):
    """The flow register (PCI DSS 1.2.5): what may connect into and out of scope, and what was approved."""

    flows: list[RegisterFlow]
    approvals: list[RegisterApproval]
    counts: dict[Standing, int]
    """How many of the flows stand how."""


class AuditResult(Record):
    """The whole result. Lists are sorted; equal inputs, clock and version give equal bytes."""

    format_version: Literal[1] = FORMAT_VERSION
    title: str
    tool: Tool
    run: Run
    cluster: ClusterResult
    scope: ScopeResult
    diagram: DiagramResult
    flow_register: RegisterResult
    certificates: list[CertificateRow] = []
    """The inventory of keys and certificates (PCI DSS 4.2.1.1), whatever the scope."""
    certificate_hosts: list[HostRow] = []
    """The hosts that end TLS, each with the certificate that the evidence describes for it."""
    inputs: list[Input]
    kinds: list[KindEvidence]
    evidence: list[EvidenceItem]
    redactions: list[RedactionResult]
    frameworks: list[FrameworkResult]
    controls: list[ControlResult]
    populations: list[PopulationResult]
    findings: list[FindingResult]
    requirements: list[RequirementResult]
    assumptions: list[str]
    limitations: list[str]
