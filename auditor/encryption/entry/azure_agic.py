"""Azure Application Gateway Ingress Controller: no redirect unless it is asked for (encryption.md 4)."""

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

PREFIX = "appgw.ingress.kubernetes.io/"


def judge_agic(_: Sources, view: IngressView, host: str) -> Verdicts:
    """One host. An SSL profile or policy of the gateway itself is not in the cluster."""
    certificate = view.certificate(host) or view.annotation(PREFIX + "appgw-ssl-certificate")
    secured = bool(view.tls) or certificate is not None
    profile = view.annotation(PREFIX + "appgw-ssl-profile")
    if not secured:
        plaintext, code = Plaintext.OPEN, "entry.no-tls"
    elif view.switch(PREFIX + "ssl-redirect"):
        plaintext, code = Plaintext.REDIRECTED, "entry.redirect-set"
    else:
        plaintext, code = Plaintext.OPEN, "entry.http-beside-https"
    causes = [cause(code)]
    if secured:
        causes.append(
            cause("indeterminate.entry.policy-outside", policy=(profile or "the gateway's own")[:80])
        )
    if profile and secured:
        causes.append(cause("indeterminate.entry.agic.profile", profile=profile[:80]))
    return Verdicts(
        plaintext=plaintext,
        tls=EntryTls(TlsMode.TERMINATE, None, certificate, profile) if secured else None,
        client_authentication=ClientAuthentication.INDETERMINATE
        if profile and secured
        else ClientAuthentication.NONE,
        backend=_backend(view),
        causes=tuple(causes),
    )


def _backend(view: IngressView) -> BackendHop:
    if (view.annotation(PREFIX + "backend-protocol") or "http").lower() != "https":
        return BackendHop.PLAINTEXT
    verified = view.annotation(PREFIX + "appgw-trusted-root-certificate")
    return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED
