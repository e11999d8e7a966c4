"""Calico's policies, tiers, profiles and network sets, read into typed values.

What Calico's validation refuses (libcalico-go/lib/validator/v3) is listed as a problem of the object: Felix would drop
the whole object, an API server without Calico's validation would not, so nobody can tell which rules are in force.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from auditor.model.kinds import KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, text_at
from auditor.network.calico_rules import (
    NAMESPACE_LABEL,
    NAMESPACE_PREFIX,
    SERVICE_ACCOUNT_LABEL,
    SERVICE_ACCOUNT_PREFIX,
    CalicoRule,
    IpNetwork,
    Refused,
    read_nets,
    read_rules,
    read_selector,
    without_global,
)
from auditor.network.calico_selectors import EVERYTHING, Compare, Node, conjunction, in_namespaces

NETWORK_POLICY = kind_key("projectcalico.org", "NetworkPolicy")
GLOBAL_NETWORK_POLICY = kind_key("projectcalico.org", "GlobalNetworkPolicy")
NETWORK_SET = kind_key("projectcalico.org", "NetworkSet")
GLOBAL_NETWORK_SET = kind_key("projectcalico.org", "GlobalNetworkSet")
TIER = kind_key("projectcalico.org", "Tier")
PROFILE = kind_key("projectcalico.org", "Profile")
HOST_ENDPOINT = kind_key("projectcalico.org", "HostEndpoint")
STAGED: tuple[KindKey, ...] = (
    kind_key("projectcalico.org", "StagedNetworkPolicy"),
    kind_key("projectcalico.org", "StagedGlobalNetworkPolicy"),
    kind_key("projectcalico.org", "StagedKubernetesNetworkPolicy"),
)
"""Kinds that never enforce anything (connectivity.md 29)."""

LAST = math.inf
DEFAULT_TIER = "default"
PREDEFINED_TIERS: Mapping[str, tuple[float, str]] = {
    "kube-admin": (1_000, "Pass"),
    "adminnetworkpolicy": (1_000, "Pass"),
    DEFAULT_TIER: (1_000_000, "Deny"),
    "kube-baseline": (10_000_000, "Pass"),
    "baselineadminnetworkpolicy": (10_000_000, "Pass"),
}
"""Tiers that Calico makes itself: order and end-of-tier action; the second and last are older names
(connectivity.md 26, 36)."""


@dataclass(frozen=True, slots=True)
class CalicoPolicy:
    """A NetworkPolicy or GlobalNetworkPolicy. `ingress`/`egress` None: it has no say in that direction.

    `problems` not empty: nobody can tell what it does to the endpoints of `subjects`; its rules are then empty.
    `outside` names the host-endpoint feature it is about, `""` for ordinary policies.
    """

    obj: KubeObject
    tier: str
    order: float
    subjects: Node
    ingress: tuple[CalicoRule, ...] | None
    egress: tuple[CalicoRule, ...] | None
    problems: tuple[Refused, ...] = ()
    outside: str = ""

    @property
    def place(self) -> tuple[float, str, str, str]:
        """The sort key inside a tier: order, then name, namespace and kind (Felix's policy sorter)."""
        return self.order, _bare_name(self.tier, self.obj.name), self.obj.namespace, self.obj.id.kind


@dataclass(frozen=True, slots=True)
class CalicoTier:
    """A tier; `obj` is None for the ones that Calico makes itself and that were not collected."""

    name: str
    order: float
    default_action: str
    obj: KubeObject | None = None


@dataclass(frozen=True, slots=True)
class CalicoProfile:
    """A Profile's rules, and the labels that endpoints with it inherit."""

    obj: KubeObject
    ingress: tuple[CalicoRule, ...]
    egress: tuple[CalicoRule, ...]
    labels: Mapping[str, str]
    problems: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class CalicoNetworkSet:
    """A NetworkSet or GlobalNetworkSet: labels that selectors look at, and addresses."""

    obj: KubeObject
    nets: tuple[IpNetwork, ...]
    problems: tuple[Refused, ...] = ()


def read_policy(obj: KubeObject) -> CalicoPolicy:
    """Read a NetworkPolicy or GlobalNetworkPolicy. Never raises: what is wrong becomes `problems`."""
    problems: list[Refused] = []
    subjects: Node = _own_namespace(obj) or EVERYTHING
    try:
        subjects = _read_subjects(obj)
    except Refused as refused:
        problems.append(refused)
    ingress, egress = _directions(obj.spec)
    if any(entry not in ("Ingress", "Egress") for entry in list_at(obj.spec, "types")):
        problems.append(Refused("spec.types", "expected Ingress or Egress"))
        ingress = egress = True
    rules: dict[str, tuple[CalicoRule, ...]] = {}
    for name, wanted in (("ingress", ingress), ("egress", egress)):
        try:
            rules[name] = tuple(read_rules(obj, name)) if wanted else ()
        except Refused as refused:
            problems.append(refused)
    order = LAST
    try:
        order = _read_order(obj.spec)
    except Refused as refused:
        problems.append(refused)
    if problems:
        rules = {}
    return CalicoPolicy(
        obj=obj,
        tier=text_at(obj.spec, "tier") or DEFAULT_TIER,
        order=order,
        subjects=subjects,
        ingress=rules.get("ingress", ()) if ingress else None,
        egress=rules.get("egress", ()) if egress else None,
        problems=tuple(problems),
        outside=next((name for name in ("doNotTrack", "preDNAT") if obj.spec.get(name) is True), ""),
    )


def read_tier(obj: KubeObject) -> CalicoTier:
    """Read a Tier; an unset order is last. Raises Refused."""
    default = PREDEFINED_TIERS.get(obj.name, (LAST, "Deny"))
    order = _read_order(obj.spec) if "order" in obj.spec else default[0]
    action = obj.spec.get("defaultAction", default[1])
    if action not in ("Pass", "Deny"):
        raise Refused("spec.defaultAction", "expected Pass or Deny")
    return CalicoTier(obj.name, order, action, obj)


def read_profile(obj: KubeObject) -> CalicoProfile:
    """Read a Profile. Never raises: what is wrong becomes `problems`."""
    applied = mapping_at(obj.spec, "labelsToApply").items()
    labels = {str(key): str(value) for key, value in applied}
    try:
        ingress, egress = tuple(read_rules(obj, "ingress")), tuple(read_rules(obj, "egress"))
        return CalicoProfile(obj, ingress, egress, labels)
    except Refused as refused:
        return CalicoProfile(obj, (), (), labels, (refused,))


def read_network_set(obj: KubeObject) -> CalicoNetworkSet:
    """Read a (Global)NetworkSet. Never raises: what is wrong becomes `problems`."""
    try:
        return CalicoNetworkSet(obj, read_nets(obj.spec.get("nets"), "spec.nets"))
    except Refused as refused:
        return CalicoNetworkSet(obj, (), (refused,))


def _bare_name(tier: str, name: str) -> str:
    """Policies outside the default tier, and older ones inside it, carry the tier's name as a prefix."""
    return name.removeprefix(f"{tier}.")


def _own_namespace(obj: KubeObject) -> Node | None:
    return Compare(NAMESPACE_LABEL, "==", (obj.namespace,)) if obj.namespace else None


def _read_subjects(obj: KubeObject) -> Node:
    spec = obj.spec
    parts: list[Node] = [
        without_global(read_selector(spec.get("selector"), "spec.selector"), "spec.selector")
    ]
    if own := _own_namespace(obj):
        parts.append(own)
    elif spec.get("namespaceSelector"):
        field = "spec.namespaceSelector"
        node = without_global(read_selector(spec["namespaceSelector"], field), field)
        parts.append(in_namespaces(node.prefixed(NAMESPACE_PREFIX), NAMESPACE_LABEL))
    if spec.get("serviceAccountSelector"):
        field = "spec.serviceAccountSelector"
        node = without_global(read_selector(spec["serviceAccountSelector"], field), field)
        parts.append(in_namespaces(node.prefixed(SERVICE_ACCOUNT_PREFIX), SERVICE_ACCOUNT_LABEL))
    return conjunction(*parts)


def _directions(spec: JsonObject) -> tuple[bool, bool]:
    """Which directions a policy governs: `types`, or what its rules suggest (connectivity.md 25)."""
    types = list_at(spec, "types")
    if types:
        return "Ingress" in types, "Egress" in types
    has_ingress, has_egress = bool(list_at(spec, "ingress")), bool(list_at(spec, "egress"))
    return has_ingress or not has_egress, has_egress


def _read_order(spec: JsonObject) -> float:
    order = spec.get("order")
    if order is None:
        return LAST
    if isinstance(order, bool) or not isinstance(order, int | float) or math.isnan(order):
        raise Refused("spec.order", "expected a number")
    return float(order)
