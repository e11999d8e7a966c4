"""What can tell two pods of one workload apart: labels, addresses and fields that some rule may look at."""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.model.kinds import POD, WORKLOAD_KINDS, KindKey
from auditor.model.objects import KubeObject, mappings_at

_PASSIVE_KINDS = frozenset({POD, *WORKLOAD_KINDS})
_LABEL_MAPS = ("matchLabels", "selector", "labels", "podSelector", "namespaceSelector")
_CIDR_FIELDS = frozenset(
    {
        *("cidr", "cidrs", "except", "fromCIDR", "toCIDR", "externalCIDRs"),
        *("nets", "notNets", "networks", "ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"),
    }
)
_MESH_PREFIXES = ("istio.io/", "linkerd.io/")
_NETWORK_LABELS = ("sidecar.istio.io/inject", "istio.io/dataplane-mode", "linkerd.io/control-plane-ns")
_MAX_DEPTH = 60
_WORDS = re.compile(r"[A-Za-z0-9_./-]+")
"""Calico's selectors are text: every key in one is a word of it, so all words may be keys."""


@dataclass(frozen=True, slots=True)
class Distinctions:
    """Pods with equal signatures decide alike in every rule of the evidence."""

    keys: frozenset[str]
    bounds: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, cluster: Cluster) -> "Distinctions":
        """Collect label keys and address bounds from every object that isn't a pod or a workload."""
        objects = (
            obj
            for kind in cluster.kinds()
            if kind not in _PASSIVE_KINDS and _has_rules(kind)
            for obj in cluster.all(kind)
        )
        found = cls.drawn_by(objects)
        return cls(found.keys | frozenset(_NETWORK_LABELS), found.bounds)

    @classmethod
    def drawn_by(cls, objects: Iterable[KubeObject]) -> "Distinctions":
        """What the rules of some objects tell apart."""
        keys: set[str] = set()
        bounds: set[tuple[int, int]] = set()
        for obj in objects:
            for name, value in _fields([obj.body.get("spec"), obj.body.get("specs")], 0):
                keys.update(_label_keys(name, value))
                bounds.update(_address_bounds(name, value))
        return cls(frozenset(keys), tuple(sorted(bounds)))

    def minus(self, other: "Distinctions") -> "Distinctions":
        """What other rules do not tell apart already."""
        bounds = set(self.bounds) - set(other.bounds)
        return Distinctions(self.keys - other.keys, tuple(sorted(bounds)))

    def __bool__(self) -> bool:
        return bool(self.keys or self.bounds)

    def part(self, pod: KubeObject, addresses: Sequence[str]) -> Hashable:
        """The labels and addresses of `signature` alone."""
        labels = pod.labels
        chosen = ((key, labels[key]) for key in self.keys if key in labels)
        places = tuple(sorted(self._interval(address) for address in addresses)) if self.bounds else ()
        return tuple(sorted(chosen)), places

    def signature(self, pod: KubeObject, addresses: Sequence[str]) -> Hashable:
        """What of a pod any rule may look at."""
        mesh = ((k, v) for k, v in pod.annotations.items() if any(p in k for p in _MESH_PREFIXES))
        spec = pod.spec
        containers = mappings_at(spec, "containers") + mappings_at(spec, "initContainers")
        return (
            self.part(pod, addresses),
            tuple(sorted((k, v) for k, v in mesh if not k.endswith("/status"))),
            str(spec.get("serviceAccountName")),
            spec.get("hostNetwork") is True,
            tuple(sorted(str((c.get("name"), c.get("ports"))) for c in containers)),
        )

    def _interval(self, address: str) -> tuple[int, int]:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return (0, 0)
        return parsed.version, bisect_right(self.bounds, (parsed.version, int(parsed)))


def _has_rules(kind: KindKey) -> bool:
    return kind.group != "" or kind.kind == "Service"


def _fields(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name), inner
            yield from _fields(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, depth + 1)


def _label_keys(name: str, value: Any) -> Iterator[str]:
    if name in _LABEL_MAPS and isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield _plain_key(str(key))
    elif name == "key" and isinstance(value, str):
        yield _plain_key(value)
    elif name.lower().endswith("selector") and isinstance(value, str):
        yield from _WORDS.findall(value)


def _plain_key(key: str) -> str:
    """Cilium writes label sources in front of keys: `k8s:app`, `any:app`."""
    source, separator, rest = key.partition(":")
    return rest if separator and source in ("k8s", "any") else key


def _address_bounds(name: str, value: Any) -> Iterator[tuple[int, int]]:
    if name not in _CIDR_FIELDS:
        return
    for text in value if isinstance(value, list) else [value]:
        try:
            network = ipaddress.ip_network(text, strict=False) if isinstance(text, str) else None
        except ValueError:
            continue
        if network is not None:
            yield network.version, int(network.network_address)
            yield network.version, int(network.broadcast_address) + 1
