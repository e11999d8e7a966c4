"""Gateway API listeners and routes (encryption.md 4)."""

from typing import Any

import pytest

from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import WEB, Manifest, manifest, rows

API = "gateway.networking.k8s.io/v1"
OPEN, CLOSED, REDIRECTED = Plaintext.OPEN, Plaintext.CLOSED, Plaintext.REDIRECTED
CLASS = manifest(API, "GatewayClass", "edge", {"controllerName": "example.net/gateway"}, None)
CERTS = {"certificateRefs": [{"name": "cert"}]}
HTTP: Manifest = {"name": "http", "port": 80, "protocol": "HTTP"}
HTTPS: Manifest = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": CERTS}


def gateway(*listeners: Manifest, cls: str = "edge", status: Any = None, **spec: Any) -> Manifest:
    body = manifest(
        API, "Gateway", "gw", {"gatewayClassName": cls, "listeners": list(listeners), **spec}, "shop"
    )
    return body if status is None else body | {"status": status}


def route(
    name: str = "r",
    kind: str = "HTTPRoute",
    *,
    parent: Any = None,
    hosts: Any = (),
    namespace: str = "shop",
    **rule: Any,
) -> Manifest:
    rules = [{"backendRefs": [{"name": "web", "port": 80}], **rule}]
    spec = {"parentRefs": [parent or {"name": "gw"}], "hostnames": list(hosts), "rules": rules}
    return manifest(API, kind, name, spec, namespace)


REDIRECT = {
    "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}],
    "backendRefs": [],
}


def gateway_rows(*objects: Manifest) -> list[EntryPoint]:
    return [r for r in rows([CLASS, *WEB, *objects]) if r.kind in ("Gateway", "ListenerSet")]


def seen(*objects: Manifest) -> dict[str, tuple[Plaintext, Protection]]:
    return {r.subject.rpartition("gw ")[2]: (r.plaintext, r.verdict) for r in gateway_rows(*objects)}


PLAIN = (OPEN, Protection.PLAINTEXT)
ENDS_TLS = (CLOSED, Protection.TLS_SERVER_ONLY)
NOTHING = (CLOSED, Protection.DENIED)
CASES: list[tuple[str, list[Manifest], dict[str, tuple[Plaintext, Protection]]]] = [
    (
        "a route without sectionName attaches to the HTTP listener too",
        [gateway(HTTP, HTTPS), route()],
        {"*:80": PLAIN, "*:443": ENDS_TLS},
    ),
    (
        "a route with sectionName does not",
        [gateway(HTTP, HTTPS), route(parent={"name": "gw", "sectionName": "https"})],
        {"*:80": NOTHING, "*:443": ENDS_TLS},
    ),
    (
        "a route for one port does not",
        [gateway(HTTP, HTTPS), route(parent={"name": "gw", "port": 443})],
        {"*:80": NOTHING, "*:443": ENDS_TLS},
    ),
    (
        "a redirecting route on the HTTP listener",
        [
            gateway(HTTP, HTTPS),
            route("to", parent={"name": "gw", "sectionName": "http"}, **REDIRECT),
            route(parent={"name": "gw", "sectionName": "https"}),
        ],
        {"*:80": (REDIRECTED, Protection.DENIED), "*:443": ENDS_TLS},
    ),
    (
        "one of two routes redirects",
        [gateway(HTTP), route("to", **REDIRECT), route()],
        {"*:80": PLAIN},
    ),
    ("no route: nothing is served", [gateway(HTTP)], {"*:80": NOTHING}),
    (
        "another namespace's route is not let in by default",
        [gateway(HTTP), route(namespace="x", parent={"name": "gw", "namespace": "shop"})],
        {"*:80": NOTHING},
    ),
    (
        "from All lets it in",
        [
            gateway(HTTP | {"allowedRoutes": {"namespaces": {"from": "All"}}}),
            route(namespace="x", parent={"name": "gw", "namespace": "shop"}),
        ],
        {"*:80": PLAIN},
    ),
    (
        "from Selector by the namespace's labels",
        [
            gateway(
                HTTP
                | {
                    "allowedRoutes": {
                        "namespaces": {"from": "Selector", "selector": {"matchLabels": {"edge": "yes"}}}
                    }
                }
            ),
            route(namespace="x", parent={"name": "gw", "namespace": "shop"}),
            manifest("v1", "Namespace", "x", {}, None, labels={"edge": "no"}),
        ],
        {"*:80": NOTHING},
    ),
    (
        "kinds that are not allowed",
        [gateway(HTTP | {"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}), route()],
        {"*:80": NOTHING},
    ),
    (
        "hosts are those in common",
        [gateway(HTTP | {"hostname": "*.a.example"}), route(hosts=["x.a.example", "b.example"])],
        {"x.a.example:80": PLAIN},
    ),
    (
        "a route's wildcard and a listener's host",
        [gateway(HTTP | {"hostname": "x.a.example"}), route(hosts=["*.a.example"])],
        {"x.a.example:80": PLAIN},
    ),
    (
        "no host in common",
        [gateway(HTTP | {"hostname": "a.example"}), route(hosts=["b.example"])],
        {"a.example:80": NOTHING},
    ),
    (
        "TLS passthrough: the backend decides",
        [
            gateway({"name": "t", "port": 8443, "protocol": "TLS", "tls": {"mode": "Passthrough"}}),
            route(kind="TLSRoute", hosts=["a.example"]),
        ],
        {"a.example:8443": (CLOSED, Protection.INDETERMINATE)},
    ),
    (
        "TCP is plain",
        [gateway({"name": "t", "port": 5432, "protocol": "TCP"}), route(kind="TCPRoute")],
        {"*:5432": PLAIN},
    ),
    (
        "a protocol that is not known",
        [gateway({"name": "t", "port": 1, "protocol": "example.net/x"})],
        {"*:1": (Plaintext.INDETERMINATE, Protection.INDETERMINATE)},
    ),
    (
        "an unknown TLS mode",
        [gateway(HTTPS | {"tls": {"mode": "Other"}})],
        {"*:443": (CLOSED, Protection.INDETERMINATE)},
    ),
]


@pytest.mark.parametrize(("case", "objects", "expected"), CASES, ids=[c[0] for c in CASES])
def test_listeners(
    case: str, objects: list[Manifest], expected: dict[str, tuple[Plaintext, Protection]]
) -> None:
    assert seen(*objects) == expected


def status(value: str) -> Manifest:
    return {"listeners": [{"name": "https", "conditions": [{"type": "ResolvedRefs", "status": value}]}]}


REFERENCES: list[tuple[str, Any, TlsMode, str]] = [
    ("resolved", status("True"), TlsMode.TERMINATE, "entry.gateway.terminates"),
    ("not resolved", status("False"), TlsMode.INDETERMINATE, "indeterminate.entry.gateway.references"),
    ("not reported", None, TlsMode.TERMINATE, "entry.gateway.references-not-observed"),
]


@pytest.mark.parametrize(("case", "reported", "mode", "code"), REFERENCES, ids=[c[0] for c in REFERENCES])
def test_terminating_needs_resolvable_certificates(
    case: str, reported: Any, mode: TlsMode, code: str
) -> None:
    (row,) = gateway_rows(gateway(HTTPS, status=reported), route())
    assert row.tls is not None
    assert row.tls.mode is mode
    assert code in [c.code for c in row.causes]


CA = {"caCertificateRefs": [{"name": "ca", "kind": "ConfigMap", "group": ""}]}
FRONTENDS: list[tuple[str, Any, ClientAuthentication, Protection]] = [
    ("none", {}, ClientAuthentication.NONE, Protection.TLS_SERVER_ONLY),
    (
        "for every port",
        {"default": {"validation": CA}},
        ClientAuthentication.REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "AllowValidOnly",
        {"default": {"validation": CA | {"mode": "AllowValidOnly"}}},
        ClientAuthentication.REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "AllowInsecureFallback is not enforced",
        {"default": {"validation": CA | {"mode": "AllowInsecureFallback"}}},
        ClientAuthentication.OPTIONAL,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "for this port",
        {"perPort": [{"port": 443, "tls": {"validation": CA}}]},
        ClientAuthentication.REQUIRED,
        Protection.ENFORCED_MTLS,
    ),
    (
        "an entry for the port replaces the default",
        {"default": {"validation": CA}, "perPort": [{"port": 443, "tls": {}}]},
        ClientAuthentication.NONE,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "for another port",
        {"perPort": [{"port": 8443, "tls": {"validation": CA}}]},
        ClientAuthentication.NONE,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "an unknown mode",
        {"default": {"validation": CA | {"mode": "Maybe"}}},
        ClientAuthentication.INDETERMINATE,
        Protection.TLS_SERVER_ONLY,
    ),
]


@pytest.mark.parametrize(("case", "frontend", "client", "verdict"), FRONTENDS, ids=[c[0] for c in FRONTENDS])
def test_client_validation(
    case: str, frontend: Any, client: ClientAuthentication, verdict: Protection
) -> None:
    (row,) = gateway_rows(gateway(HTTPS, tls={"frontend": frontend}), route())
    assert (row.client_authentication, row.verdict) == (client, verdict)


def backend_tls(**target: Any) -> Manifest:
    validation = {"hostname": "web", "wellKnownCACertificates": "System"}
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": "web", **target}],
        "validation": validation,
    }
    return manifest(API, "BackendTLSPolicy", "b", spec)


ISTIO = manifest(API, "GatewayClass", "istio", {"controllerName": "istio.io/gateway-controller"}, None)
BACKENDS: list[tuple[str, list[Manifest], BackendHop]] = [
    ("no BackendTLSPolicy: the hop is unencrypted", [gateway(HTTPS), route()], BackendHop.PLAINTEXT),
    ("a BackendTLSPolicy verifies", [gateway(HTTPS), route(), backend_tls()], BackendHop.VERIFIED),
    (
        "for another port of the Service",
        [gateway(HTTPS), route(), backend_tls(sectionName="other")],
        BackendHop.PLAINTEXT,
    ),
    ("for another Service", [gateway(HTTPS), route(), backend_tls(name="x")], BackendHop.PLAINTEXT),
    (
        "one of two backends",
        [
            gateway(HTTPS),
            route(backendRefs=[{"name": "web", "port": 80}, {"name": "x", "port": 80}]),
            backend_tls(),
        ],
        BackendHop.PLAINTEXT,
    ),
    ("Istio's gateways leave it to the mesh", [ISTIO, gateway(HTTPS, cls="istio"), route()], BackendHop.MESH),
]


@pytest.mark.parametrize(("case", "objects", "expected"), BACKENDS, ids=[c[0] for c in BACKENDS])
def test_backend_hop(case: str, objects: list[Manifest], expected: BackendHop) -> None:
    (row,) = gateway_rows(*objects)
    assert row.backend is expected


def listener_set(**spec: Any) -> Manifest:
    return manifest(
        API,
        "ListenerSet",
        "more",
        {"parentRef": {"name": "gw", "namespace": "shop"}, "listeners": [HTTP], **spec},
        "team",
    )


LISTENER_SETS = [
    ("None by default", {}, []),
    ("All", {"from": "All"}, ["team/ListenerSet.gateway.networking.k8s.io/more *:80"]),
    ("Same", {"from": "Same"}, []),
]


@pytest.mark.parametrize(("case", "namespaces", "expected"), LISTENER_SETS, ids=[c[0] for c in LISTENER_SETS])
def test_listener_sets_need_the_gateways_permission(case: str, namespaces: Any, expected: list[str]) -> None:
    found = gateway_rows(gateway(HTTPS, allowedListeners={"namespaces": namespaces}), listener_set())
    assert [r.subject for r in found if r.kind == "ListenerSet"] == expected


def test_destinations_and_evidence_come_from_the_routes() -> None:
    (row,) = gateway_rows(gateway(HTTPS), route())
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]
    assert row.controller == "example.net/gateway"
    assert len(row.evidence) == 3


def test_five_thousand_hosts_of_routes() -> None:
    routes = [route(f"r{n}", hosts=[f"h{n}.example"]) for n in range(5000)]
    assert len(gateway_rows(gateway(HTTPS), *routes)) == 5000


BROKEN: list[Any] = [None, [], "x", 7, True, {"a": 1}, [None, 3, "x", {}]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_gateways_never_raise(value: Any) -> None:
    objects = [
        manifest(API, "Gateway", "a", value),
        gateway(
            HTTP | {"allowedRoutes": value, "hostname": value},
            HTTPS | {"tls": value, "port": value},
            tls=value,
        ),
        manifest(API, "Gateway", "c", {"listeners": value, "gatewayClassName": value}) | {"status": value},
        manifest(
            API,
            "Gateway",
            "d",
            {"listeners": [HTTPS], "tls": {"frontend": {"default": {"validation": {"mode": value}}}}},
        ),
        manifest(API, "HTTPRoute", "r", value),
        manifest(API, "HTTPRoute", "s", {"parentRefs": value, "hostnames": value, "rules": value}),
        manifest(
            API,
            "HTTPRoute",
            "t",
            {
                "parentRefs": [{"name": "gw", "port": value, "sectionName": value}],
                "rules": [{"backendRefs": value, "filters": value}],
            },
        ),
        manifest(API, "BackendTLSPolicy", "b", {"targetRefs": value, "validation": value}),
        manifest(API, "ListenerSet", "l", {"parentRef": value, "listeners": value}),
    ]
    assert all(row.verdict for row in gateway_rows(*objects))


def test_waypoints_serve_the_mesh_and_are_no_way_in() -> None:
    waypoint = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    assert gateway_rows(gateway(waypoint, cls="istio-waypoint")) == []


def test_the_hop_behind_an_unknown_class_is_indeterminate() -> None:
    found = [r for r in rows([*WEB, gateway(HTTPS), route()], claims=()) if r.kind == "Gateway"]
    assert [(r.controller, r.backend) for r in found] == [(None, BackendHop.INDETERMINATE)]
