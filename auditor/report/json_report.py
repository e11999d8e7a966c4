"""`results.json`: the whole result in canonical JSON."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import BaseModel

from auditor.model.result import AuditResult

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
_SURROGATES = re.compile("[\ud800-\udfff]")
_INT64 = 2**63


def render_json(result: AuditResult) -> bytes:
    """Sorted keys, two spaces, UTF-8, a newline at the end.

    Values that hostile objects may hold and JSON can't: lone surrogates become U+FFFD, integers beyond 64 bits text.
    """
    return b"".join(json_parts(result))


def json_parts(result: AuditResult) -> Iterator[bytes]:
    """`render_json` piece by piece: the entries of long lists one at a time, so that no copy of the whole is made."""
    names = {field.alias or name: name for name, field in type(result).model_fields.items()}
    for number, (alias, name) in enumerate(sorted(names.items())):
        yield b"{\n  " if not number else b",\n  "
        yield orjson.dumps(alias) + b": "
        yield from _member(result, name)
    yield b"\n}\n"


def _member(result: AuditResult, name: str) -> Iterator[bytes]:
    value = getattr(result, name)
    if not isinstance(value, list) or not value or not isinstance(value[0], BaseModel):
        yield _encoded(result.model_dump(by_alias=True, include={name}).popitem()[1], b"\n  ")
        return
    for number, entry in enumerate(value):
        yield b"[\n    " if not number else b",\n    "
        yield _encoded(entry.model_dump(by_alias=True), b"\n    ")
    yield b"\n  ]"


def _encoded(content: Any, line: bytes) -> bytes:
    """JSON in which `line` starts each line: newlines within strings are escaped."""
    try:
        found = orjson.dumps(content, option=_OPTIONS)
    except TypeError:
        found = orjson.dumps(_encodable(content), option=_OPTIONS)
    return found.replace(b"\n", line)


def read_json(content: bytes) -> AuditResult:
    """The result back from its file. Raises pydantic.ValidationError, or orjson.JSONDecodeError."""
    return AuditResult.model_validate(orjson.loads(content))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(entry) for entry in value]
    return value
