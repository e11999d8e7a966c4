"""Services open outside the cluster are limited to named sources, or approved."""

from collections.abc import Iterator
from typing import Any

from auditor.checks.address_space import covers_internet
from auditor.checks.approvals import INTERNET, Approvals
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import ENDPOINT_SUBJECTS
from auditor.encryption.entry_points import Exposure
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import SERVICE
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri
from auditor.network.ports import NOTHING, PortSet

REASONS = (
    Reason("limited", Outcome.PASS, "{subject} is open as {kinds} on {ports} to {sources} only."),
    Reason(
        "internal", Outcome.PASS, "{subject} is open as {kinds} on {ports} through an internal load balancer."
    ),
    Reason(
        "approved",
        Outcome.PASS,
        "{subject} is open as {kinds} on {ports}; the flow from outside is approved.",
    ),
    Reason(
        "open-to-all",
        Outcome.FAIL,
        "{subject} is open as {kinds} on {ports} to every source, and no flow from the internet to it is approved.",
        final=True,
        remedy="Make it a ClusterIP Service behind a controlled entry point, limit loadBalancerSourceRanges, or approve "
        "the flow from 'internet' in the scope file with its business need.",
    ),
)


@check("exposure-limited", reads=(Read(SERVICE, subjects=True), *ENDPOINT_SUBJECTS), reasons=REASONS)
def exposure_limited(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when a LoadBalancer, NodePort or externalIPs Service into scope is limited, internal or approved.

    Fails when it is open to every source and the scope file approves no flow from the internet to it. Firewalls and
    security groups outside the cluster are not seen. Pods with a hostPort are judged by their own control.
    """
    by_service: dict[Subject, list[Exposure]] = {}
    for row in context.facts.exposures:
        if row.kind != "hostPort":
            by_service.setdefault(Subject(row.object, row.namespace), []).append(row)
    approvals = Approvals(context.scope)
    for subject, rows in by_service.items():
        yield _judge(context, approvals, subject, rows)


def _judge(context: Context, approvals: Approvals, subject: Subject, rows: list[Exposure]) -> Yielded:
    reached = {name for row in rows for name in row.endpoint_ids}
    if not reached:
        left_out = context.of_namespace(subject)
        if left_out is not None:
            return left_out
    elif not reached & context.in_scope:
        return Exclusion(subject.id, "out-of-scope")
    main = _deciding(rows)
    parameters: dict[str, Any] = {
        "kinds": [row.kind for row in rows],
        "ports": sorted({port for row in rows for port in row.ports}),
        "sources": list(main.source_ranges),
        "endpoints": sorted(reached),
    }
    evidence = tuple(dict.fromkeys(e for row in rows for e in row.evidence))
    return Judgement(_code(context, approvals, main), subject, parameters, evidence)


def _deciding(rows: list[Exposure]) -> Exposure:
    """A LoadBalancer's node ports follow from it; externalIPs and plain NodePorts stand for themselves."""
    order = ("externalIPs", "LoadBalancer", "NodePort")
    return min(rows, key=lambda row: order.index(row.kind))


def _code(context: Context, approvals: Approvals, row: Exposure) -> str:
    if row.source_ranges and not covers_internet(row.source_ranges):
        return "limited"
    if row.kind == "LoadBalancer" and row.internal is Tri.YES:
        return "internal"
    inside = [b for b in row.destinations if b.endpoint.id in context.in_scope]
    return "approved" if inside and all(_approved(approvals, b) for b in inside) else "open-to-all"


def _approved(approvals: Approvals, backend: Any) -> bool:
    ports: PortSet = NOTHING
    for entry in approvals.into(backend.endpoint):
        if entry.flow.source in (INTERNET, "0.0.0.0/0"):
            ports = ports | entry.ports
    return ports.contains(backend.target_port, backend.protocol)
