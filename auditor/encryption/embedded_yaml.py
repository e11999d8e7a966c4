"""YAML inside a ConfigMap's value: read as hostile text, bounded, never raising."""

from collections.abc import Mapping
from typing import Any

import yaml

from auditor.model.objects import JsonObject

_MAX_SIZE = 1024 * 1024
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mapping(text: object) -> JsonObject | None:
    """The mapping that a YAML (or JSON) text holds, None for anything else.

    Aliases are refused, since they can hide size; empty text is an empty mapping.
    """
    if not isinstance(text, str) or len(text) > _MAX_SIZE:
        return None
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            return None
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 -- the safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else None
