"""Which of competing policies wins: the oldest, then by name. What may win when an age isn't recorded."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from auditor.model.objects import KubeObject

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
T = TypeVar("T")


def created(obj: KubeObject) -> str | None:
    """The creation time (UTC, RFC 3339 sorts as text), None where it is missing or not a time."""
    stamp = obj.created
    return stamp if stamp is not None and _STAMP.fullmatch(stamp) else None


def possible_winners(
    candidates: Sequence[T], of: Callable[[T], KubeObject], *, names_break_ties: bool = True
) -> tuple[T, ...]:
    """The candidates that may be the oldest: one, unless a creation time is missing.

    The oldest with a time, then every one without. Equal times are decided by name, then namespace;
    `names_break_ties` false leaves them open.
    """
    if len(candidates) < 2:
        return tuple(candidates)
    dated = [c for c in candidates if created(of(c)) is not None]
    undated = [c for c in candidates if created(of(c)) is None]
    dated.sort(key=lambda c: (created(of(c)) or "", of(c).name, of(c).namespace))
    first = dated[:1]
    if dated and not names_break_ties:
        first = [c for c in dated if created(of(c)) == created(of(dated[0]))]
    return (*first, *sorted(undated, key=lambda c: of(c).id))
