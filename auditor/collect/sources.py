"""SOURCE to Snapshot: files, folders and standard input, with what may be said of their completeness."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import BinaryIO

from auditor.collect.config_maps import keep_named_config_maps
from auditor.collect.document import DocumentError
from auditor.collect.documents import Format, read_documents
from auditor.collect.objects import FileContent, Problem, same_but_for_version, take_document, take_item
from auditor.collect.snapshot_file import NAMES, SnapshotFile, claims_of, parse_snapshot_file
from auditor.collect.source_files import FileBytes, SourceFile, find_files, read_file
from auditor.model.evidence import (
    ANY_KIND,
    Claim,
    ClusterIdentity,
    Completeness,
    Gap,
    InputFile,
    Redaction,
    Snapshot,
)
from auditor.model.kinds import KNOWN_KINDS, KindKey
from auditor.model.objects import KubeObject, ObjectId
from auditor.model.user_error import UserError

Progress = Callable[[str], None]
"""Told the relative path of each file before it is read."""

_MAX_TOLD = 20
_MAX_CAUSES = 3


@dataclass(slots=True)
class _Collected:
    """What has been read so far."""

    objects: list[KubeObject] = field(default_factory=list)
    redactions: list[Redaction] = field(default_factory=list)
    problems: list[tuple[SourceFile, Problem]] = field(default_factory=list)
    ignored: list[tuple[SourceFile, str]] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)
    snapshots: list[tuple[SourceFile, SnapshotFile]] = field(default_factory=list)


def read_sources(
    sources: Sequence[str],
    *,
    assume_complete: str | None = None,
    stdin: BinaryIO,
    progress: Progress | None = None,
) -> Snapshot:
    """Read every file that `sources` name.

    A file or object that can't be read is named in `inputs` and leaves a gap; the rest goes on. Raises UserError when
    a source isn't there, nothing at all is usable, two different objects have one identity, a snapshot file doesn't
    fit its schema, or two of them are about different clusters.
    """
    collected = _Collected()
    files = find_files(sources)
    for file in files:
        if progress is not None:
            progress(file.relative)
        _read_into(collected, file, read_file(file, stdin))
    _check_siblings(collected, files)
    _check_usable(collected)
    objects = _merge(collected.objects, {file.relative: file.shown for file in files})
    objects, more = keep_named_config_maps(objects)
    identity, collected_at, collected_by = _origin(collected.snapshots)
    return Snapshot(
        objects=tuple(objects),
        claims=tuple(_claims(collected.snapshots, assume_complete)),
        gaps=_gaps(collected.problems),
        cluster=identity,
        collected_at=collected_at,
        collected_by=collected_by,
        inputs=tuple(sorted(collected.inputs, key=lambda entry: entry.path)),
        redactions=tuple(sorted({*collected.redactions, *more}, key=_redaction_order)),
    )


def _redaction_order(entry: Redaction) -> tuple[ObjectId, str, tuple[str, ...]]:
    return entry.object, entry.reason, entry.fields


def _read_into(collected: _Collected, file: SourceFile, read: FileBytes) -> None:
    if read.problem is not None:
        content = FileContent(problems=[Problem(0, read.problem)])
    elif PurePath(file.relative).name in NAMES:
        located = parse_snapshot_file(_text(read.data, file), file.shown)
        collected.snapshots.append((file, located.value))
        content = FileContent()
    else:
        content = read_content(read.data, file.relative)
    collected.objects += content.objects
    collected.redactions += content.redactions
    collected.problems += [(file, problem) for problem in content.problems]
    told = [problem.at(file.relative) for problem in content.problems[:_MAX_CAUSES]]
    if not content.objects and not content.problems and content.ignored:
        reason = f"not a Kubernetes object: {content.ignored[0]}"
        collected.ignored.append((file, reason))
        told.append(reason)
    problem = "; ".join(told) or None
    collected.inputs.append(InputFile(file.relative, read.size, read.sha256, len(content.objects), problem))


def _text(data: bytes, file: SourceFile) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file.shown}:{line}: expected UTF-8 text") from None


def read_content(data: bytes, relative: str) -> FileContent:
    """The objects of one file. A file that breaks off gives none: half of it could be taken for the whole."""
    content = FileContent()
    try:
        for document in read_documents(data, _format(relative), take_item):
            take_document(document, relative, content)
    except DocumentError as error:
        hint = "; a template? render it first" if b"{{" in data else ""
        return FileContent(problems=[Problem(error.line or 0, f"{error}{hint}")])
    if content.objects and content.ignored:
        content.problems += [Problem(0, f"{reason}") for reason in content.ignored]
    return content


def _format(relative: str) -> Format:
    suffix = PurePath(relative).suffix.lower()
    return "json" if suffix == ".json" else "yaml" if suffix in (".yaml", ".yml") else "either"


def _check_siblings(collected: _Collected, files: Sequence[SourceFile]) -> None:
    """A claim is about the folder of its snapshot file: it doesn't hold when only some of the files were given."""
    given = {os.path.realpath(file.path) for file in files if file.path is not None}
    for file, snapshot in collected.snapshots:
        if file.path is None or not snapshot.complete:
            continue
        beside = find_files([str(file.path.parent)])
        missing = [other for other in beside if other.path and os.path.realpath(other.path) not in given]
        if missing:
            told = f"claims what its folder holds, but {missing[0].relative} beside it was not given"
            collected.problems.append((file, Problem(0, told)))


def _check_usable(collected: _Collected) -> None:
    if collected.objects or any(snapshot.complete for _, snapshot in collected.snapshots):
        return
    lines = [problem.at(file.shown) for file, problem in collected.problems]
    lines += [f"{file.shown}: {reason}" for file, reason in collected.ignored]
    if not lines:
        names = ", ".join(entry.path for entry in collected.inputs[:_MAX_CAUSES])
        raise UserError(f"no Kubernetes objects in the input ({names})")
    if len(lines) > _MAX_TOLD:
        lines = [*lines[:_MAX_TOLD], f"and {len(lines) - _MAX_TOLD} more"]
    raise UserError("\n".join(lines))


def _merge(objects: Iterable[KubeObject], shown: Mapping[str, str]) -> list[KubeObject]:
    """One object per identity, sorted. Raises UserError when two of one identity differ."""
    by_id: dict[ObjectId, KubeObject] = {}
    conflicts = []
    for obj in objects:
        other = by_id.setdefault(obj.id, obj)
        if other is obj:
            continue
        if not same_but_for_version(obj, other):
            conflicts.append((obj.id, other.source, obj.source))
        elif (_version_rank(obj), obj.source) < (_version_rank(other), other.source):
            by_id[obj.id] = obj
    if conflicts:
        raise UserError("\n".join(_conflict(*entry, shown) for entry in conflicts[:_MAX_TOLD]))
    return [by_id[key] for key in sorted(by_id)]


def _version_rank(obj: KubeObject) -> int:
    known = KNOWN_KINDS.get(obj.key)
    versions = known.versions if known else ()
    return versions.index(obj.version) if obj.version in versions else len(versions)


def _conflict(identity: ObjectId, first: str, second: str, shown: Mapping[str, str]) -> str:
    one, other = (_shown_source(source, shown) for source in (first, second))
    return f"two different objects are {str(identity).lstrip('/')}: {one} and {other}"


def _shown_source(source: str, shown: Mapping[str, str]) -> str:
    path, _, place = source.rpartition("#")
    return f"{shown.get(path, path)} (document {place})"


def _origin(
    snapshots: Sequence[tuple[SourceFile, SnapshotFile]],
) -> tuple[ClusterIdentity, str | None, str | None]:
    """Cluster, time and collector. Of several times the earliest counts: nothing was seen to be so any later."""
    first: tuple[SourceFile, SnapshotFile] | None = None
    for file, snapshot in snapshots:
        if first is None:
            first = (file, snapshot)
        elif not _same_cluster(first[1].identity, snapshot.identity):
            raise UserError(f"{first[0].shown} and {file.shown} are about different clusters")
    identity = ClusterIdentity(
        next((s.cluster.name for _, s in snapshots if s.cluster.name), None),
        next((s.cluster.uid for _, s in snapshots if s.cluster.uid), None),
    )
    times = [s.collected_at_text for _, s in snapshots]
    known = sorted(time for time in times if time)
    names = sorted({s.collected_by for _, s in snapshots if s.collected_by})
    return identity, known[0] if known and len(known) == len(times) else None, ", ".join(names) or None


def _same_cluster(one: ClusterIdentity, other: ClusterIdentity) -> bool:
    if one.uid and other.uid:
        return one.uid == other.uid
    return not (one.name and other.name) or one.name == other.name


def _claims(snapshots: Sequence[tuple[SourceFile, SnapshotFile]], assume_complete: str | None) -> list[Claim]:
    claims = [claim for file, snapshot in snapshots for claim in claims_of(snapshot, file.relative)]
    if assume_complete is not None:
        name = assume_complete.strip()
        if not name or not name.isprintable():
            raise UserError("--assume-complete: expected the name of the person who claims it")
        claims += [Claim(key, None, "", "", name, assumed=True) for key in KNOWN_KINDS]
    return sorted(claims, key=_claim_order)


def _claim_order(claim: Claim) -> tuple[KindKey, str, str, str]:
    return claim.key, claim.selector, ",".join(sorted(claim.namespaces or ())), claim.by


def _gaps(problems: Iterable[tuple[SourceFile, Problem]]) -> Mapping[KindKey, Gap]:
    causes: dict[KindKey, list[str]] = {}
    for file, problem in problems:
        key = ANY_KIND if problem.key is None else problem.key
        causes.setdefault(key, []).append(problem.at(file.relative))
    return {key: Gap(key, Completeness.PARTIAL, _joined(told)) for key, told in sorted(causes.items())}


def _joined(causes: Sequence[str]) -> str:
    more = f"; and {len(causes) - _MAX_CAUSES} more" if len(causes) > _MAX_CAUSES else ""
    return "; ".join(causes[:_MAX_CAUSES]) + more
