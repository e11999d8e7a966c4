"""The two HAProxy controllers: haproxytech's and haproxy-ingress by jcmoraisjr (encryption.md 4).

Read in haproxytech's documentation/annotations.md (values of a Service come before those of its Ingress, these before the
ConfigMap's) and in haproxy-ingress' docs/configuration/keys.md (TLS for the hosts that `spec.tls` lists, since v0.13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import (
    DEFAULT_CERTIFICATE,
    IngressView,
    Verdicts,
    parse_bool,
    services_behind,
)
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry.tls_versions import minimum_of_haproxy
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import Cause, Tri

_TECH = "haproxy.org/"
_COMMUNITY = ("haproxy-ingress.github.io/", "ingress.kubernetes.io/")
_TLS_BACKENDS = ("https", "grpcs", "h1-ssl", "h2-ssl")
_COMMUNITY_OPTIONS = "no-sslv3 no-tlsv10 no-tlsv11 no-tls-tickets"
_TECH_SNIPPET = "global-config-snippet"
_BIND_OPTIONS = "ssl-default-bind-options"
_ACME = "/.well-known/acme-challenge"
_CLIENTS = {
    "on": ClientAuthentication.REQUIRED,
    "optional": ClientAuthentication.OPTIONAL,
    "optional_no_ca": ClientAuthentication.OPTIONAL,
    "off": ClientAuthentication.NONE,
}


@dataclass(frozen=True, slots=True)
class _Config:
    """The data of a controller's ConfigMap. `unknown`: the assumption to state where it is not in the evidence."""

    data: Mapping[str, object]
    unknown: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()

    def text(self, key: str) -> str | None:
        """A setting's text, None where it isn't set."""
        return text_at(self.data, key) or None


def judge_haproxytech(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """haproxytech's controller redirects by itself once `spec.tls` is set; client authentication is set in its ConfigMap."""
    config = _config(sources, "haproxytech", "haproxytech/kubernetes-ingress")
    own = view.switch(_TECH + "ssl-redirect")
    set_ = own if own is not None else parse_bool(config.text("ssl-redirect"))
    secured = bool(view.tls)
    redirect = set_ if set_ is not None else secured
    served = secured or redirect or config.text("ssl-certificate") is not None
    passed_on = _tech_switch(config, view, "ssl-passthrough") is True
    plaintext, code = _plaintext(redirect, served)
    client, client_assumed = _tech_client(config)
    minimum = _tech_minimum(config)
    causes = [cause("entry.passthrough")] if passed_on else [cause(code)]
    if passed_on:
        plaintext, client = Plaintext.CLOSED, ClientAuthentication.INDETERMINATE
    elif served and minimum is None:
        causes.append(cause("indeterminate.entry.default-version"))
    tls = EntryTls(TlsMode.TERMINATE, minimum, view.certificate(host) or DEFAULT_CERTIFICATE)
    assumed = config.unknown if own is None and plaintext is Plaintext.REDIRECTED else ()
    return Verdicts(
        plaintext=plaintext,
        tls=EntryTls(TlsMode.PASSTHROUGH) if passed_on else tls if served else None,
        client_authentication=client,
        backend=BackendHop.PASSTHROUGH if passed_on else _tech_hop(sources, config, view, host),
        causes=tuple(causes),
        assumptions=tuple(dict.fromkeys((*assumed, *(client_assumed if served else ())))),
        evidence=config.evidence,
    )


class HaproxyIngress:
    """haproxy-ingress: TLS belongs to a host, whichever of its Ingresses lists it in `spec.tls`."""

    def __init__(self, views: Sequence[IngressView]) -> None:
        self._listed: set[str] = set()
        for view in views:
            for hosts, _ in view.tls:
                self._listed.update(hosts or view.hosts)

    def judge(self, sources: Sources, view: IngressView, host: str) -> Verdicts:
        """One host: redirected unless `ssl-redirect` is false."""
        return _judge_community(sources, view, host, listed=host in self._listed)


def _judge_community(sources: Sources, view: IngressView, host: str, *, listed: bool) -> Verdicts:
    config = _config(sources, "haproxy-ingress", "haproxy-ingress")
    if parse_bool(_annotation(view, "ssl-passthrough")):
        return _community_passthrough(view, config)
    always = parse_bool(_setting(view, config, "ssl-always-add-https")) is True
    secured = always or listed
    plaintext, why = _community_plaintext(config, view, host, secured=secured, listed=listed)
    options = _annotation(view, "ssl-options-host") or config.text("ssl-options") or _COMMUNITY_OPTIONS
    ciphers = _setting(view, config, "ssl-ciphers")
    certificate = view.certificate(host) or DEFAULT_CERTIFICATE
    tls = EntryTls(TlsMode.TERMINATE, minimum_of_haproxy(options), certificate, ciphers)
    protocol = (_setting(view, config, "backend-protocol") or "").lower()
    encrypted = protocol in _TLS_BACKENDS or parse_bool(_setting(view, config, "secure-backends")) is True
    verified = _setting(view, config, "secure-verify-ca-secret")
    return Verdicts(
        plaintext=plaintext,
        tls=tls if secured else None,
        client_authentication=_community_client(config, view) if secured else ClientAuthentication.NONE,
        backend=_hop(encrypted, bool(verified)),
        hsts=_community_hsts(config, view) if secured else Tri.NO,
        causes=(why,),
        assumptions=config.unknown if secured else (),
        evidence=config.evidence,
    )


def _community_plaintext(
    config: _Config, view: IngressView, host: str, *, secured: bool, listed: bool
) -> tuple[Plaintext, Cause]:
    if not secured:
        return Plaintext.OPEN, cause("entry.haproxy.host-not-listed" if view.tls else "entry.no-tls")
    follows = listed or parse_bool(_setting(view, config, "ssl-always-follow-redirect")) is not False
    if parse_bool(_setting(view, config, "ssl-redirect")) is False or not follows:
        return Plaintext.OPEN, cause("entry.redirect-switched-off")
    excepted = [
        p.strip() for p in (config.text("no-tls-redirect-locations") or _ACME).split(",") if p.strip()
    ]
    barred = [p for p in excepted if not p.startswith(_ACME)]
    open_path = next((p for p in view.paths.get(host, ()) if any(p.startswith(b) for b in barred)), None)
    if open_path is not None:
        return Plaintext.OPEN, cause("entry.nginx.not-redirected", path=open_path[:200])
    return Plaintext.REDIRECTED, cause("entry.redirect-default")


def _community_passthrough(view: IngressView, config: _Config) -> Verdicts:
    """The HTTP port redirects, unless the backend has a plain port of its own for it, or paths beside the root."""
    plain = _annotation(view, "ssl-passthrough-http-port")
    deeper = any(path != "/" for paths in view.paths.values() for path in paths)
    return Verdicts(
        plaintext=Plaintext.OPEN if plain or deeper else Plaintext.REDIRECTED,
        tls=EntryTls(TlsMode.PASSTHROUGH),
        client_authentication=ClientAuthentication.INDETERMINATE,
        backend=BackendHop.PASSTHROUGH,
        causes=(
            cause("entry.passthrough"),
            *((cause("entry.haproxy.passthrough-plain"),) if plain or deeper else ()),
        ),
        evidence=config.evidence,
    )


def _community_client(config: _Config, view: IngressView) -> ClientAuthentication:
    if not _setting(view, config, "auth-tls-secret"):
        return ClientAuthentication.NONE
    mode = _setting(view, config, "auth-tls-verify-client") or "on"
    return _CLIENTS.get(mode, ClientAuthentication.INDETERMINATE)


def _community_hsts(config: _Config, view: IngressView) -> Tri:
    """On by default, for 15768000 seconds."""
    off = parse_bool(_setting(view, config, "hsts")) is False or _setting(view, config, "hsts-max-age") == "0"
    return Tri.NO if off else Tri.UNKNOWN if config.unknown else Tri.YES


def _plaintext(redirect: bool, secured: bool) -> tuple[Plaintext, str]:
    if redirect:
        return Plaintext.REDIRECTED, "entry.redirect-default"
    return Plaintext.OPEN, "entry.redirect-switched-off" if secured else "entry.no-tls"


def _tech_minimum(config: _Config) -> str | None:
    """The bind options of a snippet; without one the controller's own template decides, which differs by release."""
    for line in (config.text(_TECH_SNIPPET) or "").splitlines():
        name, _, options = line.strip().partition(" ")
        if name == _BIND_OPTIONS:
            return minimum_of_haproxy(options)
    return None


def _tech_client(config: _Config) -> tuple[ClientAuthentication, tuple[Cause, ...]]:
    """`client-ca` in the ConfigMap, `client-crt-optional` beside it."""
    if config.text("client-ca"):
        optional = parse_bool(config.text("client-crt-optional")) is True
        return ClientAuthentication.OPTIONAL if optional else ClientAuthentication.REQUIRED, ()
    return ClientAuthentication.NONE, config.unknown


def _tech_switch(config: _Config, view: IngressView, name: str) -> bool | None:
    own = view.switch(_TECH + name)
    return own if own is not None else parse_bool(config.text(name))


def _tech_hop(sources: Sources, config: _Config, view: IngressView, host: str) -> BackendHop:
    hops = []
    services = services_behind(sources, view, host)
    for annotations in [service.annotations for service in services] or [{}]:
        given = (
            parse_bool(annotations.get(_TECH + "server-ssl")),
            view.switch(_TECH + "server-ssl"),
            parse_bool(config.text("server-ssl")),
        )
        encrypted = next((value for value in given if value is not None), False)
        verified = (
            annotations.get(_TECH + "server-ca")
            or view.annotation(_TECH + "server-ca")
            or config.text("server-ca")
        )
        hops.append(_hop(encrypted, bool(verified)))
    return weakest_hop(hops)


def _hop(encrypted: bool, verified: bool) -> BackendHop:
    if not encrypted:
        return BackendHop.PLAINTEXT
    return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED


def _annotation(view: IngressView, name: str) -> str | None:
    return next((value for prefix in _COMMUNITY if (value := view.annotation(prefix + name))), None)


def _setting(view: IngressView, config: _Config, name: str) -> str | None:
    return _annotation(view, name) or config.text(name)


def _config(sources: Sources, program: str, shown: str) -> _Config:
    places = {
        p.flags.get("configmap", "").replace("$(POD_NAMESPACE)", p.namespace)
        for p in sources.programs.get(program, ())
    }
    place = places.pop() if len(places) == 1 else None
    if place == "":
        return _Config({})
    obj: KubeObject | None = None
    if place is not None:
        namespace, _, name = place.partition("/")
        obj, known = sources.config_map(namespace, name)
        if known:
            return _Config(mapping_at(obj.body, "data") if obj else {}, (), evidence_of(obj))
    return _Config({}, (cause("entry.config-assumed", controller=shown),))
