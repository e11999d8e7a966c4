"""Writing a bundle: a zip of redacted canonical JSON, the same bytes for the same evidence."""

import hashlib
import os
import re
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO

import orjson

from auditor.collect.bundle_format import (
    CORE,
    MANIFEST,
    REQUESTS,
    SCOPE,
    BundleCluster,
    BundleFile,
    BundleRequest,
    Manifest,
    Requests,
    redacted_alike,
    request_of_claim,
    request_of_gap,
    resource_of,
)
from auditor.collect.objects import canonical_bytes
from auditor.model.evidence import Completeness, Snapshot
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject
from auditor.model.user_error import ExitCode, UserError

PAGE_OBJECTS = 500
PAGE_SIZE = 16 * 1024 * 1024
_UNFINISHED = (".auditor-", ".partial")
"""How names of bundles begin and end that are still being written."""

_ABANDONED_AFTER = 24 * 3600.0
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle that is still to be written; `content` may be called more than once."""

    name: str
    content: Callable[[], bytes]
    completeness: Completeness | None = None


def write_bundle(
    path: Path,
    snapshot: Snapshot,
    *,
    requests: Sequence[BundleRequest] | None = None,
    scope_text: str | None = None,
) -> None:
    """Write a snapshot as a bundle, under a temporary name and then renamed: whole or not at all.

    `requests` are the records of a live collection; without them they are made from the snapshot's claims and gaps.
    Raises UserError with exit code 4 when it can't be written; what was at `path` is then as it was.
    """
    records = requests if requests is not None else _records(snapshot)
    write_parts(path, [*object_parts(snapshot), *index_parts(snapshot, records, scope_text)])


def index_parts(
    snapshot: Snapshot, records: Sequence[BundleRequest], scope_text: str | None
) -> Iterator[Part]:
    """What is beside the objects: the records of requests and redactions, and the scope file. The snapshot's objects
    aren't looked at."""
    model = Requests(
        format_version=1,
        cluster=BundleCluster(name=snapshot.cluster.name, uid=snapshot.cluster.uid),
        collected_at=snapshot.collected_at,
        collected_by=snapshot.collected_by,
        requests=sorted(records, key=_request_order),
        redacted=redacted_alike(snapshot.redactions),
    )
    content = _json(model.model_dump(mode="json", exclude={"redactions"}))
    yield Part(REQUESTS, lambda: content)
    if scope_text is not None:
        scope = scope_text.encode()
        yield Part(SCOPE, lambda: scope)


def _records(snapshot: Snapshot) -> list[BundleRequest]:
    return [*map(request_of_claim, snapshot.claims), *map(request_of_gap, snapshot.gaps.values())]


def _request_order(entry: BundleRequest) -> tuple[str, ...]:
    return entry.group, entry.kind, entry.selector, ",".join(entry.namespaces), entry.by, entry.command


def object_parts(snapshot: Snapshot) -> Iterator[Part]:
    """The files with objects: at most PAGE_OBJECTS each, sorted by identity, so that order of arrival is irrelevant."""
    numbers: Counter[str] = Counter()
    for (key, version), page in pages_by_version(snapshot.objects):
        folder = page_folder(key, version)
        numbers[folder] += 1
        name = f"{folder}/{numbers[folder]:04}.json"
        yield Part(name, _PageContent(page), snapshot.completeness(key).state)


def page_folder(key: KindKey, version: str) -> str:
    """Where the objects of a kind lie in a bundle."""
    return f"objects/{_segment(key.group) or CORE}/{_version_segment(version)}/{resource_of(key)}"


def pages_by_version(
    objects: Iterable[KubeObject],
) -> Iterator[tuple[tuple[KindKey, str], list[KubeObject]]]:
    """Objects of one kind and version at a time, sorted, no more of them than a file of a bundle holds."""
    ordered = sorted(objects, key=lambda obj: (obj.key, obj.version, obj.id))
    for place, group in groupby(ordered, lambda obj: (obj.key, obj.version)):
        for page in _pages(group):
            yield place, page


def _segment(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", text.lower())[:253]


def _version_segment(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())[:63] or "v0"


def _pages(objects: Iterable[KubeObject]) -> Iterator[list[KubeObject]]:
    page: list[KubeObject] = []
    size = 0
    for obj in objects:
        length = len(canonical_bytes(obj.body))
        if page and (len(page) >= PAGE_OBJECTS or size + length > PAGE_SIZE):
            yield page
            page, size = [], 0
        page.append(obj)
        size += length
    if page:
        yield page


@dataclass(frozen=True, slots=True)
class _PageContent:
    """The bytes of a page, made when they are asked for: a large cluster's don't fit in memory twice."""

    objects: Sequence[KubeObject]

    def __call__(self) -> bytes:
        return list_bytes([obj.body for obj in self.objects])


def list_bytes(bodies: Sequence[object]) -> bytes:
    """A List of objects in canonical JSON."""
    return _json({"apiVersion": "v1", "items": bodies, "kind": "List"})


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def write_parts(path: Path, parts: Iterable[Part]) -> None:
    """Write the zip: manifest first, names sorted, dates fixed. Raises UserError with exit code 4."""
    ordered = sorted(parts, key=lambda part: part.name)
    try:
        _remove_abandoned(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED[0], suffix=_UNFINISHED[1])
        try:
            with os.fdopen(handle, "wb") as file:
                _write_zip(file, ordered)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise not_written(path, error) from None


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed left behind, or a volume would fill up night by night."""
    for left in folder.glob("*".join(_UNFINISHED)):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                left.unlink()


def not_written(path: Path, error: OSError) -> UserError:
    """What to say when the disk doesn't take a bundle."""
    what = error.strerror or type(error).__name__
    return UserError(f"{path}: the bundle can't be written: {what}", ExitCode.OUTPUT_NOT_WRITTEN)


def _write_zip(file: IO[bytes], parts: Sequence[Part]) -> None:
    manifest = Manifest(format_version=1, files=[_entry(part) for part in parts])
    content = _json(manifest.model_dump(mode="json"))
    with zipfile.ZipFile(file, "w") as archive:
        for part in sorted([*parts, Part(MANIFEST, lambda: content)], key=lambda part: part.name):
            archive.writestr(_info(part.name), part.content(), zipfile.ZIP_DEFLATED, 6)


def _entry(part: Part) -> BundleFile:
    content = part.content()
    digest = hashlib.sha256(content).hexdigest()
    return BundleFile(name=part.name, size=len(content), sha256=digest, completeness=part.completeness)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _FIXED_DATE)
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    return info
