"""One parsed document, and why a file could not be parsed."""

from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 200
"""Levels of nesting. CustomResourceDefinitions, the deepest objects there are, need fewer than 100."""
MAX_DOCUMENT_SIZE = 64 * 1024 * 1024
MAX_FILE_SIZE = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its number in the file from 1, its first line from 1 (0 when unknown), its value."""

    number: int
    line: int
    value: Any


class DocumentError(Exception):
    """A file or document that can't be read; `line` is None where no line can be told."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


def too_large(size: int) -> str:
    """The sentence about a document, or an item of a List, beyond MAX_DOCUMENT_SIZE."""
    limit = MAX_DOCUMENT_SIZE // 1024 // 1024
    return f"one document of {size / 1024 / 1024:.0f} MiB, larger than the limit of {limit} MiB"
