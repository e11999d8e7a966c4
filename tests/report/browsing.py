"""A browser that looks at reports, and axe, which tells what is not accessible in them."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def launched() -> Iterator[Any]:
    """A running browser, closed afterwards; the test is skipped with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium to look at the report with")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def axe_source() -> str:
    """axe-core as the package axe-playwright-python carries it."""
    found = find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("axe-playwright-python is not installed")
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text()


def violations(page: Any, axe: str, *, large: bool = False) -> list[tuple[str, str]]:
    """What axe finds, each with the first place. On `large` pages without the size of targets, which takes minutes there.

    axe is evaluated, not added as a script, so that the policy of the page stays in force.
    """
    page.evaluate(axe)
    sizes = str(not large).lower()
    options = f"{{runOnly: {_RULES!r}, rules: {{'target-size': {{enabled: {sizes}}}}}, resultTypes: ['violations']}}"
    found = page.evaluate(f"axe.run({options})")
    return [(entry["id"], entry["nodes"][0]["html"]) for entry in found["violations"]]
