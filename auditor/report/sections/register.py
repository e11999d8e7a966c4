"""The flow register: every flow across the border of scope, and every approved flow held against what may connect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.model import result as r
from auditor.model.scope import ApprovedFlow
from auditor.report.draft import Draft, framework_short
from auditor.report.flows import RuleRow
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import ENCRYPTION_WORDS, N_, POSSIBLE, REACH_WORDS, STANDINGS, Mark

TITLE = N_("Flow register")
_LONGEST = 120
_EVERY_PORT = ("all", "SCTP, TCP, UDP")
_OPEN = "allowed"


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow of the register. `services` "": every port; `verdict` "": allowed; `frameworks` "": all that have a scope."""

    flow: r.RegisterFlow
    anchor: str
    sources: Shortened[str]
    destinations: Shortened[str]
    services: str
    verdict: str
    cause: str
    standing: Mark
    encryption: str
    frameworks: str
    rules: Shortened[RuleRow]


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """An approved flow with what became of it. `possible` None: neither end is in scope, and it isn't judged."""

    flow: ApprovedFlow
    anchor: str
    facts: r.RegisterApproval
    possible: Mark | None
    encryption: str
    rows: Shortened[int]


@dataclass(frozen=True, slots=True)
class RegisterView:
    """`counts` are of all flows, shown or not; so are `impossible` (wholly or in part) and `overdue` of approved flows."""

    counts: tuple[tuple[Mark, int], ...]
    total: int
    flows: Shortened[FlowRow]
    approvals: Shortened[ApprovalRow]
    impossible: int
    overdue: int
    account_data: int
    insecure: int
    in_scope: bool


def build(draft: Draft) -> RegisterView:
    """The view of the register."""
    register, scope = draft.result.flow_register, draft.result.scope
    flows = {flow.id: flow for flow in scope.approved_flows}
    concerned = {name for flow in register.flows for name in flow.frameworks}
    limit = draft.profile.register_rows
    chosen = shorten(register.flows, limit)
    approvals = shorten(register.approvals, limit)
    return RegisterView(
        counts=tuple((mark, register.counts.get(standing, 0)) for standing, mark in STANDINGS.items()),
        total=len(register.flows),
        flows=Shortened(tuple(_flow(draft, flow, concerned) for flow in chosen.rows), chosen.total),
        approvals=Shortened(
            tuple(_approval(draft, entry, flows) for entry in approvals.rows if entry.id in flows),
            approvals.total,
        ),
        impossible=sum(entry.possible in ("no", "partly", "unknown-end") for entry in register.approvals),
        overdue=sum(entry.review_overdue for entry in register.approvals),
        account_data=sum(flow.account_data for flow in scope.approved_flows),
        insecure=sum(flow.insecure for flow in scope.approved_flows),
        in_scope=any(entry.class_ in ("in-scope", "unclassified") for entry in scope.namespaces),
    )


def approval_anchor(id_: str, approvals: Sequence[r.RegisterApproval]) -> str:
    """Where an approved flow stands: by its place, since ids may hold any character."""
    place = next((place for place, entry in enumerate(approvals, 1) if entry.id == id_), 0)
    return f"approved-{place}"


def _flow(draft: Draft, flow: r.RegisterFlow, concerned: set[str]) -> FlowRow:
    named = draft.profile.named
    rules = [RuleRow(rule.get("object", ""), rule.get("rule", "")) for rule in flow.decided_by]
    everywhere = set(flow.frameworks) == concerned
    return FlowRow(
        flow=flow,
        anchor=f"flow-{flow.number}",
        sources=shorten(flow.sources, named),
        destinations=shorten(flow.destinations, named),
        services=_services(flow.services),
        verdict="" if flow.verdict == _OPEN else REACH_WORDS[flow.verdict],
        cause=draft.sentences.cause(flow.causes) if flow.causes else "",
        standing=STANDINGS[flow.standing],
        encryption=ENCRYPTION_WORDS[flow.encryption],
        frameworks="" if everywhere else ", ".join(map(framework_short, flow.frameworks)),
        rules=shorten(rules, named),
    )


def _services(text: str) -> str:
    if text in _EVERY_PORT:
        return ""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST].rpartition(', ')[0] or text[:_LONGEST]}, \N{HORIZONTAL ELLIPSIS}"


def _approval(draft: Draft, entry: r.RegisterApproval, flows: Mapping[str, ApprovedFlow]) -> ApprovalRow:
    return ApprovalRow(
        flow=flows[entry.id],
        anchor=approval_anchor(entry.id, draft.result.flow_register.approvals),
        facts=entry,
        possible=POSSIBLE[entry.possible] if entry.frameworks else None,
        encryption=ENCRYPTION_WORDS[entry.encryption] if entry.encryption else "",
        rows=shorten(entry.flows, draft.profile.named),
    )
