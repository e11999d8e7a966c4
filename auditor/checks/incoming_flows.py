"""What may flow into a port from other nodes: both ends and the nodes below taken together.

Sources that fare alike are asked about once: those that the same rules let in, and that send the same as clients.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from auditor.checks import told
from auditor.encryption.client_classes import ClientClass
from auditor.encryption.protection import Encryption
from auditor.encryption.verdicts import FlowProtection, PortProtection, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Protection, Reach, RuleRef, Tri
from auditor.network.connectivity import Connectivity
from auditor.network.reach import Flows
from auditor.network.universe import Peer

SHOWN = 20
"""Sources that a flow names; its `source_count` counts all."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Flows to a port that fare alike. `result`: plaintext, unknown, encrypted or refused; `sources`: the first by name."""

    result: str
    reach: Reach
    sources: tuple[Endpoint, ...]
    count: int
    example: FlowProtection
    rules: tuple[RuleRef, ...]


class IncomingFlows:
    """The flows into each port, worked out once for all checks and scope views."""

    def __init__(self, network: Connectivity, encryption: Encryption, endpoints: Sequence[Endpoint]) -> None:
        self._network = network
        self._encryption = encryption
        self._endpoints = endpoints
        self._found: dict[tuple[str, int, str], tuple[Flow, ...]] = {}
        self._sources: _Sources | None = None

    def into(self, row: PortProtection) -> tuple[Flow, ...]:
        """Every flow into a port from other endpoints that policy lets through, or may let through."""
        asked = (row.endpoint.id, row.port, row.protocol)
        if asked not in self._found:
            if self._sources is None or self._sources.endpoint is not row.endpoint:
                # Ports are asked for endpoint by endpoint.
                families = list(self._families_at(row.endpoint).values())
                self._sources = _Sources(self._network, self._encryption, families, row.endpoint)
            self._found[asked] = tuple(self._sources.flows(row))
        return self._found[asked]

    def _families_at(self, destination: Endpoint) -> dict[Hashable, int]:
        found: dict[Hashable, int] = {}
        for client, family in self._families.items():
            key = self._encryption.client_at(client, destination)
            found[key] = found.get(key, 0) | family
        return found

    @cached_property
    def _families(self) -> dict[ClientClass, int]:
        """Endpoints that fare alike as clients, as sets of the network's."""
        classes: dict[ClientClass, list[Endpoint]] = {}
        for endpoint in self._endpoints:
            classes.setdefault(self._encryption.client_class(endpoint), []).append(endpoint)
        return {client: self._network.family(endpoints) for client, endpoints in classes.items()}


class _Sources:
    """What may reach one endpoint from other nodes, each class of clients apart."""

    def __init__(
        self, network: Connectivity, encryption: Encryption, families: list[int], endpoint: Endpoint
    ) -> None:
        self._network = network
        self._encryption = encryption
        self.endpoint = endpoint
        self._groups = network.flows_between_nodes(endpoint, families, SHOWN)
        self._rules: dict[str, tuple[RuleRef, ...]] = {}

    def flows(self, row: PortProtection) -> list[Flow]:
        reached = ((group, count, _reach(group, row.port, row.protocol)) for group, count in self._groups)
        found = [(group, count, reach) for group, count, reach in reached if reach is not Reach.DENIED]
        return _joined(self._flow(row, *entry) for entry in found)

    def _flow(self, row: PortProtection, group: Flows, count: int, reach: Reach) -> Flow:
        sources = first_by_name(group.sources)
        example = self._encryption.flow(sources[0], row.endpoint, row.port, row.protocol)
        result = flow_result(example, self._encryption.nodes.cross_node)
        if reach is Reach.INDETERMINATE and result == "plaintext":
            result = "unknown"
        return Flow(result, reach, sources, count, example, self._decided_by(sources[0]))

    def _decided_by(self, source: Endpoint) -> tuple[RuleRef, ...]:
        if source.id not in self._rules:
            self._rules[source.id] = self._network.connection(source, self.endpoint).decided_by
        return self._rules[source.id]


def first_by_name(sources: Iterable[Peer]) -> tuple[Endpoint, ...]:
    """The endpoints that a flow names."""
    found = (source for source in sources if isinstance(source, Endpoint))
    return tuple(sorted(found, key=lambda source: source.id)[:SHOWN])


def _joined(flows: Iterable[Flow]) -> list[Flow]:
    """Flows that are told alike as one, with the causes of the first of them."""
    found: dict[tuple[object, ...], list[Flow]] = {}
    for flow in flows:
        key = (flow.result, flow.reach, flow.example.wire, flow.example.label)
        found.setdefault(key, []).append(flow)
    return [
        replace(
            group[0],
            sources=first_by_name(source for flow in group for source in flow.sources),
            count=sum(flow.count for flow in group),
            rules=tuple(sorted({rule for flow in group for rule in flow.rules})),
        )
        for group in found.values()
    ]


def _reach(group: Flows, port: int, protocol: str) -> Reach:
    if group.allowed.contains(port, protocol):
        return Reach.ALLOWED
    if group.declared_not_enforced.contains(port, protocol):
        return Reach.DECLARED_NOT_ENFORCED
    if any(ports.contains(port, protocol) for ports, _ in group.conditional):
        return Reach.CONDITIONAL
    unknown = any(ports.contains(port, protocol) for ports, _ in group.indeterminate)
    return Reach.INDETERMINATE if unknown else Reach.DENIED


def flow_result(flow: FlowProtection, between_nodes: Tri) -> str:
    """plaintext, unknown, encrypted or refused, between nodes; `between_nodes`: whether the nodes encrypt."""
    if flow.label is Protection.DENIED:
        return "refused"
    encrypted = flow.record.cross_node_encrypted
    if encrypted is not Tri.UNKNOWN:
        return "encrypted" if encrypted is Tri.YES else "plaintext"
    # Authorization refuses a plaintext request only after its bytes have crossed the network.
    after_arrival = flow.label is Protection.PLAINTEXT_REJECTED_BY_AUTHZ and flow.wire is Wire.PLAINTEXT
    return "plaintext" if after_arrival and between_nodes is Tri.NO else "unknown"


def told_flow(row: PortProtection, flow: Flow) -> dict[str, Any]:
    """A flow as a parameter of a finding."""
    return {
        "sources": [source.id for source in flow.sources],
        "source_count": flow.count,
        "destination": row.subject,
        "services": f"{row.port}/{row.protocol}",
        "verdict": flow.result,
        "reach": str(flow.reach),
        "wire": str(flow.example.wire),
        "protection": str(flow.example.label),
        "same_node": str(flow.example.same_node),
        "causes": told.causes(flow.example.causes),
        "decided_by": told.rules(flow.rules),
    }
