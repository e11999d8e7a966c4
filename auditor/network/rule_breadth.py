"""Rules of NetworkPolicies that hold more pods than their author likely meant."""

from collections.abc import Iterator, Mapping

from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at
from auditor.network.addresses import AddressError, parse_network
from auditor.network.representation import Bits, CompiledPolicy, Direction, Match
from auditor.network.rule_flaw import Flaw, RuleFlaw
from auditor.network.universe import Universe

_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


def raw_rules(raw: KubeObject, direction: Direction) -> list[JsonObject]:
    """The rules by their index; a null rule is an empty one."""
    return [mapping_at(entry) for entry in list_at(raw.body, "spec", direction.value)]


def selects_all(selector: object) -> bool:
    """Whether a label selector is empty."""
    return isinstance(selector, Mapping) and not any(selector.values())


class Breadth:
    """Peers of rules that hold more pods than their author likely meant."""

    def __init__(self, universe: Universe, readable: Match) -> None:
        self._universe = universe
        self._readable = readable

    def flaws(self, raw: KubeObject, policy: CompiledPolicy) -> Iterator[RuleFlaw]:
        """The flaws of one policy; one that selects nothing has none."""
        own = self._universe.namespace(raw.namespace)
        for direction, directed in policy.directions.items():
            for index, rule in enumerate(raw_rules(raw, direction)):
                for peer in mappings_at(rule, _PEERS[direction]) if directed.selects else ():
                    kind, pods = self._judge(peer, own, directed.selects, direction)
                    if kind is not None and pods:
                        names = sorted(found.id for found in self._universe.of(pods))
                        yield RuleFlaw(kind, f"{direction.value}[{index}]", tuple(names))

    def _judge(
        self, peer: JsonObject, own: Bits, selected: Bits, direction: Direction
    ) -> tuple[Flaw | None, Bits]:
        if "ipBlock" in peer:
            return Flaw.BLOCK_COVERS_PODS, self._within(mapping_at(peer, "ipBlock")) & ~own
        pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
        if pods is not None and not selects_all(pods):
            return None, 0
        if selects_all(namespaces):
            return Flaw.EVERY_NAMESPACE, self._universe.pods & ~own
        if namespaces is None and direction is Direction.INGRESS and selected != own:
            return Flaw.EVERY_POD, own & ~selected
        return None, 0

    def _within(self, block: JsonObject) -> Bits:
        """The pods whose address is in a block for certain, as the agent reads it."""
        try:
            found = self._universe.within(parse_network(block.get("cidr")))
            for hole in block.get("except") or ():
                found = found.minus(self._universe.within(parse_network(hole)))
        except AddressError:
            return 0
        return (found & self._readable).must & self._universe.pods
