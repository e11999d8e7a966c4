"""Subjects and peers of AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy (points 18, 19)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.inventory.selectors import Selector, SelectorError, parse_selector
from auditor.model.verdict import Cause
from auditor.network.addresses import AddressError, parse_network
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.reasons import cause
from auditor.network.representation import NO_MATCH, Direction, Match
from auditor.network.universe import Universe

PEERS_FIELD = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
_KINDS = ("namespaces", "pods", "nodes", "networks", "domainNames")
_LABELS = cause("indeterminate.namespace-labels")
_NODES = cause("indeterminate.node-labels")


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers of a rule: matched, possibly matched and why, under a condition, or failing closed."""

    match: Match = NO_MATCH
    unsure: Cause | None = None
    named: tuple[str, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class PeerReader:
    """Reads subjects and peers. `strict`: v1alpha1 wants namespaceSelector beside podSelector.

    `report` is told of peers of an unknown type; everything else that is wrong raises FieldProblem.
    """

    universe: Universe
    strict: bool
    report: Callable[[FieldProblem], None]

    def pods_or_namespaces(self, raw: Mapping[str, Any], where: str) -> Match | None:
        """A subject or peer of pods; None when it names neither `namespaces` nor `pods` alone."""
        known = [key for key in _KINDS if raw.get(key) is not None]
        if known == ["namespaces"]:
            return self.universe.select_namespaces(_selector(raw["namespaces"], f"{where}.namespaces"))
        if known == ["pods"]:
            pods = mapping_field(raw["pods"], f"{where}.pods")
            if self.strict and pods.get("namespaceSelector") is None:
                raise FieldProblem(
                    f"{where}.pods.namespaceSelector", "expected a label selector", "invalid.selector"
                )
            if pods.get("podSelector") is None:
                raise FieldProblem(
                    f"{where}.pods.podSelector", "expected a label selector", "invalid.selector"
                )
            chosen = self.universe.select_pods(_selector(pods["podSelector"], f"{where}.pods.podSelector"))
            spaces = _selector(pods.get("namespaceSelector"), f"{where}.pods.namespaceSelector")
            return Match(chosen) & self.universe.select_namespaces(spaces)
        return None

    def peers(self, rule: Mapping[str, Any], direction: Direction, where: str, allows: bool) -> Peers:
        """The peers of a rule. `allows`: one address that matches is enough for a peer to get through."""
        field = PEERS_FIELD[direction]
        entries = list_field(rule, field, where)
        if not entries:
            raise FieldProblem(f"{where}.{field}", "expected at least one peer", "invalid.peer")
        found = Peers()
        for index, entry in enumerate(entries):
            peer = self._peer(entry, direction, f"{where}.{field}[{index}]", allows)
            found = Peers(
                found.match | peer.match,
                found.unsure or peer.unsure,
                found.named + peer.named,
                found.unknown or peer.unknown,
            )
        return found

    def _peer(self, raw: Any, direction: Direction, where: str, allows: bool) -> Peers:
        peer = mapping_field(raw, where)
        selected = self.pods_or_namespaces(peer, where)
        if selected is not None:
            return Peers(selected, _LABELS if selected.may else None)
        outward = direction is Direction.EGRESS
        known = [key for key in _KINDS if peer.get(key) is not None]
        if len(known) > 1:
            raise FieldProblem(where, "expected exactly one kind of peer", "invalid.peer")
        if not known or not outward:
            self.report(FieldProblem(where, "expected a peer of a known type", "invalid.unknown-peer"))
            return Peers(unknown=True)
        return self._outward_peer(peer, known[0], where, allows)

    def _outward_peer(self, peer: Mapping[str, Any], kind: str, where: str, allows: bool) -> Peers:
        place = f"{where}.{kind}"
        if kind == "nodes":
            nodes = self.universe.select_nodes(_selector(peer["nodes"], place))
            return Peers(nodes, _NODES if nodes.may else None)
        entries = list_field(peer, kind, where)
        if not entries:
            raise FieldProblem(place, "expected at least one entry", "invalid.peer")
        if kind == "domainNames":
            return Peers(named=tuple(str(entry) for entry in entries))
        try:
            blocks = [parse_network(text) for text in entries]
        except AddressError as problem:
            raise FieldProblem(place, str(problem), "invalid.cidr") from None
        match = self.universe.within_any(blocks) if allows else self.universe.wholly_within(blocks)
        unsure = cause("indeterminate.pod-address", block=", ".join(map(str, blocks)))
        if match.may & self.universe.dual_stack:
            unsure = cause("indeterminate.ip-version")
        return Peers(match, unsure if match.may else None)


def _selector(raw: Any, where: str) -> Selector:
    try:
        return parse_selector(raw, where)
    except SelectorError as problem:
        raise FieldProblem.of_selector(problem) from None
