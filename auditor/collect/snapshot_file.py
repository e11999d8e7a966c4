"""`snapshot.yaml`: who collected what from which cluster, and which resources are there completely."""

from collections.abc import Iterator
from datetime import UTC
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from auditor.model.evidence import Claim, ClusterIdentity
from auditor.model.kinds import BY_RESOURCE, KnownKind, normalised_key
from auditor.model.scope import Line, Strict, Text
from auditor.model.strict_yaml import Located, parse_strict
from auditor.model.user_error import UserError

NAMES = ("snapshot.yaml", "snapshot.yml")


class SnapshotCluster(Strict):
    """The cluster: the name its users know it by, and the uid of its kube-system Namespace."""

    name: Line | None = None
    uid: Line | None = None


class CompleteResource(Strict):
    """A claim that all objects of a resource, in these namespaces and under this selector, are in the folder."""

    group: str = ""
    resource: Line
    namespaces: Literal["*"] | Annotated[list[Line], Field(min_length=1)]
    selector: str = ""
    command: Text


class SnapshotFile(Strict):
    """`snapshot.yaml`, beside the objects (contracts, Input)."""

    format_version: Literal[1]
    cluster: SnapshotCluster = SnapshotCluster()
    collected_at: AwareDatetime | None = None
    collected_by: Line | None = None
    complete: list[CompleteResource] = []

    @property
    def identity(self) -> ClusterIdentity:
        """The cluster's identity, as far as it is recorded."""
        return ClusterIdentity(self.cluster.name, self.cluster.uid)

    @property
    def collected_at_text(self) -> str | None:
        """The time of collection in UTC, RFC 3339."""
        at = self.collected_at
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def parse_snapshot_file(text: str, name: str) -> Located[SnapshotFile]:
    """Parse strictly. Raises UserError with file, line and field, also for resources that nothing reads."""
    located = parse_strict(text, name, SnapshotFile)
    errors = []
    for index, entry in enumerate(located.value.complete):
        if _known(entry) is None:
            errors.append(str(located.error(("complete", index, "resource"), _unknown(entry))))
    if errors:
        raise UserError("\n".join(errors))
    return located


def claims_of(snapshot: SnapshotFile, name: str) -> Iterator[Claim]:
    """The claims in a snapshot file that was parsed."""
    by = f"{name}, {snapshot.collected_by}" if snapshot.collected_by else name
    for entry in snapshot.complete:
        known = _known(entry)
        if known is not None:
            namespaces = None if entry.namespaces == "*" else frozenset(entry.namespaces)
            yield Claim(known.key, namespaces, entry.selector.strip(), entry.command, by)


def _known(entry: CompleteResource) -> KnownKind | None:
    group = normalised_key(f"{entry.group}/v1", "")[0].group
    return BY_RESOURCE.get((group, entry.resource))


def _unknown(entry: CompleteResource) -> str:
    given = f"{entry.resource}.{entry.group}" if entry.group else entry.resource
    groups = sorted(group for group, resource in BY_RESOURCE if resource == entry.resource)
    known = {kind.resource for kind in BY_RESOURCE.values()}
    if groups:
        hint = "; the group is " + " or ".join(group or "''" for group in groups)
    else:
        close = get_close_matches(given, sorted(known), 1)
        hint = f"; did you mean {close[0]}?" if close else ""
    return f"expected the plural name of a resource that is read (got {given!r}){hint}"
