"""Manifests of meshed pods and mesh policies, as plain dictionaries."""

from collections.abc import Iterable
from typing import Any

from auditor.encryption.node_encryption import NodeEncryption
from auditor.encryption.protection import Encryption
from auditor.encryption.reasons import CAUSES
from auditor.encryption.verdicts import PortProtection
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint, list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim
from auditor.model.verdict import Cause, Tri
from tests.objects import complete_claims, kube, snapshot

Manifest = dict[str, Any]
NO_NODE_ENCRYPTION = NodeEncryption("flannel", Tri.NO, Tri.NO)
WIREGUARD = NodeEncryption("cilium", Tri.YES, Tri.NO, mechanism="wireguard")
STRICT = {"mtls": {"mode": "STRICT"}}
PERMISSIVE = {"mtls": {"mode": "PERMISSIVE"}}
DISABLE = {"mtls": {"mode": "DISABLE"}}


def metadata(name: str, namespace: str | None = None, **more: Any) -> Manifest:
    """Object metadata without the fields that are None."""
    found = {"name": name, "namespace": namespace, **more}
    return {key: value for key, value in found.items() if value is not None}


def custom(
    api: str, kind: str, name: str, namespace: str, spec: Any, created: str | None = None, **more: Any
) -> Manifest:
    """A custom resource; `created` is a day of 2026-01."""
    stamp = f"2026-01-{created}T00:00:00Z" if created else None
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": metadata(name, namespace, creationTimestamp=stamp, **more),
        "spec": spec,
    }


def peer_authentication(name: str, namespace: str, spec: Any, created: str | None = "01") -> Manifest:
    """A PeerAuthentication."""
    return custom("security.istio.io/v1", "PeerAuthentication", name, namespace, spec, created)


def workload(labels: dict[str, str] | None = None, **spec: Any) -> Manifest:
    """A PeerAuthentication spec that selects `app: web`."""
    return {"selector": {"matchLabels": labels or {"app": "web"}}, **spec}


def authorization(name: str, namespace: str, spec: Any, **more: Any) -> Manifest:
    """An Istio AuthorizationPolicy."""
    return custom("security.istio.io/v1", "AuthorizationPolicy", name, namespace, spec, "01", **more)


def pod(
    name: str = "web",
    namespace: str = "shop",
    *,
    proxy: str | None = "istio-proxy",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ports: list[Manifest] | None = None,
    running: bool = True,
    **spec: Any,
) -> Manifest:
    """A running pod with an application on 8080 and, unless told otherwise, Istio's sidecar."""
    listed = [{"containerPort": 8080, "name": "http"}] if ports is None else ports
    containers = [{"name": "app", "ports": listed}] + ([{"name": proxy}] if proxy else [])
    own = {"security.istio.io/tlsMode": "istio"} if proxy == "istio-proxy" else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(
            name, namespace, labels={"app": name, **own, **(labels or {})}, annotations=annotations or {}
        ),
        "spec": {"containers": containers, **spec},
        **({"status": {"phase": "Running", "podIP": "10.0.0.1"}} if running else {}),
    }


def deployment(
    name: str = "web",
    namespace: str = "shop",
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    """A Deployment without live pods."""
    template = {
        "metadata": {"labels": {"app": name, **(labels or {})}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}], **spec},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, namespace),
        "spec": {"replicas": 0, "template": template},
    }


def namespace(name: str = "shop", labels: dict[str, str] | None = None, **more: Any) -> Manifest:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(name, labels=labels or {}, **more)}


def service(
    name: str = "web", namespace: str = "shop", port: int = 80, target: Any = 8080, **spec: Any
) -> Manifest:
    """A Service in front of pods labelled `app: <name>`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace),
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}], **spec},
    }


def config_map(name: str, namespace: str, **data: str) -> Manifest:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, namespace), "data": data}


def world(
    *manifests: Manifest,
    nodes: NodeEncryption = NO_NODE_ENCRYPTION,
    claims: tuple[Claim, ...] = complete_claims(),
) -> tuple[Encryption, dict[str, Endpoint]]:
    """The encryption of a cluster of these objects, complete unless told otherwise, and its endpoints by id."""
    cluster = Cluster(snapshot([kube(manifest) for manifest in manifests], claims))
    endpoints = list_endpoints(cluster)
    encryption = Encryption(cluster, endpoints, Services(cluster, endpoints), nodes)
    return encryption, {endpoint.id: endpoint for endpoint in endpoints}


def judge(
    *manifests: Manifest,
    endpoint: str = "shop/Pod/web",
    port: int = 8080,
    protocol: str = "TCP",
    **options: Any,
) -> PortProtection:
    """The verdict on one port of one endpoint."""
    encryption, endpoints = world(*manifests, **options)
    found = encryption.port(endpoints[endpoint], port, protocol)
    assert_explained(found.causes)
    return found


def assert_explained(causes: Iterable[Cause]) -> None:
    """Every cause is on the closed list and gives each parameter that its sentence names."""
    for cause in causes:
        assert CAUSES[cause.code].format(**dict(cause.parameters))


def codes(protection: PortProtection) -> set[str]:
    """The codes of its causes."""
    return {cause.code for cause in protection.causes}
