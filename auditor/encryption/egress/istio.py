"""Istio's ways out: from a client's proxy to a registered host, straight or through gateways.

Follows pilot/pkg/networking/core/cluster_tls.go: a DestinationRule for the host originates TLS; without one a destination
outside the mesh gets what the application sends, and one inside gets automatic mTLS where its endpoints say so. ztunnel
doesn't look at DestinationRules (src/proxy/outbound.rs): only a waypoint does.
"""

from dataclasses import replace

from auditor.encryption.egress.gateways import EgressGateways, Served
from auditor.encryption.egress.routes import MESH, Destination, EgressRoutes
from auditor.encryption.egress.service_entries import EntryPort, ServiceEntries, ServiceEntry
from auditor.encryption.egress.values import (
    HTTP,
    RANK,
    Hop,
    Sent,
    Way,
    as_it_is,
    sent_by,
    worst_of,
    worst_way,
)
from auditor.encryption.istio.destination_rules import Settings, wire_of
from auditor.encryption.istio.imported_hosts import imports
from auditor.encryption.istio.mesh_config import ROOT_NAMESPACE, MeshConfig
from auditor.encryption.istio.outbound import IstioOutbound
from auditor.encryption.istio.proxy_settings import filters_touching_tls, gateway_patches
from auditor.encryption.istio.waypoints import Waypoint, Waypoints
from auditor.encryption.verdicts import Reasons, Wire
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, Tri

OUTSIDE = "outside"
_MAX_HOPS = 4


class IstioEgress:
    """What Istio's clients send to the hosts of ServiceEntries."""

    def __init__(
        self,
        entries: ServiceEntries,
        routes: EgressRoutes,
        gateways: EgressGateways,
        outbound: IstioOutbound,
        waypoints: Waypoints,
    ) -> None:
        self._entries = entries
        self._routes = routes
        self._gateways = gateways
        self._outbound = outbound
        self._waypoints = waypoints

    def from_sidecar(
        self, client: Endpoint, config: MeshConfig, entry: ServiceEntry, host: str, port: EntryPort
    ) -> Way | None:
        """The worst of the ways from a client with a sidecar; None where the client doesn't know the host."""
        root = config.root_namespace or ROOT_NAMESPACE
        known, sidecar = imports(
            self._outbound.sidecars, client, root, entry.obj.namespace, host, port.number
        )
        if not entry.visible_to(client.namespace) or known is Tri.NO:
            return None
        if sidecar is not None and known is Tri.UNKNOWN:
            cause = Cause("indeterminate.istio.client-host-not-imported", (("policy", sidecar.object),))
            return self._unknown(client, host, Reasons((cause,), (sidecar,), (sidecar.evidence_id,)))
        touching = tuple(
            filters_touching_tls(
                self._outbound.filters.of(client, client.namespace, root), port.number, inbound=False
            )
        )
        if touching:
            cause = Cause("indeterminate.istio.envoy-filter", (("policy", touching[0].object),))
            return self._unknown(client, host, Reasons((cause,), touching[:1], (touching[0].evidence_id,)))
        return self._past_the_sidecar(client, host, port) or self._routed(client, config, host, port)

    def from_ambient(
        self, client: Endpoint, config: MeshConfig, entry: ServiceEntry, host: str, port: EntryPort
    ) -> Way | None:
        """The way from a client that ztunnel carries: through the entry's waypoint, or as the application sends it."""
        if not entry.visible_to(client.namespace):
            return None
        waypoint = self._waypoints.of_service(entry.obj.labels, entry.obj.namespace)
        if waypoint is not None and waypoint.there is Tri.YES:
            return self._through_waypoint(client, config, waypoint, entry, host, port)
        if waypoint is not None and waypoint.reasons.causes[0].code != "istio.waypoint-not-for-it":
            unknown = Reasons((Cause("indeterminate.egress.waypoint", (("host", host),)),))
            return self._unknown(client, host, waypoint.reasons + unknown)
        if entry.external is not True:
            cause = Cause("indeterminate.egress.ambient-internal", (("host", host),))
            return self._unknown(client, host, _by_entry(entry, cause))
        cause = Cause("egress.ambient-without-waypoint", (("host", host),))
        return (Hop(client.id, OUTSIDE, as_it_is(port.protocol), _by_entry(entry, cause), port=port.target),)

    def _through_waypoint(
        self,
        client: Endpoint,
        config: MeshConfig,
        waypoint: Waypoint,
        entry: ServiceEntry,
        host: str,
        port: EntryPort,
    ) -> Way:
        first = Hop(client.id, waypoint.id, Sent.MESH_MTLS, waypoint.reasons)
        routed = self._routes.of(waypoint.namespace, frozenset({MESH}), host, port.number, port.protocol)
        if any(targets is not None for targets in routed):
            unknown = _cause("indeterminate.egress.waypoint-route", host)
            return (first, Hop(waypoint.id, OUTSIDE, Sent.INDETERMINATE, unknown))
        rules = self._outbound.rules.lookup(
            waypoint.namespace, entry.obj.namespace, host, config.root_namespace or ROOT_NAMESPACE
        )
        settings = self._outbound.rules.of_subset(rules, {}, None, port.number)
        ways = [
            self._leave(waypoint.id, entry, port, choice, port.protocol, config, gateway=True)
            for choice in settings
        ]
        return (first, _worst_hop(ways))

    def _past_the_sidecar(self, client: Endpoint, host: str, port: EntryPort) -> Way | None:
        past = self._outbound.bypass(client, port.number)
        if past is None:
            return None
        sent = Sent.INDETERMINATE if past.wire is Wire.INDETERMINATE else as_it_is(port.protocol)
        return (Hop(client.id, OUTSIDE, sent, past.reasons, port=port.number),)

    def _routed(self, client: Endpoint, config: MeshConfig, host: str, port: EntryPort) -> Way:
        services = self._routes.of(client.namespace, frozenset({MESH}), host, port.number, port.protocol)
        return self._along(client, config, host, port, services, port.protocol, 0)

    def _along(
        self,
        client: Endpoint,
        config: MeshConfig,
        host: str,
        port: EntryPort,
        services: list[list[Destination] | None],
        protocol: str,
        depth: int,
    ) -> Way:
        """The worst way along the routes for a host; straight to it where no VirtualService is about its port."""
        if depth >= _MAX_HOPS:
            return self._unknown(client, host, _cause("indeterminate.egress.no-route", host))
        worst = [
            self._worst(client, config, host, port, targets, protocol, depth)
            for targets in services or [None]
        ]
        if len({worst_of(way) for way in worst}) > 1:
            return self._unknown(client, host, _cause("indeterminate.egress.oldest-unknown", host))
        return worst_way(worst)

    def _worst(
        self,
        client: Endpoint,
        config: MeshConfig,
        host: str,
        port: EntryPort,
        targets: list[Destination] | None,
        protocol: str,
        depth: int,
    ) -> Way:
        """The worst way along the routes of one VirtualService."""
        if targets is None:
            return self._straight(client, config, host, port.number, None, protocol)
        if not targets:
            return (Hop(client.id, OUTSIDE, Sent.NOTHING, _cause("egress.answered-by-proxy", host)),)
        return worst_way(
            [self._to(client, config, host, port, target, protocol, depth) for target in targets]
        )

    def _to(
        self,
        client: Endpoint,
        config: MeshConfig,
        host: str,
        port: EntryPort,
        target: Destination,
        protocol: str,
        depth: int,
    ) -> Way:
        because = Reasons((), (target.rule,), (target.rule.evidence_id,))
        number = target.port or port.number
        served = self._gateways.behind(target.host, number)
        if served:
            ways = [
                self._through_gateway(client, config, host, port, target, one, protocol, depth)
                for one in served
            ]
            way = worst_way(ways)
        elif self._entries.of_host(target.host, client.namespace) is None:
            way = self._unknown(client, host, _cause("indeterminate.egress.unregistered-target", target.host))
        else:
            way = self._straight(client, config, target.host, number, target.subset, protocol)
        return (_adding(way[0], because), *way[1:])

    def _straight(
        self, client: Endpoint, config: MeshConfig, host: str, number: int, subset: str | None, protocol: str
    ) -> Way:
        entry = self._entries.of_host(host, client.namespace, number)
        port = entry.port(number) if entry else None
        if entry is None or port is None:
            return self._unknown(client, host, _cause("indeterminate.egress.unregistered-target", host))
        root = config.root_namespace
        if root is None:
            return self._unknown(client, host, _cause("indeterminate.istio.mesh-config", host))
        rules = self._outbound.rules.lookup(client.namespace, entry.obj.namespace, host, root)
        gateway = is_istio_gateway(client)
        settings = self._outbound.rules.of_subset(rules, client.labels, subset, number)
        hops = [
            self._leave(client.id, entry, port, choice, protocol, config, gateway=gateway)
            for choice in settings
        ]
        return (_worst_hop(hops),)

    def _leave(
        self,
        origin: str,
        entry: ServiceEntry,
        port: EntryPort,
        settings: Settings,
        protocol: str,
        config: MeshConfig,
        *,
        gateway: bool,
    ) -> Hop:
        """The hop that leaves: under the TLS settings of a DestinationRule, or without any. Tunnels are for TCP and TLS."""
        settings = replace(settings, tunnel=None) if protocol in HTTP else settings
        to = self._entries.addresses(entry, protocol)
        rules = settings.rules
        by_rule = Reasons((), rules, tuple(rule.evidence_id for rule in rules))
        if not settings.decides:
            sent, cause = self._without_settings(entry, protocol, config)
            return Hop(
                origin, OUTSIDE, sent, by_rule + _by_entry(entry, cause), port=port.target, addresses=to
            )
        wire, cause = wire_of(settings, gateway=gateway)
        sent = sent_by(wire, protocol)
        reasons = Reasons((cause,)) + by_rule + _by_entry(entry)
        if sent is Sent.INDETERMINATE:
            return Hop(origin, OUTSIDE, sent, reasons, port=port.target, addresses=to)
        if wire is not Wire.PLAINTEXT:
            twice = protocol in ("HTTPS", "TLS") and wire is not Wire.MESH_MTLS
            own = (
                Reasons((Cause("egress.tls-in-tls", (("port", str(port.number)),)),)) if twice else Reasons()
            )
            return Hop(origin, OUTSIDE, sent, reasons + own, port=port.target, addresses=to)
        reasons += Reasons((_application(protocol, port),))
        return Hop(origin, OUTSIDE, sent, reasons, port=port.target, addresses=to)

    def _without_settings(self, entry: ServiceEntry, protocol: str, config: MeshConfig) -> tuple[Sent, Cause]:
        """Automatic mTLS is for endpoints inside the mesh that say that they take it."""
        named = (("entry", str(entry.obj.id)),)
        if entry.external is True and self._entries.is_in_another_network(entry):
            return Sent.INDETERMINATE, Cause("indeterminate.egress.other-network", named)
        if entry.external is True:
            code = {
                Sent.PLAINTEXT: "egress.plain-protocol",
                Sent.APPLICATION_TLS: "egress.application-tls",
            }.get(as_it_is(protocol), "egress.application")
            return as_it_is(protocol), Cause(code, (*named, ("protocol", protocol[:40])))
        takes = self._entries.mesh_endpoints(entry) if entry.external is False else []
        allowed = self._outbound.lets_automatic_mtls(entry.obj.namespace, config)
        if Tri.NO in (allowed, Tri.YES if all(takes) else Tri.NO):
            return as_it_is(protocol), Cause("egress.internal-without-mtls", named)
        if allowed is Tri.YES and takes:
            return Sent.MESH_MTLS, Cause("egress.automatic-mtls", named)
        return Sent.INDETERMINATE, Cause("indeterminate.egress.internal-endpoints", named)

    def _through_gateway(
        self,
        client: Endpoint,
        config: MeshConfig,
        host: str,
        port: EntryPort,
        target: Destination,
        served: Served,
        protocol: str,
        depth: int,
    ) -> Way:
        """Client to gateway under the rules for the gateway's Service, then on from the gateway under its own routes."""
        number = target.port or port.number
        gateway = served.backend.endpoint
        root = config.root_namespace or ROOT_NAMESPACE
        patched = list(gateway_patches(self._outbound.filters.of(gateway, gateway.namespace, root)))
        if patched:
            cause = Cause("indeterminate.istio.envoy-filter", (("policy", patched[0].object),))
            touched = Reasons((cause,), tuple(patched[:1]), (patched[0].evidence_id,))
            return self._unknown(client, gateway.id, touched)
        wire = self._outbound.to_backend(client, served.backend, target.subset)
        server = self._gateways.server(served, host, number)
        if server is None:
            none = _cause("indeterminate.egress.no-gateway-server", served.backend.endpoint.id)
            return self._unknown(client, served.backend.endpoint.id, none)
        sent, cause = server.meets(wire.wire, protocol)
        reasons = wire.reasons + Reasons((cause,)) + server.reasons
        first = Hop(
            client.id, served.backend.endpoint.id, sent, reasons, self._gateways.nodes(client, served)
        )
        if sent is Sent.NOTHING:
            return (first,)
        inner = server.inner(protocol)
        services = self._routes.of(gateway.namespace, server.names, host, server.port, inner)
        if not services or None in services:
            return (first, *self._unknown(gateway, host, _cause("indeterminate.egress.no-route", host)))
        onward = EntryPort(server.port, inner)
        return (first, *self._along(gateway, config, host, onward, services, inner, depth + 1))

    def _unknown(self, client: Endpoint, host: str, reasons: Reasons) -> Way:
        return (Hop(client.id, OUTSIDE, Sent.INDETERMINATE, reasons),)


def _worst_hop(hops: list[Hop]) -> Hop:
    return min(hops, key=lambda hop: RANK.index(hop.sent))


def _adding(hop: Hop, reasons: Reasons) -> Hop:
    return replace(hop, reasons=reasons + hop.reasons)


def _by_entry(entry: ServiceEntry, *causes: Cause) -> Reasons:
    return Reasons(tuple(causes), (), (entry.obj.evidence_id,))


def _application(protocol: str, port: EntryPort) -> Cause:
    code = {
        Sent.PLAINTEXT: "egress.plain-protocol-of-port",
        Sent.APPLICATION_TLS: "egress.application-tls-of-port",
    }.get(as_it_is(protocol), "egress.application-of-port")
    return Cause(code, (("port", str(port.number)), ("protocol", protocol[:40])))


def _cause(code: str, name: str) -> Reasons:
    return Reasons((Cause(code, (("endpoint", name), ("host", name))),))
