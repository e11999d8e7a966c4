"""The reports of the samples: archival and accessible PDF by veraPDF, accessible HTML by axe in a browser."""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PageObject, PdfReader

from auditor.report.html import render_html
from auditor.report.pdf import render_pdf
from tests.report.browsing import axe_source, launched, violations
from tests.report.verapdf import verapdf_jar, verdicts
from tests.samples.test_samples import SAMPLES, result


@cache
def pdf(sample: str) -> bytes:
    return render_pdf(result(sample))


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_pdf_is_what_it_claims_to_be(sample: str, tmp_path: Path) -> None:
    jar = verapdf_jar()
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf(sample))
    assert verdicts(jar, file) == {"3a": "PASS", "ua1": "PASS"}


def _lines_in_the_head(page: PageObject) -> set[int]:
    """Baselines, in points from below, of what stands in the upper 23 mm of a page."""
    found = set()

    def visit(text: str, matrix: list[float], position: list[float], *_: Any) -> None:
        line = position[5] * matrix[3] + matrix[5]
        if text.strip() and line > float(page.mediabox.height) - 23 * 72 / 25.4:
            found.add(round(line))

    page.extract_text(visitor_text=visit)
    return found


def test_nothing_but_the_head_stands_in_the_head_of_a_page() -> None:
    pages = PdfReader(BytesIO(pdf("payments-istio"))).pages[1:]
    crowded = {n: lines for n, lines in enumerate(map(_lines_in_the_head, pages), 2) if len(lines) != 1}
    assert crowded == {}


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
