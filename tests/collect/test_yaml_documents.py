"""YAML as Kubernetes reads it, and what is refused. Expectations follow sigs.k8s.io/yaml and YAML 1.1."""

import math

import pytest

from auditor.collect.document import DocumentError
from auditor.collect.documents import read_documents
from auditor.collect.yaml_scalars import ScalarError, resolve_plain

SCALARS = [
    ("a date stays text", "2026-09-30", "2026-09-30"),
    ("a timestamp stays text", "2026-09-30T02:00:00Z", "2026-09-30T02:00:00Z"),
    ("a sexagesimal number stays text", "22:22", "22:22"),
    ("an address stays text", "10.0.0.1", "10.0.0.1"),
    ("yes is a bool", "yes", True),
    ("y is a bool", "y", True),
    ("Off is a bool", "Off", False),
    ("a word in odd case is text", "tRue", "tRue"),
    ("the empty scalar is null", "", None),
    ("a tilde is null", "~", None),
    ("a leading zero means octal", "0644", 420),
    ("0o means octal", "0o17", 15),
    ("0x means hexadecimal", "0x1F", 31),
    ("0b means binary", "-0b101", -5),
    ("digits that are not octal are decimal", "089", 89),
    ("underscores are left out", "1_000", 1000),
    ("an exponent makes a number", "1e3", 1000),
    ("a fraction stays", "0.5", 0.5),
    ("a dot in front", ".5", 0.5),
    ("the largest unsigned integer stays exact", "18446744073709551615", 18446744073709551615),
    ("beyond 64 bits it is a float", "18446744073709551616", 18446744073709551616.0),
    ("a version is text", "1.2.3", "1.2.3"),
    ("a quantity is text", "100m", "100m"),
    ("a plus alone is text", "+", "+"),
    ("a digest is text", "0e1f" * 16, "0e1f" * 16),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in SCALARS], ids=[row[0] for row in SCALARS])
def test_plain_scalar(text: str, expected: object) -> None:
    value = resolve_plain(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.inf", "+.Inf", "1e999"])
def test_numbers_that_json_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(ScalarError, match="expected"):
        resolve_plain(text)


def read(text: str | bytes) -> list[object]:
    data = text if isinstance(text, bytes) else text.encode()
    return [document.value for document in read_documents(data, "yaml")]


ACCEPTED = [
    ("quoted words stay text", "a: 'yes'\nb: \"1\"", [{"a": "yes", "b": "1"}]),
    ("several documents", "a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("empty documents are left out", "---\n---\na: 1\n---\n# nothing\n", [{"a": 1}]),
    ("an explicit end", "a: 1\n...\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("a byte order mark", b"\xef\xbb\xbfa: 1", [{"a": 1}]),
    ("an alias", "a: &x {b: 1}\nc: *x", [{"a": {"b": 1}, "c": {"b": 1}}]),
    ("an alias of a scalar", "a: &x 7\nc: *x", [{"a": 7, "c": 7}]),
    ("an alias as a key", "a: &x name\n*x : 1", [{"a": "name", "name": 1}]),
    (
        "a merge keeps what the mapping says itself",
        "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}",
        [{"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}],
    ),
    (
        "of several merged mappings the first wins",
        "a: {<<: [{b: 1}, {b: 2, c: 3}]}",
        [{"a": {"b": 1, "c": 3}}],
    ),
    ("a quoted << is a key", "'<<': 1", [{"<<": 1}]),
    ("numbers as keys become text", "80: a\ntrue: b\n1.5: c", [{"80": "a", "true": "b", "1.5": "c"}]),
    (
        "tags of the core schema",
        "a: !!str 1\nb: !!int '2'\nc: !!float 3\nd: !!null ''",
        [{"a": "1", "b": 2, "c": 3, "d": None}],
    ),
    ("block scalars", "a: |\n  x: 1\n  ---x\n", [{"a": "x: 1\n---x\n"}]),
    ("flow style with a trailing comma is YAML", '{"a": [1, 2,],}', [{"a": [1, 2]}]),
    ("JSON with surrogate pairs", '{"a": "\\ud83d\\ude00"}', [{"a": "\N{GRINNING FACE}"}]),
    ("a hundred levels", "[" * 100 + "]" * 100, None),
]


@pytest.mark.parametrize(
    ("text", "expected"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_accepted(text: str | bytes, expected: list[object] | None) -> None:
    found = read(text)
    assert expected is None or found == expected


REFUSED = [
    ("broken YAML names its line", "a: 1\nb: [1,\nc: 2]\nd: e: f\n", 4, "expected YAML"),
    (
        "a list that isn't closed names both lines",
        "a: 1\nb: [1,\nc: 2\n",
        4,
        "flow sequence that starts on line 2",
    ),
    ("a tab as indentation", "a:\n\tb: 1", 2, "expected YAML"),
    ("a key given twice", "a: 1\nb:\n  c: 1\n  c: 2\n", 4, "key 'c' is given twice"),
    ("keys that become the same text", "1: a\n'1': b\n", 2, "key '1' is given twice"),
    ("a mapping as key", "? {a: 1}\n: 2\n", 1, "expected a key that is text"),
    ("null as key", "a: 1\n~: 2\n", 2, "expected a key that is text"),
    ("an alias to nothing", "a: 1\nb: *x\n", 2, "refers to nothing"),
    ("an alias to itself", "a: &x\n  b: *x\n", 2, "refers to itself"),
    ("not a number", "a: 1\nb: .nan\n", 2, "finite number"),
    ("a tag for Python", "a: !!python/object/apply:os.system [ls]\n", 1, "expected no tag"),
    ("a local tag", "a: !Ref x\n", 1, "expected no tag"),
    ("a tag that lies", "a: !!int x\n", 1, "expected a value that is !!int"),
    ("bytes that are not UTF-8", b"a: 1\nb: \xff\xfe\n", 2, "expected UTF-8 text"),
    ("UTF-16", "a: 1".encode("utf-16"), 1, "this is UTF-16"),
    ("UTF-32", "a: 1".encode("utf-32"), 1, "this is UTF-32"),
    ("control characters", b"a: 1\nb: \x00\n", 2, "expected YAML"),
    ("merging a scalar", "a: {<<: 1}", 1, "after <<"),
    ("sequences that are too deep", "[" * 100_000, 1, "nested deeper than 200 levels"),
    (
        "mappings that are too deep",
        "\n".join(" " * depth + "a:" for depth in range(300)),
        201,
        "nested deeper",
    ),
    (
        "depth by aliases",
        "a: &a " + "[" * 150 + "]" * 150 + "\nb: " + "[" * 150 + "*a" + "]" * 150,
        None,
        "nested deeper",
    ),
]


@pytest.mark.parametrize(
    ("text", "line", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(text: str | bytes, line: int | None, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert message in str(caught.value)
    assert line is None or caught.value.line == line


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_an_alias_bomb_is_refused_by_what_it_expands_to() -> None:
    with pytest.raises(DocumentError, match="aliases expand to more than") as caught:
        read(bomb(30))
    assert caught.value.line is not None


def test_a_bomb_of_a_long_text_is_refused() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]"
    with pytest.raises(DocumentError, match="aliases expand"):
        read(text)


def test_many_documents_with_small_expansions_share_one_budget() -> None:
    document = f"a: &a {'x' * 20_000}\nb: [{', '.join(['*a'] * 200)}]\n---\n"
    with pytest.raises(DocumentError, match="aliases expand"):
        read(document * 20)


def test_what_aliases_share_becomes_separate_objects() -> None:
    (value,) = read("a: &x {b: 1}\nc: *x")
    assert isinstance(value, dict)
    assert value["a"] is not value["c"]


def test_one_large_document_is_refused_before_it_is_parsed() -> None:
    text = b"a: 1\n---\nkind: ConfigMap\ndata: '" + b"x" * (65 * 1024 * 1024) + b"'\n"
    with pytest.raises(
        DocumentError, match="one document of 65 MiB, larger than the limit of 64 MiB"
    ) as caught:
        read(text)
    assert caught.value.line == 2


def test_many_documents_may_be_large_together() -> None:
    document = b"a: '" + b"x" * (1024 * 1024) + b"'\n---\n"
    assert len(read(document * 70)) == 70


def test_document_numbers_and_lines() -> None:
    text = b"# first\n---\na: 1\n---\n---\nb: 2\n"
    assert [(d.number, d.line) for d in read_documents(text, "yaml")] == [(1, 2), (3, 5)]


def test_floats_without_a_fraction_are_integers_as_in_json() -> None:
    (value,) = read("a: 3.0")
    assert value == {"a": 3}
    assert isinstance(value, dict)
    assert type(value["a"]) is int
    assert not math.isnan(value["a"])
