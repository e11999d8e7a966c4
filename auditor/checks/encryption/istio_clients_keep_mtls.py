"""Istio: no DestinationRule makes clients send something weaker than mesh mTLS to a scoped service."""

from collections.abc import Iterator

from auditor.checks import told
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.mesh import MESH_REASONS, mesh_missing
from auditor.checks.reads import DECLARED_PORTS, ENDPOINT_SUBJECTS
from auditor.encryption.verdicts import ClientRule, Wire
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri

REASONS = (
    *MESH_REASONS,
    Reason("no-downgrade", Outcome.PASS, "{subject} leaves mesh mTLS as it is for {host}."),
    Reason(
        "downgrade",
        Outcome.FAIL,
        "{subject} makes clients of {host} send {wire} instead of mesh mTLS: {causes}.",
        final=True,
        remedy="Remove the tls setting at {rule}, or set it to ISTIO_MUTUAL.",
    ),
    Reason(
        "automatic-mtls-off",
        Outcome.FAIL,
        "{subject} turns automatic mutual TLS off, and no DestinationRule makes clients use it for {services}: they send "
        "plaintext.",
        remedy="Remove enableAutoMtls: false from MeshConfig, or give each of these services a DestinationRule with tls "
        "mode ISTIO_MUTUAL.",
    ),
    Reason(
        "automatic-mtls-replaced",
        Outcome.PASS,
        "{subject} turns automatic mutual TLS off, but DestinationRules set what clients send to every scoped service.",
    ),
    Reason(
        "indeterminate.automatic-mtls",
        Outcome.NOT_EVALUATED,
        "Whether {subject} lets clients use mutual TLS towards {services} by themselves can't be told.",
    ),
    Reason(
        "indeterminate.client-tls",
        Outcome.NOT_EVALUATED,
        "Whether {subject} weakens what clients of {host} send can't be told: {causes}.",
    ),
)
DESTINATION_RULE = KindKey("networking.istio.io", "DestinationRule")


@check(
    "istio-clients-keep-mtls",
    reads=(
        Read(DESTINATION_RULE, could_pass=True, subjects=True),
        *ENDPOINT_SUBJECTS,
        DECLARED_PORTS,
    ),
    reasons=REASONS,
)
def istio_clients_keep_mtls(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when a DestinationRule for a meshed service in scope keeps mesh mTLS.

    Fails when one of its clauses makes clients send plaintext, TLS whose server nobody verifies, or TLS without the
    client's mesh identity: DISABLE, SIMPLE, MUTUAL with insecureSkipVerify, a credentialName that a sidecar ignores, a
    port-level entry that drops the top-level tls where automatic mutual TLS is off. Fails as well where MeshConfig turns
    automatic mutual TLS off and no rule sets TLS for a service. Says nothing of workloads outside the mesh, which send
    plaintext without any rule.
    """
    meshes = context.encryption.meshes
    missing = mesh_missing("Istio", meshes.istio, meshes.istio_reasons)
    if missing is not None:
        yield missing
        return
    yield from _automatic(context)
    for rule in context.encryption.client_rules():
        yield _judge(context, rule)


def _automatic(context: Context) -> Iterator[Judgement]:
    """MeshConfig is judged only where it doesn't leave automatic mutual TLS on, which is the default."""
    found = context.encryption.automatic_mtls()
    if found.enabled is Tri.YES or found.source is None:
        return
    services = [name for name in found.services if _in_scope(context, name)]
    code = "automatic-mtls-off" if services else "automatic-mtls-replaced"
    if found.enabled is Tri.UNKNOWN and services:
        code = "indeterminate.automatic-mtls"
    parameters = {"services": services, "decided_by": told.rules([found.source])}
    subject = Subject(found.source.object, found.source.object.partition("/")[0])
    yield Judgement(code, subject, parameters, (found.source.evidence_id,))


def _judge(context: Context, rule: ClientRule) -> Yielded:
    subject = Subject(rule.object, rule.namespace)
    if not rule.applies:
        return Exclusion(subject.id, "no-meshed-service")
    scoped = [name for name in rule.services if _in_scope(context, name)]
    if not scoped:
        return Exclusion(subject.id, "out-of-scope")
    weaker = Tri.YES if rule.wire is Wire.TLS else rule.downgrades
    code = {Tri.YES: "downgrade", Tri.NO: "no-downgrade"}.get(weaker, "indeterminate.client-tls")
    parameters = {
        "host": rule.host,
        "wire": str(rule.wire),
        "services": scoped,
        "rule": rule.chain[0].rule if rule.chain else "spec.trafficPolicy",
        "causes": told.causes(rule.causes),
        "decided_by": told.rules(rule.chain),
    }
    return Judgement(code, subject, parameters, rule.evidence)


def _in_scope(context: Context, service: str) -> bool:
    namespace, _, name = service.partition("/Service/")
    return any(b.endpoint.id in context.in_scope for b in context.facts.services.of_service(namespace, name))
