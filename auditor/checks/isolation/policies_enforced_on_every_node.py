"""Something enforces the policies that the cluster declares, on every node."""

from collections.abc import Iterator

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import CLUSTER_POLICIES
from auditor.model.finding import CLUSTER_SUBJECT, Read, Reason, Subject
from auditor.model.kinds import DAEMON_SET, NETWORK_POLICY, NODE, POD
from auditor.model.outcome import Outcome
from auditor.network.enforcement import LayerEnforcement
from auditor.network.support import NETWORK_LAYERS

NETWORK_POLICY_LAYER = "networkpolicy"

REASONS = (
    Reason("enforced", Outcome.PASS, "{by} enforces {layer} on every node."),
    Reason(
        "not-enforced",
        Outcome.FAIL,
        "{layer} is declared and nothing enforces it: {causes}.",
        remedy="Install a network plugin that enforces policy (and restart the pods if it requires that), or remove "
        "policies that promise what isn't done.",
    ),
    Reason(
        "not-on-every-node",
        Outcome.FAIL,
        "{by} enforces {layer}, but is not ready on {nodes}: pods there are not protected.",
        remedy="Make the agent ready on these nodes, or drain them.",
    ),
    Reason(
        "indeterminate.enforcement",
        Outcome.NOT_EVALUATED,
        "Whether anything enforces {layer} can't be told: {causes}.",
    ),
)


@check(
    "policies-enforced-on-every-node",
    reads=(
        Read(NODE, could_fail=True),
        Read(POD, could_pass=True),
        Read(DAEMON_SET, could_pass=True),
        Read(NETWORK_POLICY),
        *(Read(read.key) for read in CLUSTER_POLICIES),
    ),
    reasons=REASONS,
)
def policies_enforced_on_every_node(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when the agent that enforces a kind of policy is ready on every node.

    Judges NetworkPolicy always, and every other policy system of the network plugins of which the cluster has objects;
    authorization in a mesh is enforced by the receiver's own proxy and judged there. Fails when no agent
    enforces it (Flannel alone), or when the agent isn't ready somewhere. Does not prove that the data path is right.
    """
    declared = {fact.layer for fact in context.network.policies}
    nodes = tuple(node.evidence_id for node in context.cluster.nodes)
    for layer in context.network.enforcement:
        in_use = layer.layer == NETWORK_POLICY_LAYER or layer.layer in declared
        if layer.layer in NETWORK_LAYERS and in_use:
            facts = [fact.evidence_id for fact in context.network.policies if fact.layer == layer.layer]
            yield _judgement(layer, (*layer.evidence, *nodes, *facts[:_SHOWN_POLICIES]))


_SHOWN_POLICIES = 20


def _judgement(layer: LayerEnforcement, evidence: tuple[str, ...]) -> Judgement:
    first = layer.layer == NETWORK_POLICY_LAYER
    subject = CLUSTER_SUBJECT if first else Subject(f"{CLUSTER_SUBJECT.id} {layer.layer}")
    parameters = {
        "layer": layer.layer,
        "by": layer.by or "nothing",
        "nodes": list(layer.except_nodes),
        "causes": told.causes([layer.cause]),
    }
    return Judgement(_code(layer), subject, parameters, evidence)


def _code(layer: LayerEnforcement) -> str:
    if layer.status == "unknown":
        return "indeterminate.enforcement"
    if layer.status == "not-enforced":
        return "not-enforced"
    return "not-on-every-node" if layer.except_nodes else "enforced"
