"""The HTML report: self-contained, inert, complete, and in agreement with results.json."""

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from auditor.model.outcome import Outcome, Status
from auditor.model.result import AuditResult
from auditor.model.scope import AdministrativeAccess
from auditor.report.html import render_document, render_html
from auditor.report.json_report import render_json
from auditor.report.profile import PAPER, SCREEN
from tests.report.conftest import text_of
from tests.report.example import VAULT_DB, example, finding

XSS = "<script>alert(1)</script>"
ATTRIBUTE = "\"'><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """All start tags with their attributes, and the headings with their levels."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def elements(html: str) -> Elements:
    return Elements(html)


def test_nothing_refers_to_anything_outside_the_file(html: str, elements: Elements) -> None:
    assert all(value.startswith("#") for value in elements.values("href"))
    assert not elements.values("src")
    assert not {tag for tag, _ in elements.tags} & {"link", "img", "iframe", "object", "embed", "base"}
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, flags=re.S))
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_allows_the_files_own_styles_and_script_by_hash_and_nothing_else(
    html: str, elements: Elements
) -> None:
    (policy,) = [attrs["content"] for _, attrs in elements.tags if attrs.get("http-equiv")]
    assert policy is not None
    rules = dict(entry.strip().split(" ", 1) for entry in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.S)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in contents]
        assert rules[rule].split() == [f"'sha256-{value}'" for value in hashes]
    assert "unsafe" not in policy


def test_no_inline_style_or_handler_that_the_policy_would_refuse(elements: Elements) -> None:
    names = {name for _, attrs in elements.tags for name in attrs}
    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}


def test_every_subject_of_a_finding_or_a_population_is_named(html: str, result: AuditResult) -> None:
    text = text_of(html)
    subjects = {entry.subject for entry in result.findings}
    subjects |= {entry.subject for population in result.populations for entry in population.excluded}
    assert not [subject for subject in subjects if subject not in text]


def test_links_lead_somewhere_and_ids_are_unique(elements: Elements) -> None:
    ids = elements.values("id")
    assert len(ids) == len(set(ids))
    assert not {value[1:] for value in elements.values("href")} - set(ids)


def test_headings_skip_no_level(elements: Elements) -> None:
    levels = [int(tag[1]) for tag, _ in elements.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_numbers_on_the_cover_are_those_of_the_json(html: str, result: AuditResult) -> None:
    table = re.search(r'<table class="overall">.*?</table>', html, flags=re.S)
    assert table is not None
    printed = [
        [int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", row)]
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", table[0], flags=re.S)
    ]
    written = json.loads(render_json(result))
    by_status = [
        [sum(e["framework"] == f["id"] and e["status"] == s for e in written["requirements"]) for s in _ORDER]
        for f in written["frameworks"]
    ]
    assert printed == by_status
    assert by_status == [[f["counts"][s] for s in _ORDER] for f in written["frameworks"]]


_ORDER = [
    str(status)
    for status in (
        Status.DEVIATION,
        Status.NOT_TESTED,
        Status.MANUAL_OPEN,
        Status.NO_DEVIATION,
        Status.MANUAL,
        Status.NOT_APPLICABLE,
    )
]


def test_population_sums_are_those_of_the_json(html: str, result: AuditResult) -> None:
    text = text_of(html)
    for entry in result.populations:
        sum_ = f"{entry.listed} listed = {entry.evaluated} evaluated + {len(entry.excluded)} excluded"
        assert sum_ in text


def test_each_finding_has_an_anchor_that_can_be_sent(elements: Elements, result: AuditResult) -> None:
    ids = set(elements.values("id"))
    assert {e.id for e in result.findings if e.outcome in (Outcome.FAIL, Outcome.ERROR)} <= ids


def test_the_cover_says_what_the_report_is_not(html: str) -> None:
    text = text_of(html)
    assert (
        "State observed at 2026-09-30 02:00:00 UTC; not evidence of operation throughout the period 2026-Q3."
        in text
    )
    assert "supports the assessment of" in text
    assert "compliant" not in text.lower()


def test_a_time_of_collection_that_is_not_known_is_said_to_be_not_recorded(result: AuditResult) -> None:
    unknown = example(run=result.run.model_copy(update={"collected_at": None, "collected_by": None}))
    text = text_of(render_html(unknown).decode())
    assert "State observed not recorded" in text
    assert "State observed at a time that is not recorded" in text


def test_without_a_scope_file_the_report_says_that_everything_is_in_scope(result: AuditResult) -> None:
    without = example(scope=result.scope.model_copy(update={"file": None, "sha256": None}))
    assert "No scope file was given." in text_of(render_html(without).decode())


@pytest.mark.parametrize("place", ["subject", "message", "parameters"])
@pytest.mark.parametrize("hostile", [XSS, ATTRIBUTE, "{{ 7*7 }}", "</style>", "javascript:alert(1)"])
def test_markup_from_the_cluster_is_shown_as_text(place: str, hostile: str) -> None:
    flow = {
        "source": hostile,
        "ports": [[1, 2]],
        "verdict": hostile,
        "decided_by": [{"object": hostile, "rule": hostile}],
    }
    given = finding(
        "scoped-namespace-isolation",
        f"{hostile}/Deployment/x" if place == "subject" else VAULT_DB,
        Outcome.FAIL,
        "reachable",
        hostile if place == "message" else "Seen.",
        parameters={"flows": [flow], "note": hostile, hostile: 1} if place == "parameters" else {},
    )
    html = render_html(example([given])).decode()
    found = Elements(html)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not [tag for tag, attrs in found.tags if tag == "img" or "onerror" in attrs]
    assert hostile in text_of(html).replace(" ", "") or hostile in text_of(html)


def test_hostile_names_of_everything_else_are_harmless(result: AuditResult) -> None:
    changed = example(
        title=XSS,
        scope=result.scope.model_copy(
            update={"organisation": XSS, "marking": ATTRIBUTE, "distribution": "\u202eevil", "assessor": XSS}
        ),
        cluster=result.cluster.model_copy(update={"name": XSS, "components": [XSS]}),
        inputs=[entry.model_copy(update={"path": XSS, "problem": ATTRIBUTE}) for entry in result.inputs],
        evidence=[entry.model_copy(update={"object": XSS, "source": ATTRIBUTE}) for entry in result.evidence],
        limitations=[XSS, "x" * 300_000],
    )
    html = render_html(changed).decode()
    assert [tag for tag, _ in Elements(html).tags].count("script") == 1
    assert "\u202e" not in html
    assert len(html) < 1_000_000


def test_equal_results_give_equal_bytes(result: AuditResult) -> None:
    assert render_html(result) == render_html(example())


def test_an_empty_result_has_a_report_too(result: AuditResult) -> None:
    empty = example([], evidence=[], inputs=[], redactions=[], kinds=[])
    text = text_of(render_html(empty).decode())
    assert "No control found a deviation" in text


_CLOSED = {
    "severity",
    "automation",
    "strength",
    "entity",
    "trust",
    "evaluated_at",
    "cidrs",
    "services",
    "approved_on",
    "encryption",
    "approved",
    "direction",
    "verdict",
    "possible",
}


def _poisoned(value: object, name: str = "") -> object:
    """Every free text of a result with markup at its end, the same everywhere, so that references still fit."""
    if name in _CLOSED:
        return value
    if type(value) is str:
        return value + XSS
    if isinstance(value, dict):
        return {key: _poisoned(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_poisoned(entry, name) for entry in value]
    return value


def test_no_free_text_anywhere_in_a_result_becomes_markup(result: AuditResult) -> None:
    poisoned = AuditResult.model_validate(_poisoned(result.model_dump()))
    for profile in (SCREEN, PAPER):
        html = render_document(poisoned, profile, None, None)
        tags = [tag for tag, _ in Elements(html).tags]
        assert tags.count("script") == (0 if profile.paged else 1)
        assert html.count("&lt;script&gt;alert(1)") > 500


def test_the_scope_section_lists_what_is_marked_as_administrative() -> None:
    marks = [
        AdministrativeAccess(host="console.example", reason="The <b>console</b>"),
        AdministrativeAccess(endpoint="vault/Deployment/api", ports=[8200, "9000-9100"]),
        AdministrativeAccess(endpoint="vault/Deployment/db", protocol="UDP"),
    ]
    given = example()
    marked = given.model_copy(
        update={"scope": given.scope.model_copy(update={"administrative_access": marks})}
    )
    html = render_html(marked).decode()
    words = " ".join(text_of(html[html.index('<section id="scope">') :]).split())
    assert "console.example every listener The <b>console</b>" in words
    assert "vault/Deployment/api 8200, 9000-9100 TCP not stated" in words
    assert "vault/Deployment/db all that it declares UDP not stated" in words
    assert "The scope file marks none" in " ".join(text_of(render_html(given).decode()).split())
