"""Endpoints in scope can't open connections to arbitrary addresses of the internet."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Annotated, Any

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
from auditor.network.reach import Connection


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
        remedy="Add an egress policy that names the destinations it needs (and DNS), or approve the flow to 'internet' "
        "in the scope file with its business need.",
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
    public = [external for external in context.network.externals if not external.is_private]
    for entry in context.population():
        yield _judge(context, approvals, public, entry, parameters) if isinstance(entry, Endpoint) else entry


def _judge(
    context: Context, approvals: Approvals, public: list[External], endpoint: Endpoint, limits: Parameters
) -> Judgement:
    subject = Subject(endpoint.id, endpoint.namespace)
    connections = context.network.out_of(endpoint, public)
    candidates = approvals.out_of(endpoint)
    parts = {name: _not_approved(connections, candidates, ports_of) for name, ports_of in _PORTS.items()}
    for name, code in _CODES.items():
        reached = [c for c, ports in parts[name] if ports]
        if _wide(reached, limits):
            evidence = (*endpoint.evidence, *told.rule_evidence(_rules(reached)))
            return Judgement(code, subject, _told(parts[name], reached), evidence)
    evidence = (*endpoint.evidence, *told.rule_evidence(_rules(connections)))
    everything = [(c, _reachable(c)) for c in connections]
    code = "approved" if _wide(connections, limits) else "named-ranges-only" if connections else "no-internet"
    return Judgement(code, subject, _told(everything, connections) if connections else {}, evidence)


_Ports = Callable[[Connection], PortSet]
_Parts = list[tuple[Connection, PortSet]]


def _joined(entries: Iterable[tuple[PortSet, Cause]]) -> PortSet:
    return reduce(PortSet.__or__, (ports for ports, _ in entries), NOTHING)


def _reachable(connection: Connection) -> PortSet:
    return connection.allowed | _joined(connection.conditional)


_PORTS: dict[str, _Ports] = {
    "allowed": lambda c: c.allowed,
    "conditional": _reachable,
    "declared": lambda c: _reachable(c) | c.declared_not_enforced,
    "unknown": lambda c: _reachable(c) | c.declared_not_enforced | _joined(c.indeterminate),
}
_CODES = {
    "allowed": "whole-internet",
    "conditional": "internet-conditional",
    "declared": "whole-internet-not-enforced",
    "unknown": "indeterminate.internet",
}
"""From the plainest to the least certain: the first under which too much is reachable is told."""


def _not_approved(connections: list[Connection], candidates: list[Approval], ports_of: _Ports) -> _Parts:
    return [
        (c, ports_of(c).minus(approved_ports(candidates, destination=c.destination))) for c in connections
    ]


def _rules(connections: list[Connection]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(rule for c in connections for rule in c.decided_by))


def _wide(connections: list[Connection], limits: Parameters) -> bool:
    cidrs = {cidr for c in connections for cidr in _cidrs(c)}
    return covers_internet(cidrs, limits.widest_prefix_v4, limits.widest_prefix_v6)


def _cidrs(connection: Connection) -> tuple[str, ...]:
    destination = connection.destination
    return destination.cidrs if isinstance(destination, External) else ()


def _told(parts: _Parts, connections: list[Connection]) -> dict[str, Any]:
    ports = reduce(PortSet.__or__, (found for _, found in parts), NOTHING)
    causes = (why for c in connections for _, why in (*c.conditional, *c.indeterminate))
    return {
        "services": str(ports),
        "ports": ports.as_json(),
        "ranges": sorted({cidr for c in connections for cidr in _cidrs(c)}),
        "causes": told.causes(causes),
        "decided_by": told.rules(_rules(connections)),
    }
