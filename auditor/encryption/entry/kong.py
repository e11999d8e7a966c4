"""Kong: its defaults were not verified, so only what an Ingress says itself counts (encryption.md 4)."""

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import IngressView, Verdicts, services_behind
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.model.verdict import Cause

_FORCE = "ingress.kubernetes.io/force-ssl-redirect"
_PROTOCOLS = "konghq.com/protocols"
_REDIRECT = "konghq.com/https-redirect-status-code"
_BACKEND = "konghq.com/protocol"
_VERIFY = "konghq.com/tls-verify"
_SECURED = frozenset({"https", "grpcs", "tls"})
_PLAIN = frozenset({"http", "grpc", "tcp", "ws", "udp"})
_TLS_BACKENDS = frozenset({"https", "grpcs", "tls", "wss"})
_VERSIONS = (cause("indeterminate.entry.kong.versions"),)


def judge_kong(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """One host."""
    plaintext, why = _plaintext(view)
    served = plaintext in (Plaintext.CLOSED, Plaintext.REDIRECTED) or bool(view.tls)
    tls = EntryTls(TlsMode.TERMINATE, certificate=view.certificate(host)) if served else None
    return Verdicts(
        plaintext=plaintext,
        tls=tls,
        client_authentication=ClientAuthentication.INDETERMINATE,
        backend=_backend(sources, view, host),
        causes=(why, cause("indeterminate.entry.kong.client"), *(_VERSIONS if served else ())),
    )


def _backend(sources: Sources, view: IngressView, host: str) -> BackendHop:
    """The protocol that each Service is annotated with (Kong's reference of Service annotations); unknown without one.

    Whether Kong checks the certificate of the pods is set in the gateway, or by `konghq.com/tls-verify`.
    """
    services = services_behind(sources, view, host)
    hops = [
        _hop(service.annotations.get(_BACKEND, ""), service.annotations.get(_VERIFY)) for service in services
    ]
    return weakest_hop(hops) if hops else BackendHop.INDETERMINATE


def _hop(protocol: str, verified: str | None) -> BackendHop:
    if protocol.lower() in _TLS_BACKENDS:
        return BackendHop.VERIFIED if verified == "true" else BackendHop.ENCRYPTED
    return BackendHop.PLAINTEXT if protocol.lower() in _PLAIN else BackendHop.INDETERMINATE


def _plaintext(view: IngressView) -> tuple[Plaintext, Cause]:
    if view.switch(_FORCE):
        return Plaintext.REDIRECTED, cause("entry.redirect-set")
    listed = {p.strip().lower() for p in (view.annotation(_PROTOCOLS) or "").split(",") if p.strip()}
    if not listed:
        return Plaintext.INDETERMINATE, cause("indeterminate.entry.kong.defaults")
    if not listed <= _SECURED:
        return Plaintext.OPEN, cause("entry.kong.protocols", protocols=", ".join(sorted(listed))[:80])
    redirects = view.annotation(_REDIRECT) in ("301", "302", "307", "308")
    return (Plaintext.REDIRECTED if redirects else Plaintext.CLOSED), cause("entry.kong.https-only")
