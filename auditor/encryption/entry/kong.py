"""Kong: its defaults were not verified, so only what an Ingress says itself counts (encryption.md 4)."""

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import IngressView, Verdicts
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.model.verdict import Cause

_FORCE = "ingress.kubernetes.io/force-ssl-redirect"
_PROTOCOLS = "konghq.com/protocols"
_REDIRECT = "konghq.com/https-redirect-status-code"
_BACKEND = "konghq.com/protocol"
_SECURED = frozenset({"https", "grpcs", "tls"})
_HOPS = {"http": BackendHop.PLAINTEXT, "grpc": BackendHop.PLAINTEXT, "tcp": BackendHop.PLAINTEXT}


def judge_kong(_: Sources, view: IngressView, host: str) -> Verdicts:
    """One host."""
    plaintext, why = _plaintext(view)
    served = plaintext in (Plaintext.CLOSED, Plaintext.REDIRECTED) or bool(view.tls)
    tls = EntryTls(TlsMode.TERMINATE, certificate=view.certificate(host)) if served else None
    return Verdicts(
        plaintext=plaintext,
        tls=tls,
        client_authentication=ClientAuthentication.INDETERMINATE,
        backend=_HOPS.get((view.annotation(_BACKEND) or "").lower(), BackendHop.INDETERMINATE),
        causes=(why, cause("indeterminate.entry.kong.client")),
    )


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
