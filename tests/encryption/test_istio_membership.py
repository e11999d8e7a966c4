"""Membership of Istio's data plane: observed, and predicted for templates without pods; ambient's own rules."""

from typing import Any

import pytest

from auditor.encryption.verdicts import Basis, DataPlane
from auditor.model.kinds import NAMESPACE, POD, kind_key
from auditor.model.verdict import Protection, Tri
from tests.encryption.mesh_manifests import (
    DISABLE,
    PERMISSIVE,
    STRICT,
    Manifest,
    authorization,
    codes,
    config_map,
    deployment,
    judge,
    metadata,
    namespace,
    peer_authentication,
    pod,
    workload,
    world,
)
from tests.objects import complete_claims

P = Protection
INJECT = "sidecar.istio.io/inject"
REV = "istio.io/rev"


def requirement(key: str, operator: str, *values: str) -> Manifest:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def hook(namespaces: list[Manifest], pods: list[Manifest], prefix: str) -> Manifest:
    return {
        "name": f"{prefix}sidecar-injector.istio.io",
        "clientConfig": {"service": {"name": "istiod", "path": "/inject"}},
        "rules": [
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
        ],
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": pods},
    }


NOT_REFUSED = requirement(INJECT, "NotIn", "false")
INJECTOR = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": metadata("istio-sidecar-injector"),
    "webhooks": [
        hook(
            [requirement(REV, "In", "default"), requirement("istio-injection", "DoesNotExist")],
            [NOT_REFUSED],
            "rev.namespace.",
        ),
        hook(
            [requirement("istio-injection", "DoesNotExist"), requirement(REV, "DoesNotExist")],
            [NOT_REFUSED, requirement(REV, "In", "default")],
            "rev.object.",
        ),
        hook([requirement("istio-injection", "In", "enabled")], [NOT_REFUSED], "namespace."),
        hook(
            [requirement("istio-injection", "DoesNotExist"), requirement(REV, "DoesNotExist")],
            [requirement(INJECT, "In", "true"), requirement(REV, "DoesNotExist")],
            "object.",
        ),
    ],
}
ENABLED = namespace(labels={"istio-injection": "enabled"})
PLAIN = namespace()
SIDECAR, NONE, UNKNOWN, AMBIENT = (
    DataPlane.ISTIO_SIDECAR,
    DataPlane.NONE,
    DataPlane.UNKNOWN,
    DataPlane.ISTIO_AMBIENT,
)


def injector_config(text: str) -> Manifest:
    return config_map("istio-sidecar-injector", "istio-system", config=text)


PREDICTIONS = [
    ("the namespace asks for injection", [ENABLED, deployment()], SIDECAR),
    ("the namespace doesn't ask", [PLAIN, deployment()], NONE),
    ("the namespace names the revision", [namespace(labels={REV: "default"}), deployment()], SIDECAR),
    ("the namespace names another revision", [namespace(labels={REV: "canary"}), deployment()], NONE),
    (
        "istio-injection outranks the revision label",
        [namespace(labels={"istio-injection": "disabled", REV: "default"}), deployment()],
        NONE,
    ),
    ("the pod asks in a namespace without labels", [PLAIN, deployment(labels={INJECT: "true"})], SIDECAR),
    (
        "the pod cannot ask where the namespace refuses",
        [namespace(labels={"istio-injection": "disabled"}), deployment(labels={INJECT: "true"})],
        NONE,
    ),
    ("the pod refuses by label", [ENABLED, deployment(labels={INJECT: "false"})], NONE),
    ("the pod refuses by annotation", [ENABLED, deployment(annotations={INJECT: "false"})], NONE),
    (
        "the label outranks the annotation",
        [ENABLED, deployment(labels={INJECT: "true"}, annotations={INJECT: "false"})],
        SIDECAR,
    ),
    ("a value that isn't a yes is a no", [ENABLED, deployment(annotations={INJECT: "maybe"})], NONE),
    (
        "the pod's annotation alone doesn't call the webhook",
        [PLAIN, deployment(annotations={INJECT: "true"})],
        NONE,
    ),
    ("the node's network is never injected", [ENABLED, deployment(hostNetwork=True)], NONE),
    (
        "kube-system is never injected",
        [namespace("kube-system", {"istio-injection": "enabled"}), deployment(namespace="kube-system")],
        NONE,
    ),
    (
        "neverInject",
        [
            ENABLED,
            deployment(),
            injector_config("policy: enabled\nneverInjectSelector: [{matchLabels: {app: web}}]"),
        ],
        NONE,
    ),
    (
        "alwaysInject under the policy disabled",
        [
            ENABLED,
            deployment(),
            injector_config("policy: disabled\nalwaysInjectSelector: [{matchLabels: {app: web}}]"),
        ],
        SIDECAR,
    ),
    ("the policy disabled", [ENABLED, deployment(), injector_config("policy: disabled")], NONE),
    ("a policy that cannot be read", [ENABLED, deployment(), injector_config("{{")], UNKNOWN),
    ("a Namespace that isn't in the evidence", [deployment()], UNKNOWN),
    ("a manifest of a pod is a template too", [ENABLED, pod(proxy=None, running=False)], SIDECAR),
]


@pytest.mark.parametrize(
    ("case", "manifests", "expected"), PREDICTIONS, ids=[case[0] for case in PREDICTIONS]
)
def test_injection_is_predicted_from_the_real_webhooks(
    case: str, manifests: list[Manifest], expected: DataPlane
) -> None:
    encryption, endpoints = world(INJECTOR, *manifests)
    found = encryption.membership(next(iter(endpoints.values())))
    assert found.data_plane is expected
    assert (found.basis is Basis.UNKNOWN) == (expected is UNKNOWN)


def test_without_the_webhooks_in_the_evidence_injection_is_unknown() -> None:
    kinds = [POD, NAMESPACE]
    encryption, endpoints = world(ENABLED, deployment(), claims=complete_claims(kinds))
    found = encryption.membership(endpoints["shop/Deployment/web"])
    assert found.data_plane is UNKNOWN
    assert judge(ENABLED, deployment(), endpoint="shop/Deployment/web", claims=()).label is P.INDETERMINATE


def test_with_all_webhooks_in_the_evidence_and_none_of_istio_nothing_is_injected() -> None:
    encryption, endpoints = world(ENABLED, deployment())
    assert encryption.membership(endpoints["shop/Deployment/web"]).data_plane is NONE


def test_a_running_pod_without_a_proxy_beats_the_namespaces_label() -> None:
    found = judge(INJECTOR, ENABLED, pod(proxy=None), peer_authentication("ns", "shop", STRICT))
    assert (found.label, found.data_plane) == (P.PLAINTEXT, "none")


def test_a_predicted_sidecar_gets_the_verdict_of_its_policies() -> None:
    manifests = [INJECTOR, ENABLED, deployment(), peer_authentication("ns", "shop", STRICT)]
    found = judge(*manifests, endpoint="shop/Deployment/web")
    assert found.label is P.ENFORCED_MTLS
    assert "injection.webhook-called" in codes(found)


ZTUNNEL = pod("ztunnel", "istio-system", proxy=None)
AMBIENT_NAMESPACE = namespace(labels={"istio.io/dataplane-mode": "ambient"})
AMBIENT_CASES = [
    ("the namespace's label, a template", [AMBIENT_NAMESPACE, deployment()], AMBIENT),
    ("the pod's label", [PLAIN, deployment(labels={"istio.io/dataplane-mode": "ambient"})], AMBIENT),
    ("the pod declines", [AMBIENT_NAMESPACE, deployment(labels={"istio.io/dataplane-mode": "none"})], NONE),
    ("the node's network never", [AMBIENT_NAMESPACE, deployment(hostNetwork=True)], NONE),
    (
        "a pod with a sidecar's status never",
        [AMBIENT_NAMESPACE, deployment(annotations={"sidecar.istio.io/status": "{}"})],
        NONE,
    ),
    (
        "injection goes first",
        [
            INJECTOR,
            namespace(labels={"istio-injection": "enabled", "istio.io/dataplane-mode": "ambient"}),
            deployment(),
        ],
        SIDECAR,
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "expected"), AMBIENT_CASES, ids=[case[0] for case in AMBIENT_CASES]
)
def test_ambient_is_expected_by_intent(case: str, manifests: list[Manifest], expected: DataPlane) -> None:
    encryption, endpoints = world(ZTUNNEL, *manifests)
    assert encryption.membership(endpoints["shop/Deployment/web"]).data_plane is expected


def test_ambient_is_not_expected_without_ztunnel() -> None:
    encryption, endpoints = world(AMBIENT_NAMESPACE, deployment(), pod("other"))
    assert encryption.membership(endpoints["shop/Deployment/web"]).data_plane is NONE


def redirected(state: str = "enabled", **more: Any) -> Manifest:
    annotations = {"ambient.istio.io/redirection": state, **more.pop("annotations", {})}
    return pod(proxy=None, annotations=annotations, **more)


ROOT = "istio-system"
UNSET_PORT_DISABLE = workload(portLevelMtls={8080: {"mode": "DISABLE"}})
PORTS = {8080: {"mode": "DISABLE"}, 9090: {"mode": "PERMISSIVE"}}
AMBIENT_MODES = [
    ("STRICT", [peer_authentication("ns", "shop", STRICT)], P.ENFORCED_MTLS),
    ("no policy", [], P.OPPORTUNISTIC),
    ("DISABLE behaves as PERMISSIVE", [peer_authentication("ns", "shop", DISABLE)], P.OPPORTUNISTIC),
    ("mesh STRICT", [peer_authentication("m", ROOT, STRICT)], P.ENFORCED_MTLS),
    (
        "mesh STRICT with an empty selector is ignored for ambient workloads elsewhere",
        [peer_authentication("m", ROOT, {"selector": {}, **STRICT})],
        P.OPPORTUNISTIC,
    ),
    (
        "workload UNSET, port DISABLE under a STRICT parent stays STRICT",
        [peer_authentication("ns", "shop", STRICT), peer_authentication("w", "shop", UNSET_PORT_DISABLE)],
        P.ENFORCED_MTLS,
    ),
    (
        "but not once another port is PERMISSIVE",
        [
            peer_authentication("ns", "shop", STRICT),
            peer_authentication("w", "shop", workload(portLevelMtls=PORTS)),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "workload UNSET, port PERMISSIVE under a STRICT parent",
        [
            peer_authentication("ns", "shop", STRICT),
            peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "PERMISSIVE"}})),
        ],
        P.OPPORTUNISTIC,
    ),
    (
        "workload STRICT, port DISABLE is an exception",
        [peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "DISABLE"}}, **STRICT))],
        P.OPPORTUNISTIC,
    ),
    (
        "workload PERMISSIVE, port STRICT",
        [peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "STRICT"}}, **PERMISSIVE))],
        P.ENFORCED_MTLS,
    ),
    (
        "workload UNSET, port STRICT without a parent",
        [peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "STRICT"}}))],
        P.ENFORCED_MTLS,
    ),
    (
        "names don't break ties",
        [peer_authentication("a", "shop", STRICT), peer_authentication("b", "shop", PERMISSIVE)],
        P.INDETERMINATE,
    ),
    (
        "an ALLOW by HTTP path is dropped, so that it lets nobody in",
        [authorization("a", "shop", {"rules": [{"to": [{"operation": {"paths": ["/"]}}]}]})],
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    (
        "a DENY with HTTP fields is not counted on",
        [
            authorization(
                "a",
                "shop",
                {
                    "action": "DENY",
                    "rules": [
                        {
                            "from": [{"source": {"notPrincipals": ["*"]}}],
                            "to": [{"operation": {"methods": ["GET"]}}],
                        }
                    ],
                },
            )
        ],
        P.OPPORTUNISTIC,
    ),
]


@pytest.mark.parametrize(
    ("case", "policies", "expected"), AMBIENT_MODES, ids=[case[0] for case in AMBIENT_MODES]
)
def test_ambient_is_read_with_its_own_rules(
    case: str, policies: list[Manifest], expected: Protection
) -> None:
    found = judge(redirected(), *policies)
    assert (found.label, found.data_plane) == (expected, "istio-ambient")


NOT_REDIRECTED = [
    ("pending is not protected", redirected("pending"), "TCP", P.PLAINTEXT),
    (
        "inbound capture bypassed",
        redirected(annotations={"ambient.istio.io/bypass-inbound-capture": "true"}),
        "TCP",
        P.PLAINTEXT,
    ),
    ("UDP", redirected(), "UDP", P.PLAINTEXT),
    (
        "the label alone on a running pod",
        pod(proxy=None, labels={"istio.io/dataplane-mode": "ambient"}),
        "TCP",
        P.PLAINTEXT,
    ),
]


@pytest.mark.parametrize(
    ("case", "running", "protocol", "expected"), NOT_REDIRECTED, ids=[c[0] for c in NOT_REDIRECTED]
)
def test_ambient_protects_what_is_redirected(
    case: str, running: Manifest, protocol: str, expected: Protection
) -> None:
    assert judge(running, peer_authentication("ns", "shop", STRICT), protocol=protocol).label is expected


PRESENCE = [
    ("nothing, every pod seen", [pod(proxy=None)], complete_claims(), Tri.NO),
    ("nothing, pods not claimed complete", [pod(proxy=None)], (), Tri.UNKNOWN),
    ("nothing, namespaces not claimed complete", [pod(proxy=None)], complete_claims([POD]), Tri.UNKNOWN),
    (
        "nothing, but manifests are no observation",
        [pod(proxy=None, running=False)],
        complete_claims(),
        Tri.UNKNOWN,
    ),
    ("a sidecar", [pod()], (), Tri.YES),
    ("istiod", [pod("istiod", "istio-system", proxy=None)], (), Tri.YES),
    ("a policy of it", [peer_authentication("ns", "shop", STRICT)], (), Tri.YES),
    ("a namespace that asks for it", [ENABLED], (), Tri.YES),
    ("its webhooks", [INJECTOR], (), Tri.YES),
]


@pytest.mark.parametrize(
    ("case", "manifests", "claims", "expected"), PRESENCE, ids=[case[0] for case in PRESENCE]
)
def test_presence_of_istio(case: str, manifests: list[Manifest], claims: Any, expected: Tri) -> None:
    encryption, _ = world(*manifests, claims=claims)
    assert encryption.meshes.istio is expected
    assert encryption.meshes.istio_reasons.causes


def test_a_template_in_a_cluster_known_to_have_no_mesh_is_plaintext() -> None:
    kinds = [POD, NAMESPACE, kind_key("apps", "Deployment")]
    found = judge(
        PLAIN,
        pod("other", proxy=None),
        deployment(),
        endpoint="shop/Deployment/web",
        claims=complete_claims(kinds),
    )
    assert found.label is P.PLAINTEXT
