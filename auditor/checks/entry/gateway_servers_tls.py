"""Istio Gateway servers terminate or pass on TLS 1.2 or later; plain HTTP servers redirect."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.entries import (
    ISTIO_GATEWAY,
    about,
    evidence,
    has_old_tls,
    is_istio_gateway,
    is_proved,
    leads_outside,
)
from auditor.checks.mesh import MESH_REASONS, mesh_missing
from auditor.encryption.entry_points import EntryPoint, Plaintext
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import POD, SERVICE, KindKey
from auditor.model.outcome import Outcome

REASONS = (
    *MESH_REASONS,
    Reason("tls", Outcome.PASS, "{subject} serves TLS ({tls}, from {minimum_version})."),
    Reason("redirects", Outcome.PASS, "{subject} redirects plain HTTP to HTTPS."),
    Reason(
        "plaintext-open",
        Outcome.FAIL,
        "{subject} serves plaintext for {hosts}.",
        final=True,
        remedy="Give the server a tls block, or set tls.httpsRedirect: true on the HTTP server.",
    ),
    Reason(
        "old-tls",
        Outcome.FAIL,
        "{subject} accepts TLS {minimum_version}.",
        remedy="Set tls.minProtocolVersion to TLSV1_2 or TLSV1_3.",
    ),
    Reason(
        "indeterminate.entry",
        Outcome.NOT_EVALUATED,
        "What {subject} serves can't be told: {causes}.",
    ),
)


@check(
    "gateway-servers-tls",
    reads=(
        Read(ISTIO_GATEWAY, subjects=True),
        Read(KindKey("networking.istio.io", "EnvoyFilter"), could_pass=True, could_fail=True),
        Read(KindKey("networking.istio.io", "VirtualService")),
        Read(POD),
        Read(SERVICE),
    ),
    reasons=REASONS,
)
def gateway_servers_tls(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every host of a Gateway server is served over TLS 1.2 or later, or the plain server only redirects.

    Fails for an HTTP server without httpsRedirect, plain TCP, and TLS below 1.2. PASSTHROUGH passes here: the backend
    terminates TLS and is judged by protection in transit. Applies where Istio is installed.
    """
    meshes = context.encryption.meshes
    missing = mesh_missing("Istio", meshes.istio, meshes.istio_reasons)
    if missing is not None:
        yield missing
        return
    servers: dict[Subject, list[EntryPoint]] = {}
    for row in filter(is_istio_gateway, context.facts.entry_points):
        servers.setdefault(Subject(f"{row.object}:{row.port}", row.namespace), []).append(row)
    for subject, rows in servers.items():
        yield _judge(context, subject, rows)


def _judge(context: Context, subject: Subject, rows: list[EntryPoint]) -> Yielded:
    outside = [leads_outside(context, row) for row in rows]
    if all(reason is not None for reason in outside):
        first = outside[0]
        return first if isinstance(first, Judgement) else Exclusion(subject.id, str(first))
    worst = min(rows, key=lambda row: (_ORDER.index(_code(row)), row.host))
    parameters = {**about(worst), "hosts": sorted({row.host for row in rows})}
    return Judgement(_code(worst), subject, parameters, evidence(worst))


_ORDER = ("plaintext-open", "old-tls", "indeterminate.entry", "redirects", "tls")


def _code(row: EntryPoint) -> str:
    if row.plaintext is Plaintext.OPEN:
        return "plaintext-open"
    if has_old_tls(row):
        return "old-tls"
    if not is_proved(row):
        return "indeterminate.entry"
    return "redirects" if row.tls is None else "tls"
