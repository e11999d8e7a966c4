"""Which routes of the Gateway API attach to which listener, and for which hosts (gateway.networking.k8s.io/v1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from auditor.encryption.entry.gateway_conditions import of_parent
from auditor.encryption.entry.gateway_grants import GROUP, Grants
from auditor.encryption.entry.sources import Sources
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.inventory.services import Backend
from auditor.model.kinds import KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Tri

_ROUTES = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute", "TCPRoute"),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A listener of a Gateway or a ListenerSet. `parent` holds its fields; `gateway` the settings for all of them."""

    parent: KubeObject
    gateway: KubeObject
    spec: JsonObject
    name: str
    protocol: str
    port: int | None
    hostname: str


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """A route that attaches to a listener, with the hosts that both serve."""

    route: KubeObject
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """A Service that a route names. `granted`: whether it may, where it is in another namespace."""

    namespace: str
    name: str
    port: object
    granted: Tri


@dataclass(frozen=True, slots=True)
class ForeignReference:
    """A backend of another kind than Service, of which nothing is known here."""

    kind: str


class GatewayRoutes:
    """The routes of the cluster by the object they name as parent."""

    def __init__(self, sources: Sources, grants: Grants) -> None:
        self._sources = sources
        self._grants = grants

    def attached(self, listener: Listener) -> Iterator[Attached]:
        """The routes that attach: named by a parentRef, let in, with a host in common, and not reported as refused."""
        parent = listener.parent.id
        kinds = _ROUTES.get(listener.protocol, ())
        for route, reference in self._by_parent.get((parent.kind, parent.namespace, parent.name), ()):
            section, port = text_at(reference, "sectionName"), reference.get("port")
            if route.id.kind not in kinds or section not in (None, "", listener.name):
                continue
            if port is not None and port != listener.port:
                continue
            if not self._allows(listener, route):
                continue
            if of_parent(route, listener.parent, reference, "Accepted") is Tri.NO:
                continue
            hosts = _common_hosts(listener.hostname, route)
            if hosts:
                yield Attached(route, hosts)

    def all_known(self, listener: Listener) -> bool:
        """Whether every route that may attach is in the evidence."""
        kinds = [text_at(kind, "kind") for kind in mappings_at(listener.spec, "allowedRoutes", "kinds")]
        possible = [kind for kind in _ROUTES.get(listener.protocol, ()) if not kinds or kind in kinds]
        return all(self._sources.complete(GROUP, kind) for kind in possible)

    def lets_in(self, listeners: JsonObject, owner: KubeObject, guest: KubeObject, default: str) -> bool:
        """`namespaces.from` with its selector; a namespace whose labels aren't known is let in, to be judged."""
        chosen = text_at(listeners, "namespaces", "from") or default
        if chosen == "Selector":
            return self._selected(mapping_at(listeners, "namespaces").get("selector"), guest.namespace)
        return chosen == "All" or (chosen == "Same" and guest.namespace == owner.namespace)

    def _allows(self, listener: Listener, route: KubeObject) -> bool:
        allowed = mapping_at(listener.spec, "allowedRoutes")
        kinds = [text_at(kind, "kind") for kind in mappings_at(allowed, "kinds")]
        if kinds and route.id.kind not in kinds:
            return False
        return self.lets_in(allowed, listener.parent, route, "Same")

    def _selected(self, raw: object, namespace: str) -> bool:
        cluster = self._sources.cluster
        try:
            selector = parse_selector(raw)
        except SelectorError:
            return True
        return not cluster.knows_namespace(namespace) or selector.matches(cluster.namespace_labels(namespace))

    @cached_property
    def _by_parent(self) -> Mapping[tuple[str, str, str], list[tuple[KubeObject, JsonObject]]]:
        found: dict[tuple[str, str, str], list[tuple[KubeObject, JsonObject]]] = {}
        for kind in sorted({kind for kinds in _ROUTES.values() for kind in kinds}):
            for route in self._sources.cluster.all(KindKey(GROUP, kind)):
                for reference in mappings_at(route.spec, "parentRefs"):
                    if (text_at(reference, "group") or GROUP) == GROUP:
                        place = (
                            text_at(reference, "kind") or "Gateway",
                            text_at(reference, "namespace") or route.namespace,
                            text_at(reference, "name") or "",
                        )
                        found.setdefault(place, []).append((route, reference))
        return found

    def references(self, route: KubeObject) -> Iterator[ServiceReference | ForeignReference]:
        """Every backend that a route sends requests to, mirrors included; weight 0 sends none."""
        for rule in mappings_at(route.spec, "rules"):
            for reference in _backend_references(rule):
                kind = text_at(reference, "kind") or "Service"
                if kind != "Service" or reference.get("group"):
                    yield ForeignReference(kind[:80])
                    continue
                space = text_at(reference, "namespace") or route.namespace
                name = text_at(reference, "name") or ""
                granted = self._grants.allow(route, "", "Service", space, name)
                yield ServiceReference(space, name, reference.get("port"), granted)

    def backends(self, reference: ServiceReference) -> tuple[Backend, ...]:
        """The pods behind a reference, none where no grant lets it lead there."""
        if reference.granted is Tri.NO:
            return ()
        return self._sources.backends(reference.namespace, reference.name, reference.port)


def _backend_references(rule: JsonObject) -> Iterator[JsonObject]:
    filters = list(mappings_at(rule, "filters"))
    for reference in mappings_at(rule, "backendRefs"):
        if reference.get("weight") != 0:
            yield reference
            filters.extend(mappings_at(reference, "filters"))
    for entry in filters:
        if mirror := mapping_at(entry, "requestMirror", "backendRef"):
            yield mirror


def only_redirects(route: KubeObject) -> bool:
    """Whether every rule of an HTTPRoute redirects to HTTPS."""
    rules = mappings_at(route.spec, "rules")
    return bool(rules) and all(
        any(
            f.get("type") == "RequestRedirect" and mapping_at(f, "requestRedirect").get("scheme") == "https"
            for f in mappings_at(rule, "filters")
        )
        for rule in rules
    )


def _common_hosts(hostname: str, route: KubeObject) -> tuple[str, ...]:
    """The hosts that a listener and a route have in common; wildcards cover any number of labels here."""
    wanted = [h.lower() for h in list_at(route.spec, "hostnames") if isinstance(h, str)]
    if not wanted:
        return (hostname or "*",)
    if not hostname:
        return tuple(dict.fromkeys(wanted))
    found = (narrower for host in wanted if (narrower := _narrower(hostname, host)) is not None)
    return tuple(dict.fromkeys(found))


def _narrower(first: str, second: str) -> str | None:
    if first == second:
        return first
    for pattern, host in ((first, second), (second, first)):
        if pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:]) and host != pattern:
            return host
    return None
