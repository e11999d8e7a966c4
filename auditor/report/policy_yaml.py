"""An excerpt of an object as YAML, bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_FIRST = ("apiVersion", "kind", "metadata", "spec")
_MAX_LINE = 200
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """YAML of an object; `left_out` lines are not shown."""

    text: str
    left_out: int


def as_yaml(body: Mapping[str, Any], max_lines: int) -> Excerpt:
    """The object in block style, the fields that everybody looks for first. Lines are cut at 200 characters."""
    ordered = {key: body[key] for key in (*_FIRST, *sorted(set(body) - set(_FIRST))) if key in body}
    text = yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=90)
    lines = [_cut(line) for line in text.splitlines()]
    left_out = max(0, len(lines) - max_lines)
    return Excerpt("\n".join(lines[:max_lines]), left_out)


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "\N{HORIZONTAL ELLIPSIS}"
