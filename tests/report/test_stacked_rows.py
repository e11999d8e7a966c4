"""Rows of many columns: a table where it fits, stacked without a broken name where it doesn't; nothing is left out."""

from io import StringIO

import pytest
from rich.console import Console

from auditor.report.answer_tables import AnswerTable, table_parts
from auditor.report.stacked_rows import Layout

LAYOUT = Layout(
    heading=("object", "host"),
    details=("certificate", "cipher policy", "reasons"),
    prose=("reasons",),
    short=(("client authentication", "clients"),),
)
COLUMNS = ("object", "host", "plaintext", "client authentication", "certificate", "cipher policy", "reasons")
OPEN = ("edge/Ingress/shop", "www.shop.example", "open", "none", "", "", "no TLS is set for the host")
CLOSED = (
    "edge/Gateway.gateway.networking.k8s.io/partners",
    "partners.shop.example",
    "closed",
    "required",
    "edge/Secret/partners",
    "TLS13_ONLY",
    "client certificates are required",
)
TABLE = AnswerTable("2 ways in", COLUMNS, (OPEN, CLOSED), frozenset({0}), LAYOUT)


def lines(table: AnswerTable, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    for part in table_parts([table]):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_narrow_terminal_gets_what_a_row_is_about_its_values_aligned_and_the_rest() -> None:
    assert lines(TABLE, 80) == [
        "2 ways in",
        "    plaintext  clients",
        "edge/Ingress/shop  www.shop.example",
        "    open       none",
        "    no TLS is set for the host",
        "edge/Gateway.gateway.networking.k8s.io/partners  partners.shop.example",
        "    closed     required",
        "    certificate edge/Secret/partners · cipher policy TLS13_ONLY",
        "    client certificates are required",
    ]


def test_a_wide_terminal_gets_one_line_for_each_row() -> None:
    shown = lines(TABLE, 220)
    assert len([line for line in shown if line.startswith("edge/")]) == 2
    assert "client authentication" in shown[1]


@pytest.mark.parametrize("width", [60, 80, 110, 140, 220])
def test_nothing_is_left_out_at_any_width(width: int) -> None:
    told = " ".join(" ".join(lines(TABLE, width)).split())
    assert all(text in told for line in (OPEN, CLOSED) for text in line)


def test_markup_of_a_name_is_text() -> None:
    hostile = ("edge/Ingress/[red]x[/]", "h", "open", "none", "[link=file:///]", "", "")
    table = AnswerTable("1", COLUMNS, (hostile,), layout=LAYOUT)
    told = "\n".join(lines(table, 40))
    assert "[red]x[/]" in told
    assert "[link=file:///]" in told
