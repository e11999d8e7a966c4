"""ingress-nginx (encryption.md 4, first row; 8: spec.tls taken as HTTPS only)."""

from typing import Any

import pytest

from auditor.encryption.entry_points import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    Plaintext,
)
from auditor.encryption.entry_reasons import ENTRY_REASONS
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Protection, Tri
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    config_map,
    deployment,
    ingress,
    ingress_class,
    rows,
)

P = "nginx.ingress.kubernetes.io/"
CLASS = ingress_class("nginx", "k8s.io/ingress-nginx")


def controller(*args: str) -> Manifest:
    flags = ("--configmap=$(POD_NAMESPACE)/ingress-nginx-controller", *args)
    return deployment(
        "ctl", "registry.k8s.io/ingress-nginx/controller:v1.12.0", namespace="ingress-nginx", args=flags
    )


def config(**data: str) -> Manifest:
    return config_map(
        "ingress-nginx", "ingress-nginx-controller", {k.replace("_", "-"): v for k, v in data.items()}
    )


def only(*objects: Manifest, claims: Any = None) -> EntryPoint:
    found = [row for row in rows([CLASS, *WEB, *objects], claims) if row.kind == "Ingress"]
    assert len(found) == 1
    return found[0]


REDIRECTED, OPEN = Plaintext.REDIRECTED, Plaintext.OPEN
CASES = [
    ("without tls plain HTTP stays open", ingress(), {}, OPEN, Protection.PLAINTEXT),
    ("with tls it is redirected", ingress(tls=True), {}, REDIRECTED, Protection.TLS_SERVER_ONLY),
    (
        "a host that spec.tls does not list gets the default certificate and is redirected too",
        ingress(tls=[{"hosts": ["other.example"], "secretName": "x"}]),
        {},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "ssl-redirect=false leaves plain HTTP open beside HTTPS",
        ingress(tls=True, **{P + "ssl-redirect": "false"}),
        {},
        OPEN,
        Protection.OPPORTUNISTIC,
    ),
    (
        "force-ssl-redirect overrides ssl-redirect=false",
        ingress(tls=True, **{P + "ssl-redirect": "false", P + "force-ssl-redirect": "true"}),
        {},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "force-ssl-redirect redirects without tls, to the default certificate",
        ingress(**{P + "force-ssl-redirect": "true"}),
        {},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "the ConfigMap can switch the redirect off",
        ingress(tls=True),
        {"ssl_redirect": "false"},
        OPEN,
        Protection.OPPORTUNISTIC,
    ),
    (
        "the ConfigMap can force the redirect",
        ingress(),
        {"force_ssl_redirect": "true"},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "an Ingress's annotation outranks the ConfigMap",
        ingress(tls=True, **{P + "ssl-redirect": "true"}),
        {"ssl_redirect": "false"},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
    (
        "without a host no certificate is found, so nothing is redirected",
        ingress(None, tls=True),
        {},
        OPEN,
        Protection.OPPORTUNISTIC,
    ),
    (
        "a value that is no boolean means the default",
        ingress(tls=True, **{P + "ssl-redirect": "nope"}),
        {},
        REDIRECTED,
        Protection.TLS_SERVER_ONLY,
    ),
]


@pytest.mark.parametrize(("case", "obj", "data", "plaintext", "verdict"), CASES, ids=[c[0] for c in CASES])
def test_plain_http(
    case: str, obj: Manifest, data: dict[str, str], plaintext: Plaintext, verdict: Protection
) -> None:
    row = only(obj, controller(), config(**data))
    assert (row.plaintext, row.verdict) == (plaintext, verdict)
    assert row.controller == "ingress-nginx"
    assert row.assumptions == ()
    assert [c.code for c in row.notices] == ["entry.nginx.retired"]
    assert all(c.code in ENTRY_REASONS for c in row.causes)
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_tls_of_another_ingress_of_the_same_host_redirects_too() -> None:
    found = rows([CLASS, controller(), config(), *WEB, ingress(name="a"), ingress(name="b", tls=True)])
    assert [(r.object, r.plaintext) for r in found] == [
        ("shop/Ingress/a", REDIRECTED),
        ("shop/Ingress/b", REDIRECTED),
    ]


def test_a_wildcard_certificate_serves_hosts_one_label_below() -> None:
    hosts = [ingress("*.shop.example", name="wild", tls=True), ingress("a.shop.example", name="one")]
    found = rows([CLASS, controller(), config(), *WEB, *hosts, ingress("a.b.shop.example", name="two")])
    assert {r.host: r.plaintext for r in found} == {
        "*.shop.example": REDIRECTED,
        "a.shop.example": REDIRECTED,
        "a.b.shop.example": OPEN,
    }


CLIENTS = [
    ("the default is on", {"auth-tls-secret": "shop/ca"}, ClientAuthentication.REQUIRED),
    ("on", {"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "on"}, ClientAuthentication.REQUIRED),
    (
        "optional",
        {"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "optional"},
        ClientAuthentication.OPTIONAL,
    ),
    (
        "optional_no_ca",
        {"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "optional_no_ca"},
        ClientAuthentication.OPTIONAL,
    ),
    ("off", {"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "off"}, ClientAuthentication.NONE),
    ("without a secret nothing is asked", {"auth-tls-verify-client": "on"}, ClientAuthentication.NONE),
    (
        "an unknown value",
        {"auth-tls-secret": "shop/ca", "auth-tls-verify-client": "?"},
        ClientAuthentication.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(("case", "annotations", "expected"), CLIENTS, ids=[c[0] for c in CLIENTS])
def test_client_authentication(
    case: str, annotations: dict[str, str], expected: ClientAuthentication
) -> None:
    row = only(ingress(tls=True, **{P + k: v for k, v in annotations.items()}), controller(), config())
    assert row.client_authentication is expected
    mutual = expected is ClientAuthentication.REQUIRED
    assert row.verdict is (Protection.ENFORCED_MTLS if mutual else Protection.TLS_SERVER_ONLY)


BACKENDS = [
    ("HTTP is the default", {}, BackendHop.PLAINTEXT),
    ("HTTPS is not verified by default", {"backend-protocol": "HTTPS"}, BackendHop.ENCRYPTED),
    ("GRPCS likewise", {"backend-protocol": "grpcs"}, BackendHop.ENCRYPTED),
    (
        "proxy-ssl-verify with a CA verifies",
        {"backend-protocol": "HTTPS", "proxy-ssl-verify": "on", "proxy-ssl-secret": "shop/ca"},
        BackendHop.VERIFIED,
    ),
    (
        "proxy-ssl-verify without a CA does not",
        {"backend-protocol": "HTTPS", "proxy-ssl-verify": "on"},
        BackendHop.ENCRYPTED,
    ),
    ("an unknown protocol", {"backend-protocol": "QUIC"}, BackendHop.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "annotations", "expected"), BACKENDS, ids=[c[0] for c in BACKENDS])
def test_backend_hop(case: str, annotations: dict[str, str], expected: BackendHop) -> None:
    row = only(ingress(tls=True, **{P + k: v for k, v in annotations.items()}), controller(), config())
    assert row.backend is expected


PASSTHROUGH = [
    (
        "the controller was started with it",
        ["--enable-ssl-passthrough"],
        BackendHop.PASSTHROUGH,
        Protection.INDETERMINATE,
    ),
    ("the controller ignores it without its flag", [], BackendHop.PLAINTEXT, Protection.TLS_SERVER_ONLY),
]


@pytest.mark.parametrize(
    ("case", "flags", "backend", "verdict"), PASSTHROUGH, ids=[c[0] for c in PASSTHROUGH]
)
def test_passthrough_needs_the_controllers_flag(
    case: str, flags: list[str], backend: BackendHop, verdict: Protection
) -> None:
    row = only(ingress(tls=True, **{P + "ssl-passthrough": "true"}), controller(*flags), config())
    assert (row.backend, row.verdict) == (backend, verdict)


def test_passthrough_without_the_controller_in_the_evidence_is_indeterminate() -> None:
    row = only(ingress(tls=True, **{P + "ssl-passthrough": "true"}), config())
    assert row.backend is BackendHop.INDETERMINATE


def test_versions_ciphers_hsts_and_certificates_come_from_the_configuration() -> None:
    settings = {"ssl_protocols": "TLSv1 TLSv1.2", "ssl_ciphers": "HIGH", "hsts": "false"}
    row = only(ingress(tls=True), controller(), config(**settings))
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.policy, row.tls.certificate) == (
        "1.0",
        "HIGH",
        "shop/Secret/web-tls",
    )
    assert row.hsts is Tri.NO
    plain = only(ingress(tls=[{}]), controller("--default-ssl-certificate=certs/main"), config())
    assert plain.tls is not None
    assert (plain.tls.minimum_version, plain.tls.certificate) == ("1.2", "certs/Secret/main")
    assert plain.hsts is Tri.YES


def test_a_snippet_with_tls_directives_leaves_the_version_unknown() -> None:
    row = only(ingress(tls=True, **{P + "server-snippet": "ssl_protocols TLSv1;"}), controller(), config())
    assert row.tls is not None
    assert row.tls.minimum_version is None


INGRESS_ONLY = tuple(
    Claim(key, None, "", "kubectl get", "test") for key in KNOWN_KINDS if key.kind != "ConfigMap"
)


def test_defaults_are_assumed_and_said_where_the_configuration_is_not_in_the_evidence() -> None:
    row = only(ingress(tls=True), controller(), claims=INGRESS_ONLY)
    assert row.plaintext is REDIRECTED
    assert [c.code for c in row.assumptions] == ["entry.nginx.config-assumed"]
    assert row.hsts is Tri.UNKNOWN


def test_a_configuration_known_not_to_exist_needs_no_assumption() -> None:
    assert only(ingress(tls=True), controller()).assumptions == ()


def test_plain_http_stays_open_though_the_configuration_is_missing() -> None:
    row = only(ingress(), claims=INGRESS_ONLY)
    assert (row.plaintext, row.assumptions) == (OPEN, ())
