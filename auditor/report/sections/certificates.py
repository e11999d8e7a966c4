"""The inventory of certificates: what the evidence describes, and the hosts whose certificate nothing describes."""

from dataclasses import dataclass

from auditor.model.certificates_result import CertificateRow, HostRow
from auditor.report.draft import Draft
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import N_

TITLE = N_("Keys and certificates")
_USES = {
    "server": N_("serves hosts"),
    "issuer": N_("issues others"),
    "trust-anchor": N_("trust anchor"),
    "backend-ca": N_("verifies backends"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A certificate with the hosts that it serves. `known`: it was read, not only asked for."""

    facts: CertificateRow
    use: str
    names: Shortened[str]
    hosts: Shortened[str]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificatesView:
    """`undescribed` are hosts that end TLS with a certificate which no object in the evidence describes."""

    rows: Shortened[Row]
    deviating: int
    undescribed: Shortened[HostRow]


def build(draft: Draft) -> CertificatesView:
    """The view of the inventory."""
    limit = draft.profile.register_rows
    found = draft.result.certificates
    serves: dict[str, list[str]] = {}
    for host in draft.result.certificate_hosts:
        if host.certificate is not None:
            serves.setdefault(host.certificate, []).append(host.host)
    chosen = shorten(found, limit)
    return CertificatesView(
        rows=Shortened(tuple(_row(draft, entry, serves) for entry in chosen.rows), chosen.total),
        deviating=sum(
            any(not p.code.startswith("indeterminate.") for p in entry.problems) for entry in found
        ),
        undescribed=shorten([h for h in draft.result.certificate_hosts if h.certificate is None], limit),
    )


def _row(draft: Draft, entry: CertificateRow, serves: dict[str, list[str]]) -> Row:
    named = draft.profile.named
    return Row(
        facts=entry,
        use=_USES[entry.use],
        names=shorten(entry.names, named),
        hosts=shorten(sorted(set(serves.get(entry.object, ()))) if entry.use == "server" else (), named),
        problems=tuple(map(draft.sentences.reason, entry.problems)),
    )
