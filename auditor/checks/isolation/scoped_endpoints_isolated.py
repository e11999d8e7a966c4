"""Nothing out of scope may connect to an endpoint in scope, unless the business approved it."""

from collections.abc import Iterator
from typing import Any

from auditor.checks import told
from auditor.checks.approvals import Approval, Approvals, approved_ports
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import REACHABILITY
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import CLUSTER_SUBJECT, Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.verdict import ISOLATION_OUTCOME, Cause, Reach, RuleRef
from auditor.network.ports import PortSet
from auditor.network.reach import Flows
from auditor.network.representation import Bits
from auditor.network.universe import Peer

REASONS = (
    Reason(
        "nothing-outside",
        Outcome.NOT_APPLICABLE,
        "The scope file places no endpoint out of scope, so there is nothing to be isolated from.",
    ),
    Reason("isolated", Outcome.PASS, "Nothing out of scope may connect to {subject}."),
    Reason(
        "only-approved",
        Outcome.PASS,
        "Only approved flows from outside scope may reach {subject} ({approved}).",
    ),
    Reason(
        "reachable",
        Outcome.FAIL,
        "{sources} may connect to {subject} on {services}: out of scope, and not an approved flow.",
        remedy="Narrow the rules that let these sources in (see decided by); where none is named, add a policy that selects "
        "the workload, or take it off its node's network, where no policy for pods governs it. Or approve the flow in the "
        "scope file with its business need.",
    ),
    Reason(
        "reachable-conditional",
        Outcome.FAIL,
        "{sources} may connect to {subject} on {services} under conditions that this evidence can't follow.",
        remedy="Narrow the rules that let these sources in (see decided by), or approve the flow in the scope file.",
    ),
    Reason(
        "reachable-not-enforced",
        Outcome.FAIL,
        "{sources} may connect to {subject} on {services}: a policy denies it, but nothing enforces that policy.",
        remedy="Install a network plugin that enforces policy, or make its agent ready on every node.",
    ),
    Reason(
        "indeterminate.reachability",
        Outcome.NOT_EVALUATED,
        "Whether {sources} may connect to {subject} can't be told: {causes}.",
    ),
)
_CODES = {
    Reach.ALLOWED: "reachable",
    Reach.CONDITIONAL: "reachable-conditional",
    Reach.DECLARED_NOT_ENFORCED: "reachable-not-enforced",
    Reach.INDETERMINATE: "indeterminate.reachability",
}


@check("scoped-endpoints-isolated", reads=REACHABILITY, reasons=REASONS)
def scoped_endpoints_isolated(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when no endpoint that the scope file places out of scope may open a connection to the endpoint on any port.

    Fails when one may, when conditions decide that aren't in the evidence, or when what denies it isn't enforced; every
    such flow is listed with the rules that allow it. Approved flows don't fail it. Sources that are in scope,
    connected-to, security-impacting or unclassified are not outside. Does not prove that traffic flowed or didn't.
    """
    approvals = Approvals(context.scope)
    outside = [endpoint for endpoint, _ in context.classified if endpoint.id in context.out_of_scope]
    if not outside:
        yield Judgement("nothing-outside", CLUSTER_SUBJECT, listed=False)
        return
    family = context.network.family(outside)
    for entry in context.population():
        yield _judge(context, approvals, family, entry) if isinstance(entry, Endpoint) else entry


def _judge(context: Context, approvals: Approvals, outside: Bits, endpoint: Endpoint) -> Judgement:
    candidates = approvals.into(endpoint)
    flows: list[dict[str, Any]] = []
    approved: set[str] = set()
    causes: list[Cause] = []
    rules: list[RuleRef] = []
    for group in context.network.flows_into(endpoint, outside):
        for sources, ports in _without_approved(group, candidates, approved):
            for reach, left, why in _verdicts(group, ports):
                decided = context.network.connection(sources[0], endpoint).decided_by
                rules += decided
                causes += why
                flows.append(_flow(sources, left, reach, decided, why))
    subject = Subject(endpoint.id, endpoint.namespace)
    evidence = (*endpoint.evidence, *told.rule_evidence(rules))
    if not flows:
        code = "only-approved" if approved else "isolated"
        return Judgement(code, subject, {"approved": sorted(approved)}, evidence)
    worst = min((Reach(flow["verdict"]) for flow in flows), key=list(_CODES).index)
    return Judgement(_CODES[worst], subject, _parameters(flows, worst, causes), evidence)


def _without_approved(
    group: Flows, candidates: list[Approval], approved: set[str]
) -> Iterator[tuple[tuple[Peer, ...], PortSet]]:
    """The sources of a group, joined by the ports that approvals take away from them."""
    if not candidates:
        yield group.sources, PortSet()
        return
    by_ports: dict[PortSet, list[Peer]] = {}
    for source in group.sources:
        taken = approved_ports(candidates, source=source)
        if taken:
            approved.add(source.id)
        by_ports.setdefault(taken, []).append(source)
    for taken, sources in by_ports.items():
        yield tuple(sources), taken


def _verdicts(group: Flows, approved: PortSet) -> Iterator[tuple[Reach, PortSet, list[Cause]]]:
    parts = [
        (Reach.ALLOWED, group.allowed, []),
        *((Reach.CONDITIONAL, ports, [why]) for ports, why in group.conditional),
        (Reach.DECLARED_NOT_ENFORCED, group.declared_not_enforced, []),
        *((Reach.INDETERMINATE, ports, [why]) for ports, why in group.indeterminate),
    ]
    for reach, ports, why in parts:
        if (left := ports.minus(approved)) and ISOLATION_OUTCOME[reach] is not Outcome.PASS:
            yield reach, left, why


def _flow(
    sources: tuple[Peer, ...], ports: PortSet, reach: Reach, decided: tuple[RuleRef, ...], why: list[Cause]
) -> dict[str, Any]:
    return {
        "sources": [source.id for source in sources],
        "services": str(ports),
        "ports": ports.as_json(),
        "verdict": str(reach),
        "causes": told.causes(why),
        "decided_by": told.rules(decided),
    }


def _parameters(flows: list[dict[str, Any]], worst: Reach, causes: list[Cause]) -> dict[str, Any]:
    shown = [flow for flow in flows if flow["verdict"] == worst]
    return {
        "sources": sorted({source for flow in shown for source in flow["sources"]}),
        "services": sorted({flow["services"] for flow in shown}),
        "flows": flows,
        "causes": told.causes(causes),
    }
