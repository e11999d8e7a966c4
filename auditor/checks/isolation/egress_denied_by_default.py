"""Each endpoint in scope denies egress that no rule allows."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.default_deny import judge_default_deny, reasons
from auditor.checks.definition import NoParameters, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES, ENDPOINT_SUBJECTS, NODES, OWN_NETWORK_POLICIES
from auditor.network.representation import Direction


@check(
    "egress-denied-by-default",
    reads=(*ENDPOINT_SUBJECTS, OWN_NETWORK_POLICIES, *CLUSTER_POLICIES, NODES),
    reasons=reasons(Direction.EGRESS),
)
def egress_denied_by_default(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when a policy that is enforced isolates the endpoint for egress, and no rule opens it to everything again.

    Fails when no policy selects it for egress (Kubernetes then allows everything), when a rule lets every pod or every
    address through on every port, or when the policy isn't enforced. Rules that open single ports are not judged here.
    Endpoints on the node's network are excluded: policies for pods don't govern them.
    """
    yield from judge_default_deny(context, Direction.EGRESS)
