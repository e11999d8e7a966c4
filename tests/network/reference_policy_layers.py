"""The policy-layers cases of the reference data: another analyser's matrix, row by row against ours.

Read as that analyser reads them: every pod alone (owners are dropped, templates become pods), workload endpoints become
pods, and where Istio has a say every pod gets a proxy, since it takes identities for granted.
"""

import copy
import ipaddress
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

from auditor.collect.yaml_documents import yaml_documents
from auditor.inventory.endpoints import Endpoint
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING, PortSet, Range
from auditor.network.universe import Peer
from tests.network.building import connect

VARIABLE = "AUDITOR_REFERENCE_DATA"
_NAMED = ("TCP", "UDP", "SCTP", "ICMP")
_OTHER_THAN_TCP = ("UDP", "SCTP", "ICMP")
_EGRESS_MODEL = ("Sidecar", "ServiceEntry")
_ENTRY_MODEL = ("Ingress", "VirtualService", "Gateway")
_ENTRY = re.compile(r"ingress-nginx|ingress-controller|ingressgateway|egressgateway|ingress-gateway|-alb\d")
_MESH_CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": "rootNamespace: istio-config\n"},
}
"""The analyser's root namespace."""
_REQUEST = ("methods", "hosts", "paths", "src_ports")
_UNTOLD = PortSet.single("indeterminate", 1)
Pair = tuple[str, str]
Flow = tuple[PortSet, PortSet]
"""What is open for certain, and what is open for some requests."""


def case_folders() -> list[Path]:
    """Every case; none where the reference data isn't at hand."""
    root = os.environ.get(VARIABLE)
    folder = Path(root) / "policy-layers-cases" if root else None
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []


@dataclass
class Comparison:
    """Counts of pairs of peers per section: agree, disagree, or not expressible, and why not."""

    agree: int = 0
    differences: list[str] = field(default_factory=list)
    other_model: Counter[str] = field(default_factory=Counter)


def compare(folder: Path) -> Comparison:
    """Compare every pair of pods, and every pod with every outside range, section by section."""
    expected = json.loads((folder / "expected.json").read_text())
    objects = list(_read(folder / "manifests"))
    kinds = {raw["kind"] for raw in objects}
    controllers = {r["src"] for r in expected["connections"] if "paths" in (r.get("text") or "")}
    entries = controllers if kinds & {*_ENTRY_MODEL} else set()
    connectivity = connect(_as_analysed(objects))
    peers = {f"{e.namespace}/{e.name}": e for e in connectivity.universe.endpoints}
    result = Comparison()
    pods = [name for name in expected["endpoints"] if name in peers]
    absent = len(expected["endpoints"]) - len(pods)
    hosts = sum(1 for name in expected["external"] if not _spans(name))
    for section in expected["sections"]:
        result.other_model["host endpoints, network sets and host names as peers"] += (
            (absent + hosts) * len(pods) * 2
        )
        wanted = _wanted(row for row in expected["connections"] if row.get("section", "all") == section)
        protocols = {"all": _NAMED, "TCP": ("TCP",), "non-TCP": _OTHER_THAN_TCP}[section]
        for source, destination in permutations(pods, 2):
            theirs = wanted.get((source, destination), (NOTHING, NOTHING))
            ours = _ours(connectivity, peers[source], peers[destination])
            _note(result, (source, destination), section, kinds | entries, ours, theirs, protocols)
        for name in pods:
            _compare_outside(
                connectivity, peers[name], name, wanted, (section, protocols, kinds | entries, result)
            )
    return result


def _compare_outside(
    connectivity: Connectivity,
    pod: Endpoint,
    name: str,
    wanted: Mapping[Pair, Flow],
    context: tuple[str, tuple[str, ...], set[str], Comparison],
) -> None:
    section, protocols, kinds, result = context
    rows = [(spans, pair, flow) for pair, flow in wanted.items() for spans in map(_spans, pair) if spans]
    for external in connectivity.externals:
        if external.version != 4:
            continue
        for ours_ends, index in (((external, pod), 0), ((pod, external), 1)):
            mine = [(spans, flow) for spans, pair, flow in rows if pair[1 - index] == name]
            theirs = {_joined([f for spans, f in mine if _inside(cidr, spans)]) for cidr in external.cidrs}
            pair = (external.id, name) if index == 0 else (name, external.id)
            ours = _ours(connectivity, *ours_ends)
            for flow in theirs:
                _note(result, pair, section, kinds, ours, flow, protocols)


def _joined(flows: list[Flow]) -> Flow:
    certain, some = NOTHING, NOTHING
    for flow in flows:
        certain, some = certain | flow[0], some | flow[1]
    return certain, _minus(some, certain)


def _note(
    result: Comparison,
    pair: Pair,
    section: str,
    kinds: set[str],
    ours: Flow,
    theirs: Flow,
    protocols: tuple[str, ...],
) -> None:
    ours, theirs = _of_protocols(ours, protocols), _of_protocols(theirs, protocols)
    if ours == theirs:
        result.agree += 1
    elif reason := _other_model(pair, section, kinds):
        result.other_model[reason] += 1
    else:
        said = f"ours {ours[0]}, partly {ours[1]}; theirs {theirs[0]}, partly {theirs[1]}"
        result.differences.append(f"{pair[0]} -> {pair[1]} [{section}]: {said}")


def _other_model(pair: Pair, section: str, kinds: set[str]) -> str | None:
    """What the analyser models as a limit on the sender, and this engine does not."""
    if section != "non-TCP" and kinds & {*_EGRESS_MODEL}:
        return "egress limits by Sidecar and ServiceEntry"
    if kinds & {*_ENTRY_MODEL} and any(_ENTRY.search(name) or name in kinds for name in pair):
        return "entry points as limits of their controllers"
    return None


def _ours(connectivity: Connectivity, source: Peer, destination: Peer) -> Flow:
    found = connectivity.connection(source, destination, Basis.DECLARED)
    if found.indeterminate:
        return _UNTOLD, NOTHING
    some = NOTHING
    for ports, _ in found.conditional:
        some |= ports
    return _with_icmp(found.allowed), some


def _with_icmp(ports: PortSet) -> PortSet:
    """Where no rule names ICMP it goes with the whole of everything else."""
    full = PortSet.whole("TCP", "UDP", "SCTP")
    return PortSet.whole(*_NAMED) if ports == full else ports


def _of_protocols(flow: Flow, protocols: tuple[str, ...]) -> Flow:
    """What concerns some protocols; of ICMP types 0 to 254, the ones that Calico's API has."""
    if flow[0] == _UNTOLD:
        return flow
    first, second = (
        PortSet.of({protocol: _clipped(protocol, ports.of_protocol(protocol)) for protocol in protocols})
        for ports in flow
    )
    return first, second


def _clipped(protocol: str, ranges: tuple[Range, ...]) -> list[Range]:
    highest = 254 * 256 + 255 if protocol == "ICMP" else 65535
    return [(low, min(high, highest)) for low, high in ranges if low <= highest]


def _spans(name: str) -> list[Range]:
    """The address range that a name is; empty for pods, host names and lists of ranges (network sets)."""
    first, _, last = name.partition("-")
    try:
        return [(int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last or first)))]
    except ValueError:
        return []


def _inside(cidr: str, spans: list[Range]) -> bool:
    block = ipaddress.ip_network(cidr)
    low, high = int(block.network_address), int(block.broadcast_address)
    return any(first <= low and high <= last for first, last in spans)


# -- what is expected ------------------------------------------------------------------------------------------------


def _wanted(rows: Iterator[Mapping[str, Any]]) -> dict[Pair, Flow]:
    found: dict[Pair, Flow] = {}
    for row in rows:
        pair = row["src"], row["dst"]
        certain, some = found.get(pair, (NOTHING, NOTHING))
        add_certain, add_some = _flow(row)
        found[pair] = certain | add_certain, some | add_some
    return {pair: (certain, _minus(some, certain)) for pair, (certain, some) in found.items()}


def _flow(row: Mapping[str, Any]) -> Flow:
    if isinstance(row["ports"], str):
        return PortSet.whole(*(_NAMED if row["ports"] == "All Connections" else _OTHER_THAN_TCP)), NOTHING
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
    return (_minus(PortSet.whole(*_NAMED), certain), NOTHING) if complement else (certain, some)


def _box(keys: Mapping[str, str], section: str | None) -> PortSet:
    everything = ("TCP",) if section == "TCP" else _NAMED
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


def _minus(ports: PortSet, barred: PortSet) -> PortSet:
    left: dict[str, list[Range]] = {}
    for protocol, pairs in ports.ranges:
        parts = list(pairs)
        for low, high in barred.of_protocol(protocol):
            cut = [((a, min(b, low - 1)), (max(a, high + 1), b)) for a, b in parts]
            parts = [part for pieces in cut for part in pieces if part[0] <= part[1]]
        left[protocol] = parts
    return PortSet.of(left)


# -- what is given ---------------------------------------------------------------------------------------------------


def _read(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for document in yaml_documents(path.read_bytes()):
                yield from _flatten(document.value, "Namespace")


def _flatten(document: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        for entry in document:
            yield from _flatten(entry, kind)
    elif isinstance(document, dict) and isinstance(document.get("items"), list):
        inner = str(document.get("kind", "")).removesuffix("List") or kind
        for entry in document["items"]:
            yield from _flatten(
                {"apiVersion": document.get("apiVersion", "v1"), "kind": inner, **entry}, kind
            )
    elif isinstance(document, dict) and document.get("metadata"):
        yield document


def _as_analysed(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    meshed = any(raw["kind"] == "AuthorizationPolicy" for raw in objects)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    if meshed:
        objects = [*objects, _MESH_CONFIG]
    for raw in objects:
        for made in _pods(raw):
            metadata = made["metadata"]
            if made["kind"] == "Pod":
                _settle(made, len(found), meshed)
            found[made["kind"] + made["apiVersion"], metadata.get("namespace", ""), metadata["name"]] = made
    return list(found.values())


def _pods(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    spec, metadata = raw.get("spec") or {}, raw["metadata"]
    if raw["kind"] == "WorkloadEndpoint":
        yield _workload_endpoint(raw)
    elif isinstance(spec, dict) and isinstance(spec.get("template"), dict) and raw["kind"] != "Service":
        for number in range(1, 3 if (spec.get("replicas") or 1) > 1 else 2):
            template = copy.deepcopy(spec["template"])
            named = {
                "name": f"{metadata['name']}-{number}",
                "namespace": metadata.get("namespace", "default"),
                "labels": (template.get("metadata") or {}).get("labels") or {},
            }
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template.get("spec") or {}}
    else:
        yield raw


def _workload_endpoint(raw: dict[str, Any]) -> dict[str, Any]:
    spec, metadata = raw["spec"], raw["metadata"]
    ports = [
        {"name": port["name"], "protocol": port["protocol"], "containerPort": port["port"]}
        for port in spec.get("ports", [])
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spec["pod"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
        },
        "spec": {
            "containers": [{"name": "main", "ports": ports}],
            "serviceAccountName": (metadata.get("labels") or {}).get(
                "projectcalico.org/serviceaccount", "default"
            ),
        },
        "status": {"phase": "Running", "podIP": spec["ipNetworks"][0].partition("/")[0]},
    }


def _settle(pod: dict[str, Any], number: int, meshed: bool) -> None:
    """A running pod on its own, with an address that no case's block names and a proxy where Istio has a say."""
    pod["metadata"].pop("ownerReferences", None)
    status = pod.setdefault("status", {}) or {}
    pod["status"] = {
        "phase": "Running",
        "podIP": status.get("podIP") or f"240.0.{number // 250}.{number % 250 + 1}",
    }
    if meshed:
        pod["spec"].setdefault("containers", []).append({"name": "istio-proxy"})
