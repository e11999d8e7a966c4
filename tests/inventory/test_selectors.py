"""Label selectors as apimachinery reads them (connectivity.md 12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.inventory.selectors import SelectorError, parse_selector

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        (None, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}],
            },
            False,
        ),
    ],
)
def test_matching(selector: object, expected: bool) -> None:
    assert parse_selector(selector).matches(LABELS) is expected


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        (
            {"matchExpressions": [{"key": "a", "operator": "Equals", "values": ["b"]}]},
            "matchExpressions[0].operator",
        ),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchExpressions[0].values"),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
            "matchExpressions[0].values",
        ),
        ({"matchLabels": {"a": 1}}, "matchLabels.a"),
        ({"matchlabels": {}}, "matchlabels"),
        ("app=web", "podSelector"),
    ],
)
def test_what_the_api_server_refuses_is_named(selector: object, field: str) -> None:
    with pytest.raises(SelectorError, match=r"podSelector") as caught:
        parse_selector(selector, "podSelector")
    assert field in str(caught.value)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_an_empty_selector_is_everything(labels: dict[str, str]) -> None:
    assert parse_selector({}).matches(labels)
