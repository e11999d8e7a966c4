"""GKE's Ingress controller: HTTP stays beside HTTPS unless disallowed or redirected (encryption.md 4)."""

import json

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import IngressView, Verdicts, services_behind
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

FRONTEND = KindKey("networking.gke.io", "FrontendConfig")
_FRONTEND = "networking.gke.io/v1beta1.FrontendConfig"
_CERTIFICATES = ("networking.gke.io/managed-certificates", "ingress.gcp.kubernetes.io/pre-shared-cert")
_DEFAULT_MINIMUM = "1.0"
_ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
_APP_PROTOCOLS = ("cloud.google.com/app-protocols", "service.alpha.kubernetes.io/app-protocols")


def judge_gce(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """One host; all hosts share the load balancer's two frontends."""
    certificate = view.certificate(host) or next(
        (c for n in _CERTIFICATES if (c := view.annotation(n))), None
    )
    secured = bool(view.tls) or certificate is not None
    name = view.annotation(_FRONTEND)
    frontend = sources.cluster.get(FRONTEND, view.obj.namespace, name) if name else None
    plaintext, why = _plaintext(sources, view, frontend, named=name is not None, secured=secured)
    known = frontend is not None or name is None
    tls, of_policy = _tls(frontend, certificate, known=known)
    return Verdicts(
        plaintext=plaintext,
        tls=tls if secured else None,
        client_authentication=ClientAuthentication.NONE,
        backend=_backend(sources, view, host),
        causes=(why, *(of_policy if secured else ())),
        evidence=(frontend.evidence_id,) if frontend else (),
    )


def _tls(
    frontend: KubeObject | None, certificate: str | None, *, known: bool
) -> tuple[EntryTls, tuple[Cause, ...]]:
    """A policy that is named is an object of Google Cloud, outside the cluster. Without one the documented default holds:
    the profile COMPATIBLE from TLS 1.0 on (cloud.google.com, SSL policies overview)."""
    policy = text_at(frontend.spec, "sslPolicy") if frontend else None
    if policy:
        outside = cause("indeterminate.entry.policy-outside", policy=policy[:80])
        return EntryTls(TlsMode.TERMINATE, None, certificate, policy[:80]), (outside,)
    if not known:
        return EntryTls(TlsMode.TERMINATE, None, certificate), (cause("indeterminate.entry.gce.frontend"),)
    return EntryTls(TlsMode.TERMINATE, _DEFAULT_MINIMUM, certificate), (cause("entry.gce.default-policy"),)


def _plaintext(
    sources: Sources, view: IngressView, frontend: KubeObject | None, *, named: bool, secured: bool
) -> tuple[Plaintext, Cause]:
    if view.switch(_ALLOW_HTTP) is False:
        return Plaintext.CLOSED, cause("entry.http-disallowed")
    if not secured:
        return Plaintext.OPEN, cause("entry.no-tls")
    if frontend is not None and mapping_at(frontend.spec, "redirectToHttps").get("enabled") is True:
        return Plaintext.REDIRECTED, cause("entry.redirect-set")
    if named and frontend is None and not sources.complete(*FRONTEND, view.obj.namespace):
        return Plaintext.INDETERMINATE, cause("indeterminate.entry.gce.frontend")
    return Plaintext.OPEN, cause("entry.http-beside-https")


def _backend(sources: Sources, view: IngressView, host: str) -> BackendHop:
    """Plain HTTP unless the Service says HTTPS or HTTP2 for the port; certificates of pods are not verified."""
    services = {service.name: service for service in services_behind(sources, view, host)}
    refs = view.hosts[host]
    encrypted = [ref.name in services and _is_encrypted(services[ref.name], ref.port) for ref in refs]
    return BackendHop.ENCRYPTED if encrypted and all(encrypted) else BackendHop.PLAINTEXT


def _is_encrypted(service: KubeObject, port: object) -> bool:
    text = next((t for name in _APP_PROTOCOLS if (t := service.annotations.get(name))), "{}")
    try:
        protocols = json.loads(text)
    except (ValueError, RecursionError):
        return False
    names = [
        text_at(e, "name")
        for e in mappings_at(service.body, "spec", "ports")
        if port in (e.get("port"), e.get("name"))
    ]
    wanted = mapping_at(protocols)
    return bool(names) and all(wanted.get(name or "") in ("HTTPS", "HTTP2") for name in names)
