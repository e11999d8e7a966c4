"""The client's side: DestinationRule lookup and traps, automatic mTLS, ztunnel, Linkerd. Worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.reasons import CAUSES
from auditor.encryption.verdicts import ClientRule, ClientTls, Wire
from auditor.model.verdict import Tri
from tests.encryption.mesh_manifests import (
    DISABLE,
    STRICT,
    Manifest,
    assert_explained,
    config_map,
    custom,
    deployment,
    peer_authentication,
    pod,
    service,
    workload,
    world,
)
from tests.objects import complete_claims

W = Wire
ROOT = "istio-system"
HOST = "web.shop.svc.cluster.local"


def tls(mode: str | None = "DISABLE", **more: Any) -> Manifest:
    return {"tls": {**({"mode": mode} if mode else {}), **more}}


def rule(
    name: str = "r",
    namespace: str = "shop",
    policy: Any = None,
    host: str = HOST,
    created: str | None = "01",
    **spec: Any,
) -> Manifest:
    body = {"host": host, **({"trafficPolicy": policy} if policy is not None else {}), **spec}
    return custom("networking.istio.io/v1", "DestinationRule", name, namespace, body, created)


def on_wire(*manifests: Manifest, source: str = "front/Pod/client", **options: Any) -> ClientTls:
    encryption, endpoints = world(*manifests, **options)
    found = encryption.client_tls(endpoints[source], endpoints["shop/Pod/web"], 8080)
    assert_explained(found.causes)
    return found


CLIENT = pod("client", "front")
ROUTED = custom(
    "networking.istio.io/v1",
    "VirtualService",
    "v",
    "shop",
    {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web", "subset": "v1"}}]}]},
)
SUBSET = {"name": "v1", "labels": {"app": "web"}}
TO_PROXY = {"targetHost": "db.partner.example", "targetPort": 5432}
RULES = [
    ("no rule: automatic mTLS", [], W.MESH_MTLS),
    ("DISABLE", [rule(policy=tls())], W.PLAINTEXT),
    ("a tls block without a mode is DISABLE", [rule(policy=tls(None))], W.PLAINTEXT),
    ("SIMPLE", [rule(policy=tls("SIMPLE"))], W.TLS),
    ("a tunnel through a proxy", [rule(policy={"tunnel": TO_PROXY})], W.INDETERMINATE),
    (
        "a tunnel and mesh mTLS to the proxy",
        [rule(policy={"tunnel": TO_PROXY, **tls("ISTIO_MUTUAL")})],
        W.INDETERMINATE,
    ),
    ("SIMPLE without verification", [rule(policy=tls("SIMPLE", insecureSkipVerify=True))], W.TLS_UNVERIFIED),
    (
        "MUTUAL",
        [rule(policy=tls("MUTUAL", clientCertificate="/etc/c.pem", privateKey="/etc/k.pem"))],
        W.MUTUAL_TLS,
    ),
    ("MUTUAL without a client certificate", [rule(policy=tls("MUTUAL"))], W.INDETERMINATE),
    ("ISTIO_MUTUAL", [rule(policy=tls("ISTIO_MUTUAL"))], W.MESH_MTLS),
    ("an unknown mode", [rule(policy=tls("SECURE"))], W.INDETERMINATE),
    ("tls of the wrong shape", [rule(policy={"tls": "SIMPLE"})], W.INDETERMINATE),
    ("the credentialName trap", [rule(policy=tls("SIMPLE", credentialName="cert"))], W.PLAINTEXT),
    ("the credentialName trap with MUTUAL", [rule(policy=tls("MUTUAL", credentialName="cert"))], W.PLAINTEXT),
    (
        "a credentialName that is a ConfigMap",
        [rule(policy=tls("SIMPLE", credentialName="configmap://ca"))],
        W.TLS,
    ),
    (
        "a credentialName with a workloadSelector",
        [
            rule(
                namespace="front",
                policy=tls("SIMPLE", credentialName="cert"),
                workloadSelector={"matchLabels": {"app": "client"}},
            )
        ],
        W.TLS,
    ),
    ("a short host belongs to the rule's namespace", [rule(policy=tls(), host="web")], W.PLAINTEXT),
    (
        "a short host in another namespace is another service",
        [rule(namespace="front", policy=tls(), host="web")],
        W.MESH_MTLS,
    ),
    ("a wildcard host", [rule(policy=tls(), host="*.shop.svc.cluster.local")], W.PLAINTEXT),
    (
        "the most specific host wins",
        [rule("a", policy=tls(), host="*.svc.cluster.local"), rule("b", policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    (
        "the longer wildcard wins",
        [
            rule("a", policy=tls("ISTIO_MUTUAL"), host="*.local"),
            rule("b", policy=tls(), host="*.shop.svc.cluster.local"),
        ],
        W.PLAINTEXT,
    ),
    (
        "the client's namespace goes before the service's",
        [rule(policy=tls()), rule(namespace="front", policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    (
        "the service's namespace goes before the root",
        [rule(namespace=ROOT, policy=tls()), rule(policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    ("the root namespace's rule", [rule(namespace=ROOT, policy=tls())], W.PLAINTEXT),
    ("a rule of a third namespace", [rule(namespace="third", policy=tls())], W.MESH_MTLS),
    ("a rule that isn't exported", [rule(policy=tls(), exportTo=["."])], W.MESH_MTLS),
    ("a rule exported to the client's namespace", [rule(policy=tls(), exportTo=["front"])], W.PLAINTEXT),
    (
        "a rule that isn't exported gives way to the root's",
        [rule(policy=tls("ISTIO_MUTUAL"), exportTo=["."]), rule(namespace=ROOT, policy=tls())],
        W.PLAINTEXT,
    ),
    (
        "a rule of the client's namespace that is exported elsewhere only",
        [rule(namespace="front", policy=tls(), exportTo=["other"])],
        W.MESH_MTLS,
    ),
    (
        "the most specific exported host counts even where it isn't exported to the client",
        [
            rule("a", policy=tls(), host="*.shop.svc.cluster.local"),
            rule("b", policy=tls("ISTIO_MUTUAL"), exportTo=["other"]),
        ],
        W.MESH_MTLS,
    ),
    (
        "a private rule with a more specific host doesn't",
        [
            rule("a", policy=tls(), host="*.shop.svc.cluster.local"),
            rule("b", policy=tls("ISTIO_MUTUAL"), exportTo=["."]),
        ],
        W.PLAINTEXT,
    ),
    (
        "a rule for other clients",
        [rule(namespace="front", policy=tls(), workloadSelector={"matchLabels": {"app": "other"}})],
        W.MESH_MTLS,
    ),
    (
        "a rule for these clients",
        [rule(namespace="front", policy=tls(), workloadSelector={"matchLabels": {"app": "client"}})],
        W.PLAINTEXT,
    ),
    (
        "a port entry replaces the whole policy: an omitted tls is dropped",
        [rule(policy={**tls("DISABLE"), "portLevelSettings": [{"port": {"number": 80}}]})],
        W.MESH_MTLS,
    ),
    (
        "a port entry of the Service's port downgrades",
        [rule(policy={**tls("ISTIO_MUTUAL"), "portLevelSettings": [{"port": {"number": 80}, **tls()}]})],
        W.PLAINTEXT,
    ),
    (
        "the key is the Service's port, not the container's",
        [rule(policy={**tls("ISTIO_MUTUAL"), "portLevelSettings": [{"port": {"number": 8080}, **tls()}]})],
        W.MESH_MTLS,
    ),
    (
        "a subset to which traffic is routed overrides",
        [rule(policy=tls("ISTIO_MUTUAL"), subsets=[{**SUBSET, "trafficPolicy": tls()}]), ROUTED],
        W.PLAINTEXT,
    ),
    (
        "a subset to which nothing is routed has no effect",
        [rule(policy=tls("ISTIO_MUTUAL"), subsets=[{**SUBSET, "trafficPolicy": tls()}])],
        W.MESH_MTLS,
    ),
    (
        "a subset of other pods",
        [rule(subsets=[{"name": "v1", "labels": {"app": "x"}, "trafficPolicy": tls()}]), ROUTED],
        W.MESH_MTLS,
    ),
    (
        "a subset that sets something else inherits tls",
        [
            rule(policy=tls(), subsets=[{**SUBSET, "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}]),
            ROUTED,
        ],
        W.PLAINTEXT,
    ),
    (
        "rules for one host are merged: the oldest gives the policy",
        [rule("a", policy=tls(), created="02"), rule("b", policy=tls("ISTIO_MUTUAL"), created="01")],
        W.MESH_MTLS,
    ),
    ("automatic mTLS turned off", [config_map("istio", ROOT, mesh="enableAutoMtls: false")], W.PLAINTEXT),
    (
        "automatic mTLS turned off, but ISTIO_MUTUAL",
        [config_map("istio", ROOT, mesh="enableAutoMtls: false"), rule(policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    ("the namespace's mode is DISABLE", [peer_authentication("ns", "shop", DISABLE)], W.PLAINTEXT),
    (
        "the port's mode is DISABLE",
        [peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "DISABLE"}}, **STRICT))],
        W.PLAINTEXT,
    ),
    (
        "an EnvoyFilter patches the client's clusters",
        [
            custom(
                "networking.istio.io/v1alpha3",
                "EnvoyFilter",
                "f",
                "front",
                {"configPatches": [{"applyTo": "CLUSTER", "patch": {"value": {"transport_socket": {}}}}]},
            )
        ],
        W.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(("case", "policies", "expected"), RULES, ids=[case[0] for case in RULES])
def test_what_a_sidecar_sends(case: str, policies: list[Manifest], expected: Wire) -> None:
    found = on_wire(CLIENT, pod(), service(), *policies)
    assert found.wire is expected
    assert {cause.code for cause in found.causes} <= set(CAUSES)
    assert found.causes


def test_competing_rules_without_a_creation_time_cannot_be_told() -> None:
    rules = [rule("a", policy=tls("ISTIO_MUTUAL"), created=None), rule("b", policy=tls(), created=None)]
    assert on_wire(CLIENT, pod(), service(), *rules).wire is W.INDETERMINATE
    assert {found.downgrades for found in rules_of(pod(), service(), *rules).values()} == {
        Tri.NO,
        Tri.UNKNOWN,
    }
    agreeing = [rule("a", policy=tls(), created=None), rule("b", policy=tls(), created=None)]
    assert on_wire(CLIENT, pod(), service(), *agreeing).wire is W.PLAINTEXT


def test_an_unrouted_subset_is_open_while_routes_may_be_missing() -> None:
    claims = tuple(claim for claim in complete_claims() if claim.key.kind != "VirtualService")
    subset = rule(policy=tls("ISTIO_MUTUAL"), subsets=[{**SUBSET, "trafficPolicy": tls()}])
    assert on_wire(CLIENT, pod(), service(), subset, claims=claims).wire is W.INDETERMINATE


def sidecar(*hosts: str, namespace: str = "front") -> Manifest:
    return custom(
        "networking.istio.io/v1", "Sidecar", "s", namespace, {"egress": [{"hosts": list(hosts)}]}, "01"
    )


IMPORTS = [
    ("everything", sidecar("*/*"), W.MESH_MTLS),
    ("the service's namespace", sidecar("shop/*"), W.MESH_MTLS),
    ("the host", sidecar("*/web.shop.svc.cluster.local"), W.MESH_MTLS),
    ("its own namespace only", sidecar("./*", "istio-system/*"), W.PLAINTEXT),
    ("its own namespace only, by the mesh's default", sidecar("./*", namespace=ROOT), W.PLAINTEXT),
    ("nothing", sidecar("~/*"), W.PLAINTEXT),
    ("another namespace's Sidecar", sidecar("./*", namespace="shop"), W.MESH_MTLS),
]


@pytest.mark.parametrize(("case", "policy", "expected"), IMPORTS, ids=[case[0] for case in IMPORTS])
def test_a_host_that_the_sidecar_does_not_know_is_passed_on_in_plaintext(
    case: str, policy: Manifest, expected: Wire
) -> None:
    assert on_wire(CLIENT, pod(), service(), policy).wire is expected


def test_a_host_that_the_sidecar_does_not_know_is_not_passed_on_under_registry_only() -> None:
    only = config_map("istio", ROOT, mesh="outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    assert on_wire(CLIENT, pod(), service(), sidecar("./*"), only).wire is W.INDETERMINATE


ENDS = [
    ("a client outside the mesh", [pod("client", "front", proxy=None), pod(), service()], W.PLAINTEXT),
    ("a destination outside the mesh", [CLIENT, pod(proxy=None), service()], W.PLAINTEXT),
    ("a destination without a Service", [CLIENT, pod()], W.PLAINTEXT),
    (
        "a destination that says it takes no mTLS",
        [CLIENT, pod(labels={"security.istio.io/tlsMode": "disabled"}), service()],
        W.PLAINTEXT,
    ),
    (
        "outbound port excluded",
        [
            pod("client", "front", annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": "80"}),
            pod(),
            service(),
        ],
        W.PLAINTEXT,
    ),
    (
        "outbound port excluded, as istio-init was told",
        [
            pod(
                "client",
                "front",
                initContainers=[
                    {"name": "istio-init", "args": ["istio-iptables", "-m", "REDIRECT", "-o", "80"]}
                ],
            ),
            pod(),
            service(),
        ],
        W.PLAINTEXT,
    ),
    (
        "outbound port excluded by the injector's values",
        [
            CLIENT,
            pod(),
            service(),
            config_map(
                "istio-sidecar-injector", ROOT, values="global: {proxy: {excludeOutboundPorts: '80'}}"
            ),
        ],
        W.PLAINTEXT,
    ),
    (
        "the annotation outranks the injector's values",
        [
            pod("client", "front", annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": ""}),
            pod(),
            service(),
            config_map(
                "istio-sidecar-injector", ROOT, values="global: {proxy: {excludeOutboundPorts: '80'}}"
            ),
        ],
        W.MESH_MTLS,
    ),
    (
        "the proxy's config annotation captures nothing",
        [
            pod("client", "front", annotations={"proxy.istio.io/config": "interceptionMode: NONE"}),
            pod(),
            service(),
        ],
        W.PLAINTEXT,
    ),
    (
        "outbound ranges narrowed, as istio-init was told",
        [
            pod(
                "client",
                "front",
                initContainers=[{"name": "istio-init", "args": ["istio-iptables", "-i", "10.0.0.0/8"]}],
            ),
            pod(),
            service(),
        ],
        W.INDETERMINATE,
    ),
    (
        "outbound ranges narrowed",
        [
            pod(
                "client",
                "front",
                annotations={"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8"},
            ),
            pod(),
            service(),
        ],
        W.INDETERMINATE,
    ),
    (
        "a headless service of which all endpoints take mTLS",
        [CLIENT, pod(), service(clusterIP="None")],
        W.MESH_MTLS,
    ),
    (
        "a headless service of which one endpoint doesn't",
        [CLIENT, pod(), pod("other", proxy=None, labels={"app": "web"}), service(clusterIP="None")],
        W.PLAINTEXT,
    ),
    (
        "a PASSTHROUGH service of which one endpoint doesn't",
        [
            CLIENT,
            pod(),
            pod("other", proxy=None, labels={"app": "web"}),
            service(),
            rule(policy={"loadBalancer": {"simple": "PASSTHROUGH"}}),
        ],
        W.PLAINTEXT,
    ),
    (
        "an ordinary service of which another endpoint doesn't",
        [CLIENT, pod(), pod("other", proxy=None, labels={"app": "web"}), service()],
        W.MESH_MTLS,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "expected"), ENDS, ids=[case[0] for case in ENDS])
def test_both_ends_decide(case: str, manifests: list[Manifest], expected: Wire) -> None:
    assert on_wire(*manifests).wire is expected


REDIRECTED = {"ambient.istio.io/redirection": "enabled"}
AMBIENT_CLIENT = pod("client", "front", proxy=None, annotations=REDIRECTED)
AMBIENT = [
    ("ambient to ambient", [AMBIENT_CLIENT, pod(proxy=None, annotations=REDIRECTED)], W.MESH_MTLS),
    ("ambient to nothing", [AMBIENT_CLIENT, pod(proxy=None)], W.PLAINTEXT),
    ("ambient to a sidecar that takes no tunnel", [AMBIENT_CLIENT, pod()], W.PLAINTEXT),
    (
        "ambient to a sidecar that nobody saw running",
        [AMBIENT_CLIENT, pod(running=False)],
        W.INDETERMINATE,
    ),
    (
        "ambient to a sidecar that takes tunnels",
        [AMBIENT_CLIENT, pod(labels={"networking.istio.io/tunnel": "http"})],
        W.MESH_MTLS,
    ),
    ("a sidecar to ambient", [CLIENT, pod(proxy=None, annotations=REDIRECTED), service()], W.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "manifests", "expected"), AMBIENT, ids=[case[0] for case in AMBIENT])
def test_ambient_clients(case: str, manifests: list[Manifest], expected: Wire) -> None:
    assert on_wire(*manifests).wire is expected


CONTROL_PLANE = {"linkerd.io/control-plane-ns": "linkerd"}
PREFIX = "config.linkerd.io/"


def linkerd(name: str = "web", namespace: str = "shop", **more: Any) -> Manifest:
    return pod(name, namespace, proxy="linkerd-proxy", labels=more.pop("labels", CONTROL_PLANE), **more)


LINKERD = [
    ("both meshed", [linkerd("client", "front"), linkerd()], W.MESH_MTLS),
    ("the destination isn't", [linkerd("client", "front"), pod(proxy=None)], W.PLAINTEXT),
    ("the client isn't", [pod("client", "front", proxy=None), linkerd()], W.PLAINTEXT),
    (
        "another control plane's label",
        [linkerd("client", "front"), linkerd(labels={"linkerd.io/control-plane-ns": "x"})],
        W.PLAINTEXT,
    ),
    ("no control plane's label", [linkerd("client", "front"), linkerd(labels={})], W.PLAINTEXT),
    (
        "skipped inbound",
        [linkerd("client", "front"), linkerd(annotations={PREFIX + "skip-inbound-ports": "8080"})],
        W.PLAINTEXT,
    ),
    (
        "skipped outbound, by the Service's port",
        [
            linkerd("client", "front", annotations={PREFIX + "skip-outbound-ports": "80"}),
            linkerd(),
            service(),
        ],
        W.PLAINTEXT,
    ),
    (
        "some subnets skipped",
        [linkerd("client", "front", annotations={PREFIX + "skip-subnets": "10.0.0.0/8"}), linkerd()],
        W.INDETERMINATE,
    ),
    ("an Istio client", [CLIENT, linkerd(), service()], W.PLAINTEXT),
]


@pytest.mark.parametrize(("case", "manifests", "expected"), LINKERD, ids=[case[0] for case in LINKERD])
def test_linkerd_clients(case: str, manifests: list[Manifest], expected: Wire) -> None:
    assert on_wire(*manifests).wire is expected


def test_a_client_that_may_be_in_a_mesh_is_unknown() -> None:
    encryption, endpoints = world(deployment("client"), pod(), service(), claims=())
    client = endpoints["shop/Deployment/client"]
    assert encryption.client_tls(client, endpoints["shop/Pod/web"], 8080).wire is W.INDETERMINATE


def rules_of(*manifests: Manifest, **options: Any) -> dict[str, ClientRule]:
    encryption, _ = world(*manifests, **options)
    for found in encryption.client_rules():
        assert_explained(found.causes)
    return {found.object.rpartition("/")[2]: found for found in encryption.client_rules()}


def test_rules_that_weaken_clients_are_listed_with_their_services() -> None:
    found = rules_of(
        CLIENT,
        pod(),
        service(),
        rule("disable", "front", policy=tls()),
        rule("trap", "third", policy=tls("SIMPLE", credentialName="x")),
        rule("unverified", "fourth", policy=tls("SIMPLE", insecureSkipVerify=True)),
        rule("verified", "fifth", policy=tls("SIMPLE")),
        rule("mesh", "shop", policy=tls("ISTIO_MUTUAL")),
        rule("tuning", "sixth", policy={"connectionPool": {}}),
        rule("elsewhere", "shop", policy=tls(), host="example.com"),
        rule("unreadable", "seventh", policy=tls("SECURE")),
    )
    downgrades = {name: entry.downgrades for name, entry in found.items()}
    assert downgrades == {
        "disable": Tri.YES,
        "trap": Tri.YES,
        "unverified": Tri.YES,
        "verified": Tri.NO,
        "mesh": Tri.NO,
        "tuning": Tri.NO,
        "elsewhere": Tri.NO,
        "unreadable": Tri.UNKNOWN,
    }
    assert [name for name, entry in found.items() if not entry.applies] == ["elsewhere"]
    assert found["disable"].services == ("shop/Service/web",)
    assert [ref.rule for ref in found["disable"].chain] == ["spec.trafficPolicy.tls"]


def test_a_rule_for_an_unmeshed_service_does_not_apply() -> None:
    assert not rules_of(pod(proxy=None), service(), rule(policy=tls()))["r"].applies


def test_a_younger_rule_for_the_same_host_loses_its_policy() -> None:
    found = rules_of(
        pod(),
        service(),
        rule("old", policy=tls("ISTIO_MUTUAL"), created="01"),
        rule("young", policy=tls(), created="02"),
    )
    assert (found["old"].downgrades, found["young"].downgrades) == (Tri.NO, Tri.NO)


def test_a_wildcard_spares_services_with_a_rule_of_their_own() -> None:
    found = rules_of(
        pod(),
        service(),
        rule("wide", policy=tls(), host="*.shop.svc.cluster.local"),
        rule("own", policy=tls("ISTIO_MUTUAL")),
    )
    assert not found["wide"].applies
    assert found["own"].applies


def test_a_port_entry_that_downgrades_is_named() -> None:
    policy = {**tls("ISTIO_MUTUAL"), "portLevelSettings": [{"port": {"number": 80}, **tls()}]}
    found = rules_of(pod(), service(), rule(policy=policy))["r"]
    assert found.downgrades is Tri.YES
    assert [ref.rule for ref in found.chain] == ["spec.trafficPolicy.portLevelSettings[0]"]


def test_a_port_entry_that_drops_tls_downgrades_where_automatic_mtls_is_off() -> None:
    policy = {**tls("ISTIO_MUTUAL"), "portLevelSettings": [{"port": {"number": 80}}]}
    off = config_map("istio", ROOT, mesh="enableAutoMtls: false")
    assert rules_of(pod(), service(), rule(policy=policy))["r"].downgrades is Tri.NO
    assert rules_of(pod(), service(), rule(policy=policy), off)["r"].downgrades is Tri.YES
