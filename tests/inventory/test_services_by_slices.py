"""Services without a selector: their EndpointSlices name the addresses and the ports (kubernetes.io, Services)."""

from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from tests.network.building import Raw, pod, snapshot


def _service(*ports: Raw, **spec: Any) -> Raw:
    metadata = {"name": "s", "namespace": "a"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": list(ports), **spec},
    }


def _slice(name: str, addresses: list[str], ports: list[Raw] | None) -> Raw:
    labels = {"kubernetes.io/service-name": "s"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "a", "labels": labels},
        "endpoints": [{"addresses": addresses}],
        **({} if ports is None else {"ports": ports}),
    }


def _ways(*objects: Raw) -> list[tuple[str, int, int, str]]:
    cluster = Cluster(snapshot(objects))
    found = Services(cluster, list_endpoints(cluster)).of_service("a", "s")
    return sorted((b.endpoint.id, b.service_port, b.target_port, b.protocol) for b in found)


_POD = pod("p", "a", address="10.0.0.1,fd00::1")


def test_the_slices_port_counts_not_the_services_target() -> None:
    service = _service({"port": 80, "targetPort": 9376})
    assert _ways(_POD, service, _slice("1", ["10.0.0.1"], [{"port": 8080}])) == [("a/Pod/p", 80, 8080, "TCP")]


def test_ports_are_matched_by_name() -> None:
    service = _service({"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})
    listed = [{"name": "dns", "port": 5353, "protocol": "UDP"}, {"name": "other", "port": 1}]
    assert _ways(_POD, service, _slice("1", ["10.0.0.1"], listed)) == [("a/Pod/p", 53, 5353, "UDP")]


def test_a_slice_may_lead_to_pods_of_other_namespaces() -> None:
    service = _service({"port": 80})
    away = pod("q", "b", address="10.0.0.2")
    assert _ways(away, service, _slice("1", ["10.0.0.2"], [{"port": 80}])) == [("b/Pod/q", 80, 80, "TCP")]


def test_slices_of_both_families_are_one_way() -> None:
    listed = [{"port": 80}]
    slices = [_slice("4", ["10.0.0.1"], listed), _slice("6", ["fd00::1"], listed)]
    assert _ways(_POD, _service({"port": 80}), *slices) == [("a/Pod/p", 80, 80, "TCP")]


def test_a_nodes_address_stands_for_no_pod_of_another_namespace() -> None:
    host = pod("agent", "kube-system", address="192.0.2.1", host_network=True)
    assert _ways(host, _service({"port": 10250}), _slice("1", ["192.0.2.1"], [{"port": 10250}])) == []


def test_headless_services_lead_to_the_pods_themselves() -> None:
    service = _service({"port": 80, "targetPort": 8080}, clusterIP="None", selector={"app": "x"})
    assert _ways(pod("p", "a", {"app": "x"}), service) == [("a/Pod/p", 80, 8080, "TCP")]


def test_finished_pods_are_behind_no_service() -> None:
    service = _service({"port": 80}, selector={"app": "x"})
    assert _ways(pod("p", "a", {"app": "x"}, phase="Succeeded"), service) == []


def test_an_external_name_has_nothing_behind_it() -> None:
    service = _service({"port": 80}, type="ExternalName", externalName="example.org")
    assert _ways(_POD, service, _slice("1", ["10.0.0.1"], [{"port": 80}])) == []
