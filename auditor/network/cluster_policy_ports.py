"""The ports of AdminNetworkPolicy rules (v1alpha1) and the protocols of ClusterNetworkPolicy rules (v1alpha2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.network.fields import FieldProblem, mapping_field
from auditor.network.named_ports import NamedPort, PortChoice
from auditor.network.ports import EVERYTHING, HIGHEST, LOWEST, PORT_PROTOCOLS, PortSet

_PROTOCOL_FIELDS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}


def parse_ports(entries: Sequence[Any], where: str) -> list[PortChoice]:
    """v1alpha1 `ports`; none means all. Raises FieldProblem."""
    return [_port(entry, f"{where}[{i}]") for i, entry in enumerate(entries)] or [EVERYTHING]


def parse_protocols(entries: Sequence[Any], where: str) -> list[PortChoice]:
    """v1alpha2 `protocols`; none means all. Raises FieldProblem."""
    return [_protocol(entry, f"{where}[{i}]") for i, entry in enumerate(entries)] or [EVERYTHING]


def _only(raw: Any, where: str, allowed: Sequence[str]) -> tuple[str, Any]:
    entry = mapping_field(raw, where)
    known = [key for key in allowed if entry.get(key) is not None]
    if len(known) != 1:
        raise FieldProblem(where, f"expected exactly one of {', '.join(allowed)}", "invalid.port")
    return known[0], entry[known[0]]


def _port(raw: Any, where: str) -> PortChoice:
    kind, value = _only(raw, where, ("portNumber", "portRange", "namedPort"))
    place = f"{where}.{kind}"
    if kind == "namedPort":
        return _named(value, place)
    entry = mapping_field(value, place)
    protocol = entry.get("protocol") or "TCP"
    if protocol not in PORT_PROTOCOLS:
        raise FieldProblem(f"{place}.protocol", "expected TCP, UDP or SCTP", "invalid.port")
    if kind == "portNumber":
        return PortSet.single(protocol, _number(entry, "port", place))
    return _range(entry, protocol, place)


def _protocol(raw: Any, where: str) -> PortChoice:
    kind, value = _only(raw, where, ("tcp", "udp", "sctp", "destinationNamedPort"))
    place = f"{where}.{kind}"
    if kind == "destinationNamedPort":
        return _named(value, place)
    inner = mapping_field(value, place).get("destinationPort")
    place = f"{place}.destinationPort"
    if inner is None:
        raise FieldProblem(place, "expected a number or a range", "invalid.port")
    form, port = _only(inner, place, ("number", "range"))
    if form == "number":
        return PortSet.single(_PROTOCOL_FIELDS[kind], _number({"number": port}, "number", place))
    return _range(mapping_field(port, f"{place}.range"), _PROTOCOL_FIELDS[kind], f"{place}.range")


def _range(entry: Mapping[str, Any], protocol: str, where: str) -> PortSet:
    start, end = _number(entry, "start", where), _number(entry, "end", where)
    if start >= end:
        raise FieldProblem(f"{where}.end", "expected a port above start", "invalid.port")
    return PortSet.single(protocol, start, end)


def _number(entry: Mapping[str, Any], field: str, where: str) -> int:
    value = entry.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not LOWEST <= value <= HIGHEST:
        raise FieldProblem(f"{where}.{field}", "expected a port from 1 to 65535", "invalid.port")
    return value


def _named(value: Any, where: str) -> NamedPort:
    if not isinstance(value, str) or not value:
        raise FieldProblem(where, "expected the name of a port", "invalid.port")
    return NamedPort(value, PORT_PROTOCOLS)
