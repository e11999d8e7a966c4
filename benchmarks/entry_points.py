"""Measure the engine of entry points: `python -m benchmarks.entry_points [hosts]`, 5,000 hosts unless told otherwise.

Prints, for each controller and kind of route, the processor time of all rows with one object a host, the cost per host, and
the same for one object that holds all hosts where its kind allows that.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from auditor.encryption.entry_points import entry_points
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS, normalised_key
from auditor.model.objects import KubeObject, ObjectId

Raw = dict[str, Any]
_HOSTS = 5_000
_CLASSES = {
    "ingress-nginx": "k8s.io/ingress-nginx",
    "traefik": "traefik.io/ingress-controller",
    "haproxytech": "haproxy.org/ingress-controller/haproxy",
    "haproxy-ingress": "haproxy-ingress.github.io/controller",
    "contour": "projectcontour.io/projectcontour/contour",
    "kong": "ingress-controllers.konghq.com/kong",
    "aws-alb": "ingress.k8s.aws/alb",
    "azure-agic": "azure/application-gateway",
}
_PROGRAMS = {
    "ingress-nginx": ("registry.k8s.io/ingress-nginx/controller:v1.13.0", ["--configmap=edge/config"]),
    "traefik": (
        "traefik:v3.4",
        ["--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443"],
    ),
    "haproxytech": ("haproxytech/kubernetes-ingress:3.1", ["--configmap=edge/config"]),
    "haproxy-ingress": ("quay.io/jcmoraisjr/haproxy-ingress:v0.15", ["--configmap=edge/config"]),
}
_GATEWAY = "gateway.networking.k8s.io/v1"


def _object(version: str, kind: str, name: str, space: str, annotations: Any = None, **fields: Any) -> Raw:
    metadata: Raw = {"name": name, "annotations": annotations or {}, "labels": fields.pop("labels", {})}
    if space:
        metadata["namespace"] = space
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _backends(count: int) -> Iterator[Raw]:
    """One pod and one Service a host, 100 to a namespace."""
    for number in range(count):
        space, labels = f"ns-{number // 100}", {"app": f"app-{number}"}
        spec: Raw = {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}], "nodeName": "n"}
        status = {"phase": "Running", "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        yield _object("v1", "Pod", f"app-{number}", space, labels=labels, spec=spec, status=status)
        ports = [{"port": 80, "targetPort": 8080}]
        yield _object("v1", "Service", f"app-{number}", space, spec={"selector": labels, "ports": ports})


def _program(name: str) -> Iterator[Raw]:
    image, args = _PROGRAMS.get(name, ("", []))
    if image:
        spec = {"containers": [{"name": "main", "image": image, "args": args}], "nodeName": "n"}
        yield _object("v1", "Pod", "controller", "edge", spec=spec, status={"phase": "Running"})
        yield _object("v1", "ConfigMap", "config", "edge", data={"ssl-redirect": "true"})


def _rule(number: int) -> Raw:
    backend = {"service": {"name": f"app-{number}", "port": {"number": 80}}}
    return {"host": f"h{number}.example", "http": {"paths": [{"path": "/", "backend": backend}]}}


def _ingresses(name: str, count: int) -> Iterator[Raw]:
    yield from _program(name)
    if name != "gce":
        yield _object("networking.k8s.io/v1", "IngressClass", name, "", spec={"controller": _CLASSES[name]})
    for number in range(count):
        spec: Raw = {
            "rules": [_rule(number)],
            "tls": [{"hosts": [f"h{number}.example"], "secretName": f"t{number}"}],
        }
        annotations = {"kubernetes.io/ingress.class": "gce"} if name == "gce" else {}
        spec |= {} if name == "gce" else {"ingressClassName": name}
        space = f"ns-{number // 100}"
        yield _object("networking.k8s.io/v1", "Ingress", f"i-{number}", space, annotations, spec=spec)


def _one_ingress(count: int) -> Iterator[Raw]:
    yield from _program("haproxy-ingress")
    spec = {"controller": _CLASSES["haproxy-ingress"]}
    yield _object("networking.k8s.io/v1", "IngressClass", "h", "", spec=spec)
    hosts = [f"h{number}.example" for number in range(count)]
    whole: Raw = {
        "ingressClassName": "h",
        "rules": [_rule(number) for number in range(count)],
        "tls": [{"hosts": hosts, "secretName": "t"}],
    }
    yield _object("networking.k8s.io/v1", "Ingress", "all", "ns-0", spec=whole)


def _routes(count: int) -> Iterator[Raw]:
    listeners = [
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "t"}]}},
    ]
    for listener in listeners:
        listener["allowedRoutes"] = {"namespaces": {"from": "All"}}
    yield _object(_GATEWAY, "GatewayClass", "c", "", spec={"controllerName": "example.net/gateway"})
    yield _object(_GATEWAY, "Gateway", "gw", "edge", spec={"gatewayClassName": "c", "listeners": listeners})
    for number in range(count):
        spec = {
            "parentRefs": [{"name": "gw", "namespace": "edge"}],
            "hostnames": [f"h{number}.example"],
            "rules": [{"backendRefs": [{"name": f"app-{number}", "port": 80}]}],
        }
        yield _object(_GATEWAY, "HTTPRoute", f"r-{number}", f"ns-{number // 100}", spec=spec)
        target = [{"group": "", "kind": "Service", "name": f"app-{number}"}]
        validation = {"hostname": "app", "wellKnownCACertificates": "System"}
        policy = {"targetRefs": target, "validation": validation}
        yield _object(_GATEWAY, "BackendTLSPolicy", f"b-{number}", f"ns-{number // 100}", spec=policy)


def _listeners(count: int) -> Iterator[Raw]:
    yield _object(_GATEWAY, "GatewayClass", "c", "", spec={"controllerName": "example.net/gateway"})
    listeners = [
        {
            "name": f"l{number}",
            "hostname": f"h{number}.example",
            "port": 443,
            "protocol": "HTTPS",
            "tls": {"certificateRefs": [{"name": f"t{number}"}]},
        }
        for number in range(count)
    ]
    yield _object(_GATEWAY, "Gateway", "gw", "ns-0", spec={"gatewayClassName": "c", "listeners": listeners})
    rules = [{"backendRefs": [{"name": "app-0", "port": 80}]}]
    yield _object(_GATEWAY, "HTTPRoute", "r", "ns-0", spec={"parentRefs": [{"name": "gw"}], "rules": rules})


def _istio(count: int) -> Iterator[Raw]:
    hosts = [f"h{number}.example" for number in range(count)]
    port = {"number": 443, "protocol": "HTTPS", "name": "https"}
    server = {"port": port, "hosts": hosts, "tls": {"mode": "SIMPLE", "credentialName": "t"}}
    spec = {"selector": {"istio": "gw"}, "servers": [server]}
    yield _object("networking.istio.io/v1", "Gateway", "gw", "edge", spec=spec)
    for number in range(count):
        route = [{"destination": {"host": f"app-{number}", "port": {"number": 80}}}]
        bound = {"hosts": [f"h{number}.example"], "gateways": ["edge/gw"], "http": [{"route": route}]}
        space = f"ns-{number // 100}"
        yield _object("networking.istio.io/v1", "VirtualService", f"v-{number}", space, spec=bound)


def _openshift(count: int) -> Iterator[Raw]:
    for number in range(count):
        to = {"kind": "Service", "name": f"app-{number}"}
        spec = {"host": f"h{number}.example", "to": to, "tls": {"termination": "edge"}}
        yield _object("route.openshift.io/v1", "Route", f"r-{number}", f"ns-{number // 100}", spec=spec)


def _proxies(count: int) -> Iterator[Raw]:
    for number in range(count):
        host = {"fqdn": f"h{number}.example", "tls": {"secretName": "t"}}
        routes = [{"services": [{"name": f"app-{number}", "port": 80}]}]
        spec = {"virtualhost": host, "routes": routes}
        yield _object("projectcontour.io/v1", "HTTPProxy", f"p-{number}", f"ns-{number // 100}", spec=spec)


def _ingress_routes(count: int) -> Iterator[Raw]:
    yield from _program("traefik")
    for number in range(count):
        match, services = f"Host(`h{number}.example`)", [{"name": f"app-{number}", "port": 80}]
        spec = {"entryPoints": ["websecure"], "tls": {}, "routes": [{"match": match, "services": services}]}
        yield _object("traefik.io/v1alpha1", "IngressRoute", f"r-{number}", f"ns-{number // 100}", spec=spec)


_KINDS: dict[str, Callable[[int], Iterator[Raw]]] = {
    "one Ingress with all hosts": _one_ingress,
    "Gateway API, a route a host": _routes,
    "Gateway API, a listener a host": _listeners,
    "Istio Gateway": _istio,
    "OpenShift Route": _openshift,
    "Contour HTTPProxy": _proxies,
    "Traefik IngressRoute": _ingress_routes,
}


def _load(raw: Iterator[Raw]) -> Cluster:
    objects = []
    for number, body in enumerate(raw):
        key, version = normalised_key(body["apiVersion"], body["kind"])
        meta = body["metadata"]
        identity = ObjectId(key.group, key.kind, meta.get("namespace", ""), meta["name"])
        found = KubeObject(
            identity, version, body, f"{number:064x}", "bench", meta["labels"], meta["annotations"]
        )
        objects.append(found)
    claims = tuple(Claim(key, None, "", "bench", "bench") for key in KNOWN_KINDS)
    return Cluster(Snapshot(tuple(objects), claims))


def measure(name: str, raw: Iterator[Raw], count: int) -> None:
    """Print one line of figures."""
    cluster = _load(raw)
    services = Services(cluster, list_endpoints(cluster))
    _ = services.backends
    start = time.process_time()
    rows = entry_points(cluster, services)
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:32} {len(rows):6} rows  {spent:5.2f} s  ({spent / count * 1e6:.0f} us a host)  peak {peak:.0f} MB"
    )


if __name__ == "__main__":
    hosts = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), _HOSTS)
    for controller in (*_CLASSES, "gce"):
        measure(
            controller, (o for part in (_backends(hosts), _ingresses(controller, hosts)) for o in part), hosts
        )
    for title, make in _KINDS.items():
        measure(title, (o for part in (_backends(hosts), make(hosts)) for o in part), hosts)
