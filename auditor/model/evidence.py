"""What was collected, by which request, when, how complete (contracts: input claims)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject, ObjectId


class Completeness(StrEnum):
    """How much of a kind the evidence holds."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    NOT_INSTALLED = "not-installed"


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word that all objects of a resource are in the input.

    `namespaces` None means all; `selector` empty means unfiltered; `by` says who claims it (the snapshot file,
    a request record, or the person named with --assume-complete).
    """

    key: KindKey
    namespaces: frozenset[str] | None
    selector: str
    command: str
    by: str
    assumed: bool = False
    """Claimed by --assume-complete: it says nothing of what runs (agents, proxies), which is observed or unknown."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a kind cannot be taken as complete: its state, and the cause in one sentence."""

    key: KindKey
    state: Completeness
    cause: str


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read: path relative to SOURCE, size in bytes, sha256 of its bytes, objects taken."""

    path: str
    size: int
    sha256: str
    objects: int
    problem: str | None = None

    @property
    def located(self) -> str | None:
        """The problem with the file's path in front, as those found inside a file have it already."""
        if self.problem is None or self.is_broken:
            return self.problem
        return f"{self.path}: {self.problem}"

    @property
    def is_broken(self) -> bool:
        """Whether something that should have been read wasn't; a file without Kubernetes objects isn't broken."""
        return self.problem is not None and self.problem.startswith(f"{self.path}:")


@dataclass(frozen=True, slots=True)
class Redaction:
    """Content that was dropped while parsing, so that it is never stored or printed."""

    object: ObjectId
    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The cluster's name and uid (of the kube-system Namespace); None where it isn't recorded."""

    name: str | None = None
    uid: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was collected: the objects, sorted by id, and what may be said of their completeness."""

    objects: tuple[KubeObject, ...]
    claims: tuple[Claim, ...] = ()
    gaps: Mapping[KindKey, Gap] = field(default_factory=dict)
    """Kinds known to be incomplete whatever is claimed: forbidden, a broken file, an interrupted list."""
    cluster: ClusterIdentity = field(default_factory=ClusterIdentity)
    collected_at: str | None = None
    collected_by: str | None = None
    inputs: tuple[InputFile, ...] = ()
    redactions: tuple[Redaction, ...] = ()

    def completeness(
        self, key: KindKey, namespace: str | None = None, name: str | None = None, *, observed: bool = False
    ) -> Gap:
        """How complete a kind is, in all namespaces or in one; a named ConfigMap may be claimed alone.

        `observed` True asks about what runs: claims by assumption don't count. The returned Gap has state COMPLETE or
        NOT_INSTALLED (nothing is missing), or says what is.
        """
        gap = self.gaps.get(key) or self.gaps.get(ANY_KIND)
        if gap is not None:
            return Gap(key, gap.state, gap.cause)
        claims = [c for c in self.claims if c.key == key and not (observed and c.assumed)]
        if any(_covers(claim, namespace, name) for claim in claims):
            return Gap(key, Completeness.COMPLETE, "")
        if claims:
            return Gap(key, Completeness.PARTIAL, _partial_cause(claims))
        cause = "nothing in the input claims that this kind was collected completely"
        return Gap(key, Completeness.ABSENT, cause)


ANY_KIND = KindKey("*", "*")
"""A gap that makes every kind incomplete: one broken file among readable ones."""


def _covers(claim: Claim, namespace: str | None, name: str | None) -> bool:
    """A claim for some namespaces says nothing of others, nor of a kind that has none."""
    if claim.namespaces is not None and namespace not in claim.namespaces:
        return False
    return not claim.selector or (name is not None and claim.selector == f"metadata.name={name}")


def _partial_cause(claims: list[Claim]) -> str:
    parts = []
    for claim in claims:
        where = "all namespaces" if claim.namespaces is None else ", ".join(sorted(claim.namespaces)[:5])
        parts.append(f"{where}, {claim.selector}" if claim.selector else where)
    return "collected only for " + "; ".join(sorted(parts)[:5])
