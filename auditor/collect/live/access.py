"""What the credentials may do: reviews of oneself, which the API server answers and doesn't store.

One question for each request that collection would send (SelfSubjectAccessReview). The list of all rules
(SelfSubjectRulesReview) may be incomplete, as authorizers other than RBAC don't tell theirs; it only adds to what is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.collect.live.connection import Connection
from auditor.collect.live.discovery import Served
from auditor.collect.live.places import namespaces_of, places_of, what_is_served
from auditor.collect.live.requests import Requester, RequestFailed
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, KindKey
from auditor.model.objects import mapping_at, mappings_at, text_at


@dataclass(frozen=True, slots=True, order=True)
class Action:
    """One thing to do: `namespace` `""` is all of them, `name` `""` all objects, `resource` may be `pods/exec`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an action is allowed; None when the API server doesn't say, with the cause."""

    action: Action
    allowed: bool | None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class RulesAnswer:
    """The rules that hold in a namespace, as the API server lists them, and why they may not be all."""

    namespace: str
    rules: tuple[Mapping[str, Any], ...]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Needed:
    """An action that collection takes, and the kind that it is for."""

    action: Action
    key: KindKey


class Reviewer:
    """Asks a cluster what oneself may do. Raises UserError when it can't be reached or refuses the credentials."""

    def __init__(self, connection: Connection, requester: Requester) -> None:
        self.connection = connection
        self._requester = requester

    def needed(
        self,
        kinds: Iterable[KindKey],
        config_maps: Iterable[tuple[str, str]],
        namespaces: Sequence[str] | None,
    ) -> tuple[list[Needed], list[KindKey]]:
        """What collection of `kinds` asks of this cluster, and the kinds that it doesn't serve."""
        wanted = sorted(set(kinds))
        served = what_is_served(self._requester, [KNOWN_KINDS[key] for key in wanted])
        listed = [key for key in wanted if not KNOWN_KINDS[key].by_name]
        found = {key: _lists(key, served, namespaces) for key in listed}
        needed = [entry for key in listed for entry in found[key]]
        if CONFIG_MAP in wanted:
            needed += [
                Needed(Action("get", "", "configmaps", place, name), CONFIG_MAP)
                for place, name in sorted(set(config_maps))
                if namespaces is None or place in namespaces
            ]
        return needed, [key for key in listed if not found[key]]

    def ask(self, action: Action) -> Answer:
        """One SelfSubjectAccessReview."""
        resource, _, subresource = action.resource.partition("/")
        attributes = {
            "verb": action.verb,
            "group": action.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": action.namespace,
            "name": action.name,
        }
        spec = {"resourceAttributes": {field: value for field, value in attributes.items() if value}}
        try:
            found = self._requester.review(
                "selfsubjectaccessreviews", _review("SelfSubjectAccessReview", spec)
            )
        except RequestFailed as error:
            return Answer(action, None, str(error))
        allowed = mapping_at(found, "status").get("allowed")
        if not isinstance(allowed, bool):
            return Answer(action, None, "the answer doesn't say")
        told = text_at(found, "status", "evaluationError") or text_at(found, "status", "reason") or ""
        return Answer(action, allowed, "" if allowed else " ".join(told.split())[:300])

    def rules(self, namespace: str) -> RulesAnswer:
        """One SelfSubjectRulesReview."""
        try:
            found = self._requester.review(
                "selfsubjectrulesreviews", _review("SelfSubjectRulesReview", {"namespace": namespace})
            )
        except RequestFailed as error:
            return RulesAnswer(namespace, (), str(error))
        status = mapping_at(found, "status")
        incomplete = status.get("incomplete") is not False
        told = text_at(status, "evaluationError") or "an authorizer doesn't list its rules"
        cause = " ".join(told.split())[:300] if incomplete else ""
        return RulesAnswer(namespace, tuple(mappings_at(status, "resourceRules")), cause)


def _lists(key: KindKey, served: Served, namespaces: Sequence[str] | None) -> list[Needed]:
    known = KNOWN_KINDS[key]
    found = []
    for path, api_version in places_of(known, served, namespaces):
        place = namespaces_of(path)
        namespace = "" if place == "*" else place[0]
        found.append(Needed(Action("list", api_version.rpartition("/")[0], known.plural, namespace), key))
    return found


def _review(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
