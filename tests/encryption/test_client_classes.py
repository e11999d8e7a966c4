"""Classes of clients: whoever is in one class fares alike at every port; and flows between nodes, pair by pair."""

from functools import cache
from pathlib import Path

import pytest

from auditor.audit import read_snapshot
from auditor.checks.context import Facts
from auditor.inventory.endpoints import Endpoint
from benchmarks.encryption import generate, load
from tests.checks.parts import NOW

ROOT = Path(__file__).parents[2]
CLUSTERS = ("payments-istio", "clinic-linkerd", "legacy-flannel", "generated-istio", "generated-linkerd")


@cache
def facts(name: str) -> Facts:
    if name.startswith("generated"):
        raw = generate(40, one_namespace=False, linkerd=name.endswith("linkerd"))
        spread = [_spread(number, obj) for number, obj in enumerate(raw)]
        return Facts(load(iter(spread)).snapshot, None, NOW)
    return Facts(read_snapshot([str(ROOT / "samples" / "clusters" / name)], None), None, NOW)


def _spread(number: int, obj: dict) -> dict:  # type: ignore[type-arg]
    """The generated cluster with clients of several kinds: outside the mesh, with exceptions, selected by rules."""
    metadata, spec = obj["metadata"], obj.get("spec", {})
    if obj["kind"] == "Pod" and number % 5 == 0:
        spec["containers"] = spec["containers"][:1]
    if obj["kind"] == "Pod" and number % 7 == 0:
        metadata["annotations"] = {"traffic.sidecar.istio.io/excludeOutboundPorts": "80"}
    if obj["kind"] == "Pod" and number % 6 == 0:
        metadata["annotations"] = {"config.linkerd.io/skip-outbound-ports": "8080"}
    if obj["kind"] == "DestinationRule" and number % 3 == 0:
        spec["workloadSelector"] = {"matchLabels": {"version": "v1"}}
    if obj["kind"] == "DestinationRule" and number % 4 == 0:
        spec["exportTo"] = ["."]
    return obj


@pytest.mark.parametrize("name", CLUSTERS)
def test_clients_of_one_class_fare_alike_at_every_port(name: str) -> None:
    encryption, services = facts(name).encryption, facts(name).services
    classes: dict[object, list[Endpoint]] = {}
    for endpoint in facts(name).endpoints:
        classes.setdefault(encryption.client_class(endpoint), []).append(endpoint)
    assert 1 < len(classes) < len(facts(name).endpoints)
    for clients in classes.values():
        for destination in facts(name).endpoints:
            for port, protocol in services.ports_of(destination):
                flows = [encryption.flow(c, destination, port, protocol) for c in clients]
                assert len({(flow.wire, flow.record) for flow in flows}) == 1


@pytest.mark.parametrize("name", ["payments-istio", "clinic-linkerd", "legacy-flannel"])
def test_flows_between_nodes_are_those_of_each_pair_that_shares_no_node(name: str) -> None:
    network, endpoints = facts(name).network, facts(name).endpoints
    families = [network.family([endpoint]) for endpoint in endpoints]
    for destination in endpoints:
        found = {
            flows.sources[0].id: flows for flows, _ in network.flows_between_nodes(destination, families, 5)
        }
        for source in endpoints:
            placed = source.node_names and destination.node_names
            if source is destination or not placed or source.node_names & destination.node_names:
                continue
            pair = network.connection(source, destination)
            assert (source.id in found) == pair.is_open
            if source.id in found:
                flows = found[source.id]
                assert (flows.allowed, flows.declared_not_enforced) == (
                    pair.allowed,
                    pair.declared_not_enforced,
                )


def test_a_family_is_counted_whole_and_shown_in_part() -> None:
    network, endpoints = facts("legacy-flannel").network, facts("legacy-flannel").endpoints
    database = next(e for e in endpoints if e.id == "tools/Deployment/adminer")
    found = network.flows_between_nodes(database, [network.family(endpoints)], 2)
    assert sum(count for _, count in found) == len(endpoints) - 1
    assert all(len(flows.sources) <= 2 for flows, _ in found)
