"""The least that a live collection must be allowed, as RBAC: from the kinds that the selected controls read.

Collection lists, and gets ConfigMaps by name; nothing else is granted (Kubernetes RBAC, "Referring to resources").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.catalog.catalogue import Catalogue
from auditor.evaluate.assessment import Use, is_mapped
from auditor.model.kinds import CONFIG_MAP, ENDPOINT_SLICE, KNOWN_KINDS, OTHER_GROUPS, KindKey

ENGINE_KINDS = frozenset(
    {
        CONFIG_MAP,
        ENDPOINT_SLICE,
        KindKey("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        KindKey("operator.openshift.io", "Network"),
    }
)
"""What the engines look at for any control: an engine answers *unknown* without it, so no check declares it."""

_TIERED = {
    kind: f"tier.{KNOWN_KINDS[KindKey('projectcalico.org', kind)].plural}"
    for kind in (
        "NetworkPolicy",
        "GlobalNetworkPolicy",
        "StagedNetworkPolicy",
        "StagedGlobalNetworkPolicy",
    )
}
"""Calico's API server authorizes policies by tier under these names, and leaves out of a list what isn't allowed."""

_API = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One rule of a role: API groups, resources, the verb, and the names when not all objects are meant."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """As RBAC writes it."""
        shown: dict[str, Any] = {"apiGroups": list(self.groups), "resources": list(self.resources)}
        if self.names:
            shown["resourceNames"] = list(self.names)
        return {**shown, "verbs": list(self.verbs)}


@dataclass(frozen=True, slots=True)
class ServiceAccountName:
    """The ServiceAccount that roles are bound to."""

    namespace: str
    name: str


def controls_by_kind(
    catalogue: Catalogue, uses: Mapping[str, Sequence[Use]], frameworks: Sequence[str]
) -> Mapping[KindKey, tuple[str, ...]]:
    """For every kind that must be collected, the ids of the selected controls that it bears on, sorted."""
    found: dict[KindKey, set[str]] = {}
    for control, bound in uses.items():
        if any(is_mapped(catalogue.controls[control].value, framework) for framework in frameworks):
            for key in {*ENGINE_KINDS, *(read.key for use in bound for read in use.check.reads)}:
                found.setdefault(key, set()).add(control)
    return {key: tuple(sorted(found[key])) for key in sorted(found)}


def controls_across_namespaces(
    catalogue: Catalogue, uses: Mapping[str, Sequence[Use]], frameworks: Sequence[str]
) -> tuple[str, ...]:
    """Ids of the selected controls whose answers may turn on an object in a namespace that isn't collected."""
    return tuple(
        sorted(
            control
            for control, bound in uses.items()
            if any(is_mapped(catalogue.controls[control].value, framework) for framework in frameworks)
            and any(_reaches_out(use) for use in bound)
        )
    )


def _reaches_out(use: Use) -> bool:
    return any(
        (read.could_pass or read.could_fail) and not read.in_namespace and KNOWN_KINDS[read.key].namespaced
        for read in use.check.reads
    )


def list_rules(kinds: Iterable[KindKey], *, namespaced: bool | None = None) -> list[Rule]:
    """`list` for kinds, one rule for an API group, under both names of a group that has two.

    `namespaced` picks the kinds that live in namespaces, or those that don't.
    """
    by_group: dict[str, set[str]] = {}
    for key in kinds:
        known = KNOWN_KINDS[key]
        if not known.by_name and namespaced in (None, known.namespaced):
            by_group.setdefault(key.group, set()).add(known.plural)
    return [
        Rule(_names_of(group), tuple(sorted(plurals)), ("list",))
        for group, plurals in sorted(by_group.items())
    ]


def tier_rules(kinds: Iterable[KindKey]) -> list[Rule]:
    """What Calico's own API server asks for beside `list`, when policies of its tiers are read."""
    wanted = {tiered for key in kinds if (tiered := tier_resource(key)) is not None}
    if not wanted:
        return []
    group = ("projectcalico.org",)
    return [Rule(group, tuple(sorted(wanted)), ("get", "list")), Rule(group, ("tiers",), ("get",))]


def tier_resource(key: KindKey) -> str | None:
    """The name under which Calico's API server authorizes policies of tiers, None for other kinds."""
    return _TIERED.get(key.kind) if key.group == "projectcalico.org" else None


def config_map_rule(names: Iterable[str]) -> list[Rule]:
    """`get` for the ConfigMaps of these names; no rule when there are none, as no name would mean all."""
    wanted = tuple(sorted(set(names)))
    return [Rule(("",), ("configmaps",), ("get",), wanted)] if wanted else []


def _names_of(group: str) -> tuple[str, ...]:
    return (group, OTHER_GROUPS[group]) if group in OTHER_GROUPS else (group,)


def roles(
    kinds: Iterable[KindKey],
    config_maps: Iterable[tuple[str, str]],
    *,
    name: str = "auditor",
    namespaces: Sequence[str] | None = None,
    account: ServiceAccountName | None = None,
) -> list[dict[str, Any]]:
    """The manifests to apply: one ClusterRole, or with `namespaces` a Role in each of them.

    What lives in no namespace can only be granted by a ClusterRole: beside Roles it is one of those kinds alone.
    `config_maps` are (namespace, name). With `account` it is made too, and bound.
    """
    wanted, named = sorted(set(kinds)), sorted(set(config_maps))
    if namespaces is None:
        rules = [*list_rules(wanted), *tier_rules(wanted), *config_map_rule(entry for _, entry in named)]
        found = [_role(name, None, rules)]
    else:
        found = [_role(name, None, [*list_rules(wanted, namespaced=False), *tier_rules(wanted)])]
        inside = list_rules(wanted, namespaced=True)
        for namespace in sorted(set(namespaces)):
            own = config_map_rule(entry for place, entry in named if place == namespace)
            found.append(_role(name, namespace, [*inside, *own]))
    found = [role for role in found if role["rules"]]
    if account is None:
        return found
    return [_account(account), *found, *(_binding(role, account) for role in found)]


def _role(name: str, namespace: str | None, rules: Sequence[Rule]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_API}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": [rule.manifest() for rule in rules],
    }


def _account(account: ServiceAccountName) -> dict[str, Any]:
    metadata = {"name": account.name, "namespace": account.namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _binding(role: Mapping[str, Any], account: ServiceAccountName) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    return {
        "apiVersion": f"{_API}/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": dict(role["metadata"]),
        "roleRef": {"apiGroup": _API, "kind": role["kind"], "name": role["metadata"]["name"]},
        "subjects": [subject],
    }


def open_reports_roles(
    *,
    name: str = "auditor-open-reports",
    namespaces: Sequence[str] | None = None,
    account: ServiceAccountName | None = None,
) -> list[dict[str, Any]]:
    """What publishing OpenReports objects takes, in roles of its own: nothing else of the auditor changes anything.

    Server-side apply needs `create` beside `patch` (Kubernetes, "Server-Side Apply", Authorization). With `namespaces` a
    Role in each, and a ClusterRole for what is found outside of namespaces. With `account` they are bound.
    """
    verbs = ("create", "delete", "get", "list", "patch")

    def rule(*resources: str) -> list[Rule]:
        return [Rule(("openreports.io",), resources, verbs)]

    if namespaces is None:
        found = [_role(name, None, rule("clusterreports", "reports"))]
    else:
        found = [_role(name, None, rule("clusterreports"))]
        found += [_role(name, namespace, rule("reports")) for namespace in sorted(set(namespaces))]
    return [*found, *(_binding(role, account) for role in found if account is not None)]
