"""Node objects."""

from generator.store import Obj


def node_object(node: Obj, kubernetes: str, annotations: Obj, created: str) -> Obj:
    """A ready Node. `node` gives name, address, role and podCIDR; `{address}` in annotations is filled in."""
    control_plane = node["role"] == "control-plane"
    labels = {
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node["name"],
        "kubernetes.io/os": "linux",
    }
    spec: Obj = {"podCIDR": node["podCIDR"], "podCIDRs": [node["podCIDR"]]}
    if control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        spec["taints"] = [{"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}]
    told = {key: value.replace("{address}", node["address"]) for key, value in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"annotations": told, "labels": labels, "name": node["name"]},
        "spec": spec,
        "status": {
            "addresses": [
                {"address": node["address"], "type": "InternalIP"},
                {"address": node["name"], "type": "Hostname"},
            ],
            "allocatable": {"cpu": "4", "memory": "16084004Ki", "pods": "110"},
            "capacity": {"cpu": "4", "memory": "16186404Ki", "pods": "110"},
            "conditions": [
                _condition("NetworkUnavailable", "False", "RouteCreated", created),
                _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", created),
                _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", created),
                _condition("PIDPressure", "False", "KubeletHasSufficientPID", created),
                _condition("Ready", "True", "KubeletReady", created),
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": "6.12.41+deb13-amd64",
                "kubeletVersion": kubernetes,
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 13 (trixie)",
            },
        },
    }


def _condition(kind: str, status: str, reason: str, since: str) -> Obj:
    times = {"lastHeartbeatTime": "2026-09-30T01:58:00Z", "lastTransitionTime": since}
    return {**times, "reason": reason, "status": status, "type": kind}
