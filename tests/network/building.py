"""Clusters for tests from raw objects: `pod(...)`, `policy(...)`, … give dicts as YAML would; `connect` reads them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS, normalised_key
from auditor.model.objects import KubeObject, ObjectId
from auditor.network.connectivity import Connectivity

Raw = dict[str, Any]


def read(raw: Mapping[str, Any], number: int = 0) -> KubeObject:
    """A raw object as the collector would give it."""
    key, version = normalised_key(raw["apiVersion"], raw["kind"])
    metadata = raw.get("metadata", {})
    known = KNOWN_KINDS.get(key)
    namespaced = known is None or known.namespaced
    namespace = (metadata.get("namespace") or "default") if namespaced else ""
    identity = ObjectId(key.group, key.kind, namespace, metadata["name"])
    return KubeObject(
        id=identity,
        version=version,
        body=raw,
        evidence_id=f"evidence-of-{identity}",
        source=f"cluster.yaml#{number}",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def snapshot(objects: Iterable[Mapping[str, Any]], complete: bool = True) -> Snapshot:
    """A snapshot of raw objects; `complete` claims every kind."""
    claims = tuple(Claim(key, None, "", "test", "test") for key in KNOWN_KINDS) if complete else ()
    return Snapshot(objects=tuple(read(raw, i) for i, raw in enumerate(objects)), claims=claims)


def connect(
    objects: Iterable[Mapping[str, Any]],
    externals: Sequence[tuple[str, Sequence[str]]] = (),
    complete: bool = True,
) -> Connectivity:
    """The engine over raw objects."""
    cluster = Cluster(snapshot(objects, complete))
    endpoints = list_endpoints(cluster)
    return Connectivity(cluster, endpoints, Services(cluster, endpoints), externals)


def namespace(name: str, **labels: str) -> Raw:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(
    name: str,
    space: str = "default",
    labels: Mapping[str, str] | None = None,
    *,
    ports: Sequence[Mapping[str, Any]] = (),
    address: str | None = None,
    node: str | None = "node-1",
    host_network: bool = False,
    phase: str = "Running",
) -> Raw:
    """A running pod."""
    spec: Raw = {
        "containers": [{"name": "main", "image": "example", "ports": [dict(port) for port in ports]}]
    }
    if node:
        spec["nodeName"] = node
    if host_network:
        spec["hostNetwork"] = True
    status: Raw = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
    if address:
        status["podIPs"] = [{"ip": entry} for entry in address.split(",")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": dict(labels or {})},
        "spec": spec,
        "status": status,
    }


def node(name: str, address: str = "", labels: Mapping[str, str] | None = None, **spec: Any) -> Raw:
    """A Node."""
    addresses = [{"type": "InternalIP", "address": address}] if address else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": spec,
        "status": {"addresses": addresses, "nodeInfo": {"kubeletVersion": "v1.34.0"}},
    }


def agent(
    name: str, container: str, node_name: str, *, ready: bool = True, image: str = "", **more: Any
) -> Raw:
    """A pod of a network agent on a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{node_name}",
            "namespace": "kube-system",
            "labels": {"k8s-app": name},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "controller": True}
            ],
        },
        "spec": {
            "hostNetwork": True,
            "nodeName": node_name,
            "containers": [{"name": container, "image": image or f"{name}:v1.0", **more}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def enforced(*nodes: str) -> list[Raw]:
    """Nodes with a ready agent on each that enforces NetworkPolicy and nothing else."""
    return [
        raw
        for index, name in enumerate(nodes or ("node-1",))
        for raw in (node(name, f"192.0.2.{index + 1}"), agent("kube-router", "kube-router", name))
    ]


def policy(
    name: str,
    space: str = "default",
    *,
    pods: Mapping[str, Any] | None = None,
    types: Sequence[str] | None = None,
    ingress: Any = None,
    egress: Any = None,
) -> Raw:
    """A NetworkPolicy."""
    spec: Raw = {"podSelector": dict(pods or {})}
    if types is not None:
        spec["policyTypes"] = list(types)
    if ingress is not None:
        spec["ingress"] = ingress
    if egress is not None:
        spec["egress"] = egress
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": spec,
    }


def labels(**values: str) -> Raw:
    """A selector by labels."""
    return {"matchLabels": values}


def cluster_policy(kind: str, name: str, version: str, spec: Mapping[str, Any]) -> Raw:
    """An object of policy.networking.k8s.io."""
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": dict(spec),
    }
