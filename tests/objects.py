"""Kubernetes objects and snapshots for table tests: plain dictionaries in, model values out."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import yaml

from auditor.inventory.cluster import Cluster
from auditor.model.evidence import Claim, Gap, Snapshot
from auditor.model.kinds import KNOWN_KINDS, KindKey, normalised_key
from auditor.model.objects import KubeObject, ObjectId


def kube(body: dict[str, Any]) -> KubeObject:
    """One object from its manifest; namespaced kinds without a namespace get `default`."""
    key, version = normalised_key(body["apiVersion"], body["kind"])
    metadata = body.get("metadata", {})
    known = KNOWN_KINDS.get(key)
    namespaced = known.namespaced if known else True
    namespace = metadata.get("namespace", "default") if namespaced else ""
    return KubeObject(
        id=ObjectId(key.group, key.kind, namespace, metadata["name"]),
        version=version,
        body=body,
        evidence_id=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
        source="test.yaml#1",
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
    )


def kube_all(text: str) -> list[KubeObject]:
    """The objects of a YAML text with many documents."""
    return [kube(body) for body in yaml.safe_load_all(text) if body]


def complete_claims(kinds: Iterable[KindKey] = tuple(KNOWN_KINDS)) -> tuple[Claim, ...]:
    """Claims that all objects of the kinds are there, in all namespaces."""
    return tuple(Claim(key, None, "", "kubectl get", "test") for key in kinds)


def snapshot(
    objects: Iterable[KubeObject],
    claims: Iterable[Claim] = complete_claims(),
    gaps: dict[KindKey, Gap] | None = None,
) -> Snapshot:
    """A snapshot, complete unless told otherwise."""
    return Snapshot(objects=tuple(objects), claims=tuple(claims), gaps=gaps or {})


def cluster(text: str) -> Cluster:
    """A complete cluster from a YAML text."""
    return Cluster(snapshot(kube_all(text)))
