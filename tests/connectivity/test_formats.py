"""CSV, DOT and SVG: what they show, and that names from a cluster stay names."""

import csv
import re
from io import StringIO
from xml.etree import ElementTree

import pytest

from auditor.model.scope import ScopeClass
from auditor.report.connectivity_csv import cell, icmp_text, render_csv
from auditor.report.connectivity_dot import quoted, render_dot
from auditor.report.network_diagram import namespace_diagram
from auditor.report.network_graph import build_graph
from tests.connectivity.clusters import json_of, reached, shop, view_of
from tests.network.building import Raw, enforced, labels, namespace, pod, policy

HOSTILE = (
    '"><script>alert(1)</script>',
    '=HYPERLINK("http://x","y")',
    "'; DROP TABLE x; --",
    'a"]; evil [label="b',
    "]]>&lt;&#0;",
    "line\nbreak\x00\x1b[31m",
    "\u202eright-to-left",
    "\ud800lone",
    "x" * 3000,
    "${jndi:ldap://x}\\N\\",
)
SVG = "{http://www.w3.org/2000/svg}"


def hostile(name: str) -> list[Raw]:
    """A pod, its namespace, a label and a policy of that name, with a rule between two such pods."""
    rule = {"from": [{"podSelector": labels(app="web")}], "ports": [{"port": 80}]}
    return [
        *enforced(),
        namespace(name),
        pod(name, name, {"app": "web", "evil": name}),
        pod(f"{name}2", name, {"app": "db"}),
        policy(name, name, pods=labels(app="db"), ingress=[rule]),
    ]


def picture(objects: list[Raw], classes: dict[str, ScopeClass] | None = None, level: str = "workload") -> str:
    return namespace_diagram(view_of(objects, level, namespaces_apart=True), classes)  # type: ignore[arg-type]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 -- our own


# -- CSV ------------------------------------------------------------------------------------------------------------


def rows(objects: list[Raw]) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(render_csv(view_of(objects)).decode())))


def test_csv_has_one_line_for_each_pair_and_protocol() -> None:
    found = [
        row for row in rows(shop()) if row["destination"] == "shop/Pod/db" and row["source"] == "shop/Pod/web"
    ]
    assert found == [
        {
            "source": "shop/Pod/web",
            "destination": "shop/Pod/db",
            "verdict": "allowed",
            "protocol": "TCP",
            "ports": "5432",
            "reason": "",
            "decided_by": "shop/NetworkPolicy/db ingress[0]",
        }
    ]


def test_csv_says_of_every_pair_what_json_says() -> None:
    pairs = {(row["source"], row["destination"]) for row in rows(shop())}
    assert {(a.lstrip("'"), b.lstrip("'")) for a, b in pairs} == set(reached(json_of(view_of(shop()))))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "|x", "%x"])
def test_a_cell_that_looks_like_a_formula_is_quoted(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_csv_cells_never_begin_like_a_formula(name: str) -> None:
    for row in rows(hostile(name)):
        assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())
        assert None not in row


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (2048, 2048, "type 8 code 0"),
        (2048, 2303, "type 8"),
        (0, 767, "types 0-2"),
        (769, 770, "type 3 code 1 to type 3 code 2"),
    ],
)
def test_icmp_in_words(low: int, high: int, text: str) -> None:
    assert icmp_text(low, high) == text


# -- DOT ------------------------------------------------------------------------------------------------------------


def dot(objects: list[Raw], classes: dict[str, ScopeClass] | None = None) -> str:
    return render_dot(build_graph(view_of(objects, namespaces_apart=True), classes or {})).decode()


def test_dot_has_namespaces_as_clusters_and_ports_on_edges() -> None:
    text = dot(shop(), {"shop": ScopeClass.IN_SCOPE})
    assert 'label="shop (in scope)"' in text
    assert 'label="5432/TCP"' in text
    assert '"internet" [label="internet"' in text


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_dot_strings_hold_hostile_names(name: str) -> None:
    """Outside quoted strings there is nothing but the grammar that is always there."""
    text = dot(hostile(name))
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert '"' not in outside.replace('""', "")
    assert not re.search(r"evil|script|DROP|jndi", outside)


def test_quotes_and_backslashes_are_escaped() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'


# -- SVG ------------------------------------------------------------------------------------------------------------


def test_svg_has_boxes_nodes_ports_and_titles() -> None:
    svg = picture(shop(), {"shop": ScopeClass.IN_SCOPE})
    assert {"shop", "Pod/db", "Pod/web", "5432/TCP", "in scope", "internet"} <= set(texts(svg))
    assert "Network diagram" in svg.partition("</title>")[0]
    assert 'role="img"' in svg


def test_scope_is_a_pattern_and_a_colour() -> None:
    svg = picture(shop(), {"shop": ScopeClass.IN_SCOPE})
    assert 'fill="url(#network-in-scope)"' in svg
    assert 'pattern id="network-in-scope"' in svg


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_svg_is_well_formed_and_holds_no_foreign_elements(name: str) -> None:
    svg = picture(hostile(name), {name: ScopeClass.OUT_OF_SCOPE})
    found = {element.tag for element in ElementTree.fromstring(svg).iter()}  # noqa: S314 -- our own
    known = ("svg", "title", "defs", "pattern", "rect", "path", "marker", "g", "text")
    assert found <= {f"{SVG}{tag}" for tag in known}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ud800]", svg)


def test_several_pictures_in_one_document_have_their_own_ids() -> None:
    view = view_of(shop(), "namespace", namespaces_apart=True)
    one, other = (set(re.findall(r' id="([^"]+)"', namespace_diagram(view, id=id))) for id in ("a", "b"))
    assert one
    assert not one & other


def test_what_no_policy_restricts_is_marked_and_not_drawn() -> None:
    """The web pod is open both ways; its only edge is the one that a rule decides."""
    svg = picture(shop())
    assert svg.count('marker-end="') == 1
    assert svg.count('fill="#b3261e"/>') == 3  # web in and out, db out


def test_many_namespaces_stay_within_a_page_width_by_growing_down() -> None:
    objects = [raw for n in range(60) for raw in (namespace(f"ns-{n}"), pod("a", f"ns-{n}"))]
    svg = picture(objects, level="namespace")
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    assert width < 4 * height
