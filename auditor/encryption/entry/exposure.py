"""Exposure at layer 4: LoadBalancer, NodePort, externalIPs and hostPort (connectivity.md 34)."""

from collections.abc import Iterator, Sequence

from auditor.encryption.entry.values import Exposure
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.kinds import SERVICE
from auditor.model.objects import KubeObject, list_at, mappings_at, text_at
from auditor.model.verdict import Tri

_INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-internal": ("true", "0.0.0.0/0"),
    "service.beta.kubernetes.io/aws-load-balancer-scheme": ("internal",),
    "service.beta.kubernetes.io/azure-load-balancer-internal": ("true",),
    "networking.gke.io/load-balancer-type": ("Internal",),
    "cloud.google.com/load-balancer-type": ("Internal",),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": ("true",),
}
"""Annotations by which a cloud provider gives a load balancer no public address."""
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def exposures(cluster: Cluster, services: Services, endpoints: Sequence[Endpoint]) -> tuple[Exposure, ...]:
    """Every way in at layer 4, sorted by object and kind."""
    found = [row for service in cluster.all(SERVICE) for row in _of_service(service, services)]
    found += [row for endpoint in endpoints for row in _host_ports(endpoint)]
    return tuple(sorted(found, key=lambda row: (row.object, row.kind)))


def _of_service(service: KubeObject, services: Services) -> Iterator[Exposure]:
    kind = text_at(service.spec, "type")
    node_ports = _ports(service, "nodePort")
    if kind == "LoadBalancer":
        yield _exposure(
            service,
            services,
            "LoadBalancer",
            _ports(service, "port"),
            _source_ranges(service),
            _internal(service),
        )
    if kind == "NodePort" or (kind == "LoadBalancer" and node_ports):
        yield _exposure(service, services, "NodePort", node_ports, (), Tri.UNKNOWN)
    if list_at(service.spec, "externalIPs"):
        yield _exposure(service, services, "externalIPs", _ports(service, "port"), (), Tri.UNKNOWN)


def _exposure(
    service: KubeObject,
    services: Services,
    kind: str,
    ports: tuple[str, ...],
    ranges: tuple[str, ...],
    internal: Tri,
) -> Exposure:
    destinations = services.of_service(service.namespace, service.name)
    return Exposure(
        object=str(service.id),
        namespace=service.namespace,
        kind=kind,
        ports=ports,
        source_ranges=ranges,
        internal=internal,
        destinations=destinations,
        endpoint_ids=tuple(dict.fromkeys(backend.endpoint.id for backend in destinations)),
        causes=(),
        evidence=(service.evidence_id,),
    )


def _ports(service: KubeObject, field: str) -> tuple[str, ...]:
    entries = mappings_at(service.body, "spec", "ports")
    return tuple(
        f"{number}/{text_at(entry, 'protocol') or 'TCP'}"
        for entry in entries
        if isinstance(number := entry.get(field), int) and number > 0
    )


def _source_ranges(service: KubeObject) -> tuple[str, ...]:
    listed = [entry for entry in list_at(service.spec, "loadBalancerSourceRanges") if isinstance(entry, str)]
    annotated = service.annotations.get(_SOURCE_RANGES, "")
    return tuple(sorted(listed or [entry.strip() for entry in annotated.split(",") if entry.strip()]))


def _internal(service: KubeObject) -> Tri:
    for annotation, values in _INTERNAL.items():
        if annotation in service.annotations:
            return Tri.YES if service.annotations[annotation] in values else Tri.NO
    return Tri.UNKNOWN


def _host_ports(endpoint: Endpoint) -> Iterator[Exposure]:
    ports = tuple(f"{port.host_port}/{port.protocol}" for port in endpoint.ports if port.host_port)
    if ports and not endpoint.host_network:
        yield Exposure(
            object=endpoint.id,
            namespace=endpoint.namespace,
            kind="hostPort",
            ports=ports,
            source_ranges=(),
            internal=Tri.UNKNOWN,
            destinations=(),
            endpoint_ids=(endpoint.id,),
            causes=(),
            evidence=endpoint.evidence,
        )
