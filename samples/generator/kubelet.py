"""What the API server and the kubelet add to pods: defaults, tokens, addresses, status."""

from typing import Any

from generator.store import Obj, Store

_CONTAINER_DEFAULTS = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_POD_DEFAULTS = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
_PROBE_DEFAULTS = {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}


def set_template_defaults(spec: Obj) -> Obj:
    """Defaults of a pod spec that also stand in workload templates. Changes and returns the spec."""
    for name, value in _POD_DEFAULTS.items():
        spec.setdefault(name, value)
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        for name, value in _CONTAINER_DEFAULTS.items():
            container.setdefault(name, value)
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for probe in (
            container[p] for p in ("livenessProbe", "readinessProbe", "startupProbe") if p in container
        ):
            for name, value in _PROBE_DEFAULTS.items():
                probe.setdefault(name, value)
            if "httpGet" in probe:
                probe["httpGet"].setdefault("scheme", "HTTP")
    return spec


def set_pod_defaults(store: Store, spec: Obj, name: str) -> Obj:
    """Defaults that only running pods have. Changes and returns the spec."""
    set_template_defaults(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 2_000_001_000 if "priorityClassName" in spec else 0)
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    if spec.get("hostNetwork"):
        for port in (p for c in spec["containers"] for p in c.get("ports", [])):
            port["hostPort"] = port["containerPort"]
    if spec.get("automountServiceAccountToken", True) and name:
        _mount_token(store, spec, name)
    return spec


def _mount_token(store: Store, spec: Obj, pod: str) -> None:
    name = f"kube-api-access-{store.suffix(f'token/{pod}')}"
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
    ]
    spec.setdefault("volumes", []).append(
        {"name": name, "projected": {"defaultMode": 420, "sources": sources}}
    )
    mount = {"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": name, "readOnly": True}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        container.setdefault("volumeMounts", []).append(mount)


def running_status(store: Store, pod: Obj, node: Obj, address: str, started: str) -> Obj:
    """The status of a pod that runs and is ready."""
    spec, key = pod["spec"], f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    status: dict[str, Any] = {
        "conditions": _conditions(started, "True"),
        "containerStatuses": [_container_status(store, c, key, started) for c in spec["containers"]],
        "hostIP": node["address"],
        "hostIPs": [{"ip": node["address"]}],
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": "Burstable",
        "startTime": started,
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [
            _init_status(store, c, key, started) for c in spec["initContainers"]
        ]
    return status


def finished_status(store: Store, pod: Obj, node: Obj, address: str, started: str) -> Obj:
    """The status of a pod that has run to its end."""
    status = running_status(store, pod, node, address, started)
    key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    ended = [
        _init_status(store, {**c, "restartPolicy": None}, key, started) for c in pod["spec"]["containers"]
    ]
    status |= {"phase": "Succeeded", "conditions": _conditions(started, "False"), "containerStatuses": ended}
    for entry in status.get("initContainerStatuses", []):
        entry |= {"ready": True, "started": False}
    return status


def _conditions(at: str, ready: str) -> list[Obj]:
    states = [
        ("PodReadyToStartContainers", ready),
        ("Initialized", "True"),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", "True"),
    ]
    return [
        {"lastProbeTime": None, "lastTransitionTime": at, "status": state, "type": name}
        | ({"reason": "PodCompleted"} if state == "False" else {})
        for name, state in states
    ]


def _container_status(store: Store, container: Obj, pod: str, started: str) -> Obj:
    return {
        "containerID": f"containerd://{_container_digest(store, pod, container)}",
        "image": container["image"],
        "imageID": f"{container['image'].rpartition(':')[0]}@sha256:{store.digest(container['image'])}",
        "lastState": {},
        "name": container["name"],
        "ready": True,
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": started}},
    }


def _init_status(store: Store, container: Obj, pod: str, started: str) -> Obj:
    status = _container_status(store, container, pod, started)
    if container.get("restartPolicy") == "Always":
        return status
    ended = {"exitCode": 0, "finishedAt": started, "reason": "Completed", "startedAt": started}
    return status | {
        "started": False,
        "state": {"terminated": {"containerID": status["containerID"], **ended}},
    }


def _container_digest(store: Store, pod: str, container: Obj) -> str:
    return store.digest(f"{store.cluster}/{pod}/{container['name']}")
