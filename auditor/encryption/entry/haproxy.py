"""The two HAProxy controllers: haproxytech's and haproxy-ingress by jcmoraisjr (encryption.md 4)."""

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import DEFAULT_CERTIFICATE, IngressView, Verdicts, parse_bool
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import Cause

_TECH = "haproxy.org/"
_COMMUNITY = ("haproxy-ingress.github.io/", "ingress.kubernetes.io/")
_TLS_BACKENDS = ("https", "grpcs", "h1-ssl", "h2-ssl")
_CLIENTS = {
    "on": ClientAuthentication.REQUIRED,
    "optional": ClientAuthentication.OPTIONAL,
    "optional_no_ca": ClientAuthentication.OPTIONAL,
    "off": ClientAuthentication.NONE,
}


def judge_haproxytech(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """haproxytech's controller redirects by itself once `spec.tls` is set; client authentication is set in its ConfigMap."""
    config, unknown = _config(sources, "haproxytech", "haproxytech/kubernetes-ingress")
    own = view.switch(_TECH + "ssl-redirect")
    set_ = own if own is not None else parse_bool(text_at(config, "ssl-redirect"))
    redirect = set_ if set_ is not None else bool(view.tls)
    plaintext, code = _plaintext(redirect, bool(view.tls))
    assumed = unknown if own is None and plaintext is Plaintext.REDIRECTED else ()
    client, client_assumed = _tech_client(config, unknown)
    tls = EntryTls(TlsMode.TERMINATE, certificate=view.certificate(host) or DEFAULT_CERTIFICATE)
    encrypted = view.switch(_TECH + "server-ssl")
    verified = view.annotation(_TECH + "server-ca")
    return Verdicts(
        plaintext=plaintext,
        tls=tls if view.tls or redirect else None,
        client_authentication=client,
        backend=_hop(bool(encrypted), bool(verified)),
        causes=(cause(code),),
        assumptions=tuple(dict.fromkeys((*assumed, *(client_assumed if view.tls else ())))),
    )


def judge_haproxy_ingress(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """haproxy-ingress redirects hosts with TLS unless `ssl-redirect` is false."""
    config, unknown = _config(sources, "haproxy-ingress", "haproxy-ingress")
    own = parse_bool(_annotation(view, "ssl-redirect"))
    set_ = own if own is not None else parse_bool(text_at(config, "ssl-redirect"))
    redirect = bool(view.tls) and set_ is not False
    plaintext, code = _plaintext(redirect, bool(view.tls))
    client = ClientAuthentication.NONE
    if _annotation(view, "auth-tls-secret"):
        mode = _annotation(view, "auth-tls-verify-client") or "on"
        client = _CLIENTS.get(mode, ClientAuthentication.INDETERMINATE)
    protocol = (_annotation(view, "backend-protocol") or "").lower()
    encrypted = protocol in _TLS_BACKENDS or parse_bool(_annotation(view, "secure-backends")) is True
    tls = EntryTls(TlsMode.TERMINATE, certificate=view.certificate(host) or DEFAULT_CERTIFICATE)
    return Verdicts(
        plaintext=plaintext,
        tls=tls if view.tls else None,
        client_authentication=client,
        backend=_hop(encrypted, bool(_annotation(view, "secure-verify-ca-secret"))),
        causes=(cause(code),),
        assumptions=unknown if own is None and plaintext is Plaintext.REDIRECTED else (),
    )


def _plaintext(redirect: bool, secured: bool) -> tuple[Plaintext, str]:
    if redirect:
        return Plaintext.REDIRECTED, "entry.redirect-default"
    return Plaintext.OPEN, "entry.redirect-switched-off" if secured else "entry.no-tls"


def _tech_client(
    config: object, unknown: tuple[Cause, ...]
) -> tuple[ClientAuthentication, tuple[Cause, ...]]:
    """`client-ca` in the ConfigMap, `client-crt-optional` beside it."""
    if text_at(config, "client-ca"):
        optional = parse_bool(text_at(config, "client-crt-optional")) is True
        return ClientAuthentication.OPTIONAL if optional else ClientAuthentication.REQUIRED, ()
    return ClientAuthentication.NONE, unknown


def _hop(encrypted: bool, verified: bool) -> BackendHop:
    if not encrypted:
        return BackendHop.PLAINTEXT
    return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED


def _annotation(view: IngressView, name: str) -> str | None:
    return next((value for prefix in _COMMUNITY if (value := view.annotation(prefix + name))), None)


def _config(sources: Sources, program: str, shown: str) -> tuple[object, tuple[Cause, ...]]:
    """The data of the controller's ConfigMap, and the assumption to state where it is not in the evidence."""
    places = {
        p.flags.get("configmap", "").replace("$(POD_NAMESPACE)", p.namespace)
        for p in sources.programs.get(program, ())
    }
    place = places.pop() if len(places) == 1 else None
    if place == "":
        return {}, ()
    obj: KubeObject | None = None
    if place is not None:
        namespace, _, name = place.partition("/")
        obj, known = sources.config_map(namespace, name)
        if known:
            return mapping_at(obj.body, "data") if obj else {}, ()
    return {}, (cause("entry.config-assumed", controller=shown),)
