"""The connectivity cases of the reference data: read the manifests, and compare all connections with what is expected."""

import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import mappings_at
from auditor.model.verdict import Tri
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import PORT_PROTOCOLS, PortSet
from tests.network.building import connect

VARIABLE = "AUDITOR_REFERENCE_DATA"
Ports = dict[str, tuple[tuple[int, int], ...]]
Span = tuple[int, int]
ALL: Ports = dict.fromkeys(PORT_PROTOCOLS, ((1, 65535),))


def case_folders() -> list[Path]:
    """Every case; none where the reference data isn't at hand."""
    root = os.environ.get(VARIABLE)
    folder = Path(root) / "connectivity-cases" if root else None
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []


def load(folder: Path) -> list[dict[str, Any]]:
    """All objects of a case, Lists flattened."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.name != "expected.json":
            for document in yaml.safe_load_all(path.read_text()):
                found.extend(_flatten(document))
    return found


def _flatten(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        kind, version = str(document["kind"]).removesuffix("List"), document.get("apiVersion")
        for item in document["items"]:
            yield from _flatten({**({"kind": kind, "apiVersion": version} if kind else {}), **item})
    elif document.get("kind") and document.get("apiVersion"):
        yield document


@dataclass
class Comparison:
    """Differences between our connections and the expected ones; empty means agreement."""

    differences: list[str] = field(default_factory=list)

    def equal(self, what: str, ours: object, expected: object) -> None:
        """Note a difference."""
        if ours != expected:
            self.differences.append(f"{what}: ours {ours}, expected {expected}")


def compare(folder: Path) -> Comparison:
    """Compare endpoints, all pairs, all outside ranges, and who is unprotected."""
    expected = json.loads((folder / "expected.json").read_text())
    connectivity = connect(with_addresses(load(folder)))
    names = {e: name for e in connectivity.universe.endpoints if (name := reference_name(e))}
    result = Comparison()
    result.equal("endpoints", sorted(set(names.values())), sorted(expected["endpoints"]))
    pairs, outside = _expected(expected["connections"])
    _compare_pairs(connectivity, names, pairs, result)
    _compare_outside(connectivity, names, outside, result)
    if "unprotected" in expected:
        wanted = sorted((row["workload"], row["direction"].lower()) for row in expected["unprotected"])
        result.equal("unprotected", sorted(_unprotected(connectivity, names)), wanted)
    return result


def with_addresses(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give pods without an address one of a documentation range that no case's block names.

    The expected answers take such pods as outside every block; the engine alone would say that it cannot tell.
    """
    for number, raw in enumerate(objects):
        status = raw.get("status") or {}
        if raw["kind"] == "Pod" and not status.get("podIP") and not status.get("podIPs"):
            raw["status"] = {**status, "podIPs": [{"ip": f"198.51.100.{number % 254 + 1}"}]}
    return objects


def reference_name(endpoint: Endpoint) -> str:
    """`namespace/name[Kind]`, a pod counting as its direct owner."""
    kind, name = endpoint.kind, endpoint.name
    if endpoint.pods:
        owners = mappings_at(endpoint.pods[0].body, "metadata", "ownerReferences")
        controlling = [o for o in owners if o.get("controller")] or owners
        kind, name = "Pod", endpoint.pods[0].name
        if controlling:
            kind, name = controlling[-1].get("kind") or "Pod", controlling[-1]["name"]
    return f"{endpoint.namespace}/{name}[{kind}]"


def _expected(
    rows: list[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str], Ports], dict[tuple[str, str], list[tuple[Span, Ports]]]]:
    pairs: dict[tuple[str, str], Ports] = {}
    outside: dict[tuple[str, str], list[tuple[Span, Ports]]] = {}
    for row in rows:
        ports = _ports(row["ports"])
        if "[" in row["src"] and "[" in row["dst"]:
            pairs[row["src"], row["dst"]] = ports
        elif "[" in row["src"]:
            outside.setdefault((row["src"], "egress"), []).append((_span(row["dst"]), ports))
        else:
            outside.setdefault((row["dst"], "ingress"), []).append((_span(row["src"]), ports))
    return pairs, outside


def _ports(listed: Any) -> Ports:
    if isinstance(listed, str):
        return ALL
    return {entry["protocol"]: tuple((low, high) for low, high in entry["ranges"]) for entry in listed}


def _span(text: str) -> Span:
    first, _, last = text.partition("-")
    return int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last or first))


def _ours(ports: PortSet) -> Ports:
    return {p: pairs for p, pairs in ports.ranges if p in PORT_PROTOCOLS}


def _compare_pairs(
    connectivity: Connectivity,
    names: Mapping[Endpoint, str],
    expected: Mapping[tuple[str, str], Ports],
    result: Comparison,
) -> None:
    for source, from_ in names.items():
        for destination, to in names.items():
            if from_ != to:
                connection = connectivity.connection(source, destination, Basis.DECLARED)
                if connection.conditional or connection.indeterminate:
                    result.differences.append(f"{from_} -> {to}: {connection.indeterminate}")
                result.equal(f"{from_} -> {to}", _ours(connection.allowed), expected.get((from_, to), {}))


def _compare_outside(
    connectivity: Connectivity,
    names: Mapping[Endpoint, str],
    expected: Mapping[tuple[str, str], list[tuple[Span, Ports]]],
    result: Comparison,
) -> None:
    for endpoint, name in names.items():
        for direction in ("ingress", "egress"):
            rows = expected.get((name, direction), [])
            ours = list(_ranges(connectivity, endpoint, direction))
            for point in sorted(
                {start for (start, _), _ in (*rows, *ours)} | {end + 1 for (_, end), _ in rows}
            ):
                if point < 1 << 32:
                    what = f"{direction} {name} at {ipaddress.ip_address(point)}"
                    result.equal(what, _at(ours, point), _at(rows, point))


def _at(rows: list[tuple[Span, Ports]], point: int) -> Ports:
    return next((ports for (low, high), ports in rows if low <= point <= high), {})


def _ranges(connectivity: Connectivity, endpoint: Endpoint, direction: str) -> Iterator[tuple[Span, Ports]]:
    for external in connectivity.externals:
        if external.version == 4:
            ends = (external, endpoint) if direction == "ingress" else (endpoint, external)
            ports = _ours(connectivity.connection(*ends, Basis.DECLARED).allowed)
            for cidr in external.cidrs:
                block = ipaddress.ip_network(cidr)
                yield (int(block.network_address), int(block.broadcast_address)), ports


def _unprotected(connectivity: Connectivity, names: Mapping[Endpoint, str]) -> Iterator[tuple[str, str]]:
    for endpoint, name in names.items():
        for direction in ("ingress", "egress"):
            if connectivity.isolation(endpoint, direction).declared is Tri.NO:
                yield name, direction
