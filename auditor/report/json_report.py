"""`results.json`: the whole result in canonical JSON."""

from typing import Any

import orjson

from auditor.model.result import AuditResult

_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def render_json(result: AuditResult) -> bytes:
    """Sorted keys, two spaces, UTF-8, a newline at the end. Lone surrogates, which UTF-8 can't hold, become U+FFFD."""
    content = _encodable(result.model_dump(mode="python"))
    return orjson.dumps(content, option=_OPTIONS)


def read_json(content: bytes) -> AuditResult:
    """The result back from its file. Raises pydantic.ValidationError, or orjson.JSONDecodeError."""
    return AuditResult.model_validate(orjson.loads(content))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace_surrogates").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(entry) for entry in value]
    return value
