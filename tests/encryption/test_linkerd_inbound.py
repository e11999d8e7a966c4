"""Linkerd: injection, redirection, Servers and their grants, default policies. Verdicts worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.reasons import CAUSES
from auditor.encryption.verdicts import DataPlane
from auditor.model.evidence import Claim
from auditor.model.kinds import NAMESPACE, POD, kind_key
from auditor.model.verdict import Protection, Tri
from tests.encryption.mesh_manifests import (
    Manifest,
    codes,
    config_map,
    custom,
    deployment,
    judge,
    metadata,
    namespace,
    pod,
    world,
)
from tests.objects import complete_claims

P = Protection
POLICY = "policy.linkerd.io/"
SERVER_KIND = {"group": "policy.linkerd.io", "kind": "Server", "name": "http"}
ANY_IDENTITY = custom(POLICY + "v1alpha1", "MeshTLSAuthentication", "any", "shop", {"identities": ["*"]})
ANY_NETWORK = custom(
    POLICY + "v1alpha1", "NetworkAuthentication", "net", "shop", {"networks": [{"cidr": "0.0.0.0/0"}]}
)
MESH_TLS = {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "any"}
NETWORK = {"group": "policy.linkerd.io", "kind": "NetworkAuthentication", "name": "net"}
ACCOUNT = {"kind": "ServiceAccount", "name": "client"}


def meshed(**more: Any) -> Manifest:
    labels = {"linkerd.io/control-plane-ns": "linkerd", **more.pop("labels", {})}
    return pod(proxy="linkerd-proxy", labels=labels, **more)


def cluster_default(policy: str = "all-unauthenticated", **proxy_init: str) -> Manifest:
    lines = [f"proxy: {{defaultInboundPolicy: {policy}}}"]
    lines += (
        ["proxyInit:", *(f"  {key}: '{value}'" for key, value in proxy_init.items())] if proxy_init else []
    )
    return config_map("linkerd-config", "linkerd", values="\n".join(lines))


def server(name: str = "http", created: str | None = "01", port: Any = 8080, **spec: Any) -> Manifest:
    selector = {"podSelector": {"matchLabels": {"app": "web"}}, "port": port}
    return custom(
        POLICY + "v1beta3", "Server", name, "shop", {**selector, **spec}, created, labels={"part": name}
    )


def policy(*references: Manifest, target: Manifest = SERVER_KIND, name: str = "grant") -> Manifest:
    spec = {"targetRef": target, "requiredAuthenticationRefs": list(references)}
    return custom(POLICY + "v1alpha1", "AuthorizationPolicy", name, "shop", spec)


def server_authorization(client: Any, server: Any = None) -> Manifest:
    spec = {"server": server or {"name": "http"}, "client": client}
    return custom(POLICY + "v1beta1", "ServerAuthorization", "saz", "shop", spec)


def route(api: str, kind: str, name: str = "r") -> Manifest:
    return custom(api, kind, name, "shop", {"parentRefs": [SERVER_KIND]})


def route_target(group: str, kind: str) -> Manifest:
    return {"group": group, "kind": kind, "name": "r"}


GATEWAY_API = "gateway.networking.k8s.io"
GRANTS = [
    ("a Server without a grant", [server()], P.DENIED),
    ("accessPolicy deny is the default", [server(accessPolicy="deny")], P.DENIED),
    ("accessPolicy all-unauthenticated", [server(accessPolicy="all-unauthenticated")], P.OPPORTUNISTIC),
    (
        "accessPolicy cluster-unauthenticated",
        [server(accessPolicy="cluster-unauthenticated")],
        P.OPPORTUNISTIC,
    ),
    ("accessPolicy all-authenticated", [server(accessPolicy="all-authenticated")], P.ENFORCED_MTLS),
    ("accessPolicy cluster-authenticated", [server(accessPolicy="cluster-authenticated")], P.ENFORCED_MTLS),
    ("accessPolicy audit", [server(accessPolicy="audit")], P.OPPORTUNISTIC),
    ("an unknown accessPolicy", [server(accessPolicy="maybe")], P.INDETERMINATE),
    ("mesh identities", [server(), ANY_IDENTITY, policy(MESH_TLS)], P.ENFORCED_MTLS),
    ("a service account", [server(), policy(ACCOUNT)], P.ENFORCED_MTLS),
    ("network references alone", [server(), ANY_NETWORK, policy(NETWORK)], P.OPPORTUNISTIC),
    ("no reference at all", [server(), policy()], P.OPPORTUNISTIC),
    (
        "an identity and a network are both needed",
        [server(), ANY_IDENTITY, ANY_NETWORK, policy(MESH_TLS, NETWORK)],
        P.ENFORCED_MTLS,
    ),
    (
        "of two policies the unauthenticated one opens the port",
        [server(), ANY_IDENTITY, ANY_NETWORK, policy(MESH_TLS), policy(NETWORK, name="b")],
        P.OPPORTUNISTIC,
    ),
    ("a missing authentication: the policy is ignored", [server(), policy(NETWORK)], P.DENIED),
    (
        "a missing authentication among others: ignored whole",
        [server(), ANY_NETWORK, policy(NETWORK, MESH_TLS)],
        P.DENIED,
    ),
    ("an unknown kind of reference", [server(), policy({"kind": "Magic", "name": "x"})], P.INDETERMINATE),
    (
        "a policy for the namespace",
        [server(), ANY_NETWORK, policy(NETWORK, target={"kind": "Namespace", "name": "shop"})],
        P.OPPORTUNISTIC,
    ),
    (
        "a policy for another Server",
        [server(), ANY_NETWORK, policy(NETWORK, target={**SERVER_KIND, "name": "other"})],
        P.DENIED,
    ),
    (
        "an unauthenticated grant on an HTTPRoute of Linkerd's",
        [
            server(),
            ANY_NETWORK,
            ANY_IDENTITY,
            policy(MESH_TLS),
            route(POLICY + "v1beta3", "HTTPRoute"),
            policy(NETWORK, target=route_target("policy.linkerd.io", "HTTPRoute"), name="b"),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "an unauthenticated grant on an HTTPRoute of the Gateway API",
        [
            server(),
            ANY_NETWORK,
            route(GATEWAY_API + "/v1", "HTTPRoute"),
            policy(NETWORK, target=route_target(GATEWAY_API, "HTTPRoute")),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "a grant by identity on a GRPCRoute",
        [
            server(),
            ANY_IDENTITY,
            route(GATEWAY_API + "/v1", "GRPCRoute"),
            policy(MESH_TLS, target=route_target(GATEWAY_API, "GRPCRoute")),
        ],
        P.ENFORCED_MTLS,
    ),
    (
        "a grant on a route that isn't attached",
        [server(), ANY_NETWORK, policy(NETWORK, target=route_target(GATEWAY_API, "HTTPRoute"))],
        P.DENIED,
    ),
    (
        "ServerAuthorization unauthenticated",
        [server(), server_authorization({"unauthenticated": True})],
        P.OPPORTUNISTIC,
    ),
    (
        "ServerAuthorization with TLS but no identity",
        [server(), server_authorization({"meshTLS": {"unauthenticatedTLS": True}})],
        P.TLS_SERVER_ONLY,
    ),
    (
        "ServerAuthorization with identities",
        [server(), server_authorization({"meshTLS": {"identities": ["*"]}})],
        P.ENFORCED_MTLS,
    ),
    (
        "ServerAuthorization that authorizes nobody",
        [server(), server_authorization({"meshTLS": {}})],
        P.DENIED,
    ),
    (
        "ServerAuthorization by the Server's labels",
        [
            server(),
            server_authorization({"unauthenticated": True}, {"selector": {"matchLabels": {"part": "http"}}}),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "ServerAuthorization for another Server's labels",
        [
            server(),
            server_authorization({"unauthenticated": True}, {"selector": {"matchLabels": {"part": "x"}}}),
        ],
        P.DENIED,
    ),
    (
        "ServerAuthorization with a flag that is no flag",
        [server(), server_authorization({"unauthenticated": "yes"})],
        P.INDETERMINATE,
    ),
    ("the Server's port by name", [server(port="http", accessPolicy="all-authenticated")], P.ENFORCED_MTLS),
    ("a Server for another port", [server(port=9090)], P.OPPORTUNISTIC),
    ("a Server for another pod", [server(podSelector={"matchLabels": {"app": "x"}})], P.OPPORTUNISTIC),
    (
        "a Server for external workloads",
        [server(podSelector=None, externalWorkloadSelector={})],
        P.OPPORTUNISTIC,
    ),
    (
        "the oldest Server wins",
        [server("a", "02"), server("b", "01", accessPolicy="all-unauthenticated")],
        P.OPPORTUNISTIC,
    ),
    ("equally old: by name", [server("b", "01", accessPolicy="audit"), server("a", "01")], P.DENIED),
    (
        "Servers without a creation time that differ in effect",
        [server("a", None), server("b", None, accessPolicy="audit")],
        P.INDETERMINATE,
    ),
    ("Servers without a creation time that agree", [server("a", None), server("b", None)], P.DENIED),
    ("a pod selector that cannot be read", [server(podSelector="web")], P.INDETERMINATE),
    ("a port that cannot be read", [server(port={"number": 8080})], P.INDETERMINATE),
    ("requiredAuthenticationRefs of the wrong shape", [server(), policy("any")], P.INDETERMINATE),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("case", "policies", "expected"), GRANTS, ids=[case[0] for case in GRANTS])
def test_a_server_lets_in_what_is_granted(case: str, policies: list[Manifest], expected: Protection) -> None:
    found = judge(meshed(), cluster_default(), *policies)
    assert (found.label, found.data_plane) == (expected, "linkerd")
    assert codes(found) <= set(CAUSES)
    assert any(code.startswith("indeterminate.") for code in codes(found)) == (expected is P.INDETERMINATE)


def test_a_missing_authentication_of_an_incomplete_kind_leaves_it_open() -> None:
    claims = tuple(c for c in complete_claims() if c.key.kind != "NetworkAuthentication")
    found = judge(meshed(), server(), policy(NETWORK), claims=claims)
    assert found.label is P.INDETERMINATE
    assert "indeterminate.linkerd.authentication-missing" in codes(found)


PREFIX = "config.linkerd.io/"
DEFAULTS = [
    (
        "the cluster's all-unauthenticated: injected is not strict",
        meshed(),
        "all-unauthenticated",
        P.OPPORTUNISTIC,
    ),
    ("the cluster's all-authenticated", meshed(), "all-authenticated", P.ENFORCED_MTLS),
    ("the cluster's cluster-authenticated", meshed(), "cluster-authenticated", P.ENFORCED_MTLS),
    ("the cluster's cluster-unauthenticated", meshed(), "cluster-unauthenticated", P.OPPORTUNISTIC),
    ("the cluster's audit", meshed(), "audit", P.OPPORTUNISTIC),
    ("the cluster's deny", meshed(), "deny", P.DENIED),
    ("a default that isn't known", meshed(), "open-sesame", P.INDETERMINATE),
    (
        "the pod's annotation beats the cluster",
        meshed(annotations={PREFIX + "default-inbound-policy": "deny"}),
        "all-unauthenticated",
        P.DENIED,
    ),
    (
        "an annotation that isn't known",
        meshed(annotations={PREFIX + "default-inbound-policy": "x"}),
        "deny",
        P.INDETERMINATE,
    ),
    (
        "identity required on the port",
        meshed(annotations={PREFIX + "proxy-require-identity-inbound-ports": "8000-8100"}),
        "all-unauthenticated",
        P.ENFORCED_MTLS,
    ),
    (
        "identity required, but the default is deny",
        meshed(annotations={PREFIX + "proxy-require-identity-inbound-ports": "8080"}),
        "deny",
        P.DENIED,
    ),
    (
        "identity required, but the default is audit",
        meshed(annotations={PREFIX + "proxy-require-identity-inbound-ports": "8080"}),
        "audit",
        P.OPPORTUNISTIC,
    ),
]


@pytest.mark.parametrize(
    ("case", "running", "default", "expected"), DEFAULTS, ids=[case[0] for case in DEFAULTS]
)
def test_without_a_server_the_default_decides(
    case: str, running: Manifest, default: str, expected: Protection
) -> None:
    assert judge(running, cluster_default(default)).label is expected


def test_required_identity_counts_only_without_a_server() -> None:
    running = meshed(annotations={PREFIX + "proxy-require-identity-inbound-ports": "8080"})
    assert judge(running, cluster_default(), server(accessPolicy="audit")).label is P.OPPORTUNISTIC


def test_the_namespaces_annotation_does_not_count_on_a_running_pod() -> None:
    annotated = namespace(annotations={PREFIX + "default-inbound-policy": "deny"})
    assert judge(meshed(), annotated, cluster_default()).label is P.OPPORTUNISTIC


def test_a_default_that_nothing_tells_is_unknown() -> None:
    assert judge(meshed()).label is P.INDETERMINATE


def test_without_the_config_the_proxys_own_setting_tells_the_default() -> None:
    proxy = {
        "name": "linkerd-proxy",
        "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "deny"}],
    }
    app = {"name": "app", "ports": [{"containerPort": 8080}]}
    assert judge(pod(proxy=None, containers=[app, proxy])).label is P.DENIED


def test_what_the_policy_controller_was_started_with_beats_the_config() -> None:
    controller = pod(
        "dst",
        "linkerd",
        proxy=None,
        labels={"linkerd.io/control-plane-component": "destination"},
        containers=[{"name": "policy", "args": ["--default-policy=all-authenticated"]}],
    )
    assert judge(meshed(), controller, cluster_default()).label is P.ENFORCED_MTLS


def init(ports: str) -> Manifest:
    arguments = [
        "--incoming-proxy-port",
        "4143",
        "--inbound-ports-to-ignore",
        ports,
        "--outbound-ports-to-ignore",
        "",
    ]
    return {"name": "linkerd-init", "args": arguments}


BYPASS = [
    ("captured", meshed(), 8080, "TCP", P.ENFORCED_MTLS),
    ("told to ignore the port", meshed(initContainers=[init("4190,4191,8080")]), 8080, "TCP", P.PLAINTEXT),
    ("told to ignore a range", meshed(initContainers=[init("8000-9000")]), 8080, "TCP", P.PLAINTEXT),
    (
        "what it was told beats the annotation",
        meshed(initContainers=[init("4190")], annotations={PREFIX + "skip-inbound-ports": "8080"}),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
    (
        "told in one word",
        meshed(initContainers=[{"name": "linkerd-init", "args": ["--inbound-ports-to-ignore=8080"]}]),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    (
        "an init container whose arguments were not kept: the annotation",
        meshed(
            initContainers=[{"name": "linkerd-init"}], annotations={PREFIX + "skip-inbound-ports": "8080"}
        ),
        8080,
        "TCP",
        P.PLAINTEXT,
    ),
    ("the annotation", meshed(annotations={PREFIX + "skip-inbound-ports": "8080"}), 8080, "TCP", P.PLAINTEXT),
    (
        "a list that cannot be read",
        meshed(annotations={PREFIX + "skip-inbound-ports": "web"}),
        8080,
        "TCP",
        P.INDETERMINATE,
    ),
    ("4567 is skipped by default", meshed(), 4567, "TCP", P.PLAINTEXT),
    ("4568 is skipped by default", meshed(), 4568, "TCP", P.PLAINTEXT),
    ("the control port is skipped", meshed(), 4190, "TCP", P.PLAINTEXT),
    ("the admin port is skipped", meshed(), 4191, "TCP", P.PLAINTEXT),
    ("UDP is never captured", meshed(), 8080, "UDP", P.PLAINTEXT),
    ("no proxy", pod(proxy=None), 8080, "TCP", P.PLAINTEXT),
    (
        "a native proxy",
        pod(proxy=None, initContainers=[{"name": "linkerd-proxy", "restartPolicy": "Always"}]),
        8080,
        "TCP",
        P.ENFORCED_MTLS,
    ),
]


@pytest.mark.parametrize(
    ("case", "running", "port", "protocol", "expected"), BYPASS, ids=[case[0] for case in BYPASS]
)
def test_ports_that_bypass_the_proxy(
    case: str, running: Manifest, port: int, protocol: str, expected: Protection
) -> None:
    found = judge(running, cluster_default("all-authenticated"), port=port, protocol=protocol)
    assert found.label is expected


def test_the_clusters_list_of_ignored_ports() -> None:
    config = cluster_default("all-authenticated", ignoreInboundPorts="8080")
    assert judge(meshed(), config).label is P.PLAINTEXT


def test_the_proxys_own_ports_are_marked() -> None:
    assert judge(meshed(), cluster_default(), port=4191).proxy_port
    assert not judge(meshed(), cluster_default(), port=8080).proxy_port


def test_probes_are_named_where_they_are_let_in_without_identity() -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    ports = [{"containerPort": 8080, "name": "http"}]
    running = meshed(
        containers=[{"name": "app", "ports": ports, "livenessProbe": probe}, {"name": "linkerd-proxy"}]
    )
    found = judge(running, cluster_default("all-authenticated"))
    assert found.label is P.ENFORCED_MTLS
    probes = [
        dict(cause.parameters) for cause in found.causes if cause.code == "linkerd.probe-without-identity"
    ]
    assert probes == [{"path": "/healthz", "port": "8080"}]


def test_probes_are_named_under_deny_as_well_and_not_where_anybody_is_let_in() -> None:
    ports = [{"containerPort": 8080, "name": "http"}]
    app = {"name": "app", "ports": ports, "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}}
    running = meshed(containers=[app, {"name": "linkerd-proxy"}])
    assert "linkerd.probe-without-identity" in codes(judge(running, cluster_default("deny")))
    assert "linkerd.probe-without-identity" in codes(judge(running, cluster_default(), server()))
    assert "linkerd.probe-without-identity" not in codes(judge(running, cluster_default()))
    attached = route(POLICY + "v1beta3", "HTTPRoute")
    assert "linkerd.probe-without-identity" not in codes(
        judge(running, cluster_default(), server(), attached)
    )


def test_opaque_ports_are_named_and_judged_like_others() -> None:
    found = judge(
        meshed(annotations={PREFIX + "opaque-ports": "8000-9000"}), cluster_default("all-authenticated")
    )
    assert found.label is P.ENFORCED_MTLS
    assert "linkerd.opaque-port" in codes(found)


INJECTOR = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": metadata("linkerd-proxy-injector-webhook-config"),
    "webhooks": [
        {
            "name": "linkerd-proxy-injector.linkerd.io",
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods", "services"]}],
            "namespaceSelector": {
                "matchExpressions": [
                    {
                        "key": "config.linkerd.io/admission-webhooks",
                        "operator": "NotIn",
                        "values": ["disabled"],
                    },
                    {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
                ]
            },
        }
    ],
}
INJECT = "linkerd.io/inject"
ASKING = namespace(annotations={INJECT: "enabled"})
LINKERD, NONE, UNKNOWN = DataPlane.LINKERD, DataPlane.NONE, DataPlane.UNKNOWN
PREDICTIONS = [
    ("the namespace asks", [ASKING, deployment()], LINKERD),
    ("the namespace asks for ingress", [namespace(annotations={INJECT: "ingress"}), deployment()], LINKERD),
    ("nobody asks", [namespace(), deployment()], NONE),
    ("the pod asks", [namespace(), deployment(annotations={INJECT: "enabled"})], LINKERD),
    ("the pod refuses", [ASKING, deployment(annotations={INJECT: "disabled"})], NONE),
    ("any other value refuses", [ASKING, deployment(annotations={INJECT: "true"})], NONE),
    ("the node's network never", [ASKING, deployment(hostNetwork=True)], NONE),
    (
        "the webhook leaves the namespace out",
        [
            namespace(
                labels={"config.linkerd.io/admission-webhooks": "disabled"}, annotations={INJECT: "enabled"}
            ),
            deployment(),
        ],
        NONE,
    ),
    ("a Namespace that isn't in the evidence", [deployment()], UNKNOWN),
]


@pytest.mark.parametrize(
    ("case", "manifests", "expected"), PREDICTIONS, ids=[case[0] for case in PREDICTIONS]
)
def test_injection_is_predicted_for_templates(
    case: str, manifests: list[Manifest], expected: DataPlane
) -> None:
    encryption, endpoints = world(INJECTOR, *manifests)
    assert encryption.membership(endpoints["shop/Deployment/web"]).data_plane is expected


def test_a_running_pod_without_a_proxy_was_not_injected_whatever_its_annotations_ask() -> None:
    found = judge(INJECTOR, ASKING, pod(proxy=None, annotations={INJECT: "enabled"}), cluster_default())
    assert (found.label, found.data_plane) == (P.PLAINTEXT, "none")


def test_without_the_webhook_in_the_evidence_injection_is_unknown() -> None:
    encryption, endpoints = world(ASKING, deployment(), claims=complete_claims([POD, NAMESPACE]))
    assert encryption.membership(endpoints["shop/Deployment/web"]).data_plane is UNKNOWN


def test_a_predicted_pod_inherits_its_namespaces_settings() -> None:
    asking = namespace(
        annotations={INJECT: "enabled", PREFIX + "default-inbound-policy": "all-authenticated"}
    )
    found = judge(INJECTOR, asking, deployment(), cluster_default(), endpoint="shop/Deployment/web")
    assert found.label is P.ENFORCED_MTLS


def test_presence_of_linkerd() -> None:
    def present(*manifests: Manifest, claims: tuple[Claim, ...]) -> Tri:
        return world(*manifests, claims=claims)[0].meshes.linkerd

    assert present(pod(proxy=None), claims=complete_claims()) is Tri.NO
    assert present(pod(proxy=None), claims=()) is Tri.UNKNOWN
    assert present(meshed(), claims=()) is Tri.YES
    assert present(server(), claims=()) is Tri.YES
    assert present(ASKING, claims=complete_claims([kind_key("", "Pod")])) is Tri.YES


def test_pods_with_both_proxies_cannot_be_told() -> None:
    both = pod(containers=[{"name": "app"}, {"name": "istio-proxy"}, {"name": "linkerd-proxy"}])
    found = judge(both, cluster_default("all-authenticated"))
    assert found.label is P.INDETERMINATE
    assert "indeterminate.mesh.two-proxies" in codes(found)
