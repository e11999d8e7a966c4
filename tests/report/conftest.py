"""Reports of the example, made once for all tests."""

import re
from html import unescape

import pytest

from auditor.model.result import AuditResult
from auditor.report.html import render_html
from tests.report.example import example


@pytest.fixture(scope="session")
def result() -> AuditResult:
    return example()


@pytest.fixture(scope="session")
def html(result: AuditResult) -> str:
    return render_html(result).decode()


def text_of(html: str) -> str:
    """The words that a reader sees, without markup."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body.replace("<wbr>", ""))).split())
