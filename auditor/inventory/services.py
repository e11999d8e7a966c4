"""Services as ways to pods: selector or EndpointSlices, ports mapped to container ports."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import PROTOCOLS, Endpoint
from auditor.inventory.selectors import from_labels
from auditor.model.kinds import ENDPOINT_SLICE, SERVICE
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at

_SLICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Backend:
    """One way from a Service's port to an endpoint's container port. `node_port` 0 means none."""

    service: KubeObject
    endpoint: Endpoint
    service_port: int
    service_port_name: str
    target_port: int
    protocol: str
    app_protocol: str = ""
    node_port: int = 0


class Services:
    """The Services of a cluster and the endpoints behind them."""

    def __init__(self, cluster: Cluster, endpoints: Sequence[Endpoint]) -> None:
        self._cluster = cluster
        self._by_namespace: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            self._by_namespace.setdefault(endpoint.namespace, []).append(endpoint)

    @cached_property
    def backends(self) -> Mapping[tuple[str, str], tuple[Backend, ...]]:
        """Every backend by (namespace, service name)."""
        return {
            (service.namespace, service.name): tuple(self._backends_of(service))
            for service in self._cluster.all(SERVICE)
        }

    @cached_property
    def _of_endpoint(self) -> Mapping[str, tuple[Backend, ...]]:
        found: dict[str, list[Backend]] = {}
        for group in self.backends.values():
            for backend in group:
                found.setdefault(backend.endpoint.id, []).append(backend)
        return {key: tuple(group) for key, group in found.items()}

    def of_service(self, namespace: str, name: str) -> tuple[Backend, ...]:
        """The ways behind a Service; empty where it has none or isn't there."""
        return self.backends.get((namespace, name), ())

    def of_endpoint(self, endpoint: Endpoint) -> tuple[Backend, ...]:
        """The ways that lead to an endpoint."""
        return self._of_endpoint.get(endpoint.id, ())

    def ports_of(self, endpoint: Endpoint) -> tuple[tuple[int, str], ...]:
        """(container port, protocol) that the endpoint's containers or Services declare, sorted."""
        declared = {(port.port, port.protocol) for port in endpoint.ports}
        return tuple(sorted(declared | {(b.target_port, b.protocol) for b in self.of_endpoint(endpoint)}))

    def _backends_of(self, service: KubeObject) -> Iterator[Backend]:
        if not mapping_at(service.body, "spec", "selector"):
            yield from self._backends_of_slices(service)
            return
        for endpoint in self._selected(service):
            for entry in mappings_at(service.body, "spec", "ports"):
                if (backend := _backend(service, endpoint, entry)) is not None:
                    yield backend

    def _backends_of_slices(self, service: KubeObject) -> Iterator[Backend]:
        """Of a Service without a selector: its slices name the addresses, of any namespace, and the ports behind them."""
        if service.spec.get("type") == "ExternalName":
            return
        known: set[tuple[str, int, int, str]] = set()
        for item in self._slices.get((service.namespace, service.name), ()):
            for endpoint in self._in_slice(item):
                for entry in mappings_at(service.body, "spec", "ports"):
                    backend = _backend(service, endpoint, _target_in_slice(item, entry))
                    if backend is not None:
                        place = (endpoint.id, backend.service_port, backend.target_port, backend.protocol)
                        if place not in known:
                            known.add(place)
                            yield backend

    def _in_slice(self, item: KubeObject) -> list[Endpoint]:
        """Who has an address of a slice. A node's address stands for whatever runs on its network: that is left aside."""
        addresses = (a for e in mappings_at(item.body, "endpoints") for a in list_at(e, "addresses"))
        found = {
            e.id: e
            for address in _canonical(addresses)
            for e in self._by_address.get(address, ())
            if not e.host_network or e.namespace == item.namespace
        }
        return list(found.values())

    def _selected(self, service: KubeObject) -> list[Endpoint]:
        labels = {str(k): str(v) for k, v in mapping_at(service.body, "spec", "selector").items()}
        if not labels or service.spec.get("type") == "ExternalName":
            return []
        selector = from_labels(labels)
        pairs = ((service.namespace, key, value) for key, value in labels.items())
        fewest = min((self._by_label.get(pair, []) for pair in pairs), key=len)
        return [endpoint for endpoint in fewest if selector.matches(endpoint.labels)]

    @cached_property
    def _by_label(self) -> Mapping[tuple[str, str, str], list[Endpoint]]:
        """Endpoints by namespace and one label, so that a Service need not ask every endpoint."""
        found: dict[tuple[str, str, str], list[Endpoint]] = {}
        for namespace, endpoints in self._by_namespace.items():
            for endpoint in endpoints:
                for key, value in endpoint.labels.items():
                    found.setdefault((namespace, key, value), []).append(endpoint)
        return found

    @cached_property
    def _slices(self) -> Mapping[tuple[str, str], list[KubeObject]]:
        found: dict[tuple[str, str], list[KubeObject]] = {}
        for item in self._cluster.all(ENDPOINT_SLICE):
            if name := item.labels.get(_SLICE_LABEL):
                found.setdefault((item.namespace, name), []).append(item)
        return found

    @cached_property
    def _by_address(self) -> Mapping[str, list[Endpoint]]:
        found: dict[str, list[Endpoint]] = {}
        for endpoint in (e for group in self._by_namespace.values() for e in group):
            for address in _canonical(iter(endpoint.addresses)):
                found.setdefault(address, []).append(endpoint)
        return found


def _canonical(addresses: Iterator[object]) -> Iterator[str]:
    for address in addresses:
        try:
            yield str(ipaddress.ip_address(str(address)))
        except ValueError:
            continue


def _target_in_slice(item: KubeObject, entry: JsonObject) -> JsonObject:
    """A Service's port as a slice maps it: by name. A slice that lists no ports leaves the Service's own target."""
    listed = mappings_at(item.body, "ports")
    for port in listed:
        if (text_at(port, "name") or "") == (text_at(entry, "name") or ""):
            return {**entry, "targetPort": port.get("port")}
    return {**entry, "targetPort": -1} if listed else entry


def _backend(service: KubeObject, endpoint: Endpoint, entry: JsonObject) -> Backend | None:
    number, protocol = entry.get("port"), text_at(entry, "protocol") or "TCP"
    if not isinstance(number, int) or protocol not in PROTOCOLS:
        return None
    target = _target_port(endpoint, entry.get("targetPort"), number, protocol)
    if target is None:
        return None
    node_port = entry.get("nodePort")
    return Backend(
        service=service,
        endpoint=endpoint,
        service_port=number,
        service_port_name=text_at(entry, "name") or "",
        target_port=target,
        protocol=protocol,
        app_protocol=text_at(entry, "appProtocol") or "",
        node_port=node_port if isinstance(node_port, int) else 0,
    )


def _target_port(endpoint: Endpoint, target: object, service_port: int, protocol: str) -> int | None:
    if target is None or target == 0 or target == "":
        return service_port
    if isinstance(target, int):
        return target if 1 <= target <= 65535 else None
    return endpoint.named_port(str(target), protocol)
