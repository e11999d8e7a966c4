"""The flow register in the report: every flow, approved or not, the same numbers in HTML, PDF, JSON and CSV."""

import csv
import io
import json
from datetime import date
from typing import Any

import pytest
from pypdf import PdfReader

from auditor.model import result as r
from auditor.model.scope import ApprovedFlow
from auditor.report import register_csv
from auditor.report.html import render_document, render_html
from auditor.report.json_report import render_json
from auditor.report.pdf import render_pdf
from auditor.report.profile import PAPER
from tests.report.conftest import text_of
from tests.report.example import VAULT_DB, example, register, register_approval, register_flow

ETL = "analytics/Deployment/etl"


def section(html: str) -> str:
    return html[html.index('<section id="register">') : html.index('<section id="method">')]


def lines(result: r.AuditResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(register_csv.render_csv(result).decode())))


def approved(id_: str, **changes: Any) -> ApprovedFlow:
    return ApprovedFlow.model_validate(
        {
            "id": id_,
            "source": ETL,
            "destination": VAULT_DB,
            "services": [{"protocol": "TCP", "ports": [5432]}],
            "business_need": "Nightly totals.",
            "approved_by": "M. Achterberg",
            "approved_on": "2026-01-02",
            **changes,
        }
    )


def with_approved(*flows: ApprovedFlow, approvals: list[r.RegisterApproval]) -> r.AuditResult:
    whole = example()
    return example(
        scope=whole.scope.model_copy(update={"approved_flows": list(flows)}),
        flow_register=register(whole.flow_register.flows, approvals),
    )


def many(count: int) -> r.AuditResult:
    flows = [
        register_flow(n, r.Standing.UNAPPROVED, f"team-{n}/Deployment/app", VAULT_DB, "5432/TCP")
        for n in range(1, count + 1)
    ]
    return example(flow_register=register(flows, []))


def test_approved_flows_are_shown_beside_those_that_nobody_approved(html: str) -> None:
    words = text_of(section(html))
    assert "1 analytics/Deployment/etl card-vault/StatefulSet/vault-db 5432/TCP ✕ not approved" in words
    assert (
        "2 storefront/Deployment/web payments/Deployment/checkout 8443/TCP ✓ approved F-1 encrypted" in words
    )
    assert "F-1 storefront/Deployment/web payments/Deployment/checkout 8443/TCP Customers pay" in words
    assert "M. Achterberg, 2026-07-02; no review date ✓ possible" in words


def test_what_an_assessor_asks_of_an_approved_flow_is_told() -> None:
    flow = approved(
        "F-9",
        review_by=date(2026, 2, 1),
        account_data=True,
        insecure=True,
        security_feature="A dedicated line.",
    )
    entry = register_approval("F-9", review_overdue=True, possible="partly", impossible="22/TCP", flows=[1])
    words = text_of(section(render_html(with_approved(flow, approvals=[entry])).decode()))
    assert "Carries account data. Insecure service; compensated by: A dedicated line." in words
    assert "review overdue since 2026-02-01" in words
    assert "✕ possible in part ; impossible: 22/TCP; encrypted, or refused in plaintext; flows 1" in words
    assert "Not possible as approved, wholly or in part: 1. Review overdue: 1." in words


def test_a_flow_outside_every_scope_is_not_called_possible() -> None:
    entry = register_approval("F-9", frameworks=[], possible="no")
    words = text_of(section(render_html(with_approved(approved("F-9"), approvals=[entry])).decode()))
    assert "neither end is in scope" in words
    assert "impossible" not in words.partition("Found")[2]


def test_the_numbers_agree_in_html_pdf_json_and_csv(result: r.AuditResult) -> None:
    stored = json.loads(render_json(result))["flow_register"]
    count = stored["counts"]
    said = f"✕ {count['unapproved']} not approved ✓ {count['approved']} approved"
    assert sum(count.values()) == len(stored["flows"]) == 2
    assert f"Flows of the register: {len(stored['flows'])}. {said}" in text_of(
        section(render_html(result).decode())
    )
    pages = PdfReader(io.BytesIO(render_pdf(result))).pages
    paper = " ".join(" ".join(page.extract_text().split()) for page in pages)
    assert f"Flows of the register: {len(stored['flows'])}." in paper
    assert f"{count['unapproved']} not approved" in paper
    assert f"{count['approved']} approved" in paper
    assert len(lines(result)) == len(stored["flows"])


def test_a_shortened_list_says_so_and_where_the_rest_is() -> None:
    words = text_of(section(render_document(many(400), PAPER, None, None)))
    assert "150 of 400 flows are shown. All of them are in flow-register.csv and results.json" in words
    assert "team-150/" in words
    assert "team-151/" not in words
    assert len(lines(many(400))) == 400


def test_nothing_across_the_border_is_said_aloud() -> None:
    words = text_of(section(render_html(example(flow_register=register([], []))).decode()))
    assert "Nothing may connect into or out of scope." in words
    assert "None is recorded in the scope file." in words


def test_each_pair_is_a_line_with_its_approval() -> None:
    wide = register_flow(1, r.Standing.APPROVED, "a", "b", "443/TCP", approved_by=["F-9"])
    wide = wide.model_copy(update={"sources": ["n/Pod/a", "n/Pod/b"], "destinations": ["m/Pod/c", "m/Pod/d"]})
    base = with_approved(approved("F-9", review_by="2026-12-01"), approvals=[])
    found = lines(base.model_copy(update={"flow_register": register([wide], [])}))
    assert [(line["source"], line["destination"]) for line in found] == [
        ("n/Pod/a", "m/Pod/c"),
        ("n/Pod/a", "m/Pod/d"),
        ("n/Pod/b", "m/Pod/c"),
        ("n/Pod/b", "m/Pod/d"),
    ]
    assert {
        (line["flow"], line["approval"], line["business_need"], line["review_by"], line["decided_by"])
        for line in found
    } == {("1", "approved", "Nightly totals.", "2026-12-01", "card-vault/NetworkPolicy/vault-db ingress[0]")}


def test_approved_flows_that_are_impossible_are_lines_too() -> None:
    flow = approved("F-9")
    entry = register_approval("F-9", possible="no", services="5432/TCP", impossible="5432/TCP")
    last = lines(with_approved(flow, approvals=[entry]))[-1]
    assert (last["flow"], last["source"], last["verdict"], last["approval"], last["approved_flow"]) == (
        "",
        ETL,
        "denied",
        "approved but impossible",
        "F-9",
    )


def test_too_many_pairs_are_joined_and_no_row_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_csv, "MAX_LINES", 3)
    assert len(lines(many(3))) == 3
    wide = register_flow(1, r.Standing.PEOPLE, "a", "b", "443/TCP").model_copy(
        update={"sources": ["a", "b"], "destinations": ["c", "d"]}
    )
    (line,) = lines(example(flow_register=register([wide], [])))
    assert (line["source"], line["destination"]) == ("a b", "c d")


def test_a_name_that_looks_like_a_formula_stays_text() -> None:
    hostile = register_flow(1, r.Standing.PEOPLE, "=cmd|' /C calc'!A0", "b", "443/TCP")
    (line,) = lines(example(flow_register=register([hostile], [])))
    assert line["source"] == "'=cmd|' /C calc'!A0"
