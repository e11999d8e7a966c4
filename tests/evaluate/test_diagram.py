"""The network diagram's data, worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.node_encryption import NodeEncryption
from auditor.encryption.protection import Encryption
from auditor.evaluate import diagram
from auditor.evaluate.diagram import build_diagram
from auditor.model.result import DiagramEdge, DiagramResult
from auditor.model.scope import Scope
from tests.connectivity.clusters import facts
from tests.encryption.mesh_manifests import NO_NODE_ENCRYPTION, WIREGUARD
from tests.network.building import Raw, enforced, labels, namespace, pod, policy

FRAMEWORKS = ("pci-dss-4.0.1", "hipaa")
NAME = "kubernetes.io/metadata.name"
ANYONE = {"ipBlock": {"cidr": "0.0.0.0/0"}}


def space(name: str) -> dict[str, Any]:
    return {"namespaceSelector": labels(**{NAME: name})}


def on(port: int, *peers: dict[str, Any], way: str = "from") -> list[dict[str, Any]]:
    return [{way: list(peers), "ports": [{"port": port, "protocol": "TCP"}]}]


def load_balancer() -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": "front"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "api"},
            "externalTrafficPolicy": "Local",
            "ports": [{"port": 443, "targetPort": 8443, "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}},
    }


def shop() -> list[Raw]:
    """The internet reaches front, front reaches the web pod of shop, that its database; lab would, and is kept out."""
    both = ["Ingress", "Egress"]
    return [
        *enforced("node-1"),
        *(namespace(name, **{NAME: name}) for name in ("front", "lab", "shop")),
        pod("web", "shop", {"app": "web"}, ports=[{"containerPort": 8443}]),
        pod("db", "shop", {"app": "db"}, ports=[{"containerPort": 5432}]),
        pod("api", "front", {"app": "api"}, ports=[{"containerPort": 8443}]),
        pod("job", "lab", {"app": "job"}),
        load_balancer(),
        *(policy("deny", name, types=both) for name in ("front", "lab", "shop")),
        policy("db", "shop", pods=labels(app="db"), ingress=on(5432, {"podSelector": labels(app="web")})),
        policy(
            "web",
            "shop",
            pods=labels(app="web"),
            ingress=on(8443, space("front")),
            egress=on(5432, {"podSelector": labels(app="db")}, way="to"),
        ),
        policy("api", "front", ingress=on(8443, ANYONE), egress=on(8443, space("shop"), way="to")),
        policy("job", "lab", egress=on(8443, space("shop"), way="to")),
    ]


def scope(*flows: dict[str, Any]) -> Scope:
    return Scope.model_validate(
        {
            "format_version": 1,
            "namespaces": [
                {"name": "shop", "class": "in-scope"},
                {"name": "front", "class": "connected-to"},
                {"glob": "*", "class": "out-of-scope", "reason": "Holds nothing."},
            ],
            "approved_flows": [
                {
                    "business_need": "Orders.",
                    "approved_by": "A. Person",
                    "approved_on": "2026-07-01",
                    **flow,
                }
                for flow in flows
            ],
        }
    )


def flow(id: str, source: str, destination: str, *ports: int) -> dict[str, Any]:
    services = [{"protocol": "TCP", "ports": list(ports)}]
    return {"id": id, "source": source, "destination": destination, "services": services}


def drawn(objects: list[Raw], given: Scope | None) -> DiagramResult:
    return build_diagram(facts(objects, given), FRAMEWORKS)


def by_ends(found: DiagramResult) -> dict[tuple[str, str], DiagramEdge]:
    return {(edge.source, edge.destination): edge for edge in found.edges}


def test_only_what_touches_scope_or_comes_in_from_outside_is_an_edge() -> None:
    edges = by_ends(drawn(shop(), scope()))
    services = {ends: [(s.verdict, s.services) for s in edge.services] for ends, edge in edges.items()}
    assert services == {
        ("front", "shop"): [("allowed", "8443/TCP")],
        ("outside/internet", "front"): [("allowed", "8443/TCP")],
        ("outside/private addresses", "front"): [("allowed", "8443/TCP")],
        ("shop", "shop"): [("allowed", "5432/TCP")],
    }
    assert {ends for ends, edge in edges.items() if edge.entry} == {
        ("outside/internet", "front"),
        ("outside/private addresses", "front"),
    }


def test_boxes_are_all_namespaces_with_class_and_number_of_workloads() -> None:
    found = drawn(shop(), scope())
    assert [(box.id, str(box.class_), box.workloads) for box in found.boxes] == [
        ("front", "connected-to", 1),
        ("kube-system", "out-of-scope", 1),
        ("lab", "out-of-scope", 1),
        ("shop", "in-scope", 2),
    ]
    assert [box.name for box in found.outside] == ["internet", "private addresses"]


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        pytest.param(NO_NODE_ENCRYPTION, "plaintext", id="no mesh, and nodes that encrypt nothing"),
        pytest.param(WIREGUARD, "encrypted", id="no mesh, and WireGuard between nodes"),
        pytest.param(None, "unknown", id="no mesh, and a network plugin of which nothing is known"),
    ],
)
def test_the_encryption_of_an_edge_is_that_between_nodes(below: NodeEncryption | None, expected: str) -> None:
    given = facts(shop(), scope())
    given.encryption = Encryption(given.cluster, given.endpoints, given.services, below)
    edges = by_ends(build_diagram(given, FRAMEWORKS))
    assert edges["shop", "shop"].encryption == expected
    assert edges["front", "shop"].encryption == expected


@pytest.mark.parametrize(
    ("flows", "expected"),
    [
        pytest.param((), "no", id="nothing is approved"),
        pytest.param((flow("F", "front/*", "shop/*", 8443),), "yes", id="a flow names both namespaces"),
        pytest.param((flow("F", "front/*", "shop/*", 9999),), "no", id="a flow names another port"),
        pytest.param((flow("F", "lab/*", "shop/*", 8443),), "no", id="a flow names another source"),
    ],
)
def test_approved_is_what_the_flows_name(flows: tuple[dict[str, Any], ...], expected: str) -> None:
    edges = by_ends(drawn(shop(), scope(*flows)))
    assert edges["front", "shop"].approved == expected
    assert edges["shop", "shop"].approved == "not-needed"
    assert edges["outside/internet", "front"].approved == "not-needed"


def test_half_of_the_ports_approved_is_partly() -> None:
    both = policy("more", "shop", pods=labels(app="web"), ingress=on(9000, space("front")))
    out = policy("more", "front", egress=on(9000, space("shop"), way="to"))
    edges = by_ends(drawn([*shop(), both, out], scope(flow("F", "front/*", "shop/*", 8443))))
    edge = edges["front", "shop"]
    assert ([s.services for s in edge.services], edge.approved) == (["8443/TCP, 9000/TCP"], "partly")


def test_policies_that_nothing_enforces_are_told_as_such() -> None:
    objects = [raw for raw in shop() if raw["metadata"]["name"] != "kube-router-node-1"]
    edges = by_ends(drawn(objects, scope()))
    assert {s.verdict for s in edges["lab", "shop"].services} <= {"not-enforced", "indeterminate"}


def test_a_bound_keeps_entries_and_says_how_many_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagram, "MAX_EDGES", 2)
    found = drawn(shop(), scope())
    assert [edge.source for edge in found.edges] == ["outside/internet", "outside/private addresses"]
    assert found.edges_left_out == 2


def test_the_order_of_the_objects_does_not_matter() -> None:
    given = scope(flow("F", "front/*", "shop/*", 8443))
    assert drawn(shop(), given) == drawn(shop()[::-1], given)


def test_a_namespace_named_like_a_network_stays_apart_from_it() -> None:
    extra = [namespace("internet"), pod("x", "internet", {"app": "x"})]
    found = drawn([*shop(), *extra], scope())
    assert "internet" in {box.id for box in found.boxes}
    assert "outside/internet" in {box.id for box in found.outside}
