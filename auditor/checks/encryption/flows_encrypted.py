"""Each flow that policy lets into a scoped port is encrypted between nodes: both ends and the nodes taken together."""

from collections.abc import Iterator, Sequence

from auditor.checks import told
from auditor.checks.context import Context, not_judged
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.incoming_flows import Flow, first_by_name, told_flow
from auditor.checks.reads import INCOMING_FLOWS
from auditor.encryption.verdicts import PortProtection
from auditor.model.finding import Exclusion, Reason, Subject
from auditor.model.outcome import Outcome

REASONS = (
    Reason(
        "no-flow", Outcome.NOT_APPLICABLE, "No other endpoint may connect to {subject} from another node."
    ),
    Reason(
        "flows-encrypted",
        Outcome.PASS,
        "Whatever other endpoints may send to {subject} is encrypted between nodes, or refused (sources: {source_count}).",
    ),
    Reason(
        "flow-in-plaintext",
        Outcome.FAIL,
        "{sources} may send plaintext to {subject} between nodes (sources in all: {source_count}): {causes}.",
        remedy="Put both ends into a mesh and require mutual TLS on port {port}, or let the CNI encrypt traffic between "
        "nodes; or narrow the policies (see decided by) so that these sources may not connect.",
    ),
    Reason(
        "indeterminate.flow",
        Outcome.NOT_EVALUATED,
        "Whether {sources} may send plaintext to {subject} can't be told: {causes}.",
    ),
)
_CODES = {"plaintext": "flow-in-plaintext", "unknown": "indeterminate.flow"}


@check(
    "flows-encrypted",
    reads=INCOMING_FLOWS,
    reasons=REASONS,
)
def flows_encrypted(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every flow that policy lets into the port from another endpoint is encrypted between nodes or refused.

    A flow is judged by both ends together: what the client's side sends, what the port accepts, what the nodes encrypt
    below. Fails when a client that may connect sends plaintext which nothing encrypts, wherever the pods happen to run;
    a policy that nothing enforces keeps nobody out. Does not see TLS that applications speak themselves, clients outside
    the cluster, replicas of one workload among themselves, or what a node sends to its own pods.
    """
    classes = {endpoint.id: classification for endpoint, classification in context.classified}
    for row in context.encryption.rows():
        subject = Subject(row.subject, row.endpoint.namespace)
        left_out = not_judged(subject, classes[row.endpoint.id]) or _keep_out(context, row, subject)
        if left_out is not None:
            yield left_out
            continue
        yield _judge(row, subject, context.facts.incoming_flows.into(row))


def _keep_out(context: Context, row: PortProtection, subject: Subject) -> Exclusion | None:
    if row.proxy_port:
        return Exclusion(subject.id, "mesh-proxy-port")
    gateway = context.encryption.membership(row.endpoint).gateway
    return Exclusion(subject.id, "mesh-gateway") if gateway else None


def _judge(row: PortProtection, subject: Subject, flows: Sequence[Flow]) -> Judgement:
    results = {flow.result for flow in flows}
    worst = next((result for result in _CODES if result in results), None)
    code = _CODES[worst] if worst else "flows-encrypted" if flows else "no-flow"
    shown = [flow for flow in flows if flow.result == worst] or flows
    sources = first_by_name(source for flow in shown for source in flow.sources)
    parameters = {
        "port": row.port,
        "sources": [source.id for source in sources],
        "source_count": sum(flow.count for flow in shown),
        "causes": told.causes(cause for flow in shown for cause in flow.example.causes),
        "flows": [told_flow(row, flow) for flow in flows],
    }
    evidence = (
        *row.evidence,
        *(item for flow in shown for item in (*flow.sources[0].evidence, *flow.example.evidence)),
        *told.rule_evidence(rule for flow in flows for rule in flow.rules),
    )
    return Judgement(code, subject, parameters, tuple(dict.fromkeys(evidence)))
