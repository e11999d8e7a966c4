"""Services that open ports to the outside: LoadBalancer, NodePort, externalIPs (encryption.md 4).

Unless the load balancer itself ends TLS, it hands TCP on as it is: what the client outside gets is what the pod serves.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence

from auditor.encryption.entry.aws_policies import DEFAULT, minimum_of_policy
from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Exposure,
    Plaintext,
    Target,
    TlsMode,
    Way,
)
from auditor.encryption.entry.sources import Sources, program_name
from auditor.encryption.entry_reasons import cause
from auditor.inventory.data_plane import is_istio_gateway, observe_istio_sidecar
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend
from auditor.model.kinds import SERVICE
from auditor.model.objects import JsonObject, KubeObject, list_at, mappings_at, text_at
from auditor.model.verdict import Cause, Tri

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)
_AWS = "service.beta.kubernetes.io/aws-load-balancer-"
_INTERNAL = (
    ("service.beta.kubernetes.io/azure-load-balancer-internal", ("true",)),
    ("networking.gke.io/load-balancer-type", ("Internal", "internal")),
    ("cloud.google.com/load-balancer-type", ("Internal", "internal")),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", ("true",)),
    (f"{_AWS}scheme", ("internal",)),
)
_LABELLED = {
    "gateway.networking.k8s.io/gateway-name": "gateway-api",
    "gateway.envoyproxy.io/owning-gateway-name": "gateway-api",
    "ingresscontroller.operator.openshift.io/deployment-ingresscontroller": "openshift-router",
}
_ENVOY = re.compile(r"(^|/)(distroless-)?envoy(:|@|-|$)")
_OPEN_SCHEME = (f"{_AWS}scheme", "internet-facing")
_AWS_BY_CONTROLLER = ("external", "nlb-ip")
_AWS_CLASS = "service.k8s.aws/nlb"
_RANGE_ANNOTATIONS = (
    "service.beta.kubernetes.io/load-balancer-source-ranges",
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
)
_BACKEND_HOPS = {
    "tcp": BackendHop.PLAINTEXT,
    "http": BackendHop.PLAINTEXT,
    "ssl": BackendHop.ENCRYPTED,
    "https": BackendHop.ENCRYPTED,
}


def service_rows(sources: Sources) -> Iterator[EntryPoint]:
    """One row a port of every LoadBalancer, NodePort or externalIPs Service."""
    for service in sources.cluster.all(SERVICE):
        way = service_way(service)
        if way is None:
            continue
        controller = controller_behind(sources.services.of_service(service.namespace, service.name))
        for entry in mappings_at(service.body, "spec", "ports"):
            if _number(entry.get("port")):
                yield _row(sources, service, way, entry, controller)


def service_way(service: KubeObject) -> Way | None:
    """How a Service is reached from outside first of all, None where only the cluster reaches it."""
    kind = service.spec.get("type")
    if kind == "LoadBalancer":
        return Way.LOAD_BALANCER
    if kind == "NodePort":
        return Way.NODE_PORT
    return Way.EXTERNAL_IP if list_at(service.spec, "externalIPs") else None


def controller_behind(backends: Sequence[Backend]) -> str | None:
    """The ingress controller or gateway that all pods behind a Service are, None where one is something else."""
    names = {controller_of(backend.endpoint) for backend in backends}
    return names.pop() if len(names) == 1 else None


def controller_of(endpoint: Endpoint) -> str | None:
    """The ingress controller or gateway that an endpoint runs, by its image or the label its operator sets."""
    labelled = next((name for label, name in _LABELLED.items() if label in endpoint.labels), None)
    if labelled is not None:
        return labelled
    if observe_istio_sidecar(endpoint).present is Tri.YES and is_istio_gateway(endpoint):
        return "istio"
    images = [text_at(c, "image") or "" for c in endpoint.containers]
    name = next((name for image in images if (name := program_name(image))), None)
    # Contour's own pods only configure; traffic goes through those that run Envoy beside Contour's shutdown manager.
    return None if name == "contour" and not any(_ENVOY.search(image) for image in images) else name


def service_exposures(sources: Sources) -> Iterator[Exposure]:
    """Every port that a Service opens, each way by itself: source ranges of a load balancer don't hold for node ports."""
    for service in sources.cluster.all(SERVICE):
        backends = sources.services.of_service(service.namespace, service.name)
        controller = controller_behind(backends)
        balanced = service.spec.get("type") == "LoadBalancer"
        outside = tuple(a for a in list_at(service.spec, "externalIPs") if isinstance(a, str))
        for entry in mappings_at(service.body, "spec", "ports"):
            number, node_port = _number(entry.get("port")), _number(entry.get("nodePort"))
            if number is None:
                continue
            if balanced:
                yield _exposure(service, Way.LOAD_BALANCER, number, entry, backends, controller)
            if outside:
                yield _exposure(service, Way.EXTERNAL_IP, number, entry, backends, controller, outside)
            if service.spec.get("type") in ("NodePort", "LoadBalancer") and node_port is not None:
                yield _exposure(service, Way.NODE_PORT, node_port, entry, backends, controller)
            elif service.spec.get("type") == "NodePort":
                yield _exposure(service, Way.NODE_PORT, 0, entry, backends, controller)


def endpoint_exposures(endpoints: Sequence[Endpoint]) -> Iterator[Exposure]:
    """Ports that pods open on their nodes: hostPort, and every declared port of a pod on the node's network."""
    for endpoint in endpoints:
        for port in endpoint.ports:
            way = Way.HOST_NETWORK if endpoint.host_network else Way.HOST_PORT if port.host_port else None
            if way is Way.HOST_PORT and _is_loopback(port.host_ip):
                continue
            if way is not None:
                number = port.port if endpoint.host_network else port.host_port
                yield Exposure(
                    object=endpoint.id,
                    namespace=endpoint.namespace,
                    way=way,
                    port=number,
                    protocol=port.protocol,
                    internal=Tri.UNKNOWN,
                    source_ranges=(),
                    addresses=(port.host_ip,) if way is Way.HOST_PORT and port.host_ip else (),
                    controller=controller_of(endpoint),
                    targets=(Target(endpoint, port.port),),
                    evidence=endpoint.evidence,
                )


def _exposure(
    service: KubeObject,
    way: Way,
    port: int,
    entry: JsonObject,
    backends: Sequence[Backend],
    controller: str | None,
    addresses: tuple[str, ...] = (),
) -> Exposure:
    protocol = text_at(entry, "protocol") or "TCP"
    balanced = way is Way.LOAD_BALANCER
    ranges, causes = _source_ranges(service) if balanced else ((), ())
    targets = dict.fromkeys(
        Target(b.endpoint, b.target_port)
        for b in backends
        if b.service_port == entry.get("port") and b.protocol == protocol
    )
    return Exposure(
        object=str(service.id),
        namespace=service.namespace,
        way=way,
        port=port,
        protocol=protocol,
        internal=_internal(service) if balanced else Tri.UNKNOWN,
        source_ranges=ranges,
        addresses=addresses or (_addresses(service) if balanced else ()),
        controller=controller,
        targets=tuple(targets),
        causes=causes,
        evidence=(service.evidence_id,),
    )


def _row(
    sources: Sources, service: KubeObject, way: Way, entry: JsonObject, controller: str | None
) -> EntryPoint:
    number, protocol = _number(entry.get("port")) or 0, text_at(entry, "protocol") or "TCP"
    found = sources.backends(service.namespace, service.name, number)
    behind = tuple(b for b in found if b.protocol == protocol)
    terminated = _aws_tls(service, entry) if way is Way.LOAD_BALANCER and protocol == "TCP" else None
    if terminated is not None:
        tls, backend = terminated
        unknown = cause("indeterminate.entry.aws.policy", policy=(tls.policy or "")[:80])
        versions = () if tls.minimum_version else (unknown,)
        causes, plaintext = (cause("entry.layer4.load-balancer-tls"), *versions), Plaintext.CLOSED
        client = ClientAuthentication.NONE
    else:
        tls, backend, plaintext = None, BackendHop.PASSTHROUGH, Plaintext.INDETERMINATE
        client = ClientAuthentication.INDETERMINATE
        causes = (_layer4_cause(controller, behind),)
    outside = _number(entry.get("nodePort")) if way is Way.NODE_PORT else number
    return EntryPoint(
        object=str(service.id),
        namespace=service.namespace,
        kind=service.id.kind,
        controller=controller,
        host="*",
        listener=f"{number}/{protocol}",
        port=outside,
        protocol=protocol,
        plaintext=plaintext,
        tls=tls,
        client_authentication=client,
        backend=backend,
        causes=causes,
        evidence=(service.evidence_id,),
        destinations=behind,
    )


def _layer4_cause(controller: str | None, behind: Sequence[Backend]) -> Cause:
    if controller is not None:
        return cause("indeterminate.entry.layer4-controller", controller=controller)
    return cause("indeterminate.entry.layer4" if behind else "indeterminate.entry.layer4-nothing")


def _aws_tls(service: KubeObject, entry: JsonObject) -> tuple[EntryTls, BackendHop] | None:
    """TLS that AWS' classic or network load balancer ends: a certificate, on the listed ports (all by default)."""
    certificate = service.annotations.get(f"{_AWS}ssl-cert")
    ports = [p.strip() for p in (service.annotations.get(f"{_AWS}ssl-ports") or "*").split(",")]
    if not certificate or not {"*", str(entry.get("port")), text_at(entry, "name") or "*"} & set(ports):
        return None
    policy = service.annotations.get(f"{_AWS}ssl-negotiation-policy") or DEFAULT
    protocol = (service.annotations.get(f"{_AWS}backend-protocol") or "tcp").lower()
    tls = EntryTls(TlsMode.TERMINATE, minimum_of_policy(policy), certificate.partition(",")[0], policy)
    return tls, _BACKEND_HOPS.get(protocol, BackendHop.INDETERMINATE)


def _internal(service: KubeObject) -> Tri:
    for name, values in _INTERNAL:
        if service.annotations.get(name) in values:
            return Tri.YES
    if service.annotations.get(_OPEN_SCHEME[0]) == _OPEN_SCHEME[1]:
        return Tri.NO
    # The in-tree controller takes any value but false for internal; AWS' own controller makes internal ones unless told.
    if service.annotations.get(f"{_AWS}internal", "false") not in ("false", ""):
        return Tri.YES
    if _is_of_aws_controller(service):
        return Tri.YES
    addresses = [_address(e) for e in mappings_at(service.body, "status", "loadBalancer", "ingress")]
    private = {_is_private(address) for address in addresses if address is not None}
    if not private:
        return Tri.UNKNOWN
    return Tri.YES if private == {True} else Tri.NO


def _is_of_aws_controller(service: KubeObject) -> bool:
    by_type = service.annotations.get(f"{_AWS}type") in _AWS_BY_CONTROLLER
    return by_type or service.spec.get("loadBalancerClass") == _AWS_CLASS


def _is_private(address: IPAddress) -> bool:
    return any(address.version == net.version and address in net for net in _PRIVATE)


def _source_ranges(service: KubeObject) -> tuple[tuple[str, ...], tuple[Cause, ...]]:
    listed = [r.strip() for r in list_at(service.spec, "loadBalancerSourceRanges") if isinstance(r, str)]
    given = (service.annotations.get(name, "") for name in _RANGE_ANNOTATIONS)
    annotated = [r.strip() for text in given for r in text.split(",") if r.strip()]
    found = listed or annotated
    broken = [r for r in found if not _is_network(r)]
    causes = (cause("entry.layer4.bad-range", range=broken[0][:80]),) if broken else ()
    return tuple(sorted({r for r in found if _is_network(r)})), causes


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else None


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _address(entry: JsonObject) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text_at(entry, "ip") or "")
    except ValueError:
        return None


def _is_loopback(text: str) -> bool:
    """Whether a host port is bound to an address that only its own node reaches."""
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _addresses(service: KubeObject) -> tuple[str, ...]:
    entries = mappings_at(service.body, "status", "loadBalancer", "ingress")
    return tuple(sorted(a for e in entries if (a := text_at(e, "ip") or text_at(e, "hostname"))))
