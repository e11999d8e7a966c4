"""From the short descriptions under `sources/` to the manifests that a team would apply."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from generator.store import Obj

_REGISTRY = "registry.example.com"
_APP_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}


def read_source(path: Path) -> Obj:
    """A source with the parts it includes: `objects`, `workloads`, `crds` of all of them, in order."""
    source: Obj = yaml.safe_load(path.read_text(encoding="utf-8"))
    for part in source.pop("include", []):
        included = read_source(path.parent / "parts" / f"{part}.yaml")
        for name in ("objects", "workloads", "crds"):
            source[name] = [*included.get(name, []), *source.get(name, [])]
    return source


def expand_workload(entry: Obj) -> Iterator[Obj]:
    """The ServiceAccount, the workload and, where ports are to be served, the Service of a short description."""
    namespace, name = entry["id"].split("/")
    metadata = {
        "namespace": namespace,
        "name": name,
        "labels": {"app": name, "team": entry.get("team", namespace)},
    }
    if "created" in entry:
        metadata["creationTimestamp"] = entry["created"]
    account = entry.get("service_account", name)
    if account != "default" and account == name:
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {**metadata, "labels": {"app": name}},
        }
    yield _workload(entry, metadata, account)
    if "service" in entry:
        yield _service(entry, metadata)


def _workload(entry: Obj, metadata: Obj, account: str) -> Obj:
    kind, name = entry.get("kind", "Deployment"), metadata["name"]
    template = _template(entry, name, account)
    if kind == "CronJob":
        status = {"lastScheduleTime": entry["last_run"], "lastSuccessfulTime": entry["last_run"]}
        spec: Obj = {
            "concurrencyPolicy": "Forbid",
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"metadata": {}, "spec": {"backoffLimit": 3, "template": template}},
            "schedule": entry["schedule"],
            "successfulJobsHistoryLimit": 1,
            "suspend": False,
        }
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status}
    spec = {
        "replicas": entry.get("replicas", 1),
        "selector": {"matchLabels": {"app": name}},
        "template": template,
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _template(entry: Obj, name: str, account: str) -> Obj:
    metadata: Obj = {"labels": {"app": name, **entry.get("labels", {})}}
    if "proxy" in entry:
        metadata["labels"]["samples/proxy"] = entry["proxy"]
    if "annotations" in entry:
        metadata["annotations"] = dict(entry["annotations"])
    spec: Obj = {"containers": [_container(entry, name)], "serviceAccountName": account}
    for extra, about in entry.get("beside", {}).items():
        spec["containers"].append(_container(about, extra))
    spec["automountServiceAccountToken"] = entry.get("token", False)
    if entry.get("host_network"):
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return {"metadata": metadata, "spec": spec}


def _container(about: Obj, name: str) -> Obj:
    container: Obj = {
        "image": f"{_REGISTRY}/{about['image']}",
        "name": name,
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": dict(_APP_SECURITY),
    }
    if "args" in about:
        container["args"] = list(about["args"])
    if "ports" in about:
        container["ports"] = [_port(port, value) for port, value in about["ports"].items()]
    for port, host_port in about.get("host_ports", {}).items():
        next(p for p in container["ports"] if p["name"] == port)["hostPort"] = host_port
    if "probe" in about:
        container["livenessProbe"] = {"httpGet": {"path": "/healthz", "port": about["probe"]}}
        container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": about["probe"]}}
    if "command_probe" in about:
        container["readinessProbe"] = {"exec": {"command": list(about["command_probe"])}}
    return container


def _port(name: str, value: int | str) -> Obj:
    number, _, protocol = str(value).partition("/")
    return {"containerPort": int(number), "name": name, "protocol": protocol or "TCP"}


def _service(entry: Obj, metadata: Obj) -> Obj:
    ports = [
        {"name": target, "port": port, "targetPort": target, "protocol": "TCP"}
        for port, target in entry["service"].items()
    ]
    spec: Obj = {"ports": ports, "selector": {"app": metadata["name"]}, "type": "ClusterIP"}
    if entry.get("headless"):
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": dict(metadata), "spec": spec}


def expand_namespace(entry: Obj) -> Iterator[Obj]:
    """The Namespace and its default ServiceAccount."""
    name = entry["name"]
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {**entry.get("labels", {}), "kubernetes.io/metadata.name": name},
    }
    for field in ("annotations", "uid"):
        if field in entry:
            metadata[field] = entry[field]
    spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": spec, "status": status}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}


def expand_crd(line: str) -> Obj:
    """A CustomResourceDefinition from `group/Kind plural Scope version[,version…]`; its schema is left open."""
    identity, plural, scope, versions = line.split()
    group, _, kind = identity.partition("/")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    served = [
        {"name": version, "schema": schema, "served": True, "storage": index == 0}
        for index, version in enumerate(versions.split(","))
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": group,
            "names": names,
            "scope": scope,
            "versions": served,
        },
        "status": {
            "acceptedNames": names,
            "conditions": [
                {
                    "message": "no conflicts found",
                    "reason": "NoConflicts",
                    "status": "True",
                    "type": "NamesAccepted",
                },
                {"message": "the initial names have been accepted", "reason": "InitialNamesAccepted"}
                | {"status": "True", "type": "Established"},
            ],
            "storedVersions": [served[0]["name"]],
        },
    }
