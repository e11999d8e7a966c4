"""Creates the objects of a folder in a real API server, as nearly as it lets one: it gives uids and times of its own."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from auditor.model.kinds import KNOWN_KINDS, normalised_key
from tests.live.cluster import Cluster

_FIRST = ("Namespace", "Node", "ServiceAccount", "ConfigMap")
_LAST = (
    *("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicaSet", "Job", "Pod", "EndpointSlice"),
    "MutatingWebhookConfiguration",  # nothing answers there, and Pods would be refused
)
_RANKED = (".istio.io", "projectcalico.org", "policy.networking.k8s.io")
"""Groups whose objects are ranked by age, which the API server records in whole seconds."""

_GIVEN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")


def create_sample(cluster: Cluster, folder: Path) -> None:
    """Create every object of the folder but CustomResourceDefinitions, which have to be served already.

    Two of a kind that are ranked by age are created more than a second apart, the older first.
    """
    new_uids: dict[str, str] = {}
    created: dict[str, float] = {}
    bodies = [body for body in objects_in(folder) if body["kind"] != "CustomResourceDefinition"]
    for body in sorted(bodies, key=_order):
        ranked = body["apiVersion"].split("/")[0].endswith(_RANKED)
        if ranked and (wait := created.get(body["kind"], 0) + 1.1 - time.monotonic()) > 0:
            time.sleep(wait)
        old = body["metadata"].get("uid", "")
        new_uids[old] = _create(cluster, body, new_uids)["metadata"]["uid"]
        created[body["kind"]] = time.monotonic()


def objects_in(folder: Path) -> Iterator[dict[str, Any]]:
    """The objects of the Lists in a folder."""
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in ("scope.yaml", "snapshot.yaml"):
            yield from yaml.load(path.read_text(), yaml.CSafeLoader)["items"]


def _order(body: dict[str, Any]) -> tuple[int, int, str, str]:
    """Owners before what they own; kinds side by side, so that waiting for one helps all."""
    kind, metadata = body["kind"], body["metadata"]
    place = 0 if kind in _FIRST else 2 if kind in _LAST else 1
    rank = (_FIRST, (kind,), _LAST)[place].index(kind)
    return place, rank, str(metadata.get("creationTimestamp")), metadata["name"]


def _create(cluster: Cluster, body: dict[str, Any], new_uids: dict[str, str]) -> dict[str, Any]:
    key, _ = normalised_key(body["apiVersion"], body["kind"])
    body = {**body, "metadata": {n: v for n, v in body["metadata"].items() if n not in _GIVEN}}
    for owner in body["metadata"].get("ownerReferences", ()):
        owner["uid"] = new_uids[owner["uid"]]
    _drop_what_admission_fills_in(body)
    known, version = KNOWN_KINDS[key], body["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = body["metadata"].get("namespace")
    path = f"{root}/namespaces/{namespace}/{known.plural}" if known.namespaced else f"{root}/{known.plural}"
    one = f"{path}/{body['metadata']['name']}"
    status, found = cluster.request("GET", one)
    if status == 404:
        found = cluster.ok("POST", path, body)
    elif body["kind"] == "Namespace":  # what the API server has made itself, like kube-system
        found = cluster.ok("PUT", one, {**body, "metadata": {**found["metadata"], **body["metadata"]}})
    else:
        return dict(found)
    if "status" in body and found.get("status") != body["status"]:
        cluster.request("PUT", f"{one}/status", {**found, "status": body["status"]})
    result: dict[str, Any] = found
    return result


def _drop_what_admission_fills_in(body: dict[str, Any]) -> None:
    if body["kind"] == "Pod":
        body["spec"].pop("priority", None)
    if body["kind"] == "Job":
        body["spec"].pop("selector", None)
        labels = body["spec"]["template"]["metadata"]["labels"]
        for name in [name for name in labels if "controller-uid" in name or "job-name" in name]:
            del labels[name]
