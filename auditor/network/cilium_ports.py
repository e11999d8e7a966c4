"""The ports of Cilium's rules: `toPorts`, `icmps`, and what else they ask for (pkg/policy/api/rule_validation.go)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.model.objects import JsonObject, mapping_at
from auditor.model.verdict import Cause
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.named_ports import NamedPort, PortChoice
from auditor.network.ports import EVERYTHING, HIGHEST, PORT_PROTOCOLS, PortSet, full_range
from auditor.network.reasons import cause

_NUMBERED = {"VRRP": "112", "IGMP": "2", "ICMP": "ICMP", "ICMPV6": "ICMPv6"}
_MAX_PORTS, _MAX_ICMP = 40, 40
_L7 = ("http", "kafka", "dns", "l7")
_ICMP4 = {
    "EchoReply": 0,
    "DestinationUnreachable": 3,
    "Redirect": 5,
    "Echo": 8,
    "EchoRequest": 8,
    "RouterAdvertisement": 9,
    "RouterSelection": 10,
    "TimeExceeded": 11,
    "ParameterProblem": 12,
    "Timestamp": 13,
    "TimestampReply": 14,
    "Photuris": 40,
    "ExtendedEchoRequest": 42,
    "ExtendedEchoReply": 43,
}
_ICMP6 = {
    "DestinationUnreachable": 1,
    "PacketTooBig": 2,
    "TimeExceeded": 3,
    "ParameterProblem": 4,
    "EchoRequest": 128,
    "EchoReply": 129,
    "MulticastListenerQuery": 130,
    "MulticastListenerReport": 131,
    "MulticastListenerDone": 132,
    "RouterSolicitation": 133,
    "RouterAdvertisement": 134,
    "NeighborSolicitation": 135,
    "NeighborAdvertisement": 136,
    "RedirectMessage": 137,
    "RouterRenumbering": 138,
    "ICMPNodeInformationQuery": 139,
    "ICMPNodeInformationResponse": 140,
    "InverseNeighborDiscoverySolicitation": 141,
    "InverseNeighborDiscoveryAdvertisement": 142,
    "HomeAgentAddressDiscoveryRequest": 144,
    "HomeAgentAddressDiscoveryReply": 145,
    "MobilePrefixSolicitation": 146,
    "MobilePrefixAdvertisement": 147,
    "DuplicateAddressRequestCodeSuffix": 157,
    "DuplicateAddressConfirmationCodeSuffix": 158,
    "ExtendedEchoRequest": 160,
    "ExtendedEchoReply": 161,
}


@dataclass(frozen=True, slots=True)
class CiliumPorts:
    """Ports that a rule names together, and the condition under which they are open (L7 rules, server names)."""

    choices: tuple[PortChoice, ...]
    condition: Cause | None = None


def read_ports(rule: JsonObject, where: str) -> tuple[CiliumPorts, ...]:
    """What `toPorts` and `icmps` name; empty where a rule has neither. Raises FieldProblem."""
    to_ports, icmps = list_field(rule, "toPorts", where), list_field(rule, "icmps", where)
    if to_ports and icmps:
        raise FieldProblem(f"{where}.icmps", "expected no toPorts beside it", "invalid.port")
    found = [_port_rule(entry, f"{where}.toPorts[{i}]") for i, entry in enumerate(to_ports)]
    found += [_icmp_rule(entry, f"{where}.icmps[{i}]") for i, entry in enumerate(icmps)]
    return tuple(found)


def _port_rule(raw: Any, where: str) -> CiliumPorts:
    entry = mapping_field(raw, where)
    ports = list_field(entry, "ports", where)
    if len(ports) > _MAX_PORTS:
        raise FieldProblem(f"{where}.ports", f"expected at most {_MAX_PORTS} ports", "invalid.port")
    choices = tuple(_port(port, f"{where}.ports[{i}]") for i, port in enumerate(ports))
    return CiliumPorts(choices or (EVERYTHING,), _condition(entry, where))


def _condition(entry: JsonObject, where: str) -> Cause | None:
    rules = mapping_field(entry.get("rules"), f"{where}.rules")
    kinds = [kind for kind in _L7 if rules.get(kind)]
    if rules.get("l7proto"):
        kinds = [str(rules["l7proto"])]
    if len(kinds) > 1:
        raise FieldProblem(f"{where}.rules", "expected rules of one protocol", "invalid.rule")
    if kinds:
        return cause("conditional.l7", detail=f"{kinds[0].upper()} rules")
    if entry.get("serverNames"):
        return cause("conditional.l7", detail="TLS server names")
    if mapping_at(entry, "listener"):
        return cause("conditional.l7", detail="an Envoy listener")
    return None


def _port(raw: Any, where: str) -> PortChoice:
    entry = mapping_field(raw, where)
    protocols = _protocols(entry.get("protocol"), where)
    port, end = entry.get("port"), entry.get("endPort")
    text = str(port) if isinstance(port, int | str) and not isinstance(port, bool) else ""
    if text and not text.isascii():
        text = ""
    if text.isdigit():
        return _numbers(int(text[:6]), end, protocols, where)
    if not text or not any(letter.isalpha() for letter in text) or len(text) > 15:
        raise FieldProblem(
            f"{where}.port", "expected a port from 0 to 65535 or a port's name", "invalid.port"
        )
    return NamedPort(text.lower(), tuple(p for p in protocols if p in PORT_PROTOCOLS))


def _numbers(port: int, end: Any, protocols: tuple[str, ...], where: str) -> PortSet:
    if port > HIGHEST:
        raise FieldProblem(f"{where}.port", "expected a port from 0 to 65535", "invalid.port")
    if port == 0:
        return EVERYTHING if protocols == PORT_PROTOCOLS else PortSet.whole(*protocols)
    last = port
    if end not in (None, 0):
        if not isinstance(end, int) or isinstance(end, bool) or not port <= end <= HIGHEST:
            raise FieldProblem(
                f"{where}.endPort", "expected a port not below port, up to 65535", "invalid.port"
            )
        last = end
    return PortSet.of({p: [(port, last)] if p in PORT_PROTOCOLS else [full_range(p)] for p in protocols})


def _protocols(raw: Any, where: str) -> tuple[str, ...]:
    """ANY, the default, is TCP, UDP and SCTP."""
    name = "ANY" if raw in (None, "") else str(raw).upper()
    if name == "ANY":
        return PORT_PROTOCOLS
    if name in PORT_PROTOCOLS:
        return (name,)
    if name in _NUMBERED:
        return (_NUMBERED[name],)
    raise FieldProblem(f"{where}.protocol", "expected TCP, UDP, SCTP, VRRP, IGMP or ANY", "invalid.port")


def _icmp_rule(raw: Any, where: str) -> CiliumPorts:
    fields = list_field(mapping_field(raw, where), "fields", where)
    if len(fields) > _MAX_ICMP:
        raise FieldProblem(f"{where}.fields", f"expected at most {_MAX_ICMP} types", "invalid.port")
    return CiliumPorts(tuple(_icmp_types(fields, where)))


def _icmp_types(fields: list[Any], where: str) -> Iterator[PortSet]:
    for index, raw in enumerate(fields):
        place = f"{where}.fields[{index}]"
        entry = mapping_field(raw, place)
        family = entry.get("family") or "IPv4"
        if family not in ("IPv4", "IPv6"):
            raise FieldProblem(f"{place}.family", "expected IPv4 or IPv6", "invalid.port")
        yield PortSet.icmp("ICMP" if family == "IPv4" else "ICMPv6", _icmp_type(entry, family, place))


def _icmp_type(entry: Mapping[str, Any], family: str, where: str) -> int:
    raw = entry.get("type")
    named = (_ICMP4 if family == "IPv4" else _ICMP6).get(str(raw))
    number = int(raw) if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 4 else raw
    if named is not None:
        return named
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 255:
        return number
    raise FieldProblem(f"{where}.type", "expected an ICMP type from 0 to 255 or its name", "invalid.port")
