"""ingress-nginx: one server a host, shared by all Ingresses that name it (encryption.md 4).

Read in rootfs/etc/nginx/lua (lua_ingress, certificate) and internal/ingress/controller: HTTP is redirected when a
certificate is configured for the host, be it the default one, so `spec.tls` of any Ingress with that host is enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import (
    ANY_HOST,
    DEFAULT_CERTIFICATE,
    IngressView,
    Verdicts,
    parse_bool,
)
from auditor.encryption.entry.sources import Program, Sources
from auditor.encryption.entry.tls_versions import minimum_of
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import KubeObject, mapping_at
from auditor.model.verdict import Cause, Tri

PREFIX = "nginx.ingress.kubernetes.io/"
_CONTROLLER_CLASS = "k8s.io/ingress-nginx"
_CONFIG_NAMES = ("ingress-nginx-controller", "nginx-configuration", "nginx-ingress-controller")
_DEFAULT_PROTOCOLS = "TLSv1.2 TLSv1.3"
_HTTPS_BACKENDS = ("HTTPS", "GRPCS")
_PLAIN_BACKENDS = ("HTTP", "GRPC", "FCGI")
_CLIENT_AUTHENTICATION = {
    "on": ClientAuthentication.REQUIRED,
    "optional": ClientAuthentication.OPTIONAL,
    "optional_no_ca": ClientAuthentication.OPTIONAL,
    "off": ClientAuthentication.NONE,
}
_SNIPPETS = ("server-snippet", "configuration-snippet")
_CONFIG_SNIPPETS = ("server-snippet", "http-snippet", "main-snippet", "location-snippet")
_ALIAS = "server-alias"
_MAX_ALIASES = 1000
_NO_REDIRECT = "no-tls-redirect-locations"
_ACME = "/.well-known/acme-challenge"


def with_aliases(view: IngressView) -> IngressView:
    """The Ingress with the hosts of `server-alias` beside its own, which lead to the same Services."""
    listed = {a.strip() for a in (view.annotation(PREFIX + _ALIAS) or "").split(",")[:_MAX_ALIASES]}
    aliases = sorted(listed - {""} - set(view.hosts))
    if not aliases:
        return view
    refs = tuple(dict.fromkeys(ref for found in view.hosts.values() for ref in found))
    paths = tuple(dict.fromkeys(path for found in view.paths.values() for path in found))
    return replace(
        view,
        hosts={**view.hosts, **dict.fromkeys(aliases, refs)},
        paths={**view.paths, **dict.fromkeys(aliases, paths)},
        aliases=frozenset(aliases),
    )


class Nginx:
    """The servers that ingress-nginx builds from all Ingresses of its classes."""

    def __init__(self, views: Sequence[IngressView]) -> None:
        self._secured: set[str] = set()
        self._certificates: dict[str, str] = {}
        self._clients: dict[str, set[ClientAuthentication | None]] = {}
        for view in views:
            for host in view.hosts:
                if host not in view.aliases:
                    self._take_in(view, host)

    def _take_in(self, view: IngressView, host: str) -> None:
        """What an Ingress sets on the server of a host holds for every Ingress of that host."""
        if view.tls and host != ANY_HOST:
            self._secured.add(host)
        if certificate := view.certificate(host):
            self._certificates.setdefault(host, certificate)
        if view.annotation(PREFIX + "auth-tls-secret"):
            mode = view.annotation(PREFIX + "auth-tls-verify-client") or "on"
            self._clients.setdefault(host, set()).add(_CLIENT_AUTHENTICATION.get(mode))

    def judge(self, sources: Sources, view: IngressView, host: str) -> Verdicts:
        """What the server of the host does with requests for this Ingress."""
        config = _read_config(sources, view)
        plaintext, causes, assumed = self._plaintext(config, view, host)
        snippets = config.sets_tls or any(
            "ssl_" in (view.annotation(PREFIX + name) or "") for name in _SNIPPETS
        )
        if snippets:
            causes = (*causes, cause("entry.nginx.snippet"))
        forced = plaintext is Plaintext.REDIRECTED
        tls, tls_assumed = self._tls(config, view, host, snippets=snippets, forced=forced)
        client, client_causes = self._client_authentication(host)
        backend, backend_causes = _backend(sources, config, view)
        if backend is BackendHop.PASSTHROUGH:
            tls = EntryTls(TlsMode.PASSTHROUGH)
        return Verdicts(
            plaintext=plaintext,
            tls=tls,
            client_authentication=client,
            backend=backend,
            hsts=config.hsts,
            causes=(*causes, *client_causes, *backend_causes),
            assumptions=tuple(dict.fromkeys((*assumed, *tls_assumed))),
            evidence=config.evidence,
        )

    def _plaintext(
        self, config: "_Config", view: IngressView, host: str
    ) -> tuple[Plaintext, tuple[Cause, ...], tuple[Cause, ...]]:
        forced = _first(view.switch(PREFIX + "force-ssl-redirect"), config.switch("force-ssl-redirect"))
        if forced:
            return Plaintext.REDIRECTED, (cause("entry.nginx.forced-redirect"),), ()
        if host in view.aliases and view.tls and not self._is_secured(host):
            return Plaintext.INDETERMINATE, (cause("indeterminate.entry.nginx.alias"),), ()
        if not self._is_secured(host):
            code = "entry.nginx.no-host" if host == ANY_HOST and view.tls else "entry.no-tls"
            return Plaintext.OPEN, (cause(code), *config.unknown), ()
        own = view.switch(PREFIX + "ssl-redirect")
        redirect = _first(own, config.switch("ssl-redirect"), True)
        if not redirect:
            return Plaintext.OPEN, (cause("entry.redirect-switched-off"),), ()
        if excepted := config.not_redirected(view.paths.get(host, ())):
            return Plaintext.OPEN, (cause("entry.nginx.not-redirected", path=excepted),), ()
        assumed = config.unknown
        return Plaintext.REDIRECTED, (cause("entry.redirect-default"),), assumed

    def _is_secured(self, host: str) -> bool:
        wildcard = f"*.{host.partition('.')[2]}"
        return host in self._secured or (not host.startswith("*") and wildcard in self._secured)

    def _tls(
        self, config: "_Config", view: IngressView, host: str, *, snippets: bool, forced: bool
    ) -> tuple[EntryTls | None, tuple[Cause, ...]]:
        if not self._is_secured(host) and not view.tls and not forced:
            return None, ()
        named = self._certificates.get(host)
        minimum = None if snippets else minimum_of(config.text("ssl-protocols") or _DEFAULT_PROTOCOLS)
        ciphers = view.annotation(PREFIX + "ssl-ciphers") or config.text("ssl-ciphers")
        tls = EntryTls(TlsMode.TERMINATE, minimum, named or config.default_certificate, ciphers)
        return tls, config.unknown

    def _client_authentication(self, host: str) -> tuple[ClientAuthentication, tuple[Cause, ...]]:
        """Client authentication belongs to the server; Ingresses that disagree leave it open which of them wins."""
        found = self._clients.get(host, set())
        if not found:
            return ClientAuthentication.NONE, ()
        only = next(iter(found)) if len(found) == 1 else None
        if found == {None}:
            unknown = cause("indeterminate.entry.annotation", annotation=PREFIX + "auth-tls-verify-client")
            return ClientAuthentication.INDETERMINATE, (unknown,)
        if only is None:
            return ClientAuthentication.INDETERMINATE, (cause("indeterminate.entry.nginx.client-differs"),)
        return only, (cause("entry.client-authentication", mode=str(only)),)


class _Config:
    """The controller's ConfigMap. `unknown` says that it is not in the evidence, so that defaults are assumed."""

    def __init__(self, obj: KubeObject | None, program: Program | None, unknown: tuple[Cause, ...]) -> None:
        self._data: Mapping[str, object] = mapping_at(obj.body, "data") if obj else {}
        self.program = program
        self.unknown = unknown
        self.evidence = tuple(entry.evidence_id for entry in (obj, program) if entry is not None)
        given = program.flags.get("default-ssl-certificate") if program else None
        namespace, _, name = (given or "").partition("/")
        self.default_certificate = f"{namespace}/Secret/{name}" if name else DEFAULT_CERTIFICATE
        hsts = _first(self.switch("hsts"), True) and self.text("hsts-max-age") != "0"
        self.sets_tls = any("ssl_" in (self.text(name) or "") for name in _CONFIG_SNIPPETS)
        self.hsts = Tri.UNKNOWN if unknown else Tri.YES if hsts else Tri.NO

    def text(self, key: str) -> str | None:
        """A setting's text, None where it isn't set."""
        value = self._data.get(key)
        return value if isinstance(value, str) and value else None

    def switch(self, key: str) -> bool | None:
        """A setting that is true or false."""
        return parse_bool(self.text(key))

    def not_redirected(self, paths: Sequence[str]) -> str | None:
        """A path that is left out of the redirect, other than that of ACME's challenges; by its beginning."""
        listed = [p.strip() for p in (self.text(_NO_REDIRECT) or "").split(",") if p.strip()]
        barred = [p for p in listed if not p.startswith(_ACME)]
        return next((path[:200] for path in paths if any(path.startswith(p) for p in barred)), None)


def _read_config(sources: Sources, view: IngressView) -> _Config:
    program = _program(sources, view.ingress_class.declared)
    if program is not None:
        place = program.flags.get("configmap", "").replace("$(POD_NAMESPACE)", program.namespace)
        namespace, _, name = place.partition("/")
        if not name:
            return _Config(None, program, ())
        obj, known = sources.config_map(namespace, name)
        unknown = () if known else (cause("entry.nginx.config-assumed", config=place),)
        return _Config(obj, program, unknown)
    candidates = list(_conventional(sources))
    if len(candidates) == 1:
        return _Config(candidates[0], None, ())
    return _Config(None, None, (cause("entry.nginx.config-assumed", config=_CONFIG_NAMES[0]),))


def _program(sources: Sources, declared: str | None) -> Program | None:
    running = sources.programs.get("ingress-nginx", ())
    own = [p for p in running if p.flags.get("controller-class", _CONTROLLER_CLASS) == declared]
    chosen = own or list(running)
    return chosen[0] if chosen and (own or len(chosen) == 1) else None


def _conventional(sources: Sources) -> Iterator[KubeObject]:
    for obj in sources.cluster.all(CONFIG_MAP):
        if obj.name.endswith(_CONFIG_NAMES):
            yield obj


def _backend(sources: Sources, config: _Config, view: IngressView) -> tuple[BackendHop, tuple[Cause, ...]]:
    if view.switch(PREFIX + "ssl-passthrough"):
        flag = (
            parse_bool(config.program.flags.get("enable-ssl-passthrough", "false"))
            if config.program
            else None
        )
        if flag is None:
            return BackendHop.INDETERMINATE, (cause("indeterminate.entry.nginx.passthrough"),)
        if flag:
            return BackendHop.PASSTHROUGH, (cause("entry.passthrough"),)
    protocol = (view.annotation(PREFIX + "backend-protocol") or "HTTP").upper()
    if protocol in _HTTPS_BACKENDS:
        verified = view.annotation(PREFIX + "proxy-ssl-verify") == "on" and view.annotation(
            PREFIX + "proxy-ssl-secret"
        )
        return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED, ()
    if protocol in _PLAIN_BACKENDS:
        return BackendHop.PLAINTEXT, ()
    return BackendHop.INDETERMINATE, (
        cause("indeterminate.entry.annotation", annotation=PREFIX + "backend-protocol"),
    )


def _first(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)
