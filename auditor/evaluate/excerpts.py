"""The part of a policy object that a report prints beside a finding."""

from collections.abc import Mapping
from typing import Any

from auditor.model.kinds import CONFIG_MAP, POD, WORKLOAD_KINDS
from auditor.model.objects import KubeObject

_NOT_PRINTED = frozenset({POD, CONFIG_MAP, *WORKLOAD_KINDS})
_METADATA = ("name", "namespace", "labels")
LEFT_OUT = "(left out)"
"""Stands for what an excerpt doesn't print."""
_MAX_NODES = 400
_MAX_TEXT = 500
_MAX_DEPTH = 30


def excerpt(obj: KubeObject) -> dict[str, Any] | None:
    """The object without status and bookkeeping; None for kinds that carry more than policy and for large objects."""
    if obj.key in _NOT_PRINTED or obj.id.kind == "Secret":
        return None
    body = {key: value for key, value in obj.body.items() if key not in ("status", "metadata", "data")}
    body["metadata"] = {key: obj.metadata[key] for key in _METADATA if key in obj.metadata}
    return _without_header_values(body) if _size(body, 0) <= _MAX_NODES else None


def _without_header_values(value: Any) -> Any:
    """Rules may match on headers that carry credentials (`x-api-key`): what they compare with is never printed."""
    if isinstance(value, list):
        return [_without_header_values(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    about_header = str(value.get("key", "")).startswith("request.headers")
    return {
        key: LEFT_OUT if _compares(str(key), about_header) else _without_header_values(inner)
        for key, inner in value.items()
    }


def _compares(key: str, about_header: bool) -> bool:
    return "header" in key.lower() or (about_header and key in ("values", "notValues"))


def _size(value: Any, depth: int) -> int:
    if depth > _MAX_DEPTH or (isinstance(value, str) and len(value) > _MAX_TEXT):
        return _MAX_NODES + 1
    if isinstance(value, Mapping):
        return 1 + sum(1 + _size(inner, depth + 1) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(_size(inner, depth + 1) for inner in value)
    return 1
