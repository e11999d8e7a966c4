"""Traefik (encryption.md 4: spec.tls only loads certificates; a router without tls is plain)."""

from typing import Any

import pytest

from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    deployment,
    ingress,
    ingress_class,
    manifest,
    rows,
    service,
)

R = "traefik.ingress.kubernetes.io/router."
S = "traefik.ingress.kubernetes.io/service."
CLASS = ingress_class("traefik", "traefik.io/ingress-controller")
WEB_ENTRY = "--entrypoints.web.address=:8000/tcp"
SECURE_ENTRY = "--entryPoints.websecure.address=:8443/tcp"
SECURE_TLS = "--entryPoints.websecure.http.tls=true"
REDIRECT = "--entrypoints.web.http.redirections.entryPoint.to=websecure"
INTERNAL = "--entryPoints.traefik.address=:8080/tcp"
PORTS = (
    {"name": "web", "port": 80, "targetPort": "web"},
    {"name": "websecure", "port": 443, "targetPort": "websecure"},
)


def traefik(*args: str, ports: Any = PORTS) -> list[Manifest]:
    return [
        deployment("traefik", "docker.io/traefik:v3.2", namespace="edge", args=args, ports=(8000, 8443)),
        service("traefik", ports, namespace="edge", type="LoadBalancer"),
    ]


PLAIN = traefik(WEB_ENTRY, SECURE_ENTRY, INTERNAL)
TLS_ENTRY = traefik(WEB_ENTRY, SECURE_ENTRY, SECURE_TLS, INTERNAL)
REDIRECTING = traefik(WEB_ENTRY, SECURE_ENTRY, SECURE_TLS, REDIRECT)
OPEN, CLOSED, REDIRECTED = Plaintext.OPEN, Plaintext.CLOSED, Plaintext.REDIRECTED


def middleware(name: str, **spec: Any) -> Manifest:
    return manifest("traefik.io/v1alpha1", "Middleware", name, spec)


def only(*objects: Manifest, claims: Any = None) -> EntryPoint:
    (row,) = [r for r in rows([CLASS, *WEB, *objects], claims) if r.kind == "Ingress"]
    return row


def on(entries: str, *, tls: bool = False, **more: str) -> Manifest:
    extra = {R + "tls": "true"} if tls else {}
    return ingress(cls="traefik", tls=True, **{R + "entrypoints": entries, **extra, **more})


NAMED = "shop-to-https@kubernetescrd"
TO_HTTPS = middleware("to-https", redirectScheme={"scheme": "https", "permanent": True})
CASES: list[tuple[str, list[Manifest], Plaintext, Protection, str]] = [
    (
        "spec.tls only loads certificates",
        [ingress(cls="traefik", tls=True), *PLAIN],
        OPEN,
        Protection.PLAINTEXT,
        "entry.traefik.only-certificates",
    ),
    (
        "an entry point's TLS does not close the plain one",
        [ingress(cls="traefik"), *TLS_ENTRY],
        OPEN,
        Protection.OPPORTUNISTIC,
        "entry.traefik.plain-entry",
    ),
    (
        "router.tls answers no plain HTTP on any entry point",
        [ingress(cls="traefik", **{R + "tls": "true"}), *PLAIN],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "a TLS router on web answers no HTTP",
        [on("web", tls=True), *PLAIN],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "only on an entry point with TLS",
        [on("websecure"), *TLS_ENTRY],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "websecure without TLS is plain",
        [on("websecure"), *PLAIN],
        OPEN,
        Protection.PLAINTEXT,
        "entry.traefik.plain-entry",
    ),
    (
        "the plain entry point redirects",
        [ingress(cls="traefik"), *REDIRECTING],
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.entry-redirects",
    ),
    (
        "a middleware redirects",
        [ingress(cls="traefik", **{R + "middlewares": NAMED}), TO_HTTPS, *TLS_ENTRY],
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.middleware-redirects",
    ),
    (
        "a chain redirects",
        [
            ingress(cls="traefik", **{R + "middlewares": "shop-all@kubernetescrd"}),
            middleware("all", chain={"middlewares": [{"name": "to-https"}]}),
            TO_HTTPS,
            *TLS_ENTRY,
        ],
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.middleware-redirects",
    ),
    (
        "a middleware that does something else",
        [
            ingress(cls="traefik", **{R + "middlewares": NAMED}),
            middleware("to-https", headers={"sslRedirect": False}),
            *TLS_ENTRY,
        ],
        OPEN,
        Protection.OPPORTUNISTIC,
        "entry.traefik.plain-entry",
    ),
    (
        "a middleware of another provider",
        [ingress(cls="traefik", **{R + "middlewares": "own@file"}), *TLS_ENTRY],
        Plaintext.INDETERMINATE,
        Protection.INDETERMINATE,
        "indeterminate.entry.traefik.middleware-unknown",
    ),
    (
        "a redirect to http is none",
        [
            ingress(cls="traefik", **{R + "middlewares": NAMED}),
            middleware("to-https", redirectScheme={"scheme": "http"}),
            *TLS_ENTRY,
        ],
        OPEN,
        Protection.OPPORTUNISTIC,
        "entry.traefik.plain-entry",
    ),
    (
        "asDefault keeps the router off web",
        [
            ingress(cls="traefik"),
            *traefik(WEB_ENTRY, SECURE_ENTRY, SECURE_TLS, "--entryPoints.websecure.asDefault=true"),
        ],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "an entry point that no Service publishes is not outside",
        [ingress(cls="traefik"), *traefik(WEB_ENTRY, SECURE_ENTRY, SECURE_TLS, ports=PORTS[1:])],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "no static configuration in the evidence",
        [ingress(cls="traefik")],
        Plaintext.INDETERMINATE,
        Protection.INDETERMINATE,
        "indeterminate.entry.traefik.static-unknown",
    ),
    (
        "a TLS router needs no static configuration",
        [ingress(cls="traefik", **{R + "tls": "true"})],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "a static configuration that is in a file",
        [ingress(cls="traefik"), *traefik("--configfile=/x.yaml")],
        Plaintext.INDETERMINATE,
        Protection.INDETERMINATE,
        "indeterminate.entry.traefik.static-unknown",
    ),
    (
        "a certificate resolver is router TLS",
        [ingress(cls="traefik", **{R + "tls.certresolver": "le"}), *PLAIN],
        CLOSED,
        Protection.TLS_SERVER_ONLY,
        "entry.traefik.router-tls",
    ),
    (
        "an entry point that does not exist",
        [on("other"), *PLAIN],
        CLOSED,
        Protection.DENIED,
        "entry.traefik.no-entry-point",
    ),
]


@pytest.mark.parametrize(
    ("case", "objects", "plaintext", "verdict", "code"), CASES, ids=[c[0] for c in CASES]
)
def test_plain_http(
    case: str, objects: list[Manifest], plaintext: Plaintext, verdict: Protection, code: str
) -> None:
    row = only(*objects)
    assert (row.plaintext, row.verdict) == (plaintext, verdict)
    assert code in [c.code for c in row.causes]


CLIENTS = [
    ("RequireAndVerifyClientCert", ClientAuthentication.REQUIRED),
    ("VerifyClientCertIfGiven", ClientAuthentication.OPTIONAL),
    ("RequestClientCert", ClientAuthentication.OPTIONAL),
    ("RequireAnyClientCert", ClientAuthentication.OPTIONAL),
    ("NoClientCert", ClientAuthentication.NONE),
    ("Surprise", ClientAuthentication.INDETERMINATE),
]


@pytest.mark.parametrize(("mode", "expected"), CLIENTS, ids=[c[0] for c in CLIENTS])
def test_client_authentication_by_tls_option(mode: str, expected: ClientAuthentication) -> None:
    spec = {"minVersion": "VersionTLS13", "clientAuth": {"clientAuthType": mode, "secretNames": ["ca"]}}
    option = manifest("traefik.io/v1alpha1", "TLSOption", "strict", spec)
    row = only(on("websecure", tls=True, **{R + "tls.options": "shop-strict@kubernetescrd"}), option, *PLAIN)
    assert row.client_authentication is expected
    assert row.tls is not None
    assert row.tls.minimum_version == "1.3"


def test_the_default_tls_option_holds_without_a_name() -> None:
    spec = {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}
    option = manifest("traefik.io/v1alpha1", "TLSOption", "default", spec, "edge")
    assert only(on("websecure", tls=True), option, *PLAIN).verdict is Protection.ENFORCED_MTLS


def test_a_tls_option_that_is_not_there_is_indeterminate() -> None:
    row = only(on("websecure", tls=True, **{R + "tls.options": "shop-gone@kubernetescrd"}), *PLAIN)
    assert row.client_authentication is ClientAuthentication.INDETERMINATE


TRANSPORT = manifest("traefik.io/v1alpha1", "ServersTransport", "lax", {"insecureSkipVerify": True})
BACKENDS: list[tuple[str, list[Manifest], BackendHop]] = [
    ("http is the default", [service("api"), *PLAIN], BackendHop.PLAINTEXT),
    (
        "serversscheme https is verified",
        [service("api", annotations={S + "serversscheme": "https"}), *PLAIN],
        BackendHop.VERIFIED,
    ),
    (
        "insecureSkipVerify in the static configuration",
        [
            service("api", annotations={S + "serversscheme": "https"}),
            *traefik(WEB_ENTRY, "--serversTransport.insecureSkipVerify=true"),
        ],
        BackendHop.ENCRYPTED,
    ),
    (
        "insecureSkipVerify in a ServersTransport",
        [
            service(
                "api",
                annotations={S + "serversscheme": "https", S + "serverstransport": "shop-lax@kubernetescrd"},
            ),
            TRANSPORT,
            *PLAIN,
        ],
        BackendHop.ENCRYPTED,
    ),
    (
        "a port named https",
        [service("api", ({"name": "https-api", "port": 80},)), *PLAIN],
        BackendHop.VERIFIED,
    ),
]


@pytest.mark.parametrize(("case", "objects", "expected"), BACKENDS, ids=[c[0] for c in BACKENDS])
def test_backend_hop(case: str, objects: list[Manifest], expected: BackendHop) -> None:
    assert only(ingress(cls="traefik", service="api"), *objects).backend is expected
