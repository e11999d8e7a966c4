"""What scoped workloads send to hosts outside the cluster is encrypted on the whole way, as far as a mesh decides it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import merge
from itertools import islice
from typing import Any

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES, ENDPOINT_SUBJECTS, NODES, OWN_NETWORK_POLICIES
from auditor.encryption.egress.values import Egress, Hop, Location, Sent
from auditor.encryption.egress.ways import READS as EGRESS_READS
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import CONFIG_MAP, NAMESPACE
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri
from auditor.network.ports import PortSet

REASONS = (
    Reason(
        "egress-encrypted",
        Outcome.PASS,
        "What goes from {sources} to {host} is encrypted on the whole way (at least {sent}).",
    ),
    Reason(
        "egress-refused",
        Outcome.PASS,
        "Connections from {sources} to {host} are refused by the proxy, or denied by policy.",
    ),
    Reason(
        "egress-in-plaintext",
        Outcome.FAIL,
        "Plaintext goes from {sources} on the way to {host} (clients in all: {source_count}): {causes}.",
        remedy="Let the mesh originate TLS: a DestinationRule for {host} with tls mode SIMPLE or MUTUAL in the namespace "
        "of the client or of the egress gateway, mesh mTLS between them, and for ambient clients a waypoint; or let the "
        "application speak TLS and register the port as HTTPS.",
    ),
    Reason(
        "server-not-verified",
        Outcome.FAIL,
        "Any certificate of {host} is accepted for {sources} (clients in all: {source_count}): {causes}.",
        remedy="Remove insecureSkipVerify from the rule (see decided by); set caCertificates and subjectAltNames where the "
        "server's certificate comes from a private authority.",
    ),
    Reason(
        "indeterminate.egress",
        Outcome.NOT_EVALUATED,
        "Whether what goes from {sources} to {host} is encrypted can't be told (clients in all: {source_count}): {causes}.",
    ),
)
_SHOWN = 20
_OPEN = (Sent.INDETERMINATE, Sent.APPLICATION, Sent.APPLICATION_TLS)
_WORST_FIRST = (
    "egress-in-plaintext",
    "server-not-verified",
    "indeterminate.egress",
    "egress-encrypted",
    "egress-refused",
)


@check(
    "egress-encrypted",
    reads=(
        *ENDPOINT_SUBJECTS,
        *(
            Read(
                kind,
                could_pass=True,
                could_fail=True,
                subjects=kind.kind in ("ServiceEntry", "EgressNetwork"),
            )
            for kind in dict.fromkeys(EGRESS_READS)
            if kind not in (NAMESPACE, CONFIG_MAP)
        ),
        OWN_NETWORK_POLICIES,
        *CLUSTER_POLICIES,
        NODES,
    ),
    reasons=REASONS,
)
def egress_encrypted(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every hop from a scoped workload to a registered host is TLS that a proxy originates and whose server it
    verifies, or mesh mTLS, or encrypted between nodes inside the cluster; and when nothing may leave.

    Fails when a hop certainly carries plaintext, or the server isn't verified. The population is the destinations that
    Istio's ServiceEntries, Linkerd's EgressNetworks, routes and mirrored Services register, and one subject for whatever
    isn't registered. TLS that the application speaks itself can't be seen here, nor whether it verifies the server: such
    destinations are not evaluated, and an unmeshed cluster is one that can't be told.
    """
    reach = _Reach(context)
    grouped: dict[str, list[Egress]] = {}
    for row in context.encryption.egress:
        grouped.setdefault(row.subject, []).append(row)
    for subject, rows in grouped.items():
        yield _judge(context, reach, Subject(subject, rows[0].namespace), rows)


@dataclass(frozen=True, slots=True)
class _Part:
    """Scoped clients that fare alike towards one destination."""

    row: Egress
    clients: tuple[Endpoint, ...]
    code: str


def _judge(context: Context, reach: "_Reach", subject: Subject, rows: Sequence[Egress]) -> Yielded:
    parts = []
    for row in rows:
        sending = reach.senders(row)
        through = tuple(client for client in row.sources if client.id in sending)
        if through:
            parts.append(_Part(row, through, _code(row)))
        elif kept := tuple(client for client in row.sources if client.id in context.in_scope):
            parts.append(_Part(row, kept, "egress-refused"))
    if not parts:
        return Exclusion(subject.id, "out-of-scope" if any(row.sources for row in rows) else "no-client")
    worst = min((part.code for part in parts), key=_WORST_FIRST.index)
    return _judgement(subject, worst, [part for part in parts if part.code == worst])


def _code(row: Egress) -> str:
    if any(_is_plain(hop) is Tri.YES for hop in row.hops):
        return "egress-in-plaintext"
    if any(hop.sent is Sent.TLS_UNVERIFIED for hop in row.hops):
        return "server-not-verified"
    if row.sent is Sent.NOTHING:
        return "egress-refused"
    unknown = any(hop.sent in _OPEN or _is_plain(hop) is Tri.UNKNOWN for hop in row.hops)
    return "indeterminate.egress" if unknown else "egress-encrypted"


def _is_plain(hop: Hop) -> Tri:
    """Whether a hop carries plaintext that no node encrypts."""
    if hop.sent is not Sent.PLAINTEXT:
        return Tri.NO
    return {Tri.YES: Tri.NO, Tri.NO: Tri.YES}.get(hop.nodes, Tri.UNKNOWN)


def _judgement(subject: Subject, code: str, parts: Sequence[_Part]) -> Judgement:
    clients = list(islice(merge(*(part.clients for part in parts), key=lambda c: c.id), _SHOWN))
    row = parts[0].row
    parameters = {
        "host": f"{row.host}:{row.port}" if row.port else _anywhere(row.host),
        "sent": str(row.sent),
        "sources": [client.id for client in clients],
        "source_count": sum(len(part.clients) for part in parts),
        "causes": told.causes(cause for part in parts for cause in part.row.reasons.causes),
        "flows": [_told(part) for part in parts],
        "decided_by": told.rules(rule for part in parts for rule in part.row.reasons.chain),
    }
    evidence = (
        *(item for part in parts for item in part.row.evidence),
        *(item for client in clients for item in client.evidence[:1]),
    )
    return Judgement(code, subject, parameters, tuple(dict.fromkeys(evidence)))


def _anywhere(host: str) -> str:
    return "destinations that nothing registers" if host == "*" else host


def _told(part: _Part) -> dict[str, Any]:
    row = part.row
    return {
        "sources": [client.id for client in part.clients[:_SHOWN]],
        "source_count": len(part.clients),
        "destination": row.subject,
        "services": f"{row.port}/TCP" if row.port else "TCP",
        "verdict": str(row.sent),
        "protection": str(row.label),
        "hops": [{"source": hop.origin, "target": hop.target, "sent": str(hop.sent)} for hop in row.hops],
        "causes": told.causes(row.reasons.causes),
        "decided_by": told.rules(row.reasons.chain),
    }


class _Reach:
    """Which scoped clients policy lets open connections to addresses outside; a gateway's own reach is not asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._network = context.network
        self._ports = cache(self._ports_out)
        self._through = cache(self._senders_on)

    def senders(self, row: Egress) -> frozenset[str]:
        """The ids of scoped clients, but for those to which policy denies every address outside on the port that is
        called in the end (on all of TCP where that isn't known)."""
        if len(row.hops) != 1 or row.location is Location.INTERNAL:
            return self._context.in_scope
        return self._through(row.hops[0].port)

    def _senders_on(self, port: int | None) -> frozenset[str]:
        scoped = (client for client in self._context.facts.endpoints if client.id in self._context.in_scope)
        return frozenset(c.id for c in scoped if any(_holds(ports, port) for ports in self._ports(c)))

    def _ports_out(self, client: Endpoint) -> tuple[PortSet, ...]:
        found: list[PortSet] = []
        for flows in self._network.flows_out_of(client, self._network.externals):
            unsure = (ports for ports, _ in (*flows.conditional, *flows.indeterminate))
            found += [flows.allowed, flows.declared_not_enforced, *unsure]
        return tuple(found)


def _holds(ports: PortSet, port: int | None) -> bool:
    if port is not None:
        return ports.contains(port, "TCP")
    return ports.everything or any(protocol == "TCP" for protocol, _ in ports.ranges)
