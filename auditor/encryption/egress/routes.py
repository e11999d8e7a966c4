"""VirtualServices that lead traffic out: where a host's traffic goes, from a sidecar or from a gateway."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from auditor.encryption.egress.service_entries import exported_to, wildcards
from auditor.encryption.egress.values import HTTP, OWN_TLS
from auditor.encryption.istio.destination_rules import VIRTUAL_SERVICE, full_host
from auditor.encryption.precedence import possible_winners
from auditor.inventory.cluster import Cluster
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import RuleRef

MESH = "mesh"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a route sends traffic. `port` None: the port that was asked for, or the only one."""

    host: str
    port: int | None
    subset: str | None
    rule: RuleRef


@dataclass(frozen=True, slots=True, eq=False)
class _VirtualService:
    obj: KubeObject
    hosts: tuple[str, ...]
    gateways: frozenset[str]
    export: frozenset[str] | None

    def visible_to(self, namespace: str) -> bool:
        return self.export is None or namespace in self.export


class EgressRoutes:
    """Every VirtualService by host."""

    def __init__(self, cluster: Cluster, default_export: Sequence[str]) -> None:
        self._by_host: dict[str, list[_VirtualService]] = {}
        for obj in cluster.all(VIRTUAL_SERVICE):
            found = _parse(obj, default_export)
            for host in found.hosts:
                self._by_host.setdefault(host, []).append(found)

    def of(
        self, client: str, gateways: frozenset[str], host: str, port: int, protocol: str
    ) -> list[list[Destination] | None]:
        """For each VirtualService that may govern the host, the destinations of its routes for a port: None where none of
        its routes is about the port, nothing where they only redirect or answer. Empty where no VirtualService governs.

        `gateways` is `mesh` for sidecars, else the `namespace/name` of the Gateways that a gateway's pods serve. Several
        where ages aren't recorded: the oldest of those with the most specific host governs.
        """
        for name in (host, *wildcards(host)):
            found = [
                service
                for service in self._by_host.get(name, ())
                if not service.gateways.isdisjoint(gateways) and service.visible_to(client)
            ]
            if found:
                winners = possible_winners(found, lambda service: service.obj)
                return [_destinations(winner.obj, gateways, host, port, protocol) for winner in winners]
        return []

    def leading_from(self, host: str) -> frozenset[str]:
        """The hosts to which the routes of a host may lead, one after another."""
        found: set[str] = set()
        waiting = [host]
        while waiting:
            for service in self._naming(waiting.pop()):
                new = _hosts_of_targets(service.obj) - found
                found |= new
                waiting += new
        return frozenset(found)

    def places(self, host: str) -> frozenset[str]:
        """The namespaces that the VirtualServices of a host are kept to."""
        return frozenset(name for service in self._naming(host) for name in service.export or ())

    def _naming(self, host: str) -> Iterator[_VirtualService]:
        for name in (host, *wildcards(host)):
            yield from self._by_host.get(name, ())


def _hosts_of_targets(obj: KubeObject) -> set[str]:
    routes = (route for kind in ("http", "tls", "tcp") for route in mappings_at(obj.spec, kind))
    targets = (target for route in routes for target in _targets(route))
    return {full_host(text_at(target, "host") or "", obj.namespace) for target in targets}


def _parse(obj: KubeObject, default_export: Sequence[str]) -> _VirtualService:
    hosts = (full_host(host, obj.namespace) for host in list_at(obj.spec, "hosts") if isinstance(host, str))
    named = [name for name in list_at(obj.spec, "gateways") if isinstance(name, str)] or [MESH]
    gateways = frozenset(_gateway(name, obj.namespace) for name in named)
    return _VirtualService(obj, tuple(dict.fromkeys(hosts)), gateways, exported_to(obj, default_export))


def _gateway(name: str, namespace: str) -> str:
    return name if name == MESH or "/" in name else f"{namespace}/{name}"


def _kinds(protocol: str) -> tuple[str, ...]:
    if protocol in HTTP:
        return ("http",)
    return ("tls", "tcp") if protocol in OWN_TLS else ("tcp",)


def _destinations(
    obj: KubeObject, gateways: frozenset[str], host: str, port: int, protocol: str
) -> list[Destination] | None:
    routes = list(_routes(obj, gateways, host, port, protocol))
    if not routes:
        return None
    return [_destination(target, obj.namespace, rule) for route, rule in routes for target in _targets(route)]


def _routes(
    obj: KubeObject, gateways: frozenset[str], host: str, port: int, protocol: str
) -> Iterator[tuple[JsonObject, RuleRef]]:
    for kind in _kinds(protocol):
        for index, route in enumerate(mappings_at(obj.spec, kind)):
            matches = mappings_at(route, "match")
            if not matches or any(_matches(match, obj, gateways, host, port) for match in matches):
                yield route, RuleRef(str(obj.id), f"spec.{kind}[{index}]", obj.evidence_id)


def _targets(route: JsonObject) -> Iterable[JsonObject]:
    """Where a route sends to: nothing where it redirects or answers, one empty target where that cannot be followed
    (delegates, shapes that no route has)."""
    mirrored = [mapping_at(route, "mirror")] if route.get("mirror") else []
    entries = [*mappings_at(route, "route"), *mappings_at(route, "mirrors")]
    found = [*(mapping_at(entry, "destination") for entry in entries), *mirrored]
    answered = route.get("redirect") or route.get("directResponse")
    return found if found or (answered and not route.get("delegate")) else [{}]


def _destination(target: JsonObject, namespace: str, rule: RuleRef) -> Destination:
    port = mapping_at(target, "port").get("number")
    host = full_host(text_at(target, "host") or "", namespace)
    number = port if isinstance(port, int) and not isinstance(port, bool) else None
    return Destination(host, number, text_at(target, "subset") or None, rule)


def _matches(match: JsonObject, obj: KubeObject, gateways: frozenset[str], host: str, port: int) -> bool:
    """Whether a match may hold: what it asks of paths, headers or the client's labels is taken to hold for some."""
    named = {_gateway(name, obj.namespace) for name in list_at(match, "gateways") if isinstance(name, str)}
    if named and named.isdisjoint(gateways):
        return False
    if match.get("port") not in (None, port):
        return False
    names = [str(name).lower() for name in list_at(match, "sniHosts")]
    return not names or any(name == host or name in wildcards(host) for name in names)
