"""The policy-layers cases of the reference data: another analyser's matrix, pair by pair against ours.

What can be compared is decided before anything is compared, from the manifests and the peers' names alone: a pair is
compared, or the analyser has another model of it (limits on the sender that this engine doesn't have: it may then only
let less through than we do), or one side has no such peer at all.
"""

import ipaddress
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

from auditor.inventory.endpoints import Endpoint
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING, PortSet, Range
from auditor.network.universe import Peer
from tests.network.building import connect
from tests.network.reference_policy_layers_input import OtherModel, as_analysed, read
from tests.network.reference_policy_layers_rows import NAMED, OTHER_THAN_TCP, Flow, Pair, joined, wanted

VARIABLE = "AUDITOR_REFERENCE_DATA"
Change = Callable[[list[dict[str, Any]]], None]
_UNTOLD = PortSet.single("indeterminate", 1)
_PROXY_OWN = PortSet.of({"TCP": [(15020, 15021), (15090, 15090)]})
"""Ports of a sidecar's own, which it never captures (encryption.md 1a); the analyser has no proxies that could have any."""


def case_folders() -> list[Path]:
    """Every case; none where the reference data isn't at hand."""
    root = os.environ.get(VARIABLE)
    folder = Path(root) / "policy-layers-cases" if root else None
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []


@dataclass
class Comparison:
    """Counts of pairs of peers per section: agree, disagree, of another model, not expressible."""

    agree: int = 0
    differences: list[str] = field(default_factory=list)
    other_model: Counter[str] = field(default_factory=Counter)
    inexpressible: Counter[str] = field(default_factory=Counter)


def compare(folder: Path, change: Change | None = None) -> Comparison:
    """Compare every pair of pods, and every pod with every outside range, section by section; `change` comes first."""
    expected = json.loads((folder / "expected.json").read_text())
    objects = list(read(folder / "manifests"))
    if change is not None:
        change(objects)
    connectivity = connect(as_analysed(objects))
    peers = {f"{e.namespace}/{e.name}": e for e in connectivity.universe.endpoints}
    pods = [name for name in expected["endpoints"] if name in peers]
    result, models = Comparison(), OtherModel(objects)
    for section in expected["sections"]:
        strangers = _strangers(expected, peers)
        for reason, count in strangers.items():
            result.inexpressible[reason] += 2 * count * len(pods)
        rows = wanted(row for row in expected["connections"] if row.get("section", "all") == section)
        compared = _Section(connectivity, section, rows, models, result)
        for source, destination in permutations(pods, 2):
            compared.pods((source, destination), peers[source], peers[destination])
        for name in pods:
            compared.outside(name, peers[name])
    return result


def _strangers(expected: Mapping[str, Any], peers: Iterable[str]) -> Counter[str]:
    """The analyser's peers that are none of ours."""
    found: Counter[str] = Counter()
    for name in set(expected["endpoints"]) - set(peers):
        is_set = all(map(_span, name.split(",")))
        found["network sets as peers of their own" if is_set else "host endpoints"] += 1
    found["host names as peers"] += sum(not _span(name) for name in expected["external"])
    return found


@dataclass
class _Section:
    """The comparison of one section: all protocols, TCP, or everything else."""

    connectivity: Connectivity
    name: str
    wanted: Mapping[Pair, Flow]
    models: OtherModel
    result: Comparison

    @property
    def _protocols(self) -> tuple[str, ...]:
        return {"all": NAMED, "TCP": ("TCP",), "non-TCP": OTHER_THAN_TCP}[self.name]

    def pods(self, pair: Pair, source: Endpoint, destination: Endpoint) -> None:
        reason = self.models.of(source, destination, self.name != "non-TCP")
        self._note(pair, reason, (source, destination), self.wanted.get(pair, (NOTHING, NOTHING)))

    def outside(self, name: str, pod: Endpoint) -> None:
        """Every range of addresses that we tell apart, cut to pieces that no row of theirs tells apart."""
        for external in self.connectivity.externals:
            for ends, pair in (
                ((external, pod), (external.id, name)),
                ((pod, external), (name, external.id)),
            ):
                mine = list(self._rows(name, pair[0] == name))
                theirs = {
                    joined([flow for span, flow in mine if _inside(cidr, span)]) for cidr in external.cidrs
                }
                for flow in theirs:
                    reason = self.models.of(*ends, self.name != "non-TCP")
                    self._note(pair, reason, ends, flow)

    def _rows(self, name: str, outward: bool) -> Iterator[tuple[tuple[int, Range], Flow]]:
        for (source, destination), flow in self.wanted.items():
            own, other = (source, destination) if outward else (destination, source)
            if own == name and (span := _span(other)):
                yield span, flow

    def _note(self, pair: Pair, reason: str | None, ends: tuple[Peer, Peer], theirs: Flow) -> None:
        ours = _of_protocols(_ours(self.connectivity, *ends), self._protocols)
        theirs = _of_protocols(theirs, self._protocols)
        if self.models.meshed:
            ours, theirs = _beside_proxies(ours), _beside_proxies(theirs)
        if reason is not None:
            self.result.other_model[reason] += 1
            fits = not (theirs[0] | theirs[1]).minus(ours[0] | ours[1])
        else:
            fits = ours == theirs
            self.result.agree += fits
        if not fits:
            said = f"ours {ours[0]}, partly {ours[1]}; theirs {theirs[0]}, partly {theirs[1]}"
            self.result.differences.append(f"{pair[0]} -> {pair[1]} [{self.name}] {reason or ''}: {said}")


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
    return PortSet.whole(*NAMED) if ports == full else ports


def _of_protocols(flow: Flow, protocols: tuple[str, ...]) -> Flow:
    """What concerns some protocols; of ICMP types 0 to 254, the ones that Calico's API has."""
    if flow[0] == _UNTOLD:
        return flow
    first, second = (
        PortSet.of({protocol: _clipped(protocol, ports.of_protocol(protocol)) for protocol in protocols})
        for ports in flow
    )
    return first, second


def _beside_proxies(flow: Flow) -> Flow:
    return flow if flow[0] == _UNTOLD else (flow[0].minus(_PROXY_OWN), flow[1].minus(_PROXY_OWN))


def _clipped(protocol: str, ranges: tuple[Range, ...]) -> list[Range]:
    highest = 254 * 256 + 255 if protocol == "ICMP" else 65535
    return [(low, min(high, highest)) for low, high in ranges if low <= highest]


def _span(name: str) -> tuple[int, Range] | None:
    """The IP version and the address range that a name is; None for pods, host names and lists of ranges."""
    first, _, last = name.partition("-")
    try:
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
    except ValueError:
        return None
    return low.version, (int(low), int(high))


def _inside(cidr: str, span: tuple[int, Range]) -> bool:
    block = ipaddress.ip_network(cidr)
    version, (first, last) = span
    low, high = int(block.network_address), int(block.broadcast_address)
    return version == block.version and first <= low and high <= last
