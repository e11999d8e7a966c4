"""Rules of network policies that do nothing, or more than they seem to be for. Decided over the evidence's own peers.

Redundant and shadowed rules change nothing: what they let through or deny is let through or denied without them. All that
are found may be taken away together, as long as their policies go on selecting pods in the same directions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from auditor.inventory.services import Services
from auditor.model.kinds import NETWORK_POLICY
from auditor.model.objects import KubeObject
from auditor.network.address_reading import BlockReading, read_blocks
from auditor.network.connectivity import Connectivity
from auditor.network.network_policy import LAYER, peer_matches
from auditor.network.representation import BOTH, CompiledPolicy, Direction, Rule
from auditor.network.rule_breadth import Breadth
from auditor.network.rule_cover import covered_peers, covered_rules
from auditor.network.rule_dns import DnsCut
from auditor.network.rule_effects import Effects, Place
from auditor.network.rule_flaw import Flaw, Reaches, RuleFlaw
from auditor.network.rule_pitfalls import Pitfalls
from auditor.network.support import NETWORK_LAYERS

_OF_NO_RULE = ("unsupported.feature", "invalid.equal-priority", "invalid.reference")
"""Problems of policies whose rules are read all the same."""
_CHANGING_NOTHING = (Flaw.REDUNDANT, Flaw.MATCHES_NOTHING, Flaw.TOO_MANY)
_NUMBER = re.compile(r"\d+")
_Found = dict[str, list[RuleFlaw]]


def rule_flaws(
    network: Connectivity, services: Services, reaches: Reaches
) -> Mapping[str, tuple[RuleFlaw, ...]]:
    """The flaws of every valid policy by object, those without any included; invalid and inert ones are left out."""
    invalid = {p.object for p in network.policy_problems if p.code not in _OF_NO_RULE}
    judged = {
        fact.object: fact.layer
        for fact in network.policies
        if fact.layer in NETWORK_LAYERS and not fact.inert and fact.object not in invalid
    }
    found: _Found = {name: [] for name in sorted(judged)}
    policies = [policy for layer in network.layers for policy in layer.policies if policy.object in judged]
    plain = [policy for policy in policies if policy.layer == LAYER]
    others = [policy for policy in policies if policy.layer != LAYER]
    dns = DnsCut(network.universe, services, reaches)
    _judge_plain(network, plain, dns, found)
    if others:
        effects = Effects(network.judge)
        _keep_proven(effects, found)
        _find_without_effect(effects, found)
        _judge_others(network, effects, others, dns, found)
    return {owner: tuple(sorted(flaws, key=_rank)) for owner, flaws in found.items()}


def _rank(flaw: RuleFlaw) -> tuple[int, str, tuple[int, ...]]:
    numbers = tuple(int(number) for number in _NUMBER.findall(flaw.path))
    return list(Flaw).index(flaw.kind), _NUMBER.sub("", flaw.path), numbers


# -- NetworkPolicies ----------------------------------------------------------------------------------------------------


def _judge_plain(network: Connectivity, policies: list[CompiledPolicy], dns: DnsCut, found: _Found) -> None:
    for owner, flaw in covered_rules(policies):
        found[owner].append(flaw)
    raw = {str(policy.id): policy for policy in network.cluster.all(NETWORK_POLICY)}
    reading = read_blocks(network.cluster, network.universe)
    breadth = Breadth(network.universe, reading.peers)
    for policy in policies:
        obj, flaws = raw[policy.object], found[policy.object]
        flaws += breadth.flaws(obj, policy)
        flaws += _peers(network, reading, obj, policy)
        flaws += dns.of_network_policy(obj, policy)


def _peers(
    network: Connectivity, reading: BlockReading, obj: KubeObject, policy: CompiledPolicy
) -> Iterator[RuleFlaw]:
    for direction, directed in policy.directions.items():
        if directed.selects:
            for path, matches in peer_matches(obj, network.universe, reading, direction):
                yield from covered_peers(policy.object, path, matches)


# -- rules beside others that come in an order, or deny -----------------------------------------------------------------


def _keep_proven(effects: Effects, found: _Found) -> None:
    """Of NetworkPolicies: covered is not enough there, taking the rule away must change nothing."""
    for owner, flaws in found.items():
        for flaw in [flaw for flaw in flaws if flaw.kind is Flaw.REDUNDANT]:
            if effects.take_away(Place(owner, flaw.path)).needed:
                flaws.remove(flaw)


def _find_without_effect(effects: Effects, found: _Found) -> None:
    """Redundant and shadowed rules of every system, those that are known to do nothing left out."""
    for place in effects.places(NETWORK_LAYERS):
        flaws = found.get(place.object)
        if flaws is None or any(f.path == place.path and f.kind in _CHANGING_NOTHING for f in flaws):
            continue
        if effects.exhausted:
            flaws.append(RuleFlaw(Flaw.TOO_MANY, place.path, ()))
            continue
        effect = effects.take_away(place)
        if not effect.needed:
            names = tuple(sorted(f"{other.object} {other.path}" for other in effect.by))
            flaws.append(RuleFlaw(Flaw.SHADOWED if effect.shadowed else Flaw.REDUNDANT, place.path, names))


def _judge_others(
    network: Connectivity, effects: Effects, policies: list[CompiledPolicy], dns: DnsCut, found: _Found
) -> None:
    """What the rules of other systems match: nothing, more than meant, or too little to resolve names."""
    kinds = (kind for layer in network.layers for kind in layer.kinds)
    objects = {str(obj.id): obj for kind in kinds for obj in network.cluster.all(kind)}
    selects = _selected(policies)
    pitfalls = Pitfalls(network.universe)
    for place in effects.places([layer for layer in NETWORK_LAYERS if layer != LAYER]):
        if place.object not in found or not any(selects.get((place.object, d)) for d in BOTH):
            continue
        rules = effects.rules(place)
        if not any(rule.terms for listed in rules.values() for rule in listed):
            found[place.object].append(RuleFlaw(Flaw.MATCHES_NOTHING, place.path, ()))
            continue
        for direction, listed in rules.items():
            mine = selects.get((place.object, direction), 0)
            obj = objects[place.object]
            found[place.object] += pitfalls.flaws(obj, place.path, direction, listed, mine)
    for owner, layer, egress in _egress(policies):
        found[owner] += dns.of_others(layer, egress, selects.get((owner, Direction.EGRESS), 0))


def _selected(policies: Iterable[CompiledPolicy]) -> dict[tuple[str, Direction], int]:
    found: dict[tuple[str, Direction], int] = {}
    for policy in policies:
        for direction, directed in policy.directions.items():
            key = policy.object, direction
            found[key] = found.get(key, 0) | directed.selects
    return found


def _egress(policies: Iterable[CompiledPolicy]) -> Iterator[tuple[str, str, list[tuple[str, Rule]]]]:
    """The egress rules of each object, with its layer."""
    rules: dict[tuple[str, str], list[tuple[str, Rule]]] = {}
    for policy in policies:
        directed = policy.directions.get(Direction.EGRESS)
        if directed is not None:
            listed = rules.setdefault((policy.object, policy.layer), [])
            listed += [(rule.ref.rule, rule) for rule in directed.rules]
    return ((owner, layer, listed) for (owner, layer), listed in rules.items())
