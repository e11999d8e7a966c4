"""Calico's rules as terms: who is on each side, on which ports, and what the evidence cannot tell."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from auditor.inventory.services import Services
from auditor.model.kinds import ENDPOINT_SLICE, SERVICE
from auditor.model.objects import KubeObject, list_at, mappings_at
from auditor.model.verdict import Cause, RuleRef
from auditor.network.addresses import ROOTS, parse_address, parse_network
from auditor.network.bits import from_members, members
from auditor.network.calico_labels import CalicoLabels
from auditor.network.calico_rules import (
    PORT_PROTOCOLS,
    PROTOCOL_NUMBERS,
    CalicoPorts,
    CalicoRule,
    Entity,
    Icmp,
    IpNetwork,
)
from auditor.network.ports import EVERYTHING, HIGHEST, LOWEST, PortSet, Range, full_range
from auditor.network.reasons import cause
from auditor.network.representation import Action, Bits, Direction, Match, Rule, Term
from auditor.network.universe import Universe

_NUMBER_OF_NAME = {name: str(number) for number, name in PROTOCOL_NUMBERS.items()}
_NAMED = (*PORT_PROTOCOLS, "ICMP", "ICMPv6")
_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
UNKNOWN_LABELS = cause("indeterminate.calico-labels")
_TWO_FAMILIES = cause("indeterminate.ip-version")


class CalicoMatches:
    """Turns rules into the representation's rules. `protocols` are IP protocol numbers that any rule names."""

    def __init__(
        self, universe: Universe, labels: CalicoLabels, services: Services, protocols: Iterable[str]
    ) -> None:
        self._universe = universe
        self._labels = labels
        self._services = services
        self._protocols = (*_NAMED, *sorted(set(protocols) - set(_NAMED)))

    def rule(self, rule: CalicoRule, subjects: Match, direction: Direction, ref: RuleRef) -> Iterator[Rule]:
        """The compiled rule; none for Log, which decides nothing.

        A match on source ports is a condition: nobody can tell which port a client uses.
        """
        action = _ACTIONS.get(rule.action)
        if action is None:
            return
        conditions = [c for c in (_http_condition(rule), _source_condition(rule)) if c is not None]
        unsure = None
        if conditions and action is Action.PASS:
            unsure = conditions[0]
        elif conditions and action is Action.DENY:
            action = Action.LIMIT
        terms = tuple(self._terms(rule, subjects, direction, unsure))
        condition = conditions[0] if conditions and unsure is None else None
        yield Rule(action, terms, ref, condition)

    def _terms(
        self, rule: CalicoRule, subjects: Match, direction: Direction, unsure: Cause | None
    ) -> Iterator[Term]:
        allows = rule.action == "Allow"
        sides = self._entity(rule.source, allows), self._entity(rule.destination, allows)
        peer, own = sides if direction is Direction.INGRESS else reversed(sides)
        own = own & subjects
        reasons: dict[str, Cause] = {}
        if rule.ip_version is not None:
            peer = peer & self._of_version(rule.ip_version)
            reasons["version"] = _TWO_FAMILIES
        if (own.may | peer.may) & self._universe.dual_stack:
            reasons["version"] = _TWO_FAMILIES
        why = unsure or reasons.get("version") or UNKNOWN_LABELS
        for subject_bits, peer_bits, ports in self._with_ports(rule, own, peer, direction):
            yield from _product(own, peer, subject_bits, peer_bits, ports, unsure, why)

    def _entity(self, entity: Entity, allows: bool) -> Match:
        """Who is on one side. By address, one that matches is enough to be allowed, and not enough to be denied."""
        universe = self._universe
        found = Match(universe.everything)
        if entity.selector is not None:
            found = found & self._labels.select(entity.selector)
        if entity.nets:
            found = found & (universe.within_any if allows else universe.wholly_within)(entity.nets)
        if entity.not_nets:
            found = found.minus(universe.wholly_within(entity.not_nets))
        if entity.not_selector is not None:
            found = found.minus(self._labels.select(entity.not_selector))
        if entity.service is not None:
            found = found & self._of_service(*entity.service)
        return found

    def _of_service(self, namespace: str, name: str) -> Match:
        found = Match(from_members(self._ports_behind(namespace, name)))
        for network, _ in self._addresses_behind(namespace, name):
            found = found | self._universe.within(network)
        return found

    def _ports_behind(self, namespace: str, name: str) -> dict[int, dict[str, list[Range]]]:
        """The container ports behind a Service by the position of the endpoint."""
        found: dict[int, dict[str, list[Range]]] = {}
        for backend in self._services.of_service(namespace, name):
            ports = found.setdefault(self._universe.position(backend.endpoint), {})
            ports.setdefault(backend.protocol, []).append((backend.target_port, backend.target_port))
        return found

    def _addresses_behind(self, namespace: str, name: str) -> Iterator[tuple[IpNetwork, PortSet]]:
        """Addresses, with their ports, behind a Service that selects no pods."""
        for item in self._slices.get((namespace, name), ()):
            ports: dict[str, list[Range]] = {}
            for entry in mappings_at(item.body, "ports"):
                number, protocol = entry.get("port"), entry.get("protocol") or "TCP"
                if isinstance(number, int) and protocol in PORT_PROTOCOLS:
                    ports.setdefault(protocol, []).append((number, number))
            for endpoint in mappings_at(item.body, "endpoints"):
                for address in map(parse_address, list_at(endpoint, "addresses")):
                    if address is not None:
                        yield parse_network(f"{address}/{address.max_prefixlen}"), PortSet.of(ports)

    @cached_property
    def _slices(self) -> dict[tuple[str, str], list[KubeObject]]:
        """EndpointSlices of Services without a selector, by Service."""
        found: dict[tuple[str, str], list[KubeObject]] = {}
        cluster = self._universe.cluster
        for item in cluster.all(ENDPOINT_SLICE):
            name = item.labels.get("kubernetes.io/service-name", "")
            service = cluster.get(SERVICE, item.namespace, name)
            if service is not None and not service.spec.get("selector"):
                found.setdefault((item.namespace, name), []).append(item)
        return found

    def _of_version(self, version: int) -> Match:
        """Those with addresses of a family; `may` where they have both."""
        family, other = ROOTS if version == 4 else tuple(reversed(ROOTS))
        return self._universe.within(family).minus(Match(0, self._universe.within(other).any))

    def _with_ports(
        self, rule: CalicoRule, own: Match, peer: Match, direction: Direction
    ) -> Iterator[tuple[Bits, Bits, PortSet]]:
        """Splits the destination by what port names and Services mean there."""
        ingress = direction is Direction.INGRESS
        destinations = own.any if ingress else peer.any
        for bits, ports in self._destination_ports(rule, destinations):
            yield (bits, peer.any, ports) if ingress else (own.any, bits, ports)

    def _destination_ports(self, rule: CalicoRule, destinations: Bits) -> Iterator[tuple[Bits, PortSet]]:
        entity = rule.destination
        if entity.service is not None:
            yield from self._service_ports(rule, entity.service, destinations)
            return
        names = {*_names(entity.ports), *_names(entity.not_ports)}
        groups: dict[tuple[tuple[str, int], ...], Bits] = {}
        rest = destinations
        if names:
            protocol = rule.protocol or "TCP"
            for position in members(destinations & self._universe.pods):
                endpoint = self._universe.endpoints[position]
                resolved = tuple((n, p) for n in sorted(names) if (p := endpoint.named_port(n, protocol)))
                groups[resolved] = groups.get(resolved, 0) | 1 << position
                rest &= ~(1 << position)
        if rest:
            groups[()] = groups.get((), 0) | rest
        for resolved, bits in sorted(groups.items()):
            ports = self._ports(rule, dict(resolved))
            if ports:
                yield bits, ports

    def _service_ports(
        self, rule: CalicoRule, service: tuple[str, str], destinations: Bits
    ) -> Iterator[tuple[Bits, PortSet]]:
        for position, ports in sorted(self._ports_behind(*service).items()):
            wanted = PortSet.of({p: pairs for p, pairs in ports.items() if rule.protocol in (None, p)})
            if wanted and destinations >> position & 1:
                yield 1 << position, wanted
        for network, listed in self._addresses_behind(*service):
            wanted = PortSet.of({p: pairs for p, pairs in listed.ranges if rule.protocol in (None, p)})
            bits = self._universe.within(network).any & destinations
            if wanted and bits:
                yield bits, wanted

    def _ports(self, rule: CalicoRule, resolved: Mapping[str, int]) -> PortSet:
        protocols = self._protocols_of(rule)
        if protocols is None:
            return EVERYTHING
        if rule.icmp or rule.not_icmp:
            return PortSet.of({p: _icmp_ranges(rule.icmp, rule.not_icmp) for p in protocols})
        entity = rule.destination
        if entity.ports is None and entity.not_ports is None:
            return PortSet.whole(*protocols)
        wanted = [(LOWEST, HIGHEST)] if entity.ports is None else _numbers(entity.ports, resolved)
        barred = [] if entity.not_ports is None else _numbers(entity.not_ports, resolved)
        return PortSet.of({protocol: _without(wanted, barred) for protocol in protocols})

    def _protocols_of(self, rule: CalicoRule) -> tuple[str, ...] | None:
        """The protocols of a rule; None is all there are."""
        if rule.protocol is None and rule.not_protocol is None:
            return None
        barred = _protocol(rule.not_protocol) if rule.not_protocol else ""
        wanted = (_protocol(rule.protocol),) if rule.protocol else self._protocols
        return tuple(protocol for protocol in wanted if protocol != barred)


def named_protocols(rules: Iterable[CalicoRule]) -> Iterator[str]:
    """The protocols that rules name, as port sets call them."""
    for rule in rules:
        yield from (_protocol(name) for name in (rule.protocol, rule.not_protocol) if name)


def _protocol(name: str) -> str:
    return name if name in _NAMED else _NUMBER_OF_NAME.get(name, name)


def _names(ports: CalicoPorts | None) -> tuple[str, ...]:
    return ports.names if ports else ()


def _http_condition(rule: CalicoRule) -> Cause | None:
    return cause("conditional.l7", detail="HTTP methods or paths") if rule.http else None


def _source_condition(rule: CalicoRule) -> Cause | None:
    source = rule.source
    return cause("conditional.source-port") if source.ports or source.not_ports else None


def _numbers(ports: CalicoPorts, resolved: Mapping[str, int]) -> list[Range]:
    named = [(resolved[name], resolved[name]) for name in ports.names if name in resolved]
    return [*((max(low, LOWEST), high) for low, high in ports.ranges if high >= LOWEST), *named]


def _icmp_ranges(wanted: Icmp | None, barred: Icmp | None) -> list[Range]:
    whole = [full_range("ICMP")] if wanted is None else [_icmp_range(wanted)]
    return _without(whole, [] if barred is None else [_icmp_range(barred)])


def _icmp_range(icmp: Icmp) -> Range:
    if icmp.type is None:
        return full_range("ICMP")
    first = icmp.type * 256
    return (first, first + 255) if icmp.code is None else (first + icmp.code, first + icmp.code)


def _without(wanted: Iterable[Range], barred: Iterable[Range]) -> list[Range]:
    left = list(wanted)
    for low, high in barred:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return left


def _product(
    own: Match, peer: Match, subjects: Bits, peers: Bits, ports: PortSet, unsure: Cause | None, why: Cause
) -> Iterator[Term]:
    """The product of both sides within `subjects` and `peers`; what only may match is unsure."""
    parts = (
        (own.must & subjects, peer.must & peers, unsure),
        (own.must & subjects, peer.may & peers, why),
        (own.may & subjects, peer.any & peers, why),
    )
    for subject_bits, peer_bits, reason in parts:
        if subject_bits and peer_bits:
            yield Term(subject_bits, peer_bits, ports, reason)
