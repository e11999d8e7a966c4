"""Gateways between the networks of one mesh: mesh mTLS that begins at the client. Answers worked out by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from auditor.checks.context import Facts
from auditor.encryption.egress.values import Location, Sent
from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Protection
from tests.encryption.egress_manifests import ambient, ways
from tests.encryption.entry_manifests import manifest
from tests.encryption.mesh_manifests import (
    PERMISSIVE,
    STRICT,
    Manifest,
    config_map,
    custom,
    namespace,
    peer_authentication,
    pod,
    service,
)
from tests.objects import complete_claims, kube, snapshot

NOW = datetime(2026, 9, 30, tzinfo=UTC)
LABELS = {"istio": "eastwestgateway"}
API = "gateway.networking.k8s.io/v1"
ENFORCED, OPEN = Protection.ENFORCED_MTLS, Protection.INDETERMINATE


def cross_network(host: str = "*.local", mode: str = "AUTO_PASSTHROUGH") -> Manifest:
    """The Gateway of Istio's own API that exposes services to other networks."""
    servers = [
        {
            "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
            "tls": {"mode": mode},
            "hosts": [host],
        }
    ]
    spec = {"selector": LABELS, "servers": servers}
    return custom("networking.istio.io/v1", "Gateway", "cross-network", "istio-system", spec, "01")


def listening(
    port: int = 15443, labels: dict[str, str] | None = None, cls: str = "istio", **tls: Any
) -> Manifest:
    """A Gateway of the Gateway API with one TLS listener."""
    listener = {"name": "cross", "port": port, "protocol": "TLS", "hostname": "*.local", "tls": tls}
    spec = {"gatewayClassName": cls, "listeners": [listener]}
    return manifest(API, "Gateway", "cross-network", spec, "istio-system", labels=labels or {})


def tunnel(cls: str = "istio-east-west", **options: str) -> Manifest:
    """The Gateway between networks of ambient meshes."""
    tls = {
        "mode": "Terminate",
        "options": {f"gateway.istio.io/{name}": value for name, value in options.items()},
    }
    spec = {
        "gatewayClassName": cls,
        "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE", "tls": tls}],
    }
    labels = {"topology.istio.io/network": "east"}
    return manifest(API, "Gateway", "cross-network", spec, "istio-system", labels=labels)


def only(*objects: Manifest, missing: str | None = None) -> EntryPoint:
    """The one row of the gateway `cross-network`."""
    claims = complete_claims([key for key in KNOWN_KINDS if key.kind != missing])
    facts = Facts(snapshot([kube(entry) for entry in objects], claims), None, NOW)
    (row,) = [row for row in facts.entry_points if row.object.endswith("/cross-network")]
    return row


def front() -> list[Manifest]:
    """The gateway's own pods and Service, which lead nowhere else."""
    proxy = pod("eastwest", "istio-system", proxy=None, labels=LABELS)
    proxy["spec"]["containers"] = [{"name": "istio-proxy", "ports": [{"containerPort": 15443}]}]
    own = service("eastwest", "istio-system", 15443, 15443)
    own["spec"]["selector"] = LABELS
    return [proxy, own]


BASE = [namespace("shop"), *front(), pod(), service()]
STRICT_MESH = peer_authentication("default", "istio-system", STRICT)
LOOSE_SHOP = peer_authentication("default", "shop", PERMISSIVE)
UNMESHED = [pod("dns", "kube-system", proxy=None), service("dns", "kube-system", 80, 8080)]

CASES: list[tuple[str, list[Manifest], Protection, str]] = [
    ("every workload is STRICT", [STRICT_MESH], ENFORCED, "entry.istio.east-west-enforced"),
    ("nothing says STRICT", [], OPEN, "indeterminate.entry.istio.east-west-not-enforced"),
    (
        "one namespace is PERMISSIVE",
        [STRICT_MESH, LOOSE_SHOP],
        OPEN,
        "indeterminate.entry.istio.east-west-not-enforced",
    ),
    (
        "pods outside the mesh aren't reached",
        [STRICT_MESH, *UNMESHED],
        ENFORCED,
        "entry.istio.east-west-enforced",
    ),
]


@pytest.mark.parametrize(("case", "objects", "label", "code"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize(
    "gateway",
    [
        pytest.param(cross_network(), id="Istio's Gateway"),
        pytest.param(
            listening(labels={"topology.istio.io/network": "east"}, mode="Passthrough"),
            id="a Gateway with a network",
        ),
        pytest.param(
            listening(
                port=443,
                mode="Passthrough",
                options={"gateway.istio.io/listener-protocol": "auto-passthrough"},
            ),
            id="a listener with the option",
        ),
    ],
)
def test_what_auto_passthrough_hands_on(
    case: str, objects: list[Manifest], label: Protection, code: str, gateway: Manifest
) -> None:
    row = only(*BASE, *objects, gateway)
    assert (row.verdict, row.plaintext) == (label, Plaintext.CLOSED)
    assert code in [cause.code for cause in row.causes]
    required = row.client_authentication is ClientAuthentication.REQUIRED
    assert required == (label is ENFORCED)


def test_only_what_the_host_names_counts() -> None:
    loose = [namespace("loose"), pod("old", "loose"), service("old", "loose", 80, 8080)]
    permissive = peer_authentication("default", "loose", PERMISSIVE)
    given = [*BASE, STRICT_MESH, *loose, permissive]
    assert only(*given, cross_network("*.shop.svc.cluster.local")).verdict is ENFORCED
    assert only(*given, cross_network()).verdict is OPEN


def test_a_host_that_names_no_workload_of_the_mesh() -> None:
    row = only(*BASE, STRICT_MESH, cross_network("*.nowhere.svc.cluster.local"))
    assert row.verdict is OPEN
    assert "indeterminate.entry.istio.east-west-nothing" in [cause.code for cause in row.causes]


@pytest.mark.parametrize("kind", ["PeerAuthentication", "Service", "Pod"])
def test_workloads_that_may_be_missing_leave_it_open(kind: str) -> None:
    row = only(*BASE, STRICT_MESH, cross_network(), missing=kind)
    assert row.verdict is OPEN
    assert "indeterminate.entry.istio.east-west-missing" in [cause.code for cause in row.causes]


def test_passthrough_without_a_network_is_none_of_these() -> None:
    assert only(*BASE, STRICT_MESH, listening(mode="Passthrough")).verdict is OPEN
    other_port = listening(port=9443, labels={"topology.istio.io/network": "east"}, mode="Passthrough")
    assert only(*BASE, STRICT_MESH, other_port).verdict is OPEN


def test_tunnels_between_networks_take_mesh_mtls_only() -> None:
    row = only(*BASE, tunnel(**{"tls-terminate-mode": "ISTIO_MUTUAL"}))
    assert (row.verdict, row.plaintext, row.backend) == (ENFORCED, Plaintext.CLOSED, BackendHop.MESH)
    assert row.tls is not None
    assert row.tls.mode is TlsMode.TERMINATE
    assert [cause.code for cause in row.notices] == ["entry.istio.east-west-network"]


def test_a_tunnel_of_another_mode_is_open() -> None:
    row = only(*BASE, tunnel(**{"tls-terminate-mode": "SIMPLE"}))
    assert (row.verdict, row.plaintext) == (OPEN, Plaintext.INDETERMINATE)


NETWORKS = """
networks:
  east: {endpoints: [{fromRegistry: c1}], gateways: [{registryServiceName: eastwest.istio-system, port: 15443}]}
  west: {endpoints: [{fromRegistry: c2}], gateways: [{address: 203.0.113.9, port: 15443}]}
"""


def to_west(
    *clients: Manifest, networks: str = NETWORKS, mesh: str = ""
) -> list[tuple[str, Sent, Protection]]:
    rows = ways(*clients, config_map("istio", "istio-system", mesh=mesh, meshNetworks=networks))
    return [(row.subject, row.sent, row.label) for row in rows if row.location is Location.REMOTE_CLUSTER]


WEST = "istio-system/ConfigMap/istio:west:15443/TCP"


def test_what_goes_to_another_network_is_the_clients_mesh_mtls() -> None:
    assert to_west(pod()) == [(WEST, Sent.MESH_MTLS, ENFORCED)]


def test_without_automatic_mtls_it_cannot_be_told() -> None:
    assert to_west(pod(), mesh="enableAutoMtls: false") == [(WEST, Sent.INDETERMINATE, OPEN)]


def test_what_ambient_clients_send_to_another_network_cannot_be_told() -> None:
    assert to_west(ambient()) == [(WEST, Sent.INDETERMINATE, OPEN)]


def test_the_own_network_is_no_way_out() -> None:
    own = namespace("istio-system", {"topology.istio.io/network": "west"})
    assert to_west(pod(), own) == []


@pytest.mark.parametrize("text", ["", "networks: [west]", "networks: {west: {gateways: 5}}", "{"])
def test_networks_that_cannot_be_read_give_no_row(text: str) -> None:
    assert to_west(pod(), networks=text) == []
