"""EndpointSlices, as their controller makes them."""

from collections.abc import Iterable

from generator.store import Obj, Store, matches, owner


def add_endpoint_slice(store: Store, service: Obj) -> None:
    """Keep the EndpointSlice of a Service that selects running pods; others get none."""
    metadata, selector = service["metadata"], service["spec"].get("selector", {})
    pods = [
        pod
        for pod in store.of("Pod")
        if pod["metadata"]["namespace"] == metadata["namespace"]
        and matches(selector, pod["metadata"].get("labels", {}))
        and pod["status"]["phase"] == "Running"
    ]
    if not pods:
        return
    ports = [_slice_port(port, pods[0]) for port in service["spec"]["ports"]]
    slice_labels = {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": metadata["name"],
    }
    if service["spec"].get("clusterIP") == "None":
        slice_labels["service.kubernetes.io/headless"] = ""
    store.add(
        {
            "addressType": "IPv4",
            "apiVersion": "discovery.k8s.io/v1",
            "endpoints": [_slice_endpoint(pod) for pod in pods],
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "generation": 1,
                "labels": slice_labels,
                "name": f"{metadata['name']}-{store.suffix(metadata['name'] + '/slice')}",
                "namespace": metadata["namespace"],
                "ownerReferences": owner(service),
            },
            "ports": ports,
        },
        metadata["creationTimestamp"],
    )


def _slice_port(port: Obj, pod: Obj) -> Obj:
    target = port["targetPort"]
    if isinstance(target, str):
        target = next(p["containerPort"] for p in _declared(pod) if p.get("name") == target)
    return {"name": port.get("name", ""), "port": target, "protocol": port["protocol"]}


def _declared(pod: Obj) -> Iterable[Obj]:
    return (port for container in pod["spec"]["containers"] for port in container.get("ports", []))


def _slice_endpoint(pod: Obj) -> Obj:
    metadata = pod["metadata"]
    target = {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": target,
    }
