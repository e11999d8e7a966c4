"""What the checks on Istio and on Linkerd have in common."""

from collections.abc import Iterator

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded
from auditor.checks.ports import judge_ports
from auditor.encryption.verdicts import Membership, PortProtection, Reasons
from auditor.model.finding import CLUSTER_SUBJECT, Reason
from auditor.model.outcome import Outcome
from auditor.model.verdict import Protection, Tri

MESH_REASONS = (
    Reason(
        "mesh-not-installed", Outcome.NOT_APPLICABLE, "{mesh} is not installed in this cluster.", final=True
    ),
    Reason(
        "indeterminate.mesh-presence",
        Outcome.NOT_EVALUATED,
        "Whether {mesh} is installed can't be told: {causes}.",
    ),
)
"""Reasons of a control that applies only where its mesh is installed."""

PLAINTEXT_REASONS = (
    *MESH_REASONS,
    Reason("mtls-enforced", Outcome.PASS, "{subject} accepts mutual TLS only ({mode})."),
    Reason("nothing-may-connect", Outcome.PASS, "{subject} accepts no connection at all ({mode})."),
    Reason(
        "plaintext-accepted",
        Outcome.FAIL,
        "{subject} accepts plaintext ({mode}): {causes}.",
        remedy="Require mutual TLS on container port {port}, and take away what exempts it (a port-level mode, or a port "
        "that the proxy is told to skip); first make sure that its clients are in the mesh.",
    ),
    Reason(
        "plaintext-refused-after-arrival",
        Outcome.FAIL,
        "{subject} refuses plaintext by authorization only ({mode}): the bytes have crossed the network before.",
        remedy="Require mutual TLS in the transport as well; authorization refuses a request after it has arrived.",
    ),
    Reason(
        "tls-without-client", Outcome.FAIL, "{subject} accepts TLS from clients without an identity ({mode})."
    ),
    Reason(
        "indeterminate.encryption",
        Outcome.NOT_EVALUATED,
        "Whether {subject} refuses plaintext can't be told: {causes}.",
    ),
)
"""The closed list of reasons of "plaintext is refused" in either mesh."""


def mesh_missing(mesh: str, installed: Tri, reasons: Reasons) -> Judgement | None:
    """The one judgement of a control whose mesh is absent or of unknown presence; None where it is installed."""
    if installed is Tri.YES:
        return None
    code = "mesh-not-installed" if installed is Tri.NO else "indeterminate.mesh-presence"
    parameters = {"mesh": mesh, "causes": told.causes(reasons.causes)}
    return Judgement(code, CLUSTER_SUBJECT, parameters, reasons.evidence, listed=False)


def plaintext_refused(context: Context, mesh: str) -> Iterator[Yielded]:
    """Judge every declared TCP port of every endpoint in scope that is in the mesh's data plane."""
    meshes = context.encryption.meshes
    istio = mesh == "Istio"
    missing = mesh_missing(
        mesh,
        meshes.istio if istio else meshes.linkerd,
        meshes.istio_reasons if istio else meshes.linkerd_reasons,
    )
    if missing is not None:
        yield missing
        return

    def keep_out(row: PortProtection, member: Membership) -> str | None:
        return _outside(row, member, member.istio if istio else member.linkerd)

    yield from judge_ports(context, keep_out, _reason)


def _outside(row: PortProtection, member: Membership, in_mesh: Tri) -> str | None:
    if member.control_plane:
        return "mesh-control-plane"
    if in_mesh is Tri.NO:
        return "not-in-mesh"
    if member.gateway:
        return "mesh-gateway"
    if row.proxy_port:
        return "mesh-proxy-port"
    return "not-captured-protocol" if row.protocol != "TCP" else None


_BY_LABEL = {
    Protection.DENIED: "nothing-may-connect",
    Protection.ENFORCED_MTLS: "mtls-enforced",
    Protection.PLAINTEXT_REJECTED_BY_AUTHZ: "plaintext-refused-after-arrival",
    Protection.TLS_SERVER_ONLY: "tls-without-client",
}


def _reason(row: PortProtection) -> str:
    known = _BY_LABEL.get(row.mesh_label)
    if known is not None:
        return known
    accepted = row.mesh_record.plaintext_accepted is Tri.YES
    return "plaintext-accepted" if accepted else "indeterminate.encryption"
