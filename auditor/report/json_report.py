"""`results.json`: the whole result in canonical JSON."""

import re
from typing import Any

import orjson

from auditor.model.result import AuditResult

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
_SURROGATES = re.compile("[\ud800-\udfff]")
_INT64 = 2**63


def render_json(result: AuditResult) -> bytes:
    """Sorted keys, two spaces, UTF-8, a newline at the end.

    Values that hostile objects may hold and JSON can't: lone surrogates become U+FFFD, integers beyond 64 bits text.
    """
    content = result.model_dump(by_alias=True)
    try:
        return orjson.dumps(content, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_encodable(content), option=_OPTIONS)


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
