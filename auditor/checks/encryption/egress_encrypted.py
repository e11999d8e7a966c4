"""What scoped workloads send to hosts outside the cluster is encrypted on the whole way, as far as a mesh decides it."""

from collections.abc import Iterator, Sequence
from functools import partial

from auditor.checks.context import Context
from auditor.checks.definition import NoParameters, Yielded, check
from auditor.checks.egress_networks import EgressNetworks
from auditor.checks.egress_parts import Part, host_of, judgement, parts_of, worst_of
from auditor.checks.egress_reach import EgressReach
from auditor.checks.outside_networks import Places, are_trusted
from auditor.checks.reads import CLUSTER_POLICIES, ENDPOINT_SUBJECTS, NODES, OWN_NETWORK_POLICIES
from auditor.encryption.egress.values import Egress
from auditor.encryption.egress.ways import READS as EGRESS_READS
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import CONFIG_MAP, NAMESPACE
from auditor.model.outcome import Outcome
from auditor.model.verdict import Cause

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
        "Plaintext goes from {sources} on the way to {host} ({networks}; clients in all: {source_count}): {causes}.",
        remedy="Let the mesh originate TLS: a DestinationRule for {host} with tls mode SIMPLE or MUTUAL in the namespace "
        "of the client or of the egress gateway, mesh mTLS between them, and for ambient clients a waypoint; or let the "
        "application speak TLS and register the port as HTTPS.",
    ),
    Reason(
        "plaintext-to-network",
        Outcome.FAIL,
        "Plaintext goes from {sources} to {host}, which the scope file names as a network: {networks} (clients in all: "
        "{source_count}): {causes}.",
        remedy="Have each destination that the flows name encrypted on the whole way, as the finding about it says; or "
        "narrow the egress policies so that these clients may not connect to {host}.",
    ),
    Reason(
        "network-closed",
        Outcome.PASS,
        "Policy lets no workload in scope send anything to {host} ({networks}).",
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
        "Whether what goes from {sources} to {host} is encrypted can't be told ({networks}; clients in all: "
        "{source_count}): {causes}.",
    ),
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

    Fails when a hop certainly carries plaintext, or the server isn't verified, and policy certainly lets the client
    connect; where that can't be told, so it is of the way. The population is the destinations that
    Istio's ServiceEntries, Linkerd's EgressNetworks, routes and mirrored Services register, and one subject for whatever
    isn't registered; and the networks of the scope file, each with what policy lets scoped workloads send there. A way
    whose every address lies in networks that the scope file marks trusted is no way over an open, public network, and is
    excluded; a name whose addresses aren't known is the internet, unless policy lets the client go to known places only.
    TLS that the application speaks itself can't be seen here, nor whether it verifies the server: such
    destinations are not evaluated, and an unmeshed cluster is one that can't be told.
    """
    reach = EgressReach(context)
    grouped: dict[str, list[Egress]] = {}
    for row in context.encryption.egress:
        grouped.setdefault(row.subject, []).append(row)
    for subject, rows in grouped.items():
        yield _judge(context, reach, Subject(subject, rows[0].namespace), rows)
    yield from EgressNetworks(context, reach).judged()


def _judge(context: Context, reach: EgressReach, subject: Subject, rows: Sequence[Egress]) -> Yielded:
    parts, trusted = [], False
    for row in rows:
        sending = reach.senders(row)
        through = [client for client in row.sources if client.id in sending]
        for part in _by_place(reach, row, through):
            trusted = trusted or are_trusted(part.places)
            if not are_trusted(part.places) or row.elsewhere:
                parts.append(part)
        kept = () if through else tuple(c for c in row.sources if c.id in context.in_scope)
        if kept:
            parts.append(Part(row, kept, "egress-refused", frozenset()))
    if not parts:
        none = "out-of-scope" if any(row.sources for row in rows) else "no-client"
        return Exclusion(subject.id, "trusted-network" if trusted else none)
    worst = worst_of(parts)
    found = [part for part in parts if part.code == worst]
    return judgement(worst, subject, host_of(rows[0]), found)


def _by_place(reach: EgressReach, row: Egress, clients: Sequence[Endpoint]) -> Iterator[Part]:
    """Clients by where the way ends for them. Where the worst route ends in trusted networks and others don't, what
    they carry isn't known."""
    found: dict[Places, list[Endpoint]] = {}
    if row.addresses is not None and clients:
        found[reach.places(row, clients[0])] = list(clients)
    for client in clients if row.addresses is None else ():
        found.setdefault(reach.places(row, client), []).append(client)
    for places, group in found.items():
        if row.elsewhere and are_trusted(places):
            because = Reasons((Cause("egress.other-routes"),))
            yield Part(row, tuple(group), "indeterminate.egress", places, because)
        else:
            yield from parts_of(row, group, places, partial(reach.doubt, row))
