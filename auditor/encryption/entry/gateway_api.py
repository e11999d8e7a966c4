"""Gateway API: listeners of Gateways and ListenerSets, and the routes that attach (encryption.md 4)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from auditor.encryption.entry.east_west import CLASS as EAST_WEST
from auditor.encryption.entry.east_west import HBONE, between_networks, is_auto_passthrough, tunnel_row
from auditor.encryption.entry.entry_point import (
    BackendHop,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.gateway_backend_tls import BackendTls
from auditor.encryption.entry.gateway_frontend import Frontend
from auditor.encryption.entry.gateway_grants import GROUP, Grants
from auditor.encryption.entry.gateway_routes import (
    Attached,
    ForeignReference,
    GatewayRoutes,
    Listener,
    ServiceReference,
    only_redirects,
)
from auditor.encryption.entry.istio_gateway_pods import IstioGatewayPods
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

GATEWAY = KindKey(GROUP, "Gateway")
GATEWAY_CLASS = KindKey(GROUP, "GatewayClass")
LISTENER_SET = KindKey(GROUP, "ListenerSet")
_ISTIO = ("istio.io/gateway-controller", "istio.io/unmanaged-gateway")
_SECURED = ("HTTPS", "TLS")
_PLAIN = ("TCP", "UDP")
_BUILT_IN = ("istio", "istio-remote", EAST_WEST)
"""Classes that Istio serves whether or not there is an object of that name."""


@dataclass(frozen=True, slots=True)
class _Behind:
    """What stands behind a listener's host: the hops, the pods, and why; dictionaries as ordered sets."""

    hops: list[BackendHop]
    backends: dict[Backend, None]
    causes: dict[Cause, None]
    evidence: dict[str, None]


class GatewayApi:
    """All listeners of the cluster."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        grants = Grants(sources)
        self._routes = GatewayRoutes(sources, grants)
        self._frontend = Frontend(grants)
        self._backend_tls = BackendTls(sources)
        self._istio_pods = IstioGatewayPods(sources)

    def rows(self) -> Iterator[EntryPoint]:
        """One row a (Gateway or ListenerSet, host, listener)."""
        for listener in self._listeners():
            if listener.protocol == HBONE:
                name, known = self._controller(listener.gateway)
                evidence = evidence_of(listener.parent, known)
                yield tunnel_row(listener, name, evidence, self._istio_pods.only_minimum)
                continue
            attached = list(self._routes.attached(listener))
            hosts: dict[str, list[Attached]] = {}
            for entry in attached:
                for host in entry.hosts:
                    hosts.setdefault(host, []).append(entry)
            for host, entries in (hosts or {listener.hostname or "*": []}).items():
                row = self._row(listener, host, entries)
                own = row.controller in _ISTIO or _class_of(listener.gateway) in _BUILT_IN
                if own and is_auto_passthrough(listener):
                    row = replace(row, causes=(*row.causes, cause("entry.istio.auto-passthrough")))
                    row = between_networks(self._sources, row, listener.gateway)
                yield row

    def _listeners(self) -> Iterator[Listener]:
        for gateway in self._sources.cluster.all(GATEWAY):
            yield from _read(gateway, gateway)
        for extra in self._sources.cluster.all(LISTENER_SET):
            space = text_at(extra.spec, "parentRef", "namespace") or extra.namespace
            name = text_at(extra.spec, "parentRef", "name") or ""
            parent = self._sources.cluster.get(GATEWAY, space, name)
            if parent is not None:
                allowed = mapping_at(parent.spec, "allowedListeners")
                if self._routes.lets_in(allowed, parent, extra, "None"):
                    yield from _read(extra, parent)

    def _row(self, listener: Listener, host: str, attached: list[Attached]) -> EntryPoint:
        controller, gateway_class = self._controller(listener.gateway)
        istio = controller in _ISTIO
        plaintext, tls, why = _serve(listener, attached, self._frontend)
        assumed: tuple[Cause, ...] = ()
        if tls is None and plaintext is not Plaintext.OPEN and not self._routes.all_known(listener):
            assumed = (cause("entry.gateway.routes-assumed"),)
            if not attached:
                plaintext, why = (
                    Plaintext.INDETERMINATE,
                    (cause("indeterminate.entry.gateway.routes-missing"),),
                )
        tls, of_version = self._with_minimum(tls, istio=istio)
        client, client_causes = self._frontend.client(listener, tls, istio=istio)
        behind = self._behind(listener, tls, attached, controller)
        own = (listener.parent, gateway_class, *(a.route for a in attached))
        return EntryPoint(
            object=str(listener.parent.id),
            namespace=listener.parent.namespace,
            kind=listener.parent.id.kind,
            controller=controller,
            host=host,
            listener=listener.name,
            port=listener.port,
            protocol="UDP" if listener.protocol == "UDP" else "TCP",
            plaintext=plaintext,
            tls=tls,
            client_authentication=client,
            backend=weakest_hop(behind.hops),
            causes=(*why, *of_version, *client_causes, *behind.causes),
            assumptions=assumed,
            evidence=(*evidence_of(*own), *behind.evidence),
            destinations=tuple(behind.backends),
        )

    def _with_minimum(
        self, tls: EntryTls | None, *, istio: bool
    ) -> tuple[EntryTls | None, tuple[Cause, ...]]:
        """The API has no field for TLS versions: Istio's MeshConfig sets them, of other controllers they aren't known."""
        if tls is None or tls.mode is not TlsMode.TERMINATE:
            return tls, ()
        minimum = self._istio_pods.only_minimum if istio else None
        why = () if minimum else (cause("indeterminate.entry.default-version"),)
        return replace(tls, minimum_version=minimum), why

    def _controller(self, gateway: KubeObject) -> tuple[str | None, KubeObject | None]:
        name = text_at(gateway.spec, "gatewayClassName") or ""
        found = self._sources.cluster.get(GATEWAY_CLASS, "", name)
        return (text_at(found.spec, "controllerName") if found else None), found

    def _behind(
        self, listener: Listener, tls: EntryTls | None, attached: list[Attached], controller: str | None
    ) -> _Behind:
        """Unencrypted unless a BackendTLSPolicy targets the Service; Istio's gateways leave it to the mesh."""
        plain = BackendHop.MESH if controller in _ISTIO else BackendHop.PLAINTEXT
        if controller is None and not self._sources.complete(*GATEWAY_CLASS):
            plain = BackendHop.INDETERMINATE
        found = _Behind([], {}, {}, {})
        for reference in dict.fromkeys(r for a in attached for r in self._routes.references(a.route)):
            if isinstance(reference, ForeignReference):
                found.hops.append(BackendHop.INDETERMINATE)
                found.causes[cause("indeterminate.entry.gateway.backend-kind", kind=reference.kind)] = None
                continue
            found.backends.update(dict.fromkeys(self._routes.backends(reference)))
            if reference.granted is not Tri.YES:
                found.causes[_refused(reference)] = None
            if reference.granted is not Tri.NO:
                policy = self._backend_tls.hop(
                    listener.gateway, reference.namespace, reference.name, reference.port
                )
                hop, why, evidence = policy or (plain, (), ())
                found.hops.append(hop)
                found.causes.update(dict.fromkeys(why))
                found.evidence.update(dict.fromkeys(evidence))
        if tls is not None and tls.mode is TlsMode.PASSTHROUGH:
            return _Behind([BackendHop.PASSTHROUGH], found.backends, found.causes, {})
        return found if found.hops else _Behind([plain], found.backends, found.causes, {})


def _class_of(gateway: KubeObject) -> str:
    return text_at(gateway.spec, "gatewayClassName") or ""


def _refused(reference: ServiceReference) -> Cause:
    target = f"{reference.namespace}/Service/{reference.name}"[:200]
    if reference.granted is Tri.NO:
        return cause("entry.gateway.backend-not-granted", target=target)
    return cause("indeterminate.entry.gateway.grant-unknown", target=target)


def _read(parent: KubeObject, gateway: KubeObject) -> Iterator[Listener]:
    for index, spec in enumerate(mappings_at(parent.spec, "listeners")):
        port = spec.get("port")
        east_west = text_at(gateway.spec, "gatewayClassName") == EAST_WEST
        if text_at(spec, "protocol") == HBONE and not east_west:
            continue  # Waypoints serve the mesh and are no way in from outside.
        yield Listener(
            parent=parent,
            gateway=gateway,
            spec=spec,
            name=text_at(spec, "name") or f"listeners[{index}]",
            protocol=text_at(spec, "protocol") or "",
            port=port if isinstance(port, int) and not isinstance(port, bool) else None,
            hostname=(text_at(spec, "hostname") or "").lower(),
        )


def _serve(
    listener: Listener, attached: list[Attached], frontend: Frontend
) -> tuple[Plaintext, EntryTls | None, tuple[Cause, ...]]:
    if listener.protocol == "HTTP":
        return _plain_http(attached)
    if listener.protocol in _PLAIN:
        code = "entry.gateway.plain" if attached else "entry.gateway.no-route"
        return (Plaintext.OPEN if attached else Plaintext.CLOSED), None, (cause(code),)
    if listener.protocol not in _SECURED:
        unknown = cause("indeterminate.entry.gateway.protocol", protocol=listener.protocol[:80])
        return Plaintext.INDETERMINATE, EntryTls(TlsMode.INDETERMINATE), (unknown,)
    mode = text_at(listener.spec, "tls", "mode") or "Terminate"
    if mode == "Passthrough" and listener.protocol == "TLS":
        return Plaintext.CLOSED, EntryTls(TlsMode.PASSTHROUGH), (cause("entry.passthrough"),)
    if mode != "Terminate":
        return Plaintext.CLOSED, EntryTls(TlsMode.INDETERMINATE), (cause("indeterminate.entry.gateway.mode"),)
    return (Plaintext.CLOSED, *frontend.terminates(listener))


def _plain_http(attached: list[Attached]) -> tuple[Plaintext, None, tuple[Cause, ...]]:
    if not attached:
        return Plaintext.CLOSED, None, (cause("entry.gateway.no-route"),)
    serving = [a.route for a in attached if not only_redirects(a.route)]
    if not serving:
        return Plaintext.REDIRECTED, None, (cause("entry.gateway.redirects"),)
    loose = any(_attaches_anywhere(route) for route in serving)
    code = "entry.gateway.route-without-section" if loose else "entry.gateway.plain"
    return Plaintext.OPEN, None, (cause(code),)


def _attaches_anywhere(route: KubeObject) -> bool:
    return any(not reference.get("sectionName") for reference in mappings_at(route.spec, "parentRefs"))
