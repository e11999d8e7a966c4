"""Traefik's own routes: IngressRoute and IngressRouteTCP, over the same routers as an Ingress (encryption.md 4)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.traefik import Router, RouterVerdict, Traefik, references, weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Tri, all_of

INGRESS_ROUTE = KindKey("traefik.io", "IngressRoute")
INGRESS_ROUTE_TCP = KindKey("traefik.io", "IngressRouteTCP")
_HOSTS = re.compile(r"(!\s*)?\bHost(SNI)?\(([^)]*)\)")
_QUOTED = re.compile(r"""[`"']([^`"']+)[`"']""")
_MAX_MATCH = 20_000
_WORST_FIRST = (Plaintext.OPEN, Plaintext.INDETERMINATE, Plaintext.REDIRECTED, Plaintext.CLOSED)


@dataclass(slots=True)
class _Host:
    """What the routes of one object do for a host."""

    verdicts: list[RouterVerdict] = field(default_factory=list)
    hops: list[BackendHop] = field(default_factory=list)
    destinations: list[Backend] = field(default_factory=list)


class TraefikRoutes:
    """The rows of Traefik's own kinds."""

    def __init__(self, sources: Sources, traefik: Traefik) -> None:
        self._sources = sources
        self._traefik = traefik

    def rows(self) -> Iterator[EntryPoint]:
        """One row a (route object, host)."""
        for key in (INGRESS_ROUTE, INGRESS_ROUTE_TCP):
            for obj in self._sources.cluster.all(key):
                yield from self._object_rows(obj, raw=key == INGRESS_ROUTE_TCP)

    def _object_rows(self, obj: KubeObject, *, raw: bool) -> Iterator[EntryPoint]:
        hosts: dict[str, _Host] = {}
        for route in mappings_at(obj.spec, "routes"):
            router = _router(obj, route)
            verdict = self._raw(obj, router) if raw else self._traefik.router(router)
            hop, destinations = self._behind(obj, route, raw=raw)
            for host in hosts_of(text_at(route, "match") or ""):
                found = hosts.setdefault(host, _Host())
                found.verdicts.append(verdict)
                found.hops.append(hop)
                found.destinations.extend(destinations)
        for host, found in hosts.items():
            yield _row(obj, host, found)

    def _raw(self, obj: KubeObject, router: Router) -> RouterVerdict:
        """TCP: without tls the bytes are handed on as they are; redirections and middlewares are for HTTP."""
        settings = mapping_at(obj.spec, "tls")
        if not router.secured:
            plain = (cause("entry.traefik.tcp-plain"),)
            return RouterVerdict(Plaintext.OPEN, None, ClientAuthentication.NONE, plain, (), None)
        if settings.get("passthrough") is True:
            client, handed_on = ClientAuthentication.INDETERMINATE, (cause("entry.passthrough"),)
            tls = EntryTls(TlsMode.PASSTHROUGH)
            return RouterVerdict(Plaintext.CLOSED, tls, client, handed_on, (), None)
        return self._traefik.router(router)

    def _behind(
        self, obj: KubeObject, route: JsonObject, *, raw: bool
    ) -> tuple[BackendHop, tuple[Backend, ...]]:
        if raw and mapping_at(obj.spec, "tls").get("passthrough") is True:
            return BackendHop.PASSTHROUGH, tuple(b for s in _services(route) for b in self._backends(obj, s))
        hops: list[BackendHop] = []
        found: list[Backend] = []
        for service in _services(route):
            if service.get("kind") not in (None, "", "Service"):
                hops.append(BackendHop.INDETERMINATE)
                continue
            hops.append(self._hop(obj, service, raw=raw))
            found.extend(self._backends(obj, service))
        return weakest_hop(hops), tuple(found)

    def _hop(self, obj: KubeObject, service: JsonObject, *, raw: bool) -> BackendHop:
        if raw:
            return BackendHop.ENCRYPTED if service.get("tls") is True else BackendHop.PLAINTEXT
        space = text_at(service, "namespace") or obj.namespace
        named = self._sources.cluster.get(SERVICE, space, text_at(service, "name") or "")
        transport = text_at(service, "serversTransport")
        if transport and "@" not in transport:
            transport = f"{space}-{transport}"
        return self._traefik.service_hop(named, service.get("port"), text_at(service, "scheme"), transport)

    def _backends(self, obj: KubeObject, service: JsonObject) -> tuple[Backend, ...]:
        space = text_at(service, "namespace") or obj.namespace
        return self._sources.backends(space, text_at(service, "name") or "", service.get("port"))


def hosts_of(match: str) -> tuple[str, ...]:
    """The hosts that a rule names with `Host` or `HostSNI`; `*` where it names none, or excludes some."""
    found: dict[str, None] = {}
    for negated, _, arguments in _HOSTS.findall(match[:_MAX_MATCH]):
        if negated:
            return ("*",)
        found.update(dict.fromkeys(host.lower() for host in _QUOTED.findall(arguments)))
    return tuple(found) or ("*",)


def _services(route: JsonObject) -> list[JsonObject]:
    return mappings_at(route, "services")


def _router(obj: KubeObject, route: JsonObject) -> Router:
    tls = obj.spec.get("tls")
    settings = mapping_at(obj.spec, "tls")
    option = mapping_at(settings, "options")
    name = text_at(option, "name")
    secret, resolver = text_at(settings, "secretName"), text_at(settings, "certResolver")
    certificate = f"{obj.namespace}/Secret/{secret}" if secret else None
    return Router(
        entries=tuple(e for e in list_at(obj.spec, "entryPoints") if isinstance(e, str)),
        secured=isinstance(tls, Mapping),
        options=references([option], obj.namespace)[0] if name and name != "default" else None,
        middlewares=references(mappings_at(route, "middlewares"), obj.namespace),
        certificate=certificate or (f"certificate resolver {resolver}" if resolver else None),
    )


def _row(obj: KubeObject, host: str, found: _Host) -> EntryPoint:
    worst = min(found.verdicts, key=lambda verdict: _WORST_FIRST.index(verdict.plaintext))
    return EntryPoint(
        object=str(obj.id),
        namespace=obj.namespace,
        kind=obj.id.kind,
        controller="traefik",
        host=host,
        listener="",
        port=worst.port,
        protocol="TCP",
        plaintext=worst.plaintext,
        tls=worst.tls or next((v.tls for v in found.verdicts if v.tls), None),
        client_authentication=worst.client_authentication,
        backend=weakest_hop(found.hops),
        hsts=all_of(verdict.hsts for verdict in found.verdicts if verdict.tls) if worst.tls else Tri.NO,
        causes=worst.causes,
        evidence=tuple(dict.fromkeys((obj.evidence_id, *(e for v in found.verdicts for e in v.evidence)))),
        destinations=tuple(dict.fromkeys(found.destinations)),
    )
