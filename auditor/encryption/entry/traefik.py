"""Traefik: a router answers on its entry points, each of them plain or TLS (encryption.md 4).

Read in pkg/server/aggregator.go (applyModel): an entry point's TLS goes to routers that bring none, a router's own
replaces it whole; a TLS router answers no plain HTTP. `spec.tls` of an Ingress only loads certificates.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import DEFAULT_CERTIFICATE, IngressView, Verdicts
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.tls_versions import version_of
from auditor.encryption.entry.traefik_static import TraefikEntry, TraefikStatic
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri, all_of

MIDDLEWARE = KindKey("traefik.io", "Middleware")
TLS_OPTION = KindKey("traefik.io", "TLSOption")
SERVERS_TRANSPORT = KindKey("traefik.io", "ServersTransport")
ROUTER = "traefik.ingress.kubernetes.io/router."
SERVICE_PREFIX = "traefik.ingress.kubernetes.io/service."
_MAX_CHAIN = 20
_MAJOR = re.compile(r"3(\.|$)")
_REQUIRED = ("RequireAndVerifyClientCert",)
_OPTIONAL = ("VerifyClientCertIfGiven", "RequestClientCert", "RequireAnyClientCert")

Names = Sequence[str]
"""Objects as Traefik itself names them, `namespace-name`; one of another provider keeps its `@provider`."""


@dataclass(frozen=True, slots=True)
class Router:
    """A router, from an Ingress or an IngressRoute. `secured`: it brings TLS of its own. `entries` empty: the defaults."""

    entries: tuple[str, ...]
    secured: bool
    options: str | None
    middlewares: Names
    certificate: str | None


@dataclass(frozen=True, slots=True)
class RouterVerdict:
    """What a router serves: over all its entry points together."""

    plaintext: Plaintext
    tls: EntryTls | None
    client_authentication: ClientAuthentication
    causes: tuple[Cause, ...]
    evidence: tuple[str, ...]
    port: int | None
    hsts: Tri = Tri.UNKNOWN


class Traefik:
    """Traefik's routers over one static configuration."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._names: dict[KindKey, dict[str, list[KubeObject]]] = {}
        self.static = TraefikStatic(sources)

    def judge(self, sources: Sources, view: IngressView, host: str) -> Verdicts:
        """One host of an Ingress."""
        found = self.router(_ingress_router(view, host))
        backend = self._ingress_backend(view, host)
        causes = found.causes
        if view.tls and found.tls is None:
            causes = (*causes, cause("entry.traefik.only-certificates"))
        return Verdicts(
            plaintext=found.plaintext,
            tls=found.tls,
            client_authentication=found.client_authentication,
            backend=backend,
            hsts=found.hsts,
            causes=causes,
            evidence=found.evidence,
            port=found.port,
        )

    def router(self, router: Router) -> RouterVerdict:
        """What a router serves on its entry points."""
        if not self.static.known:
            return self._without_entries(router)
        entries = self._entries(router)
        if not entries:
            return self._result(
                router, Plaintext.CLOSED, None, (cause("entry.traefik.no-entry-point"),), None
            )
        secured = [e for e in entries if router.secured or e.secured]
        plain = [e for e in entries if e not in secured]
        plaintext, causes, evidence = self._plain(plain, router)
        port = next((e.outside or e.port for e in secured or plain), None)
        return self._result(router, plaintext, secured, causes, port, evidence)

    def _entries(self, router: Router) -> list[TraefikEntry]:
        named = [e for name in router.entries if (e := self.static.entries.get(name.lower())) is not None]
        found = named if router.entries else self.static.default_entries
        return [entry for entry in found if self.static.is_published(entry)]

    def _without_entries(self, router: Router) -> RouterVerdict:
        """Without the static configuration: a TLS router answers no plain HTTP, of others nothing can be told."""
        if router.secured:
            return self._result(router, Plaintext.CLOSED, [], (cause("entry.traefik.router-tls"),), None)
        unknown = (cause("indeterminate.entry.traefik.static-unknown"),)
        indeterminate = EntryTls(TlsMode.INDETERMINATE)
        client = ClientAuthentication.INDETERMINATE
        return RouterVerdict(Plaintext.INDETERMINATE, indeterminate, client, unknown, (), None)

    def _plain(
        self, plain: Sequence[TraefikEntry], router: Router
    ) -> tuple[Plaintext, tuple[Cause, ...], tuple[str, ...]]:
        if not plain:
            return Plaintext.CLOSED, (cause("entry.traefik.router-tls"),), ()
        serving = [entry for entry in plain if entry.redirects is not Tri.YES]
        if not serving:
            return Plaintext.REDIRECTED, (cause("entry.traefik.entry-redirects", entry=plain[0].name),), ()
        unsure = [entry for entry in serving if entry.redirects is Tri.UNKNOWN]
        if len(unsure) == len(serving):
            code = "indeterminate.entry.traefik.redirect-priority"
            return Plaintext.INDETERMINATE, (cause(code, entry=unsure[0].name),), ()
        redirects, evidence = self._all_redirect(serving, router)
        if redirects is Tri.YES:
            return Plaintext.REDIRECTED, (cause("entry.traefik.middleware-redirects"),), evidence
        if redirects is Tri.UNKNOWN:
            unknown = (cause("indeterminate.entry.traefik.middleware-unknown"),)
            return Plaintext.INDETERMINATE, unknown, evidence
        return Plaintext.OPEN, (cause("entry.traefik.plain-entry", entry=serving[0].name),), evidence

    def _all_redirect(self, serving: Sequence[TraefikEntry], router: Router) -> tuple[Tri, tuple[str, ...]]:
        """Whether each plain entry point has a middleware, its own or the router's, that redirects."""
        found = [
            self._middlewares_redirect([*map(_crd_name, entry.middlewares), *router.middlewares])
            for entry in serving
            if entry.redirects is Tri.NO
        ]
        return all_of(answer for answer, _ in found), tuple(
            dict.fromkeys(e for _, read in found for e in read)
        )

    def _hsts(self, names: Names) -> Tri:
        """Whether a middleware adds Strict-Transport-Security; chains are not followed, so no is never said."""
        for name in names:
            obj = self.named(MIDDLEWARE, name)
            seconds = mapping_at(obj.spec, "headers").get("stsSeconds") if obj else None
            if isinstance(seconds, int) and seconds > 0:
                return Tri.YES
        return Tri.UNKNOWN if names else Tri.NO

    def _result(
        self,
        router: Router,
        plaintext: Plaintext,
        secured: Sequence[TraefikEntry] | None,
        causes: tuple[Cause, ...],
        port: int | None,
        evidence: tuple[str, ...] = (),
    ) -> RouterVerdict:
        if not secured and not router.secured:
            read = (*evidence, *self.static.evidence)
            return RouterVerdict(plaintext, None, ClientAuthentication.NONE, causes, read, port, Tri.NO)
        options = router.options
        inherited = next((e.options for e in secured or () if e.options), None)
        if options is None and not router.secured and inherited:
            options = _crd_name(inherited)
        option, known = self._tls_option(options)
        client = _client_authentication(option) if known else ClientAuthentication.INDETERMINATE
        if not known:
            causes = (*causes, cause("indeterminate.entry.traefik.tls-options"))
        minimum = text_at(option.spec, "minVersion") if option else None
        version = version_of(minimum) if minimum else self._default_minimum if known else None
        if version is None and known:
            causes = (*causes, cause("indeterminate.entry.default-version"))
        certificate = router.certificate or DEFAULT_CERTIFICATE
        ciphers = (
            ", ".join(c for c in list_at(option.spec, "cipherSuites") if isinstance(c, str)) if option else ""
        )
        tls = EntryTls(TlsMode.TERMINATE, version, certificate, ciphers or None)
        read = (*evidence, *self.static.evidence, *((option.evidence_id,) if option else ()))
        middlewares = [*(_crd_name(m) for e in secured or () for m in e.middlewares), *router.middlewares]
        return RouterVerdict(plaintext, tls, client, causes, read, port, self._hsts(middlewares))

    @property
    def _default_minimum(self) -> str | None:
        """Traefik 3 sets TLS 1.2 itself (pkg/tls/tlsmanager.go, DefaultTLSOptions); of 2 it depends on the patch release."""
        return "1.2" if _MAJOR.match(self.static.version) else None

    def _middlewares_redirect(self, names: Names, depth: int = 0) -> tuple[Tri, tuple[str, ...]]:
        """Whether one of the middlewares sends plain requests to HTTPS, chains included."""
        answers, evidence = [Tri.NO], []
        for name in names:
            obj = self.named(MIDDLEWARE, name)
            if obj is None or depth > _MAX_CHAIN:
                answers.append(Tri.UNKNOWN)
                continue
            evidence.append(obj.evidence_id)
            chained = references(mappings_at(obj.spec, "chain", "middlewares"), obj.namespace)
            inner, read = self._middlewares_redirect(chained, depth + 1)
            evidence.extend(read)
            answers += [inner, _redirects(obj)]
        redirect = Tri.YES if Tri.YES in answers else Tri.UNKNOWN if Tri.UNKNOWN in answers else Tri.NO
        return redirect, tuple(evidence)

    def named(self, key: KindKey, name: str) -> KubeObject | None:
        """The object that Traefik calls `namespace-name`; None where none, or more than one, has that name."""
        if key not in self._names:
            index: dict[str, list[KubeObject]] = {}
            for obj in self._sources.cluster.all(key):
                index.setdefault(f"{obj.namespace}-{obj.name}", []).append(obj)
            self._names[key] = index
        found = self._names[key].get(name, [])
        return found[0] if len(found) == 1 else None

    def _tls_option(self, named: str | None) -> tuple[KubeObject | None, bool]:
        """The TLSOption that holds, and whether it is known: without a name the one called `default`, if any."""
        if named is not None:
            obj = self.named(TLS_OPTION, named)
            return obj, obj is not None
        defaults = [o for o in self._sources.cluster.all(TLS_OPTION) if o.name == "default"]
        if len(defaults) == 1:
            return defaults[0], True
        return None, not defaults

    def _ingress_backend(self, view: IngressView, host: str) -> BackendHop:
        hops = []
        for ref in view.hosts[host]:
            service = self._sources.cluster.get(SERVICE, view.obj.namespace, ref.name)
            annotations = service.annotations if service else {}
            transport = annotations.get(SERVICE_PREFIX + "serverstransport")
            scheme = annotations.get(SERVICE_PREFIX + "serversscheme")
            hops.append(
                self.service_hop(service, ref.port, scheme, _crd_name(transport) if transport else None)
            )
        return weakest_hop(hops)

    def service_hop(
        self, service: KubeObject | None, port: object, scheme: str | None, transport: str | None
    ) -> BackendHop:
        """The hop to one Service: HTTPS by scheme, by port 443, or by a port name that begins with https."""
        if not ((scheme or "").lower() == "https" or (not scheme and _is_https(service, port))):
            return BackendHop.PLAINTEXT
        if transport is not None:
            obj = self.named(SERVERS_TRANSPORT, transport)
            verified = obj is not None and obj.spec.get("insecureSkipVerify") is not True
        else:
            verified = self.static.known and self.static.verifies_backends
        return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED


_STRENGTH = (
    BackendHop.PLAINTEXT,
    BackendHop.INDETERMINATE,
    BackendHop.ENCRYPTED,
    BackendHop.MESH,
    BackendHop.VERIFIED,
    BackendHop.PASSTHROUGH,
)


def weakest_hop(hops: Iterable[BackendHop]) -> BackendHop:
    """The weakest of several hops; plaintext where there is none, as that is what every controller starts from."""
    return min(hops, key=_STRENGTH.index, default=BackendHop.PLAINTEXT)


def _is_https(service: KubeObject | None, port: object) -> bool:
    if port == 443:
        return True
    if isinstance(port, str) and port.startswith("https"):
        return True
    entries = mappings_at(service.body, "spec", "ports") if service else []
    found = [e for e in entries if port in (e.get("port"), e.get("name"))]
    return any(e.get("port") == 443 or (text_at(e, "name") or "").startswith("https") for e in found)


def _ingress_router(view: IngressView, host: str) -> Router:
    listed = view.annotation(ROUTER + "entrypoints") or ""
    annotations = view.obj.annotations
    inner = any(name.startswith(ROUTER + "tls.") and value for name, value in annotations.items())
    options = view.annotation(ROUTER + "tls.options")
    middlewares = view.annotation(ROUTER + "middlewares") or ""
    resolver = view.annotation(ROUTER + "tls.certresolver")
    return Router(
        entries=tuple(name.strip() for name in listed.split(",") if name.strip()),
        secured=view.switch(ROUTER + "tls") is True or inner,
        options=_crd_name(options) if options else None,
        middlewares=[_crd_name(entry) for entry in middlewares.split(",") if entry.strip()],
        certificate=view.certificate(host) or (f"certificate resolver {resolver}" if resolver else None),
    )


def references(entries: Iterable[JsonObject], namespace: str) -> list[str]:
    """`{name, namespace}` references of a CRD as Traefik's own names."""
    return [f"{text_at(e, 'namespace') or namespace}-{text_at(e, 'name') or ''}" for e in entries]


def _crd_name(text: str) -> str:
    return text.strip().removesuffix("@kubernetescrd")


def _redirects(middleware: KubeObject) -> Tri:
    scheme = mapping_at(middleware.spec, "redirectScheme")
    if scheme:
        return Tri.YES if (text_at(scheme, "scheme") or "").lower() == "https" else Tri.NO
    return Tri.UNKNOWN if "redirectRegex" in middleware.spec else Tri.NO


def _client_authentication(option: KubeObject | None) -> ClientAuthentication:
    mode = text_at(option.spec, "clientAuth", "clientAuthType") if option else None
    if mode in _REQUIRED:
        return ClientAuthentication.REQUIRED
    if mode in _OPTIONAL:
        return ClientAuthentication.OPTIONAL
    none = mode in (None, "", "NoClientCert")
    return ClientAuthentication.NONE if none else ClientAuthentication.INDETERMINATE
