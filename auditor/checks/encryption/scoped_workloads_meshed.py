"""Workloads in scope are in a mesh's data plane, where a mesh is installed."""

from collections.abc import Iterator

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.mesh import MESH_REASONS, mesh_missing
from auditor.checks.reads import ENDPOINT_SUBJECTS
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Exclusion, Reason, Subject
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri, any_of

REASONS = (
    *MESH_REASONS,
    Reason("in-mesh", Outcome.PASS, "{subject} is in the data plane of {data_plane}."),
    Reason(
        "outside-mesh",
        Outcome.FAIL,
        "{subject} is outside the mesh: {causes}.",
        remedy="Enable injection for the workload and restart its pods; where it can't be meshed, protect its ports "
        "by other means and record why.",
    ),
    Reason(
        "indeterminate.membership",
        Outcome.NOT_EVALUATED,
        "Whether {subject} is in the mesh can't be told: {causes}.",
    ),
)


@check("scoped-workloads-meshed", reads=ENDPOINT_SUBJECTS, reasons=REASONS)
def scoped_workloads_meshed(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when the running pods of an endpoint in scope carry the mesh's proxy (or are redirected to ztunnel).

    Fails when they don't, whatever the namespace's labels ask for. Applies where Istio or Linkerd is installed. Does not
    prove that the proxy refuses plaintext: another control does.
    """
    meshes = context.encryption.meshes
    installed = any_of((meshes.istio, meshes.linkerd))
    reasons: Reasons = meshes.istio_reasons + meshes.linkerd_reasons
    missing = mesh_missing("A service mesh (Istio, Linkerd)", installed, reasons)
    if missing is not None:
        yield missing
        return
    for entry in context.population():
        yield _judge(context, entry) if isinstance(entry, Endpoint) else entry


def _judge(context: Context, endpoint: Endpoint) -> Yielded:
    member = context.encryption.membership(endpoint)
    if member.control_plane:
        return Exclusion(endpoint.id, "mesh-control-plane")
    meshed = any_of((member.istio, member.linkerd))
    code = {Tri.YES: "in-mesh", Tri.NO: "outside-mesh"}.get(meshed, "indeterminate.membership")
    parameters = {
        "data_plane": str(member.data_plane),
        "basis": str(member.basis),
        "causes": told.causes(member.causes),
        "decided_by": told.rules(member.chain),
    }
    return Judgement(code, Subject(endpoint.id, endpoint.namespace), parameters, member.evidence)
