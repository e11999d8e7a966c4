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
    """The generated cluster over three namespaces, with clients of several kinds: outside the mesh, with exceptions,
    selected by rules, in namespaces with rules of their own that are private, or exported to one namespace."""
    metadata, spec = obj["metadata"], obj.get("spec", {})
    own = int(metadata["name"].rpartition("-")[2])
    if obj["kind"] in ("Pod", "Service"):
        metadata["namespace"] = f"ns-{own // 3 % 3}"
    if obj["kind"] == "Pod" and number % 5 == 0:
        spec["containers"] = spec["containers"][:1]
    if obj["kind"] == "Pod" and number % 7 == 0:
        metadata["annotations"] = {"traffic.sidecar.istio.io/excludeOutboundPorts": "80"}
    if obj["kind"] == "Pod" and number % 6 == 0:
        metadata["annotations"] = {"config.linkerd.io/skip-outbound-ports": "8080"}
    if obj["kind"] == "DestinationRule" and spec["host"].startswith("app-"):
        called = int(spec["host"].rpartition("-")[2])
        metadata["namespace"] = f"ns-{own // 2 % 4}"
        spec["host"] = (
            f"app-{called}.ns-{called // 3 % 3}.svc.cluster.local" if own % 9 else "*.ns-1.svc.cluster.local"
        )
        exported = {0: ["."], 1: ["ns-1"], 2: ["ns-0", "ns-2"]}.get(own % 5)
        spec.update({"exportTo": exported} if exported else {})
        if own % 8 == 0:
            spec["workloadSelector"] = {"matchLabels": {"version": "v1"}}
    return obj


@pytest.mark.parametrize("name", CLUSTERS)
def test_clients_of_one_class_fare_alike_at_every_port(name: str) -> None:
    encryption, services = facts(name).encryption, facts(name).services
    clients = facts(name).endpoints
    for destination in clients:
        classes: dict[object, list[Endpoint]] = {}
        for client in clients:
            found = encryption.client_at(encryption.client_class(client), destination)
            classes.setdefault(found, []).append(client)
        assert 1 < len(classes) < len(clients)
        for port, protocol in services.ports_of(destination):
            for alike in classes.values():
                flows = [encryption.flow(client, destination, port, protocol) for client in alike]
                assert len({(flow.wire, flow.record) for flow in flows}) == 1


def test_namespaces_are_told_apart_only_where_a_rule_names_what_is_called() -> None:
    encryption, endpoints = facts("generated-istio").encryption, facts("generated-istio").endpoints
    clients = {encryption.client_class(endpoint) for endpoint in endpoints}
    counts = {len({encryption.client_at(client, d) for client in clients}) for d in endpoints}
    assert min(counts) < max(counts) <= len(clients)


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
