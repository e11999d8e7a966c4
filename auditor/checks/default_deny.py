"""What the two default-deny checks have in common: one for each direction."""

from collections.abc import Iterator
from typing import Any

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri
from auditor.network.reach import Isolation
from auditor.network.representation import Direction

_ADVICE = {
    Direction.INGRESS: "Add a NetworkPolicy to namespace {namespace} with podSelector: {{}}, policyTypes: [Ingress] and no "
    "ingress rule, after the policies that allow what is needed.",
    Direction.EGRESS: "Add a NetworkPolicy to namespace {namespace} with podSelector: {{}}, policyTypes: [Egress] and no "
    "egress rule, together with one that allows DNS (53/UDP and 53/TCP to the cluster's DNS pods): "
    "a default deny of egress cuts name resolution too.",
}


def reasons(direction: Direction) -> tuple[Reason, ...]:
    """The closed list of reasons for a direction."""
    way = {"ingress": "connections to {subject}", "egress": "connections from {subject}"}[direction]
    enforce = "Install a network plugin that enforces policy, or make its agent ready on every node."
    return (
        Reason("denied-by-default", Outcome.PASS, f"Policies deny {way} that no rule allows ({{policies}})."),
        Reason(
            "not-isolated",
            Outcome.FAIL,
            f"No policy selects {{subject}} for {direction}: all {way} are allowed.",
            remedy=_ADVICE[direction],
        ),
        Reason(
            "opened-to-everything",
            Outcome.FAIL,
            f"A rule lets all {way} through on every port: {{opened_by}}.",
            remedy="Replace the rule by ones that name the peers and ports that are needed.",
        ),
        Reason(
            "declared-not-enforced",
            Outcome.FAIL,
            f"Policies declare a default deny of {way}, but nothing enforces them: {{causes}}.",
            remedy=enforce,
        ),
        Reason(
            "nothing-matches",
            Outcome.FAIL,
            f"Policies select {{subject}}, but leave other {way} allowed: {{causes}}.",
        ),
        Reason(
            "indeterminate.isolation",
            Outcome.NOT_EVALUATED,
            f"Whether {way} are denied by default can't be told: {{causes}}.",
        ),
    )


def judge_default_deny(context: Context, direction: Direction) -> Iterator[Yielded]:
    """Judge every endpoint in scope that has a network of its own."""
    for entry in context.population():
        if not isinstance(entry, Endpoint):
            yield entry
        elif entry.host_network:
            yield Exclusion(entry.id, "host-network")
        else:
            yield _judgement(entry, context.network.isolation(entry, direction))


def _judgement(endpoint: Endpoint, isolation: Isolation) -> Judgement:
    parameters: dict[str, Any] = {
        "namespace": endpoint.namespace,
        "policies": [ref.object for ref in isolation.policies],
        "opened_by": [f"{ref.object} {ref.rule}" for ref in isolation.opens_entirely],
        "causes": told.causes([isolation.cause] if isolation.cause else []),
        "decided_by": told.rules(isolation.opens_entirely or isolation.policies),
    }
    evidence = (*endpoint.evidence, *told.rule_evidence((*isolation.policies, *isolation.opens_entirely)))
    return Judgement(_code(isolation), Subject(endpoint.id, endpoint.namespace), parameters, evidence)


def _code(isolation: Isolation) -> str:
    if isolation.effective is Tri.UNKNOWN:
        return "indeterminate.isolation"
    if isolation.declared is Tri.YES and isolation.effective is Tri.NO:
        return "declared-not-enforced"
    if isolation.effective is Tri.NO:
        return "nothing-matches" if isolation.policies else "not-isolated"
    return "opened-to-everything" if isolation.opens_entirely else "denied-by-default"
