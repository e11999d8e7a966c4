"""Egress gateways: the pods behind a Service, the Gateway server that takes a host, and what passes through it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from auditor.encryption.egress.service_entries import wildcards
from auditor.encryption.egress.values import HTTP, Sent, sent_by
from auditor.encryption.verdicts import Reasons, Wire
from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend, Services
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

GATEWAY = kind_key("networking.istio.io", "Gateway")
_SUFFIX = ".svc.cluster.local"
_MODES = ("PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL")
_PASSING = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_PLAIN = "none"
_ENDING = {
    Sent.MESH_MTLS: ("ISTIO_MUTUAL",),
    Sent.MUTUAL_TLS: ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"),
    Sent.TLS: ("SIMPLE", "OPTIONAL_MUTUAL"),
    Sent.TLS_UNVERIFIED: ("SIMPLE", "OPTIONAL_MUTUAL"),
    Sent.APPLICATION_TLS: ("SIMPLE", "OPTIONAL_MUTUAL"),
}
"""Which modes end the TLS that a client sends."""


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway's pods behind a Service port."""

    backend: Backend


@dataclass(frozen=True, slots=True)
class GatewayServer:
    """A server of a Gateway that takes a host. `names` are the Gateways of its pods as `namespace/name`, `mode` its TLS
    mode or `none`, `protocol` in capitals."""

    names: frozenset[str]
    port: int
    protocol: str
    mode: str
    reasons: Reasons

    def meets(self, wire: Wire, protocol: str) -> tuple[Sent, Cause]:
        """What is on the wire towards the server, from what the client's proxy sends: both have to fit together."""
        named = (("mode", self.mode), ("protocol", self.protocol))
        sent = sent_by(wire, protocol)
        if self.mode not in (*_MODES, _PLAIN) or sent is Sent.INDETERMINATE:
            return Sent.INDETERMINATE, Cause("indeterminate.egress.gateway-server", named)
        plain = wire is Wire.PLAINTEXT
        if self.mode == _PLAIN:
            fits = plain
        elif self.mode in _PASSING:
            fits = plain and sent is not Sent.PLAINTEXT
        else:
            fits = self.mode in _ENDING.get(sent, ())
        if not fits and sent is Sent.PLAINTEXT:
            return Sent.NOTHING, Cause("egress.gateway-refuses", named)
        if not fits:
            return Sent.INDETERMINATE, Cause("indeterminate.egress.gateway-server", named)
        return sent, Cause("egress.gateway-server", named)

    def inner(self, protocol: str) -> str:
        """The protocol behind the server, once its TLS is taken off."""
        if self.mode in (*_PASSING, _PLAIN):
            return self.protocol if self.mode == _PLAIN and self.protocol in HTTP else protocol
        return "HTTP" if self.protocol == "HTTPS" else protocol


class EgressGateways:
    """Istio Gateways as ways out."""

    def __init__(
        self, cluster: Cluster, services: Services, nodes: Callable[[Endpoint, Endpoint], Tri]
    ) -> None:
        self._objects = cluster.all(GATEWAY)
        self._services = services
        self._between = nodes
        self._of_pods: dict[str, list[KubeObject]] = {}

    def behind(self, host: str, port: int) -> list[Served]:
        """The gateways behind a Service's host and port; empty where the host names no Service of gateways."""
        if not host.endswith(_SUFFIX):
            return []
        name, _, namespace = host.removesuffix(_SUFFIX).partition(".")
        found = self._services.of_service(namespace, name)
        return [
            Served(backend)
            for backend in found
            if backend.service_port == port and is_istio_gateway(backend.endpoint)
        ]

    def nodes(self, client: Endpoint, served: Served) -> Tri:
        """Whether the nodes encrypt between a client and a gateway."""
        return self._between(client, served.backend.endpoint)

    def server(self, served: Served, host: str, port: int) -> GatewayServer | None:
        """The server that takes a host on the port; None where no Gateway of these pods has one. Servers that differ in
        TLS leave its mode unreadable, since which of them comes first isn't followed."""
        found = self._servers(served, host, port)
        if not found:
            return None
        if len({(one.protocol, one.mode) for one in found}) == 1:
            return found[0]
        reasons = sum((one.reasons for one in found), Reasons())
        return replace(found[0], mode="several", reasons=reasons)

    def _servers(self, served: Served, host: str, port: int) -> list[GatewayServer]:
        own = self._gateways_of(served.backend.endpoint)
        found = []
        ports = (port, served.backend.service_port, served.backend.target_port)
        names = frozenset(f"{obj.namespace}/{obj.name}" for obj in own)
        for obj in own:
            for index, server in enumerate(mappings_at(obj.spec, "servers")):
                number = mapping_at(server, "port").get("number")
                if number in ports and isinstance(number, int) and _takes(server, host):
                    rule = RuleRef(str(obj.id), f"spec.servers[{index}]", obj.evidence_id)
                    protocol = (text_at(server, "port", "protocol") or "").upper()
                    reasons = Reasons((), (rule,), (obj.evidence_id,))
                    found.append(GatewayServer(names, number, protocol, _mode(server, protocol), reasons))
        return found

    def _gateways_of(self, endpoint: Endpoint) -> list[KubeObject]:
        if endpoint.id not in self._of_pods:
            self._of_pods[endpoint.id] = [
                obj
                for obj in self._objects
                if all(
                    endpoint.labels.get(str(key)) == value
                    for key, value in mapping_at(obj.spec, "selector").items()
                )
            ]
        return self._of_pods[endpoint.id]


def _takes(server: JsonObject, host: str) -> bool:
    names = [str(name).rpartition("/")[2].lower() for name in list_at(server, "hosts")]
    return any(name == host or name in wildcards(host) for name in names)


def _mode(server: JsonObject, protocol: str) -> str:
    """`none` without TLS; a tls block without a mode is PASSTHROUGH, number 0."""
    tls = server.get("tls")
    if tls is None or protocol in HTTP:
        return _PLAIN
    value = mapping_at(tls).get("mode", 0)
    if isinstance(value, int) and not isinstance(value, bool):
        return _MODES[value] if 0 <= value < len(_MODES) else str(value)
    return str(value)
