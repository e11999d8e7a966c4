"""Ways in from outside, each held against policy as the pods that hand the traffic on meet it (connectivity.md 34).

The answers are worked out by hand: the verdict at the container port, and who gets through.
"""

from typing import Any

import pytest

from auditor.evaluate.entry_reach import reach_entries
from auditor.model.connectivity_result import EntryRow
from tests.connectivity.clusters import facts
from tests.network.building import Raw, enforced, labels, namespace, pod, policy

OPEN, SHUT = "allowed", "denied"
WEB = "shop/Pod/web"


def _object(api: str, kind: str, name: str, spec: Any, space: str = "shop") -> Raw:
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def _service(kind: str = "ClusterIP", *, target: Any = 8080, **more: Any) -> Raw:
    port = {"name": "http", "port": 80, "targetPort": target, "protocol": "TCP"}
    if kind != "ClusterIP":
        port["nodePort"] = 30080
    return _object(
        "v1", "Service", "web", {"type": kind, "selector": {"app": "web"}, "ports": [port], **more}
    )


def _slice(*addresses: str, port: int = 8080) -> Raw:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def _only(*peers: Raw, pods: Raw | None = None) -> Raw:
    return policy("web", "shop", pods=pods or labels(app="web"), ingress=[{"from": list(peers)}])


def _from_space(name: str) -> Raw:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _block(cidr: str) -> Raw:
    return {"ipBlock": {"cidr": cidr}}


def _controller(image: str, space: str, found: Any = None, container: str = "controller") -> list[Raw]:
    raw = pod("gate", space, found or {"app": "gate"}, address="10.0.7.1", node="node-2")
    raw["spec"]["containers"][0].update({"name": container, "image": image})
    return [namespace(space), raw]


_NGINX = _controller("registry.k8s.io/ingress-nginx/controller:v1.13.0", "ingress-nginx")
_BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
_INGRESS = [
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    },
    _object(
        "networking.k8s.io/v1",
        "Ingress",
        "shop",
        {
            "ingressClassName": "nginx",
            "rules": [
                {
                    "host": "shop.example",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": _BACKEND}]},
                }
            ],
        },
    ),
]
_ISTIO_GATEWAY = [
    *_controller(
        "docker.io/istio/proxyv2:1.27.0", "istio-system", {"istio": "ingressgateway"}, "istio-proxy"
    ),
    _object(
        "networking.istio.io/v1",
        "Gateway",
        "gate",
        {
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example"]}
            ],
        },
    ),
    _object(
        "networking.istio.io/v1",
        "VirtualService",
        "web",
        {
            "hosts": ["shop.example"],
            "gateways": ["gate"],
            "http": [{"route": [{"destination": {"host": "web", "port": {"number": 80}}}]}],
        },
    ),
]
_ROUTER = "ingresscontroller.operator.openshift.io/deployment-ingresscontroller"
_ROUTE = [
    *_controller(
        "quay.io/openshift/origin-haproxy-router:4.18", "openshift-ingress", {_ROUTER: "default"}, "router"
    ),
    _object(
        "route.openshift.io/v1",
        "Route",
        "web",
        {"host": "shop.example", "to": {"kind": "Service", "name": "web"}, "port": {"targetPort": "http"}},
    ),
]
_LOCAL = {"externalTrafficPolicy": "Local"}

CASES: list[tuple[str, list[Raw], str, str, int, str, tuple[str, ...]]] = [
    (
        "34 an Ingress hands on from its controller's pods",
        [*_NGINX, *_INGRESS, _service(), _only(_from_space("ingress-nginx"))],
        *("controller", WEB, 8080, OPEN, ("ingress-nginx/Pod/gate",)),
    ),
    (
        "34 and is shut where policy lets only clients outside in",
        [*_NGINX, *_INGRESS, _service(), _only(_block("203.0.113.0/24"))],
        *("controller", WEB, 8080, SHUT, ()),
    ),
    (
        "34 an Ingress follows a port by name to the container",
        [*_NGINX, *_INGRESS, _service(target="web")],
        *("controller", WEB, 8443, OPEN, ("ingress-nginx/Pod/gate",)),
    ),
    (
        "34 a Service without a selector leads where its slices point",
        [
            *_NGINX,
            *_INGRESS,
            {**_service(), "spec": {"ports": _service()["spec"]["ports"]}},
            _slice("10.0.0.1"),
        ],
        *("controller", WEB, 8080, OPEN, ("ingress-nginx/Pod/gate",)),
    ),
    (
        "34 Istio's Gateway and VirtualService hand on from the gateway's pods",
        [*_ISTIO_GATEWAY, _service(), _only(_from_space("istio-system"))],
        *("controller", WEB, 8080, OPEN, ("istio-system/Pod/gate",)),
    ),
    (
        "34 and are shut where policy leaves the gateway out",
        [*_ISTIO_GATEWAY, _service(), _only(_from_space("shop"))],
        *("controller", WEB, 8080, SHUT, ()),
    ),
    (
        "34 an OpenShift Route hands on from the router's pods",
        [*_ROUTE, _service(), _only(_from_space("openshift-ingress"))],
        *("controller", WEB, 8080, OPEN, ("openshift-ingress/Pod/gate",)),
    ),
    (
        "34 a LoadBalancer leads in from where its source ranges say",
        [
            _service("LoadBalancer", loadBalancerSourceRanges=["203.0.113.0/24"], **_LOCAL),
            _only(_block("203.0.113.0/24")),
        ],
        *("load-balancer", WEB, 8080, OPEN, ("203.0.113.0/24",)),
    ),
    (
        "34 and is shut where policy lets others in than its source ranges",
        [
            _service("LoadBalancer", loadBalancerSourceRanges=["203.0.113.0/24"], **_LOCAL),
            _only(_block("198.51.100.0/24")),
        ],
        *("load-balancer", WEB, 8080, SHUT, ()),
    ),
    (
        "34 a LoadBalancer that keeps no client address arrives from another node",
        [_service("LoadBalancer"), _only(_block("192.0.2.2/32"))],
        *("load-balancer", WEB, 8080, OPEN, ("/Node/node-2",)),
    ),
    (
        "34 a NodePort leads to the container's port",
        [_service("NodePort", **_LOCAL), _only(_block("203.0.113.0/24"))],
        *("node-port", WEB, 8080, OPEN, ("203.0.113.0/24",)),
    ),
    (
        "34 externalIPs lead in as well",
        [_service(externalIPs=["198.51.100.7"]), _only(_block("203.0.113.0/24"))],
        *("external-ip", WEB, 8080, OPEN, ("203.0.113.0/24",)),
    ),
    (
        "34 and are shut by policy",
        [_service(externalIPs=["198.51.100.7"]), _only(_from_space("shop"))],
        *("external-ip", WEB, 8080, SHUT, ()),
    ),
    (
        "34 a hostPort leads to the container behind it",
        [_only(_block("203.0.113.0/24"))],
        *("host-port", WEB, 8080, OPEN, ("203.0.113.0/24",)),
    ),
    (
        "34 and is shut by policy",
        [_only(_from_space("shop"))],
        *("host-port", WEB, 8080, SHUT, ()),
    ),
]


def _rows(objects: list[Raw]) -> list[EntryRow]:
    ports = [
        {"name": "http", "containerPort": 8080, "hostPort": 18080},
        {"name": "web", "containerPort": 8443},
    ]
    web = pod("web", "shop", {"app": "web"}, address="10.0.0.1", node="node-1", ports=ports)
    found = facts([*enforced("node-1", "node-2"), namespace("shop"), web, *objects])
    return list(reach_entries(found))


@pytest.mark.parametrize(
    ("objects", "way", "endpoint", "port", "verdict", "via"),
    [row[1:] for row in CASES],
    ids=[row[0] for row in CASES],
)
def test_a_way_in(
    objects: list[Raw], way: str, endpoint: str, port: int, verdict: str, via: tuple[str, ...]
) -> None:
    found = [row for row in _rows(objects) if row.way == way]
    assert [(row.endpoint, row.port, row.verdict, tuple(row.via)) for row in found] == [
        (endpoint, port, verdict, via)
    ]


def test_34_an_external_name_leads_to_nobody_inside() -> None:
    away = _object("v1", "Service", "web", {"type": "ExternalName", "externalName": "example.org"})
    assert [row for row in _rows([*_NGINX, *_INGRESS, away]) if row.way == "controller"] == []
