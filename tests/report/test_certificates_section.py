"""The inventory of certificates in the report: the same in HTML, on paper and in JSON, escaped, and cut aloud."""

import json
from gettext import NullTranslations
from typing import Any

import pytest

from auditor.model.certificates_result import CertificateRow, HostRow
from auditor.model.encryption_result import ReasonRow
from auditor.report.html import render_document, render_html
from auditor.report.json_report import render_json
from auditor.report.profile import PAPER
from tests.report.conftest import text_of
from tests.report.example import example


def row(object_: str = "shop/Certificate.cert-manager.io/web", **changes: Any) -> CertificateRow:
    fields: dict[str, Any] = {
        "object": object_,
        "namespace": "shop",
        "use": "server",
        "place": "spec.secretName",
        "secret": "shop/Secret/web-tls",
        "observed": True,
        "subject": "CN=shop.example",
        "issuer": "CN=ca",
        "names": ["shop.example"],
        "name_count": 1,
        "key": "EC 256",
        "signature": "sha256",
        "not_before": "2026-05-02T00:00:00Z",
        "not_after": "2026-07-31T00:00:00Z",
        "renewal": None,
        "problems": [],
        "evidence": [],
    }
    return CertificateRow.model_validate(fields | changes)


def host(name: str, certificate: str | None) -> HostRow:
    return HostRow(
        object="shop/Ingress/web",
        host=name,
        port=443,
        named="shop/Secret/other",
        certificate=certificate,
        covered="unknown",
        reasons=[],
        evidence=[],
    )


def section(html: str) -> str:
    return html[html.index('<section id="certificates">') : html.index('<section id="method">')]


def test_the_inventory_is_in_html_and_json() -> None:
    expired = [ReasonRow(code="certificate.expired", message="it expired on 2026-07-31T00:00:00Z")]
    result = example(
        certificates=[row(problems=expired)],
        certificate_hosts=[host("shop.example", row().object), host("bare.example", None)],
    )
    words = text_of(section(render_html(result).decode()))
    for told in (
        "CN=shop.example",
        "EC 256, sha256",
        "2026-07-31",
        "it expired on",
        "bare.example",
        "shop/Secret/other",
    ):
        assert told in words
    stored = json.loads(render_json(result))
    assert [c["object"] for c in stored["certificates"]] == ["shop/Certificate.cert-manager.io/web"]
    assert [h["host"] for h in stored["certificate_hosts"]] == ["shop.example", "bare.example"]


class Translated(NullTranslations):
    """A language of one sentence."""

    def gettext(self, message: str) -> str:
        return "已於 {date} 到期" if message == "it expired on {date}" else message


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"date": "2026-07-31T00:00:00Z"}, "已於 2026-07-31T00:00:00Z 到期"),
        ({}, "it expired on 2026-07-31T00:00:00Z"),
    ],
    ids=["from code and parameters", "as the result says, where a parameter is missing"],
)
def test_remarks_are_made_in_the_language_of_the_report(parameters: dict[str, str], told: str) -> None:
    expired = ReasonRow(
        code="certificate.expired", parameters=parameters, message="it expired on 2026-07-31T00:00:00Z"
    )
    html = render_html(example(certificates=[row(problems=[expired])]), translations=Translated()).decode()
    assert told in text_of(section(html))


def test_without_any_certificate_that_is_said() -> None:
    words = text_of(section(render_html(example()).decode()))
    assert "The evidence describes no certificate." in words


def test_hostile_names_are_text() -> None:
    evil = "<script>alert(1)</script>"
    html = section(render_html(example(certificates=[row(subject=evil, names=[evil], issuer=evil)])).decode())
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_long_list_is_cut_aloud_on_paper() -> None:
    many = [row(f"shop/Certificate.cert-manager.io/c{n:04}") for n in range(PAPER.register_rows + 5)]
    words = text_of(section(render_document(example(certificates=many), PAPER, None, None)))
    assert "150 of 155 certificates are shown" in words
    assert "c0149" in words
    assert "c0150" not in words
