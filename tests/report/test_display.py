"""Hostile text is shown harmlessly."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.report.display import anchor, breakable, displayable, moment


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("payments/Deployment/checkout", "payments/Deployment/checkout"),
        ("a\u202eb", "a\ufffdb"),
        ("a\u2066b\u2069", "a\ufffdb\ufffd"),
        ("bell\x07", "bell\ufffd"),
        ("next\x85line", "next\ufffdline"),
        ("line\u2028paragraph\u2029", "line\ufffdparagraph\ufffd"),
        ("private \ue000", "private \ufffd"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("lone \ud800", "lone \ufffd"),
        ("no\u00a0break", "no break"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("港灣支付 có dấu", "港灣支付 có dấu"),
    ],
)
def test_unprintable_characters_are_shown_as_replaced(given_: str, shown: str) -> None:
    assert displayable(given_) == shown


def test_long_text_is_shortened_with_its_length() -> None:
    shown = displayable("x" * 300_000)
    assert len(shown) < 5_100
    assert shown.endswith("[shortened from 300,000 characters]")


@given(st.text())
def test_nothing_unprintable_is_left(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t\u200c\u200d" for char in displayable(text))


@given(st.text(max_size=300))
def test_break_opportunities_change_no_character(text: str) -> None:
    markup = str(breakable(text))
    assert unescape(markup.replace("<wbr>", "")) == displayable(text)
    assert not re.search(r"<(?!wbr>)", markup)


def test_names_break_after_separators() -> None:
    assert breakable("card-vault/vault.db") == "card-<wbr>vault/<wbr>vault.<wbr>db"


def test_times_are_told_in_words() -> None:
    assert moment("2026-09-30T02:00:00Z") == "2026-09-30 02:00:00 UTC"
    assert moment("yesterday") == "yesterday"


def test_anchors_hold_letters_digits_and_hyphens() -> None:
    assert anchor("r", "hipaa", "164.312(a)(2)(iv)") == "r-hipaa-164-312-a-2-iv"
