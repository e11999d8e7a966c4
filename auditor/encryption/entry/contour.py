"""Contour: Ingress, and its own HTTPProxy (encryption.md 4)."""

from collections.abc import Iterator, Mapping

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
from auditor.encryption.entry.tls_versions import version_of
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

HTTP_PROXY = KindKey("projectcontour.io", "HTTPProxy")
_FORCE = "ingress.kubernetes.io/force-ssl-redirect"
_ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
_MINIMUM = "projectcontour.io/tls-minimum-protocol-version"
_UPSTREAM = "projectcontour.io/upstream-protocol.tls"
_MAX_INCLUDES = 200


def judge_contour(sources: Sources, view: IngressView, host: str) -> Verdicts:
    """One host of an Ingress: plain HTTP stays beside HTTPS unless told otherwise."""
    if view.switch(_ALLOW_HTTP) is False:
        plaintext, code = Plaintext.CLOSED, "entry.http-disallowed"
    elif view.tls and view.switch(_FORCE):
        plaintext, code = Plaintext.REDIRECTED, "entry.redirect-set"
    else:
        plaintext, code = Plaintext.OPEN, "entry.http-beside-https" if view.tls else "entry.no-tls"
    minimum = view.annotation(_MINIMUM)
    tls = EntryTls(TlsMode.TERMINATE, version_of(minimum) if minimum else None, view.certificate(host))
    return Verdicts(
        plaintext=plaintext,
        tls=tls if view.tls else None,
        client_authentication=ClientAuthentication.NONE,
        backend=_ingress_backend(sources, view, host),
        causes=(cause(code),),
    )


def http_proxies(sources: Sources) -> Iterator[EntryPoint]:
    """One row a root HTTPProxy: those with a virtual host."""
    for proxy in sources.cluster.all(HTTP_PROXY):
        virtual_host = proxy.spec.get("virtualhost")
        if isinstance(virtual_host, Mapping):
            yield _row(sources, proxy, virtual_host)


def _row(sources: Sources, proxy: KubeObject, virtual_host: JsonObject) -> EntryPoint:
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
        tls=_tls(proxy, settings, passthrough=passthrough) if isinstance(tls, Mapping) else None,
        client_authentication=ClientAuthentication.INDETERMINATE if passthrough else _client(settings),
        backend=BackendHop.PASSTHROUGH if passthrough else _backend(sources, routes),
        causes=(why,),
        evidence=evidence_of(*parts),
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


def _tls(proxy: KubeObject, settings: JsonObject, *, passthrough: bool) -> EntryTls:
    if passthrough:
        return EntryTls(TlsMode.PASSTHROUGH)
    minimum = text_at(settings, "minimumProtocolVersion")
    secret = text_at(settings, "secretName")
    place = secret if secret and "/" in secret else f"{proxy.namespace}/{secret}"
    certificate = place.replace("/", "/Secret/", 1) if secret else None
    return EntryTls(TlsMode.TERMINATE, version_of(minimum) if minimum else None, certificate)


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


def _backend(sources: Sources, routes: list[tuple[KubeObject, JsonObject]]) -> BackendHop:
    return weakest_hop(
        _hop(sources, part, service) for part, route in routes for service in mappings_at(route, "services")
    )


def _hop(sources: Sources, part: KubeObject, service: JsonObject) -> BackendHop:
    """`protocol: tls` or `h2`, or the Service's annotation; verified when `validation` is set."""
    named = sources.cluster.get(SERVICE, part.namespace, text_at(service, "name") or "")
    encrypted = service.get("protocol") in ("tls", "h2")
    if not encrypted and named is not None:
        encrypted = str(service.get("port")) in _listed(named.annotations.get(_UPSTREAM))
    if not encrypted:
        return BackendHop.PLAINTEXT
    return BackendHop.VERIFIED if isinstance(service.get("validation"), Mapping) else BackendHop.ENCRYPTED


def _ingress_backend(sources: Sources, view: IngressView, host: str) -> BackendHop:
    hops = []
    for ref in view.hosts[host]:
        service = sources.cluster.get(SERVICE, view.obj.namespace, ref.name)
        listed = _listed(service.annotations.get(_UPSTREAM)) if service else ()
        hops.append(BackendHop.ENCRYPTED if str(ref.port) in listed else BackendHop.PLAINTEXT)
    return weakest_hop(hops)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _destinations(
    sources: Sources, parts: list[KubeObject], routes: list[tuple[KubeObject, JsonObject]]
) -> Iterator[Backend]:
    places = [(part, s) for part, route in routes for s in mappings_at(route, "services")]
    places += [(part, s) for part in parts for s in mappings_at(part.spec, "tcpproxy", "services")]
    for part, service in places:
        yield from sources.backends(part.namespace, text_at(service, "name") or "", service.get("port"))
