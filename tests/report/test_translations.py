"""A report in another language: what is marked can be extracted, and a catalogue takes effect."""

from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo

from auditor.report.html import render_html
from auditor.report.translations import DOMAIN, extract_phrases, language_of, load_translations
from tests.report.conftest import text_of
from tests.report.example import example

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def messages() -> set[object]:
    keywords = {"_": None, "N_": None, "ngettext": (1, 2), "Reason": (3,)}
    found = set()
    phrases = f"{extract_phrases.__module__}:{extract_phrases.__name__}"
    for folder, methods in (
        (ROOT / "auditor", [("evaluate/phrases.py", phrases), ("**.py", "python")]),
        (ROOT / "report_templates", [("**.html.j2", "jinja2.ext:babel_extract")]),
    ):
        extracted = extract_from_dir(str(folder), methods, keywords=keywords)  # type: ignore[arg-type]
        found |= {entry[2] for entry in extracted}
    return found


@pytest.mark.parametrize(
    "message",
    [
        "What to act on first",
        "deviation found",
        "Limits of this report",
        "{subject} is in the data plane of {data_plane}.",
        "page {page} of {pages}",
        "it expired on {date}",
        "the server takes plaintext and does not redirect",
    ],
)
def test_words_of_templates_views_and_reasons_can_be_extracted(messages: set[object], message: str) -> None:
    assert message in messages


def test_a_catalogue_takes_effect_and_names_the_language(tmp_path: Path) -> None:
    catalog = Catalog(locale="zh_Hant")
    catalog.add("What to act on first", "首先處理的事項")
    catalog.add("deviation found", "發現偏差")
    catalog.add("Nothing out of scope may connect to {subject}.", "範圍外的任何來源都無法連線到 {subject}。")
    compiled = BytesIO()
    write_mo(compiled, catalog)
    folder = tmp_path / "zh_Hant" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / f"{DOMAIN}.mo").write_bytes(compiled.getvalue())

    translations = load_translations("zh_Hant", tmp_path)
    found = [
        entry.model_copy(update={"check": "scoped-endpoints-isolated"})
        if entry.reason == "isolated"
        else entry
        for entry in example().findings
    ]
    html = render_html(example(found), translations=translations).decode()
    assert '<html lang="zh-Hant">' in html
    text = text_of(html)
    assert "首先處理的事項" in text
    assert "發現偏差" in text
    assert "範圍外的任何來源都無法連線到 payments/Deployment/checkout。" in text
    assert "What was not tested, and why" in text


def test_a_language_without_a_catalogue_is_english(tmp_path: Path) -> None:
    assert language_of(load_translations("zh_Hant", tmp_path)) == "en"
