"""A slow evaluator straight from the specifications: one flow at a time, on raw objects, sharing no code with the engine.

NetworkPolicy: the Kubernetes concept page and API reference. AdminNetworkPolicy, BaselineAdminNetworkPolicy and
ClusterNetworkPolicy: the field documentation of network-policy-api. Answers with the set of possible outcomes.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

Raw = Mapping[str, Any]
Outcomes = frozenset[str]
ALLOW, DENY, PASS = "allow", "deny", "pass"


@dataclass(frozen=True)
class Party:
    """One end of a flow: a pod, a node, or an address outside."""

    address: str
    space: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, str, int], ...] = ()
    node: str | None = None
    host_network: bool = False
    is_node: bool = False
    account: str = "default"

    @property
    def is_pod(self) -> bool:
        """A pod with a network of its own: hostNetwork pods are node addresses to policies."""
        return self.space is not None and not self.host_network


@dataclass(frozen=True)
class World:
    """All objects that decide. `blocks_outside`: an ipBlock never matches inside the cluster, as Cilium reads it."""

    namespaces: Mapping[str, Mapping[str, str]]
    nodes: Mapping[str, Mapping[str, str]]
    policies: tuple[Raw, ...]
    blocks_outside: bool = False

    def of_kind(self, *kinds: str) -> Iterator[Raw]:
        """The policies of some kinds."""
        return (policy for policy in self.policies if policy["kind"] in kinds)


def outcomes(world: World, source: Party, destination: Party, port: int, protocol: str) -> Outcomes:
    """What may happen to a flow: it needs the source's egress and the destination's ingress."""
    if source == destination or _same_node(source, destination):
        return frozenset({ALLOW})
    outward = _side(world, "egress", source, destination, destination, port, protocol)
    inward = _side(world, "ingress", destination, source, destination, port, protocol)
    return frozenset(ALLOW if {a, b} == {ALLOW} else DENY for a, b in product(outward, inward))


def _same_node(one: Party, other: Party) -> bool:
    hosts = [p for p in (one, other) if p.is_node or p.host_network]
    return bool(hosts) and one.node is not None and one.node == other.node


def _side(
    world: World, direction: str, subject: Party, peer: Party, target: Party, port: int, protocol: str
) -> set[str]:
    if not subject.is_pod:
        return {ALLOW}
    flow = Flow(world, direction, subject, peer, target, port, protocol)
    result = set()
    for admin in tier_outcomes(flow, "Admin"):
        result |= {admin} if admin != PASS else _network_policies(flow)
    return result


@dataclass(frozen=True)
class Flow:
    """One packet: the subject whose policies are asked, the other end, and the destination of the two."""

    world: World
    direction: str
    subject: Party
    peer: Party
    target: Party
    port: int
    protocol: str


def tier_outcomes(flow: Flow, tier: str) -> set[str]:
    """First match by priority, then rule order; equal priorities: any of the policies that match."""
    by_priority: dict[int, list[str]] = {}
    for policy in flow.world.policies:
        if _tier_of(policy) == tier and _is_subject(flow, policy["spec"]["subject"]):
            action = _first_match(flow, policy)
            if action:
                by_priority.setdefault(policy["spec"].get("priority", 0), []).append(action)
    return set(by_priority[min(by_priority)]) if by_priority else {PASS}


def _tier_of(policy: Raw) -> str | None:
    kinds = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}
    return kinds.get(policy["kind"]) or policy["spec"].get("tier")


def _is_subject(flow: Flow, subject: Raw) -> bool:
    return _is_pod_peer(flow.world, subject, flow.subject)


def _first_match(flow: Flow, policy: Raw) -> str | None:
    for rule in policy["spec"].get(flow.direction) or []:
        peers = rule["from" if flow.direction == "ingress" else "to"]
        action = {"Allow": ALLOW, "Accept": ALLOW, "Deny": DENY, "Pass": PASS}[rule["action"]]
        if any(not _is_known(peer) for peer in peers):
            if action != ALLOW:
                return DENY
        elif any(_is_peer(flow.world, peer, flow.peer) for peer in peers) and _has_port(flow, rule):
            return action
    return None


def _is_known(peer: Raw) -> bool:
    return any(key in peer for key in ("namespaces", "pods", "nodes", "networks"))


def _is_peer(world: World, peer: Raw, party: Party) -> bool:
    if "networks" in peer:
        return any(_inside(party.address, cidr) for cidr in peer["networks"])
    if "nodes" in peer:
        at_node = party.is_node or party.host_network
        return at_node and _matches(peer["nodes"], world.nodes[party.node or ""])
    return _is_pod_peer(world, peer, party)


def _is_pod_peer(world: World, peer: Raw, party: Party) -> bool:
    if not party.is_pod:
        return False
    space = world.namespaces[party.space or ""]
    if "namespaces" in peer:
        return _matches(peer["namespaces"], space)
    pods = peer["pods"]
    return _matches(pods.get("namespaceSelector"), space) and _matches(pods["podSelector"], party.labels)


def _has_port(flow: Flow, rule: Raw) -> bool:
    listed = rule.get("ports") or rule.get("protocols")
    return not listed or any(_is_port(flow, entry) for entry in listed)


def _is_port(flow: Flow, entry: Raw) -> bool:
    name = entry.get("namedPort") or entry.get("destinationNamedPort")
    if name:
        return _is_named(flow, name)
    if "portNumber" in entry:
        number = entry["portNumber"]
        return (number.get("protocol", "TCP"), number["port"]) == (flow.protocol, flow.port)
    if "portRange" in entry:
        span = entry["portRange"]
        return span.get("protocol", "TCP") == flow.protocol and span["start"] <= flow.port <= span["end"]
    protocol, inner = next(iter(entry.items()))
    chosen = inner["destinationPort"]
    low = chosen.get("number") or chosen["range"]["start"]
    high = chosen.get("number") or chosen["range"]["end"]
    return protocol.upper() == flow.protocol and low <= flow.port <= high


def _is_named(flow: Flow, name: str) -> bool:
    return flow.target.is_pod and (name, flow.protocol, flow.port) in flow.target.ports


def _network_policies(flow: Flow) -> set[str]:
    """Selected: only what some rule allows. Not selected: the baseline, and what it passes is allowed."""
    selecting = [
        policy
        for policy in flow.world.of_kind("NetworkPolicy")
        if policy["metadata"]["namespace"] == flow.subject.space
        and flow.direction in _types(policy["spec"])
        and _matches(policy["spec"].get("podSelector"), flow.subject.labels)
    ]
    if selecting:
        return {ALLOW if any(_allows(flow, policy) for policy in selecting) else DENY}
    return {ALLOW if outcome == PASS else outcome for outcome in tier_outcomes(flow, "Baseline")}


def _types(spec: Raw) -> list[str]:
    if spec.get("policyTypes"):
        return [entry.lower() for entry in spec["policyTypes"]]
    return ["ingress", "egress"] if spec.get("egress") else ["ingress"]


def _allows(flow: Flow, policy: Raw) -> bool:
    return any(_rule_allows(flow, policy, rule) for rule in policy["spec"].get(flow.direction) or [])


def _rule_allows(flow: Flow, policy: Raw, rule: Raw) -> bool:
    peers = rule.get("from" if flow.direction == "ingress" else "to")
    space = policy["metadata"]["namespace"]
    return (not peers or any(_is_np_peer(flow, peer, space) for peer in peers)) and _np_ports(flow, rule)


def _is_np_peer(flow: Flow, peer: Raw, space: str) -> bool:
    if "ipBlock" in peer:
        if flow.world.blocks_outside and (flow.peer.space is not None or flow.peer.is_node):
            return False
        block = peer["ipBlock"]
        holes = block.get("except") or []
        return _inside(flow.peer.address, block["cidr"]) and not any(
            _inside(flow.peer.address, hole) for hole in holes
        )
    if not flow.peer.is_pod or not _matches(peer.get("podSelector"), flow.peer.labels):
        return False
    if "namespaceSelector" in peer:
        return _matches(peer["namespaceSelector"], flow.world.namespaces[flow.peer.space or ""])
    return flow.peer.space == space


def _np_ports(flow: Flow, rule: Raw) -> bool:
    entries = rule.get("ports")
    return not entries or any(_np_port(flow, entry) for entry in entries)


def _np_port(flow: Flow, entry: Raw) -> bool:
    if entry.get("protocol", "TCP") != flow.protocol:
        return False
    port = entry.get("port")
    if port is None:
        return True
    if isinstance(port, str):
        return _is_named(flow, port)
    return bool(port <= flow.port <= entry.get("endPort", port))


def _inside(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _matches(selector: Raw | None, labels: Mapping[str, str]) -> bool:
    chosen = selector or {}
    exact = all(labels.get(key) == value for key, value in (chosen.get("matchLabels") or {}).items())
    return exact and all(_expression(e, labels) for e in chosen.get("matchExpressions") or [])


def _expression(entry: Raw, labels: Mapping[str, str]) -> bool:
    key, operator, values = entry["key"], entry["operator"], entry.get("values") or []
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[str(operator)]


def world_of(objects: Iterable[Raw]) -> World:
    """The world of raw objects."""
    listed = list(objects)
    return World(
        namespaces={
            raw["metadata"]["name"]: {
                **raw["metadata"].get("labels", {}),
                "kubernetes.io/metadata.name": raw["metadata"]["name"],
            }
            for raw in listed
            if raw["kind"] == "Namespace"
        },
        nodes={
            raw["metadata"]["name"]: raw["metadata"].get("labels", {})
            for raw in listed
            if raw["kind"] == "Node"
        },
        policies=tuple(raw for raw in listed if raw["kind"].endswith("NetworkPolicy")),
    )
