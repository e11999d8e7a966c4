"""Each flow that policy lets into a scoped port is encrypted between nodes: both ends and the nodes taken together."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from auditor.checks import told
from auditor.checks.context import Context, not_judged
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import (
    DECLARED_PORTS,
    ENDPOINT_SUBJECTS,
    ISTIO_INBOUND,
    LINKERD_INBOUND,
    REACHABILITY,
)
from auditor.encryption.verdicts import FlowProtection, PortProtection, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome
from auditor.model.verdict import Protection, Reach, RuleRef, Tri
from auditor.network.reach import Flows
from auditor.network.universe import Peer

REASONS = (
    Reason(
        "no-flow", Outcome.NOT_APPLICABLE, "No other endpoint may connect to {subject} from another node."
    ),
    Reason(
        "flows-encrypted",
        Outcome.PASS,
        "Whatever other endpoints may send to {subject} is encrypted between nodes, or refused ({source_count} sources).",
    ),
    Reason(
        "flow-in-plaintext",
        Outcome.FAIL,
        "{sources} may send plaintext to {subject} between nodes ({source_count} sources in all): {causes}.",
        remedy="Put both ends into a mesh and require mutual TLS on port {port}, or let the CNI encrypt traffic between "
        "nodes; or narrow the policies (see decided by) so that these sources may not connect.",
    ),
    Reason(
        "indeterminate.flow",
        Outcome.NOT_EVALUATED,
        "Whether {sources} may send plaintext to {subject} can't be told: {causes}.",
    ),
)
_SEEN = 20
"""Sources that a flow names; its `source_count` counts all."""
_KINDS_OF_CLIENTS = (("networking.istio.io", "DestinationRule"), ("networking.istio.io", "VirtualService"))
_CODES = {"plaintext": "flow-in-plaintext", "unknown": "indeterminate.flow"}


@check(
    "flows-encrypted",
    reads=tuple(
        dict.fromkeys(
            (
                *ENDPOINT_SUBJECTS,
                *REACHABILITY,
                DECLARED_PORTS,
                *ISTIO_INBOUND,
                *LINKERD_INBOUND,
                *(Read(KindKey(*kind), could_pass=True, could_fail=True) for kind in _KINDS_OF_CLIENTS),
                Read(KindKey("projectcalico.org", "FelixConfiguration"), could_pass=True, could_fail=True),
            )
        )
    ),
    reasons=REASONS,
)
def flows_encrypted(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every flow that policy lets into the port from another endpoint is encrypted between nodes or refused.

    A flow is judged by both ends together: what the client's side sends, what the port accepts, what the nodes encrypt
    below. Fails when a client that may connect sends plaintext which nothing encrypts, wherever the pods happen to run;
    a policy that nothing enforces keeps nobody out. Does not see TLS that applications speak themselves, clients outside
    the cluster, replicas of one workload among themselves, or what a node sends to its own pods.
    """
    classes = {endpoint.id: classification for endpoint, classification in context.classified}
    families, before = _families(context), None
    for row in context.encryption.rows():
        subject = Subject(row.subject, row.endpoint.namespace)
        left_out = not_judged(subject, classes[row.endpoint.id]) or _keep_out(context, row, subject)
        if left_out is not None:
            yield left_out
            continue
        if before is None or before.endpoint is not row.endpoint:
            before = _Incoming(context, families, row.endpoint)
        yield _judge(row, subject, before.flows(row))


def _keep_out(context: Context, row: PortProtection, subject: Subject) -> Exclusion | None:
    if row.proxy_port:
        return Exclusion(subject.id, "mesh-proxy-port")
    gateway = context.encryption.membership(row.endpoint).gateway
    return Exclusion(subject.id, "mesh-gateway") if gateway else None


@dataclass(frozen=True, slots=True)
class _Flow:
    """Flows to a port that fare alike. `result`: plaintext, unknown, encrypted or refused; `sources`: the first by name."""

    result: str
    reach: Reach
    sources: tuple[Endpoint, ...]
    count: int
    example: FlowProtection
    rules: tuple[RuleRef, ...]


class _Incoming:
    """What may reach one endpoint from other nodes. `families` are the classes of clients as sets."""

    def __init__(self, context: Context, families: list[int], endpoint: Endpoint) -> None:
        self._encryption = context.encryption
        self._network = context.network
        self.endpoint = endpoint
        self._groups = context.network.flows_between_nodes(endpoint, families, _SEEN)
        self._rules: dict[str, tuple[RuleRef, ...]] = {}

    def flows(self, row: PortProtection) -> list[_Flow]:
        """Every flow into a port that policy lets through, or may let through."""
        reached = ((group, count, _reach(group, row.port, row.protocol)) for group, count in self._groups)
        found = [(group, count, reach) for group, count, reach in reached if reach is not Reach.DENIED]
        return _joined(self._flow(row, *entry) for entry in found)

    def _flow(self, row: PortProtection, group: Flows, count: int, reach: Reach) -> _Flow:
        sources = _first(group.sources)
        example = self._encryption.flow(sources[0], row.endpoint, row.port, row.protocol)
        result = _result(example, self._encryption.nodes.cross_node)
        if reach is Reach.INDETERMINATE and result == "plaintext":
            result = "unknown"
        return _Flow(result, reach, sources, count, example, self._decided_by(sources[0]))

    def _decided_by(self, source: Endpoint) -> tuple[RuleRef, ...]:
        if source.id not in self._rules:
            self._rules[source.id] = self._network.connection(source, self.endpoint).decided_by
        return self._rules[source.id]


def _families(context: Context) -> list[int]:
    """Endpoints that fare alike as clients, as sets of the network's."""
    classes: dict[Hashable, list[Endpoint]] = {}
    for endpoint in context.facts.endpoints:
        classes.setdefault(context.encryption.client_class(endpoint), []).append(endpoint)
    return [context.network.family(endpoints) for endpoints in classes.values()]


def _first(sources: Iterable[Peer]) -> tuple[Endpoint, ...]:
    found = (source for source in sources if isinstance(source, Endpoint))
    return tuple(sorted(found, key=lambda source: source.id)[:_SEEN])


def _joined(flows: Iterable[_Flow]) -> list[_Flow]:
    """Flows that are told alike as one, with the causes of the first of them."""
    found: dict[tuple[object, ...], list[_Flow]] = {}
    for flow in flows:
        key = (flow.result, flow.reach, flow.example.wire, flow.example.label)
        found.setdefault(key, []).append(flow)
    return [
        replace(
            group[0],
            sources=_first(source for flow in group for source in flow.sources),
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


def _result(flow: FlowProtection, between_nodes: Tri) -> str:
    if flow.label is Protection.DENIED:
        return "refused"
    encrypted = flow.record.cross_node_encrypted
    if encrypted is not Tri.UNKNOWN:
        return "encrypted" if encrypted is Tri.YES else "plaintext"
    # Authorization refuses a plaintext request only after its bytes have crossed the network.
    after_arrival = flow.label is Protection.PLAINTEXT_REJECTED_BY_AUTHZ and flow.wire is Wire.PLAINTEXT
    return "plaintext" if after_arrival and between_nodes is Tri.NO else "unknown"


def _judge(row: PortProtection, subject: Subject, flows: list[_Flow]) -> Judgement:
    results = {flow.result for flow in flows}
    worst = next((result for result in _CODES if result in results), None)
    code = _CODES[worst] if worst else "flows-encrypted" if flows else "no-flow"
    shown = [flow for flow in flows if flow.result == worst] or flows
    sources = _first(source for flow in shown for source in flow.sources)
    parameters = {
        "port": row.port,
        "sources": [source.id for source in sources],
        "source_count": sum(flow.count for flow in shown),
        "causes": told.causes(cause for flow in shown for cause in flow.example.causes),
        "flows": [_told(row, flow) for flow in flows],
    }
    evidence = (
        *row.evidence,
        *(item for flow in shown for item in (*flow.sources[0].evidence, *flow.example.evidence)),
        *told.rule_evidence(rule for flow in flows for rule in flow.rules),
    )
    return Judgement(code, subject, parameters, tuple(dict.fromkeys(evidence)))


def _told(row: PortProtection, flow: _Flow) -> dict[str, Any]:
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
