"""Endpoints in scope can't open connections to arbitrary addresses of the internet."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditor.checks import told
from auditor.checks.address_space import covers_internet
from auditor.checks.approvals import Approval, Approvals, approved_ports
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES, ENDPOINT_SUBJECTS, NODES, OWN_NETWORK_POLICIES
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.verdict import Cause, RuleRef
from auditor.network.addresses import External
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Flows
from auditor.network.representation import Bits


class Parameters(BaseModel):
    """How much of the public address space counts as "the internet": as a prefix length, all reachable ranges added up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widest_prefix_v4: Annotated[int, Field(ge=0, le=32)] = 8
    widest_prefix_v6: Annotated[int, Field(ge=0, le=128)] = 16


REASONS = (
    Reason("no-internet", Outcome.PASS, "{subject} can't open connections to public addresses."),
    Reason(
        "named-ranges-only",
        Outcome.PASS,
        "{subject} can open connections to these public ranges only: {ranges}.",
    ),
    Reason("approved", Outcome.PASS, "{subject} can reach the internet on approved services only."),
    Reason(
        "whole-internet",
        Outcome.FAIL,
        "{subject} can open connections to arbitrary internet addresses on {services}.",
        remedy="Narrow the egress rules that open it (see decided by) to the destinations it needs and DNS; where none "
        "does, add an egress policy that names them. A pod on its node's network has to leave it first, for no policy for "
        "pods governs it there. Or approve the flow to 'internet' in the scope file with its business need.",
    ),
    Reason(
        "internet-conditional",
        Outcome.FAIL,
        "{subject} can open connections to public addresses on {services} under conditions that this evidence can't "
        "follow: {causes}.",
        remedy="Narrow the condition to names or requests that are needed, or approve the flow to 'internet' in the "
        "scope file.",
    ),
    Reason(
        "whole-internet-not-enforced",
        Outcome.FAIL,
        "{subject} can open connections to arbitrary internet addresses on {services}: a policy denies it, but nothing "
        "enforces that policy.",
        remedy="Install a network plugin that enforces policy, or make its agent ready on every node.",
    ),
    Reason(
        "indeterminate.internet",
        Outcome.NOT_EVALUATED,
        "Whether {subject} can reach the internet can't be told: {causes}.",
    ),
)


@check(
    "internet-egress-restricted",
    reads=(*ENDPOINT_SUBJECTS, OWN_NETWORK_POLICIES, *CLUSTER_POLICIES, NODES),
    reasons=REASONS,
    parameters=Parameters,
)
def internet_egress_restricted(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when the public addresses that the endpoint may reach add up to less than the widest prefix, or are approved.

    Fails when more is reachable on any port, whatever number of rules it is spread over. Name-based rules, proxies and
    firewalls outside the cluster are not seen; a conditional rule counts as reachable.
    """
    approvals = Approvals(context.scope)
    network = context.network
    public = network.family(external for external in network.externals if not external.is_private)
    for entry in context.population():
        yield _judge(context, approvals, public, entry, parameters) if isinstance(entry, Endpoint) else entry


def _judge(
    context: Context, approvals: Approvals, public: Bits, endpoint: Endpoint, limits: Parameters
) -> Judgement:
    subject = Subject(endpoint.id, endpoint.namespace)
    parts = _split(context.network.flows_out_of(endpoint, public), approvals.out_of(endpoint))
    for code, ports_of in _CODES.items():
        reached = [part for part in parts if ports_of(part.flows).minus(part.approved)]
        if _wide(reached, limits):
            return _judgement(context, code, subject, endpoint, reached, ports_of)
    code = "approved" if _wide(parts, limits) else "named-ranges-only" if parts else "no-internet"
    return _judgement(context, code, subject, endpoint, parts, _reachable)


@dataclass(frozen=True, slots=True)
class _Part:
    """External ranges that fare alike, and whose approvals are alike."""

    ranges: tuple[External, ...]
    flows: Flows
    approved: PortSet

    @property
    def cidrs(self) -> Iterator[str]:
        return (cidr for external in self.ranges for cidr in external.cidrs)


_PortsOf = Callable[[Flows], PortSet]


def _joined(entries: Iterable[tuple[PortSet, Cause]]) -> PortSet:
    return reduce(PortSet.__or__, (ports for ports, _ in entries), NOTHING)


def _reachable(flows: Flows) -> PortSet:
    return flows.allowed | _joined(flows.conditional)


_CODES: dict[str, _PortsOf] = {
    "whole-internet": lambda flows: flows.allowed,
    "internet-conditional": _reachable,
    "whole-internet-not-enforced": lambda flows: _reachable(flows) | flows.declared_not_enforced,
    "indeterminate.internet": lambda flows: (
        _reachable(flows) | flows.declared_not_enforced | _joined(flows.indeterminate)
    ),
}
"""From the plainest to the least certain: the first under which too much is reachable is told."""


def _split(groups: Iterable[Flows], candidates: list[Approval]) -> list[_Part]:
    parts = []
    for flows in groups:
        if not candidates:
            parts.append(_Part(tuple(_externals(flows)), flows, NOTHING))
            continue
        by_approval: dict[PortSet, list[External]] = {}
        for external in _externals(flows):
            approved = approved_ports(candidates, destination=external)
            by_approval.setdefault(approved, []).append(external)
        parts += [_Part(tuple(ranges), flows, approved) for approved, ranges in by_approval.items()]
    return parts


def _externals(flows: Flows) -> Iterator[External]:
    return (external for external in flows.destinations if isinstance(external, External))


def _wide(parts: Iterable[_Part], limits: Parameters) -> bool:
    cidrs = {cidr for part in parts for cidr in part.cidrs}
    return covers_internet(cidrs, limits.widest_prefix_v4, limits.widest_prefix_v6)


def _judgement(
    context: Context, code: str, subject: Subject, endpoint: Endpoint, parts: list[_Part], ports_of: _PortsOf
) -> Judgement:
    ports = reduce(PortSet.__or__, (ports_of(part.flows).minus(part.approved) for part in parts), NOTHING)
    if code in ("approved", "named-ranges-only"):
        ports = reduce(PortSet.__or__, (ports_of(part.flows) for part in parts), NOTHING)
    rules: list[RuleRef] = []
    for part in parts:
        rules += context.network.connection(endpoint, part.ranges[0]).decided_by
    causes = (why for part in parts for _, why in (*part.flows.conditional, *part.flows.indeterminate))
    ranges = sorted({cidr for part in parts for cidr in part.cidrs})
    parameters = {
        "services": str(ports),
        "ports": ports.as_json(),
        "ranges": ranges[:_MAX_RANGES],
        "ranges_total": len(ranges),
        "causes": told.causes(causes),
        "decided_by": told.rules(rules),
    }
    evidence = (*endpoint.evidence, *told.rule_evidence(rules))
    return Judgement(code, subject, parameters if parts else {}, evidence)


_MAX_RANGES = 50
"""So many ranges are listed with a finding; `ranges_total` says how many there are."""
