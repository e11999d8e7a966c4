"""Plain YAML scalars as Kubernetes reads them: the rules of sigs.k8s.io/yaml, through which every manifest goes.

They are YAML 1.1's without sexagesimal numbers, and timestamps stay text (goyaml.v2, resolve.go and decode.go).
"""

import math
import re
from typing import Any

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_NULL = ("", "~", "null", "Null", "NULL")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_NULL, None),
}
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER_START = frozenset("+-.0123456789")
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_MAX_DIGITS = 400
_PREFIX = "tag:yaml.org,2002:"

Scalar = str | bool | int | float | None


class ScalarError(ValueError):
    """A scalar that JSON, and so Kubernetes, cannot hold; the message says what was expected."""


def resolve_plain(text: str) -> Scalar:
    """The value of a plain scalar without a tag. Raises ScalarError for .nan, .inf and numbers beyond a float."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _NOT_FINITE.fullmatch(text):
        raise ScalarError(f"expected a finite number (got {text})")
    plain = text.replace("_", "")
    if len(plain) > _MAX_DIGITS:
        return text
    if (match := _INTEGER.fullmatch(plain)) is not None:
        return _in_range(_integer(match))
    return _in_range(float(plain)) if _FLOAT.fullmatch(plain) else text


def _integer(match: re.Match[str]) -> int:
    sign, hexadecimal, binary, octal, decimal = match.groups()
    digits, base = next(
        (text, base)
        for text, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10))
        if text is not None
    )
    return int(digits, base) * (-1 if sign == "-" else 1)


def _in_range(number: int | float) -> int | float:
    """Integers that 64 bits can't hold become floats; floats without a fraction become integers, as Go's JSON has them."""
    if isinstance(number, float) and not math.isfinite(number):
        raise ScalarError("expected a number that a 64-bit float can hold")
    if _LOWEST <= number <= _HIGHEST:
        return int(number) if number == int(number) else number
    return float(number)


def resolve_tagged(text: str, tag: str) -> Scalar:
    """The value of a scalar with an explicit tag. Raises ScalarError for tags that Kubernetes doesn't read."""
    name = tag.removeprefix(_PREFIX)
    if tag == "!" or name in ("str", "timestamp"):
        return text
    expected: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (float, int),
        "bool": (bool,),
        "null": (type(None),),
    }
    if name not in expected or not tag.startswith(_PREFIX):
        raise ScalarError(
            f"expected no tag, or one of !!str, !!int, !!float, !!bool, !!null (got {_shown(tag)})"
        )
    value = resolve_plain(text)
    if not isinstance(value, expected[name]) or (isinstance(value, bool) and name != "bool"):
        raise ScalarError(f"expected a value that is !!{name} (got {text[:60]!r})")
    return value


def _shown(tag: str) -> str:
    return "!!" + tag.removeprefix(_PREFIX)[:60] if tag.startswith(_PREFIX) else tag[:60]


def key_text(value: Any) -> str:
    """A mapping key as JSON's text. Raises ScalarError for null, mappings and sequences."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ScalarError("expected a key that is text")
