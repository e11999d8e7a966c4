"""Services open outside the cluster are limited to named sources, or approved."""

from collections.abc import Iterator
from typing import Any

from auditor.checks import told
from auditor.checks.address_space import covers_internet
from auditor.checks.approvals import INTERNET, Approvals
from auditor.checks.context import ENTRY_SCOPE, Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.entries import unknown_kinds
from auditor.checks.reads import ENDPOINT_SUBJECTS
from auditor.encryption.entry_points import Exposure, Target, Way
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import ENDPOINT_SLICE, POD, SERVICE, WORKLOAD_KINDS
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri
from auditor.network.ports import NOTHING, PortSet

REASONS = (
    Reason("limited", Outcome.PASS, "{subject} is open as {ways} on {ports} to {sources} only."),
    Reason(
        "internal", Outcome.PASS, "{subject} is open as {ways} on {ports} through an internal load balancer."
    ),
    Reason(
        "approved",
        Outcome.PASS,
        "{subject} is open as {ways} on {ports}; the flow from outside is approved.",
    ),
    Reason(
        "open-to-all",
        Outcome.FAIL,
        "{subject} is open as {ways} on {ports} to every source, and no flow from the internet to it is approved.",
        final=True,
        remedy="Make it a ClusterIP Service behind a controlled entry point, limit the sources of a LoadBalancer "
        "(loadBalancerSourceRanges; it does nothing for node ports), or approve the flow from 'internet' in the scope file "
        "with its business need.",
    ),
)


@check("exposure-limited", reads=(Read(SERVICE, subjects=True), *ENDPOINT_SUBJECTS), reasons=REASONS)
def exposure_limited(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when a LoadBalancer, NodePort or externalIPs Service into scope is limited, internal or approved.

    Fails when it is open to every source and the scope file approves no flow from the internet to it. Firewalls and
    security groups outside the cluster are not seen. Pods with a hostPort or hostNetwork are judged by their own control.
    """
    by_service: dict[Subject, list[Exposure]] = {}
    for row in context.facts.exposures:
        if row.way in _DECIDING:
            by_service.setdefault(Subject(row.object, row.namespace), []).append(row)
    approvals = Approvals(context.scope)
    for subject, rows in by_service.items():
        yield _judge(context, approvals, subject, rows)


_DECIDING = (Way.EXTERNAL_IP, Way.LOAD_BALANCER, Way.NODE_PORT)
"""A LoadBalancer's node ports follow from it; externalIPs and plain node ports stand for themselves."""


def _judge(context: Context, approvals: Approvals, subject: Subject, rows: list[Exposure]) -> Yielded:
    reached = {target.endpoint.id for row in rows for target in row.targets}
    if not reached & context.in_scope:
        elsewhere = Exclusion(subject.id, "out-of-scope") if reached else None
        left_out = context.of_namespace(subject) or elsewhere
        missing = unknown_kinds(context, (POD, *WORKLOAD_KINDS, ENDPOINT_SLICE))
        if isinstance(left_out, Exclusion) and missing:
            return Judgement(ENTRY_SCOPE.code, subject, {"kinds": missing}, rows[0].evidence)
        if left_out is not None:
            return left_out
    way = min((row.way for row in rows), key=_DECIDING.index)
    main = [row for row in rows if row.way is way]
    parameters: dict[str, Any] = {
        "ways": sorted({str(row.way) for row in rows}),
        "ports": sorted({f"{row.port}/{row.protocol}" for row in rows}),
        "sources": sorted({cidr for row in main for cidr in row.source_ranges}),
        "addresses": sorted({address for row in rows for address in row.addresses}),
        "endpoints": sorted(reached),
        "causes": told.causes(cause for row in rows for cause in row.causes),
    }
    evidence = tuple(dict.fromkeys(e for row in rows for e in row.evidence))
    return Judgement(_code(context, approvals, main), subject, parameters, evidence)


def _code(context: Context, approvals: Approvals, rows: list[Exposure]) -> str:
    if all(row.source_ranges and not covers_internet(row.source_ranges) for row in rows):
        return "limited"
    if all(row.way is Way.LOAD_BALANCER and row.internal is Tri.YES for row in rows):
        return "internal"
    inside = [(t, row.protocol) for row in rows for t in row.targets if t.endpoint.id in context.in_scope]
    return "approved" if inside and all(_approved(approvals, *entry) for entry in inside) else "open-to-all"


def _approved(approvals: Approvals, target: Target, protocol: str) -> bool:
    ports: PortSet = NOTHING
    for entry in approvals.into(target.endpoint):
        if entry.flow.source in (INTERNET, "0.0.0.0/0"):
            ports = ports | entry.ports
    return ports.contains(target.port, protocol)
