"""Gateway API: listeners of Gateways and ListenerSets, and the routes that attach (encryption.md 4)."""

from collections.abc import Iterator
from functools import cached_property

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.gateway_routes import GROUP, Attached, GatewayRoutes, Listener, only_redirects
from auditor.encryption.entry.sources import Sources, evidence_of
from auditor.encryption.entry.traefik import weakest_hop
from auditor.encryption.entry_reasons import cause
from auditor.model.kinds import SERVICE, KindKey
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

GATEWAY = KindKey(GROUP, "Gateway")
GATEWAY_CLASS = KindKey(GROUP, "GatewayClass")
LISTENER_SET = KindKey(GROUP, "ListenerSet")
BACKEND_TLS = KindKey(GROUP, "BackendTLSPolicy")
_ISTIO = ("istio.io/gateway-controller", "istio.io/unmanaged-gateway")
_SECURED = ("HTTPS", "TLS")
_PLAIN = ("TCP", "UDP")
_WAYPOINT = "HBONE"
"""The protocol of Istio's waypoints, which serve the mesh and are no way in from outside."""
_FRONTEND_MODES = {
    None: ClientAuthentication.REQUIRED,
    "AllowValidOnly": ClientAuthentication.REQUIRED,
    "AllowInsecureFallback": ClientAuthentication.OPTIONAL,
}


class GatewayApi:
    """All listeners of the cluster."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._routes = GatewayRoutes(sources)

    def rows(self) -> Iterator[EntryPoint]:
        """One row a (Gateway or ListenerSet, host, listener)."""
        for listener in self._listeners():
            attached = list(self._routes.attached(listener))
            hosts: dict[str, list[Attached]] = {}
            for entry in attached:
                for host in entry.hosts:
                    hosts.setdefault(host, []).append(entry)
            for host, entries in (hosts or {listener.hostname or "*": []}).items():
                yield self._row(listener, host, entries)

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
        plaintext, tls, why = _serve(listener, attached)
        client, client_causes = _client(listener, tls)
        destinations = dict.fromkeys(b for a in attached for b, _, _ in self._routes.backends(a.route))
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
            backend=self._backend(tls, attached, controller),
            causes=(*why, *client_causes),
            evidence=evidence_of(*own),
            destinations=tuple(destinations),
        )

    def _controller(self, gateway: KubeObject) -> tuple[str | None, KubeObject | None]:
        name = text_at(gateway.spec, "gatewayClassName") or ""
        found = self._sources.cluster.get(GATEWAY_CLASS, "", name)
        return (text_at(found.spec, "controllerName") if found else None), found

    def _backend(self, tls: EntryTls | None, attached: list[Attached], controller: str | None) -> BackendHop:
        """Unencrypted unless a BackendTLSPolicy targets the Service, which always verifies; Istio's gateways are meshed."""
        if tls is not None and tls.mode is TlsMode.PASSTHROUGH:
            return BackendHop.PASSTHROUGH
        plain = BackendHop.MESH if controller in _ISTIO else BackendHop.PLAINTEXT
        if controller is None and not self._sources.complete(*GATEWAY_CLASS):
            plain = BackendHop.INDETERMINATE
        references = [reference for a in attached for reference in self._routes.references(a.route)]
        hops = (BackendHop.VERIFIED if self._is_secured(*reference) else plain for reference in references)
        return weakest_hop(hops) if references else plain

    def _is_secured(self, namespace: str, name: str, port: object) -> bool:
        sections = self._secured.get((namespace, name), frozenset())
        if None in sections:
            return True
        service = self._sources.cluster.get(SERVICE, namespace, name)
        entries = mappings_at(service.body, "spec", "ports") if service else []
        return any(text_at(e, "name") in sections for e in entries if e.get("port") == port)

    @cached_property
    def _secured(self) -> dict[tuple[str, str], frozenset[str | None]]:
        """Services with a BackendTLSPolicy: names of the ports that it targets, None for all."""
        found: dict[tuple[str, str], set[str | None]] = {}
        for policy in self._sources.cluster.all(BACKEND_TLS):
            if mapping_at(policy.spec, "validation"):
                for target in mappings_at(policy.spec, "targetRefs"):
                    if target.get("kind") == "Service":
                        place = (policy.namespace, text_at(target, "name") or "")
                        found.setdefault(place, set()).add(text_at(target, "sectionName") or None)
        return {place: frozenset(sections) for place, sections in found.items()}


def _read(parent: KubeObject, gateway: KubeObject) -> Iterator[Listener]:
    for index, spec in enumerate(mappings_at(parent.spec, "listeners")):
        port = spec.get("port")
        if text_at(spec, "protocol") == _WAYPOINT:
            continue
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
    listener: Listener, attached: list[Attached]
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
    if mode == "Passthrough":
        return Plaintext.CLOSED, EntryTls(TlsMode.PASSTHROUGH), (cause("entry.passthrough"),)
    resolved = _resolved(listener)
    if mode != "Terminate" or resolved is False:
        code = (
            "indeterminate.entry.gateway.references"
            if mode == "Terminate"
            else "indeterminate.entry.gateway.mode"
        )
        return Plaintext.CLOSED, EntryTls(TlsMode.INDETERMINATE), (cause(code),)
    secret = next(iter(mappings_at(listener.spec, "tls", "certificateRefs")), {})
    causes = [cause("entry.gateway.terminates")]
    if resolved is None:
        causes.append(cause("entry.gateway.references-not-observed"))
    return Plaintext.CLOSED, EntryTls(TlsMode.TERMINATE, None, _certificate(listener, secret)), tuple(causes)


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


def _resolved(listener: Listener) -> bool | None:
    """The listener's ResolvedRefs condition, None where the controller has not said."""
    for status in mappings_at(listener.parent.body, "status", "listeners"):
        if text_at(status, "name") == listener.name:
            for condition in mappings_at(status, "conditions"):
                if condition.get("type") == "ResolvedRefs":
                    return condition.get("status") == "True"
    return None


def _certificate(listener: Listener, reference: JsonObject) -> str | None:
    name = text_at(reference, "name")
    if not name:
        return None
    space = text_at(reference, "namespace") or listener.parent.namespace
    return f"{space}/{text_at(reference, 'kind') or 'Secret'}/{name}"


def _client(listener: Listener, tls: EntryTls | None) -> tuple[ClientAuthentication, tuple[Cause, ...]]:
    """`spec.tls.frontend` of the Gateway, for HTTPS: an entry for the port comes before the default."""
    if tls is None:
        return ClientAuthentication.NONE, ()
    if tls.mode is not TlsMode.TERMINATE:
        return ClientAuthentication.INDETERMINATE, ()
    frontend = mapping_at(listener.gateway.spec, "tls", "frontend")
    own = [e for e in mappings_at(frontend, "perPort") if e.get("port") == listener.port]
    chosen = mapping_at(own[0], "tls") if own else mapping_at(frontend, "default")
    validation = mapping_at(chosen, "validation") or mapping_at(listener.spec, "tls", "frontendValidation")
    if not validation:
        return ClientAuthentication.NONE, ()
    if listener.protocol != "HTTPS":
        return ClientAuthentication.INDETERMINATE, (cause("indeterminate.entry.gateway.frontend"),)
    mode = validation.get("mode")
    found = _FRONTEND_MODES.get(mode) if mode is None or isinstance(mode, str) else None
    if found is None:
        return ClientAuthentication.INDETERMINATE, (cause("indeterminate.entry.gateway.frontend"),)
    return found, (cause("entry.gateway.frontend", mode=mode or "AllowValidOnly"),)
