"""The rules of Calico's policies and profiles, read into typed values.

What Calico's validation refuses (libcalico-go/lib/validator/v3) raises `Refused`.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.model.objects import JsonObject, KubeObject, mapping_at, text_at
from auditor.network.calico_selectors import (
    EVERYTHING,
    CalicoSelectorError,
    ClusterScoped,
    Compare,
    Has,
    Node,
    conjunction,
    in_namespaces,
    parse_calico_selector,
)

NAMESPACE_LABEL = "projectcalico.org/namespace"
SERVICE_ACCOUNT_LABEL = "projectcalico.org/serviceaccount"
NAME_LABEL = "projectcalico.org/name"
ORCHESTRATOR_LABEL = "projectcalico.org/orchestrator"
NAMESPACE_PREFIX = "pcns."
SERVICE_ACCOUNT_PREFIX = "pcsa."

ACTIONS = ("Allow", "Deny", "Log", "Pass")
PROTOCOL_NUMBERS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 136: "UDPLite"}
PORT_PROTOCOLS = ("TCP", "UDP", "SCTP")
_PROTOCOL_NAMES = {name.lower(): name for name in PROTOCOL_NUMBERS.values()}

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refused(ValueError):
    """A field that Calico refuses: its path, and what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


@dataclass(frozen=True, slots=True)
class CalicoPorts:
    """Numeric ports as sorted inclusive ranges, and port names; a packet matches any."""

    ranges: tuple[tuple[int, int], ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """One side of a rule. None and empty mean no restriction; every restriction must match.

    `selector` already holds the rule's namespaceSelector, service accounts and the policy's own namespace.
    """

    selector: Node | None = None
    not_selector: Node | None = None
    nets: tuple[IpNetwork, ...] = ()
    not_nets: tuple[IpNetwork, ...] = ()
    ports: CalicoPorts | None = None
    not_ports: CalicoPorts | None = None
    service: tuple[str, str] | None = None
    """(namespace, name)"""


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP type with or without a code; None is any."""

    type: int | None
    code: int | None


@dataclass(frozen=True, slots=True)
class CalicoRule:
    """One rule; `path` is where it stands in its object (`spec.ingress[0]`)."""

    path: str
    action: str
    source: Entity
    destination: Entity
    protocol: str | None = None
    not_protocol: str | None = None
    icmp: Icmp | None = None
    not_icmp: Icmp | None = None
    ip_version: int | None = None
    http: bool = False


def read_selector(raw: Any, field: str) -> Node:
    """A selector's node; a missing one is `all()`. Raises Refused."""
    if raw is None:
        return EVERYTHING
    if not isinstance(raw, str):
        raise Refused(field, "expected a selector as text")
    try:
        return parse_calico_selector(raw)
    except CalicoSelectorError as error:
        raise Refused(field, str(error)) from error


def without_global(node: Node, field: str) -> Node:
    """The node, refused where it says `global()`: that has a meaning in a rule's namespaceSelector only."""
    if "global()" in str(node):
        raise Refused(field, "global() is only valid as the namespaceSelector of a rule")
    return node


def read_rules(obj: KubeObject, direction: str) -> Iterator[CalicoRule]:
    """The rules under `spec.ingress` or `spec.egress`. Raises Refused."""
    raw = obj.spec.get(direction)
    if raw is None:
        return
    if not isinstance(raw, list):
        raise Refused(f"spec.{direction}", "expected a list of rules")
    for index, rule in enumerate(raw):
        path = f"spec.{direction}[{index}]"
        if not isinstance(rule, Mapping):
            raise Refused(path, "expected a rule")
        yield _read_rule(rule, path, obj.namespace, direction)


def _read_rule(raw: JsonObject, path: str, namespace: str, direction: str) -> CalicoRule:
    action = raw.get("action")
    if action not in ACTIONS:
        raise Refused(f"{path}.action", "expected Allow, Deny, Log or Pass")
    protocol = _protocol(raw.get("protocol"), f"{path}.protocol")
    rule = CalicoRule(
        path=path,
        action=action,
        source=_read_entity(raw, "source", path, namespace, protocol),
        destination=_read_entity(raw, "destination", path, namespace, protocol),
        protocol=protocol,
        not_protocol=_protocol(raw.get("notProtocol"), f"{path}.notProtocol"),
        icmp=_icmp(raw.get("icmp"), f"{path}.icmp", protocol),
        not_icmp=_icmp(raw.get("notICMP"), f"{path}.notICMP", protocol),
        ip_version=_ip_version(raw.get("ipVersion"), f"{path}.ipVersion"),
        http=bool(raw.get("http")),
    )
    _check_rule(rule, direction)
    return rule


def _check_rule(rule: CalicoRule, direction: str) -> None:
    if rule.http and (rule.action != "Allow" or direction != "ingress"):
        raise Refused(f"{rule.path}.http", "only valid in Allow rules of ingress")
    if rule.http and rule.protocol not in (None, "TCP"):
        raise Refused(f"{rule.path}.http", "only valid with protocol TCP")
    misplaced = rule.destination if direction == "ingress" else rule.source
    if misplaced.service is not None:
        raise Refused(
            f"{rule.path}", "services are only valid in the source of ingress, the destination of egress"
        )
    needed = {"ICMP": 4, "ICMPv6": 6}
    for protocol in (rule.protocol, rule.not_protocol):
        if rule.ip_version is not None and needed.get(protocol or "", rule.ip_version) != rule.ip_version:
            raise Refused(f"{rule.path}.ipVersion", f"expected {needed[protocol or '']} beside {protocol}")
    nets = (*rule.source.nets, *rule.source.not_nets, *rule.destination.nets, *rule.destination.not_nets)
    versions = {net.version for net in nets} | ({rule.ip_version} if rule.ip_version else set())
    if len(versions) > 1:
        raise Refused(rule.path, "expected addresses of one IP version, the rule's ipVersion")


def _read_entity(rule: JsonObject, side: str, path: str, namespace: str, protocol: str | None) -> Entity:
    raw, field = rule.get(side), f"{path}.{side}"
    if raw is None or raw == {}:
        return Entity()
    if not isinstance(raw, Mapping):
        raise Refused(field, "expected a mapping")
    not_selector = raw.get("notSelector")
    entity = Entity(
        selector=_entity_selector(raw, field, namespace),
        not_selector=read_selector(not_selector, f"{field}.notSelector") if not_selector else None,
        nets=read_nets(raw.get("nets"), f"{field}.nets"),
        not_nets=read_nets(raw.get("notNets"), f"{field}.notNets"),
        ports=_ports(raw.get("ports"), f"{field}.ports", protocol),
        not_ports=_ports(raw.get("notPorts"), f"{field}.notPorts", protocol),
        service=_service(raw.get("services"), f"{field}.services", namespace),
    )
    others = (
        entity.selector,
        entity.not_selector,
        *entity.nets,
        *entity.not_nets,
        entity.ports,
        entity.not_ports,
    )
    if entity.service is not None and any(other is not None for other in others):
        raise Refused(f"{field}.services", "services stand alone in their source or destination")
    return entity


def _entity_selector(raw: JsonObject, field: str, namespace: str) -> Node | None:
    """What the selector fields of one side ask for together; None where they ask for nothing.

    In a namespaced policy any of them, notSelector included, confines the side to the policy's namespace unless a
    namespaceSelector says otherwise (Calico's GetEntityRuleSelector).
    """
    parts: list[Node] = []
    accounts = raw.get("serviceAccounts")
    if isinstance(accounts, Mapping):
        parts += _service_accounts(accounts, f"{field}.serviceAccounts")
    if raw.get("selector"):
        parts.append(without_global(read_selector(raw["selector"], f"{field}.selector"), f"{field}.selector"))
    if raw.get("namespaceSelector"):
        parts.append(_namespace_selector(raw["namespaceSelector"], f"{field}.namespaceSelector"))
    elif namespace and (parts or raw.get("notSelector")):
        parts.append(Compare(NAMESPACE_LABEL, "==", (namespace,)))
    return conjunction(*parts) if parts else None


def _namespace_selector(raw: Any, field: str) -> Node:
    node = read_selector(raw, field)
    if node != ClusterScoped():
        without_global(node, field)
    return in_namespaces(node.prefixed(NAMESPACE_PREFIX), NAMESPACE_LABEL)


def _service_accounts(raw: JsonObject, field: str) -> Iterator[Node]:
    if raw.get("selector"):
        node = without_global(read_selector(raw["selector"], f"{field}.selector"), f"{field}.selector")
        yield node.prefixed(SERVICE_ACCOUNT_PREFIX)
        if node == EVERYTHING:
            yield Has(SERVICE_ACCOUNT_LABEL)
    names = raw.get("names")
    if names:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(f"{field}.names", "expected a list of names")
        yield Compare(SERVICE_ACCOUNT_LABEL, "in", tuple(sorted(names)))


def _service(raw: Any, field: str, namespace: str) -> tuple[str, str] | None:
    if raw is None:
        return None
    name, place = text_at(raw, "name"), text_at(raw, "namespace") or namespace
    if not name or not place:
        raise Refused(field, "expected the name of a Service, and its namespace in a global policy")
    return place, name


def read_nets(raw: Any, field: str) -> tuple[IpNetwork, ...]:
    """A list of CIDRs or addresses. Raises Refused, also for host bits."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise Refused(field, "expected a list of CIDRs")
    found: list[IpNetwork] = []
    for index, text in enumerate(raw):
        try:
            found.append(ipaddress.ip_network(text if isinstance(text, str) else ""))
        except ValueError as error:
            raise Refused(f"{field}[{index}]", "expected a CIDR without host bits") from error
    return tuple(found)


def _ports(raw: Any, field: str, protocol: str | None) -> CalicoPorts | None:
    if raw is None or raw == []:
        return None
    if not isinstance(raw, list):
        raise Refused(field, "expected a list of ports")
    if protocol not in PORT_PROTOCOLS:
        raise Refused(field, "ports need protocol TCP, UDP or SCTP in the same rule")
    ranges: list[tuple[int, int]] = []
    names: list[str] = []
    for index, entry in enumerate(raw):
        parsed = _port(entry, f"{field}[{index}]")
        if isinstance(parsed, str):
            names.append(parsed)
        else:
            ranges.append(parsed)
    return CalicoPorts(tuple(sorted(set(ranges))), tuple(sorted(set(names))))


def _port(raw: Any, field: str) -> tuple[int, int] | str:
    text = str(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) else ""
    low, separator, high = text.partition(":")
    if low.isascii() and low.isdigit() and (not separator or (high.isascii() and high.isdigit())):
        first, last = int(low[:6]), int((high or low)[:6])
        if 1 <= first <= last <= 65535:
            return first, last
    elif text and not separator and len(text) <= 128:
        return text
    raise Refused(field, "expected a port from 1 to 65535, a range as 80:90, or a port's name")


def _protocol(raw: Any, field: str) -> str | None:
    if raw is None:
        return None
    number = int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 4 else raw
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 255:
        return PROTOCOL_NUMBERS.get(number, str(number))
    if isinstance(raw, str) and raw.lower() in _PROTOCOL_NAMES:
        return _PROTOCOL_NAMES[raw.lower()]
    raise Refused(field, "expected TCP, UDP, SCTP, UDPLite, ICMP, ICMPv6 or a number from 1 to 255")


def _icmp(raw: Any, field: str, protocol: str | None) -> Icmp | None:
    if raw is None:
        return None
    kind, code = mapping_at(raw).get("type"), mapping_at(raw).get("code")
    limits = ((kind, 254), (code, 255))
    if not all(value is None or _is_number(value, highest) for value, highest in limits):
        raise Refused(field, "expected a type from 0 to 254 and a code from 0 to 255")
    if code is not None and kind is None:
        raise Refused(field, "a code needs a type")
    if protocol not in ("ICMP", "ICMPv6"):
        raise Refused(field, "needs protocol ICMP or ICMPv6")
    return Icmp(kind, code) if kind is not None else None


def _is_number(value: Any, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _ip_version(raw: Any, field: str) -> int | None:
    if raw is None:
        return None
    if raw not in (4, 6) or isinstance(raw, bool):
        raise Refused(field, "expected 4 or 6")
    return int(raw)
