"""The reports of the samples: archival and accessible PDF by veraPDF, accessible HTML by axe in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.report.html import render_html
from auditor.report.pdf import render_pdf
from tests.report.browsing import axe_source, launched, violations
from tests.report.verapdf import verapdf_jar, verdicts
from tests.samples.test_samples import SAMPLES, result


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_pdf_is_what_it_claims_to_be(sample: str, tmp_path: Path) -> None:
    jar = verapdf_jar()
    file = tmp_path / "report.pdf"
    file.write_bytes(render_pdf(result(sample)))
    assert verdicts(jar, file) == {"3a": "PASS", "ua1": "PASS"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.mark.parametrize("sample", SAMPLES)
def test_axe_finds_nothing_in_the_html(sample: str, browser: Any, tmp_path: Path) -> None:
    axe = axe_source()
    file = tmp_path / "report.html"
    file.write_bytes(render_html(result(sample)))
    page = browser.new_context(color_scheme="dark", viewport={"width": 1440, "height": 900}).new_page()
    page.goto(file.as_uri())
    assert violations(page, axe, large=True) == []
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
