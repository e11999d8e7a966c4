"""Ways in from outside, followed to the pods: each worked out by hand from the way, the policies, who stands for the client.

The cluster has two nodes, 192.0.2.1 and 192.0.2.2, with an agent that enforces NetworkPolicy. `shop/web` runs on node-1.
"""

from typing import Any

import pytest

from auditor.evaluate.exposure_view import build_exposure
from auditor.model.connectivity_result import EntryRow
from tests.connectivity.clusters import facts
from tests.network.building import Raw, enforced, labels, namespace, pod, policy

WEB = "shop/Pod/web"
BASE = [*enforced("node-1", "node-2"), namespace("shop"), namespace("edge"), namespace("other")]
OPEN = pod("web", "shop", {"app": "web"}, ports=[{"containerPort": 8080}], address="10.1.0.5")
CLOSED = policy("closed", "shop", pods=labels(app="web"), types=["Ingress"])


def allows(*peers: Raw, port: int | None = None) -> Raw:
    """A policy that lets these peers into web, and nobody else."""
    rule: Raw = {"from": list(peers)}
    if port is not None:
        rule["ports"] = [{"protocol": "TCP", "port": port}]
    return policy("some", "shop", pods=labels(app="web"), ingress=[rule])


def block(cidr: str, *but: str) -> Raw:
    return {"ipBlock": {"cidr": cidr, **({"except": list(but)} if but else {})}}


def space(name: str) -> Raw:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def obj(api: str, kind: str, name: str, spec: Any, ns: str | None = "shop", **meta: Any) -> Raw:
    metadata = {"name": name, **({"namespace": ns} if ns else {}), **meta}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def service(kind: str = "ClusterIP", port: int = 80, target: int = 8080, **more: Any) -> Raw:
    annotations = more.pop("annotations", {})
    entry = {"port": port, "targetPort": target, "protocol": "TCP"}
    if kind != "ClusterIP":
        entry["nodePort"] = 30080
    spec = {"type": kind, "selector": {"app": "web"}, "ports": [entry], **more}
    return obj("v1", "Service", "web", spec, annotations=annotations)


def ingress(cls: str, **annotations: str) -> list[Raw]:
    controllers = {"nginx": "k8s.io/ingress-nginx", "alb": "ingress.k8s.aws/alb"}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "shop.example", "http": {"paths": [{"path": "/", "backend": backend}]}}
    spec: Raw = {"rules": [rule]}
    if cls == "gce":
        annotations["kubernetes.io/ingress.class"] = "gce"
    else:
        spec["ingressClassName"] = cls
    found = [obj("networking.k8s.io/v1", "Ingress", "web", spec, annotations=annotations)]
    if cls in controllers:
        found.append(obj("networking.k8s.io/v1", "IngressClass", cls, {"controller": controllers[cls]}, None))
    return [*found, service()]


def program(name: str, image: str, *, ns: str = "edge", container: str = "main", **tags: str) -> Raw:
    tagged = {"app": name, **{k.replace("__", "/"): v for k, v in tags.items()}}
    raw = pod(name, ns, tagged, node="node-2", address="10.1.0.6")
    raw["spec"]["containers"][0] |= {"image": image, "name": container}
    return raw


NGINX = program("nginx", "registry.k8s.io/ingress-nginx/controller:v1.13.0")
ALB_CONTROLLER = program("alb", "public.ecr.aws/eks/aws-load-balancer-controller:v2.9.0")
ISTIO = program("gw", "istio/proxyv2:1.27.1", container="istio-proxy", istio="ingressgateway")
ISTIO["metadata"]["annotations"] = {"inject.istio.io/templates": "gateway"}
GATEWAY_API = "gateway.networking.k8s.io/v1"


def istio_gateway(host: str = "shop.example") -> Raw:
    server = {"port": {"number": 443, "protocol": "HTTP", "name": "h"}, "hosts": [host]}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
    return obj("networking.istio.io/v1", "Gateway", "gw", spec, "edge")


def virtual_service(ns: str = "shop", name: str = "web", **rule: Any) -> Raw:
    route = rule or {"route": [{"destination": {"host": "web", "port": {"number": 80}}}]}
    spec = {"hosts": ["shop.example"], "gateways": ["edge/gw"], "http": [route]}
    return obj("networking.istio.io/v1", "VirtualService", name, spec, ns)


def delegate() -> list[Raw]:
    root = virtual_service("edge", "root", delegate={"name": "part", "namespace": "shop"})
    spec = {"http": [{"route": [{"destination": {"host": "web", "port": {"number": 80}}}]}]}
    return [root, obj("networking.istio.io/v1", "VirtualService", "part", spec)]


def gateway_api(pods: Raw | None) -> list[Raw]:
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    route = {
        "parentRefs": [{"name": "gw", "namespace": "edge"}],
        "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
    }
    found = [
        obj(GATEWAY_API, "GatewayClass", "c", {"controllerName": "example.net/gateway"}, None),
        obj(GATEWAY_API, "Gateway", "gw", {"gatewayClassName": "c", "listeners": [listener]}, "edge"),
        obj(GATEWAY_API, "HTTPRoute", "web", route),
        service(),
    ]
    return [*found, pods] if pods else found


OWN_GATEWAY = program("gw-1", "example/proxy:1", gateway__x="y")
OWN_GATEWAY["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] = "gw"
ENVOY_GATEWAY = program("envoy-1", "example/envoy:1", ns="other")
ENVOY_GATEWAY["metadata"]["labels"] |= {
    "gateway.envoyproxy.io/owning-gateway-name": "gw",
    "gateway.envoyproxy.io/owning-gateway-namespace": "edge",
}
ROUTER = program("router-default", "quay.io/openshift/router:v4")
ROUTER["metadata"]["labels"]["ingresscontroller.operator.openshift.io/deployment-ingresscontroller"] = (
    "default"
)
ROUTE = obj("route.openshift.io/v1", "Route", "web", {"host": "shop.example", "to": {"name": "web"}})
LOCAL = {"externalTrafficPolicy": "Local"}
RANGES = {"loadBalancerSourceRanges": ["203.0.113.0/24"]}
INTERNAL = {"annotations": {"networking.gke.io/load-balancer-type": "Internal"}}
HOST_PORT = pod(
    "web", "shop", {"app": "web"}, ports=[{"containerPort": 8080, "hostPort": 80}], address="10.1.0.5"
)
LOOPBACK = pod(
    "web",
    "shop",
    {"app": "web"},
    ports=[{"containerPort": 8080, "hostPort": 80, "hostIP": "127.0.0.1"}],
    address="10.1.0.5",
)

CASES: list[tuple[str, list[Raw], str, str | None]] = [
    # layer 4
    ("a load balancer to an open pod", [OPEN, service("LoadBalancer")], "load-balancer", "allowed"),
    (
        "a load balancer to an isolated pod",
        [OPEN, CLOSED, service("LoadBalancer", **LOCAL)],
        "load-balancer",
        "denied",
    ),
    (
        "the policy opens another port",
        [OPEN, allows(block("0.0.0.0/0"), port=9090), service("LoadBalancer", **LOCAL)],
        "load-balancer",
        "denied",
    ),
    (
        "the policy opens the container port, not the Service's",
        [OPEN, allows(block("0.0.0.0/0"), port=8080), service("LoadBalancer", **LOCAL)],
        "load-balancer",
        "allowed",
    ),
    (
        "the range that the load balancer lets in is the one that the policy opens",
        [OPEN, allows(block("203.0.113.0/24")), service("LoadBalancer", **LOCAL, **RANGES)],
        "load-balancer",
        "allowed",
    ),
    (
        "the policy opens another range than the load balancer",
        [OPEN, allows(block("198.51.100.0/24")), service("LoadBalancer", **LOCAL, **RANGES)],
        "load-balancer",
        "denied",
    ),
    (
        "a node port does not keep to the load balancer's ranges",
        [OPEN, allows(block("198.51.100.0/24")), service("LoadBalancer", **LOCAL, **RANGES)],
        "node-port",
        "allowed",
    ),
    (
        "an internal load balancer brings no address of the internet",
        [OPEN, allows(block("198.51.100.0/24")), service("LoadBalancer", **LOCAL, **INTERNAL)],
        "load-balancer",
        "denied",
    ),
    (
        "an internal one brings private addresses",
        [OPEN, allows(block("172.16.0.0/12")), service("LoadBalancer", **LOCAL, **INTERNAL)],
        "load-balancer",
        "allowed",
    ),
    (
        "another node may stand for the client",
        [OPEN, allows(block("192.0.2.2/32")), service("NodePort")],
        "node-port",
        "allowed",
    ),
    (
        "with traffic policy Local it never does",
        [OPEN, allows(block("192.0.2.2/32")), service("NodePort", **LOCAL)],
        "node-port",
        "denied",
    ),
    (
        "external addresses",
        [OPEN, allows(block("203.0.113.0/24")), service(externalIPs=["203.0.113.7"])],
        "external-ip",
        "allowed",
    ),
    ("a host port", [HOST_PORT], "host-port", "allowed"),
    ("a host port of an isolated pod", [HOST_PORT, CLOSED], "host-port", "denied"),
    ("a host port on the loopback address is no way in", [LOOPBACK], "host-port", None),
    ("a cluster Service is no way in", [OPEN, service()], "load-balancer", None),
    # controllers in the cluster
    (
        "Ingress: the controller's pods may connect",
        [OPEN, NGINX, *ingress("nginx"), allows(space("edge"))],
        "controller",
        "allowed",
    ),
    (
        "Ingress: they may not",
        [OPEN, NGINX, *ingress("nginx"), allows(space("other"))],
        "controller",
        "denied",
    ),
    (
        "Ingress: the internet may and they may not",
        [OPEN, NGINX, *ingress("nginx"), allows(block("0.0.0.0/0", "10.0.0.0/8"))],
        "controller",
        "denied",
    ),
    ("Ingress: its pods are not in the evidence", [OPEN, *ingress("nginx")], "controller", "indeterminate"),
    (
        "Istio: the selector's pods",
        [OPEN, ISTIO, istio_gateway(), virtual_service(), service(), allows(space("edge"))],
        "controller",
        "allowed",
    ),
    (
        "Istio: a delegate leads on",
        [OPEN, ISTIO, istio_gateway(), *delegate(), service(), allows(space("edge"))],
        "controller",
        "allowed",
    ),
    (
        "Istio: the server takes VirtualServices of another namespace only",
        [OPEN, ISTIO, istio_gateway("other/shop.example"), virtual_service(), service()],
        "controller",
        None,
    ),
    (
        "Gateway API: pods labelled as the Gateway's",
        [OPEN, *gateway_api(OWN_GATEWAY), allows(space("edge"))],
        "controller",
        "allowed",
    ),
    (
        "Gateway API: Envoy Gateway's pods are elsewhere",
        [OPEN, *gateway_api(ENVOY_GATEWAY), allows(space("edge"))],
        "controller",
        "denied",
    ),
    ("Gateway API: no pods known", [OPEN, *gateway_api(None)], "controller", "indeterminate"),
    (
        "Route: the router's pods",
        [OPEN, ROUTER, ROUTE, service(), allows(space("edge"))],
        "controller",
        "allowed",
    ),
    # load balancers outside the cluster
    (
        "ALB: the controller's own pods carry nothing",
        [OPEN, ALB_CONTROLLER, *ingress("alb"), allows(space("edge"))],
        "controller",
        "denied",
    ),
    ("ALB: an open pod", [OPEN, ALB_CONTROLLER, *ingress("alb")], "controller", "allowed"),
    (
        "ALB: some addresses that it may have are let in",
        [OPEN, ALB_CONTROLLER, *ingress("alb"), allows(block("10.20.0.0/16"))],
        "controller",
        "indeterminate",
    ),
    ("Google: an isolated pod", [OPEN, *ingress("gce"), allows(space("other"))], "controller", "denied"),
]


def ways(objects: list[Raw], way: str) -> list[EntryRow]:
    found = build_exposure(facts([*BASE, *objects])).entries
    return [row for row in found if row.way == way and row.endpoint == WEB]


@pytest.mark.parametrize(("case", "objects", "way", "verdict"), CASES, ids=[c[0] for c in CASES])
def test_where_a_way_leads(case: str, objects: list[Raw], way: str, verdict: str | None) -> None:
    assert {row.verdict for row in ways(objects, way)} == ({verdict} if verdict else set())
