"""The messages that docs/troubleshooting.md explains are those that the program prints."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
HEADINGS = re.findall(r"^### `(.+)`$", PAGE, re.M)


def _literals() -> str:
    """Every string of the program, the constant parts of f-strings apart, one a line."""
    found = []
    for path in sorted((ROOT / "auditor").rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text()))
        found += [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(found)


LITERALS = _literals()


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_message_is_in_the_program(heading: str) -> None:
    parts = [part for piece in re.split("[…;:]", heading) if len(part := piece.strip(" ()")) > 3]
    assert parts
    assert [part for part in parts if part not in LITERALS] == []


def test_the_page_and_its_neighbours_lead_somewhere() -> None:
    pages = [
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
        ROOT / "deploy" / "helm" / "auditor" / "README.md",
    ]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
