"""One Kubernetes object as it was read, and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from auditor.model.kinds import KindKey

JsonObject = Mapping[str, Any]


class ObjectId(NamedTuple):
    """The version-normalised identity of an object: two objects with equal ids are the same object."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`namespace/Kind/name`, with `.group` after kinds that aren't built in (contracts, Endpoints)."""
        return f"{self.namespace}/{qualified_kind(self.group, self.kind)}/{self.name}"


_BUILT_IN_SUFFIX = ".k8s.io"
_BUILT_IN = frozenset({"", "apps", "batch", "autoscaling", "policy"})
_NOT_BUILT_IN = frozenset({"policy.networking.k8s.io", "gateway.networking.k8s.io"})


def qualified_kind(group: str, kind: str) -> str:
    """The kind, followed by `.group` unless Kubernetes itself serves the group."""
    built_in = group in _BUILT_IN or (group.endswith(_BUILT_IN_SUFFIX) and group not in _NOT_BUILT_IN)
    return kind if built_in else f"{kind}.{group}"


@dataclass(frozen=True, slots=True, eq=False)
class KubeObject:
    """A parsed object. `body` is the redacted object itself: hostile content, never to be changed.

    `source` is a path relative to SOURCE with the document's number (`pods.yaml#3`); `evidence_id` is the
    sha256 of the canonical bytes of `body`.
    """

    id: ObjectId
    version: str
    body: JsonObject
    evidence_id: str
    source: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> KindKey:
        """Group and kind."""
        return KindKey(self.id.group, self.id.kind)

    @property
    def namespace(self) -> str:
        """The namespace, `""` for cluster-scoped objects."""
        return self.id.namespace

    @property
    def name(self) -> str:
        """The name."""
        return self.id.name

    @property
    def spec(self) -> JsonObject:
        """`spec` if it is a mapping, else an empty one (broken objects must not break the run)."""
        return mapping_at(self.body, "spec")

    @property
    def metadata(self) -> JsonObject:
        """`metadata` if it is a mapping."""
        return mapping_at(self.body, "metadata")

    @property
    def status(self) -> JsonObject:
        """`status` if it is a mapping."""
        return mapping_at(self.body, "status")

    @property
    def created(self) -> str | None:
        """`metadata.creationTimestamp` as text (RFC 3339 sorts), None when it isn't recorded."""
        stamp = self.metadata.get("creationTimestamp")
        return stamp if isinstance(stamp, str) and stamp else None


_MAPPINGS = (dict, Mapping)
"""`dict` first: of an abstract class instances are told ten times more slowly, and this runs millions of times."""


def mapping_at(value: Any, *path: str) -> JsonObject:
    """The mapping at `path`, or an empty one where anything on the way isn't a mapping."""
    for step in path:
        value = value.get(step) if isinstance(value, _MAPPINGS) else None
    return value if isinstance(value, _MAPPINGS) else {}


def list_at(value: Any, *path: str) -> list[Any]:
    """The list at `path`, or an empty one where it is missing or of another shape."""
    found = mapping_at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, list) else []


def mappings_at(value: Any, *path: str) -> list[JsonObject]:
    """The mappings in the list at `path`; entries of another shape are dropped."""
    return [entry for entry in list_at(value, *path) if isinstance(entry, _MAPPINGS)]


def text_at(value: Any, *path: str) -> str | None:
    """The string at `path`, else None."""
    found = mapping_at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else None
