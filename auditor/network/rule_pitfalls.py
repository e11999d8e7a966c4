"""Rules of Calico, Cilium and the cluster-wide policies that let in more than their author likely meant.

connectivity.md 18, 19 (networks hold pods), 22 (Cilium's wildcards), 28 and 29 (Calico's all() and negations).
"""

import re
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at
from auditor.network.representation import Action, Bits, Direction, Rule
from auditor.network.rule_breadth import selects_all
from auditor.network.rule_flaw import Flaw, RuleFlaw
from auditor.network.universe import Universe

_STEP = re.compile(r"([A-Za-z]+)|\[(\d+)\]")
_CALICO_SIDE = {Direction.INGRESS: "source", Direction.EGRESS: "destination"}
_CALICO_POSITIVE = ("selector", "namespaceSelector", "serviceAccounts", "nets", "services")
_PREFIX = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
_PORTS = ("toPorts", "icmps")
_ALL = ("", "all()")
_Found = tuple[Flaw, Bits]


class Pitfalls:
    """Judges the rules of one place of an object; peers that the evidence can't tell are left out."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe

    def flaws(
        self, obj: KubeObject, path: str, direction: Direction, rules: Sequence[Rule], selects: Bits
    ) -> Iterator[RuleFlaw]:
        """The first that holds of a rule that allows; none of one that denies or passes."""
        terms = [term for rule in rules for term in rule.terms if term.unsure is None]
        if not terms or any(rule.action is not Action.ALLOW for rule in rules):
            return
        peers = reduce(or_, (term.peers for term in terms))
        own = self._universe.namespace(obj.namespace) if obj.namespace else 0
        raw = rule_at(obj, path)
        judge = {"projectcalico.org": self._calico, "cilium.io": self._cilium}.get(
            obj.key.group, self._cluster_wide
        )
        for kind, names in (
            *judge(raw, direction, peers, own, selects),
            *self._every_namespace(peers, own),
        ):
            if names or kind is Flaw.NO_PEERS:
                listed = sorted(peer.id for peer in self._universe.of(names))
                yield RuleFlaw(kind, path, tuple(listed))
                return

    def _calico(
        self, raw: JsonObject, direction: Direction, peers: Bits, own: Bits, selects: Bits
    ) -> Iterator[_Found]:
        side = mapping_at(raw, _CALICO_SIDE[direction])
        positive = [name for name in _CALICO_POSITIVE if side.get(name)]
        if not positive and (side.get("notSelector") or side.get("notNets")):
            yield Flaw.NEGATION, peers & self._universe.outside
        if positive == ["nets"]:
            yield Flaw.BLOCK_COVERS_PODS, peers & self._universe.pods & ~own
        whole = str(side.get("selector") or "").strip() in _ALL and positive == ["selector"]
        if own and whole and direction is Direction.INGRESS and selects != own:
            yield Flaw.EVERY_POD, own & ~selects

    def _cilium(
        self, raw: JsonObject, direction: Direction, peers: Bits, own: Bits, selects: Bits
    ) -> Iterator[_Found]:
        prefix = _PREFIX[direction]
        named = [name for name in raw if name.startswith(prefix) and name not in _PORTS]
        if not named and any(raw.get(name) for name in _PORTS):
            yield Flaw.NO_PEERS, peers
        whole = any(selects_all(entry) for entry in mappings_at(raw, f"{prefix}Endpoints"))
        if own and whole and direction is Direction.INGRESS and selects != own:
            yield Flaw.EVERY_POD, own & ~selects

    def _cluster_wide(
        self, raw: JsonObject, direction: Direction, peers: Bits, own: Bits, selects: Bits
    ) -> Iterator[_Found]:
        entries = mappings_at(raw, _PREFIX[direction])
        if entries and all("networks" in entry for entry in entries):
            yield Flaw.BLOCK_COVERS_PODS, peers & self._universe.pods

    def _every_namespace(self, peers: Bits, own: Bits) -> Iterator[_Found]:
        """Every pod and no address outside: a selector that leaves nobody out, not a rule for everyone."""
        if not self._universe.pods & ~peers and not peers & self._universe.outside:
            yield Flaw.EVERY_NAMESPACE, self._universe.pods & ~own


def rule_at(obj: KubeObject, path: str) -> JsonObject:
    """The rule at a path as `ingress[0]` (below spec) or `specs[1].ingressDeny[0]`; empty where there is none."""
    found: object = obj.body if path.startswith("specs[") else obj.spec
    for name, index in _STEP.findall(path):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
        else:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else None
    return found if isinstance(found, dict) else {}
