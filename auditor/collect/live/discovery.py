"""What an API server serves: aggregated discovery in two requests, or group by group from older servers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.collect.live.requests import JSON, Requester, RequestFailed
from auditor.model.objects import mapping_at, mappings_at, text_at

_AGGREGATED = ",".join(
    [
        *(
            f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            for version in ("v2", "v2beta1")
        ),
        JSON,
    ]
)


@dataclass(frozen=True, slots=True)
class Served:
    """Versions by (group, resource), in the server's order, and the groups that didn't answer with their cause."""

    versions: Mapping[tuple[str, str], tuple[str, ...]]
    unanswered: Mapping[str, str]

    def version_of(self, group: str, resource: str, preferred: Iterable[str]) -> str | None:
        """The version to ask for: the first that is preferred, None when the resource isn't served in any of them."""
        served = self.versions.get((group, resource), ())
        return next((version for version in preferred if version in served), None)

    def serves(self, group: str, resource: str) -> bool:
        """Whether the resource is served in any version."""
        return (group, resource) in self.versions


def discover(requester: Requester, groups: frozenset[str]) -> Served:
    """What is served of `groups` (`""` is core). Raises RequestFailed when the API server doesn't tell its groups."""
    versions: dict[tuple[str, str], list[str]] = {}
    unanswered: dict[str, str] = {}
    for path in ("/api", "/apis"):
        value = requester.get_json(path, accept=_AGGREGATED)
        found = (
            _aggregated(value)
            if value.get("kind") == "APIGroupDiscoveryList"
            else _old(requester, path, value, groups)
        )
        for group, version, resources, cause in found:
            if cause:
                unanswered[group] = cause
            for resource in resources:
                versions.setdefault((group, resource), []).append(version)
    return Served({key: tuple(dict.fromkeys(told)) for key, told in versions.items()}, unanswered)


_Found = tuple[str, str, list[str], str]
"""Group, version, the resources that can be listed, and why the group didn't answer."""


def _aggregated(value: Mapping[str, Any]) -> Iterator[_Found]:
    for group in mappings_at(value, "items"):
        name = text_at(group, "metadata", "name") or ""
        for version in mappings_at(group, "versions"):
            stale = text_at(version, "freshness") == "Stale"
            cause = "the server of this API group doesn't answer" if stale else ""
            resources = [
                text_at(r, "resource") or "" for r in mappings_at(version, "resources") if _listable(r)
            ]
            yield name, text_at(version, "version") or "", resources, cause


def _old(
    requester: Requester, path: str, value: Mapping[str, Any], groups: frozenset[str]
) -> Iterator[_Found]:
    if path == "/api":
        places = [("", str(version)) for version in value.get("versions") or ()]
    else:
        places = [
            (name, text_at(version, "version") or "")
            for group in mappings_at(value, "groups")
            if (name := text_at(group, "name") or "") in groups
            for version in mappings_at(group, "versions")
        ]
    for group, version in places:
        yield _of_version(
            requester, group, version, f"{path}/{group}/{version}" if group else f"{path}/{version}"
        )


def _of_version(requester: Requester, group: str, version: str, path: str) -> _Found:
    try:
        value = requester.get_json(path)
    except RequestFailed as error:
        return group, version, [], str(error)
    names = [text_at(r, "name") or "" for r in mappings_at(value, "resources") if _listable(r)]
    return group, version, [name for name in names if "/" not in name], ""


def _listable(resource: Mapping[str, Any]) -> bool:
    verbs = mapping_at({"r": resource}, "r").get("verbs")
    return isinstance(verbs, list) and "list" in verbs
