"""The inventory of certificates and the hosts that they serve, as rows."""

from collections.abc import Iterable

from auditor.checks.context import Facts
from auditor.encryption.certificate_facts import stamp
from auditor.encryption.certificates import READS as CERTIFICATE_READS
from auditor.encryption.certificates import CertificateFact, HostCertificate
from auditor.evaluate.entrypoints_view import READS as ENTRY_READS
from auditor.evaluate.reason_rows import reason_rows
from auditor.model.certificates_result import CertificateRow, CertificatesResult, HostRow, ProbeRow
from auditor.model.kinds import KindKey

READS: tuple[KindKey, ...] = (*CERTIFICATE_READS, *ENTRY_READS)
"""The kinds that make the inventory, and those that say which hosts are served."""


def build_certificates(facts: Facts, probes: Iterable[ProbeRow] = ()) -> CertificatesResult:
    """The inventory at the time of `facts.now`, with what live handshakes told."""
    return CertificatesResult(
        evaluated_at=stamp(facts.now) or "",
        rows=[_row(fact) for fact in facts.certificates],
        hosts=[_host(entry) for entry in facts.host_certificates],
        probes=list(probes),
    )


def _row(fact: CertificateFact) -> CertificateRow:
    fields = {
        "object": fact.object,
        "namespace": fact.namespace,
        "use": fact.use,
        "place": fact.place,
        "secret": fact.secret,
        "observed": fact.observed,
        "subject": fact.subject,
        "issuer": fact.issuer,
        "names": list(fact.names),
        "name_count": fact.name_count,
        "key": fact.key,
        "signature": fact.signature,
        "not_before": fact.not_before,
        "not_after": fact.not_after,
        "renewal": fact.renewal,
        "problems": reason_rows(fact.problems),
        "evidence": sorted(set(fact.evidence)),
    }
    return CertificateRow.model_validate(fields)


def _host(found: HostCertificate) -> HostRow:
    fields = {
        "object": found.entry.object,
        "host": found.entry.host,
        "port": found.entry.port,
        "named": found.entry.tls.certificate if found.entry.tls else None,
        "certificate": found.certificate.object if found.certificate else None,
        "covered": found.covered.value,
        "reasons": reason_rows(found.causes),
        "evidence": sorted(set(found.entry.evidence)),
    }
    return HostRow.model_validate(fields)
