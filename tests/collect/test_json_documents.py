"""JSON: what is accepted, what is refused, and that a large List is read item by item."""

import json
from typing import Any

import pytest

from auditor.collect.document import DocumentError
from auditor.collect.documents import Format, read_documents


def read(text: str | bytes, form: Format = "json") -> list[Any]:
    data = text if isinstance(text, bytes) else text.encode()
    return [document.value for document in read_documents(data, form)]


ACCEPTED = [
    ("one document", '{"a": 1}', [{"a": 1}]),
    ("a byte order mark", b'\xef\xbb\xbf{"a": 1}', [{"a": 1}]),
    (
        "documents one after another",
        '{"a": 1}\n{"b": "\N{SNOWMAN}"} {"c": 3}\n',
        [{"a": 1}, {"b": "\N{SNOWMAN}"}, {"c": 3}],
    ),
    ("null is an empty document", "null", []),
]


@pytest.mark.parametrize(
    ("text", "expected"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_accepted(text: str | bytes, expected: list[Any]) -> None:
    assert read(text) == expected


REFUSED = [
    ("a trailing comma in a mapping", '{"a": 1,\n}', 1, "expected JSON"),
    ("a trailing comma in a list", '{"a": [1,]}', 1, "expected JSON"),
    ("a comment", '{"a": 1} // x', 1, "expected JSON"),
    ("not a number", '{"a": NaN}', 1, "expected JSON"),
    ("not a number in a later document", '{"a": 1}\n{"a": NaN}', 2, "finite number"),
    ("infinity", '{"a": 1e999}', 1, "expected JSON"),
    ("a file that breaks off", '{"a": {"b": 1', 1, "expected JSON"),
    ("a lone surrogate", '{"a": "\\ud800"}', 1, "expected JSON"),
    ("nothing", "", 1, "expected JSON"),
    ("too deep", "[" * 200_000, 1, "nested deeper"),
    ("too deep in a later document", "{}" + "[" * 200_000, 1, "nested deeper"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), 1, "this is UTF-16"),
    ("not UTF-8", b'{"a": "\xff"}', 1, "expected UTF-8"),
]


@pytest.mark.parametrize(
    ("text", "line", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(text: str | bytes, line: int, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_standard_input_that_starts_like_json_is_json() -> None:
    assert read('\n {"a": 1}', "either") == [{"a": 1}]
    with pytest.raises(DocumentError, match="expected JSON"):
        read('{"a": 1,}', "either")


def test_standard_input_otherwise_is_yaml() -> None:
    assert read("a: 1", "either") == [{"a": 1}]
    assert read("{a: 1}", "either") == [{"a": 1}]


def test_one_large_object_is_refused() -> None:
    text = json.dumps({"kind": "Pod", "x": "y" * (65 * 1024 * 1024)})
    with pytest.raises(DocumentError, match="one document of 65 MiB"):
        read(text)


LISTS = [
    ("kubectl's layout", 4),
    ("another layout", 2),
    ("no layout", None),
]


@pytest.mark.parametrize("indent", [row[1] for row in LISTS], ids=[row[0] for row in LISTS])
def test_items_are_taken_one_by_one(indent: int | None) -> None:
    items = [{"kind": "Pod", "n": n, "text": "},\n        {", "nested": [{"a": {}}]} for n in range(5)]
    text = json.dumps(
        {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"x": ""}}, indent=indent
    )
    seen: list[tuple[Any, int]] = []

    def keep(item: Any, index: int, line: int) -> Any:
        seen.append((item, index))
        return index

    (document,) = read_documents(text.encode(), "json", keep)
    assert seen == [(item, index) for index, item in enumerate(items)]
    assert document.value == {
        "apiVersion": "v1",
        "items": [0, 1, 2, 3, 4],
        "kind": "List",
        "metadata": {"x": ""},
    }


BROKEN_LISTS = [
    ("an item that breaks off", '{\n    "items": [\n        {\n            "a": 1\n'),
    ("a list that is not closed", '{\n    "items": [\n        {\n            "a": 1\n        },\n'),
    ("something between the items", '{\n    "items": [\n        {\n        }\n        x\n    ]\n}\n'),
    ("a comma too many", '{\n    "items": [\n        {\n        },\n    ]\n}\n'),
]


@pytest.mark.parametrize("text", [row[1] for row in BROKEN_LISTS], ids=[row[0] for row in BROKEN_LISTS])
def test_a_broken_list_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(DocumentError, match="expected JSON") as caught:
        list(read_documents(text.encode(), "json", lambda item, index, line: item))
    assert caught.value.line
