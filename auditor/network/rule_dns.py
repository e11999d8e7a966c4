"""Egress rules for destinations that are known by name, whose pods can't resolve names."""

import ipaddress
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at
from auditor.network.addresses import External
from auditor.network.bits import members
from auditor.network.representation import Action, Bits, CompiledPolicy, Direction, Rule
from auditor.network.rule_breadth import raw_rules
from auditor.network.rule_flaw import Flaw, Reaches, RuleFlaw
from auditor.network.universe import Universe

DNS_PORT = 53
_DNS_SERVICES = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
_NODE_LOCAL_DNS = ("k8s-app", "node-local-dns")
_WIDE = {4: 8, 6: 16}
"""Prefix lengths at or below which a block stands for destinations that are known by name."""


class DnsCut:
    """The cluster's DNS pods, and which pods egress policies keep from them."""

    def __init__(self, universe: Universe, services: Services, reaches: Reaches) -> None:
        self._universe = universe
        self._resolvers = _resolvers(universe, services)
        self._reaches = reaches
        self._servers = {server.id for server, _ in self._resolvers}
        self._server_bits = sum(1 << universe.index[name] for name in self._servers)

    def of_network_policy(self, raw: KubeObject, policy: CompiledPolicy) -> Iterator[RuleFlaw]:
        """The first rule that opens something known by name, with the pods that can't resolve names."""
        directed = policy.directions.get(Direction.EGRESS)
        if directed is None or not self._resolvers:
            return
        rules = raw_rules(raw, Direction.EGRESS)
        named = [i for i, rule in enumerate(rules) if directed.rules[i].terms and _is_by_name(rule)]
        if named:
            yield from self._cut(policy.layer, f"egress[{named[0]}]", directed.selects)

    def of_others(self, layer: str, rules: Sequence[tuple[str, Rule]], selects: Bits) -> Iterator[RuleFlaw]:
        """The same for the egress rules of an object of another system, with their paths.

        A rule that denies the DNS pods' port comes first, then what opens pods other than those or wide blocks.
        """
        if not self._resolvers:
            return
        denying = [path for path, rule in rules if rule.action is Action.DENY and self._denies_dns(rule)]
        named = [path for path, rule in rules if rule.action is Action.ALLOW and self._opens_names(rule)]
        if place := next(iter((*denying, *named)), None):
            yield from self._cut(layer, place, selects)

    def _cut(self, layer: str, path: str, selects: Bits) -> Iterator[RuleFlaw]:
        cut = [
            endpoint.id
            for endpoint in (self._universe.endpoints[i] for i in members(selects))
            if endpoint.id not in self._servers and endpoint.spec.get("dnsPolicy") != "None"
            if not any(self._reaches(endpoint, server, port, layer) for server, port in self._resolvers)
        ]
        if cut:
            yield RuleFlaw(Flaw.DNS_CUT, path, tuple(sorted(cut)))

    def _denies_dns(self, rule: Rule) -> bool:
        ports = {port for _, port in self._resolvers}
        return any(
            term.peers & self._server_bits and any(term.ports.contains(port, "UDP") for port in ports)
            for term in rule.terms
        )

    def _opens_names(self, rule: Rule) -> bool:
        peers = reduce(or_, (term.peers for term in rule.terms), 0)
        if peers & self._universe.pods & ~self._server_bits:
            return True
        outside = self._universe.of(peers & self._universe.outside)
        return any(isinstance(p, External) and p.block.prefixlen <= _WIDE[p.version] for p in outside)


def _resolvers(universe: Universe, services: Services) -> list[tuple[Endpoint, int]]:
    """The cluster's DNS pods and their UDP port; none where each node has a resolver of its own, outside policies' reach."""
    key, value = _NODE_LOCAL_DNS
    if any(endpoint.labels.get(key) == value for endpoint in universe.endpoints):
        return []
    backends = (backend for name in _DNS_SERVICES for backend in services.of_service(*name))
    return [
        (b.endpoint, b.target_port) for b in backends if (b.service_port, b.protocol) == (DNS_PORT, "UDP")
    ]


def _is_by_name(rule: JsonObject) -> bool:
    """Whether clients find what a rule opens by its name: pods behind Services, and blocks too wide to be addresses."""
    peers = mappings_at(rule, "to")
    return not peers or any(_is_wide(peer) for peer in peers)


def _is_wide(peer: JsonObject) -> bool:
    if "ipBlock" not in peer:
        return True
    try:
        block = ipaddress.ip_network(str(mapping_at(peer, "ipBlock").get("cidr")))
    except ValueError:
        return False
    return block.prefixlen <= _WIDE[block.version]
