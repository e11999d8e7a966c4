"""Every way out of the cluster: registered hosts, mirrored Services, and whatever isn't registered, for clients that fare
alike together."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise

from auditor.encryption.client_classes import ClientClasses
from auditor.encryption.egress.gateways import GATEWAY, EgressGateways
from auditor.encryption.egress.istio import OUTSIDE, IstioEgress
from auditor.encryption.egress.linkerd import READS as LINKERD_READS
from auditor.encryption.egress.linkerd import (
    LinkerdEgress,
    LinkerdWay,
    mirrored_services,
    service_ports,
)
from auditor.encryption.egress.other_networks import OtherNetworks
from auditor.encryption.egress.routes import EgressRoutes
from auditor.encryption.egress.service_entries import (
    SERVICE_ENTRY,
    WORKLOAD_ENTRY,
    EntryPort,
    ServiceEntries,
    ServiceEntry,
)
from auditor.encryption.egress.unregistered import Unregistered
from auditor.encryption.egress.values import Egress, Hop, Location, Sent, Way
from auditor.encryption.istio.destination_rules import (
    DESTINATION_RULE,
    VIRTUAL_SERVICE,
    DestinationRule,
    service_host,
)
from auditor.encryption.istio.mesh_config import MeshConfigs
from auditor.encryption.istio.outbound import IstioOutbound
from auditor.encryption.istio.proxy_settings import ENVOY_FILTER, SIDECAR
from auditor.encryption.istio.waypoints import GATEWAY as WAYPOINT
from auditor.encryption.istio.waypoints import Waypoints
from auditor.encryption.meshes import Meshes
from auditor.encryption.verdicts import DataPlane, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.kinds import CONFIG_MAP, NAMESPACE, kind_key
from auditor.model.objects import KubeObject, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

READS = (
    SERVICE_ENTRY,
    WORKLOAD_ENTRY,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    SIDECAR,
    ENVOY_FILTER,
    GATEWAY,
    WAYPOINT,
    *LINKERD_READS,
    NAMESPACE,
    CONFIG_MAP,
)
"""The kinds that make the ways out, or decide them, beside those that tell who is in a mesh."""

_ATTACHED = tuple(
    kind_key("gateway.networking.k8s.io", name) for name in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute")
)
_ISTIO = (DataPlane.ISTIO_SIDECAR, DataPlane.ISTIO_AMBIENT)


@dataclass(frozen=True, slots=True)
class _Clients:
    """Endpoints that fare alike: the first stands for all."""

    plane: DataPlane
    members: tuple[Endpoint, ...]

    @property
    def first(self) -> Endpoint:
        return self.members[0]


class WaysOut:
    """The ways out of a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Sequence[Endpoint],
        services: Services,
        configs: MeshConfigs,
        meshes: Meshes,
        outbound: IstioOutbound,
        classes: ClientClasses,
        nodes: Callable[[Endpoint, Endpoint], Tri],
        linkerd_namespace: str,
        past_linkerd: Callable[[Endpoint], bool],
    ) -> None:
        self._past_linkerd = past_linkerd
        self._cluster = cluster
        self._endpoints = endpoints
        self._configs = configs
        self._meshes = meshes
        self._classes = classes
        self._entries = ServiceEntries(cluster, configs.common.service_export)
        self._rules = outbound.rules
        self._routes = routes = EgressRoutes(cluster, configs.common.route_export)
        gateways = EgressGateways(cluster, services, nodes)
        self._istio = IstioEgress(self._entries, routes, gateways, outbound, Waypoints(cluster))
        self._unregistered = Unregistered(configs, outbound)
        self._linkerd = LinkerdEgress(cluster, linkerd_namespace)

    def rows(self) -> tuple[Egress, ...]:
        """Every way out, sorted by subject and first client."""
        ways = (
            self._registered(),
            self._mirrored(),
            self._out_of_linkerd(),
            self._to_networks(),
            self._left(),
        )
        found = chain.from_iterable(ways)
        return tuple(
            sorted(found, key=lambda row: (row.subject, row.sources[0].id if row.sources else "", row.sent))
        )

    def _registered(self) -> Iterator[Egress]:
        for entry in self._entries.all:
            for host in entry.hosts:
                groups = list(self._groups(entry, host))
                for port in entry.ports:
                    yield from self._to_host(entry, host, port, groups)

    def _to_host(
        self, entry: ServiceEntry, host: str, port: EntryPort, groups: Sequence[_Clients]
    ) -> Iterator[Egress]:
        ways: dict[Hashable, tuple[Way, list[Endpoint]]] = {}
        for clients in groups:
            way = self._way(clients, entry, host, port)
            if way is not None:
                told = tuple(
                    (h.target, h.sent, h.nodes, h.reasons.chain, h.addresses, h.elsewhere) for h in way
                )
                ways.setdefault(told, (way, []))[1].extend(clients.members)
        for way, members in ways.values() or [((), [])]:
            yield Egress(
                object=str(entry.obj.id),
                namespace=entry.obj.namespace,
                host=host,
                port=port.number,
                protocol=port.protocol,
                location=_location(entry),
                sources=tuple(members) if _is_sorted(members) else _sorted(members),
                hops=way,
                evidence=_evidence(way, members, entry.obj.evidence_id),
            )

    @cached_property
    def _routed_otherwise(self) -> dict[str, KubeObject]:
        """By a ServiceEntry's id a route of the Gateway API that is attached to it."""
        return {
            parent: route
            for kind in _ATTACHED
            for route in self._cluster.all(kind)
            for parent in _entries_of(route)
        }

    def _way(self, clients: _Clients, entry: ServiceEntry, host: str, port: EntryPort) -> Way | None:
        way = self._followed(clients, entry, host, port)
        route = self._routed_otherwise.get(str(entry.obj.id))
        if way is None or route is None:
            return way
        rule = RuleRef(str(route.id), "spec", route.evidence_id)
        cause = Cause("indeterminate.egress.gateway-api-route", (("route", rule.object),))
        reasons = Reasons((cause,), (rule,), (rule.evidence_id,))
        return (Hop(clients.first.id, OUTSIDE, Sent.INDETERMINATE, reasons),)

    def _followed(self, clients: _Clients, entry: ServiceEntry, host: str, port: EntryPort) -> Way | None:
        config = self._configs.of(clients.first)
        if clients.plane is DataPlane.ISTIO_SIDECAR:
            return self._istio.from_sidecar(clients.first, config, entry, host, port)
        return self._istio.from_ambient(clients.first, config, entry, host, port)

    def _mirrored(self) -> Iterator[Egress]:
        sources = self._of_plane(DataPlane.LINKERD)
        for service, sent, reasons in mirrored_services(self._cluster):
            for number in service_ports(service):
                hop = Hop(sources[0].id if sources else "", OUTSIDE, sent, reasons)
                yield Egress(
                    object=str(service.id),
                    namespace=service.namespace,
                    host=service_host(service.namespace, service.name),
                    port=number,
                    protocol="TCP",
                    location=Location.REMOTE_CLUSTER,
                    sources=sources,
                    hops=(hop,) if sources else (),
                    evidence=_evidence((hop,), sources, service.evidence_id),
                )

    def _out_of_linkerd(self) -> Iterator[Egress]:
        by_way: dict[Hashable, tuple[LinkerdWay, list[Endpoint]]] = {}
        ways = {namespace: self._linkerd.out_of(namespace) for namespace in self._cluster.namespaces}
        for client in self._of_plane(DataPlane.LINKERD):
            for way in ways.get(client.namespace, ()):
                past = way.sent is Sent.NOTHING and self._past_linkerd(client)
                named = str(way.object.id) if way.object else ""
                key = (named, way.host, way.port, past, way.addresses, way.reasons.causes)
                by_way.setdefault(key, (_past(way) if past else way, []))[1].append(client)
        for way, members in by_way.values():
            hop = Hop(members[0].id, OUTSIDE, way.sent, way.reasons, addresses=way.addresses)
            yield Egress(
                object=str(way.object.id) if way.object else "",
                namespace=way.object.namespace if way.object else "",
                host=way.host,
                port=way.port,
                protocol=way.protocol,
                location=Location.EXTERNAL if way.host != "*" else Location.ANY,
                sources=tuple(members),
                hops=(hop,),
                evidence=_evidence((hop,), members),
            )

    def _to_networks(self) -> Iterator[Egress]:
        """To other networks of the mesh, through their gateways."""
        networks = OtherNetworks(self._cluster, self._configs)
        for plane in _ISTIO if networks.all else ():
            clients = (c for c in self._of_plane(plane) if not self._meshes.membership(c).gateway)
            yield from networks.rows(plane, tuple(clients))

    def _left(self) -> Iterator[Egress]:
        """What isn't registered, for everybody but Linkerd's clients, whom EgressNetworks govern."""
        found: dict[Hashable, tuple[Hop, list[Endpoint]]] = {}
        for client in self._endpoints:
            member = self._meshes.membership(client)
            if member.gateway or member.data_plane is DataPlane.LINKERD:
                continue
            hop = self._unregistered.hop(client, member.data_plane)
            told = (hop.sent, tuple(cause.code for cause in hop.reasons.causes), hop.reasons.chain)
            found.setdefault(told, (hop, []))[1].append(client)
        for hop, members in found.values():
            deciding = hop.reasons.chain[0].object if hop.reasons.chain else ""
            yield Egress(
                object=deciding,
                namespace=deciding.partition("/")[0] if deciding else "",
                host="*",
                port=None,
                protocol="",
                location=Location.ANY,
                sources=tuple(members),
                hops=(hop,),
                evidence=_evidence((hop,), members),
            )

    def _of_plane(self, plane: DataPlane) -> tuple[Endpoint, ...]:
        return tuple(
            client for client in self._endpoints if self._meshes.membership(client).data_plane is plane
        )

    def _groups(self, entry: ServiceEntry, host: str) -> Iterator[_Clients]:
        """Istio's clients, gateways apart, in classes that fare alike towards a host: a namespace counts only where
        something about the host names it."""
        places = self._places_for(entry, host)
        for plane, by_namespace in self._families:
            alone = [name for name in by_namespace if places is None or name in places]
            for name in alone:
                yield _Clients(plane, by_namespace[name])
            left = [group for name, group in by_namespace.items() if name not in alone]
            if left:
                yield _Clients(plane, tuple(chain.from_iterable(left)))

    @cached_property
    def _families(self) -> tuple[tuple[DataPlane, dict[str, tuple[Endpoint, ...]]], ...]:
        """Clients that are alike but for their namespace, by namespace and id."""
        found: dict[tuple[DataPlane, Hashable], dict[str, list[Endpoint]]] = {}
        for client in self._endpoints:
            member = self._meshes.membership(client)
            if member.data_plane in _ISTIO and not member.gateway:
                key = (member.data_plane, self._classes.of(client).common)
                found.setdefault(key, {}).setdefault(client.namespace, []).append(client)
        return tuple(
            (plane, {name: tuple(group) for name, group in by_namespace.items()})
            for (plane, _), by_namespace in found.items()
        )

    def _places_for(self, entry: ServiceEntry, host: str) -> frozenset[str] | None:
        """The namespaces whose clients may fare in a way of their own towards a host; None for each."""
        if self._everywhere is None:
            return None
        hosts = {host, *self._routes.leading_from(host)}
        named = {name for each in hosts for rule in self._rules.naming(each) for name in _places_of(rule)}
        entries = (other for each in hosts for other in self._entries.naming(each))
        known = {name for other in entries for name in (other.obj.namespace, *(other.export or ()))}
        return frozenset(
            {*self._everywhere, *named, *known, *(entry.export or ()), *self._routes.places(host)}
        )

    @cached_property
    def _everywhere(self) -> frozenset[str] | None:
        """The namespaces that matter whatever the host; None where each of them does."""
        roots = {config.root_namespace for config in self._configs.all}
        if None in roots or any(obj.namespace in roots for obj in self._cluster.all(SIDECAR)):
            return None
        placed = (obj.namespace for kind in (SIDECAR, ENVOY_FILTER) for obj in self._cluster.all(kind))
        return frozenset({*(root for root in roots if root), *placed})


def _places_of(rule: DestinationRule) -> Iterator[str]:
    yield rule.obj.namespace
    yield from rule.export or ()


def _is_sorted(members: Sequence[Endpoint]) -> bool:
    """Clients of one class come in the order of their ids; only where classes join it has to be made."""
    return all(a.id <= b.id for a, b in pairwise(members))


def _sorted(members: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(members, key=lambda client: client.id))


def _past(way: LinkerdWay) -> LinkerdWay:
    """What is refused binds only traffic that the proxy sees."""
    passed = Reasons((Cause("egress.some-ports-not-captured"),))
    return replace(way, sent=Sent.APPLICATION, reasons=way.reasons + passed)


def _entries_of(route: KubeObject) -> Iterator[str]:
    """The ids of the ServiceEntries to which a Gateway API route is attached."""
    for parent in mappings_at(route.spec, "parentRefs"):
        if text_at(parent, "kind") == SERVICE_ENTRY.kind and text_at(parent, "group") == SERVICE_ENTRY.group:
            namespace = text_at(parent, "namespace") or route.namespace
            yield f"{namespace}/{SERVICE_ENTRY}/{text_at(parent, 'name')}"


def _location(entry: ServiceEntry) -> Location:
    return Location.INTERNAL if entry.external is False else Location.EXTERNAL


def _evidence(way: Way, members: Iterable[Endpoint], *own: str) -> tuple[str, ...]:
    first = next(iter(members), None)
    told = (item for hop in way for item in hop.reasons.evidence)
    return tuple(dict.fromkeys((*own, *told, *(first.evidence[:2] if first else ()))))
