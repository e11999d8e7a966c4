"""Encryption of ports, ways in, ways out and certificates, each as a table."""

from collections.abc import Iterable

from auditor.model.certificates_result import CertificateRow, CertificatesResult, HostRow, ProbeRow
from auditor.model.egress_result import EgressResult, EgressRow
from auditor.model.encryption_result import EncryptionResult, EncryptionRow, ReasonRow
from auditor.model.entrypoints_result import EntryPointRow, EntryPointsResult
from auditor.report.answer_tables import AnswerTable
from auditor.report.stacked_rows import Layout

_WEAK = ("PLAINTEXT", "OPPORTUNISTIC", "PLAINTEXT_REJECTED_BY_AUTHZ")
_RECORD = (
    "plaintext_accepted",
    "cross_node_encrypted",
    "same_node_encrypted",
    "server_authenticated",
    "client_authenticated",
)

_PORTS = Layout(
    heading=("workload", "port"),
    details=("reasons",),
    prose=("reasons",),
    short=(("minimum TLS", "min. TLS"),),
)
_ENTRIES = Layout(
    heading=("object", "host", "port"),
    details=("controller", "backend", "certificate", "HSTS", "cipher policy", "reasons"),
    prose=("reasons",),
    short=(("minimum version", "min. TLS"), ("client authentication", "clients")),
)
_WAYS_OUT = Layout(
    heading=("object", "host", "port", "protocol"),
    details=("clients", "hops", "reasons"),
    prose=("hops", "reasons"),
)
_CERTIFICATES = Layout(
    heading=("object", "place"),
    details=("secret", "subject", "issuer", "names", "signature", "not before", "renewal", "problems"),
    prose=("problems",),
)
_HOSTS = Layout(
    heading=("object", "host", "port"),
    details=("certificate named", "described by", "reasons"),
    prose=("reasons",),
)
_PROBES = Layout(
    heading=("host", "port"),
    details=("subject", "issuer", "names", "signature", "problems"),
    prose=("problems",),
)


def encryption_table(result: EncryptionResult, *, full: bool = False) -> AnswerTable:
    """One line for each port. `full` (for CSV) spells out the record and the evidence."""
    columns = ("workload", "port", "verdict", "mode", "data plane", "minimum TLS", "covered by")
    columns = (*columns, *(_RECORD if full else ()), "reasons", *(("evidence", "pod") if full else ()))
    return AnswerTable(
        headline=f"ports: {len(result.rows)}",
        columns=columns,
        lines=tuple(_port(row, full) for row in result.rows),
        marked=_marked(row.verdict in _WEAK for row in result.rows),
        layout=_PORTS,
    )


def _port(row: EncryptionRow, full: bool) -> tuple[str, ...]:
    head = (
        row.workload,
        f"{row.port}/{row.protocol}",
        row.verdict,
        row.mode or "",
        row.data_plane,
        row.minimum_tls_version or "",
        ", ".join(row.covered_by),
    )
    if not full:
        return (*head, _reasons(row.reasons))
    record = tuple(str(getattr(row.record, name)) for name in _RECORD)
    return (*head, *record, _reasons(row.reasons), " ".join(row.evidence), row.pod or "")


def entrypoints_table(result: EntryPointsResult) -> AnswerTable:
    """One line for each object, host and listener."""
    return AnswerTable(
        headline=f"ways in: {len(result.rows)}",
        columns=(
            *("object", "host", "port", "controller", "plaintext", "tls", "minimum version", "certificate"),
            *("client authentication", "backend", "verdict", "HSTS", "cipher policy", "reasons"),
        ),
        lines=tuple(_entry(row) for row in result.rows),
        marked=_marked(row.plaintext == "open" for row in result.rows),
        layout=_ENTRIES,
    )


def _entry(row: EntryPointRow) -> tuple[str, ...]:
    return (
        row.object,
        row.host,
        str(row.port or ""),
        row.controller or "unknown",
        row.plaintext,
        row.tls.mode if row.tls else "none",
        (row.tls.minimum_version if row.tls else None) or "",
        (row.tls.certificate if row.tls else None) or "",
        row.client_authentication,
        row.backend,
        row.verdict,
        row.hsts,
        (row.tls.policy if row.tls else None) or "",
        _reasons(row.reasons),
    )


def egress_table(result: EgressResult) -> AnswerTable:
    """One line for each way out and each class of clients."""
    return AnswerTable(
        headline=f"ways out: {len(result.rows)}",
        columns=("object", "host", "port", "protocol", "clients", "sent", "verdict", "hops", "reasons"),
        lines=tuple(_way_out(row) for row in result.rows),
        marked=_marked(row.sent == "plaintext" for row in result.rows),
        layout=_WAYS_OUT,
    )


def _way_out(row: EgressRow) -> tuple[str, ...]:
    return (
        row.object or "",
        row.host,
        str(row.port or ""),
        row.protocol,
        _names(row.sources[:3], row.source_count),
        row.sent,
        row.verdict,
        ", ".join(f"{hop.sent} to {hop.target}" for hop in row.hops),
        _reasons(row.reasons),
    )


def certificates_table(result: CertificatesResult) -> AnswerTable:
    """One line for each certificate."""
    return AnswerTable(
        headline=f"certificates at {result.evaluated_at}: {len(result.rows)}",
        columns=(
            *("object", "place", "use", "secret", "subject", "issuer", "names", "key", "signature"),
            *("not before", "not after", "renewal", "known by", "problems"),
        ),
        lines=tuple(_certificate(row) for row in result.rows),
        marked=_marked(bool(row.problems) for row in result.rows),
        layout=_CERTIFICATES,
    )


def _certificate(row: CertificateRow) -> tuple[str, ...]:
    return (
        row.object,
        row.place,
        row.use,
        row.secret or "",
        row.subject or "",
        row.issuer or "",
        _names(row.names, row.name_count),
        row.key or "",
        row.signature or "",
        row.not_before or "",
        row.not_after or "",
        row.renewal or "",
        "certificate" if row.observed else "declaration",
        _reasons(row.problems),
    )


def hosts_table(result: CertificatesResult) -> AnswerTable:
    """One line for each way in that ends TLS: which certificate serves it, and whether that covers the host."""
    return AnswerTable(
        headline=f"\nhosts served over TLS: {len(result.hosts)}",
        columns=("object", "host", "port", "certificate named", "described by", "covered", "reasons"),
        lines=tuple(_host(row) for row in result.hosts),
        marked=_marked(row.covered != "yes" for row in result.hosts),
        layout=_HOSTS,
    )


def _host(row: HostRow) -> tuple[str, ...]:
    return (
        row.object,
        row.host,
        str(row.port or ""),
        row.named or "",
        row.certificate or "",
        row.covered,
        _reasons(row.reasons),
    )


def probes_table(result: CertificatesResult) -> AnswerTable:
    """One line for each live handshake."""
    return AnswerTable(
        headline=f"\nhosts probed: {len(result.probes)}",
        columns=(
            *(
                "host",
                "port",
                "trusted",
                "protocol",
                "cipher",
                "subject",
                "issuer",
                "names",
                "key",
                "signature",
            ),
            *("not after", "client certificate", "problems"),
        ),
        lines=tuple(_probe(row) for row in result.probes),
        marked=_marked(row.trusted != "yes" or bool(row.problems) for row in result.probes),
        layout=_PROBES,
    )


def _probe(row: ProbeRow) -> tuple[str, ...]:
    return (
        row.host,
        str(row.port),
        row.trusted,
        row.protocol or "",
        row.cipher or "",
        row.subject or "",
        row.issuer or "",
        _names(row.names, row.name_count),
        row.key or "",
        row.signature or "",
        row.not_after or "",
        "required" if row.client_certificate == "yes" else "",
        row.error or _reasons(row.problems),
    )


def _names(names: list[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _reasons(rows: Iterable[ReasonRow]) -> str:
    return "; ".join(row.message for row in rows)


def _marked(flags: Iterable[bool]) -> frozenset[int]:
    return frozenset(number for number, flag in enumerate(flags) if flag)
