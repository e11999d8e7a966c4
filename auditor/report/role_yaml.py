"""Manifests as YAML documents that kubectl applies."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def render_manifests(manifests: Sequence[Mapping[str, Any]]) -> str:
    """One document each, fields in the order given, the same text for the same manifests."""
    return yaml.safe_dump_all(
        map(dict, manifests), sort_keys=False, allow_unicode=True, width=110, explicit_start=True
    )
