"""Contour: Ingress, and its own HTTPProxy (encryption.md 4)."""

from collections.abc import Iterator, Mapping

from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.ingress import IngressView, Verdicts
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry.tls_versions import ORDER, version_of
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import CONFIG_MAP, SERVICE, KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

HTTP_PROXY = KindKey("projectcontour.io", "HTTPProxy")
_FORCE = "ingress.kubernetes.io/force-ssl-redirect"
_ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
_MINIMUM = "projectcontour.io/tls-minimum-protocol-version"
_UPSTREAM = ("projectcontour.io/upstream-protocol.tls", "projectcontour.io/upstream-protocol.h2")
_LOWEST = "1.2"
_MAX_INCLUDES = 200


def judge_contour(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """One host of an Ingress: plain HTTP stays beside HTTPS unless told otherwise."""
    if view.switch(_ALLOW_HTTP) is False:
        plaintext, code = Plaintext.CLOSED, "entry.http-disallowed"
    elif view.tls and view.switch(_FORCE):
        plaintext, code = Plaintext.REDIRECTED, "entry.redirect-set"
    else:
        plaintext, code = Plaintext.OPEN, "entry.http-beside-https" if view.tls else "entry.no-tls"
    config = _Config(sources)
    minimum = config.minimum(view.annotation(_MINIMUM))
    tls = EntryTls(TlsMode.TERMINATE, minimum, view.certificate(host), config.ciphers)
    return Verdicts(
        plaintext=plaintext,
        tls=tls if view.tls else None,
        client_authentication=ClientAuthentication.NONE,
        backend=_ingress_backend(sources, view, host),
        hsts=Tri.NO,
        causes=(cause(code),),
        evidence=config.evidence,
    )


def http_proxies(sources: Sources) -> Iterator[EntryPoint]:
    """One row a root HTTPProxy: those with a virtual host."""
    config = _Config(sources)
    for proxy in sources.cluster.all(HTTP_PROXY):
        virtual_host = proxy.spec.get("virtualhost")
        if isinstance(virtual_host, Mapping):
            yield _row(sources, config, proxy, virtual_host)


class _Config:
    """Contour's configuration file, in the ConfigMap `contour`. A version that is set for a host counts if it is higher.

    Contour offers TLS 1.2 and 1.3; 1.2 is the default and what any other value means (site/content/docs, configuration).
    """

    def __init__(self, sources: Sources) -> None:
        found = [o for o in sources.cluster.all(CONFIG_MAP) if "contour.yaml" in mapping_at(o.body, "data")]
        only = found[0] if len(found) == 1 else None
        data = mapping_at(only.body, "data").get("contour.yaml") if only else None
        settings = mapping_at(read_mapping(data) or {}, "tls")
        wanted = settings.get("minimum-protocol-version")
        self._minimum = _contour_version(str(wanted)) if wanted is not None else _LOWEST
        listed = [c for c in list_at(settings, "cipher-suites") if isinstance(c, str)]
        self.ciphers = ", ".join(listed) or None
        self.evidence = (only.evidence_id,) if only else ()

    def minimum(self, own: str | None) -> str:
        """The version that holds for a host which asks for its own."""
        return max(self._minimum, _contour_version(own) if own else _LOWEST, key=ORDER.index)


def _contour_version(text: str) -> str:
    return "1.3" if version_of(text) == "1.3" else _LOWEST


def _row(sources: Sources, config: _Config, proxy: KubeObject, virtual_host: JsonObject) -> EntryPoint:
    parts, complete = _included(sources, proxy)
    routes = [(part, route) for part in parts for route in mappings_at(part.spec, "routes")]
    tls = virtual_host.get("tls")
    settings = mapping_at(virtual_host, "tls")
    passthrough = isinstance(tls, Mapping) and settings.get("passthrough") is True
    plaintext, why = _plaintext(proxy, routes, secured=isinstance(tls, Mapping), complete=complete)
    return EntryPoint(
        object=str(proxy.id),
        namespace=proxy.namespace,
        kind=proxy.id.kind,
        controller="contour",
        host=text_at(virtual_host, "fqdn") or "*",
        listener="",
        port=443 if isinstance(tls, Mapping) else 80,
        protocol="TCP",
        plaintext=plaintext,
        tls=_tls(config, proxy, settings, passthrough=passthrough) if isinstance(tls, Mapping) else None,
        client_authentication=ClientAuthentication.INDETERMINATE if passthrough else _client(settings),
        backend=BackendHop.PASSTHROUGH if passthrough else _backend(sources, parts, routes),
        hsts=_hsts(virtual_host, routes) if isinstance(tls, Mapping) else Tri.NO,
        causes=(why,),
        evidence=tuple(dict.fromkeys((*evidence_of(*parts), *config.evidence))),
        destinations=tuple(dict.fromkeys(_destinations(sources, parts, routes))),
    )


def _plaintext(
    proxy: KubeObject, routes: list[tuple[KubeObject, JsonObject]], *, secured: bool, complete: bool
) -> tuple[Plaintext, Cause]:
    if not secured:
        return Plaintext.OPEN, cause("entry.no-tls")
    if any(route.get("permitInsecure") is True for _, route in routes):
        return Plaintext.OPEN, cause("entry.contour.permit-insecure")
    if isinstance(proxy.spec.get("tcpproxy"), Mapping):
        return Plaintext.CLOSED, cause("entry.contour.tcp-proxy")
    if not complete:
        return Plaintext.INDETERMINATE, cause("indeterminate.entry.contour.include")
    return Plaintext.REDIRECTED, cause("entry.redirect-default")


def _hsts(virtual_host: JsonObject, routes: list[tuple[KubeObject, JsonObject]]) -> Tri:
    """Strict-Transport-Security that is set for the host or for all routes; set for some only counts as not set."""
    if _sets_hsts(virtual_host):
        return Tri.YES
    return Tri.YES if routes and all(_sets_hsts(route) for _, route in routes) else Tri.NO


def _sets_hsts(holder: JsonObject) -> bool:
    headers = mappings_at(holder, "responseHeadersPolicy", "set")
    return any((text_at(h, "name") or "").lower() == "strict-transport-security" for h in headers)


def _tls(config: _Config, proxy: KubeObject, settings: JsonObject, *, passthrough: bool) -> EntryTls:
    if passthrough:
        return EntryTls(TlsMode.PASSTHROUGH)
    minimum = config.minimum(text_at(settings, "minimumProtocolVersion"))
    secret = text_at(settings, "secretName")
    place = secret if secret and "/" in secret else f"{proxy.namespace}/{secret}"
    certificate = place.replace("/", "/Secret/", 1) if secret else None
    return EntryTls(TlsMode.TERMINATE, minimum, certificate, config.ciphers)


def _client(settings: JsonObject) -> ClientAuthentication:
    validation = settings.get("clientValidation")
    if not isinstance(validation, Mapping):
        return ClientAuthentication.NONE
    lax = any(validation.get(k) is True for k in ("skipClientCertValidation", "optionalClientCertificate"))
    fallback = settings.get("enableFallbackCertificate") is True
    return ClientAuthentication.OPTIONAL if lax or fallback else ClientAuthentication.REQUIRED


def _included(sources: Sources, root: KubeObject) -> tuple[list[KubeObject], bool]:
    """The root and the HTTPProxies it includes, and whether all of them are in the evidence."""
    found, queue, complete = {root.id: root}, [root], True
    while queue and len(found) <= _MAX_INCLUDES:
        current = queue.pop()
        for entry in mappings_at(current.spec, "includes"):
            space = text_at(entry, "namespace") or current.namespace
            child = sources.cluster.get(HTTP_PROXY, space, text_at(entry, "name") or "")
            if child is None:
                complete = complete and sources.complete(*HTTP_PROXY, space)
            elif child.id not in found:
                found[child.id] = child
                queue.append(child)
    return list(found.values()), complete and not queue


def _backend(
    sources: Sources, parts: list[KubeObject], routes: list[tuple[KubeObject, JsonObject]]
) -> BackendHop:
    places = [(part, s) for part, route in routes for s in mappings_at(route, "services")]
    places += [(part, s) for part in parts for s in mappings_at(part.spec, "tcpproxy", "services")]
    return weakest_hop(_hop(sources, part, service) for part, service in places)


def _hop(sources: Sources, part: KubeObject, service: JsonObject) -> BackendHop:
    """`protocol: tls` or `h2`, or the Service's annotation; verified when `validation` is set."""
    named = sources.cluster.get(SERVICE, part.namespace, text_at(service, "name") or "")
    protocol = service.get("protocol")
    encrypted = protocol in ("tls", "h2") if protocol else _asks_for_tls(named, service.get("port"))
    if not encrypted:
        return BackendHop.PLAINTEXT
    return BackendHop.VERIFIED if isinstance(service.get("validation"), Mapping) else BackendHop.ENCRYPTED


def _ingress_backend(sources: Sources, view: IngressView, host: str) -> BackendHop:
    hops = []
    for ref in view.hosts[host]:
        service = sources.cluster.get(SERVICE, view.obj.namespace, ref.name)
        hops.append(BackendHop.ENCRYPTED if _asks_for_tls(service, ref.port) else BackendHop.PLAINTEXT)
    return weakest_hop(hops)


def _asks_for_tls(service: KubeObject | None, port: object) -> bool:
    """Whether a Service's annotations ask for TLS on a port, which they list by name or number (internal/annotation)."""
    if service is None:
        return False
    listed = {p for name in _UPSTREAM for p in _listed(service.annotations.get(name))}
    entries = mappings_at(service.body, "spec", "ports")
    names = {
        str(v)
        for e in entries
        if port in (e.get("port"), e.get("name"))
        for v in (e.get("port"), e.get("name"))
    }
    return bool(listed & (names or {str(port)}))


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _destinations(
    sources: Sources, parts: list[KubeObject], routes: list[tuple[KubeObject, JsonObject]]
) -> Iterator[Backend]:
    places = [(part, s) for part, route in routes for s in mappings_at(route, "services")]
    places += [(part, s) for part in parts for s in mappings_at(part.spec, "tcpproxy", "services")]
    for part, service in places:
        yield from sources.backends(part.namespace, text_at(service, "name") or "", service.get("port"))
