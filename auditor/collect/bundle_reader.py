"""Reading a bundle as SOURCE: everything in it is checked against its manifest before it is believed."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from auditor.collect.bundle_format import (
    MANIFEST,
    MAX_MEMBER,
    MAX_MEMBERS,
    MAX_TOTAL,
    MEMBER,
    REQUESTS,
    SCOPE,
    BundleFile,
    Manifest,
    Requests,
)
from auditor.model.user_error import UserError

M = TypeVar("M", bound=BaseModel)
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OSError,
    RuntimeError,
    OverflowError,
)
"""What zipfile raises for bytes that are no zip, or were changed."""

MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files all have the size and hash that the manifest gives; `scope_text` if it holds a scope."""

    requests: Requests
    scope_text: str | None
    archive: zipfile.ZipFile
    members: tuple[BundleFile, ...]

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Names and contents of the files with objects, one at a time."""
        for entry in self.members:
            if MEMBER.fullmatch(entry.name):
                yield entry.name, self.archive.read(entry.name)


def open_bundle(data: bytes, name: str) -> Bundle:
    """Check a bundle. Raises UserError naming the bundle, the file in it, and what was expected.

    A bundle is whole or it is refused: nobody can tell what a changed one would have said.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        _check_names(archive, name)
        manifest = _model(_content(archive, MANIFEST, name), Manifest, f"{name}: {MANIFEST}")
        _check_listed(archive, manifest, name)
        for entry in manifest.files:
            _check_file(archive, entry, name)
        requests = _model(_content(archive, REQUESTS, name), Requests, f"{name}: {REQUESTS}")
        has_scope = any(entry.name == SCOPE for entry in manifest.files)
        scope = _content(archive, SCOPE, name).decode("utf-8") if has_scope else None
    except _BROKEN_ZIP as error:
        raise UserError(f"{name}: expected a bundle: {str(error) or type(error).__name__}") from None
    return Bundle(requests, scope, archive, tuple(manifest.files))


def _check_names(archive: zipfile.ZipFile, name: str) -> None:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise UserError(f"{name}: expected files that are stored or deflated")
    if len(infos) > MAX_MEMBERS:
        raise UserError(f"{name}: expected at most {MAX_MEMBERS} files in a bundle (got {len(infos)})")
    for entry in names:
        if entry not in (MANIFEST, REQUESTS, SCOPE) and not MEMBER.fullmatch(entry):
            raise UserError(f"{name}: {entry[:200]!r} is not a file of a bundle")
    if len(set(names)) != len(names):
        raise UserError(f"{name}: a file is in the bundle twice")
    if (
        any(info.file_size > MAX_MEMBER for info in infos)
        or sum(info.file_size for info in infos) > MAX_TOTAL
    ):
        raise UserError(f"{name}: its files expand to more than a bundle may hold")


def _content(archive: zipfile.ZipFile, entry: str, name: str) -> bytes:
    """The bytes of a file. What the zip says of its size isn't believed."""
    try:
        with archive.open(entry) as file:
            content = file.read(MAX_MEMBER + 1)
    except KeyError:
        raise UserError(f"{name}: expected {entry} in the bundle") from None
    if len(content) > MAX_MEMBER:
        raise UserError(f"{name}: {entry} expands to more than {MAX_MEMBER // 1024 // 1024} MiB")
    return content


def _check_listed(archive: zipfile.ZipFile, manifest: Manifest, name: str) -> None:
    listed = [entry.name for entry in manifest.files]
    if listed != sorted(set(listed)):
        raise UserError(f"{name}: {MANIFEST}: files: expected each name once, sorted")
    there = set(archive.namelist()) - {MANIFEST}
    for entry in sorted(there ^ set(listed)):
        what = "is not in the manifest" if entry in there else "is in the manifest but not in the bundle"
        raise UserError(f"{name}: {entry[:200]} {what}")


def _check_file(archive: zipfile.ZipFile, entry: BundleFile, name: str) -> None:
    content = _content(archive, entry.name, name)
    if len(content) != entry.size:
        raise UserError(f"{name}: {entry.name}: expected {entry.size} bytes (got {len(content)})")
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise UserError(f"{name}: {entry.name}: expected sha256 {entry.sha256} (got {digest})")


def _model(content: bytes, model: type[M], where: str) -> M:
    try:
        return model.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise UserError(f"{where}:{error.lineno}: expected JSON: {error.msg}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where}: {path}: {first['msg']}") from None
