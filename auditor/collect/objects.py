"""From documents to objects: Lists flattened, identities normalised, redaction, canonical bytes and their hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from auditor.collect.document import MAX_DEPTH, Document
from auditor.collect.redaction import Dropped, has_suspect_text, redact, redact_patterns
from auditor.model.evidence import Redaction
from auditor.model.kinds import KNOWN_KINDS, KindKey, normalised_key
from auditor.model.objects import KubeObject, ObjectId

_MAX_NAME = 253
_MAX_LIST_DEPTH = 10
_TOOL_GROUPS = (
    *("kustomize.config.k8s.io", "kind.x-k8s.io", "kubeadm.k8s.io", "kubelet.config.k8s.io", "audit.k8s.io"),
    *("kubeproxy.config.k8s.io", "apiserver.config.k8s.io", "client.authentication.k8s.io", "skaffold"),
    *("kubescheduler.config.k8s.io", "controllermanager.config.k8s.io", "apiserver.k8s.io"),
)
_KUBECONFIG = KindKey("", "Config")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that can't be taken: where, and what was expected.

    `key` is the kind that is incomplete because of it; None makes every kind incomplete.
    """

    line: int
    message: str
    key: KindKey | None = None

    def at(self, path: str) -> str:
        """One line naming the file."""
        return f"{path}:{self.line}: {self.message}" if self.line else f"{path}: {self.message}"


@dataclass(slots=True)
class FileContent:
    """What one file gave."""

    objects: list[KubeObject] = field(default_factory=list)
    redactions: list[Redaction] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Why documents were left out that are no Kubernetes objects."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """An object whose place in the file is still to be told."""

    obj: KubeObject
    dropped: tuple[Dropped, ...]
    problem: Problem | None


class _Unusable(Exception):
    """The document is a Kubernetes object that can't be taken."""

    def __init__(self, message: str, key: KindKey | None = None) -> None:
        super().__init__(message)
        self.key = key


def take_item(value: Any, index: int, line: int) -> Any:
    """An item of a List as it is parsed: redacted at once, so that only what is kept stays in memory.

    Items that don't name their kind, nested Lists and broken ones are returned as they are, for `take_document`.
    """
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or _is_list(value):
        return value
    try:
        return _take(value, line)
    except _Unusable:
        return value


def take_document(document: Document, path: str, content: FileContent) -> None:
    """Add what a document holds to `content`."""
    place = f"{path}#{document.number}"
    value = document.value
    if isinstance(value, list) and value and all(isinstance(item, dict) and "kind" in item for item in value):
        value = {"apiVersion": "v1", "kind": "List", "items": value}
    if not isinstance(value, dict):
        content.ignored.append(f"document {document.number} is not a mapping")
    elif _is_list(value):
        _take_list(value, place, document, content, 0)
    elif (reason := _not_an_object(value)) is not None:
        content.ignored.append(f"document {document.number} {reason}")
    else:
        _add(value, place, document.line, f"document {document.number}", content)


def _is_list(value: Mapping[str, Any]) -> bool:
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and ("items" in value or kind == "List")


def _not_an_object(value: Mapping[str, Any]) -> str | None:
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str) or not version or not kind:
        return "has no apiVersion and kind"
    key, _ = normalised_key(version, kind)
    if key == _KUBECONFIG or key.group in _TOOL_GROUPS:
        return f"is a {kind} that no API server stores"
    return None


def _take_list(
    value: Mapping[str, Any], place: str, document: Document, content: FileContent, depth: int
) -> None:
    kind = value["kind"]
    item_kind = kind.removesuffix("List")
    version = value.get("apiVersion")
    key = normalised_key(version, item_kind)[0] if item_kind and isinstance(version, str) else None
    items = value.get("items")
    if items is not None and not isinstance(items, list):
        content.problems.append(
            Problem(document.line, f"document {document.number}: items: expected a list", key)
        )
        return
    if _continues(value):
        expected = "metadata.continue is set: the rest of the list is missing"
        content.problems.append(Problem(document.line, f"document {document.number}: {expected}", key))
    for index, item in enumerate(items or ()):
        where = f"document {document.number}, items[{index}]"
        if isinstance(item, dict) and key is not None and "kind" not in item:
            item = {"apiVersion": version, "kind": item_kind, **item}
        if isinstance(item, dict) and _is_list(item) and depth < _MAX_LIST_DEPTH:
            _take_list(item, f"{place}[{index}]", document, content, depth + 1)
        else:
            _add(item, f"{place}[{index}]", document.line, where, content)


def _continues(value: Mapping[str, Any]) -> bool:
    metadata = value.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("continue"))


def _add(value: Any, place: str, line: int, where: str, content: FileContent) -> None:
    """Add one object, or the problem it has."""
    try:
        taken = value if isinstance(value, _Taken) else _take(value, line)
    except _Unusable as error:
        content.problems.append(Problem(line, f"{where}: {error}", error.key))
        return
    obj = _with_source(taken.obj, place)
    content.objects.append(obj)
    content.redactions += redactions_of(obj.id, taken.dropped)
    if taken.problem is not None:
        found = taken.problem
        content.problems.append(Problem(found.line or line, f"{where}: {found.message}", found.key))


def redactions_of(identity: ObjectId, dropped: tuple[Dropped, ...] | list[Dropped]) -> list[Redaction]:
    """One record for each reason."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in dropped:
        by_reason.setdefault(reason, []).append(path)
    return [
        Redaction(identity, tuple(sorted(set(paths))), reason) for reason, paths in sorted(by_reason.items())
    ]


def _take(value: Any, line: int) -> _Taken:
    """Raises _Unusable."""
    if not isinstance(value, dict) or (_not_an_object(value) is not None):
        raise _Unusable("expected a Kubernetes object with apiVersion and kind")
    key, version = normalised_key(value["apiVersion"], value["kind"])
    identity = _identity(key, value)
    dropped = redact(key, value)
    try:
        canonical = canonical_bytes(value)
        if has_suspect_text(canonical) and (more := redact_patterns(value)):
            dropped += more
            canonical = canonical_bytes(value)
    except (TypeError, RecursionError):
        raise _Unusable(f"nested deeper than {MAX_DEPTH} levels", key) from None
    metadata = value["metadata"]
    labels, problem = _texts(metadata, "labels", line, key)
    annotations, other = _texts(metadata, "annotations", line, key)
    evidence_id = hashlib.sha256(canonical).hexdigest()
    obj = KubeObject(identity, version, value, evidence_id, "", labels, annotations)
    return _Taken(obj, tuple(dropped), problem or other)


def canonical_bytes(body: Mapping[str, Any]) -> bytes:
    """The bytes an evidence id stands for: JSON with sorted keys, of the redacted object."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def canonical_hash(body: Mapping[str, Any]) -> str:
    """The sha256, in hexadecimal, of the canonical bytes."""
    return hashlib.sha256(canonical_bytes(body)).hexdigest()


def _identity(key: KindKey, value: Mapping[str, Any]) -> ObjectId:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise _Unusable(f"{_shown(key)}: metadata: expected a mapping with a name", key)
    name = metadata.get("name")
    if name is None and metadata.get("generateName"):
        raise _Unusable(f"{_shown(key)}: metadata.name: expected a name, generateName is not one yet", key)
    _check_name(name, f"{_shown(key)}: metadata.name", key)
    namespace = metadata.get("namespace") or ""
    if namespace:
        _check_name(namespace, f"{_shown(key)}: metadata.namespace", key)
    known = KNOWN_KINDS.get(key)
    if known is not None:
        namespace = (namespace or "default") if known.namespaced else ""
    elif key in _NAMESPACED_BESIDES:
        namespace = namespace or "default"
    return ObjectId(key.group, key.kind, namespace, str(name))


_NAMESPACED_BESIDES = frozenset(
    {
        *(
            KindKey("", kind)
            for kind in ("Secret", "Endpoints", "Event", "LimitRange", "PersistentVolumeClaim")
        ),
        *(KindKey("", kind) for kind in ("PodTemplate", "ResourceQuota")),
        *(KindKey("rbac.authorization.k8s.io", kind) for kind in ("Role", "RoleBinding")),
        KindKey("autoscaling", "HorizontalPodAutoscaler"),
        KindKey("policy", "PodDisruptionBudget"),
        KindKey("coordination.k8s.io", "Lease"),
        KindKey("monitoring.coreos.com", "ServiceMonitor"),
        KindKey("monitoring.coreos.com", "PodMonitor"),
    }
)
"""Kinds that no engine reads and that are namespaced all the same."""


def _check_name(name: Any, where: str, key: KindKey) -> None:
    if not isinstance(name, str) or not name:
        given = "nothing" if name is None or name == "" else repr(name)[:60]
        raise _Unusable(f"{where}: expected a name (got {given})", key)
    if len(name) > _MAX_NAME or "/" in name or not name.isprintable():
        raise _Unusable(
            f"{where}: expected a name without '/' and control characters, at most {_MAX_NAME} long", key
        )


def _shown(key: KindKey) -> str:
    return str(key)[:100]


def _texts(
    metadata: Mapping[str, Any], name: str, line: int, key: KindKey
) -> tuple[Mapping[str, str], Problem | None]:
    """Labels or annotations; entries that aren't text are left out and told, as the API server wouldn't have them."""
    found = metadata.get(name)
    if found is None:
        return {}, None
    if not isinstance(found, dict):
        return {}, Problem(line, f"{_shown(key)}: metadata.{name}: expected a mapping", key)
    odd = next((entry for entry, value in found.items() if not isinstance(value, str)), None)
    if odd is None:
        return found, None
    texts = {entry: value for entry, value in found.items() if isinstance(value, str)}
    given = repr(found[odd])[:60]
    where = f"{_shown(key)}: metadata.{name}.{odd[:100]}"
    return texts, Problem(line, f"{where}: expected text (got {given})", key)


def _with_source(obj: KubeObject, source: str) -> KubeObject:
    return KubeObject(obj.id, obj.version, obj.body, obj.evidence_id, source, obj.labels, obj.annotations)


def with_body(obj: KubeObject, body: Mapping[str, Any]) -> KubeObject:
    """The same object after more was dropped from it."""
    digest = canonical_hash(body)
    return KubeObject(obj.id, obj.version, body, digest, obj.source, obj.labels, obj.annotations)


def same_but_for_version(one: KubeObject, other: KubeObject) -> bool:
    """Whether two objects of one identity differ in nothing but the version they were read in."""
    return one.evidence_id == other.evidence_id or _without_version(one) == _without_version(other)


def hash_but_for_version(obj: KubeObject) -> str:
    """Equal for copies of one object that were read in different versions."""
    return canonical_hash(_without_version(obj))


def _without_version(obj: KubeObject) -> dict[str, Any]:
    return {name: value for name, value in obj.body.items() if name != "apiVersion"}
