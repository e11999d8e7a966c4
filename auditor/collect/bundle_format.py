"""Bundle format 1: what is in the zip, and the models of its two index files (contracts, Bundle)."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from auditor.model.evidence import Claim, Completeness, Gap, Redaction
from auditor.model.kinds import KNOWN_KINDS, KindKey
from auditor.model.objects import ObjectId
from auditor.model.scope import Strict

MANIFEST, REQUESTS, SCOPE = "manifest.json", "requests.json", "scope.yaml"
MEMBER = re.compile(r"objects/[a-z0-9.-]{1,253}/[a-z0-9]{1,63}/[a-z0-9.-]{1,253}/[0-9]{4,8}\.json")
"""Names of the files with objects: group (`core` for the group without a name), version, resource, number."""

CORE = "core"
MAX_MEMBER = 64 * 1024 * 1024
MAX_TOTAL = 4 * 1024 * 1024 * 1024
MAX_MEMBERS = 100_000


class BundleFile(Strict):
    """A file of the bundle: its size in bytes, the sha256 of its bytes, how complete its kind is."""

    name: str
    size: Annotated[int, Field(ge=0, le=MAX_MEMBER)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    completeness: Completeness | None = None


class Manifest(Strict):
    """`manifest.json`: every other file of the bundle, sorted by name."""

    format_version: Literal[1]
    files: list[BundleFile]


class BundleRequest(Strict):
    """What was asked for a kind, and what came of it. Kind `*` speaks of every kind.

    A record that is complete or not installed is a claim; any other is a gap, with its cause.
    """

    group: str
    kind: str
    resource: str
    namespaces: Literal["*"] | list[str] = "*"
    selector: str = ""
    command: str = ""
    by: str = ""
    assumed: bool = False
    version: str | None = None
    resource_version: str | None = None
    items: int | None = None
    completeness: Completeness
    cause: str = ""


class BundleRedaction(Strict):
    """Fields that were dropped from an object before it was stored, as bundles of earlier versions list them."""

    group: str
    kind: str
    namespace: str
    name: str
    fields: list[str]
    reason: str


class DroppedFields(Strict):
    """Fields that were dropped, and why."""

    fields: list[str]
    reason: str


class RedactedAlike(Strict):
    """Objects of a kind of which the same was dropped before they were stored: their names by namespace, sorted."""

    group: str
    kind: str
    dropped: list[DroppedFields]
    objects: dict[str, list[str]]


class BundleCluster(Strict):
    """The cluster's identity, as far as it is known."""

    name: str | None = None
    uid: str | None = None


class Requests(Strict):
    """`requests.json`: who asked which cluster for what, when, what came of it, and what was dropped."""

    format_version: Literal[1]
    cluster: BundleCluster
    collected_at: str | None
    collected_by: str | None
    requests: list[BundleRequest]
    redactions: list[BundleRedaction] = []
    """Only in bundles of earlier versions: one entry for each object took 64 MiB for 80,000 pods."""
    redacted: list[RedactedAlike] = []


def request_of_claim(claim: Claim) -> BundleRequest:
    """The record of a claim."""
    known = KNOWN_KINDS.get(claim.key)
    return BundleRequest(
        group=claim.key.group,
        kind=claim.key.kind,
        resource=known.plural if known else claim.key.kind.lower(),
        namespaces="*" if claim.namespaces is None else sorted(claim.namespaces),
        selector=claim.selector,
        command=claim.command,
        by=claim.by,
        assumed=claim.assumed,
        completeness=Completeness.COMPLETE,
    )


def request_of_gap(gap: Gap) -> BundleRequest:
    """The record of a gap."""
    known = KNOWN_KINDS.get(gap.key)
    resource = known.plural if known else gap.key.kind.lower()
    return BundleRequest(
        group=gap.key.group, kind=gap.key.kind, resource=resource, completeness=gap.state, cause=gap.cause
    )


def claims_of_requests(requests: Iterable[BundleRequest]) -> list[Claim]:
    """The claims among the records."""
    return [
        Claim(
            key=KindKey(entry.group, entry.kind),
            namespaces=None if entry.namespaces == "*" else frozenset(entry.namespaces),
            selector=entry.selector,
            command=entry.command,
            by=entry.by,
            assumed=entry.assumed,
        )
        for entry in requests
        if entry.completeness is Completeness.COMPLETE
    ]


def gaps_of_requests(requests: Iterable[BundleRequest]) -> list[Gap]:
    """What the records say is not complete, or not installed."""
    return [
        Gap(KindKey(entry.group, entry.kind), entry.completeness, entry.cause)
        for entry in requests
        if entry.completeness is not Completeness.COMPLETE
    ]


def redactions_in(requests: Requests) -> list[Redaction]:
    """The redactions, as they were recorded, sorted."""
    found = [
        Redaction(ObjectId(e.group, e.kind, e.namespace, e.name), tuple(e.fields), e.reason)
        for e in requests.redactions
    ]
    found += [
        Redaction(ObjectId(alike.group, alike.kind, namespace, name), tuple(dropped.fields), dropped.reason)
        for alike in requests.redacted
        for namespace, names in alike.objects.items()
        for name in names
        for dropped in alike.dropped
    ]
    return sorted(found, key=lambda entry: (entry.object, entry.reason, entry.fields))


def redacted_alike(redactions: Iterable[Redaction]) -> list[RedactedAlike]:
    """The record of redactions, sorted: each name once, however much was dropped of its object."""
    by_object: dict[ObjectId, list[tuple[str, tuple[str, ...]]]] = {}
    for entry in redactions:
        by_object.setdefault(entry.object, []).append((entry.reason, entry.fields))
    alike: dict[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], dict[str, list[str]]] = {}
    for (group, kind, namespace, name), dropped in sorted(by_object.items()):
        places = alike.setdefault((group, kind, tuple(sorted(dropped))), {})
        places.setdefault(namespace, []).append(name)
    return [
        RedactedAlike(
            group=group,
            kind=kind,
            dropped=[DroppedFields(fields=list(fields), reason=reason) for reason, fields in dropped],
            objects=places,
        )
        for (group, kind, dropped), places in sorted(alike.items(), key=lambda entry: entry[0])
    ]


def resource_of(key: KindKey) -> str:
    """The plural under which a kind is stored; the kind in small letters for kinds that nothing reads."""
    known = KNOWN_KINDS.get(key)
    return known.plural if known else re.sub(r"[^a-z0-9.-]", "-", key.kind.lower())[:253] or "-"
