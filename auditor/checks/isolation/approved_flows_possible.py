"""Every approved flow of the scope file is possible as it was approved, and its review is not overdue (PCI DSS 1.2.5)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce

from auditor.checks import told
from auditor.checks.approvals import names, service_ports
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.flow_register import overlaps, verdicts
from auditor.checks.reads import REACHABILITY
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import POD, WORKLOAD_KINDS
from auditor.model.outcome import Outcome
from auditor.model.scope import ApprovedFlow, PortRange
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.ports import ICMP_PROTOCOLS, NOTHING, PortSet
from auditor.network.reach import Flows
from auditor.network.universe import Peer

REASONS = (
    Reason("approved-as-possible", Outcome.PASS, "{subject}: {services} from {source} to {destination}."),
    Reason(
        "insecure-approved",
        Outcome.PASS,
        "{subject}: {services} from {source} to {destination}; insecure, and compensated for by: {security_feature}",
    ),
    Reason(
        "approved-but-unknown",
        Outcome.FAIL,
        "{subject} names {unknown}, and nothing in the cluster or the scope file's networks is called so.",
        remedy="Correct the flow's end in the scope file, or remove the flow if what it was for is gone.",
    ),
    Reason(
        "approved-but-impossible",
        Outcome.FAIL,
        "{subject} approves {impossible} from {source} to {destination}, and the policies deny it.",
        remedy="Remove what is no longer needed from the approved flow, or correct the policy that denies it.",
    ),
    Reason(
        "review-overdue",
        Outcome.FAIL,
        "{subject} was to be reviewed by {review_by}.",
        final=True,
        remedy="Have its business need confirmed again, and enter the new dates in the scope file.",
    ),
    Reason(
        "indeterminate.reachability",
        Outcome.NOT_EVALUATED,
        "Whether {subject} is possible can't be told: {causes}.",
    ),
    Reason(
        "indeterminate.icmp",
        Outcome.NOT_EVALUATED,
        "{subject} approves ICMP, of which the policies of this cluster say nothing.",
    ),
)
_READS = (
    *(replace(read, subjects=False) for read in REACHABILITY),
    *(Read(key, could_pass=True) for key in (POD, *WORKLOAD_KINDS)),
)
"""The population is the scope file's; a pod that isn't known could be the one that a flow names."""
_MAX_EVIDENCE = 20


@check(
    "approved-flows-possible",
    reads=_READS,
    reasons=REASONS,
)
def approved_flows_possible(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when each service of an approved flow may pass between some of the peers that its ends name.

    Fails when policies deny one, when an end names nothing, or when the review is overdue at the time of evaluation.
    Flows between peers that are all outside the framework's scope are excluded. Does not prove that the approval is
    genuine, or that the feature which compensates for an insecure service works.
    """
    for flow in context.scope.approved_flows if context.scope else ():
        peers = context.network.universe.peers
        sources = [peer for peer in peers if names(flow.source, peer)]
        destinations = [peer for peer in peers if names(flow.destination, peer)]
        subject = Subject(f"approved flow {flow.id}")
        if _concerns(context, sources, destinations):
            yield _judgement(context, subject, flow, sources, destinations)
        else:
            yield Exclusion(subject.id, "out-of-scope")


def _concerns(context: Context, sources: list[Peer], destinations: list[Peer]) -> bool:
    """Whether an end is in scope, or may be: nobody can tell of one that names nothing."""
    if not context.in_scope:
        return False
    return not (sources and destinations) or any(p.id in context.in_scope for p in (*sources, *destinations))


def _judgement(
    context: Context, subject: Subject, flow: ApprovedFlow, sources: list[Peer], destinations: list[Peer]
) -> Judgement:
    reached, unsure, causes, rules = _reached(context, flow, sources, destinations)
    denied = [service for service in flow.services if not overlaps(service_ports(service), reached)]
    impossible = [s for s in denied if not overlaps(service_ports(s), unsure) and not _is_icmp(s)]
    unknown = [
        text for text, peers in ((flow.source, sources), (flow.destination, destinations)) if not peers
    ]
    parameters = {
        "source": flow.source,
        "destination": flow.destination,
        "services": _text(flow.services),
        "impossible": _text(impossible),
        "unknown": unknown,
        "business_need": flow.business_need,
        "approved_by": flow.approved_by,
        "review_by": flow.review_by.isoformat() if flow.review_by else "not set",
        "insecure": flow.insecure,
        "security_feature": flow.security_feature or "not stated",
        "causes": told.causes(causes),
        "decided_by": told.rules(rules),
    }
    code = "approved-but-unknown" if unknown else _code(context, flow, denied, impossible)
    ends = [
        entry for peer in (*sources, *destinations) if isinstance(peer, Endpoint) for entry in peer.evidence
    ]
    return Judgement(code, subject, parameters, (*ends[:_MAX_EVIDENCE], *told.rule_evidence(rules)))


def _code(context: Context, flow: ApprovedFlow, denied: list[PortRange], impossible: list[PortRange]) -> str:
    if impossible:
        return "approved-but-impossible"
    if flow.review_by and flow.review_by < context.facts.now.date():
        return "review-overdue"
    if denied:
        return "indeterminate.icmp" if all(map(_is_icmp, denied)) else "indeterminate.reachability"
    return "insecure-approved" if flow.insecure else "approved-as-possible"


def _reached(
    context: Context, flow: ApprovedFlow, sources: list[Peer], destinations: list[Peer]
) -> tuple[PortSet, PortSet, list[Cause], list[RuleRef]]:
    """What may pass between the ends, what may or may not, why, and by which rules."""
    wanted = reduce(PortSet.__or__, map(service_ports, flow.services), NOTHING)
    reached, unsure = NOTHING, NOTHING
    causes: list[Cause] = []
    rules: list[RuleRef] = []
    for group in _groups(context, sources, destinations):
        for verdict, ports, why in verdicts(group):
            if not overlaps(ports, wanted):
                continue
            causes += why
            if verdict is Reach.INDETERMINATE:
                unsure |= ports
            else:
                reached |= ports
                rules += context.network.connection(group.sources[0], group.destinations[0]).decided_by
    return reached, unsure, causes, rules


def _groups(context: Context, sources: list[Peer], destinations: list[Peer]) -> Iterable[Flows]:
    if len(sources) <= len(destinations):
        return (group for peer in sources for group in context.network.flows_out_of(peer, destinations))
    return (group for peer in destinations for group in context.network.flows_into(peer, sources))


def _is_icmp(service: PortRange) -> bool:
    return service.protocol in ICMP_PROTOCOLS


def _text(services: Iterable[PortRange]) -> str:
    return str(reduce(PortSet.__or__, map(service_ports, services), NOTHING))
