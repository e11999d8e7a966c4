"""Where the objects of a kind are listed: the version and the group that the server has, namespace by namespace."""

from collections.abc import Iterable, Sequence
from typing import Literal

from auditor.collect.live.discovery import Served, discover
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.model.kinds import OTHER_GROUPS, KnownKind
from auditor.model.user_error import UserError

_EVERY_GROUP = frozenset({"traefik.io"})
"""Kinds of these groups are read under both names, as both hold objects; of the others the first that is served."""


def what_is_served(requester: Requester, wanted: Iterable[KnownKind]) -> Served:
    """Discovery of the groups of these kinds. Raises UserError when the API server doesn't tell."""
    groups = {known.key.group for known in wanted}
    groups |= {other for group, other in OTHER_GROUPS.items() if group in groups}
    try:
        return discover(requester, frozenset(groups))
    except RequestFailed as error:
        raise UserError(f"the API server doesn't tell what it serves: {error}") from None


def places_of(known: KnownKind, served: Served, namespaces: Sequence[str] | None) -> list[tuple[str, str]]:
    """Paths to list and the apiVersion of what is there; none when the kind isn't served."""
    found: list[tuple[str, str]] = []
    group, other = known.key.group, OTHER_GROUPS.get(known.key.group)
    for name in (group, other):
        if name is None or (found and group not in _EVERY_GROUP):
            continue
        versions = known.versions if name == group else ("v1", *known.versions)
        version = served.version_of(name, known.plural, versions)
        if version is not None:
            api_version = f"{name}/{version}" if name else version
            root = f"/apis/{api_version}" if name else f"/api/{version}"
            found += [(path, api_version) for path in _paths(known, root, namespaces)]
    return found


def _paths(known: KnownKind, root: str, namespaces: Sequence[str] | None) -> list[str]:
    if not known.namespaced or namespaces is None:
        return [f"{root}/{known.plural}"]
    return [f"{root}/namespaces/{namespace}/{known.plural}" for namespace in namespaces]


def namespaces_of(path: str) -> Literal["*"] | list[str]:
    """The namespace that a path lists, all when it names none."""
    _, marker, rest = path.rpartition("/namespaces/")
    return [rest.partition("/")[0]] if marker and "/" in rest else "*"
