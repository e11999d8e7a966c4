"""One certificate as a fact of the inventory, with what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from auditor.encryption.certificate_parsing import ParsedCertificate, is_available, is_ordered, parse_chain
from auditor.encryption.certificate_reasons import said
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause

_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True, eq=False)
class CertificateFact:
    """One certificate. `use` is `server`, `issuer`, `trust-anchor` or `backend-ca`; `place` the field it stands in.

    `secret` is `namespace/Secret/name` where it is kept, None where that isn't known. `observed`: the certificate itself
    was read; `confirmed`: it was, or cert-manager reports what it asked for as issued. Times are UTC in RFC 3339, None
    where unknown. `names` are cut at 100 of `name_count`. `problems` are deviations (`certificate.*`) and what cannot be
    told (`indeterminate.*`).
    """

    object: str
    namespace: str
    use: str
    place: str
    secret: str | None
    observed: bool
    confirmed: bool
    subject: str | None
    issuer: str | None
    names: tuple[str, ...]
    name_count: int
    key: str | None
    signature: str | None
    not_before: str | None
    not_after: str | None
    renewal: str | None
    problems: tuple[Cause, ...]
    evidence: tuple[str, ...]
    every_name: frozenset[str] = frozenset()
    """Names to search for hosts, in lower case; `names` are those to show."""


def from_pem(
    obj: KubeObject,
    use: str,
    place: str,
    secret: str | None,
    pem: str | None,
    now: datetime,
    request: KubeObject | None = None,
    issuers: str | None = None,
) -> Iterator[CertificateFact]:
    """The leaf of a chain, or each certificate of a bundle of anchors. At least one fact, whatever stands there.

    `issuers` is a PEM text of authorities that stands beside the chain; they and the chain's own are looked into as well.
    """
    evidence = tuple(dict.fromkeys(o.evidence_id for o in (obj, request) if o is not None))
    if not is_available():
        yield _unread(obj, use, place, secret, said("indeterminate.certificate.library-missing"), evidence)
        return
    chain, complete = parse_chain(pem or "")
    unreadable = said("indeterminate.certificate.unreadable", place=place)
    broken = () if complete else (unreadable,)
    if not chain:
        yield _unread(obj, use, place, secret, unreadable, evidence)
        return
    anchors = use == "trust-anchor"
    unordered = () if anchors or is_ordered(chain) else (said("certificate.chain-order"),)
    above = () if anchors else _problems_above((*chain[1:], *parse_chain(issuers or "")[0]), now)
    for index, parsed in enumerate(chain if anchors else chain[:1]):
        where = f"{place}#{index + 1}" if anchors and len(chain) > 1 else place
        problems = (*problems_of(parsed, now), *unordered, *above, *broken)
        yield _fact(obj, use, where, secret, parsed, problems, evidence)


def _problems_above(issuers: Sequence[ParsedCertificate], now: datetime) -> tuple[Cause, ...]:
    """What is wrong with the certificates above a leaf: a chain is as good as the worst of them."""
    found = []
    for issuer in issuers:
        if not issuer.not_before <= now <= issuer.not_after:
            span = f"{stamp(issuer.not_before)} to {stamp(issuer.not_after)}"
            found.append(said("certificate.issuer-expired", subject=issuer.subject, span=span))
        if issuer.weak_key or issuer.weak_signature:
            weak = issuer.weak_signature or issuer.key
            found.append(said("certificate.issuer-weak", subject=issuer.subject, weak=weak))
    return tuple(dict.fromkeys(found))


def _fact(
    obj: KubeObject,
    use: str,
    place: str,
    secret: str | None,
    parsed: ParsedCertificate,
    problems: tuple[Cause, ...],
    evidence: tuple[str, ...],
) -> CertificateFact:
    return CertificateFact(
        object=str(obj.id),
        namespace=obj.namespace,
        use=use,
        place=place,
        secret=secret,
        observed=True,
        confirmed=True,
        subject=parsed.subject,
        issuer=parsed.issuer,
        names=parsed.names,
        name_count=parsed.name_count,
        key=parsed.key,
        signature=parsed.signature,
        not_before=stamp(parsed.not_before),
        not_after=stamp(parsed.not_after),
        renewal=None,
        problems=problems,
        evidence=evidence,
        every_name=parsed.every_name,
    )


def _unread(
    obj: KubeObject, use: str, place: str, secret: str | None, why: Cause, evidence: tuple[str, ...]
) -> CertificateFact:
    return CertificateFact(
        object=str(obj.id),
        namespace=obj.namespace,
        use=use,
        place=place,
        secret=secret,
        observed=False,
        confirmed=False,
        subject=None,
        issuer=None,
        names=(),
        name_count=0,
        key=None,
        signature=None,
        not_before=None,
        not_after=None,
        renewal=None,
        problems=(why,),
        evidence=evidence,
    )


def problems_of(parsed: ParsedCertificate, now: datetime) -> tuple[Cause, ...]:
    """What is wrong with a certificate that was read, and what of it cannot be judged."""
    found = list(validity(parsed.not_before, parsed.not_after, now))
    if parsed.weak_key is None:
        found.append(said("indeterminate.certificate.key-unknown"))
    elif parsed.weak_key:
        found.append(said("certificate.weak-key", key=parsed.key))
    if parsed.weak_signature:
        found.append(said("certificate.weak-signature", algorithm=parsed.weak_signature))
    if parsed.name_count > len(parsed.names):
        found.append(said("certificate.names-cut", count=parsed.name_count))
    return tuple(found)


def validity(start: datetime | None, end: datetime | None, now: datetime) -> tuple[Cause, ...]:
    """What is wrong with the time of validity; within 30 days of its end counts as soon."""
    if end is not None and end < now:
        return (said("certificate.expired", date=stamp(end)),)
    if start is not None and start > now:
        return (said("certificate.not-yet-valid", date=stamp(start)),)
    if end is not None and end - now < _SOON:
        return (said("certificate.expires-soon", date=stamp(end)),)
    return ()


def stamp(moment: datetime | None) -> str | None:
    """A time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None
