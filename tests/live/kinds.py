"""Makes a real API server serve kinds of products that aren't installed there."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from auditor.model.kinds import KNOWN_KINDS, KindKey, KnownKind
from tests.live.cluster import Cluster

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_APPROVED = {"api-approved.kubernetes.io": "unapproved, for tests"}


def definition(known: KnownKind, group: str, version: str) -> dict[str, Any]:
    """A CustomResourceDefinition that takes whatever it is given."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{known.plural}.{group}", "annotations": _APPROVED},
        "spec": {
            "group": group,
            "names": {"kind": known.key.kind, "plural": known.plural},
            "scope": "Namespaced" if known.namespaced else "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def serve_kinds(
    cluster: Cluster,
    kinds: Iterable[KindKey],
    other_names: Iterable[tuple[str, str]] = (),
) -> None:
    """Define those of `kinds` that aren't served; groups in `other_names` under the second name."""
    renamed = dict(other_names)
    there = {group["name"] for group in cluster.ok("GET", "/apis")["groups"]} | {""}
    wanted = [
        (KNOWN_KINDS[key], renamed.get(key.group, key.group)) for key in kinds if key.group not in there
    ]
    bodies = [
        definition(known, group, "v1" if group != known.key.group else known.versions[0])
        for known, group in wanted
    ]
    cluster.create_all(_DEFINITIONS, bodies)
    wait_until_served(cluster, {(group, known.plural) for known, group in wanted})


def serve_files(cluster: Cluster, folders: Iterable[Path]) -> None:
    """Create the CustomResourceDefinitions in the YAML files of folders."""
    bodies = [
        body
        for folder in folders
        for path in sorted(folder.rglob("*.yaml"))
        for body in yaml.load_all(path.read_text(), yaml.CSafeLoader)
        if body and body["kind"] == "CustomResourceDefinition"
    ]
    cluster.create_all(_DEFINITIONS, bodies)
    names = {(body["spec"]["group"], body["spec"]["names"]["plural"]) for body in bodies}
    wait_until_served(cluster, names)


def wait_until_served(cluster: Cluster, resources: Iterable[tuple[str, str]]) -> None:
    """Wait until discovery lists each (group, plural)."""
    wanted = set(resources)
    until(lambda: wanted <= _listed(cluster), f"{sorted(wanted)[:3]} … are served")


def _listed(cluster: Cluster) -> set[tuple[str, str]]:
    found = set()
    for group in cluster.ok("GET", "/apis")["groups"]:
        for version in group["versions"]:
            status, value = cluster.request("GET", f"/apis/{version['groupVersion']}")
            if status == 200:  # a group is told before it is served
                found |= {(group["name"], resource["name"]) for resource in value["resources"]}
    return found


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait. Raises AssertionError naming what didn't come true in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
