"""The audited period as people write it."""

import re
from datetime import date, timedelta

from auditor.model.user_error import UserError

_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_EXPECTED = "--period: expected a period as 2026-Q3 or 2026-07-01..2026-09-30"


def parse_period(text: str) -> str:
    """The period as the report prints it: `2026-Q3 (2026-07-01 to 2026-09-30)` or `2026-07-01 to 2026-09-30`.

    Both days belong to the period. Raises UserError for anything else.
    """
    start, separator, end = text.partition("..")
    try:
        if quarter := _QUARTER.fullmatch(text):
            year, number = int(quarter[1]), int(quarter[2])
            after = date(year + number // 4, 3 * number % 12 + 1, 1)
            return f"{text} ({date(year, 3 * number - 2, 1)} to {after - timedelta(days=1)})"
        first, last = date.fromisoformat(start), date.fromisoformat(end)
    except ValueError:
        raise UserError(f"{_EXPECTED} (got {text!r})") from None
    if not separator or last < first:
        raise UserError(f"{_EXPECTED}, the end not before the start (got {text!r})")
    return f"{first} to {last}"
