"""The network diagram in the report: what it draws, that names stay names, and what the table says."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest

from auditor.model.result import AuditResult, DiagramBox, DiagramOutside, DiagramResult
from auditor.report.diagram_layout import WIDTH, lay_out
from auditor.report.diagram_lines import MAX_BOXES, Drawn, draw_lines
from auditor.report.draft import Draft
from auditor.report.html import render_document, render_html
from auditor.report.profile import PAPER
from auditor.report.sections.diagram import build
from tests.report.conftest import text_of
from tests.report.example import FRAMEWORKS, diagram_edge, example

HOSTILE = (
    '"><script>alert(1)</script>',
    "]]>&lt;&#0;",
    "line\nbreak\x00\x1b[31m",
    "\u202eright-to-left",
    "\ud800lone",
    "x" * 3000,
    "{{ 7 * 7 }}",
)
SVG = "{http://www.w3.org/2000/svg}"


def section(html: str) -> str:
    return html[html.index('id="diagram"') : html.index('id="method"')]


def pictures(html: str) -> list[ElementTree.Element]:
    found = re.findall(r"<svg.*?</svg>", section(html), flags=re.S)
    named = (svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) for svg in found)
    return [ElementTree.fromstring(svg) for svg in named]  # noqa: S314 -- our own


def box(name: str, class_: str = "in-scope") -> DiagramBox:
    return DiagramBox.model_validate({"id": name, "class": class_, "workloads": 1})


def many(count: int) -> DiagramResult:
    """As many namespaces out of scope, each with a service of its own, so that none is like another."""
    names = [f"team-{number:03d}" for number in range(count)]
    edges = [diagram_edge(name, "vault", f"{1000 + n}/TCP") for n, name in enumerate(names)]
    boxes = [box("vault"), *(box(name, "out-of-scope") for name in names)]
    return DiagramResult(boxes=boxes, outside=[], edges=edges, edges_left_out=0)


def test_the_section_stands_behind_the_scope_and_tells_each_connection(html: str) -> None:
    assert html.index('id="scope"') < html.index('id="diagram"') < html.index('id="method"')
    words = text_of(section(html))
    assert "analytics card-vault 5432/TCP plaintext possible no" in words
    assert "internet ingress-nginx 8443/TCP · way in encrypted, or refused in plaintext not needed" in words
    assert "storefront payments 8443/TCP (under a condition)" in words
    assert "payments payments 8080/TCP plaintext possible not needed" in words


def test_pictures_begin_with_a_title_in_words(html: str) -> None:
    found = pictures(html)
    assert [svg[0].tag for svg in found] == [f"{SVG}title", f"{SVG}title"]
    assert "7 connections" in (found[0][0].text or "")
    assert "2 may carry plaintext" in (found[0][0].text or "")


def test_namespaces_without_a_connection_are_named_and_not_drawn(html: str) -> None:
    drawn = {element.text for element in pictures(html)[0].iter(f"{SVG}text")}
    assert {"card-vault", "payments", "analytics", "internet"} <= drawn
    assert "kube-system" not in drawn
    said = text_of(section(html)).partition("not drawn:")[2]
    assert "istio-system" in said
    assert "kube-system" in said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_a_name(name: str) -> None:
    diagram = DiagramResult(
        boxes=[box(name), box("other", "out-of-scope")],
        outside=[DiagramOutside(id=f"outside/{name}", name=name)],
        edges=[
            diagram_edge("other", name, name, approved="no"),
            diagram_edge(f"outside/{name}", name, "1/TCP"),
        ],
        edges_left_out=0,
    )
    html = render_html(example(diagram=diagram)).decode()
    picture = pictures(html)[0]
    assert not [element for element in picture.iter() if element.tag.endswith(("script", "foreignObject"))]
    assert all(len(element.text or "") < 60 for element in picture.iter(f"{SVG}text"))
    assert "<script>alert" not in section(html)
    assert "49" not in {element.text for element in picture.iter(f"{SVG}text")}


def test_lines_are_told_apart_without_colour(html: str) -> None:
    dashes = {
        (path.get("stroke"), path.get("stroke-dasharray"))
        for path in pictures(html)[0].iter(f"{SVG}path")
        if path.get("fill") == "none"
    }
    assert dashes == {("#0b5563", None), ("#b3261e", "6 3"), ("#8a6100", "1.5 2.5")}


def test_connections_that_no_approval_covers_carry_a_mark(html: str) -> None:
    tags = [element.text or "" for element in pictures(html)[0].iter(f"{SVG}text")]
    assert len([text for text in tags if re.fullmatch(r"\d+!", text)]) == 2


@pytest.mark.parametrize(
    ("frameworks", "expected"),
    [
        pytest.param(FRAMEWORKS, True, id="PCI is selected"),
        pytest.param(("hipaa", "gdpr"), False, id="PCI is not selected"),
    ],
)
def test_pci_is_mentioned_only_where_it_is_selected(frameworks: tuple[str, ...], expected: bool) -> None:
    whole = example()
    chosen = [entry for entry in whole.frameworks if entry.id in frameworks]
    view = build(Draft(whole.model_copy(update={"frameworks": chosen}), PAPER, None))
    assert view.for_pci is expected


def test_for_pci_it_is_called_the_part_that_it_is(html: str) -> None:
    assert "For PCI DSS 1.2.3 it is the cluster's part of a network diagram" in text_of(section(html))


def test_flows_of_account_data_are_those_that_the_scope_file_marks(result: AuditResult, html: str) -> None:
    assert "The scope file marks no approved flow so." in text_of(section(html))
    flows = [flow.model_copy(update={"account_data": True}) for flow in result.scope.approved_flows]
    marked = example(scope=result.scope.model_copy(update={"approved_flows": flows}))
    assert "that the scope file marks so: F-1." in text_of(section(render_html(marked).decode()))


def test_a_long_list_of_services_is_cut_between_two() -> None:
    services = ", ".join(f"{port}/TCP" for port in range(1000, 1200))
    diagram = many(0).model_copy(update={"edges": [diagram_edge("vault", "vault", services)]})
    (row,) = build(Draft(example(diagram=diagram), PAPER, None)).rows.rows
    ((shown, _),) = row.services
    assert len(shown) < 170
    assert shown.endswith("/TCP, \N{HORIZONTAL ELLIPSIS}")


def test_paper_bounds_the_table_and_says_where_the_rest_is() -> None:
    paper = render_document(example(diagram=many(20)), PAPER, None, None)
    table = section(paper).partition('<table class="links">')[2].partition("</table>")[0]
    assert table.count('<th scope="row"') == 12
    assert "12 of 20 shown. All of them are in results.json (diagram.edges)." in text_of(section(paper))


def test_many_namespaces_are_drawn_by_class() -> None:
    drawn = draw_lines(many(MAX_BOXES + 20), 100)
    assert [(entry.class_ and str(entry.class_), len(entry.names)) for entry in drawn.boxes] == [
        ("in-scope", 1),
        ("out-of-scope", MAX_BOXES + 20),
    ]
    assert drawn.grouped
    assert len(drawn.lines) == 1


def test_boxes_that_fare_alike_stand_together() -> None:
    alike = [diagram_edge(name, "vault", "80/TCP") for name in ("a", "b")]
    other = diagram_edge("c", "vault", "81/TCP")
    boxes = [box("vault"), *(box(name, "out-of-scope") for name in ("a", "b", "c"))]
    diagram = DiagramResult(boxes=boxes, outside=[], edges=[*alike, other], edges_left_out=0)
    assert [entry.names for entry in draw_lines(diagram, 10).boxes] == [("vault",), ("a", "b"), ("c",)]


def spread() -> Drawn:
    inner = [diagram_edge("vault", "second", "80/TCP"), diagram_edge("vault", "vault", "80/TCP")]
    diagram = many(18)
    boxes = [box("second"), *diagram.boxes]
    return draw_lines(diagram.model_copy(update={"boxes": boxes, "edges": [*diagram.edges, *inner]}), 100)


def test_boxes_do_not_overlap_and_everything_lies_in_the_picture() -> None:
    layout = lay_out(spread())
    for one in layout.boxes:
        assert 0 <= one.x <= WIDTH - 126
        assert 0 <= one.y <= layout.height - one.height
        for other in layout.boxes:
            apart = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert one is other or one.column != other.column or apart
    numbers = (float(x) for line in layout.lines for x in re.findall(r"-?\d+\.\d", line.path))
    assert all(0 <= number <= max(WIDTH, layout.height) for number in numbers)


def test_each_numbered_line_has_its_tag() -> None:
    layout = lay_out(spread())
    assert all((line.tag is not None) == bool(line.line.number) for line in layout.lines)


def test_nothing_to_draw_is_said() -> None:
    nothing = DiagramResult(boxes=[], outside=[], edges=[], edges_left_out=0)
    assert "Nothing is drawn" in text_of(section(render_html(example(diagram=nothing)).decode()))


def test_connections_left_out_are_counted(result: AuditResult) -> None:
    more = result.diagram.model_copy(update={"edges_left_out": 1234})
    html = render_html(example(diagram=more)).decode()
    assert "1,234 more connections are neither drawn nor listed" in unescape(text_of(section(html)))


def test_the_same_result_gives_the_same_picture(html: str) -> None:
    assert section(render_html(example()).decode()) == section(html)
