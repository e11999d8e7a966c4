"""Finding and reading the files that SOURCE names: folders, symlinks, what is no file at all."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from auditor.collect.document import MAX_FILE_SIZE
from auditor.model.user_error import UserError

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
_MAX_FOLDER_DEPTH = 64
_PIPES = ("/dev/fd/", "/proc/", "/dev/stdin")
"""Where shells put the pipes of `<(command)`."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read: its path relative to SOURCE, as the user knows it, and on disk (None for standard input).

    `problem` says why it can't be read, where that is known before it is opened.
    """

    relative: str
    shown: str
    path: Path | None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The file's own name, by which snapshot files and JSON are told."""
        return self.path.name if self.path is not None else STDIN


@dataclass(frozen=True, slots=True)
class FileBytes:
    """What was read: the bytes, or why there are none; size and sha256 as far as they are known."""

    data: bytes
    size: int
    sha256: str
    problem: str | None = None


def find_files(sources: Sequence[str]) -> list[SourceFile]:
    """Every file to read, in order, each once. Raises UserError for a source that isn't there or holds no such file."""
    found: list[SourceFile] = []
    for source in sources:
        if source == STDIN:
            found.append(SourceFile(STDIN, "standard input", None))
        elif os.path.isdir(source):
            found += _in_folder(source, several=len(sources) > 1)
        elif os.path.lexists(source):
            found.append(SourceFile(os.path.basename(source), source, Path(source), _kind_problem(source)))
        else:
            raise UserError(f"{source}: no such file or folder")
    return _named_apart(_once(found))


def _in_folder(source: str, *, several: bool) -> list[SourceFile]:
    root = os.path.abspath(source)
    prefix = f"{os.path.basename(root)}/" if several else ""
    found = [
        SourceFile(prefix + relative, os.path.join(source, relative), Path(source, relative), problem)
        for relative, problem in _walk(source, "", set(), 0)
    ]
    if not found:
        raise UserError(f"{source}: no {', '.join(SUFFIXES)} files in this folder")
    return found


def _walk(
    folder: str, prefix: str, seen: set[tuple[int, int]], depth: int
) -> Iterator[tuple[str, str | None]]:
    """Relative paths and what is wrong with them, sorted; hidden names are left out, symlinked folders entered once."""
    try:
        info = os.stat(folder)
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield prefix.rstrip("/") or ".", f"can't be read: {error.strerror}"
        return
    if (info.st_dev, info.st_ino) in seen or depth > _MAX_FOLDER_DEPTH:
        return
    seen.add((info.st_dev, info.st_ino))
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from _walk(path, f"{prefix}{name}/", seen, depth + 1)
        elif name.lower().endswith(SUFFIXES):
            yield prefix + name, _kind_problem(path)


def _kind_problem(path: str) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"can't be read: {error.strerror}"
    readable = stat.S_ISREG(mode) or (path.startswith(_PIPES) and stat.S_ISFIFO(mode))
    return None if readable else "can't be read: not a regular file"


def _once(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Without the files that are given twice, under whatever names."""
    seen: set[object] = set()
    kept = []
    for file in files:
        key: object = file.shown
        if file.path is not None and file.problem is None:
            with suppress(OSError):
                info = os.stat(file.path)
                key = (info.st_dev, info.st_ino)
        if key not in seen:
            seen.add(key)
            kept.append(file)
    return kept


def _named_apart(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Relative paths that are alike get a number, so that evidence names one file."""
    used: set[str] = set()
    named = []
    for file in files:
        given = _as_text(file.relative)
        relative, number = given, 2
        while relative in used:
            relative, number = f"{given}({number})", number + 1
        used.add(relative)
        named.append(SourceFile(relative, file.shown, file.path, file.problem))
    return named


def _as_text(name: str) -> str:
    """A file name that any report can hold: bytes that are no UTF-8 become replacement characters."""
    return os.fsencode(name).decode("utf-8", "replace")


def read_file(file: SourceFile, stdin: BinaryIO) -> FileBytes:
    """The bytes of a file, at most MAX_FILE_SIZE of them."""
    if file.problem is not None:
        return FileBytes(b"", 0, "", file.problem)
    try:
        if file.path is None:
            data = stdin.read(MAX_FILE_SIZE + 1)
        else:
            with file.path.open("rb") as handle:
                data = handle.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        return FileBytes(b"", 0, "", f"can't be read: {error.strerror}")
    if len(data) > MAX_FILE_SIZE:
        limit = MAX_FILE_SIZE // 1024 // 1024
        size = file.path.stat().st_size if file.path else len(data)
        return FileBytes(b"", size, "", f"larger than the limit of {limit} MiB a file")
    return FileBytes(data, len(data), hashlib.sha256(data).hexdigest())
