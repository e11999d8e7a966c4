"""Istio Gateway servers (encryption.md 1e)."""

from typing import Any

import pytest

from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import WEB, Manifest, config_map, deployment, manifest, rows, service

API = "networking.istio.io/v1"
LABELS = {"istio": "ingressgateway"}
GATEWAY_PORTS = ({"name": "https", "port": 443, "targetPort": 8443},)


def gateway_pods(*more: Manifest) -> list[Manifest]:
    return [
        deployment(
            "gw", "istio/proxyv2:1.27.0", namespace="istio-ingress", labels=LABELS, container="istio-proxy"
        ),
        service(
            "gw", (*GATEWAY_PORTS, *more), namespace="istio-ingress", selector=LABELS, type="LoadBalancer"
        ),
    ]


def gateway(*servers: Any, name: str = "main", **spec: Any) -> Manifest:
    return manifest(
        API, "Gateway", name, {"selector": LABELS, "servers": list(servers), **spec}, "istio-ingress"
    )


def server(
    protocol: str = "HTTPS", tls: Any = None, number: int = 443, hosts: Any = ("shop.example",)
) -> Manifest:
    found: Manifest = {"port": {"number": number, "name": "p", "protocol": protocol}, "hosts": list(hosts)}
    return found if tls is None else found | {"tls": tls}


def gateway_rows(*objects: Manifest) -> list[EntryPoint]:
    return [r for r in rows([*gateway_pods(), *WEB, *objects]) if r.kind == "Gateway"]


def only(*objects: Manifest) -> EntryPoint:
    (row,) = gateway_rows(*objects)
    return row


def tls(mode: str | None = None, **more: Any) -> Manifest:
    return ({"mode": mode} if mode else {}) | {"credentialName": "shop-cert", **more}


NONE, OPTIONAL, REQUIRED = (
    ClientAuthentication.NONE,
    ClientAuthentication.OPTIONAL,
    ClientAuthentication.REQUIRED,
)
CANNOT_TELL = ClientAuthentication.INDETERMINATE
CASES: list[tuple[str, Manifest, Plaintext, TlsMode | None, ClientAuthentication, Protection]] = [
    ("HTTP without httpsRedirect", server("HTTP"), Plaintext.OPEN, None, NONE, Protection.PLAINTEXT),
    (
        "HTTP with httpsRedirect",
        server("HTTP", {"httpsRedirect": True}),
        Plaintext.REDIRECTED,
        None,
        NONE,
        Protection.DENIED,
    ),
    (
        "HTTP with a TLS mode is plain all the same",
        server("HTTP", tls("SIMPLE")),
        Plaintext.OPEN,
        None,
        NONE,
        Protection.PLAINTEXT,
    ),
    ("HTTP2 and GRPC are plain", server("GRPC"), Plaintext.OPEN, None, NONE, Protection.PLAINTEXT),
    ("TCP without tls is plain", server("TCP"), Plaintext.OPEN, None, NONE, Protection.PLAINTEXT),
    (
        "TCP with tls ends TLS",
        server("TCP", tls("SIMPLE")),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        NONE,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "tls without mode is PASSTHROUGH",
        server("HTTPS", tls()),
        Plaintext.CLOSED,
        TlsMode.PASSTHROUGH,
        CANNOT_TELL,
        Protection.INDETERMINATE,
    ),
    (
        "SIMPLE",
        server("HTTPS", tls("SIMPLE")),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        NONE,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "OPTIONAL_MUTUAL",
        server("HTTPS", tls("OPTIONAL_MUTUAL")),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        OPTIONAL,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "MUTUAL",
        server("HTTPS", tls("MUTUAL")),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "ISTIO_MUTUAL",
        server("TLS", {"mode": "ISTIO_MUTUAL"}),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "MUTUAL with insecureSkipVerify",
        server("HTTPS", tls("MUTUAL", insecureSkipVerify=True)),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        OPTIONAL,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "PASSTHROUGH",
        server("TLS", {"mode": "PASSTHROUGH"}),
        Plaintext.CLOSED,
        TlsMode.PASSTHROUGH,
        CANNOT_TELL,
        Protection.INDETERMINATE,
    ),
    (
        "AUTO_PASSTHROUGH",
        server("TLS", {"mode": "AUTO_PASSTHROUGH"}),
        Plaintext.CLOSED,
        TlsMode.PASSTHROUGH,
        CANNOT_TELL,
        Protection.INDETERMINATE,
    ),
    (
        "a mode by number",
        server("HTTPS", {"mode": 2}),
        Plaintext.CLOSED,
        TlsMode.TERMINATE,
        REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "an unknown mode",
        server("HTTPS", tls("STRICT")),
        Plaintext.INDETERMINATE,
        TlsMode.INDETERMINATE,
        CANNOT_TELL,
        Protection.INDETERMINATE,
    ),
    (
        "HTTPS without tls settings",
        server("HTTPS"),
        Plaintext.INDETERMINATE,
        TlsMode.INDETERMINATE,
        CANNOT_TELL,
        Protection.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(
    ("case", "one", "plaintext", "mode", "client", "verdict"), CASES, ids=[c[0] for c in CASES]
)
def test_servers(
    case: str,
    one: Manifest,
    plaintext: Plaintext,
    mode: TlsMode | None,
    client: ClientAuthentication,
    verdict: Protection,
) -> None:
    row = only(gateway(one))
    assert (row.plaintext, row.tls.mode if row.tls else None) == (plaintext, mode)
    assert (row.client_authentication, row.verdict) == (client, verdict)
    assert row.subject == "istio-ingress/Gateway.networking.istio.io/main shop.example:443"
    indeterminate = [c for c in row.causes if c.code.startswith("indeterminate.")]
    assert bool(indeterminate) == (plaintext is Plaintext.INDETERMINATE)


def test_http3_asks_for_no_client_certificate() -> None:
    quic = {"name": "quic", "port": 443, "protocol": "UDP", "targetPort": 8443}
    found = rows([*gateway_pods(quic), gateway(server("HTTPS", tls("MUTUAL")))])
    (row,) = [r for r in found if r.kind == "Gateway"]
    assert row.client_authentication is CANNOT_TELL
    assert "indeterminate.entry.istio.http3" in [c.code for c in row.causes]


VERSIONS = [
    ("the documented default", None, None, "1.2"),
    ("the mesh's tlsDefaults", None, "TLSV1_3", "1.3"),
    ("the server's own comes first", "TLSV1_0", "TLSV1_3", "1.0"),
    ("TLS_AUTO is the mesh's", "TLS_AUTO", "TLSV1_3", "1.3"),
    ("one that is not known", "TLSV9", None, None),
]


@pytest.mark.parametrize(("case", "own", "mesh", "expected"), VERSIONS, ids=[c[0] for c in VERSIONS])
def test_minimum_version(case: str, own: str | None, mesh: str | None, expected: str | None) -> None:
    settings = tls("SIMPLE", **({"minProtocolVersion": own} if own else {}))
    objects = [gateway(server("HTTPS", settings))]
    if mesh:
        text = f"tlsDefaults: {{minProtocolVersion: {mesh}}}"
        objects.append(config_map("istio-system", "istio", {"mesh": text}))
    row = only(*objects)
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.certificate) == (expected, "istio-ingress/Secret/shop-cert")


def virtual_service(name: str, hosts: list[str], gateways: list[str], destination: str) -> Manifest:
    route = {"route": [{"destination": {"host": destination, "port": {"number": 80}}}]}
    return manifest(API, "VirtualService", name, {"hosts": hosts, "gateways": gateways, "http": [route]})


def test_routes_lead_from_hosts_to_pods() -> None:
    hosts = ["shop/shop.example", "./other.example", "*/*.wild.example"]
    objects = [
        gateway(server("HTTPS", tls("SIMPLE"), hosts=hosts)),
        virtual_service("v1", ["shop.example"], ["istio-ingress/main"], "web"),
        virtual_service("v2", ["a.wild.example"], ["istio-ingress/main"], "web.shop.svc.cluster.local"),
        virtual_service("v3", ["other.example"], ["main"], "web"),
    ]
    found = {r.host: [b.endpoint.id for b in r.destinations] for r in gateway_rows(*objects)}
    assert found == {
        "*.wild.example": ["shop/Deployment/web"],
        "other.example": [],
        "shop.example": ["shop/Deployment/web"],
    }


def test_the_hop_behind_is_left_to_the_mesh() -> None:
    assert only(gateway(server("HTTPS", tls("SIMPLE")))).backend is BackendHop.MESH
    assert only(gateway(server("HTTPS", tls("PASSTHROUGH")))).backend is BackendHop.PASSTHROUGH


def test_a_gateway_that_no_pod_serves_is_told() -> None:
    row = only(gateway(server("HTTP"), selector={"istio": "none"}))
    assert [c.code for c in row.notices] == ["entry.istio.no-gateway-pods"]


def envoy_filter(space: str, apply_to: str, context: str = "GATEWAY") -> Manifest:
    patches = [{"applyTo": apply_to, "match": {"context": context}, "patch": {"operation": "MERGE"}}]
    return manifest("networking.istio.io/v1alpha3", "EnvoyFilter", "f", {"configPatches": patches}, space)


FILTERS = [
    (
        "patches listeners of the gateway's namespace",
        envoy_filter("istio-ingress", "LISTENER"),
        Plaintext.INDETERMINATE,
    ),
    (
        "mesh-wide from the root namespace",
        envoy_filter("istio-system", "FILTER_CHAIN"),
        Plaintext.INDETERMINATE,
    ),
    ("of another namespace", envoy_filter("shop", "LISTENER"), Plaintext.CLOSED),
    ("of sidecars only", envoy_filter("istio-system", "LISTENER", "SIDECAR_INBOUND"), Plaintext.CLOSED),
    ("of HTTP filters only", envoy_filter("istio-system", "HTTP_FILTER"), Plaintext.CLOSED),
]


@pytest.mark.parametrize(("case", "patch", "expected"), FILTERS, ids=[c[0] for c in FILTERS])
def test_envoy_filters(case: str, patch: Manifest, expected: Plaintext) -> None:
    assert only(gateway(server("HTTPS", tls("SIMPLE"))), patch).plaintext is expected


def test_five_thousand_hosts_with_a_route_each() -> None:
    hosts = [f"h{n}.example" for n in range(5000)]
    routes = [virtual_service(f"v{n}", [host], ["istio-ingress/main"], "web") for n, host in enumerate(hosts)]
    found = gateway_rows(gateway(server("HTTPS", tls("SIMPLE"), hosts=hosts)), *routes)
    assert len(found) == 5000
    assert all(len(row.destinations) == 1 for row in found)


BROKEN: list[Any] = [None, [], "x", 7, True, {"a": 1}, [None, 3, "x", {}]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_gateways_never_raise(value: Any) -> None:
    objects = [
        manifest(API, "Gateway", "a", value, "istio-ingress"),
        gateway(value, name="b"),
        gateway(server("HTTPS", value), server(value), server("TLS", {"mode": value}), name="c"),
        gateway({"hosts": value, "port": value, "tls": value}, name="d", selector=value),
        manifest(API, "VirtualService", "v", {"hosts": value, "gateways": value, "http": value}),
        manifest(
            API,
            "VirtualService",
            "w",
            {"hosts": ["*"], "gateways": ["istio-ingress/c"], "http": [{"route": value}]},
        ),
        manifest(API, "EnvoyFilter", "e", {"workloadSelector": value, "configPatches": value}),
    ]
    assert all(row.verdict for row in gateway_rows(*objects))


def test_wildcards_meet_hosts_below_and_above_them() -> None:
    hosts = ["*", "*.a.example", "x.a.example", "b.example"]
    objects = [
        gateway(server("HTTPS", tls("SIMPLE"), hosts=hosts)),
        virtual_service("v1", ["y.x.a.example"], ["istio-ingress/main"], "web"),
    ]
    found = {r.host: bool(r.destinations) for r in gateway_rows(*objects)}
    assert found == {"*": True, "*.a.example": True, "x.a.example": False, "b.example": False}
    above = virtual_service("v1", ["*.example"], ["istio-ingress/main"], "web")
    assert all(r.destinations for r in gateway_rows(objects[0], above))


def test_three_thousand_wildcards_with_a_route_each() -> None:
    hosts = [f"*.w{n}.example" for n in range(3000)]
    routes = [virtual_service(f"v{n}", [host], ["istio-ingress/main"], "web") for n, host in enumerate(hosts)]
    found = gateway_rows(gateway(server("HTTPS", tls("SIMPLE"), hosts=hosts)), *routes)
    assert all(len(row.destinations) == 1 for row in found)
