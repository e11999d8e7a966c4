"""Certificates that serve scoped hosts, or the mesh of scoped workloads, are valid, strong and fit their hosts."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from auditor.checks import told
from auditor.checks.certificate_uses import Outside, key_of, mesh_of, scoped_hosts, scoped_meshes
from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.entries import HTTP_ENTRIES, ISTIO_GATEWAY, entry_subject
from auditor.encryption.certificate_reasons import said
from auditor.encryption.certificates import CertificateFact, HostCertificate
from auditor.model.finding import Exclusion, Read, Reason, Subject
from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome
from auditor.model.verdict import Cause, Tri


class Parameters(BaseModel):
    """How many days before the end of its validity a certificate counts as about to expire."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expires_within_days: Annotated[int, Field(ge=0, le=3650)] = 30


_REPLACE = (
    "Issue the certificate anew with its issuer, have what serves it load it, and automate the renewal."
)
REASONS = (
    Reason(
        "valid",
        Outcome.PASS,
        "{subject} is valid until {not_after}, its key is {key}, it is signed with {signature}, and it fits what it "
        "serves ({hosts}).",
    ),
    Reason("expired", Outcome.FAIL, "{subject} is not valid now: {causes}.", remedy=_REPLACE),
    Reason("expires-soon", Outcome.FAIL, "{subject} is about to expire: {causes}.", remedy=_REPLACE),
    Reason(
        "weak-certificate",
        Outcome.FAIL,
        "{subject} can't be relied on: {causes}.",
        remedy="Issue it anew with a key of RSA 2048 or EC 256 bits or more, signed with SHA-256 or better.",
    ),
    Reason(
        "host-not-covered",
        Outcome.FAIL,
        "{subject} does not fit a host that it serves: {causes}.",
        remedy="Add the host's name to the certificate's subject alternative names, or serve the host with another one.",
    ),
    Reason(
        "not-maintained",
        Outcome.FAIL,
        "{subject} is not kept up: {causes}.",
        remedy="See why the issuer does not deliver (the events of the Certificate and its requests), or mend the chain.",
    ),
    Reason(
        "indeterminate.certificate",
        Outcome.NOT_EVALUATED,
        "Whether the certificate of {subject} is in order can't be told: {causes}.",
    ),
)
_CODES = {
    "certificate.expired": "expired",
    "certificate.not-yet-valid": "expired",
    "certificate.issuer-expired": "expired",
    "certificate.expires-soon": "expires-soon",
    "certificate.weak-key": "weak-certificate",
    "certificate.weak-signature": "weak-certificate",
    "certificate.issuer-weak": "weak-certificate",
    "certificate.host-not-covered": "host-not-covered",
    "certificate.not-ready": "not-maintained",
    "certificate.renewal-overdue": "not-maintained",
    "certificate.chain-order": "not-maintained",
}
"""From the worst; what is not listed and not indeterminate is only worth telling."""


@check(
    "certificates-valid",
    reads=(
        *(
            Read(KindKey(group, kind), could_pass=True, could_fail=True, subjects=True)
            for group, kind in (
                ("cert-manager.io", "Certificate"),
                ("cert-manager.io", "CertificateRequest"),
            )
        ),
        *HTTP_ENTRIES,
        Read(ISTIO_GATEWAY, subjects=True),
    ),
    reasons=REASONS,
    parameters=Parameters,
)
def certificates_valid(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when a certificate that was read is valid, not about to expire, strong enough, and covers its hosts.

    Judges certificates of cert-manager and of Routes that serve hosts which lead into scope, and the trust anchors and
    issuers of a mesh that scoped workloads are in. Fails when a certificate has expired or will within
    `expires_within_days`, has a key below RSA 2048 or EC 256 bits or a SHA-1 or MD5 signature, misses a host, or its renewal
    is overdue. Secrets are never read: a certificate that nothing else describes is not evaluated. Does not show what is
    served, nor whether clients trust the issuer or a key is kept secret.
    """
    served, others = scoped_hosts(context)
    alike = Counter(found.entry.subject for found in context.facts.host_certificates)
    for found, outside in others:
        yield _undescribed(entry_subject(found.entry, alike), found, outside)
    routes = {found.entry.object for hosts in served.values() for found in hosts}
    meshes = scoped_meshes(context)
    facts = context.facts.certificates
    places = Counter(fact.object for fact in facts)
    for fact in facts:
        name = f"{fact.object} {fact.place}" if places[fact.object] > 1 else fact.object
        subject, hosts = Subject(name, fact.namespace), served.get(key_of(fact), [])
        if hosts or fact.object in routes or mesh_of(fact) in meshes:
            yield _judge(context, parameters, subject, fact, hosts)
        else:
            yield Exclusion(subject.id, "serves-nothing-scoped")
    anchored = {mesh_of(fact) for fact in facts if fact.use == "trust-anchor"}
    for mesh in sorted(meshes - anchored):
        yield _without_anchor(context, mesh)


def _undescribed(subject: Subject, found: HostCertificate, outside: Outside) -> Yielded:
    if outside is not None:
        return Exclusion(subject.id, outside) if isinstance(outside, str) else outside
    named = (found.entry.tls.certificate if found.entry.tls else None) or "not stated"
    parameters = {"causes": told.causes(found.causes), "certificate": named, "hosts": [found.entry.host]}
    return Judgement("indeterminate.certificate", subject, parameters, found.entry.evidence)


def _judge(
    context: Context,
    parameters: Parameters,
    subject: Subject,
    fact: CertificateFact,
    hosts: list[HostCertificate],
) -> Judgement:
    own = [cause for cause in fact.problems if cause.code != "certificate.expires-soon"]
    soon = timedelta(days=parameters.expires_within_days)
    causes = list(dict.fromkeys([*_expiring(fact, context.facts.now, soon), *own, *_of_hosts(fact, hosts)]))
    codes = {cause.code for cause in causes}
    failing = next((code for problem, code in _CODES.items() if problem in codes), None)
    unknown = any(code.startswith("indeterminate.") for code in codes) or not fact.observed
    code = failing or ("indeterminate.certificate" if unknown else "valid")
    evidence = (*fact.evidence, *(item for found in hosts for item in found.entry.evidence))
    return Judgement(code, subject, _about(fact, hosts, causes), tuple(dict.fromkeys(evidence)))


def _of_hosts(fact: CertificateFact, hosts: list[HostCertificate]) -> Iterator[Cause]:
    for found in hosts:
        if found.covered is Tri.UNKNOWN and fact.confirmed:
            # Only the first names were kept, and none of them covers the host.
            yield said("indeterminate.certificate.names-cut", host=found.entry.host, count=fact.name_count)
        yield from found.causes if found.covered is Tri.NO else ()


def _expiring(fact: CertificateFact, now: datetime, soon: timedelta) -> Iterator[Cause]:
    end = datetime.fromisoformat(fact.not_after) if fact.not_after else None
    if end is not None and now <= end < now + soon:
        yield said("certificate.expires-soon", date=fact.not_after)


def _about(fact: CertificateFact, hosts: list[HostCertificate], causes: list[Cause]) -> dict[str, Any]:
    return {
        "use": fact.use,
        "place": fact.place,
        "secret": fact.secret or "not stated",
        "certificate_subject": fact.subject or "not stated",
        "issuer": fact.issuer or "not stated",
        "names": list(fact.names),
        "name_count": fact.name_count,
        "key": fact.key or "not known",
        "signature": fact.signature or "not known",
        "not_before": fact.not_before or "not known",
        "not_after": fact.not_after or "not known",
        "renewal": fact.renewal or "not stated",
        "hosts": sorted({found.entry.host for found in hosts}) or [mesh_of(fact) or "a route's chain"],
        "causes": told.causes(causes),
    }


def _without_anchor(context: Context, mesh: str) -> Judgement:
    meshes = context.encryption.meshes
    reasons = meshes.istio_reasons if mesh == "Istio" else meshes.linkerd_reasons
    cause = said("indeterminate.certificate.anchor-not-seen", mesh=mesh)
    parameters = {"causes": told.causes([cause]), "certificate": "not stated", "hosts": [mesh]}
    return Judgement("indeterminate.certificate", Subject(f"mesh {mesh}"), parameters, reasons.evidence)
