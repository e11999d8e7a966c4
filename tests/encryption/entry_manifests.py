"""Manifests of entry points, as plain dictionaries, and the engine over them."""

from collections.abc import Iterable
from typing import Any

from auditor.encryption.entry_points import EntryPoint, Exposure, entry_points, exposures
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim
from tests.objects import complete_claims, kube, snapshot

Manifest = dict[str, Any]


def cluster_of(objects: Iterable[Manifest], claims: Iterable[Claim] | None = None) -> Cluster:
    """An indexed snapshot; complete unless claims are given."""
    given = complete_claims() if claims is None else claims
    return Cluster(snapshot([kube(entry) for entry in objects], given))


def rows(objects: Iterable[Manifest], claims: Iterable[Claim] | None = None) -> tuple[EntryPoint, ...]:
    """The entry points of a cluster."""
    cluster = cluster_of(objects, claims)
    return entry_points(cluster, Services(cluster, list_endpoints(cluster)))


def exposed(objects: Iterable[Manifest]) -> tuple[Exposure, ...]:
    """What a cluster exposes at layer 4."""
    cluster = cluster_of(objects)
    endpoints = list_endpoints(cluster)
    return exposures(cluster, Services(cluster, endpoints), endpoints)


def manifest(
    api: str, kind: str, name: str, spec: Any, namespace: str | None = "shop", **meta: Any
) -> Manifest:
    """Any object."""
    metadata = {"name": name, "namespace": namespace, **meta}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {key: value for key, value in metadata.items() if value is not None},
        "spec": spec,
    }


def ingress(
    host: str | None = "shop.example",
    *,
    tls: list[Any] | bool = False,
    cls: str | None = "nginx",
    name: str = "web",
    service: str = "web",
    **annotations: str,
) -> Manifest:
    """An Ingress with one host; annotation names are given with `__` for `/` and the rest in a mapping `a`."""
    rule: Manifest = {
        "http": {"paths": [{"path": "/", "backend": {"service": {"name": service, "port": {"number": 80}}}}]}
    }
    if host:
        rule["host"] = host
    spec: Manifest = {"rules": [rule]}
    if cls:
        spec["ingressClassName"] = cls
    if tls is True:
        spec["tls"] = [{"hosts": [host] if host else [], "secretName": "web-tls"}]
    elif tls:
        spec["tls"] = tls
    return manifest("networking.k8s.io/v1", "Ingress", name, spec, annotations=annotations)


def ingress_class(name: str, controller: str, *, default: bool = False) -> Manifest:
    """An IngressClass."""
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"} if default else {}
    return manifest(
        "networking.k8s.io/v1",
        "IngressClass",
        name,
        {"controller": controller},
        None,
        annotations=annotations,
    )


def config_map(namespace: str, name: str, data: dict[str, str]) -> Manifest:
    """A ConfigMap."""
    body = manifest("v1", "ConfigMap", name, None, namespace)
    del body["spec"]
    return body | {"data": data}


def deployment(
    name: str,
    image: str,
    *,
    namespace: str = "shop",
    args: Iterable[str] = (),
    ports: Iterable[int] = (8080,),
    labels: dict[str, str] | None = None,
    container: str = "main",
    **pod: Any,
) -> Manifest:
    """A Deployment with one container."""
    labels = labels or {"app": name}
    spec = {
        "containers": [
            {
                "name": container,
                "image": image,
                "args": list(args),
                "ports": [{"containerPort": p} for p in ports],
            }
        ],
        **pod,
    }
    return manifest(
        "apps/v1", "Deployment", name, {"template": {"metadata": {"labels": labels}, "spec": spec}}, namespace
    )


def service(
    name: str,
    ports: Iterable[Manifest] = ({"port": 80, "targetPort": 8080},),
    *,
    namespace: str = "shop",
    selector: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    status: Manifest | None = None,
    **spec: Any,
) -> Manifest:
    """A Service that selects `app: name` unless told otherwise."""
    body = manifest(
        "v1",
        "Service",
        name,
        {"selector": selector or {"app": name}, "ports": list(ports), **spec},
        namespace,
        annotations=annotations,
    )
    return body | ({"status": status} if status else {})


WEB = (deployment("web", "registry.example/web:1"), service("web"))
"""An application and its Service."""
