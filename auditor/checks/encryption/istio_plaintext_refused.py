"""Istio: the proxy of each scoped (pod, port) refuses plaintext."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import NoParameters, Yielded, check
from auditor.checks.mesh import PLAINTEXT_REASONS, plaintext_refused
from auditor.checks.reads import DECLARED_PORTS, ENDPOINT_SUBJECTS, ISTIO_INBOUND


@check(
    "istio-plaintext-refused",
    reads=(*ENDPOINT_SUBJECTS, DECLARED_PORTS, *ISTIO_INBOUND),
    reasons=PLAINTEXT_REASONS,
)
def istio_plaintext_refused(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when the effective PeerAuthentication mode of the container port is STRICT and the proxy captures the port.

    Fails when plaintext is accepted (PERMISSIVE, DISABLE, a port that bypasses the proxy), or is refused only by
    authorization, after it has arrived. Does not prove that anyone connects; says nothing about UDP or about workloads
    outside the mesh. Follows Istio's authn policy applier: workload over namespace over mesh, the oldest of equals, port
    level by container port.
    """
    yield from plaintext_refused(context, "Istio")
