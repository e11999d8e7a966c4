"""Every service that the policies allow into and out of scope is named by an approved flow (PCI DSS 1.2.5)."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.flow_register import MAX_PEERS, FlowRegister, RegisteredFlow
from auditor.checks.reads import REACHABILITY
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import CLUSTER_SUBJECT, Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.result import Standing
from auditor.model.verdict import Reach
from auditor.network.ports import NOTHING, PortSet

_REMEDY = (
    "Enter the flow under approved_flows in the scope file with its business need and approver, or narrow the rules "
    "that allow it (see decided by)."
)
REASONS = (
    Reason("no-flows", Outcome.PASS, "Nothing may connect to {subject} from outside scope, nor the reverse."),
    Reason(
        "all-approved",
        Outcome.PASS,
        "Every service allowed between {subject} and what is outside scope is approved ({approved}).",
    ),
    Reason(
        "unapproved",
        Outcome.FAIL,
        "{services} may pass between {subject} and {peers}, which are out of scope or outside the cluster, and no "
        "approved flow names it.",
        remedy=_REMEDY,
    ),
    Reason(
        "unapproved-not-enforced",
        Outcome.FAIL,
        "{services} may pass between {subject} and {peers} without an approved flow: a policy denies it, but nothing "
        "enforces that policy.",
        remedy="Install a network plugin that enforces policy, or make its agent ready on every node.",
    ),
    Reason(
        "unapproved-connected",
        Outcome.MANUAL,
        "{services} may pass between {subject} and {peers}: the scope file names these as connected-to or "
        "security-impacting, and approves no flow with them. A person decides whether the need is on record.",
        remedy=_REMEDY,
    ),
    Reason(
        "nothing-approved",
        Outcome.MANUAL,
        "{services} may pass between {subject} and {peers}; there are no approved flows to hold this against.",
        remedy=_REMEDY,
    ),
    Reason(
        "no-approved-flows",
        Outcome.MANUAL,
        "The scope file approves no flows. The register lists what is allowed; whether it is needed, and who said so, "
        "is for people to establish.",
    ),
    Reason(
        "indeterminate.reachability",
        Outcome.NOT_EVALUATED,
        "Whether {services} may pass between {subject} and {peers} can't be told: {causes}.",
    ),
)


@check("flows-approved", reads=REACHABILITY, reasons=REASONS)
def flows_approved(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every service that may pass between the endpoint and anything outside scope is in an approved flow.

    Fails when one with an endpoint out of scope or with addresses outside the cluster is in none. With endpoints that
    the scope file names as connected-to or security-impacting, and where nothing is approved at all, a person decides.
    Every flow is listed, approved or not. Does not prove that an approval is genuine, or that traffic flowed.
    """
    register = context.flow_register
    if context.in_scope and not register.approvals:
        yield Judgement("no-approved-flows", CLUSTER_SUBJECT, listed=False)
    for entry in context.population():
        yield _judgement(register, entry) if isinstance(entry, Endpoint) else entry


def _judgement(register: FlowRegister, endpoint: Endpoint) -> Judgement:
    flows = register.of(endpoint)
    code, shown = _deciding(flows, bool(register.approvals))
    ports = reduce(PortSet.__or__, (flow.ports for flow in shown), NOTHING)
    parameters: dict[str, Any] = {
        "flows": [flow.as_json() for flow in flows],
        "approved": sorted({id_ for flow in flows for id_ in flow.approved_by}),
        "peers": sorted({peer.id for flow in shown for peer in flow.peers})[:MAX_PEERS],
        "services": str(ports),
        "causes": told.causes(cause for flow in shown for cause in flow.causes),
    }
    rules = [rule for flow in flows for rule in flow.rules]
    evidence = (*endpoint.evidence, *told.rule_evidence(rules))
    return Judgement(code, Subject(endpoint.id, endpoint.namespace), parameters, evidence)


def _deciding(flows: list[RegisteredFlow], approvals: bool) -> tuple[str, list[RegisteredFlow]]:
    """The reason, and the flows that give it: the plainest deviation first, what only a person can decide last."""
    by_standing = {standing: [flow for flow in flows if flow.standing is standing] for standing in Standing}
    unapproved = by_standing[Standing.UNAPPROVED]
    open_ = [flow for flow in unapproved if flow.verdict is not Reach.DECLARED_NOT_ENFORCED]
    for code, shown in (
        ("unapproved", open_),
        ("unapproved-not-enforced", unapproved),
        ("indeterminate.reachability", by_standing[Standing.INDETERMINATE]),
        ("unapproved-connected" if approvals else "nothing-approved", by_standing[Standing.PEOPLE]),
    ):
        if shown:
            return code, shown
    return ("all-approved" if flows else "no-flows"), flows
