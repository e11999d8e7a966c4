"""Endpoints in scope can't open connections to arbitrary addresses of the internet."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from auditor.checks import told
from auditor.checks.approvals import Approvals, approved_ports
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES, ENDPOINT_SUBJECTS, NODES, OWN_NETWORK_POLICIES
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.verdict import RuleRef
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
    candidates = approvals.out_of(endpoint)
    connections = context.network.out_of(endpoint, public)
    subject = Subject(endpoint.id, endpoint.namespace)
    found = {
        "enforced": [
            c for c in connections if _open(c).minus(approved_ports(candidates, destination=c.destination))
        ],
        "declared": [c for c in connections if c.declared_not_enforced],
        "unknown": [c for c in connections if c.indeterminate],
    }
    wide = {name: _wide(entries, limits) for name, entries in found.items()}
    used = found["enforced"] if wide["enforced"] else connections
    evidence = (*endpoint.evidence, *told.rule_evidence(_rules(used)))
    if wide["enforced"]:
        return Judgement("whole-internet", subject, _told(found["enforced"], _open), evidence)
    if _wide(found["enforced"] + found["declared"], limits):
        parameters = _told(found["declared"], lambda c: c.declared_not_enforced)
        return Judgement("whole-internet-not-enforced", subject, parameters, evidence)
    if _wide(connections, limits) and wide["unknown"]:
        causes = told.causes(why for c in found["unknown"] for _, why in c.indeterminate)
        return Judgement("indeterminate.internet", subject, {"causes": causes}, evidence)
    if not connections:
        return Judgement("no-internet", subject, {}, evidence)
    code = "approved" if _wide(connections, limits) else "named-ranges-only"
    return Judgement(code, subject, _told(connections, _open), evidence)


def _open(connection: Connection) -> PortSet:
    ports = connection.allowed
    for conditional, _ in connection.conditional:
        ports = ports | conditional
    return ports


def _rules(connections: list[Connection]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(rule for c in connections for rule in c.decided_by))


def _wide(connections: list[Connection], limits: Parameters) -> bool:
    """Whether the destinations add up to more than the limit, in either family."""
    sizes = {4: 0, 6: 0}
    for cidr in {cidr for c in connections for cidr in _cidrs(c)}:
        network = ipaddress.ip_network(cidr)
        sizes[network.version] += network.num_addresses
    return sizes[4] >= 1 << (32 - limits.widest_prefix_v4) or sizes[6] >= 1 << (128 - limits.widest_prefix_v6)


def _cidrs(connection: Connection) -> tuple[str, ...]:
    destination = connection.destination
    return destination.cidrs if isinstance(destination, External) else ()


def _told(connections: list[Connection], ports_of: Any) -> dict[str, Any]:
    ports = NOTHING
    for connection in connections:
        ports = ports | ports_of(connection)
    return {
        "services": str(ports),
        "ports": ports.as_json(),
        "ranges": sorted({cidr for c in connections for cidr in _cidrs(c)}),
        "decided_by": told.rules(_rules(connections)),
    }
