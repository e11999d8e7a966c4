"""Text from a cluster, made fit to be shown: no character that hides, turns or breaks what stands around it."""

import re
from typing import Any

from markupsafe import Markup, escape

from auditor.model.result import AuditResult

_LIMIT = 5_000
_KEPT = frozenset("\n\t\u200c\u200d")
_BREAK_AFTER = re.compile(r"([/\-.:_@])(?=[^\s/\-.:_@])")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NAME_LIMIT = 400


def displayable(text: str, limit: int = _LIMIT) -> str:
    """The text with unprintable characters shown as U+FFFD, and shortened with a remark.

    Unprintable are controls (C0, C1), bidirectional and other format characters, line and paragraph separators, private
    use, surrogates and unassigned code points; the joiners that some scripts need stay. Other spaces become spaces.
    """
    if len(text) > limit:
        text = f"{text[:limit]}\N{HORIZONTAL ELLIPSIS} [shortened from {len(text):,} characters]"
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable() or char in _KEPT:
        return char
    return " " if char.isspace() and char not in "\x1c\x1d\x1e\x1f\x85\u2028\u2029\x0b\x0c" else _REPLACEMENT


def displayable_result(result: AuditResult) -> AuditResult:
    """The same result with every text displayable; what `results.json` holds stays as it is."""
    return AuditResult.model_validate(_cleaned(result.model_dump()))


def _cleaned(value: Any) -> Any:
    if type(value) is str:
        return displayable(value)
    if isinstance(value, dict):
        return {
            displayable(key) if type(key) is str else key: _cleaned(inner) for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_cleaned(entry) for entry in value]
    return value


def breakable(text: object) -> Markup:
    """A long name for HTML that breaks first after `/`, `-`, `.`, `:` and `_`."""
    return Markup(_BREAK_AFTER.sub(r"\1<wbr>", str(escape(bounded(text)))))  # noqa: S704 -- escaped before


def bounded(text: object) -> str:
    """A name of bearable length."""
    return displayable(str(text), _NAME_LIMIT)


def moment(text: str) -> str:
    """`2026-09-30T02:00:00Z` as `2026-09-30 02:00:00 UTC`; what is no such time stays as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|\+00:00)", text)
    return f"{found[1]} {found[2]} UTC" if found else text


def anchor(*parts: str) -> str:
    """An id for the document, from ids that may hold any character."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts)).strip("-").lower()
