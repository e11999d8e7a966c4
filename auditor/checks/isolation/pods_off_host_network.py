"""Pods in scope use neither the node's network nor its ports: policies for pods don't govern those."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.reads import ENDPOINT_SUBJECTS
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Reason, Subject
from auditor.model.outcome import Outcome

REASONS = (
    Reason(
        "own-network", Outcome.PASS, "{subject} has a network of its own and no port on its node.", final=True
    ),
    Reason(
        "host-network",
        Outcome.FAIL,
        "{subject} uses the network of its node (hostNetwork): NetworkPolicy does not govern it.",
        final=True,
        remedy="Run it without hostNetwork, and without the hostPorts that Kubernetes fills in with it, or move it "
        "out of scoped namespaces and restrict its node by other means.",
    ),
    Reason(
        "host-port",
        Outcome.FAIL,
        "{subject} opens {ports} on its node (hostPort): it is reachable at the node's address.",
        final=True,
        remedy="Publish it through a Service instead of hostPort.",
    ),
)


@check("pods-off-host-network", reads=ENDPOINT_SUBJECTS, reasons=REASONS)
def pods_off_host_network(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when an endpoint in scope has a network of its own and binds no port of its node.

    Fails for hostNetwork (undefined for NetworkPolicy, treated as the node's address in practice) and for hostPort. Does
    not say that such a pod is reachable, only that policies for pods don't decide it.
    """
    for entry in context.population():
        yield _judgement(entry) if isinstance(entry, Endpoint) else entry


def _judgement(endpoint: Endpoint) -> Judgement:
    ports = [f"{port.host_port}/{port.protocol}" for port in endpoint.ports if port.host_port]
    code = "host-network" if endpoint.host_network else "host-port" if ports else "own-network"
    return Judgement(code, Subject(endpoint.id, endpoint.namespace), {"ports": ports}, endpoint.evidence)
