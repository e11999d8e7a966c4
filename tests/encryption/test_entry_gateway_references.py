"""References across namespaces, BackendTLSPolicies that compete, TLSRoutes, and what controllers report."""

from typing import Any

import pytest

from auditor.encryption.entry_points import BackendHop, ClientAuthentication, EntryPoint, Plaintext, TlsMode
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS, KindKey
from auditor.model.verdict import Protection
from tests.encryption.entry_manifests import Manifest, deployment, manifest, rows, service
from tests.encryption.test_entry_gateway_api import API, CA, CLASS, HTTP, HTTPS, WEB, gateway, route
from tests.objects import complete_claims

GRANT = KindKey("gateway.networking.k8s.io", "ReferenceGrant")
ELSEWHERE = (
    deployment("pay", "registry.example/pay:1", namespace="pay"),
    service("pay", namespace="pay"),
)


def grant(kind: str = "HTTPRoute", to: str = "Service", *, namespace: str = "pay", **more: Any) -> Manifest:
    group = "" if to in ("Service", "Secret", "ConfigMap") else "x"
    spec = {
        "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": more.pop("of", "shop")}],
        "to": [{"group": group, "kind": to, **more}],
    }
    return manifest(API, "ReferenceGrant", "g", spec, namespace)


def seen(*objects: Manifest, without: KindKey | None = None) -> list[EntryPoint]:
    claims: tuple[Claim, ...] = complete_claims(k for k in KNOWN_KINDS if k != without)
    found = rows([CLASS, *WEB, *ELSEWHERE, *objects], claims)
    return [r for r in found if r.kind in ("Gateway", "ListenerSet")]


def codes(row: EntryPoint) -> list[str]:
    return [c.code for c in row.causes]


AWAY = {"backendRefs": [{"name": "pay", "namespace": "pay", "port": 80}]}
BACKENDS: list[tuple[str, list[Manifest], list[str], str]] = [
    ("without a grant nothing is sent there", [], [], "entry.gateway.backend-not-granted"),
    ("a grant for every Service", [grant()], ["pay/Deployment/pay"], ""),
    ("a grant for this Service", [grant(name="pay")], ["pay/Deployment/pay"], ""),
    ("a grant for another Service", [grant(name="x")], [], "entry.gateway.backend-not-granted"),
    ("a grant for another kind of route", [grant("GRPCRoute")], [], "entry.gateway.backend-not-granted"),
    ("a grant for routes of another namespace", [grant(of="x")], [], "entry.gateway.backend-not-granted"),
    ("a grant in another namespace", [grant(namespace="shop")], [], "entry.gateway.backend-not-granted"),
    ("a grant for Secrets", [grant(to="Secret")], [], "entry.gateway.backend-not-granted"),
]


@pytest.mark.parametrize(("case", "grants", "behind", "code"), BACKENDS, ids=[c[0] for c in BACKENDS])
def test_a_backend_elsewhere_needs_a_grant(
    case: str, grants: list[Manifest], behind: list[str], code: str
) -> None:
    (row,) = seen(gateway(HTTPS), route(**AWAY), *grants)
    assert [b.endpoint.id for b in row.destinations] == behind
    assert code == "" or code in codes(row)


def test_a_backend_stays_where_grants_may_be_missing() -> None:
    (row,) = seen(gateway(HTTPS), route(**AWAY), without=GRANT)
    assert [b.endpoint.id for b in row.destinations] == ["pay/Deployment/pay"]
    assert "indeterminate.entry.gateway.grant-unknown" in codes(row)


AWAY_CERT = HTTPS | {"tls": {"certificateRefs": [{"name": "cert", "namespace": "certs"}]}}
CERTIFICATES: list[tuple[str, list[Manifest], KindKey | None, TlsMode, str]] = [
    ("no grant", [], None, TlsMode.INDETERMINATE, "indeterminate.entry.gateway.not-granted"),
    (
        "a grant for Secrets",
        [grant("Gateway", "Secret", namespace="certs")],
        None,
        TlsMode.TERMINATE,
        "entry.gateway.terminates",
    ),
    (
        "a grant for a ListenerSet",
        [grant("ListenerSet", "Secret", namespace="certs")],
        None,
        TlsMode.INDETERMINATE,
        "indeterminate.entry.gateway.not-granted",
    ),
    ("grants may be missing", [], GRANT, TlsMode.INDETERMINATE, "indeterminate.entry.gateway.grant-unknown"),
]


@pytest.mark.parametrize(
    ("case", "grants", "without", "mode", "code"), CERTIFICATES, ids=[c[0] for c in CERTIFICATES]
)
def test_a_certificate_elsewhere_needs_a_grant(
    case: str, grants: list[Manifest], without: KindKey | None, mode: TlsMode, code: str
) -> None:
    (row,) = seen(gateway(AWAY_CERT), route(), *grants, without=without)
    assert row.tls is not None
    assert (row.tls.mode, code in codes(row)) == (mode, True)


def listener_status(value: str, seen_generation: int) -> Manifest:
    condition = {"type": "ResolvedRefs", "status": value, "observedGeneration": seen_generation}
    return {"listeners": [{"name": "https", "conditions": [condition]}]}


REPORTED: list[tuple[str, str, int, TlsMode]] = [
    ("what the controller reports beats a grant that isn't seen", "True", 2, TlsMode.TERMINATE),
    ("a report on an older generation counts for nothing", "True", 1, TlsMode.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "value", "generation", "mode"), REPORTED, ids=[c[0] for c in REPORTED])
def test_observed_resolution(case: str, value: str, generation: int, mode: TlsMode) -> None:
    body = gateway(AWAY_CERT, status=listener_status(value, generation))
    body["metadata"]["generation"] = 2
    (row,) = seen(body, route())
    assert row.tls is not None
    assert row.tls.mode is mode


def test_a_listener_without_any_certificate_ends_no_tls() -> None:
    (row,) = seen(gateway(HTTPS | {"tls": {}}), route())
    assert row.tls is not None
    assert row.tls.mode is TlsMode.INDETERMINATE
    assert row.verdict is Protection.INDETERMINATE


def test_options_may_stand_for_certificates() -> None:
    (row,) = seen(gateway(HTTPS | {"tls": {"options": {"networking.gke.io/pre-shared-certs": "a"}}}), route())
    assert row.verdict is Protection.TLS_SERVER_ONLY


def test_a_ca_elsewhere_needs_a_grant() -> None:
    away = {"caCertificateRefs": [{"name": "ca", "kind": "ConfigMap", "group": "", "namespace": "certs"}]}
    frontend = {"frontend": {"default": {"validation": away}}}
    (without,) = seen(gateway(HTTPS, tls=frontend), route())
    granted = grant("Gateway", "ConfigMap", namespace="certs")
    (with_it,) = seen(gateway(HTTPS, tls=frontend), route(), granted)
    assert without.client_authentication is ClientAuthentication.INDETERMINATE
    assert with_it.client_authentication is ClientAuthentication.REQUIRED


def test_validation_without_authorities_is_not_known() -> None:
    (row,) = seen(gateway(HTTPS, tls={"frontend": {"default": {"validation": {"mode": None}}}}), route())
    assert row.client_authentication is ClientAuthentication.INDETERMINATE


def test_frontend_validation_holds_for_https_only() -> None:
    tls = {"name": "t", "port": 443, "protocol": "TLS", "tls": HTTPS["tls"]}
    (row,) = seen(gateway(tls, tls={"frontend": {"default": {"validation": CA}}}), route(kind="TLSRoute"))
    assert row.client_authentication is ClientAuthentication.INDETERMINATE


TLS = {"name": "t", "port": 8443, "protocol": "TLS"}
ROUTES: list[tuple[str, Manifest, str, Protection, BackendHop]] = [
    (
        "passthrough",
        TLS | {"tls": {"mode": "Passthrough"}},
        "TLSRoute",
        Protection.INDETERMINATE,
        BackendHop.PASSTHROUGH,
    ),
    (
        "terminate: plaintext behind",
        TLS | {"tls": {"mode": "Terminate", **HTTPS["tls"]}},
        "TLSRoute",
        Protection.TLS_SERVER_ONLY,
        BackendHop.PLAINTEXT,
    ),
    (
        "Terminate is the default",
        TLS | {"tls": HTTPS["tls"]},
        "TLSRoute",
        Protection.TLS_SERVER_ONLY,
        BackendHop.PLAINTEXT,
    ),
    (
        "a TCPRoute behind a listener that ends TLS",
        TLS | {"tls": HTTPS["tls"]},
        "TCPRoute",
        Protection.TLS_SERVER_ONLY,
        BackendHop.PLAINTEXT,
    ),
    (
        "HTTPS has no passthrough",
        HTTPS | {"tls": {"mode": "Passthrough"}},
        "HTTPRoute",
        Protection.INDETERMINATE,
        BackendHop.PLAINTEXT,
    ),
]


@pytest.mark.parametrize(("case", "listener", "kind", "verdict", "hop"), ROUTES, ids=[c[0] for c in ROUTES])
def test_tls_routes(case: str, listener: Manifest, kind: str, verdict: Protection, hop: BackendHop) -> None:
    (row,) = seen(gateway(listener), route(kind=kind, hosts=["a.example"]))
    assert (row.verdict, row.backend) == (verdict, hop)


def test_an_http_route_does_not_attach_to_a_tls_listener() -> None:
    (row,) = seen(gateway(TLS | {"tls": {"mode": "Passthrough"}}), route())
    assert row.destinations == ()


SYSTEM = {"hostname": "web", "wellKnownCACertificates": "System"}
NO_HOST = {"wellKnownCACertificates": "System"}
LOST_CA = {"hostname": "web", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "lost"}]}
OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def policy(
    name: str,
    validation: Manifest,
    created: str | None = None,
    status: Any = None,
    namespace: str = "shop",
    **target: Any,
) -> Manifest:
    meta = {"creationTimestamp": created} if created else {}
    targets = [{"group": "", "kind": "Service", "name": "web", **target}]
    body = manifest(
        API, "BackendTLSPolicy", name, {"targetRefs": targets, "validation": validation}, namespace, **meta
    )
    return body | ({"status": status} if status else {})


def accepted(value: str, reason: str = "x", gateway: str = "gw") -> Manifest:
    conditions = [{"type": "Accepted", "status": value, "reason": reason}]
    return {"ancestors": [{"ancestorRef": {"name": gateway}, "conditions": conditions}]}


NAMED = (deployment("web", "registry.example/web:1"), service("web", [{"port": 80, "name": "http"}]))
VERIFIED, UNKNOWN, PLAIN = BackendHop.VERIFIED, BackendHop.INDETERMINATE, BackendHop.PLAINTEXT
POLICIES: list[tuple[str, list[Manifest], BackendHop, str]] = [
    ("one", [policy("a", SYSTEM)], VERIFIED, "entry.gateway.backend-tls-not-observed"),
    (
        "one that is accepted",
        [policy("a", SYSTEM, status=accepted("True"))],
        VERIFIED,
        "entry.gateway.backend-tls",
    ),
    (
        "accepted for another Gateway only",
        [policy("a", SYSTEM, status=accepted("True", gateway="x"))],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "one that is refused",
        [policy("a", SYSTEM, status=accepted("False", "NoValidCACertificate"))],
        UNKNOWN,
        "indeterminate.entry.gateway.backend-tls-refused",
    ),
    (
        "without a host to check",
        [policy("a", NO_HOST)],
        UNKNOWN,
        "indeterminate.entry.gateway.backend-tls-broken",
    ),
    (
        "its CA does not exist",
        [policy("a", LOST_CA)],
        UNKNOWN,
        "indeterminate.entry.gateway.backend-tls-broken",
    ),
    (
        "the oldest wins: it verifies",
        [policy("a", LOST_CA, NEW), policy("b", SYSTEM, OLD)],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "the oldest wins: it is broken",
        [policy("a", SYSTEM, NEW), policy("b", LOST_CA, OLD)],
        UNKNOWN,
        "indeterminate.entry.gateway.backend-tls-broken",
    ),
    (
        "of the same age the first by name",
        [policy("b", LOST_CA, OLD), policy("a", SYSTEM, OLD)],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "an age is missing and they differ",
        [policy("a", SYSTEM), policy("b", LOST_CA, OLD)],
        UNKNOWN,
        "indeterminate.entry.gateway.backend-tls-age",
    ),
    (
        "an age is missing and they agree",
        [policy("a", SYSTEM), policy("b", SYSTEM, OLD)],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "one for the port comes before an older one for the Service",
        [policy("a", LOST_CA, OLD), policy("b", SYSTEM, NEW, sectionName="http")],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "the controller names the loser",
        [policy("a", LOST_CA, status=accepted("False", "Conflicted")), policy("b", SYSTEM)],
        VERIFIED,
        "entry.gateway.backend-tls-not-observed",
    ),
    (
        "a policy of another namespace does not reach the Service",
        [policy("a", SYSTEM, namespace="x")],
        PLAIN,
        "",
    ),
    (
        "a target of another group is no Service",
        [policy("a", SYSTEM, group="multicluster.x-k8s.io")],
        PLAIN,
        "",
    ),
]


@pytest.mark.parametrize(("case", "policies", "hop", "code"), POLICIES, ids=[c[0] for c in POLICIES])
def test_backend_tls_policies(case: str, policies: list[Manifest], hop: BackendHop, code: str) -> None:
    found = rows([CLASS, *NAMED, gateway(HTTPS), route(), *policies])
    (row,) = [r for r in found if r.kind == "Gateway"]
    assert row.backend is hop
    assert [c for c in codes(row) if "backend-tls" in c] == ([code] if code else [])


def test_mirrored_requests_leave_in_plaintext() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "port": 80}}}
    copy = (deployment("copy", "registry.example/copy:1"), service("copy"))
    (row,) = seen(gateway(HTTPS), route(filters=[mirror]), policy("a", SYSTEM), *copy)
    assert row.backend is PLAIN
    assert sorted(b.endpoint.id for b in row.destinations) == ["shop/Deployment/copy", "shop/Deployment/web"]


def test_weight_zero_sends_nothing() -> None:
    refs = [{"name": "web", "port": 80}, {"name": "pay", "namespace": "pay", "port": 80, "weight": 0}]
    (row,) = seen(gateway(HTTPS), route(backendRefs=refs), grant())
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_a_backend_of_another_kind_is_not_known() -> None:
    (row,) = seen(gateway(HTTPS), route(backendRefs=[{"kind": "ServiceImport", "group": "x", "name": "w"}]))
    assert row.backend is UNKNOWN


def route_status(value: str) -> Manifest:
    conditions = [{"type": "Accepted", "status": value, "reason": "NotAllowedByListeners"}]
    return {"parents": [{"parentRef": {"name": "gw"}, "controllerName": "x", "conditions": conditions}]}


@pytest.mark.parametrize(("value", "plaintext"), [("False", Plaintext.CLOSED), ("True", Plaintext.OPEN)])
def test_a_route_that_its_controller_refuses_is_not_attached(value: str, plaintext: Plaintext) -> None:
    (row,) = seen(gateway(HTTP), route() | {"status": route_status(value)})
    assert row.plaintext is plaintext


ISTIO_MODES: list[tuple[str, ClientAuthentication]] = [
    ("SIMPLE", ClientAuthentication.NONE),
    ("MUTUAL", ClientAuthentication.REQUIRED),
    ("OPTIONAL_MUTUAL", ClientAuthentication.OPTIONAL),
    ("WHATEVER", ClientAuthentication.INDETERMINATE),
]


@pytest.mark.parametrize(("mode", "client"), ISTIO_MODES)
def test_istio_takes_the_mode_from_an_option(mode: str, client: ClientAuthentication) -> None:
    istio = manifest(API, "GatewayClass", "istio", {"controllerName": "istio.io/gateway-controller"}, None)
    tls = {**HTTPS["tls"], "options": {"gateway.istio.io/tls-terminate-mode": mode}}
    (row,) = seen(istio, gateway(HTTPS | {"tls": tls}, cls="istio"), route())
    assert row.client_authentication is client
    (other,) = seen(gateway(HTTPS | {"tls": tls}), route())
    assert other.client_authentication is ClientAuthentication.NONE
