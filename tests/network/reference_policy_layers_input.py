"""The manifests of the policy-layers cases, as that analyser reads them.

Every pod stands alone (owners are dropped), templates and workload endpoints become pods. Where Istio has a say every pod
gets a proxy, since the analyser takes identities for granted.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.collect.yaml_documents import yaml_documents
from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.universe import Peer

ROOT = "istio-config"
"""The analyser's root namespace."""
_MESH_CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": f"rootNamespace: {ROOT}\n"},
}

_ENTRY = re.compile(
    r"ingress-nginx|ingress-controller|ingressgateway|egressgateway|ingress-gateway|-alb\d|keepalived-watcher"
)
"""The pods that it takes for entry points, by their names."""


class OtherModel:
    """Pairs on whose senders the analyser puts limits that this engine doesn't have.

    A Sidecar or ServiceEntry limits, for TCP, what a workload may call; an Ingress, Gateway or VirtualService limits what
    the controllers' and gateways' pods may call, and who may call those.
    """

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        kinds = {raw["kind"] for raw in objects}
        self.meshed = "AuthorizationPolicy" in kinds
        self._sidecars = [raw for raw in objects if raw["kind"] == "Sidecar"]
        self._entries = "ServiceEntry" in kinds
        self._gateways = bool(kinds & {"Ingress", "VirtualService", "Gateway"})

    def of(self, source: Peer, destination: Peer, tcp: bool) -> str | None:
        """Why a pair is of another model; None where both have the same."""
        if self._gateways and any(_ENTRY.search(peer.id) for peer in (source, destination)):
            return "entry points as limits of their controllers"
        if tcp and any(_is_limited(source, sidecar) for sidecar in self._sidecars):
            return "egress limits by Sidecar"
        if tcp and self._entries and isinstance(destination, External):
            return "egress limits by ServiceEntry"
        return None


def _is_limited(source: Peer, sidecar: dict[str, Any]) -> bool:
    """Whether a Sidecar governs a workload: of its namespace, in the root namespace of all, narrowed by its selector."""
    space = sidecar["metadata"].get("namespace") or "default"
    wanted = ((sidecar.get("spec") or {}).get("workloadSelector") or {}).get("labels") or {}
    return (
        isinstance(source, Endpoint)
        and space in (source.namespace, ROOT)
        and all(source.labels.get(key) == value for key, value in wanted.items())
    )


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """All objects of a case, lists flattened."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for document in yaml_documents(path.read_bytes()):
                yield from _flatten(document.value, "Namespace")


def _flatten(document: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        for entry in document:
            yield from _flatten(entry, kind)
    elif isinstance(document, dict) and isinstance(document.get("items"), list):
        inner = str(document.get("kind", "")).removesuffix("List") or kind
        for entry in document["items"]:
            yield from _flatten(
                {"apiVersion": document.get("apiVersion", "v1"), "kind": inner, **entry}, kind
            )
    elif isinstance(document, dict) and document.get("metadata"):
        yield document


def as_analysed(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects with which our engine sees what the analyser sees."""
    meshed = OtherModel(objects).meshed
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    if meshed:
        objects = [*objects, _MESH_CONFIG]
    for raw in objects:
        for made in _pods(raw):
            metadata = made["metadata"]
            if made["kind"] == "Pod":
                _settle(made, len(found), meshed)
            found[made["kind"] + made["apiVersion"], metadata.get("namespace", ""), metadata["name"]] = made
    return list(found.values())


def _pods(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    spec, metadata = raw.get("spec") or {}, raw["metadata"]
    if raw["kind"] == "WorkloadEndpoint":
        yield _workload_endpoint(raw)
    elif isinstance(spec, dict) and isinstance(spec.get("template"), dict) and raw["kind"] != "Service":
        for number in range(1, 3 if (spec.get("replicas") or 1) > 1 else 2):
            template = copy.deepcopy(spec["template"])
            named = {
                "name": f"{metadata['name']}-{number}",
                "namespace": metadata.get("namespace", "default"),
                "labels": (template.get("metadata") or {}).get("labels") or {},
            }
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template.get("spec") or {}}
    else:
        yield raw


def _workload_endpoint(raw: dict[str, Any]) -> dict[str, Any]:
    spec, metadata = raw["spec"], raw["metadata"]
    ports = [
        {"name": port["name"], "protocol": port["protocol"], "containerPort": port["port"]}
        for port in spec.get("ports", [])
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spec["pod"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
        },
        "spec": {
            "containers": [{"name": "main", "ports": ports}],
            "serviceAccountName": (metadata.get("labels") or {}).get(
                "projectcalico.org/serviceaccount", "default"
            ),
        },
        "status": {"phase": "Running", "podIP": spec["ipNetworks"][0].partition("/")[0]},
    }


def _settle(pod: dict[str, Any], number: int, meshed: bool) -> None:
    """A running pod on its own, with an address that no case's block names and a proxy where Istio has a say."""
    pod["metadata"].pop("ownerReferences", None)
    status = pod.setdefault("status", {}) or {}
    pod["status"] = {
        "phase": "Running",
        "podIP": status.get("podIP") or f"240.0.{number // 250}.{number % 250 + 1}",
    }
    if meshed:
        pod["spec"].setdefault("containers", []).append({"name": "istio-proxy"})
