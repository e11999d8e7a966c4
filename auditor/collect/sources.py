"""SOURCE to Snapshot: files, folders and standard input, with what may be said of their completeness."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import BinaryIO

from auditor.collect.bundle_format import (
    REQUESTS,
    BundleRequest,
    claims_of_requests,
    gaps_of_requests,
    redactions_in,
)
from auditor.collect.bundle_reader import MAGIC, open_bundle
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

_SCOPE_NAMES = ("scope.yaml", "scope.yml")
_MAX_TOLD = 20
_MAX_CAUSES = 3


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a snapshot file or a bundle says of its objects: whence, when, by whom, which kinds completely."""

    file: SourceFile
    cluster: ClusterIdentity
    collected_at: str | None
    collected_by: str | None
    claims: tuple[Claim, ...]
    about_folder: bool


@dataclass(slots=True)
class _Collected:
    """What has been read so far."""

    objects: list[KubeObject] = field(default_factory=list)
    redactions: list[Redaction] = field(default_factory=list)
    problems: list[tuple[SourceFile, Problem]] = field(default_factory=list)
    ignored: list[tuple[SourceFile, str]] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)
    origins: list[_Origin] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


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
    identity, collected_at, collected_by = _origin(collected.origins)
    return Snapshot(
        objects=tuple(objects),
        claims=tuple(_claims(collected.origins, assume_complete)),
        gaps=_gaps(collected),
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
    elif file.name in NAMES:
        located = parse_snapshot_file(_text(read.data, file), file.shown)
        collected.origins.append(_origin_of_snapshot(file, located.value))
        content = FileContent()
    elif read.data.startswith(MAGIC):
        content = _read_bundle(collected, file, read.data)
    else:
        content = read_content(read.data, file.relative, _format(file.name))
    collected.objects += content.objects
    collected.redactions += content.redactions
    collected.problems += [(file, problem) for problem in content.problems]
    told = [problem.at(file.relative) for problem in content.problems[:_MAX_CAUSES]]
    if not content.objects and not content.problems and content.ignored:
        about = "a scope file, which --scope reads" if file.name in _SCOPE_NAMES else content.ignored[0]
        reason = f"not a Kubernetes object: {about}"
        collected.ignored.append((file, reason))
        told.append(reason)
    problem = "; ".join(told) or None
    collected.inputs.append(InputFile(file.relative, read.size, read.sha256, len(content.objects), problem))


def _origin_of_snapshot(file: SourceFile, snapshot: SnapshotFile) -> _Origin:
    claims = tuple(claims_of(snapshot, file.relative))
    return _Origin(
        file, snapshot.identity, snapshot.collected_at_text, snapshot.collected_by, claims, about_folder=True
    )


def _read_bundle(collected: _Collected, file: SourceFile, data: bytes) -> FileContent:
    bundle = open_bundle(data, file.shown)
    requests = bundle.requests
    content = FileContent(redactions=redactions_in(requests))
    for name, page in bundle.pages():
        found = read_content(page, f"{file.relative}/{name}")
        if found.ignored:
            raise UserError(f"{file.shown}: {name}: expected a list of objects")
        content.objects += found.objects
        content.redactions += found.redactions
        content.problems += found.problems
    if not content.problems:
        _reconcile(requests.requests, content.objects, file.shown)
    identity = ClusterIdentity(requests.cluster.name, requests.cluster.uid)
    claims = tuple(claims_of_requests(requests.requests))
    origin = _Origin(file, identity, requests.collected_at, requests.collected_by, claims, about_folder=False)
    collected.origins.append(origin)
    collected.gaps += gaps_of_requests(requests.requests)
    return content


def _reconcile(requests: Iterable[BundleRequest], objects: Iterable[KubeObject], shown: str) -> None:
    """Hold the objects against the items that complete lists brought. Raises UserError.

    Where a kind was listed under two names of its group, objects that are in both lists are stored once.
    """
    counted: dict[KindKey, Counter[str]] = {}
    for entry in requests:
        if entry.items is not None and entry.completeness is Completeness.COMPLETE:
            api = "/".join(entry.command.split("/")[:4])
            counted.setdefault(KindKey(entry.group, entry.kind), Counter())[api] += entry.items
    there = Counter(obj.key for obj in objects)
    for key, by_api in sorted(counted.items()):
        if not max(by_api.values()) <= there[key] <= by_api.total():
            told = f"{REQUESTS} counts {by_api.total()} of {key.kind}, the bundle holds {there[key]}"
            raise UserError(f"{shown}: {told}")


def _text(data: bytes, file: SourceFile) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file.shown}:{line}: expected UTF-8 text") from None


def read_content(data: bytes, relative: str, form: Format | None = None) -> FileContent:
    """The objects of one file, read as its ending says unless `form` does.

    A file that breaks off gives none: half of it could be taken for the whole.
    """
    content = FileContent()
    try:
        for document in read_documents(data, form or _format(relative), take_item):
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
    for origin in collected.origins:
        file = origin.file
        if file.path is None or not origin.claims or not origin.about_folder:
            continue
        beside = find_files([str(file.path.parent)])
        missing = [other for other in beside if other.path and os.path.realpath(other.path) not in given]
        if missing:
            told = f"claims what its folder holds, but {missing[0].relative} beside it was not given"
            collected.problems.append((file, Problem(0, told)))


def _check_usable(collected: _Collected) -> None:
    if collected.objects or any(origin.claims for origin in collected.origins):
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


def _origin(origins: Sequence[_Origin]) -> tuple[ClusterIdentity, str | None, str | None]:
    """Cluster, time and collector. Of several times the earliest counts: nothing was seen to be so any later."""
    for origin in origins[1:]:
        if not _same_cluster(origins[0].cluster, origin.cluster):
            raise UserError(f"{origins[0].file.shown} and {origin.file.shown} are about different clusters")
    identity = ClusterIdentity(
        next((origin.cluster.name for origin in origins if origin.cluster.name), None),
        next((origin.cluster.uid for origin in origins if origin.cluster.uid), None),
    )
    times = sorted(origin.collected_at for origin in origins if origin.collected_at)
    names = sorted({origin.collected_by for origin in origins if origin.collected_by})
    return identity, times[0] if times and len(times) == len(origins) else None, ", ".join(names) or None


def _same_cluster(one: ClusterIdentity, other: ClusterIdentity) -> bool:
    if one.uid and other.uid:
        return one.uid == other.uid
    return not (one.name and other.name) or one.name == other.name


def _claims(origins: Sequence[_Origin], assume_complete: str | None) -> list[Claim]:
    claims = [claim for origin in origins for claim in origin.claims]
    if assume_complete is not None:
        name = assume_complete.strip()
        if not name or not name.isprintable():
            raise UserError("--assume-complete: expected the name of the person who claims it")
        claims += [Claim(key, None, "", "", name, assumed=True) for key in KNOWN_KINDS]
    return sorted(claims, key=_claim_order)


def _claim_order(claim: Claim) -> tuple[KindKey, str, str, str]:
    return claim.key, claim.selector, ",".join(sorted(claim.namespaces or ())), claim.by


def _gaps(collected: _Collected) -> Mapping[KindKey, Gap]:
    """One gap per kind: what bundles recorded, then the problems of the files that were read."""
    causes: dict[KindKey, list[str]] = {}
    states: dict[KindKey, Completeness] = {}
    anything_missing = any(problem.key is None for _, problem in collected.problems)
    for gap in collected.gaps:
        if anything_missing and gap.state is Completeness.NOT_INSTALLED:
            continue  # the file that can't be read may hold objects of that kind
        causes.setdefault(gap.key, []).append(gap.cause)
        states.setdefault(gap.key, gap.state)
    for key, cause in _unknown_versions(collected.objects):
        causes.setdefault(key, []).append(cause)
        states.setdefault(key, Completeness.PARTIAL)
    for file, problem in collected.problems:
        key = ANY_KIND if problem.key is None else problem.key
        causes.setdefault(key, []).append(problem.at(file.relative))
        states[key] = Completeness.PARTIAL
    return {key: Gap(key, states[key], _joined(told)) for key, told in sorted(causes.items())}


_VERSIONED = ("security.istio.io", "networking.istio.io", "policy.linkerd.io", "gateway.networking.k8s.io")
"""Groups whose versions are known one by one; a field of another version may mean something else."""


def _unknown_versions(objects: Iterable[KubeObject]) -> Iterator[tuple[KindKey, str]]:
    for obj in objects:
        known = KNOWN_KINDS.get(obj.key)
        if known is not None and obj.key.group in _VERSIONED and obj.version not in known.versions:
            yield (
                obj.key,
                f"{obj.id} has the version {obj.version[:60]}, which may have other fields than are read",
            )


def _joined(causes: Sequence[str]) -> str:
    more = f"; and {len(causes) - _MAX_CAUSES} more" if len(causes) > _MAX_CAUSES else ""
    return "; ".join(causes[:_MAX_CAUSES]) + more
