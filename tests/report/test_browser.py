"""The HTML report in a browser: accessible, narrow, dark, and quiet under its own policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.browsing import axe_source, launched, violations


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html)
    return path


def _open(browser: Any, file: Path, **settings: Any) -> tuple[Any, list[str]]:
    """The page, and what went wrong on it: messages of the console and requests for anything but the file."""
    page = browser.new_context(**settings).new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("request", lambda request: trouble.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    return page, trouble


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_window(browser: Any, file: Path, width: int) -> None:
    page, trouble = _open(browser, file, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert trouble == []


def test_without_javascript_everything_is_there_and_no_dead_control(browser: Any, file: Path) -> None:
    page, _ = _open(browser, file, java_script_enabled=False)
    assert page.locator(".population tbody tr").count() > 40
    assert not page.locator(".filter").is_visible()


def test_the_filter_leaves_the_rows_that_fit(browser: Any, file: Path) -> None:
    page, _ = _open(browser, file)
    page.select_option("#filter-outcome", "FAIL")
    assert page.locator(".population tbody tr:visible").count() == 4
    page.fill("#filter-text", "vault-db")
    assert page.locator(".population tbody tr:visible").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing(browser: Any, file: Path, scheme: str, width: int) -> None:
    page, _ = _open(browser, file, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert violations(page, axe_source()) == []
