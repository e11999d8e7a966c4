"""The other controllers of an Ingress (encryption.md 4): ALB, GCE, AGIC, Contour, Kong, both HAProxy controllers."""

from typing import Any

import pytest

from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext
from auditor.encryption.entry_reasons import ENTRY_REASONS
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    config_map,
    deployment,
    ingress,
    ingress_class,
    manifest,
    rows,
    service,
)

CLASSES = {
    "alb": "ingress.k8s.aws/alb",
    "azure": "azure/application-gateway",
    "contour": "projectcontour.io/projectcontour/contour",
    "kong": "ingress-controllers.konghq.com/kong",
    "haproxytech": "haproxy.org/ingress-controller/haproxy",
    "community": "haproxy-ingress.github.io/controller",
}
OPEN, CLOSED, REDIRECTED = Plaintext.OPEN, Plaintext.CLOSED, Plaintext.REDIRECTED
UNKNOWN = Plaintext.INDETERMINATE
PLAIN, BOTH, TLS = Protection.PLAINTEXT, Protection.OPPORTUNISTIC, Protection.TLS_SERVER_ONLY
CANNOT_TELL = Protection.INDETERMINATE


def of(
    cls: str, *, tls: Any = False, name: str = "web", prefix: str = "", host: str = "shop.example", **a: str
) -> Manifest:
    """An Ingress of a class; annotation names get the prefix and dashes for underscores."""
    annotations = {prefix + key.replace("_", "-"): value for key, value in a.items()}
    if cls == "gce":
        return ingress(
            host, tls=tls, cls=None, name=name, **{"kubernetes.io/ingress.class": "gce", **annotations}
        )
    return ingress(host, tls=tls, cls=cls, name=name, **annotations)


def alb(*, tls: Any = False, **annotations: str) -> Manifest:
    return of("alb", tls=tls, prefix="alb.ingress.kubernetes.io/", **annotations)


def agic(*, tls: Any = False, **annotations: str) -> Manifest:
    return of("azure", tls=tls, prefix="appgw.ingress.kubernetes.io/", **annotations)


def gce(*, tls: Any = False, **annotations: str) -> Manifest:
    body = of("gce", tls=tls)
    body["metadata"]["annotations"] |= {
        name.replace("__", "/").replace("_", "-"): v for name, v in annotations.items()
    }
    return body


def annotated(cls: str, *, tls: Any = False, annotations: dict[str, str] | None = None) -> Manifest:
    return ingress(cls=cls, tls=tls, **(annotations or {}))


def only(*objects: Manifest, claims: Any = None) -> EntryPoint:
    classes = [ingress_class(name, controller) for name, controller in CLASSES.items()]
    found = [row for row in rows([*classes, *WEB, *objects], claims) if row.object == "shop/Ingress/web"]
    assert len(found) == 1
    assert {c.code for c in (*found[0].causes, *found[0].assumptions)} <= set(ENTRY_REASONS)
    return found[0]


BOTH_PORTS = '[{"HTTP": 80}, {"HTTPS": 443}]'
FORCE = "ingress.kubernetes.io/force-ssl-redirect"
ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
CERT = "arn:aws:acm:1:certificate/a"
FRONTEND = "networking.gke.io/v1beta1.FrontendConfig"


def frontend(**spec: Any) -> Manifest:
    return manifest("networking.gke.io/v1beta1", "FrontendConfig", "fe", spec)


CASES: list[tuple[str, list[Manifest], Plaintext, Protection]] = [
    ("alb: spec.tls alone means HTTP:80 only", [alb(tls=True)], OPEN, PLAIN),
    ("alb: nothing set means HTTP:80", [alb()], OPEN, PLAIN),
    ("alb: a certificate means HTTPS:443 only", [alb(certificate_arn=CERT)], CLOSED, TLS),
    (
        "alb: HTTP beside HTTPS without a redirect",
        [alb(listen_ports=BOTH_PORTS, certificate_arn=CERT)],
        OPEN,
        BOTH,
    ),
    (
        "alb: HTTPS in listen-ports, certificate found by host",
        [alb(listen_ports='[{"HTTPS": 443}]')],
        CLOSED,
        TLS,
    ),
    ("alb: ssl-redirect", [alb(listen_ports=BOTH_PORTS, ssl_redirect="443")], REDIRECTED, TLS),
    (
        "alb: the redirect of another Ingress of the group holds",
        [
            alb(listen_ports=BOTH_PORTS, **{"group.name": "g"}),
            of(
                "alb",
                name="x",
                prefix="alb.ingress.kubernetes.io/",
                listen_ports=BOTH_PORTS,
                ssl_redirect="443",
                **{"group.name": "g"},
            ),
        ],
        REDIRECTED,
        TLS,
    ),
    (
        "alb: the redirect of another group does not",
        [
            alb(listen_ports=BOTH_PORTS, **{"group.name": "g"}),
            of(
                "alb",
                name="x",
                prefix="alb.ingress.kubernetes.io/",
                listen_ports=BOTH_PORTS,
                ssl_redirect="443",
                **{"group.name": "h"},
            ),
        ],
        OPEN,
        BOTH,
    ),
    ("alb: a redirect to a port that nothing listens on", [alb(ssl_redirect="8443")], UNKNOWN, CANNOT_TELL),
    ("alb: listen-ports that cannot be read", [alb(listen_ports="[{")], UNKNOWN, CANNOT_TELL),
    ("gce: without tls", [gce()], OPEN, PLAIN),
    ("gce: HTTP is allowed by default", [gce(tls=True)], OPEN, BOTH),
    ("gce: allow-http false", [gce(tls=True, **{"kubernetes.io__ingress.allow_http": "false"})], CLOSED, TLS),
    (
        "gce: a managed certificate is HTTPS too",
        [gce(**{"networking.gke.io__managed_certificates": "c"})],
        OPEN,
        BOTH,
    ),
    (
        "gce: a pre-shared certificate is HTTPS too",
        [gce(**{"ingress.gcp.kubernetes.io__pre_shared_cert": "c"})],
        OPEN,
        BOTH,
    ),
    (
        "gce: a FrontendConfig redirects",
        [
            gce(tls=True, **{"networking.gke.io__v1beta1.FrontendConfig": "fe"}),
            frontend(redirectToHttps={"enabled": True}),
        ],
        REDIRECTED,
        TLS,
    ),
    (
        "gce: a FrontendConfig that does not",
        [gce(tls=True, **{"networking.gke.io__v1beta1.FrontendConfig": "fe"}), frontend(sslPolicy="p")],
        OPEN,
        BOTH,
    ),
    (
        "gce: a FrontendConfig that does not exist",
        [gce(tls=True, **{"networking.gke.io__v1beta1.FrontendConfig": "fe"})],
        OPEN,
        BOTH,
    ),
    ("agic: without tls", [agic()], OPEN, PLAIN),
    ("agic: no redirect by default", [agic(tls=True)], OPEN, BOTH),
    ("agic: ssl-redirect", [agic(tls=True, ssl_redirect="true")], REDIRECTED, TLS),
    (
        "agic: a certificate of the gateway",
        [agic(appgw_ssl_certificate="c", ssl_redirect="true")],
        REDIRECTED,
        TLS,
    ),
    ("contour: without tls", [annotated("contour")], OPEN, PLAIN),
    ("contour: HTTP stays beside HTTPS", [annotated("contour", tls=True)], OPEN, BOTH),
    (
        "contour: force-ssl-redirect",
        [annotated("contour", tls=True, annotations={FORCE: "true"})],
        REDIRECTED,
        TLS,
    ),
    (
        "contour: allow-http false",
        [annotated("contour", tls=True, annotations={ALLOW_HTTP: "false"})],
        CLOSED,
        TLS,
    ),
    ("kong: its defaults are not verified", [annotated("kong", tls=True)], UNKNOWN, CANNOT_TELL),
    ("kong: nor without tls", [annotated("kong")], UNKNOWN, CANNOT_TELL),
    ("kong: force-ssl-redirect", [annotated("kong", tls=True, annotations={FORCE: "true"})], REDIRECTED, TLS),
    (
        "kong: protocols https",
        [annotated("kong", tls=True, annotations={"konghq.com/protocols": "https"})],
        CLOSED,
        TLS,
    ),
    (
        "kong: protocols with http",
        [annotated("kong", tls=True, annotations={"konghq.com/protocols": "http,https"})],
        OPEN,
        BOTH,
    ),
    ("haproxytech: without tls", [annotated("haproxytech")], OPEN, PLAIN),
    (
        "haproxytech: redirects by itself once spec.tls is set",
        [annotated("haproxytech", tls=True)],
        REDIRECTED,
        TLS,
    ),
    (
        "haproxytech: the redirect switched off",
        [annotated("haproxytech", tls=True, annotations={"haproxy.org/ssl-redirect": "false"})],
        OPEN,
        BOTH,
    ),
    (
        "haproxytech: a redirect to the default certificate",
        [annotated("haproxytech", annotations={"haproxy.org/ssl-redirect": "true"})],
        REDIRECTED,
        TLS,
    ),
    ("haproxy-ingress: without tls", [annotated("community")], OPEN, PLAIN),
    ("haproxy-ingress: redirects with tls", [annotated("community", tls=True)], REDIRECTED, TLS),
    (
        "haproxy-ingress: ssl-redirect false",
        [annotated("community", tls=True, annotations={"haproxy-ingress.github.io/ssl-redirect": "false"})],
        OPEN,
        BOTH,
    ),
    (
        "haproxy-ingress: by its older annotation",
        [annotated("community", tls=True, annotations={"ingress.kubernetes.io/ssl-redirect": "false"})],
        OPEN,
        BOTH,
    ),
]


@pytest.mark.parametrize(("case", "objects", "plaintext", "verdict"), CASES, ids=[c[0] for c in CASES])
def test_plain_http(case: str, objects: list[Manifest], plaintext: Plaintext, verdict: Protection) -> None:
    row = only(*objects)
    assert (row.plaintext, row.verdict) == (plaintext, verdict)
    if plaintext is UNKNOWN:
        assert any(c.code.startswith("indeterminate.") for c in row.causes)


POLICIES = [
    ("the default policy takes TLS 1.0", {}, "1.0"),
    ("the default policy by name", {"ssl_policy": "ELBSecurityPolicy-2016-08"}, "1.0"),
    ("TLS 1.2", {"ssl_policy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"}, "1.2"),
    ("a policy that is not known", {"ssl_policy": "own"}, None),
]


@pytest.mark.parametrize(("case", "annotations", "minimum"), POLICIES, ids=[c[0] for c in POLICIES])
def test_minimum_version_of_an_alb(case: str, annotations: dict[str, str], minimum: str | None) -> None:
    row = only(alb(certificate_arn=CERT, **annotations))
    assert row.tls is not None
    assert row.tls.minimum_version == minimum


def test_an_albs_default_policy_may_be_set_by_its_controller() -> None:
    flag = "--default-ssl-policy=ELBSecurityPolicy-TLS13-1-2-2021-06"
    program = deployment("lbc", "public.ecr.aws/eks/aws-load-balancer-controller:v2.8.0", args=[flag])
    row = only(alb(certificate_arn=CERT), program)
    assert row.tls is not None
    assert row.tls.minimum_version == "1.2"


def test_class_parameters_come_before_annotations() -> None:
    parameters = {
        "listeners": [{"protocol": "HTTPS", "port": 443}],
        "certificateArn": ["arn:own"],
        "sslPolicy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
    }
    reference = {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "p"}
    cls = ingress_class("own", CLASSES["alb"])
    cls["spec"]["parameters"] = reference
    obj = of("own", prefix="alb.ingress.kubernetes.io/", listen_ports=BOTH_PORTS)
    row = only(cls, obj, manifest("elbv2.k8s.aws/v1beta1", "IngressClassParams", "p", parameters, None))
    assert row.tls is not None
    assert (row.plaintext, row.tls.minimum_version, row.tls.certificate) == (CLOSED, "1.3", "arn:own")
    missing = only(cls, obj, claims=without("IngressClassParams"))
    assert missing.plaintext is UNKNOWN


CLIENTS: list[tuple[str, list[Manifest], ClientAuthentication]] = [
    ("alb: off", [alb(certificate_arn=CERT)], ClientAuthentication.NONE),
    (
        "alb: verify",
        [
            alb(
                certificate_arn=CERT,
                mutual_authentication='[{"port": 443, "mode": "verify", "trustStore": "x"}]',
            )
        ],
        ClientAuthentication.REQUIRED,
    ),
    (
        "alb: passthrough is not enforced",
        [alb(certificate_arn=CERT, mutual_authentication='[{"port": 443, "mode": "passthrough"}]')],
        ClientAuthentication.OPTIONAL,
    ),
    (
        "alb: of another port",
        [alb(certificate_arn=CERT, mutual_authentication='[{"port": 8443, "mode": "verify"}]')],
        ClientAuthentication.NONE,
    ),
    (
        "alb: broken",
        [alb(certificate_arn=CERT, mutual_authentication="{")],
        ClientAuthentication.INDETERMINATE,
    ),
    (
        "agic: an SSL profile is out of sight",
        [agic(tls=True, appgw_ssl_profile="p")],
        ClientAuthentication.INDETERMINATE,
    ),
    ("kong: plugins were not read", [annotated("kong", tls=True)], ClientAuthentication.INDETERMINATE),
    (
        "haproxy-ingress: required by default",
        [annotated("community", tls=True, annotations={"haproxy-ingress.github.io/auth-tls-secret": "ca"})],
        ClientAuthentication.REQUIRED,
    ),
    (
        "haproxy-ingress: optional",
        [
            annotated(
                "community",
                tls=True,
                annotations={
                    "haproxy-ingress.github.io/auth-tls-secret": "ca",
                    "haproxy-ingress.github.io/auth-tls-verify-client": "optional",
                },
            )
        ],
        ClientAuthentication.OPTIONAL,
    ),
]


@pytest.mark.parametrize(("case", "objects", "expected"), CLIENTS, ids=[c[0] for c in CLIENTS])
def test_client_authentication(case: str, objects: list[Manifest], expected: ClientAuthentication) -> None:
    assert only(*objects).client_authentication is expected


APP_HTTPS = service(
    "web",
    ({"name": "s", "port": 80, "targetPort": 8080},),
    annotations={"cloud.google.com/app-protocols": '{"s": "HTTPS"}'},
)
BACKENDS: list[tuple[str, list[Manifest], BackendHop]] = [
    ("alb: HTTP by default", [alb()], BackendHop.PLAINTEXT),
    ("alb: HTTPS is not verified", [alb(backend_protocol="HTTPS")], BackendHop.ENCRYPTED),
    ("gce: HTTP by default", [gce()], BackendHop.PLAINTEXT),
    ("gce: app-protocols", [gce(), APP_HTTPS], BackendHop.ENCRYPTED),
    ("agic: https", [agic(backend_protocol="https")], BackendHop.ENCRYPTED),
    (
        "agic: with a trusted root",
        [agic(backend_protocol="https", appgw_trusted_root_certificate="r")],
        BackendHop.VERIFIED,
    ),
    ("kong: not verified", [annotated("kong")], BackendHop.INDETERMINATE),
    (
        "haproxytech: server-ssl",
        [annotated("haproxytech", annotations={"haproxy.org/server-ssl": "true"})],
        BackendHop.ENCRYPTED,
    ),
    (
        "haproxytech: with a CA",
        [
            annotated(
                "haproxytech", annotations={"haproxy.org/server-ssl": "true", "haproxy.org/server-ca": "ca"}
            )
        ],
        BackendHop.VERIFIED,
    ),
    (
        "haproxy-ingress: secure-backends",
        [annotated("community", annotations={"ingress.kubernetes.io/secure-backends": "true"})],
        BackendHop.ENCRYPTED,
    ),
    (
        "contour: upstream-protocol.tls",
        [
            annotated("contour"),
            service("web", annotations={"projectcontour.io/upstream-protocol.tls": "80,https"}),
        ],
        BackendHop.ENCRYPTED,
    ),
]


@pytest.mark.parametrize(("case", "objects", "expected"), BACKENDS, ids=[c[0] for c in BACKENDS])
def test_backend_hop(case: str, objects: list[Manifest], expected: BackendHop) -> None:
    kept = [
        obj for obj in WEB if not any(o["kind"] == "Service" for o in objects) or obj["kind"] != "Service"
    ]
    classes = [ingress_class(name, controller) for name, controller in CLASSES.items()]
    (row,) = [r for r in rows([*classes, *kept, *objects]) if r.kind == "Ingress"]
    assert row.backend is expected


def without(*kinds: str) -> list[Claim]:
    return [Claim(key, None, "", "kubectl get", "test") for key in KNOWN_KINDS if key.kind not in kinds]


def test_a_frontend_config_that_was_not_collected_is_indeterminate() -> None:
    obj = gce(tls=True, **{"networking.gke.io__v1beta1.FrontendConfig": "fe"})
    assert only(obj, claims=without("FrontendConfig")).plaintext is UNKNOWN


def test_haproxytechs_config_map_decides_and_is_assumed_when_missing() -> None:
    program = deployment("h", "docker.io/haproxytech/kubernetes-ingress:3.1", args=["--configmap=shop/h"])
    obj = annotated("haproxytech", tls=True)
    assert only(obj, program, config_map("shop", "h", {"ssl-redirect": "false"})).plaintext is OPEN
    mutual = only(obj, program, config_map("shop", "h", {"client-ca": "shop/ca"}))
    assert mutual.client_authentication is ClientAuthentication.REQUIRED
    assumed = only(obj, program, claims=without("ConfigMap"))
    assert (assumed.plaintext, [c.code for c in assumed.assumptions]) == (
        REDIRECTED,
        ["entry.config-assumed"],
    )


BROKEN: list[Any] = [None, [], "x", 7, {"a": 1}, [None, 3, "x", {}, {"host": 3, "http": []}]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
@pytest.mark.parametrize("cls", [*CLASSES, "nginx", "traefik"])
def test_broken_ingresses_never_raise(value: Any, cls: str) -> None:
    classes = [
        ingress_class(name, c)
        for name, c in {
            **CLASSES,
            "nginx": "k8s.io/ingress-nginx",
            "traefik": "traefik.io/ingress-controller",
        }.items()
    ]
    api = "networking.k8s.io/v1"
    objects = [
        manifest(api, "Ingress", "a", value),
        manifest(
            api,
            "Ingress",
            "b",
            {"ingressClassName": cls, "rules": value, "tls": value, "defaultBackend": value},
        ),
        manifest(
            api,
            "Ingress",
            "c",
            {
                "ingressClassName": cls,
                "rules": [{"http": {"paths": value}}],
                "tls": [{"hosts": value, "secretName": value}],
            },
        ),
        manifest(
            api,
            "Ingress",
            "d",
            {"ingressClassName": value, "rules": [{"http": {"paths": [{"backend": value}]}}]},
        ),
    ]
    found = [r for r in rows([*classes, *WEB, *objects]) if r.kind == "Ingress"]
    assert {row.object for row in found} == {f"shop/Ingress/{name}" for name in "abcd"}
    assert all(row.verdict for row in found)
