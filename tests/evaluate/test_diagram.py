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
from tests.encryption.egress_manifests import ISTIO, rule, service_entry, tls
from tests.encryption.mesh_manifests import NO_NODE_ENCRYPTION, WIREGUARD, custom
from tests.encryption.mesh_manifests import pod as meshed
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


def leaving(*more: Raw, proxy: str | None = "istio-proxy") -> list[Raw]:
    """One pod in scope that policy lets connect to port 80 of any address of IPv4."""
    policies = (
        policy("deny", "shop", types=["Ingress"]),
        policy("out", "shop", egress=on(80, ANYONE, way="to")),
    )
    return [
        *enforced("node-1"),
        namespace("shop", **{NAME: "shop"}),
        meshed("web", proxy=proxy),
        *policies,
        *more,
    ]


REFUSING = custom(ISTIO, "Sidecar", "s", "shop", {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}, "01")
NAMED = service_entry((80, "HTTP"))
PLACED = service_entry((80, "HTTP"), resolution="STATIC", endpoints=[{"address": "198.51.100.7"}])
ORIGINATED = rule(**tls("SIMPLE"))


@pytest.mark.parametrize(
    ("objects", "internet", "branches"),
    [
        pytest.param(leaving(proxy=None), "unknown", "unknown", id="no mesh"),
        pytest.param(leaving(), "unknown", "unknown", id="the sidecar passes on what the application sends"),
        pytest.param(leaving(REFUSING), "encrypted", "encrypted", id="the sidecar refuses everything"),
        pytest.param(leaving(REFUSING, NAMED), "plaintext", "unknown", id="plain HTTP to a name"),
        pytest.param(
            leaving(REFUSING, NAMED, ORIGINATED),
            "encrypted",
            "encrypted",
            id="TLS to a name, the rest refused",
        ),
        pytest.param(
            leaving(NAMED, ORIGINATED), "unknown", "unknown", id="TLS to a name, the rest passed on"
        ),
        pytest.param(leaving(REFUSING, PLACED), "encrypted", "plaintext", id="plain HTTP to one address"),
        pytest.param(
            leaving(REFUSING, PLACED, ORIGINATED), "encrypted", "encrypted", id="TLS to one address"
        ),
    ],
)
def test_what_leaves_is_told_by_the_ways_out(objects: list[Raw], internet: str, branches: str) -> None:
    network = {"name": "branches", "cidrs": ["198.51.100.0/24"], "trust": "untrusted"}
    given = Scope.model_validate(
        {**scope().model_dump(mode="json", by_alias=True), "external_networks": [network]}
    )
    edges = by_ends(drawn(objects, given))
    assert edges["shop", "outside/internet"].encryption == internet
    assert edges["shop", "outside/branches"].encryption == branches


@pytest.mark.parametrize(("port", "expected"), [(80, "plaintext"), (8080, "unknown")])
def test_plaintext_is_told_only_where_it_is_certain_that_it_may_leave(port: int, expected: str) -> None:
    """Without an agent that enforces it the policy still opens port 80; whether the others are shut isn't known."""
    objects = leaving(REFUSING, service_entry((port, "HTTP")))
    unenforced = [raw for raw in objects if raw["metadata"]["name"] != "kube-router-node-1"]
    assert by_ends(drawn(unenforced, scope()))["shop", "outside/internet"].encryption == expected


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
