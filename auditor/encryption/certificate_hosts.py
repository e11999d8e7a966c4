"""Whether the certificate of each entry point covers its host, as far as the evidence describes the certificate."""

from collections.abc import Iterable
from dataclasses import dataclass

from auditor.encryption.certificate_facts import CertificateFact
from auditor.encryption.certificate_reasons import said
from auditor.encryption.entry.entry_point import EntryPoint, TlsMode
from auditor.model.verdict import Cause, Tri


@dataclass(frozen=True, slots=True, eq=False)
class HostCertificate:
    """Whether the certificate of an entry point covers its host; unknown where nothing describes it."""

    entry: EntryPoint
    certificate: CertificateFact | None
    covered: Tri
    causes: tuple[Cause, ...]


def host_certificates(
    entries: Iterable[EntryPoint], inventory: Iterable[CertificateFact]
) -> tuple[HostCertificate, ...]:
    """For each entry point that ends TLS, whether its certificate covers its host."""
    by_secret: dict[str, CertificateFact] = {}
    by_route: dict[str, CertificateFact] = {}
    for fact in inventory:
        if fact.use == "server" and fact.secret:
            by_secret.setdefault(fact.secret, fact)
        if fact.use == "server" and fact.place == "spec.tls.certificate":
            by_route[fact.object] = fact
    found = []
    for entry in entries:
        if entry.tls is not None and entry.tls.mode is TlsMode.TERMINATE:
            named = entry.tls.certificate or ""
            found.append(_coverage(entry, by_secret.get(named) or by_route.get(entry.object)))
    return tuple(found)


def _covers(fact: CertificateFact, host: str) -> bool:
    """By the host's own name, or by a wildcard in place of its first label (RFC 6125 6.4.3)."""
    names = fact.every_name or {name.lower() for name in fact.names}
    first, _, rest = host.partition(".")
    return host in names or (bool(first) and f"*.{rest}" in names)


def _coverage(entry: EntryPoint, fact: CertificateFact | None) -> HostCertificate:
    if fact is not None and not fact.confirmed:
        return HostCertificate(entry, fact, Tri.UNKNOWN, fact.problems)
    if fact is None:
        named = (entry.tls.certificate if entry.tls else None) or "its certificate"
        unknown = said("indeterminate.certificate.not-described", certificate=named)
        return HostCertificate(entry, fact, Tri.UNKNOWN, (unknown,))
    if entry.host == "*":
        return HostCertificate(entry, fact, Tri.YES, ())
    if _covers(fact, entry.host.lower()):
        return HostCertificate(entry, fact, Tri.YES, ())
    if fact.name_count > max(len(fact.names), len(fact.every_name)):
        return HostCertificate(entry, fact, Tri.UNKNOWN, fact.problems)
    return HostCertificate(entry, fact, Tri.NO, (said("certificate.host-not-covered", host=entry.host),))
