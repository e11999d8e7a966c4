"""The objects of a sample cluster, completed with the metadata that an API server adds."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

Obj = dict[str, Any]

_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "samples.auditor.example")
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_COUNTED = frozenset(
    {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "CronJob", "Job", "NetworkPolicy", "Ingress"}
)
"""Kinds whose metadata.generation the API server counts (custom resources as well)."""


class Store:
    """Objects by identity. Everything made up (uids, versions) follows from the identity, so it never changes."""

    def __init__(self, cluster: str, created: str) -> None:
        self.cluster = cluster
        self.created = created
        self._objects: dict[tuple[str, str, str, str], Obj] = {}

    def add(self, obj: Obj, created: str | None = None) -> Obj:
        """Complete the object's metadata and keep it. Raises ValueError when its identity is taken."""
        metadata = obj["metadata"]
        metadata.setdefault("creationTimestamp", created or self.created)
        identity = (obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"])
        if identity in self._objects:
            raise ValueError(f"two objects are {identity}")
        metadata.setdefault("uid", self.uid(obj))
        metadata.setdefault("resourceVersion", str(120_000 + self.number(metadata["uid"]) % 9_000_000))
        if obj["kind"] in _COUNTED or "." in obj["apiVersion"].replace(".k8s.io", ""):
            metadata.setdefault("generation", 1)
        self._objects[identity] = obj
        return obj

    def uid(self, obj: Obj) -> str:
        """The uid of an object, a function of the cluster and its identity."""
        metadata = obj["metadata"]
        parts = (
            self.cluster,
            obj["apiVersion"],
            obj["kind"],
            metadata.get("namespace", ""),
            metadata["name"],
        )
        return str(uuid.uuid5(_SPACE, "/".join(parts)))

    @staticmethod
    def number(text: str) -> int:
        """A number that follows from a text."""
        return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)

    @staticmethod
    def digest(text: str) -> str:
        """A sha256 in hexadecimal, as container and image ids have."""
        return hashlib.sha256(text.encode()).hexdigest()

    def suffix(self, text: str, length: int = 5) -> str:
        """A name suffix in the alphabet that controllers use."""
        number = self.number(f"{self.cluster}/{text}")
        letters = []
        for _ in range(length):
            number, position = divmod(number, len(_SAFE))
            letters.append(_SAFE[position])
        return "".join(letters)

    def of(self, kind: str, api_version: str | None = None) -> list[Obj]:
        """The objects of a kind, by namespace and name."""
        return [o for o in self if o["kind"] == kind and api_version in (None, o["apiVersion"])]

    def __iter__(self) -> Iterator[Obj]:
        for key in sorted(self._objects, key=lambda key: (key[0], key[1], key[2], key[3])):
            yield self._objects[key]


def owner(obj: Obj) -> list[Obj]:
    """`ownerReferences` that name an object as the controller."""
    return [
        {
            "apiVersion": obj["apiVersion"],
            "blockOwnerDeletion": True,
            "controller": True,
            "kind": obj["kind"],
            "name": obj["metadata"]["name"],
            "uid": obj["metadata"]["uid"],
        }
    ]


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels hold every pair of a non-empty selector."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
