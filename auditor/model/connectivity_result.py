"""What `auditor connectivity` writes (contracts, connectivity): all connections, one answer, changes, exposure."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from auditor.model.result import Record

Level = Literal["pod", "workload", "namespace"]
BasisName = Literal["declared", "enforced"]
YesNo = Literal["yes", "no", "unknown"]
Answer = Literal["allowed", "denied", "conditional", "indeterminate"]
Verdict = Literal["allowed", "denied", "conditional", "indeterminate", "declared-not-enforced"]
Direction = Literal["ingress", "egress"]
Protocol = Annotated[str, StringConstraints(pattern=r"^(TCP|UDP|SCTP|ICMP|ICMPv6|\d{1,3})$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Octet = Annotated[int, Field(ge=0, le=255)]


class Ports(Record):
    """Inclusive port ranges of one protocol; `icmp` are [type, code] pairs. A protocol without either is all of it."""

    protocol: Protocol
    ports: list[tuple[Port, Port]]
    icmp: list[tuple[Octet, Octet]] = []


class PortsWithReason(Ports):
    """Ports and why they are conditional or indeterminate: a code of the closed list of reasons."""

    reason: str


class Rule(Record):
    """A rule that decided: the object's id, the path inside it, the evidence id of the object."""

    object: str
    rule: str
    evidence: str


class EnforcementRow(Record):
    """Whether something enforces a layer; `except_nodes` are nodes on which its agent isn't ready."""

    layer: str
    status: Literal["enforced", "not-enforced", "unknown"]
    by: str | None
    except_nodes: list[str]
    evidence: list[str]


class KindCompleteness(Record):
    """How much of a kind the evidence holds; `cause` says what is missing."""

    group: str
    kind: str
    state: Literal["complete", "partial", "forbidden", "absent", "not-installed"]
    cause: str


class PolicyProblemRow(Record):
    """A policy that its API server would refuse or that isn't understood: what it could change is indeterminate."""

    object: str
    field: str
    expected: str
    reason: str
    evidence: str


class CompletenessResult(Record):
    """Whether nothing that reachability depends on is missing, what is missing, and which policies are broken."""

    complete: bool
    kinds: list[KindCompleteness]
    problems: list[PolicyProblemRow]


class EndpointRow(Record):
    """Pods that decide alike, a template without pods (`live` false), a node, or at namespace level a namespace.

    `replicas` is the number of pods in the evidence.
    """

    id: str
    namespace: str
    kind: str
    name: str
    labels: dict[str, str]
    replicas: int
    live: bool
    host_network: bool


class ExternalRow(Record):
    """Addresses outside the cluster that no rule tells apart; all rows are disjoint."""

    id: str
    cidrs: list[str]


class GroupRow(Record):
    """Endpoints that decide alike. Every endpoint is in exactly one group."""

    id: str
    members: list[str]


class ConnectionRow(Record):
    """What one group or external range may reach of another; a group to itself: any two distinct members.

    What is in none of the three is denied. Pairs of two external ranges have no rows: that traffic isn't the cluster's.
    """

    source: str
    destination: str
    allowed: list[Ports]
    conditional: list[PortsWithReason]
    indeterminate: list[PortsWithReason]
    decided_by: list[Rule]


class ConnectivityResult(Record):
    """What every endpoint and external range may reach, on which ports, by which rules."""

    format_version: Literal[1] = 1
    level: Level
    basis: BasisName
    enforcement: list[EnforcementRow]
    completeness: CompletenessResult
    endpoints: list[EndpointRow]
    externals: list[ExternalRow]
    groups: list[GroupRow]
    connections: list[ConnectionRow]


class ChainRow(Record):
    """What one layer says in one direction, by which rules, and why."""

    layer: str
    direction: Direction
    verdict: Verdict
    rules: list[Rule]
    reason: str
    message: str


class ElsewhereRow(Record):
    """A public range that rules tell apart from the rest of the internet, and its own answer."""

    source: str
    destination: str
    declared: Answer
    enforced: Answer


class QueryResult(Record):
    """Whether one port is reachable: as the policies say, as far as they are enforced, and layer by layer.

    `verdict` tells apart what is open only because nothing enforces the policy that denies it. `elsewhere`: asked of
    `internet`, the public ranges for which the answer is another one.
    """

    format_version: Literal[1] = 1
    source: str
    destination: str
    port: int
    protocol: Protocol
    declared: Answer
    enforced: Answer
    verdict: Verdict
    reason: str
    message: str
    elsewhere: list[ElsewhereRow]
    chain: list[ChainRow]
    enforcement: list[EnforcementRow]
    completeness: CompletenessResult


class ChangeRow(Record):
    """What changed for an ordered pair of groups, endpoints or external ranges; a group to itself: any two distinct members.

    At namespace level a namespace's pair with itself is about the endpoints inside it.
    `gained`: reachable now (conditions included) and not known to be before; `lost`: reachable before, denied now.
    `became_uncertain`, `became_certain`: it can no longer, or can now, be told.
    """

    source: str
    destination: str
    gained: list[Ports]
    lost: list[Ports]
    became_uncertain: list[Ports]
    became_certain: list[Ports]


class ChangesResult(Record):
    """What became reachable and what ceased to be, between two states; endpoints that came or went are listed.

    `groups` are endpoints to which the same happened; an endpoint to which that happened alone stands by its own id.
    """

    format_version: Literal[1] = 1
    level: Level
    basis: BasisName
    added: list[str]
    removed: list[str]
    completeness: CompletenessResult
    completeness_before: CompletenessResult
    groups: list[GroupRow]
    changes: list[ChangeRow]


class OpenTo(Record):
    """A family of peers and the ports on which one of them may connect, conditionally or indeterminately included."""

    peers: str
    allowed: list[Ports]
    uncertain: list[Ports]


class IsolationRow(Record):
    """One direction of an endpoint: whether what no rule mentions is denied, and who may connect all the same."""

    endpoint: str
    direction: Direction
    declared: YesNo
    enforced: YesNo
    reason: str | None
    message: str
    policies: list[Rule]
    open_to: list[OpenTo]


class EntryRow(Record):
    """A way in from outside: an object, a container port behind it, and whether policy lets the traffic through.

    `way`: `controller` (an ingress controller or gateway forwards requests) or how the port is open at layer 4.
    `source_ranges` empty: every address. `via`: who the traffic comes from as the endpoint's policies see it.
    """

    object: str
    way: Literal["controller", "load-balancer", "node-port", "external-ip", "host-port", "host-network"]
    controller: str | None
    host: str | None
    outside_port: int | None
    source_ranges: list[str]
    endpoint: str
    port: Port
    protocol: Protocol
    via: list[str]
    verdict: Verdict
    reason: str
    message: str
    evidence: list[str]


class ExposureResult(Record):
    """Which endpoints no policy protects, to whom they are open, and the ways in from outside the cluster."""

    format_version: Literal[1] = 1
    enforcement: list[EnforcementRow]
    completeness: CompletenessResult
    isolation: list[IsolationRow]
    entries: list[EntryRow]
