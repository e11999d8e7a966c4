"""YAML with bounds: values are built from libyaml's events, with no recursion, so that nothing in a file can crash the run.

Depth, the size that aliases expand to and the size of one document are counted while parsing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from auditor.collect.document import MAX_DEPTH, MAX_DOCUMENT_SIZE, Document, DocumentError, too_large
from auditor.collect.yaml_scalars import ScalarError, key_text, resolve_plain, resolve_tagged

OnItem = Callable[[Any, int, int], Any]
"""What to keep of a List's item: called with the item, its index and its line as soon as it is parsed."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LEAST_EXPANSION, _MOST_EXPANSION = 4 * 1024 * 1024, 256 * 1024 * 1024
_EXPANSION_FACTOR = 4
_MAX_CACHED = 200_000
_CONTAINER_WEIGHT, _SCALAR_WEIGHT = 16, 8
_CONTAINER_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_OPEN = object()
_NO_KEY = object()
_MERGE = object()


class _Frame:
    """A mapping or sequence that is being filled."""

    __slots__ = ("anchor", "key", "line", "merges", "value", "weight")

    def __init__(self, value: Any, anchor: str | None, weight: int, line: int) -> None:
        self.value = value
        self.anchor = anchor
        self.weight = weight
        self.line = line
        self.key: Any = _NO_KEY
        self.merges: list[Any] | None = None


def yaml_documents(data: bytes, on_item: OnItem | None = None) -> Iterator[Document]:
    """The documents of a YAML stream, empty ones left out. Raises DocumentError with the line."""
    parser = _LOADER(data)
    limit = min(_MOST_EXPANSION, max(_LEAST_EXPANSION, _EXPANSION_FACTOR * len(data)))
    try:
        yield from _Reader(parser.get_event, on_item, limit).documents()
    except yaml.reader.ReaderError as error:
        line = data[: error.position].count(b"\n") + 1
        raise DocumentError(line, f"expected YAML: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_line(error), f"expected YAML: {_problem(error)}") from None
    finally:
        parser.dispose()


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    told = error.problem or "it can't be read"
    if error.context and error.context_mark:
        told += f", {error.context} that starts on line {error.context_mark.line + 1}"
    return told


class _Reader:
    def __init__(self, next_event: Callable[[], Any], on_item: OnItem | None, limit: int) -> None:
        self._next = next_event
        self._on_item = on_item
        self._plain: dict[str, Any] = {}
        self._limit = limit
        self._expansion = 0

    def documents(self) -> Iterator[Document]:
        number = 0
        while type(event := self._next()) is not StreamEndEvent:
            if type(event) is not DocumentStartEvent:
                continue
            number += 1
            mark: Any = event.start_mark
            line = mark.line + 1
            value = self._document()
            if value is not None:
                yield Document(number, line, value)

    def _document(self) -> Any:
        """The value of one document. The loop is one function because it runs a million times for a large cluster."""
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._weight = 0
        expanded_before = self._expansion
        stack, following, plain = self._stack, self._next, self._plain
        while True:
            event = following()
            kind = type(event)
            if kind is ScalarEvent:
                text = event.value
                self._weight += len(text) + _SCALAR_WEIGHT
                if event.implicit[0]:
                    try:
                        value = plain[text]
                    except KeyError:
                        value = self._resolve(event, text)
                    if text == "<<" and stack and stack[-1].key is _NO_KEY and type(stack[-1].value) is dict:
                        value = _MERGE
                else:
                    value = text if event.implicit[1] else self._resolve(event, text)
                if event.anchor is not None:
                    self._anchors[event.anchor] = (value, len(text) + _SCALAR_WEIGHT)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._open(event, {} if kind is MappingStartEvent else [])
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = self._close()
            elif kind is AliasEvent:
                value = self._alias(event)
            else:
                return None
            if not stack:
                return _unshared(value, event) if self._expansion > expanded_before else value
            frame = stack[-1]
            if type(frame.value) is list:
                frame.value.append(value)
            elif frame.key is _NO_KEY:
                frame.key = value if value is _MERGE else self._key(frame, value, event)
            else:
                self._set(frame, value, event)

    def _open(self, event: Any, value: Any) -> None:
        line = event.start_mark.line + 1
        if len(self._stack) >= MAX_DEPTH:
            raise DocumentError(line, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag not in _CONTAINER_TAGS:
            raise DocumentError(line, f"expected no tag here (got {str(event.tag)[:60]})")
        if event.anchor is not None:
            self._anchors[event.anchor] = (_OPEN, 0)
        self._stack.append(_Frame(value, event.anchor, self._weight, line))
        self._weight += _CONTAINER_WEIGHT

    def _close(self) -> Any:
        frame = self._stack.pop()
        if frame.merges is not None:
            _merge(frame.value, frame.merges, frame.line)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.value, self._weight - frame.weight)
        stack = self._stack
        if self._on_item and len(stack) == 2 and stack[0].key == "items" and type(stack[1].value) is list:
            if self._weight - frame.weight > MAX_DOCUMENT_SIZE:
                raise DocumentError(frame.line, too_large(self._weight - frame.weight))
            value = _unshared(frame.value, None, frame.line) if self._expansion else frame.value
            return self._on_item(value, len(stack[1].value), frame.line)
        return frame.value

    def _alias(self, event: Any) -> Any:
        line = event.start_mark.line + 1
        value, weight = self._anchors.get(event.anchor, (None, -1))
        if weight < 0:
            raise DocumentError(line, f"alias *{event.anchor[:60]} refers to nothing")
        if value is _OPEN:
            raise DocumentError(line, f"alias *{event.anchor[:60]} refers to itself")
        self._weight += weight
        self._expansion += weight
        if self._expansion > self._limit:
            raise DocumentError(line, f"aliases expand to more than {self._limit // 1024} KiB")
        return value

    def _resolve(self, event: Any, text: str) -> Any:
        try:
            if not event.implicit[0]:
                return resolve_tagged(text, event.tag or "!")
            value = resolve_plain(text)
        except ScalarError as error:
            raise DocumentError(event.start_mark.line + 1, str(error)) from None
        if len(self._plain) < _MAX_CACHED:
            self._plain[text] = value
        return value

    def _key(self, frame: _Frame, value: Any, event: Any) -> str:
        try:
            key = key_text(value)
        except ScalarError as error:
            raise DocumentError(event.start_mark.line + 1, str(error)) from None
        if key in frame.value:
            raise DocumentError(event.start_mark.line + 1, f"key {key[:80]!r} is given twice")
        return key

    def _set(self, frame: _Frame, value: Any, event: Any) -> None:
        key, frame.key = frame.key, _NO_KEY
        if key is _MERGE:
            frame.merges = [*(frame.merges or ()), *(value if isinstance(value, list) else [value])]
        else:
            frame.value[key] = value


def _merge(target: dict[str, Any], sources: list[Any], line: int) -> None:
    """`<<`: what the mapping has itself wins, then the earlier source."""
    for source in sources:
        if not isinstance(source, dict):
            raise DocumentError(line, "expected a mapping, or a list of mappings, after <<")
        for key, value in source.items():
            target.setdefault(key, value)


def _unshared(value: Any, event: Any, line: int = 0) -> Any:
    """A copy in which nothing is shared, so that changing one place (redaction) doesn't change another."""
    import orjson

    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError:
        at = line or (event.start_mark.line + 1 if event is not None else 1)
        raise DocumentError(at, f"nested deeper than {MAX_DEPTH} levels") from None
