"""A slow evaluator of Cilium, straight from its documentation: one flow at a time, on raw objects, no code of the engine.

docs.cilium.io: Network Policy, Layer 3/4 Examples, Policy Enforcement Modes, Deny Policies; Kubernetes policies add allows.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.network.reference import ALLOW, DENY, PASS, Party, Raw, World
from tests.network.reference import outcomes as kubernetes_outcomes

LIMITED = "limited"
_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_L3 = ("Endpoints", "Entities", "CIDR", "CIDRSet", "FQDNs")


@dataclass(frozen=True)
class CiliumWorld:
    """All objects that decide; `kubernetes` are the namespaces and NetworkPolicies; `mode` is enable-policy."""

    kubernetes: World
    objects: tuple[Raw, ...]
    mode: str = "default"


@dataclass(frozen=True)
class Flow:
    """One packet, seen from the subject."""

    world: CiliumWorld
    direction: str
    source: Party
    destination: Party
    port: int
    protocol: str

    @property
    def subject(self) -> Party:
        """The end whose policies are asked."""
        return self.destination if self.direction == "ingress" else self.source

    @property
    def peer(self) -> Party:
        """The other end."""
        return self.source if self.direction == "ingress" else self.destination


def outcome(world: CiliumWorld, source: Party, destination: Party, port: int, protocol: str) -> str:
    """Whether a packet passes, for certain or for some requests or names only."""
    hosts = [p for p in (source, destination) if p.is_node or p.host_network]
    if source == destination or (hosts and source.node is not None and source.node == destination.node):
        return ALLOW
    sides = {_side(Flow(world, d, source, destination, port, protocol)) for d in ("egress", "ingress")}
    return DENY if DENY in sides else LIMITED if LIMITED in sides else ALLOW


def _side(flow: Flow) -> str:
    found = decide(flow) if flow.subject.is_pod else ALLOW
    return ALLOW if found == PASS else found


def decide(flow: Flow) -> str:
    """What the policies of both kinds say of a packet; PASS where the subject isn't isolated and nothing matches."""
    rules = [(space, rule) for space, rule in _rules(flow.world) if _selects(flow, space, rule)]
    for space, rule in rules:
        if any(_entry(flow, space, entry) for entry in rule.get(f"{flow.direction}Deny") or []):
            return DENY
    found = {kind for space, rule in rules for kind in _allowed(flow, space, rule)}
    isolated, by_kubernetes = _kubernetes(flow)
    if by_kubernetes or ALLOW in found:
        return ALLOW
    if LIMITED in found:
        return LIMITED
    isolated = isolated or flow.world.mode == "always" or any(_isolates(flow, rule) for _, rule in rules)
    return DENY if isolated else PASS


def _rules(world: CiliumWorld) -> Iterator[tuple[str | None, Raw]]:
    for policy in world.objects:
        if policy["apiVersion"].startswith("cilium.io"):
            for rule in policy.get("specs") or [policy["spec"]]:
                yield policy["metadata"].get("namespace"), rule


def _selects(flow: Flow, space: str | None, rule: Raw) -> bool:
    return (space is None or flow.subject.space == space) and _matches(
        flow, rule["endpointSelector"], flow.subject
    )


def _isolates(flow: Flow, rule: Raw) -> bool:
    stated = (rule.get("enableDefaultDeny") or {}).get(flow.direction)
    return bool(rule.get(flow.direction) or rule.get(f"{flow.direction}Deny")) if stated is None else stated


def _allowed(flow: Flow, space: str | None, rule: Raw) -> Iterator[str]:
    for entry in rule.get(flow.direction) or []:
        kinds = _entry(flow, space, entry)
        names = any(field.endswith("FQDNs") for field in entry)
        yield from ({LIMITED} if names else kinds) if kinds else set()


def _entry(flow: Flow, space: str | None, entry: Raw) -> set[str]:
    """Empty: the entry doesn't match; else whether it does as a whole, or for some requests."""
    prefix = "from" if flow.direction == "ingress" else "to"
    peers = {name: entry[prefix + name] for name in _L3 if prefix + name in entry}
    if any(not listed for listed in peers.values()):
        return set()
    if peers and not any(_is_peer(flow, name, p, space) for name, ps in peers.items() for p in ps):
        return set()
    if "toPorts" not in entry:
        return {ALLOW} if peers else set()
    return {
        LIMITED if rule.get("rules") else ALLOW
        for rule in entry["toPorts"]
        if any(_has_port(flow, port) for port in rule["ports"])
    }


def _has_port(flow: Flow, entry: Raw) -> bool:
    if entry.get("protocol", "ANY") not in ("ANY", flow.protocol):
        return False
    if entry["port"] == "0":
        return True
    if not entry["port"].isdigit():
        return flow.destination.is_pod and (entry["port"], flow.protocol, flow.port) in flow.destination.ports
    low = int(entry["port"])
    return low <= flow.port <= entry.get("endPort", low)


def _is_peer(flow: Flow, kind: str, peer: Any, space: str | None) -> bool:
    party = flow.peer
    outside = party.space is None and not party.is_node
    if kind == "FQDNs":
        return outside
    if kind == "CIDR":
        return outside and _inside(party, peer)
    if kind == "CIDRSet":
        return (
            outside
            and _inside(party, peer["cidr"])
            and not any(_inside(party, h) for h in peer.get("except", []))
        )
    if kind == "Entities":
        at_node = party.is_node or party.host_network
        return {"all": True, "world": outside, "cluster": not outside, "remote-node": at_node}[peer]
    if not party.is_pod:
        return False
    keys = [*peer.get("matchLabels", {}), *(e["key"] for e in peer.get("matchExpressions", []))]
    plain = [key.removeprefix("k8s:") for key in keys]
    about_spaces = any(key == _NAMESPACE or key.startswith(_NAMESPACE_LABELS) for key in plain)
    at_home = space is None or about_spaces or party.space == space
    return at_home and _matches(flow, peer, party)


def _matches(flow: Flow, selector: Raw, party: Party) -> bool:
    spaces = flow.world.kubernetes.namespaces[party.space or ""]
    labels = {
        **party.labels,
        _NAMESPACE: party.space,
        **{_NAMESPACE_LABELS + key: value for key, value in spaces.items()},
    }
    exact = all(labels.get(_bare(key)) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_expression(entry, labels) for entry in selector.get("matchExpressions", []))


def _bare(key: str) -> str:
    return key.removeprefix("k8s:").removeprefix("any:")


def _expression(entry: Raw, labels: Mapping[str, Any]) -> bool:
    key, values = _bare(entry["key"]), entry.get("values") or []
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[str(entry["operator"])]


def _inside(party: Party, cidr: str) -> bool:
    return ipaddress.ip_address(party.address) in ipaddress.ip_network(cidr)


def _kubernetes(flow: Flow) -> tuple[bool, bool]:
    """Whether Kubernetes policies isolate the subject, and whether one of them allows the packet."""
    kubernetes = flow.world.kubernetes
    mine = [p for p in kubernetes.of_kind("NetworkPolicy") if _kubernetes_selects(flow, p)]
    only = tuple({**p, "spec": {**p["spec"], "policyTypes": [flow.direction.capitalize()]}} for p in mine)
    peer = flow.peer
    unbound = Party(peer.address, peer.space, peer.labels, peer.ports, None, peer.host_network, peer.is_node)
    ends = (unbound, flow.subject) if flow.direction == "ingress" else (flow.subject, unbound)
    world = replace(kubernetes, policies=only)
    return bool(mine), bool(mine) and kubernetes_outcomes(world, *ends, flow.port, flow.protocol) == {ALLOW}


def _kubernetes_selects(flow: Flow, policy: Raw) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    chosen = spec.get("podSelector") or {}
    here = policy["metadata"]["namespace"] == flow.subject.space and flow.direction.capitalize() in types
    return here and _matches(flow, chosen, flow.subject)
