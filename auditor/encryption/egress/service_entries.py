"""Istio's ServiceEntry: hosts that the mesh knows besides Services (networking/v1alpha3 service_entry.proto)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from auditor.encryption.egress.values import HTTP, Addresses, as_networks
from auditor.inventory.cluster import Cluster
from auditor.model.kinds import kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at

SERVICE_ENTRY = kind_key("networking.istio.io", "ServiceEntry")
WORKLOAD_ENTRY = kind_key("networking.istio.io", "WorkloadEntry")
_LOCATIONS = {"MESH_EXTERNAL": True, 0: True, "MESH_INTERNAL": False, 1: False}
_TLS_MODE = "security.istio.io/tlsMode"
_MAX_LABELS = 128


@dataclass(frozen=True, slots=True)
class EntryPort:
    """A port of a ServiceEntry; `protocol` in capitals, TCP where none is given. `target` is the port of the endpoints,
    None where they have ports of their own."""

    number: int
    protocol: str
    target: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ServiceEntry:
    """A parsed ServiceEntry. `external` None cannot be read. `export` None is everywhere."""

    obj: KubeObject
    hosts: tuple[str, ...]
    ports: tuple[EntryPort, ...]
    external: bool | None
    resolution: str
    export: frozenset[str] | None

    def visible_to(self, namespace: str) -> bool:
        """Whether clients of a namespace see it."""
        return self.export is None or namespace in self.export

    def port(self, number: int) -> EntryPort | None:
        """The port of that number."""
        return next((port for port in self.ports if port.number == number), None)


class ServiceEntries:
    """Every ServiceEntry, found by host."""

    def __init__(self, cluster: Cluster, default_export: Sequence[str]) -> None:
        self._cluster = cluster
        self.all = tuple(_parse(obj, default_export) for obj in cluster.all(SERVICE_ENTRY))
        self._by_host: dict[str, list[ServiceEntry]] = {}
        for entry in self.all:
            for host in entry.hosts:
                self._by_host.setdefault(host, []).append(entry)

    def of_host(self, host: str, client: str, port: int | None = None) -> ServiceEntry | None:
        """The entry that a client of a namespace has for a host: its own namespace's first, an exact host before a
        wildcard; several entries for a host add up, so that one that has the port comes first."""
        for name in (host, *wildcards(host)):
            found = [entry for entry in self._by_host.get(name, ()) if entry.visible_to(client)]
            if found:
                fitting = [entry for entry in found if port is None or entry.port(port)] or found
                return min(fitting, key=lambda entry: (entry.obj.namespace != client, entry.obj.id))
        return None

    def naming(self, host: str) -> Iterator[ServiceEntry]:
        """Every entry that has a host, or a wildcard above it, whoever sees it."""
        for name in (host, *wildcards(host)):
            yield from self._by_host.get(name, ())

    def is_in_another_network(self, entry: ServiceEntry) -> bool:
        """Whether an endpoint says that it is in a network of the mesh, which may be behind a gateway."""
        return any(endpoint.get("network") for endpoint in mappings_at(entry.obj.spec, "endpoints"))

    def addresses(self, entry: ServiceEntry, protocol: str) -> Addresses | None:
        """Every address that connections to an entry may end at; None where it has names that DNS resolves, endpoints of
        other networks, or pods. Without resolution a proxy goes where its client wanted to, which `addresses` bind
        unless it is told by the name in an HTTP request."""
        if entry.resolution == "NONE":
            return None if protocol in HTTP else as_networks(list_at(entry.obj.spec, "addresses"))
        listed = mappings_at(entry.obj.spec, "endpoints")
        if selector := mapping_at(entry.obj.spec, "workloadSelector", "labels"):
            namespace = entry.obj.namespace
            if any(pod.namespace == namespace and _has(pod.labels, selector) for pod in self._cluster.pods):
                return None
            own = self._cluster.in_namespace(WORKLOAD_ENTRY, namespace)
            listed = [o.spec for o in own if _has(mapping_at(o.spec, "labels"), selector)]
        if any(endpoint.get("network") for endpoint in listed):
            return None
        return as_networks(endpoint.get("address") for endpoint in listed)

    def mesh_endpoints(self, entry: ServiceEntry) -> list[bool]:
        """For each endpoint of an entry inside the mesh whether it says that it takes mesh mTLS; labels and accounts
        tell it. A host that DNS resolves, without endpoints, is one that doesn't; so is one that isn't resolved at all
        (pilot/pkg/serviceregistry/serviceentry/conversion.go; push_context.go, BestEffortInferServiceMTLSMode)."""
        listed = mappings_at(entry.obj.spec, "endpoints")
        selector = mapping_at(entry.obj.spec, "workloadSelector", "labels")
        if selector:
            own = self._cluster.in_namespace(WORKLOAD_ENTRY, entry.obj.namespace)
            listed = listed + [o.spec for o in own if _has(mapping_at(o.spec, "labels"), selector)]
        found = [_takes_mtls(endpoint) for endpoint in listed]
        if selector:
            pods = (pod for pod in self._cluster.pods if pod.namespace == entry.obj.namespace)
            found += [pod.labels.get(_TLS_MODE) == "istio" for pod in pods if _has(pod.labels, selector)]
        if not listed and not selector and entry.resolution != "STATIC":
            return [False]
        return found


def _has(labels: object, selector: JsonObject) -> bool:
    own = mapping_at(labels)
    return all(own.get(key) == value for key, value in selector.items())


def _takes_mtls(endpoint: JsonObject) -> bool:
    mode = mapping_at(endpoint, "labels").get(_TLS_MODE)
    return mode == "istio" if mode is not None else bool(endpoint.get("serviceAccount"))


def exported_to(obj: KubeObject, default: Sequence[str]) -> frozenset[str] | None:
    """The namespaces that an object's `exportTo` names, None for all; `~` is nobody."""
    asked = [str(name) for name in list_at(obj.spec, "exportTo")] or list(default)
    if "*" in asked:
        return None
    return frozenset(obj.namespace if name == "." else name for name in asked)


def wildcards(host: str) -> list[str]:
    """The wildcards that cover a host, nearest first; they cover any number of labels."""
    labels = host.removeprefix("*.").split(".", _MAX_LABELS)
    start = 0 if host.startswith("*.") else 1
    found = ["*." + ".".join(labels[index:]) for index in range(start, len(labels))]
    return [name for name in (*found, "*") if name != host]


def _parse(obj: KubeObject, default_export: Sequence[str]) -> ServiceEntry:
    spec = obj.spec
    location = spec.get("location", 0)
    known = isinstance(location, str | int) and not isinstance(location, bool)
    hosts = [host.lower() for host in list_at(spec, "hosts") if isinstance(host, str)]
    differ = any(endpoint.get("ports") for endpoint in mappings_at(spec, "endpoints"))
    ports = [_port(entry, differ) for entry in mappings_at(spec, "ports")]
    return ServiceEntry(
        obj=obj,
        hosts=tuple(dict.fromkeys(hosts)),
        ports=tuple(port for port in ports if port is not None),
        external=_LOCATIONS.get(location) if known else None,
        resolution=text_at(spec, "resolution") or "NONE",
        export=exported_to(obj, default_export),
    )


def _port(entry: JsonObject, differ: bool) -> EntryPort | None:
    number, target = entry.get("number"), entry.get("targetPort")
    if not _is_port(number):
        return None
    at = None if differ else target if _is_port(target) else number
    return EntryPort(number, (text_at(entry, "protocol") or "TCP").upper(), at)


def _is_port(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535
