"""The population of checks on entry points: those that lead to endpoints in scope."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from auditor.checks import told
from auditor.checks.context import ENTRY_SCOPE, Context
from auditor.checks.definition import Judgement
from auditor.encryption.entry.tls_versions import is_at_least
from auditor.encryption.entry_points import READS, EntryPoint, Plaintext
from auditor.model.evidence import Completeness
from auditor.model.finding import Exclusion, Read, Subject
from auditor.model.kinds import INGRESS, INGRESS_CLASS, KNOWN_KINDS, NAMESPACE, POD, SERVICE, KindKey
from auditor.model.scope import matches_glob
from auditor.model.verdict import Tri

ISTIO_GATEWAY = KindKey("networking.istio.io", "Gateway")
_HTTP_ENTRY_KINDS = (
    INGRESS,
    KindKey("gateway.networking.k8s.io", "Gateway"),
    KindKey("route.openshift.io", "Route"),
    KindKey("traefik.io", "IngressRoute"),
    KindKey("traefik.io", "IngressRouteTCP"),
    KindKey("projectcontour.io", "HTTPProxy"),
)
_BEHIND = (INGRESS_CLASS, SERVICE, POD, NAMESPACE)
_CONFIGURING = sorted({*READS} - {*_HTTP_ENTRY_KINDS, *_BEHIND, ISTIO_GATEWAY})
HTTP_ENTRIES = (
    *(Read(KNOWN_KINDS[key].key, subjects=True) for key in _HTTP_ENTRY_KINDS),
    *(Read(key) for key in _BEHIND),
    *(Read(key, could_fail=True) for key in _CONFIGURING if key.group != ISTIO_GATEWAY.group),
)
"""Objects that open a host to clients outside, and what stands behind them."""


def http_entries(context: Context) -> Iterator[tuple[Subject, EntryPoint] | Judgement | Exclusion]:
    """Every host of an Ingress or route that leads into scope, with its subject; the others with why they don't count.

    Services open at layer 4 and Istio Gateways have controls of their own.
    """
    rows = [
        row for row in context.facts.entry_points if row.kind != SERVICE.kind and not is_istio_gateway(row)
    ]
    return _leading_into_scope(context, rows)


def every_entry(context: Context) -> Iterator[tuple[Subject, EntryPoint] | Judgement | Exclusion]:
    """As `http_entries`, with servers of Istio Gateways and Services whose load balancer ends TLS by itself."""
    rows = [row for row in context.facts.entry_points if row.kind != SERVICE.kind or row.tls is not None]
    return _leading_into_scope(context, rows)


def _leading_into_scope(
    context: Context, rows: Sequence[EntryPoint]
) -> Iterator[tuple[Subject, EntryPoint] | Judgement | Exclusion]:
    alike = Counter(row.subject for row in rows)
    for row in rows:
        subject = entry_subject(row, alike)
        outside = leads_outside(context, row)
        if outside is None:
            yield subject, row
        else:
            yield Exclusion(subject.id, outside) if isinstance(outside, str) else outside


def entry_subject(row: EntryPoint, alike: Mapping[str, int]) -> Subject:
    """The row as a subject, with its listener where several rows have that name (`alike` counts them)."""
    several = alike[row.subject] > 1
    return Subject(f"{row.subject} {row.listener}" if several else row.subject, row.namespace)


def serves_host(row: EntryPoint, host: str) -> bool:
    """Whether a row answers for a host of the scope file, which may be a glob; names of hosts know no case (RFC 4343)."""
    served, wanted = row.host.lower(), host.lower()
    return (
        served == "*" or matches_glob(wanted, served) or (served[:2] == "*." and wanted.endswith(served[1:]))
    )


def is_istio_gateway(row: EntryPoint) -> bool:
    """Whether the row is a server of an Istio Gateway."""
    return f"/{ISTIO_GATEWAY.kind}.{ISTIO_GATEWAY.group}/" in row.object


def is_proved(row: EntryPoint) -> bool:
    """Whether what isn't open is known to be so, rather than a default that unread configuration could change."""
    return row.plaintext is not Plaintext.INDETERMINATE and not row.assumptions


def leads_outside(context: Context, row: EntryPoint) -> str | Judgement | None:
    """Why an entry point doesn't lead into scope, or None when it does. Without known backends its namespace decides.

    Where what stands behind it isn't known completely, it can't be left out: that is a judgement of its own.
    """
    if any(backend.endpoint.id in context.in_scope for backend in row.destinations):
        return None
    verdict = context.of_namespace(Subject(row.object, row.namespace))
    if not row.destinations and not isinstance(verdict, Exclusion):
        return verdict
    missing = unknown_kinds(context, (*_BEHIND, *_CONFIGURING))
    if missing:
        subject = Subject(row.subject, row.namespace)
        return Judgement(ENTRY_SCOPE.code, subject, {"kinds": missing}, row.evidence)
    return verdict.reason if isinstance(verdict, Exclusion) and not row.destinations else "out-of-scope"


def unknown_kinds(context: Context, kinds: Iterable[KindKey]) -> list[str]:
    """The kinds that the evidence may not hold completely."""
    known = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)
    return [str(kind) for kind in kinds if context.cluster.completeness(kind).state not in known]


def about(row: EntryPoint) -> dict[str, Any]:
    """What a finding about an entry point tells beside its subject."""
    return {
        "host": row.host,
        "port": row.port,
        "controller": row.controller or "unknown",
        "plaintext": str(row.plaintext),
        "tls": str(row.tls.mode) if row.tls else "none",
        "minimum_version": (row.tls.minimum_version if row.tls else None) or "not stated",
        "certificate": (row.tls.certificate if row.tls else None) or "not stated",
        "client_authentication": str(row.client_authentication),
        "backend": str(row.backend),
        "backends": sorted({f"{b.endpoint.id}:{b.target_port}/{b.protocol}" for b in row.destinations}),
        "causes": told.causes((*row.causes, *row.assumptions)),
        "notices": told.causes(row.notices),
    }


def evidence(row: EntryPoint) -> tuple[str, ...]:
    """The entry point's own evidence and the Services behind it."""
    return (*row.evidence, *(backend.service.evidence_id for backend in row.destinations))


def has_old_tls(row: EntryPoint) -> bool:
    """Whether TLS below 1.2 is known to be accepted."""
    return bool(row.tls and is_at_least(row.tls.minimum_version, "1.2") is Tri.NO)
