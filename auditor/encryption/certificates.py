"""The inventory of certificates, without Secrets: cert-manager, Routes' public part, the meshes' trust anchors.

A certificate that was issued is looked into (observed); where only its request is in the evidence, what was asked for is
told (declared) and its key and signature stay unknown. `now` is the time of evaluation, injected.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from auditor.encryption.certificate_facts import CertificateFact, from_pem, stamp, validity
from auditor.encryption.certificate_hosts import HostCertificate, host_certificates
from auditor.encryption.certificate_parsing import MAX_SEARCHED
from auditor.encryption.certificate_reasons import said
from auditor.inventory.cluster import Cluster
from auditor.model.kinds import CONFIG_MAP, KindKey
from auditor.model.objects import KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

__all__ = ["READS", "CertificateFact", "HostCertificate", "certificates", "host_certificates"]

CERTIFICATE = KindKey("cert-manager.io", "Certificate")
REQUEST = KindKey("cert-manager.io", "CertificateRequest")
ROUTE = KindKey("route.openshift.io", "Route")
READS: tuple[KindKey, ...] = (CERTIFICATE, REQUEST, ROUTE)
"""The kinds that make the inventory, beside the trust anchors' ConfigMaps by name."""

_ANCHORS = {"linkerd-identity-trust-roots": "ca-bundle.crt", "istio-ca-root-cert": "root-cert.pem"}
_CERTIFICATE_NAME = "cert-manager.io/certificate-name"
_REVISION = "cert-manager.io/certificate-revision"
_MAX_NAMES = 100
_ROUTE_FIELDS = ("certificate", "caCertificate", "destinationCACertificate")


def certificates(cluster: Cluster, now: datetime) -> tuple[CertificateFact, ...]:
    """Every certificate that the evidence describes, sorted by object and place. `now` has a time zone."""
    facts = [*_managed(cluster, now), *_routes(cluster, now), *_anchors(cluster, now)]
    return tuple(sorted(facts, key=lambda fact: (fact.object, fact.place)))


def _managed(cluster: Cluster, now: datetime) -> Iterator[CertificateFact]:
    """cert-manager's Certificates with what was last issued for them, and requests that belong to none."""
    issued = _latest_requests(cluster)
    for obj in cluster.all(CERTIFICATE):
        yield _certificate(obj, issued.pop((obj.namespace, obj.name), None), now)
    for request in issued.values():
        pem = _decoded(mapping_at(request.body, "status").get("certificate"))
        use = "issuer" if request.spec.get("isCA") is True else "server"
        above = _decoded(request.status.get("ca"))
        yield from from_pem(request, use, "status.certificate", None, pem, now, issuers=above)


def _latest_requests(cluster: Cluster) -> dict[tuple[str, str], KubeObject]:
    """The issued request of the highest revision, by (namespace, Certificate); others by their own name."""
    found: dict[tuple[str, str], KubeObject] = {}
    for request in cluster.all(REQUEST):
        if "certificate" in request.status:
            place = (request.namespace, request.annotations.get(_CERTIFICATE_NAME) or f"/{request.name}")
            other = found.get(place)
            if other is None or _revision(request) >= _revision(other):
                found[place] = request
    return found


def _revision(request: KubeObject) -> int:
    text = request.annotations.get(_REVISION, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _certificate(obj: KubeObject, request: KubeObject | None, now: datetime) -> CertificateFact:
    secret = text_at(obj.spec, "secretName")
    use = "issuer" if obj.spec.get("isCA") is True else "server"
    place = f"{obj.namespace}/Secret/{secret}" if secret else None
    state = _state_problems(obj, now)
    renewal = _time(text_at(obj.status, "renewalTime"))
    if request is not None:
        pem = _decoded(mapping_at(request.body, "status").get("certificate"))
        above = _decoded(request.status.get("ca"))
        parsed = list(from_pem(obj, use, "spec.secretName", place, pem, now, request, above))
        leaf = parsed[0]
        if leaf.observed:
            return replace(leaf, renewal=stamp(renewal), problems=(*leaf.problems, *state))
    return _declared(obj, use, place, renewal, state, now)


def _declared(
    obj: KubeObject,
    use: str,
    place: str | None,
    renewal: datetime | None,
    state: tuple[Cause, ...],
    now: datetime,
) -> CertificateFact:
    names = [n for field in ("dnsNames", "ipAddresses", "uris") for n in list_at(obj.spec, field)]
    named = [name for name in names if isinstance(name, str)]
    start, end = (_time(text_at(obj.status, field)) for field in ("notBefore", "notAfter"))
    issuer = text_at(obj.spec, "issuerRef", "name")
    algorithm = text_at(obj.spec, "privateKey", "algorithm")
    size = mapping_at(obj.spec, "privateKey").get("size")
    return CertificateFact(
        object=str(obj.id),
        namespace=obj.namespace,
        use=use,
        place="spec.secretName",
        secret=place,
        observed=False,
        confirmed=_is_ready(obj),
        subject=text_at(obj.spec, "commonName"),
        issuer=f"{text_at(obj.spec, 'issuerRef', 'kind') or 'Issuer'} {issuer}" if issuer else None,
        names=tuple(name[:300] for name in named[:_MAX_NAMES]),
        name_count=len(named),
        key=f"{algorithm} {size}" if algorithm and isinstance(size, int) else algorithm,
        signature=None,
        not_before=stamp(start),
        not_after=stamp(end),
        renewal=stamp(renewal),
        problems=(said("indeterminate.certificate.not-issued"), *validity(start, end, now), *state),
        evidence=(obj.evidence_id,),
        every_name=frozenset(name[:300].lower() for name in named[:MAX_SEARCHED]),
    )


def _state_problems(obj: KubeObject, now: datetime) -> tuple[Cause, ...]:
    problems = []
    ready = [
        c.get("status") for c in mappings_at(obj.body, "status", "conditions") if c.get("type") == "Ready"
    ]
    if "False" in ready:
        problems.append(said("certificate.not-ready"))
    renewal = _time(text_at(obj.status, "renewalTime"))
    if renewal is not None and renewal < now:
        problems.append(said("certificate.renewal-overdue", date=stamp(renewal)))
    return tuple(problems)


def _readiness(obj: KubeObject) -> list[object]:
    return [
        c.get("status") for c in mappings_at(obj.body, "status", "conditions") if c.get("type") == "Ready"
    ]


def _is_ready(obj: KubeObject) -> bool:
    """Ready: a certificate for just these names is in the Secret and has not expired, as cert-manager sees it."""
    return _readiness(obj) == ["True"]


def _routes(cluster: Cluster, now: datetime) -> Iterator[CertificateFact]:
    for route in cluster.all(ROUTE):
        for field in _ROUTE_FIELDS:
            pem = text_at(route.spec, "tls", field)
            if pem:
                use = "server" if field == "certificate" else "backend-ca" if "dest" in field else "issuer"
                yield from from_pem(route, use, f"spec.tls.{field}", None, pem, now)


def _anchors(cluster: Cluster, now: datetime) -> Iterator[CertificateFact]:
    """Trust anchors. Istio copies its own into every namespace: each content is told once, at its first object."""
    seen: set[tuple[str, str]] = set()
    for obj in cluster.all(CONFIG_MAP):
        key = _ANCHORS.get(obj.name)
        pem = text_at(obj.body, "data", key) if key else None
        if pem and (obj.name, pem) not in seen:
            seen.add((obj.name, pem))
            yield from from_pem(obj, "trust-anchor", f"data[{key}]", None, pem, now)


def _decoded(text: object) -> str | None:
    """A base64 field as text; PEM that was not encoded is taken as it is."""
    if not isinstance(text, str):
        return None
    if text.lstrip().startswith("-----BEGIN"):
        return text
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
