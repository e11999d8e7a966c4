"""Entry points of hostile or unknown shape: named, bounded, never fatal, and nothing passes on absence."""

from typing import Any

import pytest

from auditor.encryption.entry_points import EntryPoint, Plaintext
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import WEB, Manifest, ingress, ingress_class, manifest, rows
from tests.encryption.test_entry_gateway_api import CLASS, HTTP, HTTPS, REDIRECT, gateway, route
from tests.objects import complete_claims

NGINX = ingress_class("nginx", "k8s.io/ingress-nginx")


def codes(row: EntryPoint) -> list[str]:
    return [c.code for c in row.causes]


def of_version(version: str, body: Manifest) -> Manifest:
    group = body["apiVersion"].rpartition("/")[0]
    return body | {"apiVersion": f"{group}/{version}"}


UNKNOWN: list[tuple[str, list[Manifest], str]] = [
    ("an Ingress", [NGINX, of_version("v9", ingress(tls=True))], "Ingress"),
    ("an IngressClass", [of_version("v9", NGINX), ingress(tls=True)], "Ingress"),
    ("a Gateway", [CLASS, of_version("v7alpha1", gateway(HTTPS)), route()], "Gateway"),
    ("a route of a Gateway", [CLASS, gateway(HTTPS), of_version("v7alpha1", route())], "Gateway"),
    (
        "an HTTPProxy",
        [manifest("projectcontour.io/v9", "HTTPProxy", "p", {"virtualhost": {"fqdn": "a.example"}})],
        "HTTPProxy",
    ),
    ("a Route", [manifest("route.openshift.io/v9", "Route", "r", {"host": "a.example"})], "Route"),
    (
        "an Istio Gateway",
        [
            manifest(
                "networking.istio.io/v9",
                "Gateway",
                "g",
                {"servers": [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["a.example"]}]},
            )
        ],
        "Gateway",
    ),
]


@pytest.mark.parametrize(("case", "objects", "kind"), UNKNOWN, ids=[c[0] for c in UNKNOWN])
def test_a_version_that_is_not_known_is_named_and_not_judged(
    case: str, objects: list[Manifest], kind: str
) -> None:
    (row,) = [r for r in rows([*WEB, *objects]) if r.kind == kind]
    assert (row.plaintext, row.verdict) == (Plaintext.INDETERMINATE, Protection.INDETERMINATE)
    assert codes(row) == ["indeterminate.entry.api-version"]


def test_older_versions_that_were_served_are_known() -> None:
    old = of_version("v1beta1", ingress())
    old["apiVersion"] = "extensions/v1beta1"
    rule = old["spec"]["rules"][0]["http"]["paths"][0]
    rule["backend"] = {"serviceName": "web", "servicePort": 80}
    (row,) = [r for r in rows([*WEB, NGINX, old]) if r.kind == "Ingress"]
    assert row.plaintext is Plaintext.OPEN
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def without_routes(*objects: Manifest) -> EntryPoint:
    claims = complete_claims(k for k in KNOWN_KINDS if k.kind != "HTTPRoute")
    (row,) = [r for r in rows([CLASS, *WEB, *objects], claims) if r.kind == "Gateway"]
    return row


def test_a_listener_without_routes_serves_nothing_only_where_all_routes_are_known() -> None:
    row = without_routes(gateway(HTTP))
    assert (row.plaintext, codes(row)) == (
        Plaintext.INDETERMINATE,
        ["indeterminate.entry.gateway.routes-missing"],
    )


def test_a_redirect_of_all_routes_is_assumed_where_some_may_be_missing() -> None:
    row = without_routes(gateway(HTTP), route(**REDIRECT))
    assert row.plaintext is Plaintext.REDIRECTED
    assert [c.code for c in row.assumptions] == ["entry.gateway.routes-assumed"]


def test_plain_http_stays_open_whatever_is_missing() -> None:
    assert without_routes(gateway(HTTP), route()).plaintext is Plaintext.OPEN


HOSTS = [
    "<script>alert(1)</script>",
    "=cmd|x",
    "\x1b[31m",
    "‮evil",
    "a" * 100_000,
    "*",
    "*.",
    ".",
    "*.*.example",
]


@pytest.mark.parametrize("host", HOSTS, ids=lambda h: repr(h)[:20])
@pytest.mark.parametrize("cls", ["nginx", "haproxy", "contour", "traefik", "alb", "kong"])
def test_hostile_hosts_give_rows(host: str, cls: str) -> None:
    body = ingress(host, tls=[{"hosts": [host], "secretName": "../../etc"}], cls=cls)
    (row,) = [r for r in rows([*WEB, body]) if r.kind == "Ingress"]
    assert row.host == host


def test_ports_of_any_length_or_script_are_survived() -> None:
    for port in ("1" * 10_000, "\u00b2", "\u0663", "", "-1"):
        body = ingress(tls=True)
        body["spec"]["rules"][0]["http"]["paths"][0]["backend"] = {"serviceName": "web", "servicePort": port}
        (row,) = [r for r in rows([*WEB, NGINX, body]) if r.kind == "Ingress"]
        assert row.destinations == ()


ODD: list[Any] = ["maybe", "", "TRUE ", "\x00", "1" * 10_000, "{}", "[", "null"]
NAMES = [
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "nginx.ingress.kubernetes.io/server-alias",
    "nginx.ingress.kubernetes.io/backend-protocol",
    "nginx.ingress.kubernetes.io/auth-tls-verify-client",
    "haproxy-ingress.github.io/ssl-options-host",
    "haproxy.org/ssl-redirect",
    "alb.ingress.kubernetes.io/listen-ports",
    "alb.ingress.kubernetes.io/mutual-authentication",
    "alb.ingress.kubernetes.io/ssl-redirect",
    "konghq.com/protocols",
    "traefik.ingress.kubernetes.io/router.entrypoints",
    "appgw.ingress.kubernetes.io/ssl-redirect",
    "projectcontour.io/tls-minimum-protocol-version",
]


@pytest.mark.parametrize("value", ODD, ids=lambda v: repr(v)[:15])
def test_unknown_annotation_values_are_survived(value: str) -> None:
    classes = {
        "nginx": "k8s.io/ingress-nginx",
        "h": "haproxy-ingress.github.io/controller",
        "t": "haproxy.org/ingress-controller/x",
        "alb": "ingress.k8s.aws/alb",
        "kong": "ingress-controllers.konghq.com/kong",
        "traefik": "traefik.io/ingress-controller",
        "agic": "azure/application-gateway",
        "contour": "projectcontour.io/x/contour",
    }
    objects = [ingress_class(name, controller) for name, controller in classes.items()]
    objects += [ingress(cls=name, name=name, tls=True, **dict.fromkeys(NAMES, value)) for name in classes]
    found = [r for r in rows([*WEB, *objects]) if r.kind == "Ingress"]
    assert {r.object.rpartition("/")[2] for r in found} == set(classes)
    assert all(r.verdict for r in found)


def test_a_gateway_with_five_thousand_hosts_on_one_server() -> None:
    hosts = [f"h{n}.example" for n in range(5000)]
    server = {"port": {"number": 443, "protocol": "HTTPS"}, "hosts": hosts, "tls": {"mode": "SIMPLE"}}
    found = rows([manifest("networking.istio.io/v1", "Gateway", "g", {"servers": [server]})])
    assert len(found) == 5000


def test_a_gateway_with_five_thousand_listeners() -> None:
    listeners = [HTTPS | {"name": f"l{n}", "hostname": f"h{n}.example"} for n in range(5000)]
    found = [r for r in rows([CLASS, *WEB, gateway(*listeners), route()]) if r.kind == "Gateway"]
    assert len(found) == 5000
