"""Property: however an object is written down, the same canonical bytes are read."""

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.collect.documents import read_documents
from auditor.collect.objects import canonical_bytes
from auditor.collect.sources import read_content
from auditor.collect.yaml_documents import yaml_documents

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: number != int(number) if abs(number) < 2**64 else True
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
BODIES = st.dictionaries(TEXT, VALUES, max_size=4).map(
    lambda spec: {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
)


class _Quoting(yaml.SafeDumper):
    """Writes every scalar quoted, since PyYAML leaves words plain that Kubernetes reads as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def ids(data: bytes, name: str) -> list[str]:
    content = read_content(data, name)
    assert content.problems == []
    return [obj.evidence_id for obj in content.objects]


@given(BODIES)
@settings(max_examples=150, deadline=None)
def test_yaml_json_and_lists_give_the_same_evidence(body: dict[str, Any]) -> None:
    as_json = ids(canonical_bytes(body), "a.json")
    listed = json.dumps({"apiVersion": "v1", "items": [body], "kind": "List"}, indent=4).encode()
    as_yaml = yaml.dump(body, Dumper=_Quoting, default_style='"', allow_unicode=False).encode()
    assert len(as_json) == 1
    assert ids(listed, "a.json") == as_json
    assert ids(as_yaml, "a.yaml") == as_json


@given(BODIES)
@settings(max_examples=100, deadline=None)
def test_reading_what_was_read_changes_nothing(body: dict[str, Any]) -> None:
    (first,) = read_content(canonical_bytes(body), "a.json").objects
    (second,) = read_content(canonical_bytes(first.body), "a.json").objects
    assert canonical_bytes(first.body) == canonical_bytes(second.body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for name in ("a.yaml", "a.json", "-"):
        read_content(data, name)


@given(st.text("abc:-&*<!{}[],'\"|>\n #?x1", max_size=60))
@settings(max_examples=400, deadline=None)
def test_no_yaml_crashes_the_reader_and_what_is_read_is_json(text: str) -> None:
    content = read_content(text.encode(), "a.yaml")
    if not content.problems:
        for document in read_documents(text.encode(), "yaml"):
            json.dumps(document.value)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=1), min_size=1, max_size=4)
)
@settings(max_examples=100, deadline=None)
def test_documents_that_are_joined_are_read_one_by_one(values: list[dict[str, int]]) -> None:
    joined = "---\n".join(yaml.safe_dump(value) for value in values).encode()
    assert [document.value for document in yaml_documents(joined)] == values
