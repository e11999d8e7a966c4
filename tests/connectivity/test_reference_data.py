"""The cases with known answers of the reference data, through the JSON that is written."""

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from auditor.evaluate.connectivity_view import build_view
from tests.connectivity.clusters import facts, json_of, reached
from tests.network.reference_cases import VARIABLE, case_folders, load, reference_name, with_addresses

pytestmark = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no folder with the reference data"
)
Ports = dict[str, list[list[int]]]
ALL: Ports = {protocol: [[1, 65535]] for protocol in ("TCP", "UDP", "SCTP")}


@pytest.mark.parametrize("folder", case_folders(), ids=lambda folder: folder.name)
def test_all_connections_are_as_expected(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    known = facts(with_addresses(load(folder)))
    names = {endpoint.id: reference_name(endpoint) for endpoint in known.endpoints}
    result = json_of(build_view(known))
    blocks = {row["id"]: row["cidrs"] for row in result["externals"]}
    found: dict[tuple[str, str], Ports] = {}
    points = _points(expected["connections"], blocks)
    for (source, destination), row in reached(result).items():
        assert not row["conditional"]
        for one in _names(source, names, blocks, points):
            for other in _names(destination, names, blocks, points):
                found[one, other] = {entry["protocol"]: entry["ports"] for entry in row["allowed"]}
    assert {pair: ports for pair, ports in found.items() if pair[0] != pair[1] and ports} == _expected(
        expected, points
    )


def _points(rows: list[Mapping[str, Any]], blocks: Mapping[str, list[str]]) -> list[int]:
    """One address of every range that either side tells apart."""
    ends = {end for row in rows for end in (row["src"], row["dst"]) if "[" not in end}
    spans = [
        (int(ipaddress.ip_address(e.split("-")[0])), int(ipaddress.ip_address(e.split("-")[-1])))
        for e in ends
    ]
    spans += [_span(cidr) for cidrs in blocks.values() for cidr in cidrs if ":" not in cidr]
    return sorted({0, *(low for low, _ in spans), *(high + 1 for _, high in spans if high + 1 < 1 << 32)})


def _span(cidr: str) -> tuple[int, int]:
    block = ipaddress.ip_network(cidr)
    return int(block.network_address), int(block.broadcast_address)


def _names(
    id: str, names: Mapping[str, str], blocks: Mapping[str, list[str]], points: list[int]
) -> list[str]:
    if id in names:
        return [names[id]]
    spans = [_span(cidr) for cidr in blocks.get(id, []) if ":" not in cidr]
    return [str(point) for point in points if any(low <= point <= high for low, high in spans)]


def _expected(expected: Mapping[str, Any], points: list[int]) -> dict[tuple[str, str], Ports]:
    found = {}
    for row in expected["connections"]:
        ports = ALL
        if not isinstance(row["ports"], str):
            ports = {entry["protocol"]: entry["ranges"] for entry in row["ports"]}
        for source in _ends(row["src"], points):
            for destination in _ends(row["dst"], points):
                found[source, destination] = ports
    return found


def _ends(text: str, points: list[int]) -> list[str]:
    if "[" in text:
        return [text]
    low, high = (int(ipaddress.ip_address(part)) for part in (text.split("-")[0], text.split("-")[-1]))
    return [str(point) for point in points if low <= point <= high]
