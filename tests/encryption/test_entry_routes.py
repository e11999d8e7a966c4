"""OpenShift Routes, Contour's HTTPProxy, Traefik's IngressRoute (encryption.md 4; 8: a Route without tls)."""

from typing import Any

import pytest

from auditor.encryption.entry.traefik_routes import hosts_of
from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Protection, Tri
from tests.encryption.entry_manifests import WEB, Manifest, deployment, manifest, rows, service

OPEN, CLOSED, REDIRECTED = Plaintext.OPEN, Plaintext.CLOSED, Plaintext.REDIRECTED
UNKNOWN = Plaintext.INDETERMINATE
PLAIN, BOTH, TLS = Protection.PLAINTEXT, Protection.OPPORTUNISTIC, Protection.TLS_SERVER_ONLY
CANNOT_TELL = Protection.INDETERMINATE


def without(*kinds: str) -> list[Claim]:
    return [Claim(key, None, "", "kubectl get", "test") for key in KNOWN_KINDS if key.kind not in kinds]


def of(kind: str, *objects: Manifest, claims: Any = None) -> EntryPoint:
    (row,) = [r for r in rows([*WEB, *objects], claims) if r.kind == kind]
    return row


def route(tls: Any = None, **annotations: str) -> Manifest:
    spec: Manifest = {"host": "shop.example", "to": {"kind": "Service", "name": "web"}}
    if tls is not None:
        spec["tls"] = tls
    return manifest("route.openshift.io/v1", "Route", "r", spec, annotations=annotations)


ROUTES: list[tuple[str, Any, Plaintext, BackendHop, Protection]] = [
    ("no tls is plain HTTP", None, OPEN, BackendHop.PLAINTEXT, PLAIN),
    (
        "edge: no plain HTTP by default, plaintext to the pods",
        {"termination": "edge"},
        CLOSED,
        BackendHop.PLAINTEXT,
        TLS,
    ),
    (
        "edge: Allow",
        {"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"},
        OPEN,
        BackendHop.PLAINTEXT,
        BOTH,
    ),
    (
        "edge: Redirect",
        {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
        REDIRECTED,
        BackendHop.PLAINTEXT,
        TLS,
    ),
    (
        "edge: None",
        {"termination": "edge", "insecureEdgeTerminationPolicy": "None"},
        CLOSED,
        BackendHop.PLAINTEXT,
        TLS,
    ),
    ("reencrypt", {"termination": "reencrypt"}, CLOSED, BackendHop.ENCRYPTED, TLS),
    (
        "reencrypt with the pods' CA",
        {"termination": "reencrypt", "destinationCACertificate": "PEM"},
        CLOSED,
        BackendHop.VERIFIED,
        TLS,
    ),
    (
        "passthrough: the pods decide",
        {"termination": "passthrough"},
        CLOSED,
        BackendHop.PASSTHROUGH,
        CANNOT_TELL,
    ),
    (
        "an unknown policy",
        {"termination": "edge", "insecureEdgeTerminationPolicy": "Maybe"},
        UNKNOWN,
        BackendHop.PLAINTEXT,
        CANNOT_TELL,
    ),
    ("an unknown termination", {"termination": "other"}, UNKNOWN, BackendHop.INDETERMINATE, CANNOT_TELL),
]


@pytest.mark.parametrize(("case", "tls", "plaintext", "hop", "verdict"), ROUTES, ids=[c[0] for c in ROUTES])
def test_routes(case: str, tls: Any, plaintext: Plaintext, hop: BackendHop, verdict: Protection) -> None:
    row = of("Route", route(tls))
    assert (row.plaintext, row.backend, row.verdict) == (plaintext, hop, verdict)
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_hsts_of_a_route_is_its_annotation() -> None:
    header = {"haproxy.router.openshift.io/hsts_header": "max-age=31536000"}
    assert of("Route", route({"termination": "edge"}, **header)).hsts is Tri.YES
    assert of("Route", route({"termination": "edge"})).hsts is Tri.NO


def proxy(
    tls: Any = None, *, name: str = "root", routes: Any = None, virtual: bool = True, **spec: Any
) -> Manifest:
    host: Manifest = {"fqdn": "shop.example"} | ({} if tls is None else {"tls": tls})
    body = {"routes": routes if routes is not None else [{"services": [{"name": "web", "port": 80}]}], **spec}
    return manifest(
        "projectcontour.io/v1", "HTTPProxy", name, body | ({"virtualhost": host} if virtual else {})
    )


SECRET = {"secretName": "cert"}
INSECURE = [{"permitInsecure": True, "services": [{"name": "web", "port": 80}]}]
PROXIES: list[tuple[str, list[Manifest], Plaintext, Protection]] = [
    ("without tls", [proxy()], OPEN, PLAIN),
    ("tls redirects", [proxy(SECRET)], REDIRECTED, TLS),
    ("permitInsecure", [proxy(SECRET, routes=INSECURE)], OPEN, BOTH),
    (
        "permitInsecure in an included HTTPProxy",
        [proxy(SECRET, includes=[{"name": "child"}]), proxy(name="child", virtual=False, routes=INSECURE)],
        OPEN,
        BOTH,
    ),
    (
        "an included HTTPProxy without it",
        [proxy(SECRET, includes=[{"name": "child"}]), proxy(name="child", virtual=False)],
        REDIRECTED,
        TLS,
    ),
    (
        "includes that go round",
        [
            proxy(SECRET, includes=[{"name": "child"}]),
            proxy(name="child", virtual=False, includes=[{"name": "child"}]),
        ],
        REDIRECTED,
        TLS,
    ),
    (
        "passthrough",
        [proxy({"passthrough": True}, tcpproxy={"services": [{"name": "web", "port": 80}]}, routes=[])],
        CLOSED,
        CANNOT_TELL,
    ),
    (
        "TCP over TLS",
        [proxy(SECRET, tcpproxy={"services": [{"name": "web", "port": 80}]}, routes=[])],
        CLOSED,
        TLS,
    ),
]


@pytest.mark.parametrize(("case", "objects", "plaintext", "verdict"), PROXIES, ids=[c[0] for c in PROXIES])
def test_http_proxies(case: str, objects: list[Manifest], plaintext: Plaintext, verdict: Protection) -> None:
    row = of("HTTPProxy", *objects)
    assert (row.plaintext, row.verdict) == (plaintext, verdict)
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_an_included_proxy_that_was_not_collected_is_indeterminate() -> None:
    row = of("HTTPProxy", proxy(SECRET, includes=[{"name": "gone"}]), claims=without("HTTPProxy"))
    assert row.plaintext is UNKNOWN


PROXY_CLIENTS: list[tuple[str, Any, ClientAuthentication]] = [
    ("none", {}, ClientAuthentication.NONE),
    ("required", {"clientValidation": {"caSecret": "ca"}}, ClientAuthentication.REQUIRED),
    ("the CA's name may be redacted", {"clientValidation": {}}, ClientAuthentication.REQUIRED),
    (
        "skipClientCertValidation",
        {"clientValidation": {"skipClientCertValidation": True}},
        ClientAuthentication.OPTIONAL,
    ),
    (
        "optionalClientCertificate",
        {"clientValidation": {"caSecret": "ca", "optionalClientCertificate": True}},
        ClientAuthentication.OPTIONAL,
    ),
]


@pytest.mark.parametrize(("case", "more", "expected"), PROXY_CLIENTS, ids=[c[0] for c in PROXY_CLIENTS])
def test_client_validation_of_a_proxy(case: str, more: Any, expected: ClientAuthentication) -> None:
    row = of("HTTPProxy", proxy({**SECRET, "minimumProtocolVersion": "1.3", **more}))
    assert row.client_authentication is expected
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.certificate) == ("1.3", "shop/Secret/cert")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, BackendHop.PLAINTEXT),
        ({"protocol": "tls"}, BackendHop.ENCRYPTED),
        ({"protocol": "h2", "validation": {"subjectName": "web"}}, BackendHop.VERIFIED),
        ({"protocol": "h2c"}, BackendHop.PLAINTEXT),
    ],
    ids=["plain", "tls", "verified", "h2c"],
)
def test_backend_of_a_proxy(more: Any, expected: BackendHop) -> None:
    routes = [{"services": [{"name": "web", "port": 80, **more}]}]
    assert of("HTTPProxy", proxy(SECRET, routes=routes)).backend is expected


API = "traefik.io/v1alpha1"
TRAEFIK = [
    deployment(
        "traefik",
        "traefik:v3.2",
        namespace="edge",
        args=["--entrypoints.web.address=:8000", "--entrypoints.websecure.address=:8443"],
        ports=(8000, 8443),
    ),
    service(
        "traefik",
        ({"port": 80, "targetPort": 8000}, {"port": 443, "targetPort": 8443}),
        namespace="edge",
        type="LoadBalancer",
    ),
]


def ingress_route(
    tls: Any = None, entries: Any = ("web",), kind: str = "IngressRoute", **rule: Any
) -> Manifest:
    routes = [{"match": "Host(`shop.example`)", "services": [{"name": "web", "port": 80}], **rule}]
    spec: Manifest = {"entryPoints": list(entries), "routes": routes}
    return manifest(API, kind, "r", spec if tls is None else spec | {"tls": tls})


TO_HTTPS = manifest(API, "Middleware", "to-https", {"redirectScheme": {"scheme": "https"}})
INGRESS_ROUTES: list[tuple[str, list[Manifest], Plaintext, Protection]] = [
    ("without tls", [ingress_route()], OPEN, PLAIN),
    ("empty tls is tls", [ingress_route({}, ["websecure"])], CLOSED, TLS),
    ("tls on web answers no HTTP", [ingress_route({"secretName": "c"})], CLOSED, TLS),
    (
        "a middleware redirects",
        [ingress_route(middlewares=[{"name": "to-https"}]), TO_HTTPS],
        REDIRECTED,
        Protection.DENIED,
    ),
    (
        "a middleware of another namespace",
        [ingress_route(middlewares=[{"name": "to-https", "namespace": "x"}]), TO_HTTPS],
        UNKNOWN,
        CANNOT_TELL,
    ),
]


@pytest.mark.parametrize(
    ("case", "objects", "plaintext", "verdict"), INGRESS_ROUTES, ids=[c[0] for c in INGRESS_ROUTES]
)
def test_ingress_routes(
    case: str, objects: list[Manifest], plaintext: Plaintext, verdict: Protection
) -> None:
    row = of("IngressRoute", *TRAEFIK, *objects)
    assert (row.plaintext, row.verdict, row.host) == (plaintext, verdict, "shop.example")
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_a_tls_option_of_an_ingress_route() -> None:
    spec = {"minVersion": "VersionTLS12", "clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}
    option = manifest(API, "TLSOption", "strict", spec)
    row = of("IngressRoute", *TRAEFIK, option, ingress_route({"options": {"name": "strict"}}, ["websecure"]))
    assert row.verdict is Protection.ENFORCED_MTLS


TCP: list[tuple[str, Any, Plaintext, TlsMode | None, BackendHop]] = [
    ("without tls the bytes are handed on", None, OPEN, None, BackendHop.PLAINTEXT),
    ("tls ends TLS", {}, CLOSED, TlsMode.TERMINATE, BackendHop.PLAINTEXT),
    ("passthrough", {"passthrough": True}, CLOSED, TlsMode.PASSTHROUGH, BackendHop.PASSTHROUGH),
]


@pytest.mark.parametrize(("case", "tls", "plaintext", "mode", "hop"), TCP, ids=[c[0] for c in TCP])
def test_tcp_routes(case: str, tls: Any, plaintext: Plaintext, mode: TlsMode | None, hop: BackendHop) -> None:
    obj = ingress_route(tls, ["websecure"], "IngressRouteTCP", match="HostSNI(`shop.example`)")
    row = of("IngressRouteTCP", *TRAEFIK, obj)
    assert (row.plaintext, row.tls.mode if row.tls else None, row.backend) == (plaintext, mode, hop)
    assert row.host == "shop.example"


@pytest.mark.parametrize(
    ("rule", "hosts"),
    [
        ("Host(`a.example`)", ("a.example",)),
        ("Host(`a.example`, `B.example`) && PathPrefix(`/x`)", ("a.example", "b.example")),
        ("Host(`a.example`) || Host(`b.example`)", ("a.example", "b.example")),
        ("HostSNI(`*`)", ("*",)),
        ("PathPrefix(`/`)", ("*",)),
        ("HostRegexp(`.+`)", ("*",)),
        ("!Host(`a.example`)", ("*",)),
        ("", ("*",)),
        ("Host(" * 5000, ("*",)),
    ],
)
def test_hosts_of_a_rule(rule: str, hosts: tuple[str, ...]) -> None:
    assert hosts_of(rule) == hosts


BROKEN: list[Any] = [None, [], "x", 7, True, {"a": 1}, [None, 3, "x", {}]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_routes_never_raise(value: Any) -> None:
    contour, openshift = "projectcontour.io/v1", "route.openshift.io/v1"
    objects = [
        manifest(openshift, "Route", "a", value),
        manifest(openshift, "Route", "b", {"host": value, "to": value, "tls": value, "port": value}),
        manifest(
            openshift, "Route", "c", {"tls": {"termination": value, "insecureEdgeTerminationPolicy": value}}
        ),
        manifest(contour, "HTTPProxy", "a", value),
        manifest(
            contour,
            "HTTPProxy",
            "b",
            {"virtualhost": {"fqdn": value, "tls": value}, "routes": value, "includes": value},
        ),
        manifest(
            contour,
            "HTTPProxy",
            "c",
            {
                "virtualhost": {"tls": {"clientValidation": value, "secretName": value}},
                "routes": [{"services": value}],
            },
        ),
        manifest(API, "IngressRoute", "a", value),
        manifest(API, "IngressRoute", "b", {"routes": value, "entryPoints": value, "tls": value}),
        manifest(
            API,
            "IngressRoute",
            "c",
            {
                "routes": [{"match": value, "services": value, "middlewares": value}],
                "tls": {"options": value},
            },
        ),
        manifest(
            API,
            "IngressRouteTCP",
            "d",
            {"routes": [{"match": value, "services": [{"port": value}]}], "tls": value},
        ),
        manifest(API, "Middleware", "m", value),
        manifest(API, "TLSOption", "default", value),
    ]
    assert all(row.verdict for row in rows([*WEB, *TRAEFIK, *objects]))
