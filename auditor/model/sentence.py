"""From a reason's sentence and its parameters to text. The sentence may have been translated before."""

from collections.abc import Mapping
from string import Formatter
from typing import Any

_FORMATTER = Formatter()
_MAX_VALUE = 300
_MAX_ENTRIES = 6
_NO_PHRASES: Mapping[str, str] = {}


def fill(sentence: str, parameters: Mapping[str, Any], phrases: Mapping[str, str] = _NO_PHRASES) -> str:
    """Put parameters into their places. A place without a parameter shows its name, so that nothing is lost silently.

    Only plain `{name}` places are filled. A parameter `{"code": ..., ...}` is a cause: its sentence is looked up in
    `phrases` by code and filled in turn, so that causes are translated too.
    """
    parts = []
    for text, name, _, _ in _FORMATTER.parse(sentence):
        parts.append(text)
        if name is not None:
            parts.append(shown(parameters[name], phrases) if name in parameters else "{" + name + "}")
    return "".join(parts)


def places(sentence: str) -> set[str]:
    """The names of the places in a sentence."""
    return {name for _, name, _, _ in _FORMATTER.parse(sentence) if name is not None}


def shown(value: Any, phrases: Mapping[str, str] = _NO_PHRASES) -> str:
    """A parameter as text: lists joined and shortened, causes as their sentences, long values cut."""
    if isinstance(value, (list, tuple)):
        entries = list(
            dict.fromkeys(_cut(entry) if isinstance(entry, str) else shown(entry, phrases) for entry in value)
        )
        rest = len(entries) - _MAX_ENTRIES
        told = "; " if any(isinstance(entry, (dict, Mapping)) for entry in value) else ", "
        return told.join(entries[:_MAX_ENTRIES]) + (f" and {rest} more" if rest > 0 else "")
    if isinstance(value, Mapping):
        code = value.get("code")
        if isinstance(code, str):
            return fill(phrases[code], value) if code in phrases else code
        return ", ".join(f"{key} {shown(inner, phrases)}" for key, inner in value.items())
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "\N{HORIZONTAL ELLIPSIS}"
