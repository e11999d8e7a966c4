"""TLS versions, cipher policies and HSTS where a controller's configuration says them; what else settings change."""

import re
from pathlib import Path
from typing import Any

import pytest

from auditor.encryption.entry.aws_policies import POLICIES, minimum_of_policy
from auditor.encryption.entry.tls_versions import minimum_of_haproxy
from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.verdict import Tri
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    config_map,
    deployment,
    exposed,
    ingress,
    ingress_class,
    manifest,
    rows,
    service,
)
from tests.encryption.test_entry_controllers import alb, frontend, gce, only
from tests.encryption.test_entry_gateway_api import API, CLASS, HTTPS, gateway, route

NGINX_CLASS = ingress_class("nginx", "k8s.io/ingress-nginx")
NGINX = "nginx.ingress.kubernetes.io/"
POLICY_CASES: list[tuple[str, str | None]] = [
    ("ELBSecurityPolicy-2016-08", "1.0"),
    ("ELBSecurityPolicy-2015-05", "1.0"),
    ("ELBSecurityPolicy-2011-08", "SSL"),
    ("ELBSecurityPolicy-TLS-1-0-2015-04", "1.0"),
    ("ELBSecurityPolicy-FS-2018-06", "1.0"),
    ("ELBSecurityPolicy-TLS13-1-0-2021-06", "1.0"),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", "1.1"),
    ("ELBSecurityPolicy-FS-1-1-2019-08", "1.1"),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", "1.2"),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", "1.2"),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", "1.2"),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", "1.2"),
    ("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04", "1.2"),
    ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "1.2"),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", "1.3"),
    ("ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09", "1.3"),
    ("ELBSecurityPolicy-TLS13-1-3-2031-01", None),
    ("ELBSecurityPolicy-2099-01", None),
    ("our-own-policy", None),
    ("", None),
]


@pytest.mark.parametrize(("policy", "minimum"), POLICY_CASES)
def test_aws_publishes_what_its_policies_accept(policy: str, minimum: str | None) -> None:
    assert minimum_of_policy(policy) == minimum


def test_versions_in_the_names_of_aws_policies_are_those_of_the_table() -> None:
    named = {p: v for p, v in POLICIES.items() if "-1-" in p}
    assert all(f"-{version.replace('.', '-')}-" in policy for policy, version in named.items())


def test_the_documented_table_is_the_one_that_counts() -> None:
    text = (Path(__file__).parents[2] / "docs" / "entry-points.md").read_text()
    section = text[text.index("## AWS' security policies") : text.index("## Controllers out of support")]
    told = {"SSL 3.0": "SSL"} | {f"TLS {version}": version for version in ("1.0", "1.1", "1.2", "1.3")}
    found = {
        f"ELBSecurityPolicy-{name}": told[line.split(" | ")[0].removeprefix("| ")]
        for line in section.splitlines()
        if line.startswith(("| SSL", "| TLS"))
        for name in re.findall("`([^`]+)`", line)
    }
    assert found == POLICIES


HAPROXY_OPTIONS: list[tuple[str, str | None]] = [
    ("no-sslv3 no-tlsv10 no-tlsv11 no-tls-tickets", "1.2"),
    ("no-sslv3 no-tls-tickets", "1.0"),
    ("ssl-min-ver TLSv1.3", "1.3"),
    ("prefer-client-ciphers ssl-min-ver TLSv1.0 no-tls-tickets", "1.0"),
    ("force-tlsv12", "1.2"),
    ("no-tls-tickets", None),
    ("ssl-min-ver", None),
    ("ssl-min-ver nonsense", None),
]


@pytest.mark.parametrize(("options", "minimum"), HAPROXY_OPTIONS)
def test_haproxys_bind_options(options: str, minimum: str | None) -> None:
    assert minimum_of_haproxy(options) == minimum


def of_object(name: str, *objects: Manifest) -> EntryPoint:
    (row,) = [r for r in rows([*WEB, *objects]) if r.object == name]
    return row


def codes(row: EntryPoint) -> list[str]:
    return [c.code for c in row.causes]


def nginx(data: dict[str, str], **annotations: str) -> EntryPoint:
    config = config_map("ingress-nginx", "ingress-nginx-controller", data)
    found = [
        r for r in rows([*WEB, NGINX_CLASS, config, ingress(tls=True, **annotations)]) if r.kind == "Ingress"
    ]
    (row,) = found
    return row


NGINX_CASES: list[tuple[str, dict[str, str], str | None, Tri]] = [
    ("defaults", {}, "1.2", Tri.YES),
    ("old versions", {"ssl-protocols": "TLSv1 TLSv1.1 TLSv1.2"}, "1.0", Tri.YES),
    ("only 1.3", {"ssl-protocols": "TLSv1.3"}, "1.3", Tri.YES),
    ("a word that isn't known", {"ssl-protocols": "TLSv1.2 QUIC9"}, None, Tri.YES),
    ("hsts off", {"hsts": "false"}, "1.2", Tri.NO),
    ("hsts for no time", {"hsts-max-age": "0"}, "1.2", Tri.NO),
    ("a snippet may set versions", {"http-snippet": "ssl_protocols TLSv1;"}, None, Tri.YES),
]


@pytest.mark.parametrize(("case", "data", "minimum", "hsts"), NGINX_CASES, ids=[c[0] for c in NGINX_CASES])
def test_ingress_nginx_config_map(case: str, data: dict[str, str], minimum: str | None, hsts: Tri) -> None:
    row = nginx(data)
    assert row.tls is not None
    assert (row.tls.minimum_version, row.hsts) == (minimum, hsts)


def test_ingress_nginx_ciphers() -> None:
    row = nginx({"ssl-ciphers": "ECDHE-RSA-AES256-GCM-SHA384"})
    assert row.tls is not None
    assert row.tls.policy == "ECDHE-RSA-AES256-GCM-SHA384"


EXCEPTIONS: list[tuple[str, str, Plaintext]] = [
    ("ACME's path only", "/.well-known/acme-challenge", Plaintext.REDIRECTED),
    ("another path", "/health", Plaintext.REDIRECTED),
    ("the Ingress' own path", "/.well-known/acme-challenge,/", Plaintext.OPEN),
]


@pytest.mark.parametrize(("case", "listed", "plaintext"), EXCEPTIONS, ids=[c[0] for c in EXCEPTIONS])
def test_ingress_nginx_paths_left_out_of_the_redirect(case: str, listed: str, plaintext: Plaintext) -> None:
    assert nginx({"no-tls-redirect-locations": listed}).plaintext is plaintext


def test_ingress_nginx_aliases_are_ways_in() -> None:
    secured = ingress(tls=True, **{NGINX + "server-alias": "www.shop.example, old.example"})
    found = {r.host: r for r in rows([*WEB, NGINX_CLASS, secured]) if r.kind == "Ingress"}
    assert {h: r.plaintext for h, r in found.items()} == {
        "shop.example": Plaintext.REDIRECTED,
        "www.shop.example": Plaintext.INDETERMINATE,
        "old.example": Plaintext.INDETERMINATE,
    }
    assert found["old.example"].destinations == found["shop.example"].destinations
    plain = ingress(**{NGINX + "server-alias": "old.example"})
    assert {r.plaintext for r in rows([*WEB, NGINX_CLASS, plain]) if r.kind == "Ingress"} == {Plaintext.OPEN}


UNKNOWN_WORDS: list[tuple[str, str, str]] = [
    ("backend-protocol", "AUTO_HTTP", "backend"),
    ("auth-tls-verify-client", "perhaps", "client_authentication"),
]


@pytest.mark.parametrize(("name", "value", "field"), UNKNOWN_WORDS)
def test_unknown_words_are_named(name: str, value: str, field: str) -> None:
    row = nginx({}, **{NGINX + name: value, NGINX + "auth-tls-secret": "shop/ca"})
    assert getattr(row, field).value == "indeterminate"
    assert (("annotation", NGINX + name),) in [c.parameters for c in row.causes]


def test_a_controller_without_a_judge_is_named() -> None:
    row = of_object(
        "shop/Ingress/web", ingress_class("f5", "nginx.org/ingress-controller"), ingress(cls="f5", tls=True)
    )
    assert row.plaintext is Plaintext.INDETERMINATE
    assert codes(row) == ["indeterminate.entry.controller-unknown"]


def test_an_alb_policy_that_aws_does_not_publish() -> None:
    row = only(alb(certificate_arn="arn:a", ssl_policy="ELBSecurityPolicy-Ours"))
    assert row.tls is not None
    assert row.tls.minimum_version is None
    assert "indeterminate.entry.aws.policy" in codes(row)


def test_an_albs_header_is_a_listener_attribute() -> None:
    name = "listener_attributes.HTTPS-443"
    value = "routing.http.response.strict_transport_security.header_value=max-age=31536000"
    assert only(alb(certificate_arn="arn:a", **{name: value})).hsts is Tri.YES
    assert only(alb(certificate_arn="arn:a")).hsts is Tri.NO


def test_gce_without_a_policy_takes_googles_default() -> None:
    row = only(gce(tls=True))
    assert row.tls is not None
    assert row.tls.minimum_version == "1.0"
    assert "entry.gce.default-policy" in codes(row)


def test_a_gce_policy_lives_outside_the_cluster() -> None:
    body = gce(tls=True)
    body["metadata"]["annotations"]["networking.gke.io/v1beta1.FrontendConfig"] = "fe"
    row = only(body, frontend(sslPolicy="modern"))
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.policy) == (None, "modern")
    assert "indeterminate.entry.policy-outside" in codes(row)


CONTOUR_CASES: list[tuple[str, str | None, str | None, str]] = [
    ("neither says anything", None, None, "1.2"),
    ("the host asks for more", None, "1.3", "1.3"),
    ("the file asks for more", "1.3", "1.2", "1.3"),
    ("the host cannot ask for less", "1.3", None, "1.3"),
    ("any other value means 1.2", "1.0", None, "1.2"),
]


@pytest.mark.parametrize(("case", "file", "own", "minimum"), CONTOUR_CASES, ids=[c[0] for c in CONTOUR_CASES])
def test_contours_file_and_host(case: str, file: str | None, own: str | None, minimum: str) -> None:
    text = f"tls:\n  minimum-protocol-version: '{file}'\n" if file else "tls: {}\n"
    tls: Manifest = {"secretName": "web-tls"} | ({"minimumProtocolVersion": own} if own else {})
    proxy = contour_proxy(tls=tls)
    config = config_map("projectcontour", "contour", {"contour.yaml": text})
    row = of_object("shop/HTTPProxy.projectcontour.io/web", proxy, config)
    assert row.tls is not None
    assert row.tls.minimum_version == minimum


def contour_proxy(*, tls: Any = None, service: Any = None, **route_fields: Any) -> Manifest:
    services = [{"name": "web", "port": 80, **(service or {})}]
    spec = {
        "virtualhost": {"fqdn": "shop.example", **({"tls": tls} if tls else {})},
        "routes": [{"services": services, **route_fields}],
    }
    return manifest("projectcontour.io/v1", "HTTPProxy", "web", spec)


HEADERS = {"set": [{"name": "Strict-Transport-Security", "value": "max-age=1"}]}


def test_contour_sets_the_header_on_routes() -> None:
    name = "shop/HTTPProxy.projectcontour.io/web"
    secured = {"secretName": "web-tls"}
    assert of_object(name, contour_proxy(tls=secured, responseHeadersPolicy=HEADERS)).hsts is Tri.YES
    assert of_object(name, contour_proxy(tls=secured)).hsts is Tri.NO


UPSTREAM = "projectcontour.io/upstream-protocol."
HOPS: list[tuple[str, dict[str, str], Any, BackendHop]] = [
    ("by number", {UPSTREAM + "tls": "80"}, {}, BackendHop.ENCRYPTED),
    ("by name", {UPSTREAM + "tls": "http"}, {}, BackendHop.ENCRYPTED),
    ("h2 is TLS", {UPSTREAM + "h2": "80,443"}, {}, BackendHop.ENCRYPTED),
    ("h2c is not", {UPSTREAM + "h2c": "80"}, {}, BackendHop.PLAINTEXT),
    ("another port", {UPSTREAM + "tls": "443"}, {}, BackendHop.PLAINTEXT),
    (
        "the route's own protocol comes first",
        {UPSTREAM + "tls": "80"},
        {"protocol": "h2c"},
        BackendHop.PLAINTEXT,
    ),
]


@pytest.mark.parametrize(("case", "annotations", "own", "hop"), HOPS, ids=[c[0] for c in HOPS])
def test_contours_upstream_protocol(
    case: str, annotations: dict[str, str], own: Any, hop: BackendHop
) -> None:
    named = service("web", [{"port": 80, "name": "http", "targetPort": 8080}], annotations=annotations)
    objects = [WEB[0], named, contour_proxy(tls={"secretName": "t"}, service=own)]
    (row,) = [r for r in rows(objects) if r.kind == "HTTPProxy"]
    assert row.backend is hop


def community(data: dict[str, str] | None = None, **annotations: str) -> EntryPoint:
    program = deployment(
        "haproxy",
        "quay.io/jcmoraisjr/haproxy-ingress:v0.15",
        namespace="edge",
        args=["--configmap=edge/haproxy"],
    )
    config = config_map("edge", "haproxy", data or {})
    named = {f"haproxy-ingress.github.io/{k.replace('_', '-')}": v for k, v in annotations.items()}
    objects = [program, config, ingress_class("community", "haproxy-ingress.github.io/controller")]
    return of_object("shop/Ingress/web", *objects, ingress(cls="community", tls=True, **named))


COMMUNITY: list[tuple[str, EntryPoint, str | None, Plaintext, Tri]] = [
    ("defaults", community(), "1.2", Plaintext.REDIRECTED, Tri.YES),
    ("ConfigMap", community({"ssl-options": "no-sslv3"}), "1.0", Plaintext.REDIRECTED, Tri.YES),
    (
        "host's own options come first",
        community({"ssl-options": "no-sslv3"}, ssl_options_host="ssl-min-ver TLSv1.3"),
        "1.3",
        Plaintext.REDIRECTED,
        Tri.YES,
    ),
    ("no redirect in the ConfigMap", community({"ssl-redirect": "false"}), "1.2", Plaintext.OPEN, Tri.YES),
    (
        "the Ingress comes first",
        community({"ssl-redirect": "false"}, ssl_redirect="true"),
        "1.2",
        Plaintext.REDIRECTED,
        Tri.YES,
    ),
    ("hsts off", community(hsts="false"), "1.2", Plaintext.REDIRECTED, Tri.NO),
    (
        "a path left out of the redirect",
        community({"no-tls-redirect-locations": "/"}),
        "1.2",
        Plaintext.OPEN,
        Tri.YES,
    ),
]


@pytest.mark.parametrize(
    ("case", "row", "minimum", "plaintext", "hsts"), COMMUNITY, ids=[c[0] for c in COMMUNITY]
)
def test_haproxy_ingress(
    case: str, row: EntryPoint, minimum: str | None, plaintext: Plaintext, hsts: Tri
) -> None:
    assert row.tls is not None
    assert (row.tls.minimum_version, row.plaintext, row.hsts) == (minimum, plaintext, hsts)


def test_haproxy_ingress_ends_tls_for_the_hosts_listed_only() -> None:
    cls = ingress_class("community", "haproxy-ingress.github.io/controller")
    other = ingress(cls="community", tls=[{"hosts": ["other.example"], "secretName": "t"}])
    row = of_object("shop/Ingress/web", cls, other)
    assert (row.plaintext, row.tls) == (Plaintext.OPEN, None)
    assert codes(row) == ["entry.haproxy.host-not-listed"]


def test_haproxy_ingress_shares_tls_of_a_host_among_ingresses() -> None:
    cls = ingress_class("community", "haproxy-ingress.github.io/controller")
    found = rows([*WEB, cls, ingress(cls="community"), ingress(cls="community", tls=True, name="other")])
    assert {r.object: r.plaintext for r in found if r.kind == "Ingress"} == {
        "shop/Ingress/web": Plaintext.REDIRECTED,
        "shop/Ingress/other": Plaintext.REDIRECTED,
    }


def test_haproxy_ingress_passthrough() -> None:
    row = community(ssl_passthrough="true")
    assert (row.plaintext, row.backend) == (Plaintext.REDIRECTED, BackendHop.PASSTHROUGH)
    assert community(ssl_passthrough="true", ssl_passthrough_http_port="8080").plaintext is Plaintext.OPEN


def haproxytech(data: dict[str, str], *, tls: bool = True, on_service: Any = None) -> EntryPoint:
    program = deployment(
        "haproxy", "haproxytech/kubernetes-ingress:3.1", namespace="edge", args=["--configmap=edge/haproxy"]
    )
    objects = [
        WEB[0],
        service("web", annotations=on_service),
        program,
        config_map("edge", "haproxy", data),
        ingress_class("tech", "haproxy.org/ingress-controller/haproxy"),
        ingress(cls="tech", tls=tls),
    ]
    (row,) = [r for r in rows(objects) if r.kind == "Ingress"]
    return row


def test_haproxytech_reads_its_config_map_and_the_service() -> None:
    snippet = "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\ntune.ssl 1\n"
    row = haproxytech({"global-config-snippet": snippet}, on_service={"haproxy.org/server-ssl": "true"})
    assert row.tls is not None
    assert (row.tls.minimum_version, row.backend) == ("1.2", BackendHop.ENCRYPTED)
    assert haproxytech({"ssl-certificate": "edge/all"}, tls=False).tls is not None
    assert haproxytech({}, tls=False).tls is None


TRAEFIK_CLASS = ingress_class("traefik", "traefik.io/ingress-controller")


def traefik(version: str, *flags: str, extra: Any = (), **annotations: str) -> EntryPoint:
    args = ["--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443", *flags]
    program = deployment("traefik", f"traefik:{version}", namespace="edge", args=args, ports=(80, 443))
    entry = "traefik.ingress.kubernetes.io/router."
    named = {entry + k.replace("_", "-").replace("tls-", "tls."): v for k, v in annotations.items()}
    return of_object(
        "shop/Ingress/web", program, TRAEFIK_CLASS, *extra, ingress(cls="traefik", tls=True, **named)
    )


def option(name: str, **spec: Any) -> Manifest:
    return manifest("traefik.io/v1alpha1", "TLSOption", name, spec)


def middleware(name: str, **spec: Any) -> Manifest:
    return manifest("traefik.io/v1alpha1", "Middleware", name, spec)


VERSIONS: list[tuple[str, EntryPoint, str | None]] = [
    ("v3 starts at 1.2", traefik("v3.4", entrypoints="websecure", tls="true"), "1.2"),
    ("of v2 it depends on the release", traefik("v2.11", entrypoints="websecure", tls="true"), None),
    ("without a tag", traefik("latest", entrypoints="websecure", tls="true"), None),
    (
        "an option asks for less",
        traefik(
            "v3.4",
            entrypoints="websecure",
            tls="true",
            tls_options="shop-old@kubernetescrd",
            extra=[option("old", minVersion="VersionTLS10")],
        ),
        "1.0",
    ),
    (
        "the option called default",
        traefik(
            "v2.11", entrypoints="websecure", tls="true", extra=[option("default", minVersion="VersionTLS13")]
        ),
        "1.3",
    ),
]


@pytest.mark.parametrize(("case", "row", "minimum"), VERSIONS, ids=[c[0] for c in VERSIONS])
def test_traefiks_minimum_version(case: str, row: EntryPoint, minimum: str | None) -> None:
    assert row.tls is not None
    assert row.tls.minimum_version == minimum
    assert ("indeterminate.entry.default-version" in codes(row)) == (minimum is None)


def test_traefiks_cipher_suites() -> None:
    ciphers = ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]
    row = traefik(
        "v3.4", entrypoints="websecure", tls="true", extra=[option("default", cipherSuites=ciphers)]
    )
    assert row.tls is not None
    assert row.tls.policy == ciphers[0]


TO = "--entrypoints.web.http.redirections.entrypoint."
ON_ENTRY = "--entrypoints.web.http.middlewares=shop-secure@kubernetescrd"
SECURE = middleware("secure", redirectScheme={"scheme": "https"})
REDIRECTIONS: list[tuple[str, EntryPoint, Plaintext]] = [
    (
        "the entry point redirects",
        traefik("v3.4", f"{TO}to=websecure", entrypoints="web"),
        Plaintext.REDIRECTED,
    ),
    (
        "with a low priority a router may win",
        traefik("v3.4", f"{TO}to=websecure", f"{TO}priority=10", entrypoints="web"),
        Plaintext.INDETERMINATE,
    ),
    (
        "with its default written out",
        traefik("v3.4", f"{TO}to=websecure", f"{TO}priority=9223372036854775806", entrypoints="web"),
        Plaintext.REDIRECTED,
    ),
    (
        "a middleware of the entry point",
        traefik("v3.4", ON_ENTRY, entrypoints="web", extra=[SECURE]),
        Plaintext.REDIRECTED,
    ),
    (
        "a middleware of one of two plain entry points",
        traefik("v3.4", ON_ENTRY, entrypoints="web,websecure", extra=[SECURE]),
        Plaintext.OPEN,
    ),
]


@pytest.mark.parametrize(("case", "row", "plaintext"), REDIRECTIONS, ids=[c[0] for c in REDIRECTIONS])
def test_traefiks_redirections(case: str, row: EntryPoint, plaintext: Plaintext) -> None:
    assert row.plaintext is plaintext


HEADERS_OF = middleware("headers", headers={"stsSeconds": 31536000})
STS: list[tuple[str, EntryPoint, Tri]] = [
    (
        "a middleware adds it",
        traefik(
            "v3.4",
            entrypoints="websecure",
            tls="true",
            middlewares="shop-headers@kubernetescrd",
            extra=[HEADERS_OF],
        ),
        Tri.YES,
    ),
    ("no middleware", traefik("v3.4", entrypoints="websecure", tls="true"), Tri.NO),
    (
        "a middleware that isn't seen",
        traefik("v3.4", entrypoints="websecure", tls="true", middlewares="shop-x@kubernetescrd"),
        Tri.UNKNOWN,
    ),
]


@pytest.mark.parametrize(("case", "row", "hsts"), STS, ids=[c[0] for c in STS])
def test_traefiks_header(case: str, row: EntryPoint, hsts: Tri) -> None:
    assert row.hsts is hsts


def openshift_route(termination: str = "edge", *, admitted: Any = ("default",), **more: Any) -> Manifest:
    annotations = more.pop("annotations", {})
    spec = {"host": "shop.apps.example", "to": {"name": "web"}, "tls": {"termination": termination}, **more}
    body = manifest("route.openshift.io/v1", "Route", "web", spec, annotations=annotations)
    return body | {"status": {"ingress": [{"routerName": name} for name in admitted]}}


def controller(name: str = "default", status: Any = None, **spec: Any) -> Manifest:
    body = manifest("operator.openshift.io/v1", "IngressController", name, spec, "openshift-ingress-operator")
    return body | {"status": status or {}}


REQUIRED = {"clientCertificatePolicy": "Required", "clientCA": {"name": "ca"}}
ROUTERS: list[tuple[str, list[Manifest], str | None, ClientAuthentication]] = [
    ("not in the evidence", [openshift_route()], None, ClientAuthentication.INDETERMINATE),
    ("nothing is set", [openshift_route(), controller()], None, ClientAuthentication.NONE),
    (
        "what is in force",
        [openshift_route(), controller(status={"tlsProfile": {"minTLSVersion": "VersionTLS12"}})],
        "1.2",
        ClientAuthentication.NONE,
    ),
    (
        "the profile Old",
        [openshift_route(), controller(tlsSecurityProfile={"type": "Old"})],
        "1.0",
        ClientAuthentication.NONE,
    ),
    (
        "a profile of its own",
        [
            openshift_route(),
            controller(tlsSecurityProfile={"type": "Custom", "custom": {"minTLSVersion": "VersionTLS13"}}),
        ],
        "1.3",
        ClientAuthentication.NONE,
    ),
    (
        "client certificates required",
        [openshift_route(), controller(clientTLS=REQUIRED, tlsSecurityProfile={"type": "Modern"})],
        "1.3",
        ClientAuthentication.REQUIRED,
    ),
    (
        "only optional",
        [openshift_route(), controller(clientTLS={"clientCertificatePolicy": "Optional"})],
        None,
        ClientAuthentication.OPTIONAL,
    ),
    (
        "of two that admit it the weaker counts",
        [
            openshift_route(admitted=("default", "other")),
            controller(tlsSecurityProfile={"type": "Modern"}, clientTLS=REQUIRED),
            controller("other", tlsSecurityProfile={"type": "Intermediate"}),
        ],
        "1.2",
        ClientAuthentication.NONE,
    ),
    (
        "one of two is not in the evidence",
        [openshift_route(admitted=("default", "other")), controller(tlsSecurityProfile={"type": "Modern"})],
        None,
        ClientAuthentication.INDETERMINATE,
    ),
    (
        "passthrough: the pods decide",
        [openshift_route("passthrough"), controller(clientTLS=REQUIRED)],
        None,
        ClientAuthentication.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(("case", "objects", "minimum", "client"), ROUTERS, ids=[c[0] for c in ROUTERS])
def test_openshifts_ingress_controllers(
    case: str, objects: list[Manifest], minimum: str | None, client: ClientAuthentication
) -> None:
    row = of_object("shop/Route.route.openshift.io/web", *objects)
    assert row.tls is not None
    assert (row.tls.minimum_version, row.client_authentication) == (minimum, client)


STS_HEADER = "haproxy.router.openshift.io/hsts_header"
ROUTE_HEADERS: list[tuple[str, str, Tri]] = [
    ("edge", "max-age=31536000;includeSubDomains", Tri.YES),
    ("edge", "max-age=0", Tri.NO),
    ("passthrough", "max-age=31536000", Tri.NO),
]


@pytest.mark.parametrize(("termination", "header", "hsts"), ROUTE_HEADERS)
def test_openshifts_header(termination: str, header: str, hsts: Tri) -> None:
    row = of_object(
        "shop/Route.route.openshift.io/web", openshift_route(termination, annotations={STS_HEADER: header})
    )
    assert row.hsts is hsts


def test_a_wildcard_route_serves_the_subdomain() -> None:
    row = of_object("shop/Route.route.openshift.io/web", openshift_route(wildcardPolicy="Subdomain"))
    assert row.host == "*.apps.example"


MESH = config_map("istio-system", "istio", {"mesh": "tlsDefaults:\n  minProtocolVersion: TLSV1_3\n"})
GATEWAYS: list[tuple[str, list[Manifest], str | None]] = [
    ("another controller: not known", [gateway(HTTPS)], None),
    ("Istio's documented default", [gateway(HTTPS, cls="istio")], "1.2"),
    ("Istio's MeshConfig", [gateway(HTTPS, cls="istio"), MESH], "1.3"),
]


@pytest.mark.parametrize(("case", "objects", "minimum"), GATEWAYS, ids=[c[0] for c in GATEWAYS])
def test_the_gateway_apis_versions_come_from_the_controller(
    case: str, objects: list[Manifest], minimum: str | None
) -> None:
    istio = manifest(API, "GatewayClass", "istio", {"controllerName": "istio.io/gateway-controller"}, None)
    (row,) = [r for r in rows([CLASS, istio, *WEB, route(), *objects]) if r.kind == "Gateway"]
    assert row.tls is not None
    assert row.tls.mode is TlsMode.TERMINATE
    assert row.tls.minimum_version == minimum


def test_without_tls_no_certificate_is_asked_for_whatever_is_set() -> None:
    secret = {NGINX + "auth-tls-secret": "shop/ca"}
    (row,) = [r for r in rows([*WEB, NGINX_CLASS, ingress(**secret)]) if r.kind == "Ingress"]
    assert (row.plaintext, row.client_authentication) == (Plaintext.OPEN, ClientAuthentication.NONE)


def test_parameters_of_eks_automatic_mode_are_not_read() -> None:
    cls = ingress_class("auto", "eks.amazonaws.com/alb")
    cls["spec"]["parameters"] = {"apiGroup": "eks.amazonaws.com", "kind": "IngressClassParams", "name": "p"}
    row = of_object("shop/Ingress/web", cls, ingress(cls="auto"))
    assert row.plaintext is Plaintext.INDETERMINATE
    assert codes(row) == ["indeterminate.entry.alb.listeners"]


KONG: list[tuple[str, dict[str, str], BackendHop]] = [
    ("https by the Service's annotation", {"konghq.com/protocol": "https"}, BackendHop.ENCRYPTED),
    (
        "verified",
        {"konghq.com/protocol": "https", "konghq.com/tls-verify": "true"},
        BackendHop.VERIFIED,
    ),
    ("http", {"konghq.com/protocol": "http"}, BackendHop.PLAINTEXT),
    ("not stated", {}, BackendHop.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "annotations", "hop"), KONG, ids=[c[0] for c in KONG])
def test_kongs_backend_protocol_is_the_services(
    case: str, annotations: dict[str, str], hop: BackendHop
) -> None:
    cls = ingress_class("kong", "ingress-controllers.konghq.com/kong")
    objects = [WEB[0], service("web", annotations=annotations), cls, ingress(cls="kong", tls=True)]
    (row,) = [r for r in rows(objects) if r.kind == "Ingress"]
    assert row.backend is hop
    assert row.tls is not None
    assert row.tls.minimum_version is None


AWS = "service.beta.kubernetes.io/aws-load-balancer-"
INTERNAL: list[tuple[str, dict[str, str], Any, Tri]] = [
    ("AWS' own controller makes internal ones", {AWS + "type": "external"}, {}, Tri.YES),
    ("unless told", {AWS + "type": "external", AWS + "scheme": "internet-facing"}, {}, Tri.NO),
    ("by class", {}, {"loadBalancerClass": "service.k8s.aws/nlb"}, Tri.YES),
    ("the older controller takes any value", {AWS + "internal": "10.0.0.0/8"}, {}, Tri.YES),
    ("but false", {AWS + "internal": "false"}, {}, Tri.UNKNOWN),
    ("nothing says", {AWS + "type": "nlb"}, {}, Tri.UNKNOWN),
]


@pytest.mark.parametrize(("case", "annotations", "spec", "internal"), INTERNAL, ids=[c[0] for c in INTERNAL])
def test_internal_load_balancers_of_aws(
    case: str, annotations: dict[str, str], spec: Any, internal: Tri
) -> None:
    found = exposed([WEB[0], service("web", annotations=annotations, type="LoadBalancer", **spec)])
    assert [e.internal for e in found if e.way.value == "load-balancer"] == [internal]


def test_azures_ranges() -> None:
    ranges = {"service.beta.kubernetes.io/azure-allowed-ip-ranges": "203.0.113.0/24, 198.51.100.7/32"}
    (found,) = exposed([WEB[0], service("web", annotations=ranges, type="LoadBalancer")])
    assert found.source_ranges == ("198.51.100.7/32", "203.0.113.0/24")


def test_a_load_balancers_policy_that_aws_does_not_publish() -> None:
    annotations = {AWS + "ssl-cert": "arn:a", AWS + "ssl-negotiation-policy": "custom"}
    body = service("web", [{"port": 443, "targetPort": 8080}], annotations=annotations, type="LoadBalancer")
    (row,) = [r for r in rows([WEB[0], body]) if r.kind == "Service"]
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.policy) == (None, "custom")
    assert "indeterminate.entry.aws.policy" in codes(row)
