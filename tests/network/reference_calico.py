"""A slow evaluator of Calico, straight from its documentation: one flow at a time, on raw objects, no code of the engine.

docs.tigera.io: Tier, NetworkPolicy, GlobalNetworkPolicy, NetworkSet, Profile; Kubernetes policies have order 1000.
"""

import ipaddress
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import CodeType
from typing import Any

from tests.network.reference import DENY, Party, Raw, World
from tests.network.reference import outcomes as kubernetes_outcomes

ALLOW = "allow"


@dataclass(frozen=True)
class CalicoWorld:
    """All objects that decide; `kubernetes` are the namespaces and NetworkPolicies."""

    kubernetes: World
    objects: tuple[Raw, ...]

    def of_kind(self, *kinds: str) -> Iterator[Raw]:
        """Calico's objects of some kinds."""
        return (o for o in self.objects if o["kind"] in kinds and "projectcalico.org" in o["apiVersion"])


@dataclass(frozen=True)
class Flow:
    """One packet, seen from the subject."""

    world: CalicoWorld
    direction: str
    source: Party
    destination: Party
    port: int
    protocol: str

    @property
    def subject(self) -> Party:
        """The end whose policies are asked."""
        return self.destination if self.direction == "ingress" else self.source


def outcome(world: CalicoWorld, source: Party, destination: Party, port: int, protocol: str) -> str:
    """Whether a packet passes: both ends must let it."""
    hosts = [p for p in (source, destination) if p.is_node or p.host_network]
    if source == destination or (hosts and source.node is not None and source.node == destination.node):
        return ALLOW
    sides = (_side(Flow(world, d, source, destination, port, protocol)) for d in ("egress", "ingress"))
    return ALLOW if all(side == ALLOW for side in sides) else DENY


def _side(flow: Flow) -> str:
    if not flow.subject.is_pod:
        return ALLOW
    for tier, _, default in tiers(flow.world):
        action = tier_action(flow, tier, default)
        if action != "Pass":
            return ALLOW if action == "Allow" else DENY
    return profile(flow)


def tier_action(flow: Flow, tier: str, default: str) -> str:
    """What a tier does: Pass where none of its policies selects the subject, else the first match or its default."""
    selecting = [rules for _, rules in sorted(_policies(flow, tier), key=lambda entry: entry[0])]
    if not selecting:
        return "Pass"
    return next((action for rules in selecting for action in rules(flow)), default)


def tiers(world: CalicoWorld) -> list[tuple[str, float, str]]:
    """(name, order, end-of-tier action) by order, then name."""
    found: dict[str, tuple[float, str]] = {
        "kube-admin": (1_000, "Pass"),
        "default": (1_000_000, "Deny"),
        "kube-baseline": (10_000_000, "Pass"),
    }
    for tier in world.of_kind("Tier"):
        spec = tier["spec"]
        found[tier["metadata"]["name"]] = spec.get("order", math.inf), spec.get("defaultAction", "Deny")
    return [(name, *found[name]) for name in sorted(found, key=lambda name: (found[name][0], name))]


def _policies(flow: Flow, tier: str) -> Iterator[tuple[Any, Any]]:
    for policy in flow.world.of_kind("NetworkPolicy", "GlobalNetworkPolicy"):
        spec, metadata = policy["spec"], policy["metadata"]
        if spec.get("tier", "default") == tier and _selects(flow, policy):
            name = metadata["name"].removeprefix(f"{tier}.")
            key = spec.get("order", math.inf), name, metadata.get("namespace", ""), policy["kind"]
            yield key, lambda f, p=policy: _actions(f, p)
    if tier == "default" and any(
        _kubernetes_selects(flow, p) for p in flow.world.kubernetes.of_kind("NetworkPolicy")
    ):
        yield (1_000, "", "", ""), _kubernetes_actions


def _kubernetes_selects(flow: Flow, policy: Raw) -> bool:
    """Whether a Kubernetes policy isolates the subject: alone and without rules it would deny everything."""
    bare = {**policy, "spec": {**policy["spec"], "ingress": [], "egress": []}}
    types = policy["spec"].get("policyTypes")
    if not types:
        bare["spec"]["policyTypes"] = ["Ingress", "Egress"] if policy["spec"].get("egress") else ["Ingress"]
    world = replace(flow.world.kubernetes, policies=(bare,))
    stranger = Party("203.0.113.9")
    ends = (stranger, flow.subject) if flow.direction == "ingress" else (flow.subject, stranger)
    return kubernetes_outcomes(world, *ends, flow.port, flow.protocol) == {DENY}


def _kubernetes_actions(flow: Flow) -> Iterator[str]:
    """Kubernetes policies only ever allow; what they deny is left to the end of the tier."""
    peer = flow.source if flow.direction == "ingress" else flow.destination
    unbound = Party(peer.address, peer.space, peer.labels, peer.ports, None, peer.host_network, peer.is_node)
    only = [
        _one_direction(p, flow.direction)
        for p in flow.world.kubernetes.of_kind("NetworkPolicy")
        if _kubernetes_selects(flow, p)
    ]
    world = replace(flow.world.kubernetes, policies=tuple(only))
    ends = (unbound, flow.subject) if flow.direction == "ingress" else (flow.subject, unbound)
    if kubernetes_outcomes(world, *ends, flow.port, flow.protocol) == {ALLOW}:
        yield "Allow"


def _one_direction(policy: Raw, direction: str) -> Raw:
    return {**policy, "spec": {**policy["spec"], "policyTypes": [direction.capitalize()]}}


def _selects(flow: Flow, policy: Raw) -> bool:
    spec, namespace = policy["spec"], policy["metadata"].get("namespace")
    has_ingress, has_egress = bool(spec.get("ingress")), bool(spec.get("egress"))
    types = spec.get("types") or (
        (["Ingress"] if has_ingress or not has_egress else []) + (["Egress"] if has_egress else [])
    )
    if flow.direction.capitalize() not in types or (namespace and flow.subject.space != namespace):
        return False
    labels, spaces = _labels(flow.world, flow.subject), _space_labels(flow.world, flow.subject.space)
    return matches(spec.get("selector", ""), labels) and (
        bool(namespace) or matches(spec.get("namespaceSelector", ""), spaces)
    )


def _actions(flow: Flow, policy: Raw) -> Iterator[str]:
    for rule in policy["spec"].get(flow.direction) or []:
        if rule["action"] != "Log" and _rule_matches(flow, rule, policy["metadata"].get("namespace")):
            yield rule["action"]


def profile(flow: Flow) -> str:
    """What the profiles of the subject's namespace and account say of what no policy decided."""
    profiles = {p["metadata"]["name"]: p for p in flow.world.of_kind("Profile")}
    own = profiles.get(f"kns.{flow.subject.space}")
    if own is None:
        return ALLOW
    account = profiles.get(f"ksa.{flow.subject.space}.{flow.subject.account}")
    found = [a for p in (own, account) if p is not None for a in _actions(flow, p)]
    return ALLOW if found and found[0] == "Allow" else DENY


def _rule_matches(flow: Flow, rule: Raw, namespace: str | None) -> bool:
    if "protocol" in rule and rule["protocol"] != flow.protocol:
        return False
    if "notProtocol" in rule and rule["notProtocol"] == flow.protocol:
        return False
    source, destination = rule.get("source") or {}, rule.get("destination") or {}
    if not _entity_matches(flow, source, flow.source, namespace):
        return False
    if not _entity_matches(flow, destination, flow.destination, namespace):
        return False
    if "ports" in destination and not _has_port(flow, destination["ports"]):
        return False
    return not ("notPorts" in destination and _has_port(flow, destination["notPorts"]))


def _has_port(flow: Flow, ports: Iterable[Any]) -> bool:
    for port in ports:
        if isinstance(port, int) and port == flow.port:
            return True
        if isinstance(port, str) and ":" in port:
            low, _, high = port.partition(":")
            if int(low) <= flow.port <= int(high):
                return True
        elif isinstance(port, str):
            named = flow.destination.ports if flow.destination.is_pod else ()
            if (port, flow.protocol, flow.port) in named:
                return True
    return False


def _entity_matches(flow: Flow, entity: Raw, party: Party, namespace: str | None) -> bool:
    if "nets" in entity and not _within(party, entity["nets"]):
        return False
    if "notNets" in entity and _within(party, entity["notNets"]):
        return False
    if "notSelector" in entity and _is_known(flow.world, party, entity["notSelector"], "", None):
        return False
    asked = [
        entity.get(field) for field in ("selector", "namespaceSelector", "serviceAccounts", "notSelector")
    ]
    if not any(asked):
        return True
    if not (namespace or any(asked[:3])):
        return True
    own = None if entity.get("namespaceSelector") else namespace
    selectors = entity.get("selector", ""), entity.get("namespaceSelector", "")
    return _is_known(flow.world, party, *selectors, own, (entity.get("serviceAccounts") or {}).get("names"))


def _is_known(
    world: CalicoWorld,
    party: Party,
    selector: str,
    spaces: str,
    own: str | None,
    accounts: list[str] | None = None,
) -> bool:
    """Whether the address belongs to one pod or network set that all selectors mean."""
    here = party.is_pod and (own is None or party.space == own)
    if here and party.account in (accounts or [party.account]):
        inherited = _space_labels(world, party.space)
        if matches(selector, _labels(world, party)) and _space_matches(spaces, party.space, inherited):
            return True
    return not accounts and any(
        _within(party, found["spec"]["nets"]) and _set_matches(world, found, selector, spaces, own)
        for found in world.of_kind("NetworkSet", "GlobalNetworkSet")
    )


def _set_matches(world: CalicoWorld, found: Raw, selector: str, spaces: str, own: str | None) -> bool:
    space = found["metadata"].get("namespace")
    labels = dict(found["metadata"].get("labels", {}))
    if space:
        labels["projectcalico.org/namespace"] = space
    inherited = _space_labels(world, space)
    return (
        (own is None or space == own)
        and matches(selector, labels)
        and _space_matches(spaces, space, inherited)
    )


def _space_matches(selector: str, space: str | None, labels: Mapping[str, str]) -> bool:
    if selector == "all()":
        return space is not None
    if selector == "global()":
        return space is None
    return matches(selector, labels)


def _within(party: Party, nets: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(party.address) in ipaddress.ip_network(net) for net in nets)


def _labels(world: CalicoWorld, party: Party) -> dict[str, str]:
    return {**party.labels, "projectcalico.org/namespace": party.space or ""}


def _space_labels(world: CalicoWorld, space: str | None) -> dict[str, str]:
    if space is None:
        return {}
    return {**world.kubernetes.namespaces[space], "projectcalico.org/name": space}


_RULES: tuple[tuple[str, str], ...] = (
    (r"(\w+) not in \{([^}]*)\}", r"(L.get('\1') not in [\2])"),
    (r"(\w+) in \{([^}]*)\}", r"(L.get('\1') in [\2])"),
    (r"(\w+) (==|!=) ('\w*')", r"(L.get('\1') \2 \3)"),
    (r"(\w+) contains ('\w*')", r"(\2 in L.get('\1', ''))"),
    (r"(\w+) starts with ('\w*')", r"L.get('\1', '').startswith(\2)"),
    (r"(\w+) ends with ('\w*')", r"L.get('\1', '').endswith(\2)"),
    (r"has\((\w+)\)", r"('\1' in L)"),
    (r"(all|global)\(\)", r"True"),
    (r"&&", " and "),
    (r"\|\|", " or "),
    (r"!(?!=)", " not "),
)


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """A selector of the generated kind: plain label names, values that aren't empty."""
    return bool(eval(_as_python(selector), {"__builtins__": {}}, {"L": dict(labels)}))  # noqa: S307 -- generated text


@cache
def _as_python(selector: str) -> CodeType:
    text = selector or "all()"
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    return compile(text.strip(), "selector", "eval")
