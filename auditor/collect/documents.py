"""Bytes to documents: YAML (many documents) or JSON, bounded in size and depth."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import orjson

from auditor.collect.document import MAX_DEPTH, MAX_DOCUMENT_SIZE, Document, DocumentError, too_large
from auditor.collect.yaml_documents import OnItem, yaml_documents

Format = Literal["json", "yaml", "either"]
"""How to read: by what the file's name says; `either` looks at the first characters."""

_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UTF8_BOM = b"\xef\xbb\xbf"
_JSON_START = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\]])")
_LIST_START = re.compile(rb"(---[ \t]*\r?\n)?apiVersion: v1\r?\nitems:\r?\n- ")
"""How `kubectl get -o yaml` starts a List: its items are taken one by one, so the List itself may be large."""
_SEPARATOR = re.compile(rb"^---", re.MULTILINE)


def read_documents(data: bytes, form: Format = "either", on_item: OnItem | None = None) -> Iterator[Document]:
    """The documents in `data`, empty ones left out.

    `on_item` is called with each element of a document's top-level `items` and returns what to keep of it. Raises
    DocumentError for other encodings than UTF-8, broken YAML or JSON, and what exceeds the bounds.
    """
    text = _utf8(data)
    with _without_collector():
        if form == "json" or (form == "either" and _JSON_START.match(text)):
            yield from _json_documents(text, on_item)
        elif form == "yaml" and _JSON_START.match(text):
            yield from _json_or_yaml(text, on_item)
        else:
            _check_document_sizes(text)
            yield from yaml_documents(text, on_item)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Parsing makes millions of objects and no cycles; looking for them would take a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _utf8(data: bytes) -> bytes:
    for bom, name in _BOMS:
        if data.startswith(bom):
            raise DocumentError(1, f"expected UTF-8 text (this is {name})")
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise DocumentError(line, "expected UTF-8 text") from None
    return data.removeprefix(_UTF8_BOM)


def _check_document_sizes(data: bytes) -> None:
    """Before anything is parsed: no two `---` may be further apart than a document may be large."""
    if len(data) <= MAX_DOCUMENT_SIZE:
        return
    start = 0
    for match in [*_SEPARATOR.finditer(data), None]:
        end = match.start() if match else len(data)
        if end - start > MAX_DOCUMENT_SIZE and not _LIST_START.match(data, start):
            raise DocumentError(data.count(b"\n", 0, start) + 1, too_large(end - start))
        start = end


def _json_or_yaml(data: bytes, on_item: OnItem | None) -> Iterator[Document]:
    """A .yaml file that looks like JSON: JSON is faster, and YAML's flow style is allowed to look like it."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        _check_document_sizes(data)
        yield from yaml_documents(data, on_item)
    else:
        yield from _json_documents(data, on_item)


def _json_documents(data: bytes, on_item: OnItem | None) -> Iterator[Document]:
    if on_item is not None and (streamed := _streamed_list(data, on_item)) is not None:
        yield Document(1, 1, streamed)
        return
    for number, value in enumerate(_json_values(data), 1):
        items = value.get("items") if isinstance(value, dict) else None
        if not isinstance(items, list) and len(data) > MAX_DOCUMENT_SIZE and number == 1:
            raise DocumentError(1, too_large(len(data)))
        if isinstance(items, list) and on_item:
            for index, item in enumerate(items):
                items[index] = on_item(item, index, 0)
        if value is not None:
            yield Document(number, 1 if number == 1 else 0, value)


def _json_values(data: bytes) -> Iterator[Any]:
    try:
        return iter([orjson.loads(data)])
    except orjson.JSONDecodeError as error:
        if not str(error.msg).startswith("unexpected content after document"):
            raise _json_error(error) from None
        return _concatenated(data)


_ITEMS, _ITEM_END, _ITEMS_END = b'\n    "items": [\n        {\n', b"\n        }", b"\n    ]"


def _streamed_list(data: bytes, on_item: OnItem) -> dict[str, Any] | None:
    """A List as kubectl lays it out, parsed item by item so that the whole is never in memory; None for other layouts.

    Strings in JSON hold no line breaks, so a line that closes an item can't be inside one; should the layout be
    another after all, a part doesn't parse, and the caller reads the file as a whole.
    """
    start = data.find(_ITEMS, 0, 10_000)
    if start < 0:
        return None
    items: list[Any] = []
    begin, view = start + _ITEMS.index(b"["), memoryview(data)
    try:
        while data[begin : begin + 1] in (b"[", b","):
            end = data.index(_ITEM_END, begin) + len(_ITEM_END)
            items.append(on_item(orjson.loads(view[begin + 1 : end]), len(items), 0))
            begin = end
        if not data.startswith(_ITEMS_END, begin):
            return None
        rest = orjson.loads(data[:start] + b'\n"items":[' + data[begin:])
    except ValueError:
        return None
    return {**rest, "items": items} if isinstance(rest, dict) else None


def _json_error(error: json.JSONDecodeError) -> DocumentError:
    if "limit" in error.msg:
        return DocumentError(error.lineno, f"nested deeper than {MAX_DEPTH} levels")
    return DocumentError(error.lineno, f"expected JSON: {error.msg}")


def _concatenated(data: bytes) -> Iterator[Any]:
    """JSON documents one after another, as `kubectl get --watch` and joined files have them."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    text = data.decode("utf-8")
    position = 0
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _json_error(error) from None
        except (RecursionError, ValueError) as error:
            line = text.count("\n", 0, position) + 1
            expected = (
                str(error) if isinstance(error, ValueError) else f"nested deeper than {MAX_DEPTH} levels"
            )
            raise DocumentError(line, expected) from None
        yield value
        position = _skip_space(text, position)


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _refuse_constant(name: str) -> float:
    raise ValueError(f"expected a finite number (got {name})")
