"""Istio Gateway servers (encryption.md 1e; networking/v1alpha3 gateway.proto, pkg/config/gateway)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from auditor.encryption.entry.east_west import between_networks
from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.istio_gateway_pods import IstioGatewayPods
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.tls_versions import version_of
from auditor.encryption.entry_reasons import cause
from auditor.inventory.services import Backend
from auditor.model.kinds import KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause

GATEWAY = KindKey("networking.istio.io", "Gateway")
VIRTUAL_SERVICE = KindKey("networking.istio.io", "VirtualService")
CONTROLLER = "istio"
_PLAIN_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "GRPC-WEB-TEXT", "HTTP_PROXY")
_PLAIN_TCP = ("TCP", "MONGO", "MYSQL", "REDIS")
_MAX_LABELS = 128
_BY_REFERENCE = "kubernetes-gateway://"
_WORKLOAD_CERTIFICATE = "the mesh's workload certificate"
_AUTO_PASSTHROUGH = "entry.istio.auto-passthrough"
_PASSTHROUGH = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_TERMINATING = {
    "SIMPLE": ClientAuthentication.NONE,
    "OPTIONAL_MUTUAL": ClientAuthentication.OPTIONAL,
    "MUTUAL": ClientAuthentication.REQUIRED,
    "ISTIO_MUTUAL": ClientAuthentication.REQUIRED,
}
_BY_NUMBER = dict(
    enumerate(("PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"))
)


@dataclass(frozen=True, slots=True)
class _Served:
    """What one server of a Gateway does, whatever the host."""

    plaintext: Plaintext
    tls: EntryTls | None
    client: ClientAuthentication
    backend: BackendHop
    causes: tuple[Cause, ...]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bound:
    """The VirtualServices of one gateway, by host and by the domains above each host."""

    by_host: dict[str, list[KubeObject]] = field(default_factory=dict)
    below: dict[str, list[KubeObject]] = field(default_factory=dict)

    def add(self, obj: KubeObject) -> None:
        """Take in a VirtualService."""
        for host in dict.fromkeys(h.lower() for h in list_at(obj.spec, "hosts") if isinstance(h, str)):
            self.by_host.setdefault(host, []).append(obj)
            for wildcard in _wildcards(host):
                self.below.setdefault(wildcard, []).append(obj)

    def serving(self, host: str) -> Iterator[KubeObject]:
        """The VirtualServices that answer for a host, by name or by a wildcard, or for hosts under a wildcard."""
        for name in (host, *_wildcards(host)):
            yield from self.by_host.get(name, ())
        if host.startswith("*"):
            yield from self.below.get(host, ())


_NOTHING_BOUND = _Bound()


class IstioGateways:
    """All Gateway objects of Istio, with the VirtualServices bound to them and the pods that serve them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._pods = IstioGatewayPods(sources)

    def rows(self) -> Iterator[EntryPoint]:
        """One row a (Gateway, host, server)."""
        for gateway in self._sources.cluster.all(GATEWAY):
            notices = () if self._pods.of(gateway).namespaces else (cause("entry.istio.no-gateway-pods"),)
            for index, server in enumerate(mappings_at(gateway.spec, "servers")):
                served = self._serve(gateway, server)
                yield from self._server_rows(gateway, index, server, served, notices)

    def _server_rows(
        self,
        gateway: KubeObject,
        index: int,
        server: JsonObject,
        served: _Served,
        notices: tuple[Cause, ...],
    ) -> Iterator[EntryPoint]:
        bound = self._bound.get((gateway.namespace, gateway.name), _NOTHING_BOUND)
        hosts = [_host(entry) for entry in list_at(server, "hosts") if isinstance(entry, str)]
        spaces = _spaces(gateway, list_at(server, "hosts"))
        for host in dict.fromkeys(hosts or ["*"]):
            row = EntryPoint(
                object=str(gateway.id),
                namespace=gateway.namespace,
                kind=gateway.id.kind,
                controller=CONTROLLER,
                host=host,
                listener=text_at(server, "name") or f"servers[{index}]",
                port=_number(server),
                protocol="TCP",
                plaintext=served.plaintext,
                tls=served.tls,
                client_authentication=served.client,
                backend=served.backend,
                causes=served.causes,
                notices=notices,
                evidence=(gateway.evidence_id, *served.evidence),
                destinations=self._destinations(bound, host, spaces.get(host)),
            )
            passed = any(why.code == _AUTO_PASSTHROUGH for why in served.causes)
            yield between_networks(self._sources, row, gateway) if passed else row

    def _serve(self, gateway: KubeObject, server: JsonObject) -> _Served:
        patching = self._pods.of(gateway).patching
        if patching is not None:
            unknown = (cause("indeterminate.entry.istio.envoy-filter", filter=patching.id),)
            return _indeterminate(unknown, (patching.evidence_id,))
        protocol = (text_at(server, "port", "protocol") or "").upper()
        tls = server.get("tls")
        if protocol in _PLAIN_HTTP or (tls is None and protocol in _PLAIN_TCP):
            return _plain(mapping_at(server, "tls").get("httpsRedirect") is True, protocol in _PLAIN_HTTP)
        if not isinstance(tls, Mapping):
            return _indeterminate((cause("indeterminate.entry.istio.no-tls-settings"),))
        mode = _mode(tls.get("mode"))
        if mode in ("", *_PASSTHROUGH):
            codes = ["entry.passthrough"] if mode else ["entry.passthrough", "entry.istio.mode-unset"]
            if mode == "AUTO_PASSTHROUGH":
                codes.append(_AUTO_PASSTHROUGH)
            return _Served(
                Plaintext.CLOSED,
                EntryTls(TlsMode.PASSTHROUGH),
                ClientAuthentication.INDETERMINATE,
                BackendHop.PASSTHROUGH,
                tuple(cause(code) for code in codes),
            )
        if mode not in _TERMINATING:
            return _indeterminate((cause("indeterminate.entry.istio.mode", mode=mode[:80]),))
        return self._terminate(gateway, server, tls, mode)

    def _terminate(self, gateway: KubeObject, server: JsonObject, tls: JsonObject, mode: str) -> _Served:
        client, causes = _TERMINATING[mode], [cause("entry.istio.mode", mode=mode)]
        if client is ClientAuthentication.REQUIRED and tls.get("insecureSkipVerify") is True:
            client = ClientAuthentication.OPTIONAL
            causes.append(cause("entry.istio.skip-verify"))
        number = _number(server)
        if client is ClientAuthentication.REQUIRED and number in self._pods.of(gateway).udp_ports:
            # A UDP port of the same number is HTTP/3, whose listener asks for no client certificate.
            client = ClientAuthentication.INDETERMINATE
            causes.append(cause("indeterminate.entry.istio.http3", port=number))
        minimum, evidence = self._minimum(tls)
        certificate = _WORKLOAD_CERTIFICATE if mode == "ISTIO_MUTUAL" else self._certificate(gateway, tls)
        ciphers = ", ".join(c for c in list_at(tls, "cipherSuites") if isinstance(c, str))
        return _Served(
            Plaintext.CLOSED,
            EntryTls(TlsMode.TERMINATE, minimum, certificate, ciphers or None),
            client,
            BackendHop.MESH,
            tuple(causes),
            evidence,
        )

    def _certificate(self, gateway: KubeObject, tls: JsonObject) -> str | None:
        """The Secret of `credentialName`, in the namespace of the gateway's pods; else the file's path."""
        name = text_at(tls, "credentialName")
        if not name:
            return text_at(tls, "serverCertificate")
        if name.startswith(_BY_REFERENCE):
            return name.removeprefix(_BY_REFERENCE).replace("/", "/Secret/", 1)
        spaces = self._pods.of(gateway).namespaces
        return f"{min(spaces)}/Secret/{name}" if len(spaces) == 1 else name

    def _minimum(self, tls: JsonObject) -> tuple[str | None, tuple[str, ...]]:
        """The server's minimum version, else the mesh's tlsDefaults, else the documented TLS 1.2."""
        own = text_at(tls, "minProtocolVersion")
        if own and own != "TLS_AUTO":
            return version_of(own), ()
        found = self._pods.minimum_versions
        if len(found) == 1:
            (version, evidence_id), *_ = found
            return version, (evidence_id,)
        return self._pods.only_minimum, ()

    @cached_property
    def _bound(self) -> Mapping[tuple[str, str], "_Bound"]:
        """VirtualServices by the gateway that they name, `namespace/name` or a name in their own namespace."""
        found: dict[tuple[str, str], _Bound] = {}
        for obj in self._sources.cluster.all(VIRTUAL_SERVICE):
            for name in dict.fromkeys(g for g in list_at(obj.spec, "gateways") if isinstance(g, str)):
                namespace, separator, rest = name.partition("/")
                place = (namespace, rest) if separator else (obj.namespace, name)
                found.setdefault(place, _Bound()).add(obj)
        return found

    def _destinations(self, bound: "_Bound", host: str, spaces: frozenset[str] | None) -> tuple[Backend, ...]:
        """The pods that VirtualServices of the namespaces which the server's host names (None: any) lead to."""
        found = (obj for obj in bound.serving(host.lower()) if spaces is None or obj.namespace in spaces)
        return tuple(dict.fromkeys(b for obj in found for b in self._route_backends(obj)))

    def _route_backends(self, obj: KubeObject, *, delegated: bool = False) -> Iterator[Backend]:
        """Routes and mirrors; a delegate is followed once, as Istio does (virtual_service.proto, Delegate)."""
        for kind in ("http", "tls", "tcp"):
            for rule in mappings_at(obj.spec, kind):
                for destination in _destinations_of(rule):
                    host = text_at(destination, "host") or ""
                    name, _, rest = host.partition(".")
                    namespace = rest.partition(".")[0] or obj.namespace
                    port = mapping_at(destination, "port").get("number")
                    yield from self._sources.backends(namespace, name, port)
                named = mapping_at(rule, "delegate")
                space = text_at(named, "namespace") or obj.namespace
                target = self._sources.cluster.get(VIRTUAL_SERVICE, space, text_at(named, "name") or "")
                if target is not None and not delegated:
                    yield from self._route_backends(target, delegated=True)


def _destinations_of(rule: JsonObject) -> Iterator[JsonObject]:
    for route in mappings_at(rule, "route"):
        yield mapping_at(route, "destination")
    if isinstance(rule.get("mirror"), Mapping):
        yield mapping_at(rule, "mirror")
    for mirror in mappings_at(rule, "mirrors"):
        yield mapping_at(mirror, "destination")


def _spaces(gateway: KubeObject, hosts: Sequence[object]) -> dict[str, frozenset[str] | None]:
    """The namespaces whose VirtualServices a server's host takes, `ns/host` or `./host`; None for all (gateway.proto)."""
    found: dict[str, set[str] | None] = {}
    for entry in hosts:
        if isinstance(entry, str):
            space, separator, _ = entry.partition("/")
            own = gateway.namespace if space == "." else space
            taken = found.setdefault(_host(entry), set())
            found[_host(entry)] = None if taken is None or not separator or own == "*" else {*taken, own}
    return {host: None if spaces is None else frozenset(spaces) for host, spaces in found.items()}


def _plain(redirect: bool, http: bool) -> _Served:
    if redirect and http:
        plaintext, code = Plaintext.REDIRECTED, "entry.istio.redirect"
    else:
        plaintext, code = Plaintext.OPEN, "entry.istio.plain"
    return _Served(plaintext, None, ClientAuthentication.NONE, BackendHop.MESH, (cause(code),))


def _indeterminate(causes: tuple[Cause, ...], evidence: tuple[str, ...] = ()) -> _Served:
    return _Served(
        Plaintext.INDETERMINATE,
        EntryTls(TlsMode.INDETERMINATE),
        ClientAuthentication.INDETERMINATE,
        BackendHop.INDETERMINATE,
        causes,
        evidence,
    )


def _number(server: JsonObject) -> int | None:
    number = mapping_at(server, "port").get("number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _mode(value: object) -> str:
    """The mode by name, `""` where it is not set (which is number 0); anything else as text, to be named."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return _BY_NUMBER.get(value, str(value))
    return str(value)


def _host(entry: str) -> str:
    """`namespace/host` without its namespace."""
    return entry.partition("/")[2] or entry


def _wildcards(host: str) -> Iterator[str]:
    """The wildcards that cover a host, nearest first; they cover any number of labels."""
    labels = host.removeprefix("*.").split(".", _MAX_LABELS)
    start = 0 if host.startswith("*.") else 1
    for index in range(start, len(labels)):
        wildcard = "*." + ".".join(labels[index:])
        if wildcard != host:
            yield wildcard
    if host != "*":
        yield "*"
