"""Small clusters for these tests, and the JSON of their views."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_view import ConnectivityView, build_view
from auditor.model.connectivity_result import BasisName, Level
from auditor.model.scope import Scope
from auditor.report.connectivity_json import render_connectivity
from tests.network.building import Raw, enforced, labels, namespace, pod, policy, snapshot

NOW = datetime(2026, 9, 30, tzinfo=UTC)


def facts(objects: Iterable[Mapping[str, Any]], scope: Scope | None = None) -> Facts:
    """The engines over raw objects."""
    return Facts(snapshot(objects), scope, NOW)


def view_of(
    objects: Iterable[Mapping[str, Any]],
    level: Level = "workload",
    basis: BasisName = "declared",
    **more: Any,
) -> ConnectivityView:
    """All connections."""
    return build_view(facts(objects), level, basis, **more)


def json_of(view: ConnectivityView) -> dict[str, Any]:
    """What is written to a file, read again."""
    found: dict[str, Any] = orjson.loads(render_connectivity(view))
    return found


def reached(result: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Every ordered pair with its row, groups written out by their members."""
    members = {group["id"]: group["members"] for group in result["groups"]}
    return {
        (source, destination): row
        for row in result["connections"]
        for source in members.get(row["source"], [row["source"]])
        for destination in members.get(row["destination"], [row["destination"]])
        if source != destination
    }


def shop() -> list[Raw]:
    """A web pod that anyone reaches, a database that only the web pod reaches on 5432, on one node with an agent."""
    return [
        *enforced("node-1"),
        namespace("shop"),
        pod("web", "shop", {"app": "web"}),
        pod("db", "shop", {"app": "db"}),
        policy("db", "shop", pods=labels(app="db"), ingress=[from_web()]),
    ]


def from_web() -> Raw:
    """An ingress rule: from the web pods to 5432/TCP."""
    return {"from": [{"podSelector": labels(app="web")}], "ports": [{"port": 5432}]}


def workload(name: str, space: str, pods: Sequence[str], nodes: Sequence[str]) -> list[Raw]:
    """Pods of one Deployment by way of an absent ReplicaSet owner."""
    found = []
    for pod_name, node_name in zip(pods, nodes, strict=True):
        raw = pod(pod_name, space, {"app": name}, node=node_name)
        raw["metadata"]["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "controller": True}
        ]
        found.append(raw)
    return found
