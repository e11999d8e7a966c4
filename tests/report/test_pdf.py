"""The PDF: pages, contents, tags, claims, and the same bytes again."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult
from auditor.report.pdf import render_pdf
from tests.report.example import SCOPED, example, finding


def _short(**changes: Any) -> AuditResult:
    """The example for one framework only, since every page costs time."""
    whole = example()
    return example(
        frameworks=[entry for entry in whole.frameworks if entry.id == "gdpr"],
        requirements=[entry for entry in whole.requirements if entry.framework == "gdpr"],
        **changes,
    )


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return render_pdf(_short())


@pytest.fixture(scope="module")
def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


@pytest.fixture(scope="module")
def pages(reader: PdfReader) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def test_every_page_but_the_cover_has_its_number_and_the_state_in_the_foot(pages: list[str]) -> None:
    assert "page 1 of" not in pages[0]
    for number, text in enumerate(pages[1:], 2):
        assert f"page {number} of {len(pages)}" in text
        assert "Confidential · auditor 0.1.0 · state of 2026-09-30 02:00:00 UTC" in text


def test_the_contents_give_the_pages_on_which_sections_start(pages: list[str]) -> None:
    listed = dict(
        re.findall(r"(Summary|Scope|Controls|Findings|Populations|Evidence)[ .]*?(\d+)(?= |$)", pages[1])
    )
    assert len(listed) == 6
    for title, number in listed.items():
        assert title in pages[int(number) - 1]


def test_the_document_is_bookmarked_by_section(reader: PdfReader) -> None:
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles[:3] == ["Contents", "Summary", "Scope"]


def test_it_claims_both_standards(reader: PdfReader) -> None:
    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert re.search(r'pdfaid:part="3"', metadata)
    assert re.search(r'pdfaid:conformance="A"', metadata)
    assert re.search(r'pdfuaid:part="1"', metadata)
    assert metadata.index("pdfuaid:part=") < metadata.index("</rdf:RDF>")


def _elements(node: Any) -> Iterator[DictionaryObject]:
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from _elements(child)
    elif isinstance(node, DictionaryObject):
        if "/S" in node:
            yield node
        if "/K" in node:
            yield from _elements(node["/K"])


def test_tags_are_those_that_readers_need(reader: PdfReader) -> None:
    root = reader.trailer["/Root"]
    elements = list(_elements(root["/StructTreeRoot"]["/K"]))
    kinds = {str(element["/S"]) for element in elements}
    assert {"/H1", "/H2", "/H3", "/Table", "/TH", "/TD", "/L", "/LI", "/LBody", "/Link", "/Figure"} <= kinds
    assert all("/Scope" in element["/A"] for element in elements if element["/S"] == "/TH")
    assert all(element.get("/Alt") for element in elements if element["/S"] == "/Figure")
    for item in (element for element in elements if element["/S"] == "/LI"):
        assert [str(child.get_object()["/S"]) for child in item["/K"]][-1] == "/LBody"
    assert root["/Lang"] == "en"


def test_running_heads_and_feet_are_artifacts(reader: PdfReader) -> None:
    content = reader.pages[1].get_contents()
    assert content is not None
    assert content.get_data().count(b"/Pagination") >= 3


def test_links_say_their_words(reader: PdfReader) -> None:
    words = [str(link.get_object()["/Contents"]) for link in reader.pages[1]["/Annots"]]
    assert "Summary" in words
    assert len(words) == len(set(words))


def test_a_shortened_population_says_so_and_where_the_rest_is(pages: list[str]) -> None:
    text = " ".join(pages)
    assert (
        "3 of 10 shown. All of them are in results.json (findings, control scoped-namespace-isolation)."
        in text
    )


def test_equal_results_give_equal_bytes(pdf: bytes) -> None:
    assert render_pdf(_short()) == pdf


def test_hostile_text_leaves_a_readable_document() -> None:
    hostile = "".join(map(chr, (0x202E, 0x07, 0xE000, 0x2028, 0x12F90, 0x10FFFD))) + "x" * 3_000
    found = [
        finding("scoped-namespace-isolation", f"{hostile}/Deployment/a", Outcome.FAIL, "reachable", hostile),
        *(finding("scoped-namespace-isolation", name, Outcome.PASS, "isolated", hostile) for name in SCOPED),
    ]
    content = render_pdf(_short(findings=found))
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    assert "xxxx" in text
    assert not set(hostile[:6]) & set(text)
