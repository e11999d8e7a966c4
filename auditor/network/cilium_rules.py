"""Cilium's rules, read into peers and ports (connectivity.md 20-24; Cilium's pkg/policy/api).

A member that is missing narrows nothing, one that is an empty list selects nobody.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.model.kinds import ENDPOINT_SLICE, SERVICE, kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause
from auditor.network.addresses import Network
from auditor.network.cilium_labels import ENTITIES, CiliumConfig, CiliumLabels, labels_of
from auditor.network.cilium_ports import CiliumPorts, read_ports
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.ports import EVERYTHING
from auditor.network.reasons import cause
from auditor.network.representation import NO_MATCH, Direction, Match
from auditor.network.universe import Universe

CIDR_GROUP = kind_key("cilium.io", "CiliumCIDRGroup")
_MEMBERS = ("Endpoints", "CIDR", "CIDRSet", "Entities", "Groups", "Nodes", "Services", "FQDNs")
_REQUIRES = "Requires"


@dataclass(frozen=True, slots=True)
class CiliumRule:
    """One rule: everyone in `peers`, on each of `ports`. `condition` beyond the ports' own; `unsure` explains `may`."""

    path: str
    peers: Match
    ports: tuple[CiliumPorts, ...]
    condition: Cause | None
    unsure: Cause


class CiliumRules:
    """Reads the rules of one direction. Every method raises FieldProblem for what Cilium refuses."""

    def __init__(
        self, cluster: Cluster, universe: Universe, labels: CiliumLabels, config: CiliumConfig
    ) -> None:
        self._cluster = cluster
        self._universe = universe
        self._labels = labels
        self._config = config
        self.dangling: list[FieldProblem] = []
        """References to CIDR groups that are not there, met since it was last emptied."""

    def read(
        self, spec: JsonObject, field: str, where: str, namespace: str, direction: Direction
    ) -> Iterator[CiliumRule]:
        """The rules under `ingress`, `ingressDeny`, `egress` or `egressDeny`."""
        for index, raw in enumerate(list_field(spec, field, where)):
            path = f"{where}.{field}[{index}]"
            rule = self._rule(mapping_field(raw, path), path, namespace, direction)
            if rule is not None:
                yield rule

    def _rule(self, raw: JsonObject, path: str, namespace: str, direction: Direction) -> CiliumRule | None:
        prefix = "from" if direction is Direction.INGRESS else "to"
        if raw.get(prefix + _REQUIRES):
            field = f"{path}.{prefix}{_REQUIRES}"
            raise FieldProblem(
                field, "expected no requirements: they are gone since Cilium 1.19", "unsupported.feature"
            )
        given = {m: list_field(raw, prefix + m, path) for m in _MEMBERS if raw.get(prefix + m) is not None}
        used = [member for member, entries in given.items() if entries]
        if len(used) > 1:
            field = f"{path}.{prefix}{used[1]}"
            raise FieldProblem(field, f"expected no {prefix}{used[0]} beside it", "invalid.rule")
        ports = read_ports(raw, path)
        if len(used) < len(given):
            return None
        if not given:
            return self._wildcard(path, ports, raw)
        member = used[0]
        peers, unsure = self._peers(member, given[member], f"{path}.{prefix}{member}", namespace)
        rule = CiliumRule(path, peers, ports or (CiliumPorts((EVERYTHING,)),), _authentication(raw), unsure)
        names = ", ".join(str(v) for e in given[member] for v in mapping_at(e).values())[:200]
        return replace(rule, condition=cause("conditional.fqdn", detail=names)) if member == "FQDNs" else rule

    def _wildcard(self, path: str, ports: tuple[CiliumPorts, ...], raw: JsonObject) -> CiliumRule | None:
        """No peers named: everyone on the ports that are, nobody where there are none."""
        if not ports:
            return None
        everyone = Match(self._universe.everything)
        return CiliumRule(path, everyone, ports, _authentication(raw), cause("indeterminate.undecided"))

    def _peers(self, member: str, entries: list[Any], where: str, namespace: str) -> tuple[Match, Cause]:
        found, unsure = NO_MATCH, cause("indeterminate.namespace-labels")
        for index, entry in enumerate(entries):
            match, why = self._peer(member, entry, f"{where}[{index}]", namespace)
            found, unsure = found | match, why if match.may else unsure
        return found, unsure

    def _peer(self, member: str, entry: Any, where: str, namespace: str) -> tuple[Match, Cause]:
        outside = Match(self._universe.outside)
        match member:
            case "Endpoints":
                return self._labels.peers(entry, where, namespace), cause("indeterminate.namespace-labels")
            case "Entities":
                return self._entity(entry, where), cause("indeterminate.cilium-api-server")
            case "CIDR":
                return self._cidr(_network(entry, where)), cause("indeterminate.node-labels")
            case "CIDRSet":
                return self._cidr_set(mapping_field(entry, where), where), cause(
                    "indeterminate.cilium-cidr-group"
                )
            case "FQDNs":
                return outside, cause("indeterminate.undecided")
            case "Services":
                return self._services(mapping_field(entry, where), where), cause("indeterminate.undecided")
            case "Nodes":
                return self._nodes(entry, where), cause("indeterminate.node-labels")
            case _:
                return Match(0, outside.must), cause("indeterminate.cilium-cloud-group")

    def _entity(self, entry: Any, where: str) -> Match:
        if not isinstance(entry, str) or entry not in ENTITIES:
            raise FieldProblem(where, f"expected one of {', '.join(sorted(ENTITIES))}", "invalid.peer")
        return self._labels.entity(entry)

    def _cidr(self, network: Network) -> Match:
        """Addresses outside the cluster, never pods; nodes only by `policy-cidr-match-mode` (connectivity.md 6)."""
        reached = self._universe.outside
        if self._config.cidr_matches_nodes:
            reached |= self._universe.hosts | self._universe.host_network
        return self._universe.within(network) & Match(reached)

    def _cidr_set(self, entry: JsonObject, where: str) -> Match:
        if entry.get("cidrGroupRef") or entry.get("cidrGroupSelector") is not None:
            found = self._groups(entry, where)
        else:
            found = self._cidr(_network(entry.get("cidr"), f"{where}.cidr", prefix_needed=True))
        for index, text in enumerate(list_field(entry, "except", where)):
            place = f"{where}.except[{index}]"
            hole = _network(text, place, prefix_needed=True)
            if entry.get("cidr") and not _holds(_network(entry["cidr"], where), hole):
                raise FieldProblem(place, f"expected a block inside {entry['cidr']}", "invalid.cidr")
            found = found.minus(self._cidr(hole))
        return found

    def _groups(self, entry: JsonObject, where: str) -> Match:
        groups: Iterable[KubeObject]
        if name := text_at(entry, "cidrGroupRef"):
            obj = self._cluster.get(CIDR_GROUP, "", name)
            if obj is None:
                expected = f"expected a CiliumCIDRGroup that exists; {name!r} is not in the evidence"
                self.dangling.append(FieldProblem(f"{where}.cidrGroupRef", expected, "invalid.reference"))
                return Match(0, self._universe.outside)
            groups = (obj,)
        else:
            try:
                selector = parse_selector(entry.get("cidrGroupSelector"), f"{where}.cidrGroupSelector")
            except SelectorError as problem:
                raise FieldProblem.of_selector(problem) from None
            groups = [o for o in self._cluster.all(CIDR_GROUP) if selector.matches(o.labels)]
        found = NO_MATCH
        for group in groups:
            for text in list_at(group.spec, "externalCIDRs"):
                found = found | self._cidr(_network(text, f"{where} ({group.id} spec.externalCIDRs)"))
        return found

    def _nodes(self, entry: Any, where: str) -> Match:
        try:
            found = self._universe.select_nodes(parse_selector(_without_sources(entry), where))
        except SelectorError as problem:
            raise FieldProblem.of_selector(problem) from None
        return found if self._config.node_selectors else Match(0, found.any)

    def _services(self, entry: JsonObject, where: str) -> Match:
        """Services with a selector mean its pods, those without one their addresses outside (pkg/policy/k8s/service.go)."""
        found = NO_MATCH
        for service in self._chosen_services(entry, where):
            selector = labels_of(service.spec.get("selector"))
            if selector:
                found = found | self._labels.services(service.namespace, selector)
            else:
                for network in self._addresses(service):
                    found = found | self._cidr(network)
        return found

    def _chosen_services(self, entry: JsonObject, where: str) -> Iterator[KubeObject]:
        chosen = mapping_field(entry.get("k8sServiceSelector"), f"{where}.k8sServiceSelector")
        named = mapping_field(entry.get("k8sService"), f"{where}.k8sService")
        namespace = text_at(chosen or named, "namespace")
        try:
            selector = parse_selector(
                _without_sources(chosen.get("selector")), f"{where}.k8sServiceSelector.selector"
            )
        except SelectorError as problem:
            raise FieldProblem.of_selector(problem) from None
        for service in self._cluster.all(SERVICE):
            if namespace and service.namespace != namespace:
                continue
            if selector.matches(service.labels) if chosen else service.name == named.get("serviceName"):
                yield service

    def _addresses(self, service: KubeObject) -> Iterator[Network]:
        for item in self._cluster.in_namespace(ENDPOINT_SLICE, service.namespace):
            if item.labels.get("kubernetes.io/service-name") == service.name:
                for entry in mappings_at(item.body, "endpoints"):
                    for text in list_at(entry, "addresses"):
                        try:
                            yield ipaddress.ip_network(str(text))
                        except ValueError:
                            continue


def _authentication(raw: JsonObject) -> Cause | None:
    """`authentication.mode: required` lets only mutually authenticated peers through."""
    mode = mapping_at(raw, "authentication").get("mode")
    if mode in (None, "disabled"):
        return None
    return cause("conditional.identity", detail="that Cilium's mutual authentication confirms")


def _network(raw: Any, where: str, *, prefix_needed: bool = False) -> Network:
    """A CIDR, whose host bits Cilium masks, or (in `toCIDR`) an address. Raises FieldProblem."""
    text = raw if isinstance(raw, str) else ""
    try:
        if prefix_needed and "/" not in text:
            raise ValueError
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise FieldProblem(where, "expected an address block such as 10.0.0.0/8", "invalid.cidr") from None


def _holds(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.network_address in outer


def _without_sources(raw: Any) -> Any:
    """Labels of nodes and Services have one source only: `k8s:` and `any:` before a key are dropped."""
    if not isinstance(raw, Mapping):
        return raw
    plain = dict(raw)
    labels = raw.get("matchLabels")
    if isinstance(labels, Mapping):
        plain["matchLabels"] = {_bare(key): value for key, value in labels.items()}
    expressions = raw.get("matchExpressions")
    if isinstance(expressions, list):
        plain["matchExpressions"] = [
            {**entry, "key": _bare(entry.get("key"))} if isinstance(entry, Mapping) else entry
            for entry in expressions
        ]
    return plain


def _bare(key: Any) -> Any:
    return key.removeprefix("k8s:").removeprefix("any:") if isinstance(key, str) else key
