"""Every approved flow of the scope file is possible as it was approved, and its review is not overdue (PCI DSS 1.2.5)."""

from collections.abc import Iterator
from dataclasses import replace

from auditor.checks import told
from auditor.checks.approved_flows import ApprovedFlowFacts, is_icmp, union_of
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import REACHABILITY
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import POD, WORKLOAD_KINDS
from auditor.model.outcome import Outcome

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
    for facts in context.facts.approved_flows.all():
        subject = Subject(f"approved flow {facts.flow.id}")
        if concerns(context, facts):
            yield _judgement(context, subject, facts)
        else:
            yield Exclusion(subject.id, "out-of-scope")


def concerns(context: Context, facts: ApprovedFlowFacts) -> bool:
    """Whether an end is in scope, or may be: nobody can tell of one that names nothing."""
    if not context.in_scope:
        return False
    return bool(facts.unknown) or any(p.id in context.in_scope for p in (*facts.sources, *facts.destinations))


def _judgement(context: Context, subject: Subject, facts: ApprovedFlowFacts) -> Judgement:
    flow = facts.flow
    parameters = {
        "source": flow.source,
        "destination": flow.destination,
        "services": str(facts.wanted),
        "impossible": str(union_of(facts.impossible)),
        "unknown": list(facts.unknown),
        "business_need": flow.business_need,
        "approved_by": flow.approved_by,
        "review_by": flow.review_by.isoformat() if flow.review_by else "not set",
        "insecure": flow.insecure,
        "security_feature": flow.security_feature or "not stated",
        "causes": told.causes(facts.causes),
        "decided_by": told.rules(facts.rules),
    }
    peers = (*facts.sources, *facts.destinations)
    ends = [entry for peer in peers if isinstance(peer, Endpoint) for entry in peer.evidence]
    evidence = (*ends[:_MAX_EVIDENCE], *told.rule_evidence(facts.rules))
    return Judgement(_code(context, facts), subject, parameters, evidence)


def _code(context: Context, facts: ApprovedFlowFacts) -> str:
    flow = facts.flow
    if facts.unknown:
        return "approved-but-unknown"
    if facts.impossible:
        return "approved-but-impossible"
    if flow.review_by and flow.review_by < context.facts.now.date():
        return "review-overdue"
    if facts.denied:
        return "indeterminate.icmp" if all(map(is_icmp, facts.denied)) else "indeterminate.reachability"
    return "insecure-approved" if flow.insecure else "approved-as-possible"
