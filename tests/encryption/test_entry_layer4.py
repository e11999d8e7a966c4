"""LoadBalancer, NodePort, externalIPs, hostPort, hostNetwork (encryption.md 4; 8: the default ELB policy takes TLS 1.0)."""

from typing import Any

import pytest

from auditor.encryption.entry_points import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    Exposure,
    Plaintext,
    Way,
    entry_points,
    with_backend_protection,
)
from auditor.encryption.protection import Encryption
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.verdict import Protection, Tri
from tests.encryption.entry_manifests import (
    Manifest,
    cluster_of,
    deployment,
    exposed,
    manifest,
    rows,
    service,
)

AWS = "service.beta.kubernetes.io/aws-load-balancer-"
APP = deployment("web", "registry.example/web:1")
TLS_PORT: Manifest = {"name": "https", "port": 443, "targetPort": 8080}
ARN = "arn:aws:acm:eu-west-1:1:certificate/a"


def balanced(
    *ports: Manifest, status: Manifest | None = None, annotations: Any = None, **spec: Any
) -> Manifest:
    return service(
        "web", ports or (TLS_PORT,), annotations=annotations, status=status, type="LoadBalancer", **spec
    )


def aws(**annotations: str) -> dict[str, str]:
    return {AWS + name.replace("_", "-"): value for name, value in annotations.items()}


def only(obj: Manifest) -> EntryPoint:
    (row,) = rows([APP, obj])
    return row


AWS_CASES: list[tuple[str, dict[str, str], str | None, BackendHop]] = [
    ("without a policy the default takes TLS 1.0", aws(ssl_cert=ARN), "1.0", BackendHop.PLAINTEXT),
    (
        "the default policy by name takes TLS 1.0",
        aws(ssl_cert=ARN, ssl_negotiation_policy="ELBSecurityPolicy-2016-08"),
        "1.0",
        BackendHop.PLAINTEXT,
    ),
    (
        "TLS 1.2 and later",
        aws(ssl_cert=ARN, ssl_negotiation_policy="ELBSecurityPolicy-TLS-1-2-2017-01"),
        "1.2",
        BackendHop.PLAINTEXT,
    ),
    (
        "TLS 1.3 with 1.2",
        aws(ssl_cert=ARN, ssl_negotiation_policy="ELBSecurityPolicy-TLS13-1-2-2021-06"),
        "1.2",
        BackendHop.PLAINTEXT,
    ),
    (
        "TLS 1.3 only",
        aws(ssl_cert=ARN, ssl_negotiation_policy="ELBSecurityPolicy-TLS13-1-3-2021-06"),
        "1.3",
        BackendHop.PLAINTEXT,
    ),
    ("a policy of one's own", aws(ssl_cert=ARN, ssl_negotiation_policy="mine"), None, BackendHop.PLAINTEXT),
    ("by port number", aws(ssl_cert=ARN, ssl_ports="443"), "1.0", BackendHop.PLAINTEXT),
    ("by port name", aws(ssl_cert=ARN, ssl_ports="x, https"), "1.0", BackendHop.PLAINTEXT),
    (
        "re-encrypted to the backend",
        aws(ssl_cert=ARN, backend_protocol="ssl"),
        "1.0",
        BackendHop.ENCRYPTED,
    ),
]


@pytest.mark.parametrize(("case", "annotations", "minimum", "hop"), AWS_CASES, ids=[c[0] for c in AWS_CASES])
def test_tls_at_an_aws_load_balancer(
    case: str, annotations: dict[str, str], minimum: str | None, hop: BackendHop
) -> None:
    row = only(balanced(annotations=annotations))
    assert row.tls is not None
    assert (row.tls.minimum_version, row.tls.certificate, row.backend) == (minimum, ARN, hop)
    assert (row.plaintext, row.verdict) == (Plaintext.CLOSED, Protection.TLS_SERVER_ONLY)


LAYER4: list[tuple[str, Manifest]] = [
    ("a load balancer without a certificate", balanced()),
    ("a port that is not among the TLS ports", balanced(annotations=aws(ssl_cert=ARN, ssl_ports="8443"))),
    ("TLS ports without a certificate", balanced(annotations=aws(ssl_ports="443"))),
    ("a node port", service("web", (TLS_PORT | {"nodePort": 30443},), type="NodePort")),
    (
        "a node port ignores a load balancer's certificate",
        service("web", (TLS_PORT,), type="NodePort", annotations=aws(ssl_cert=ARN)),
    ),
    ("external addresses", service("web", (TLS_PORT,), externalIPs=["203.0.113.7"])),
]


@pytest.mark.parametrize(("case", "obj"), LAYER4, ids=[c[0] for c in LAYER4])
def test_the_connection_is_handed_on_to_the_pods(case: str, obj: Manifest) -> None:
    row = only(obj)
    assert (row.backend, row.plaintext, row.tls) == (BackendHop.PASSTHROUGH, Plaintext.INDETERMINATE, None)
    assert row.verdict is Protection.INDETERMINATE
    assert [b.endpoint.id for b in row.destinations] == ["shop/Deployment/web"]


def test_a_cluster_service_is_no_way_in() -> None:
    assert rows([APP, service("web")]) == ()


def resolved(*objects: Manifest) -> EntryPoint:
    cluster = cluster_of(objects)
    endpoints = list_endpoints(cluster)
    services = Services(cluster, endpoints)
    encryption = Encryption(cluster, endpoints, services)
    (row,) = with_backend_protection(entry_points(cluster, services), encryption.port)
    return row


def running(*containers: str) -> Manifest:
    spec = {"containers": [{"name": name, "ports": [{"containerPort": 8080}]} for name in containers]}
    status = {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}
    return manifest("v1", "Pod", "web", spec, labels={"app": "web"}, uid="u") | {"status": status}


def peer_authentication(mode: str) -> Manifest:
    return manifest("security.istio.io/v1", "PeerAuthentication", "default", {"mtls": {"mode": mode}})


BEHIND: list[tuple[str, list[Manifest], Plaintext, Protection, ClientAuthentication]] = [
    (
        "a pod outside any mesh",
        [running("app")],
        Plaintext.OPEN,
        Protection.PLAINTEXT,
        ClientAuthentication.NONE,
    ),
    (
        "a strict sidecar",
        [running("app", "istio-proxy"), peer_authentication("STRICT")],
        Plaintext.CLOSED,
        Protection.ENFORCED_MTLS,
        ClientAuthentication.REQUIRED,
    ),
    (
        "a permissive sidecar",
        [running("app", "istio-proxy")],
        Plaintext.OPEN,
        Protection.OPPORTUNISTIC,
        ClientAuthentication.OPTIONAL,
    ),
]


@pytest.mark.parametrize(
    ("case", "objects", "plaintext", "verdict", "client"), BEHIND, ids=[c[0] for c in BEHIND]
)
def test_the_client_outside_gets_what_the_pod_serves(
    case: str,
    objects: list[Manifest],
    plaintext: Plaintext,
    verdict: Protection,
    client: ClientAuthentication,
) -> None:
    row = resolved(service("web", type="NodePort"), *objects)
    assert (row.plaintext, row.verdict, row.client_authentication) == (plaintext, verdict, client)


def test_a_service_of_an_ingress_controller_points_to_its_listeners() -> None:
    controller = deployment("web", "registry.k8s.io/ingress-nginx/controller:v1.12.0")
    row = resolved(controller, balanced())
    assert row.controller == "ingress-nginx"
    assert [c.code for c in row.causes] == ["indeterminate.entry.layer4-controller"]
    assert row.plaintext is Plaintext.INDETERMINATE


CONTROLLERS: list[tuple[str, Manifest, str | None]] = [
    ("by image", deployment("web", "docker.io/library/traefik:v3.2@sha256:abc"), "traefik"),
    (
        "by image with a registry's port",
        deployment("web", "registry.local:5000/ingress-nginx/controller"),
        "ingress-nginx",
    ),
    (
        "a Gateway's own pods",
        deployment("web", "envoy", labels={"app": "web", "gateway.networking.k8s.io/gateway-name": "gw"}),
        "gateway-api",
    ),
    ("an application", deployment("web", "registry.example/traefik-dashboard:1"), None),
]


@pytest.mark.parametrize(("case", "obj", "expected"), CONTROLLERS, ids=[c[0] for c in CONTROLLERS])
def test_controllers_behind_a_service_are_recognised(case: str, obj: Manifest, expected: str | None) -> None:
    assert {row.controller for row in exposed([obj, balanced()])} == {expected}


def facts(row: Exposure) -> tuple[Any, ...]:
    return row.way, row.port, row.protocol, row.source_ranges, [(t.endpoint.id, t.port) for t in row.targets]


def test_every_way_to_the_pods_is_listed_by_itself() -> None:
    obj = balanced(
        TLS_PORT | {"nodePort": 30443},
        externalIPs=["203.0.113.7"],
        loadBalancerSourceRanges=["192.0.2.0/24", "198.51.100.0/24"],
    )
    behind = [("shop/Deployment/web", 8080)]
    assert [facts(row) for row in exposed([APP, obj])] == [
        (Way.EXTERNAL_IP, 443, "TCP", (), behind),
        (Way.LOAD_BALANCER, 443, "TCP", ("192.0.2.0/24", "198.51.100.0/24"), behind),
        (Way.NODE_PORT, 30443, "TCP", (), behind),
    ]


def test_host_ports_and_the_nodes_network_are_exposed() -> None:
    bound = deployment("dns", "dns", ports=())
    container = bound["spec"]["template"]["spec"]["containers"][0]
    container["ports"] = [{"containerPort": 53, "hostPort": 5353, "protocol": "UDP"}, {"containerPort": 80}]
    node = deployment("agent", "agent", ports=(9100,), hostNetwork=True)
    assert [(r.object, *facts(r)[:3]) for r in exposed([bound, node])] == [
        ("shop/Deployment/agent", Way.HOST_NETWORK, 9100, "TCP"),
        ("shop/Deployment/dns", Way.HOST_PORT, 5353, "UDP"),
    ]


INTERNAL: list[tuple[str, Manifest, Tri]] = [
    ("aws: internal", balanced(annotations=aws(internal="true")), Tri.YES),
    ("aws: scheme internal", balanced(annotations=aws(scheme="internal")), Tri.YES),
    ("aws: internet-facing", balanced(annotations=aws(scheme="internet-facing")), Tri.NO),
    ("gcp", balanced(annotations={"networking.gke.io/load-balancer-type": "Internal"}), Tri.YES),
    (
        "gcp: the older annotation",
        balanced(annotations={"cloud.google.com/load-balancer-type": "Internal"}),
        Tri.YES,
    ),
    (
        "azure",
        balanced(annotations={"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}),
        Tri.YES,
    ),
    (
        "a public address was given to it",
        balanced(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}),
        Tri.NO,
    ),
    (
        "a private address was given to it",
        balanced(status={"loadBalancer": {"ingress": [{"ip": "10.1.2.3"}]}}),
        Tri.YES,
    ),
    ("nothing says", balanced(), Tri.UNKNOWN),
]


@pytest.mark.parametrize(("case", "obj", "expected"), INTERNAL, ids=[c[0] for c in INTERNAL])
def test_internal_load_balancers(case: str, obj: Manifest, expected: Tri) -> None:
    (row,) = exposed([APP, obj])
    assert row.internal is expected


def test_source_ranges_by_annotation_and_broken_ones_named() -> None:
    ranges = {"service.beta.kubernetes.io/load-balancer-source-ranges": "192.0.2.0/24, nonsense"}
    (row,) = exposed([APP, balanced(annotations=ranges)])
    assert row.source_ranges == ("192.0.2.0/24",)
    assert [c.code for c in row.causes] == ["entry.layer4.bad-range"]


BROKEN: list[Any] = [
    None,
    [],
    "x",
    7,
    {"a": 1},
    [None, 3, "x", {}, {"port": "x"}, {"port": True}, {"port": 1, "protocol": []}],
]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_services_never_raise(value: Any) -> None:
    objects = [
        service("a", (), type="LoadBalancer", loadBalancerSourceRanges=value, externalIPs=value),
        manifest("v1", "Service", "b", {"type": "LoadBalancer", "ports": value, "selector": value}),
        manifest("v1", "Service", "c", value),
        manifest("v1", "Service", "d", {"type": "NodePort", "ports": value}) | {"status": value},
    ]
    assert all(row.verdict for row in rows([APP, *objects]))
    assert all(row.subject for row in exposed([APP, *objects]))
