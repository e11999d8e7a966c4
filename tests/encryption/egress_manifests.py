"""Manifests of ways out: ServiceEntries, routes, gateways, waypoints, EgressNetworks."""

from typing import Any

from auditor.encryption.egress.values import Egress
from tests.encryption.mesh_manifests import (
    Manifest,
    assert_explained,
    custom,
    metadata,
    pod,
    service,
    world,
)

ISTIO = "networking.istio.io/v1"
HOST = "api.partner.example"
OUT_GATEWAY = "istio-egressgateway"
GATEWAY_HOST = f"{OUT_GATEWAY}.istio-system.svc.cluster.local"


def service_entry(
    *ports: tuple[int, str], namespace: str = "shop", hosts: list[str] | None = None, **spec: Any
) -> Manifest:
    """A ServiceEntry for HOST outside the mesh, resolved by DNS."""
    listed = [{"number": number, "protocol": protocol, "name": f"p{number}"} for number, protocol in ports]
    whole = {
        "hosts": [HOST] if hosts is None else hosts,
        "ports": listed,
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        **spec,
    }
    return custom(ISTIO, "ServiceEntry", "partner", namespace, whole, "01")


def rule(
    name: str = "partner", namespace: str = "shop", host: str = HOST, created: str | None = "01", **spec: Any
) -> Manifest:
    """A DestinationRule for HOST."""
    return custom(ISTIO, "DestinationRule", name, namespace, {"host": host, **spec}, created)


def tls(mode: str, **more: Any) -> Manifest:
    """A DestinationRule's trafficPolicy."""
    return {"trafficPolicy": {"tls": {"mode": mode, **more}}}


def virtual_service(
    spec: Any, name: str = "partner", namespace: str = "shop", created: str | None = "01"
) -> Manifest:
    """A VirtualService for HOST."""
    return custom(ISTIO, "VirtualService", name, namespace, {"hosts": [HOST], **spec}, created)


def to(host: str = HOST, port: int | None = None, subset: str | None = None) -> list[Manifest]:
    """The `route` of a VirtualService."""
    found: Manifest = {"host": host}
    if port:
        found["port"] = {"number": port}
    if subset:
        found["subset"] = subset
    return [{"destination": found}]


def egress_gateway(*servers: Manifest, gateway_labels: dict[str, str] | None = None) -> list[Manifest]:
    """The pods, Service and Gateway object of an egress gateway that serves ports 80 and 443."""
    labels = {"istio": "egressgateway", **(gateway_labels or {})}
    proxy = pod(OUT_GATEWAY, "istio-system", proxy=None, labels=labels)
    proxy["spec"]["containers"] = [{"name": "istio-proxy", "ports": [{"containerPort": 8443}]}]
    front = service(OUT_GATEWAY, "istio-system", 80, 8080)
    front["spec"]["ports"] = [{"port": 80, "targetPort": 8080}, {"port": 443, "targetPort": 8443}]
    spec = {"selector": {"istio": "egressgateway"}, "servers": list(servers)}
    return [proxy, front, custom(ISTIO, "Gateway", OUT_GATEWAY, "istio-system", spec, "01")]


def server(port: int, protocol: str, mode: str | None = None) -> Manifest:
    """A server of a Gateway for HOST."""
    found: Manifest = {"port": {"number": port, "protocol": protocol, "name": "x"}, "hosts": [HOST]}
    return {**found, "tls": {"mode": mode}} if mode else found


def through_gateway(port_in: int, port_out: int, protocol: str = "http", at: int = 80) -> Manifest:
    """The VirtualService that leads HOST to the egress gateway, and on from there."""
    routes = [
        {
            "match": [
                {"gateways": ["mesh"], "port": at, **({"sniHosts": [HOST]} if protocol == "tls" else {})}
            ],
            "route": to(GATEWAY_HOST, port_in, "partner"),
        },
        {
            "match": [
                {
                    "gateways": [f"istio-system/{OUT_GATEWAY}"],
                    "port": port_in,
                    **({"sniHosts": [HOST]} if protocol == "tls" else {}),
                }
            ],
            "route": to(HOST, port_out),
        },
    ]
    return virtual_service({"gateways": ["mesh", f"istio-system/{OUT_GATEWAY}"], protocol: routes})


def gateway_rule(**subset: Any) -> Manifest:
    """The DestinationRule of the egress gateway's Service, with the subset that routes name."""
    return rule("egress", "shop", GATEWAY_HOST, subsets=[{"name": "partner", **subset}])


def waypoint(
    name: str = "waypoint",
    namespace: str = "shop",
    takes: str | None = None,
    cls: str = "istio-waypoint",
    listeners: list[Manifest] | None = None,
) -> Manifest:
    """A waypoint's Gateway."""
    labels = {"istio.io/waypoint-for": takes} if takes else {}
    listed = [{"name": "mesh", "port": 15008, "protocol": "HBONE"}] if listeners is None else listeners
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": metadata(name, namespace, labels=labels),
        "spec": {"gatewayClassName": cls, "listeners": listed},
    }


def ambient(name: str = "web", namespace: str = "shop") -> Manifest:
    """A pod that ztunnel carries."""
    return pod(name, namespace, proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})


def egress_network(policy: str, namespace: str = "shop", name: str = "out") -> Manifest:
    """An EgressNetwork."""
    return custom(
        "policy.linkerd.io/v1alpha1", "EgressNetwork", name, namespace, {"trafficPolicy": policy}, "01"
    )


def ways(*manifests: Manifest, **options: Any) -> list[Egress]:
    """Every way out of a cluster of these objects, each explained."""
    encryption, _ = world(*manifests, **options)
    for row in encryption.egress:
        assert_explained(row.reasons.causes)
    return list(encryption.egress)


def way(*manifests: Manifest, port: int | None = 80, host: str = HOST, **options: Any) -> Egress:
    """The one way out to a host's port."""
    (found,) = [row for row in ways(*manifests, **options) if (row.host, row.port) == (host, port)]
    return found
