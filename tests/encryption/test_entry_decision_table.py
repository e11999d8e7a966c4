"""The decision table of entry points, row by row: manifests and the exact verdict, each under the id of its row.

`ROWS` names every row of the table on external entry, its paragraph on client authentication and certificates, and the
mistakes of existing tools that are about entry points. A row without a case fails the last test.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from auditor.encryption.entry.tls_versions import is_at_least
from auditor.encryption.entry_points import EntryPoint, with_backend_protection
from auditor.encryption.protection import Encryption
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.verdict import Tri
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    cluster_of,
    config_map,
    deployment,
    ingress,
    ingress_class,
    manifest,
    rows,
    service,
)
from tests.encryption.test_entry_controllers import FORCE
from tests.encryption.test_entry_gateway_api import API, CA, CERTS, HTTP, HTTPS, gateway, route
from tests.encryption.test_entry_gateway_api import CLASS as GATEWAY_CLASS
from tests.encryption.test_entry_traefik import PLAIN as TRAEFIK
from tests.encryption.test_entry_traefik import REDIRECTING, TLS_ENTRY

ROWS = frozenset(
    {
        *("nginx.https", "nginx.plain", "nginx.retired", "alb.https", "alb.plain", "alb.spec-tls-alone"),
        *("alb.group-redirect", "gce.https", "gce.plain", "traefik.https", "traefik.only-certificates"),
        *(
            "traefik.plain",
            "traefik.tls-on-web",
            "traefik.replaced-whole",
            "contour.proxy",
            "contour.ingress",
        ),
        *("haproxytech.https", "haproxytech.plain", "community.https", "community.plain", "agic.https"),
        *(
            "agic.plain",
            "kong.plain",
            "kong.defaults",
            "route.edge",
            "route.no-tls",
            "route.allow",
            "route.none",
        ),
        *("layer4.aws", "layer4.raw", "client.nginx", "client.nginx-optional", "backend.nginx-unverified"),
        *(
            "client.contour",
            "client.traefik",
            "gateway.references",
            "client.gateway",
            "client.gateway-fallback",
        ),
        *("backend.gateway", "gateway.no-section"),
        *("mistake.spec-tls", "mistake.route-without-tls", "mistake.aws-default-policy"),
    }
)
NGINX, ALB = "nginx.ingress.kubernetes.io/", "alb.ingress.kubernetes.io/"
APPGW, ROUTER = "appgw.ingress.kubernetes.io/", "traefik.ingress.kubernetes.io/router."
CERT = {ALB + "certificate-arn": "arn:aws:acm:1:certificate/a"}
BOTH = {**CERT, ALB + "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]'}
CLASSES = [
    ingress_class("nginx", "k8s.io/ingress-nginx"),
    ingress_class("alb", "ingress.k8s.aws/alb"),
    ingress_class("traefik", "traefik.io/ingress-controller"),
    ingress_class("contour", "projectcontour.io/projectcontour/contour"),
    ingress_class("tech", "haproxy.org/ingress-controller/haproxy"),
    ingress_class("community", "haproxy-ingress.github.io/controller"),
    ingress_class("agic", "azure/application-gateway"),
    ingress_class("kong", "ingress-controllers.konghq.com/kong"),
]


@dataclass(frozen=True)
class Case:
    """One case of a row. `verdict` is `plaintext / label / client authentication / backend`."""

    row: str
    title: str
    objects: list[Manifest]
    verdict: str
    subject: str = "shop/Ingress/web shop.example"


def on(cls: str, *, tls: bool = True, host: str = "shop.example", **annotations: str) -> Manifest:
    return ingress(host, cls=cls, tls=tls, **annotations)


def gce(*, tls: bool = True, **annotations: str) -> Manifest:
    return ingress(cls=None, tls=tls, **{"kubernetes.io/ingress.class": "gce", **annotations})


def proxy(tls: Any, **route_fields: Any) -> Manifest:
    spec = {
        "virtualhost": {"fqdn": "shop.example", **({"tls": tls} if tls else {})},
        "routes": [{"services": [{"name": "web", "port": 80}], **route_fields}],
    }
    return manifest("projectcontour.io/v1", "HTTPProxy", "web", spec)


def openshift(tls: Any) -> Manifest:
    spec = {"host": "shop.example", "to": {"kind": "Service", "name": "web"}}
    return manifest("route.openshift.io/v1", "Route", "web", spec | ({"tls": tls} if tls else {}))


def option(mode: str) -> Manifest:
    spec = {"clientAuth": {"secretNames": ["ca"], "clientAuthType": mode}}
    return manifest("traefik.io/v1alpha1", "TLSOption", "mtls", spec)


def policy() -> Manifest:
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "validation": {"hostname": "web", "wellKnownCACertificates": "System"},
    }
    return manifest(API, "BackendTLSPolicy", "web", spec)


def listener_status(value: str) -> Manifest:
    return {"listeners": [{"name": "https", "conditions": [{"type": "ResolvedRefs", "status": value}]}]}


FE = manifest("networking.gke.io/v1beta1", "FrontendConfig", "fe", {"redirectToHttps": {"enabled": True}})
NAMED_FE = {"networking.gke.io/v1beta1.FrontendConfig": "fe"}
WITH_OPTION = {
    ROUTER + "entrypoints": "websecure",
    ROUTER + "tls": "true",
    ROUTER + "tls.options": "shop-mtls@kubernetescrd",
}
PROXY, ROUTE = (
    "shop/HTTPProxy.projectcontour.io/web shop.example",
    "shop/Route.route.openshift.io/web shop.example",
)
GATEWAY = "shop/Gateway.gateway.networking.k8s.io/gw *"
SECRET = {"secretName": "web-tls"}
AWS = "service.beta.kubernetes.io/aws-load-balancer-"

TLS_ONLY = "redirected / TLS_SERVER_ONLY / none / plaintext"
CLOSED = "closed / TLS_SERVER_ONLY / none / plaintext"
BESIDE = "open / OPPORTUNISTIC / none / plaintext"
PLAIN = "open / PLAINTEXT / none / plaintext"
MUTUAL = "redirected / ENFORCED_MTLS / required / plaintext"

CASES = [
    Case("nginx.https", "spec.tls", [on("nginx")], TLS_ONLY),
    Case(
        "nginx.https",
        "a secret that is missing serves the default certificate and redirects",
        [ingress(tls=[{"hosts": ["shop.example"]}])],
        TLS_ONLY,
    ),
    Case(
        "nginx.https",
        "a host that spec.tls does not list is redirected as well",
        [ingress(tls=[{"hosts": ["other.example"], "secretName": "x"}])],
        TLS_ONLY,
    ),
    Case("nginx.plain", "no tls", [on("nginx", tls=False)], PLAIN),
    Case("nginx.plain", "ssl-redirect=false", [on("nginx", **{NGINX + "ssl-redirect": "false"})], BESIDE),
    Case(
        "nginx.plain",
        "force-ssl-redirect overrides",
        [on("nginx", **{NGINX + "ssl-redirect": "false", NGINX + "force-ssl-redirect": "true"})],
        TLS_ONLY,
    ),
    Case("nginx.retired", "reported", [on("nginx")], TLS_ONLY),
    Case("alb.https", "certificate-arn", [on("alb", tls=False, **CERT)], CLOSED),
    Case(
        "alb.https",
        "HTTPS in listen-ports",
        [on("alb", tls=False, **{ALB + "listen-ports": '[{"HTTPS": 443}]'})],
        CLOSED,
    ),
    Case("alb.spec-tls-alone", "spec.tls alone means HTTP:80 only", [on("alb")], PLAIN),
    Case("alb.plain", "an HTTP listener without ssl-redirect", [on("alb", tls=False, **BOTH)], BESIDE),
    Case(
        "alb.plain",
        "with ssl-redirect",
        [on("alb", tls=False, **BOTH, **{ALB + "ssl-redirect": "443"})],
        TLS_ONLY,
    ),
    Case(
        "alb.group-redirect",
        "ssl-redirect of another Ingress of the group",
        [
            on("alb", tls=False, **BOTH, **{ALB + "group.name": "g"}),
            ingress(
                "other.example",
                cls="alb",
                name="other",
                **{**BOTH, ALB + "group.name": "g", ALB + "ssl-redirect": "443"},
            ),
        ],
        TLS_ONLY,
    ),
    Case("gce.https", "spec.tls", [gce()], BESIDE),
    Case(
        "gce.https",
        "a pre-shared certificate",
        [gce(tls=False, **{"ingress.gcp.kubernetes.io/pre-shared-cert": "c"})],
        BESIDE,
    ),
    Case(
        "gce.https",
        "a managed certificate",
        [gce(tls=False, **{"networking.gke.io/managed-certificates": "c"})],
        BESIDE,
    ),
    Case("gce.plain", "none of these", [gce(tls=False)], PLAIN),
    Case("gce.plain", "allow-http false", [gce(**{"kubernetes.io/ingress.allow-http": "false"})], CLOSED),
    Case("gce.plain", "FrontendConfig redirectToHttps", [gce(**NAMED_FE), FE], TLS_ONLY),
    Case(
        "traefik.https",
        "router.tls",
        [*TRAEFIK, on("traefik", **{ROUTER + "entrypoints": "websecure", ROUTER + "tls": "true"})],
        CLOSED,
    ),
    Case(
        "traefik.https",
        "the entry point's TLS",
        [*TLS_ENTRY, on("traefik", tls=False, **{ROUTER + "entrypoints": "websecure"})],
        CLOSED,
    ),
    Case(
        "traefik.only-certificates",
        "spec.tls only loads certificates",
        [*TRAEFIK, on("traefik", **{ROUTER + "entrypoints": "web"})],
        PLAIN,
    ),
    Case(
        "traefik.plain",
        "a router without tls on both entry points",
        [*TLS_ENTRY, on("traefik", tls=False)],
        BESIDE,
    ),
    Case(
        "traefik.plain", "the static arguments redirect", [*REDIRECTING, on("traefik", tls=False)], TLS_ONLY
    ),
    Case(
        "traefik.plain",
        "a middleware redirects",
        [
            *TLS_ENTRY,
            manifest("traefik.io/v1alpha1", "Middleware", "up", {"redirectScheme": {"scheme": "https"}}),
            on("traefik", tls=False, **{ROUTER + "middlewares": "shop-up@kubernetescrd"}),
        ],
        TLS_ONLY,
    ),
    Case(
        "traefik.tls-on-web",
        "a TLS router on web answers no HTTP",
        [*TRAEFIK, on("traefik", **{ROUTER + "entrypoints": "web", ROUTER + "tls": "true"})],
        CLOSED,
    ),
    Case(
        "traefik.replaced-whole",
        "router tls replaces the entry point's, its options too",
        [
            *TRAEFIK[1:],
            deployment(
                "traefik",
                "docker.io/traefik:v3.2",
                namespace="edge",
                args=(
                    "--entrypoints.websecure.address=:8443/tcp",
                    "--entrypoints.websecure.http.tls.options=shop-mtls@kubernetescrd",
                ),
            ),
            option("RequireAndVerifyClientCert"),
            on("traefik", **{ROUTER + "entrypoints": "websecure", ROUTER + "tls": "true"}),
        ],
        CLOSED,
    ),
    Case("contour.proxy", "virtualhost.tls redirects", [proxy(SECRET)], TLS_ONLY, PROXY),
    Case("contour.proxy", "permitInsecure", [proxy(SECRET, permitInsecure=True)], BESIDE, PROXY),
    Case("contour.proxy", "no tls", [proxy(None)], PLAIN, PROXY),
    Case("contour.ingress", "spec.tls", [on("contour")], BESIDE),
    Case("contour.ingress", "force-ssl-redirect", [on("contour", **{FORCE: "true"})], TLS_ONLY),
    Case(
        "contour.ingress",
        "allow-http false",
        [on("contour", **{"kubernetes.io/ingress.allow-http": "false"})],
        CLOSED,
    ),
    Case("contour.ingress", "no tls", [on("contour", tls=False)], PLAIN),
    Case("haproxytech.https", "spec.tls redirects by itself", [on("tech")], TLS_ONLY),
    Case(
        "haproxytech.https",
        "a default certificate",
        [
            deployment(
                "haproxy",
                "haproxytech/kubernetes-ingress:3.1",
                namespace="edge",
                args=["--configmap=edge/haproxy"],
            ),
            config_map("edge", "haproxy", {"ssl-certificate": "edge/all"}),
            on("tech", tls=False),
        ],
        BESIDE,
    ),
    Case("haproxytech.plain", "no tls", [on("tech", tls=False)], PLAIN),
    Case("community.https", "tls redirects", [on("community")], TLS_ONLY),
    Case(
        "community.plain",
        "ssl-redirect=false",
        [on("community", **{"haproxy-ingress.github.io/ssl-redirect": "false"})],
        BESIDE,
    ),
    Case("agic.https", "spec.tls", [on("agic", **{APPGW + "ssl-redirect": "true"})], TLS_ONLY),
    Case(
        "agic.https",
        "appgw-ssl-certificate",
        [on("agic", tls=False, **{APPGW + "appgw-ssl-certificate": "c", APPGW + "ssl-redirect": "true"})],
        TLS_ONLY,
    ),
    Case("agic.plain", "ssl-redirect defaults to false", [on("agic")], BESIDE),
    Case(
        "kong.plain",
        "force-ssl-redirect",
        [on("kong", **{FORCE: "true"})],
        "redirected / TLS_SERVER_ONLY / indeterminate / indeterminate",
    ),
    Case(
        "kong.plain",
        "protocols=https",
        [on("kong", **{"konghq.com/protocols": "https"})],
        "closed / TLS_SERVER_ONLY / indeterminate / indeterminate",
    ),
    Case(
        "kong.plain",
        "protocols with http",
        [on("kong", **{"konghq.com/protocols": "http,https"})],
        "open / OPPORTUNISTIC / indeterminate / indeterminate",
    ),
    Case(
        "kong.defaults",
        "its defaults are not verified",
        [on("kong")],
        "indeterminate / INDETERMINATE / indeterminate / indeterminate",
    ),
    Case(
        "route.edge",
        "plaintext to the backend",
        [openshift({"termination": "edge"})],
        "closed / TLS_SERVER_ONLY / indeterminate / plaintext",
        ROUTE,
    ),
    Case(
        "route.edge",
        "reencrypt with a CA",
        [openshift({"termination": "reencrypt", "destinationCACertificate": "x"})],
        "closed / TLS_SERVER_ONLY / indeterminate / verified",
        ROUTE,
    ),
    Case("route.no-tls", "no tls is plain HTTP", [openshift(None)], PLAIN, ROUTE),
    Case(
        "route.allow",
        "insecureEdgeTerminationPolicy Allow",
        [openshift({"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"})],
        "open / OPPORTUNISTIC / indeterminate / plaintext",
        ROUTE,
    ),
    Case(
        "route.none",
        "the default is None",
        [openshift({"termination": "edge", "insecureEdgeTerminationPolicy": "None"})],
        "closed / TLS_SERVER_ONLY / indeterminate / plaintext",
        ROUTE,
    ),
    Case(
        "layer4.aws",
        "ssl-cert and ssl-ports",
        [
            service(
                "front",
                [{"port": 443, "targetPort": 8080}],
                selector={"app": "web"},
                type="LoadBalancer",
                annotations={AWS + "ssl-cert": "arn:a", AWS + "ssl-ports": "443"},
            )
        ],
        CLOSED,
        "shop/Service/front *:443",
    ),
    Case(
        "layer4.aws",
        "a port that ssl-ports leaves out",
        [
            service(
                "front",
                [{"port": 80, "targetPort": 8080}],
                selector={"app": "web"},
                type="LoadBalancer",
                annotations={AWS + "ssl-cert": "arn:a", AWS + "ssl-ports": "443"},
            )
        ],
        "open / PLAINTEXT / none / passthrough",
        "shop/Service/front *:80",
    ),
    Case(
        "layer4.raw",
        "the pod's verdict is what the client gets",
        [service("front", selector={"app": "web"}, type="LoadBalancer")],
        "open / PLAINTEXT / none / passthrough",
        "shop/Service/front *:80",
    ),
    Case(
        "client.nginx",
        "on once the secret is set",
        [on("nginx", **{NGINX + "auth-tls-secret": "shop/ca"})],
        MUTUAL,
    ),
    Case(
        "client.nginx-optional",
        "optional does not enforce",
        [
            on(
                "nginx",
                **{NGINX + "auth-tls-secret": "shop/ca", NGINX + "auth-tls-verify-client": "optional_no_ca"},
            )
        ],
        "redirected / TLS_SERVER_ONLY / optional / plaintext",
    ),
    Case(
        "backend.nginx-unverified",
        "HTTPS has proxy-ssl-verify off",
        [on("nginx", **{NGINX + "backend-protocol": "HTTPS"})],
        "redirected / TLS_SERVER_ONLY / none / encrypted",
    ),
    Case(
        "client.contour",
        "clientValidation",
        [proxy(SECRET | {"clientValidation": {"caSecret": "ca"}})],
        MUTUAL,
        PROXY,
    ),
    Case(
        "client.contour",
        "skipClientCertValidation",
        [proxy(SECRET | {"clientValidation": {"skipClientCertValidation": True}})],
        "redirected / TLS_SERVER_ONLY / optional / plaintext",
        PROXY,
    ),
    Case(
        "client.contour",
        "optionalClientCertificate",
        [proxy(SECRET | {"clientValidation": {"caSecret": "ca", "optionalClientCertificate": True}})],
        "redirected / TLS_SERVER_ONLY / optional / plaintext",
        PROXY,
    ),
    Case(
        "client.traefik",
        "RequireAndVerifyClientCert",
        [*TRAEFIK, option("RequireAndVerifyClientCert"), on("traefik", **WITH_OPTION)],
        "closed / ENFORCED_MTLS / required / plaintext",
    ),
    Case(
        "client.traefik",
        "RequireAnyClientCert verifies nothing",
        [*TRAEFIK, option("RequireAnyClientCert"), on("traefik", **WITH_OPTION)],
        "closed / TLS_SERVER_ONLY / optional / plaintext",
    ),
    Case(
        "client.traefik",
        "VerifyClientCertIfGiven",
        [*TRAEFIK, option("VerifyClientCertIfGiven"), on("traefik", **WITH_OPTION)],
        "closed / TLS_SERVER_ONLY / optional / plaintext",
    ),
    Case(
        "gateway.references",
        "resolved",
        [gateway(HTTPS, status=listener_status("True")), route()],
        CLOSED,
        f"{GATEWAY}:443",
    ),
    Case(
        "gateway.references",
        "not resolved",
        [gateway(HTTPS, status=listener_status("False")), route()],
        "closed / INDETERMINATE / indeterminate / plaintext",
        f"{GATEWAY}:443",
    ),
    Case(
        "client.gateway",
        "default validation",
        [gateway(HTTPS, tls={"frontend": {"default": {"validation": CA}}}), route()],
        "closed / ENFORCED_MTLS / required / plaintext",
        f"{GATEWAY}:443",
    ),
    Case(
        "client.gateway",
        "perPort replaces it",
        [
            gateway(
                HTTPS,
                tls={"frontend": {"default": {"validation": CA}, "perPort": [{"port": 443, "tls": {}}]}},
            ),
            route(),
        ],
        CLOSED,
        f"{GATEWAY}:443",
    ),
    Case(
        "client.gateway-fallback",
        "AllowInsecureFallback is not enforced",
        [
            gateway(
                HTTPS, tls={"frontend": {"default": {"validation": CA | {"mode": "AllowInsecureFallback"}}}}
            ),
            route(),
        ],
        "closed / TLS_SERVER_ONLY / optional / plaintext",
        f"{GATEWAY}:443",
    ),
    Case("backend.gateway", "no BackendTLSPolicy", [gateway(HTTPS), route()], CLOSED, f"{GATEWAY}:443"),
    Case(
        "backend.gateway",
        "a BackendTLSPolicy",
        [gateway(HTTPS), route(), policy()],
        "closed / TLS_SERVER_ONLY / none / verified",
        f"{GATEWAY}:443",
    ),
    Case(
        "gateway.no-section",
        "the HTTP listener serves it too",
        [gateway(HTTP, HTTPS | {"tls": CERTS}), route()],
        PLAIN,
        f"{GATEWAY}:80",
    ),
    Case("mistake.spec-tls", "Traefik", [*TRAEFIK, on("traefik", **{ROUTER + "entrypoints": "web"})], PLAIN),
    Case("mistake.spec-tls", "AWS", [on("alb")], PLAIN),
    Case("mistake.spec-tls", "Contour", [on("contour")], BESIDE),
    Case("mistake.spec-tls", "Azure", [on("agic")], BESIDE),
    Case("mistake.spec-tls", "Google", [gce()], BESIDE),
    Case("mistake.route-without-tls", "plain HTTP", [openshift(None)], PLAIN, ROUTE),
    Case("mistake.aws-default-policy", "TLS 1.0 is accepted", [on("alb", tls=False, **CERT)], CLOSED),
]


def judged(case: Case) -> EntryPoint:
    cluster = cluster_of([*CLASSES, GATEWAY_CLASS, *WEB, *case.objects])
    endpoints = list_endpoints(cluster)
    services = Services(cluster, endpoints)
    encryption = Encryption(cluster, endpoints, services)
    found = with_backend_protection(rows([*CLASSES, GATEWAY_CLASS, *WEB, *case.objects]), encryption.port)
    (row,) = [r for r in found if r.subject == case.subject]
    return row


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row}: {case.title}")
def test_a_row_gives_its_verdict(case: Case) -> None:
    row = judged(case)
    told = (row.plaintext.value, row.verdict.value, row.client_authentication.value, row.backend.value)
    assert " / ".join(told) == case.verdict


def test_a_retired_controller_is_named() -> None:
    row = judged(Case("nginx.retired", "", [on("nginx")], ""))
    assert [c.code for c in row.notices] == ["entry.nginx.retired"]


def test_the_default_policies_of_aws_are_older_than_tls_1_2() -> None:
    for objects, subject in (
        ([on("alb", tls=False, **CERT)], "shop/Ingress/web shop.example"),
        (
            [service("f", selector={"app": "web"}, type="LoadBalancer", annotations={AWS + "ssl-cert": "a"})],
            "shop/Service/f *:80",
        ),
    ):
        row = judged(Case("", "", objects, "", subject))
        assert row.tls is not None
        assert row.tls.policy == "ELBSecurityPolicy-2016-08"
        assert is_at_least(row.tls.minimum_version, "1.2") is Tri.NO


def test_every_row_of_the_table_has_a_case() -> None:
    assert {case.row for case in CASES} == ROWS
