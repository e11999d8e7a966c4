"""The audited period as people write it."""

import pytest

from auditor.model.user_error import UserError
from auditor.period import parse_period


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-Q3", "2026-Q3 (2026-07-01 to 2026-09-30)"),
        ("2026-Q4", "2026-Q4 (2026-10-01 to 2026-12-31)"),
        ("2028-Q1", "2028-Q1 (2028-01-01 to 2028-03-31)"),
        ("2026-07-01..2026-07-01", "2026-07-01 to 2026-07-01"),
    ],
)
def test_quarters_and_ranges(text: str, expected: str) -> None:
    assert parse_period(text) == expected


@pytest.mark.parametrize(
    "text", ["2026-Q5", "Q3", "2026", "2026-07-01", "2026-09-30..2026-07-01", "a..b", "9999-Q4"]
)
def test_anything_else_is_told_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="expected a period as 2026-Q3"):
        parse_period(text)
