"""OpenShift Routes: without `tls` plain HTTP; edge ends TLS and goes on in plaintext (encryption.md 4)."""

import re
from collections.abc import Iterator

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.openshift_router import RouterSettings, router_settings
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import KindKey
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

ROUTE = KindKey("route.openshift.io", "Route")
_HSTS = "haproxy.router.openshift.io/hsts_header"
_MAX_AGE = re.compile(r"max-age=0*[1-9]")
_INSECURE = {
    "": (Plaintext.CLOSED, "entry.route.insecure-none"),
    "None": (Plaintext.CLOSED, "entry.route.insecure-none"),
    "Redirect": (Plaintext.REDIRECTED, "entry.redirect-set"),
    "Allow": (Plaintext.OPEN, "entry.route.insecure-allow"),
}
_TERMINATIONS = ("edge", "reencrypt", "passthrough")


def routes(sources: Sources) -> Iterator[EntryPoint]:
    """One row a Route."""
    for route in sources.cluster.all(ROUTE):
        tls = route.spec.get("tls")
        settings = mapping_at(route.spec, "tls")
        plaintext, why = _plaintext(tls, settings)
        termination = text_at(settings, "termination")
        secured = tls is not None
        ends_here = termination in ("edge", "reencrypt")
        router = router_settings(sources, route)
        yield EntryPoint(
            object=str(route.id),
            namespace=route.namespace,
            kind=route.id.kind,
            controller="openshift-router",
            host=_host(route),
            listener="",
            port=443 if secured else 80,
            protocol="TCP",
            plaintext=plaintext,
            tls=_tls(termination, settings, router) if secured else None,
            client_authentication=_client(router, secured=secured, ends_here=ends_here),
            backend=_backend(termination, settings) if secured else BackendHop.PLAINTEXT,
            hsts=Tri.YES if ends_here and _MAX_AGE.search(route.annotations.get(_HSTS, "")) else Tri.NO,
            causes=(why, *(router.causes if ends_here else ())),
            evidence=(route.evidence_id, *(router.evidence if secured else ())),
            destinations=tuple(dict.fromkeys(_destinations(sources, route))),
        )


def _plaintext(tls: object, settings: JsonObject) -> tuple[Plaintext, Cause]:
    if tls is None:
        return Plaintext.OPEN, cause("entry.route.no-tls")
    policy = settings.get("insecureEdgeTerminationPolicy") or ""
    known = _INSECURE.get(policy) if isinstance(policy, str) else None
    if known is None or text_at(settings, "termination") not in _TERMINATIONS:
        return Plaintext.INDETERMINATE, cause("indeterminate.entry.route.unknown")
    return known[0], cause(known[1])


def _host(route: KubeObject) -> str:
    """With `wildcardPolicy: Subdomain` the route serves every name beside its own, one label deep."""
    host = text_at(route.spec, "host") or "*"
    wild = route.spec.get("wildcardPolicy") == "Subdomain" and "." in host
    return f"*.{host.partition('.')[2]}" if wild else host


def _client(router: RouterSettings, *, secured: bool, ends_here: bool) -> ClientAuthentication:
    if not secured:
        return ClientAuthentication.NONE
    return router.client if ends_here else ClientAuthentication.INDETERMINATE


def _tls(termination: str | None, settings: JsonObject, router: RouterSettings) -> EntryTls:
    if termination == "passthrough":
        return EntryTls(TlsMode.PASSTHROUGH)
    mode = TlsMode.TERMINATE if termination in _TERMINATIONS else TlsMode.INDETERMINATE
    own = bool(text_at(settings, "certificate") or mapping_at(settings, "externalCertificate"))
    certificate = "the Route's own certificate" if own else "the router's default certificate"
    minimum = router.minimum if mode is TlsMode.TERMINATE else None
    return EntryTls(mode, minimum, certificate, router.ciphers)


def _backend(termination: str | None, settings: JsonObject) -> BackendHop:
    if termination == "edge":
        return BackendHop.PLAINTEXT
    if termination == "passthrough":
        return BackendHop.PASSTHROUGH
    if termination != "reencrypt":
        return BackendHop.INDETERMINATE
    verified = text_at(settings, "destinationCACertificate")
    return BackendHop.VERIFIED if verified else BackendHop.ENCRYPTED


def _destinations(sources: Sources, route: KubeObject) -> Iterator[Backend]:
    """`port.targetPort` names a port of the Service by name, or the pods' port by number."""
    target = mapping_at(route.spec, "port").get("targetPort")
    for reference in [mapping_at(route.spec, "to"), *mappings_at(route.spec, "alternateBackends")]:
        for backend in sources.backends(route.namespace, text_at(reference, "name") or "", None):
            if target is None or target in (backend.target_port, backend.service_port_name):
                yield backend
