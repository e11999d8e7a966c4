"""Calico's selector language (connectivity.md 28)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.network.calico_selectors import (
    MAX_DEPTH,
    MAX_LENGTH,
    CalicoSelectorError,
    in_namespaces,
    parse_calico_selector,
)

WEB = {"app": "web", "tier": "front-end", "team": "a"}

MATCHES = [
    ("28: == matches an equal value", "app == 'web'", True),
    ("28: double quotes do as well", 'app == "web"', True),
    ("28: == doesn't match another value", "app == 'db'", False),
    ("28: == doesn't match a missing label", "zone == 'eu'", False),
    ("28: != matches another value", "app != 'db'", True),
    ("28: != matches a missing label", "zone != 'eu'", True),
    ("28: != doesn't match the value", "app != 'web'", False),
    ("28: in matches a member", "app in {'db', 'web'}", True),
    ("28: in doesn't match a missing label", "zone in {'eu'}", False),
    ("28: in the empty set nothing is", "app in {}", False),
    ("28: not in matches a missing label", "zone not in {'eu'}", True),
    ("28: not in doesn't match a member", "app not in {'web'}", False),
    ("28: notin may be written as one word", "app notin {'db'}", True),
    ("28: has", "has(app)", True),
    ("28: has a missing label", "has(zone)", False),
    ("28: !has a missing label", "!has(zone)", True),
    ("28: ! may stand twice", "!!has(app)", True),
    ("28: contains", "tier contains 'ont'", True),
    ("28: contains doesn't match a missing label", "zone contains ''", False),
    ("28: starts with", "tier starts with 'front'", True),
    ("28: ends with", "tier ends with 'end'", True),
    ("28: ends with, blanks inside the operator", "tier ends \t with 'front'", False),
    ("28: all() matches all", "all()", True),
    ("28: the empty selector matches all", "", True),
    ("28: && needs both", "has(app) && has(zone)", False),
    ("28: || needs one", "has(app) || has(zone)", True),
    ("28: && binds tighter than ||", "has(app) || has(zone) && has(zone)", True),
    ("28: parentheses bind first", "(has(app) || has(zone)) && has(zone)", False),
    ("28: ! binds tighter than &&", "!has(zone) && has(app)", True),
    ("28: ! before a comparison matches a missing label", "! zone == 'eu'", True),
    ("28: labels may hold dots, slashes and dashes", "a.b/c-d != 'x'", True),
    ("28: a label may be called like an operator", "in == 'x' || all != 'y'", True),
    ("28: a quoted value may hold the other quote", 'app != "it\'s"', True),
]


@pytest.mark.parametrize(("case", "text", "expected"), MATCHES, ids=[case[0] for case in MATCHES])
def test_a_selector_matches_as_calico_says(case: str, text: str, expected: bool) -> None:
    assert parse_calico_selector(text).matches(WEB) is expected


REFUSED = [
    ("an unknown operator", "app ~ 'web'", 4, "after a label"),
    ("a single =", "app = 'web'", 4, "expected =="),
    ("a single &", "has(app) & has(b)", 9, "expected &&"),
    ("a single |", "has(app) | has(b)", 9, "expected ||"),
    ("an unquoted value", "app == web", 7, "quoted value"),
    ("a value in an unclosed quote", "app == 'web", 7, "closing '"),
    ("a set without braces", "app in 'web'", 7, "expected {"),
    ("a set that isn't closed", "app in {'web'", 13, "expected }"),
    ("a parenthesis that isn't closed", "(has(app)", 9, "expected )"),
    ("a parenthesis too many", "has(app))", 8, "end of the selector"),
    ("two selectors side by side", "has(app) has(b)", 9, "end of the selector"),
    ("has() of nothing", "has()", 4, "expected a label in has()"),
    ("has( that isn't closed", "has(app", 7, "expected )"),
    ("all with an argument", "all(x)", 4, "expected )"),
    ("a call of something unknown", "some(app)", 4, "after a label"),
    ("a lone !", "!", 1, "expected a label"),
    ("a line break", "has(app)\n&& has(b)", 8, "expected a label"),
    ("a character outside the language", "app == 'web' ; drop", 13, "expected a label"),
    ("too much nesting", "(" * (MAX_DEPTH + 1) + "all()" + ")" * (MAX_DEPTH + 1), MAX_DEPTH + 1, "nested"),
    ("too long a text", "has(a) || " * (MAX_LENGTH // 10 + 1), MAX_LENGTH, "at most"),
]


@pytest.mark.parametrize(("case", "text", "position", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_calico_refuses_is_named_with_its_position(
    case: str, text: str, position: int, words: str
) -> None:
    with pytest.raises(CalicoSelectorError) as refused:
        parse_calico_selector(text)
    assert refused.value.position == position
    assert words in str(refused.value)


def test_a_prefix_moves_every_label() -> None:
    moved = parse_calico_selector("has(a) && !(b == 'x' || c in {'y'})").prefixed("pcns.")
    assert str(moved) == '(has(pcns.a) && !((pcns.b == "x" || pcns.c in {"y"})))'
    assert moved.matches({"pcns.a": ""})


def test_29_all_and_global_of_a_namespace_selector_speak_of_the_namespace() -> None:
    anywhere = in_namespaces(parse_calico_selector("all()"), "ns")
    nowhere = in_namespaces(parse_calico_selector("global()"), "ns")
    assert [anywhere.matches({"ns": "shop"}), anywhere.matches({})] == [True, False]
    assert [nowhere.matches({"ns": "shop"}), nowhere.matches({})] == [False, True]


_LABEL = st.sampled_from(["a", "b", "c"])
_VALUE = st.sampled_from(["", "x", "xy", "yx"])
_ATOM = st.one_of(
    st.builds("has({})".format, _LABEL),
    st.just("all()"),
    st.builds(
        "{} {} '{}'".format,
        _LABEL,
        st.sampled_from(["==", "!=", "contains", "starts with", "ends with"]),
        _VALUE,
    ),
    st.builds("{} {} {{'{}', '{}'}}".format, _LABEL, st.sampled_from(["in", "not in"]), _VALUE, _VALUE),
)
_SELECTOR = st.recursive(
    _ATOM,
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
    ),
    max_leaves=8,
)
_LABELS = st.dictionaries(_LABEL, _VALUE)


@given(_SELECTOR, _LABELS)
def test_a_printed_selector_means_the_same(text: str, labels: dict[str, str]) -> None:
    node = parse_calico_selector(text)
    assert parse_calico_selector(str(node)).matches(labels) is node.matches(labels)


@given(_SELECTOR, _LABELS)
def test_a_negated_selector_means_the_opposite(text: str, labels: dict[str, str]) -> None:
    assert parse_calico_selector(f"!({text})").matches(labels) is not parse_calico_selector(text).matches(
        labels
    )


@given(st.text(alphabet="abhs(){}!=&|'\", .\n", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    position = 0
    try:
        parse_calico_selector(text)
    except CalicoSelectorError as refused:
        position = refused.position
    assert 0 <= position <= len(text)
