"""Linkerd: the proxy of each scoped (pod, port) refuses plaintext."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import NoParameters, Yielded, check
from auditor.checks.mesh import PLAINTEXT_REASONS, plaintext_refused
from auditor.checks.reads import DECLARED_PORTS, ENDPOINT_SUBJECTS, LINKERD_INBOUND


@check(
    "linkerd-plaintext-refused",
    reads=(*ENDPOINT_SUBJECTS, DECLARED_PORTS, *LINKERD_INBOUND),
    reasons=PLAINTEXT_REASONS,
)
def linkerd_plaintext_refused(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every authorization of the Server that selects the port, or the default inbound policy, needs mesh TLS.

    Fails when an unauthenticated grant, an `*-unauthenticated` or `audit` default, or a skipped port lets plaintext in.
    Does not prove that anyone connects; says nothing about UDP or about workloads outside the mesh. Follows the inbound
    index of Linkerd's policy controller.
    """
    yield from plaintext_refused(context, "Linkerd")
