"""The rows of the policy-layers cases as port sets: what the analyser lets through for certain, and for some requests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from auditor.network.ports import NOTHING, PortSet, Range

NAMED = ("TCP", "UDP", "SCTP", "ICMP")
OTHER_THAN_TCP = ("UDP", "SCTP", "ICMP")
_REQUEST = ("methods", "hosts", "paths", "src_ports")
Pair = tuple[str, str]
Flow = tuple[PortSet, PortSet]
"""What is open for certain, and what is open for some requests."""


def wanted(rows: Iterator[Mapping[str, Any]]) -> dict[Pair, Flow]:
    """What each pair is let through; a pair that isn't listed may not connect."""
    found: dict[Pair, Flow] = {}
    for row in rows:
        pair = row["src"], row["dst"]
        certain, some = found.get(pair, (NOTHING, NOTHING))
        add_certain, add_some = _flow(row)
        found[pair] = certain | add_certain, some | add_some
    return {pair: (certain, minus(some, certain)) for pair, (certain, some) in found.items()}


def joined(flows: Iterable[Flow]) -> Flow:
    """The union of flows: what is certain in one of them is certain."""
    certain, some = NOTHING, NOTHING
    for flow in flows:
        certain, some = certain | flow[0], some | flow[1]
    return certain, minus(some, certain)


def _flow(row: Mapping[str, Any]) -> Flow:
    if isinstance(row["ports"], str):
        return PortSet.whole(*(NAMED if row["ports"] == "All Connections" else OTHER_THAN_TCP)), NOTHING
    if row["ports"] is not None:
        return PortSet.of({e["protocol"]: [(a, b) for a, b in e["ranges"]] for e in row["ports"]}), NOTHING
    certain, some = NOTHING, NOTHING
    complement = row["text"].startswith("All but ")
    for box in re.findall(r"\{([^}]*)\}", row["text"]):
        keys = dict(re.findall(r"(\w+):((?:(?!,\w+:).)*)", box))
        ports = _box(keys, row.get("section"))
        if any(key in keys for key in _REQUEST):
            some |= ports
        else:
            certain |= ports
    return (minus(PortSet.whole(*NAMED), certain), NOTHING) if complement else (certain, some)


def _box(keys: Mapping[str, str], section: str | None) -> PortSet:
    everything = ("TCP",) if section == "TCP" else NAMED
    protocols = [p.strip() for p in keys["protocols"].split(",")] if "protocols" in keys else list(everything)
    if keys.get("protocols", "").startswith("all but "):
        barred = keys["protocols"].removeprefix("all but ").split(", ")
        protocols = [protocol for protocol in everything if protocol not in barred]
    if "icmp_type" in keys:
        types, codes = _ranges(keys["icmp_type"]), _ranges(keys.get("icmp_code", "0-255"))
        return PortSet.of(
            {
                "ICMP": [
                    (t * 256 + low, t * 256 + high)
                    for a, b in types
                    for t in range(a, b + 1)
                    for low, high in codes
                ]
            }
        )
    ports = _ranges(keys["dst_ports"]) if "dst_ports" in keys else None
    if ports is None:
        return PortSet.whole(*protocols)
    return PortSet.of(dict.fromkeys(protocols, ports))


def _ranges(text: str) -> list[Range]:
    pairs = (part.strip().partition("-") for part in text.split(","))
    return [(int(low), int(high or low)) for low, _, high in pairs]


def minus(ports: PortSet, barred: PortSet) -> PortSet:
    """The difference, worked out here, so that the engine's own is not taken on trust."""
    left: dict[str, list[Range]] = {}
    for protocol, pairs in ports.ranges:
        parts = list(pairs)
        for low, high in barred.of_protocol(protocol):
            cut = [((a, min(b, low - 1)), (max(a, high + 1), b)) for a, b in parts]
            parts = [part for pieces in cut for part in pieces if part[0] <= part[1]]
        left[protocol] = parts
    return PortSet.of(left)
