"""What holds for every cluster: stricter never weakens, strangers don't matter, order doesn't matter, nothing raises."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.model.verdict import EncryptionRecord, Protection, Tri
from tests.encryption.mesh_manifests import (
    Manifest,
    assert_explained,
    authorization,
    custom,
    judge,
    metadata,
    namespace,
    peer_authentication,
    pod,
    service,
    world,
)

ROOT = "istio-system"
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Slow machines are no failure."""
TEXT = st.text(alphabet="{}[]&*!:-, \n'a1", max_size=40)
MODES = st.sampled_from(["DISABLE", "PERMISSIVE", "STRICT", "UNSET"])
ORDER = ["DISABLE", "PERMISSIVE", "STRICT"]


@st.composite
def peer_policies(draw: st.DrawFn) -> Manifest:
    where = draw(st.sampled_from(["shop", ROOT, "other"]))
    spec: Manifest = {"mtls": {"mode": draw(MODES)}}
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(st.sampled_from([{"app": "web"}, {"app": "x"}, {}]))}
        if draw(st.booleans()):
            spec["portLevelMtls"] = {draw(st.sampled_from([80, 8080])): {"mode": draw(MODES)}}
    created = draw(st.sampled_from(["01", "02", "03", None]))
    return peer_authentication(draw(st.sampled_from("abcdef")) + where, where, spec, created)


def distinct(policies: list[Manifest]) -> list[Manifest]:
    return list({(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in policies}.values())


POLICIES = st.lists(peer_policies(), max_size=6).map(distinct)


def at_least(stricter: EncryptionRecord, record: EncryptionRecord) -> bool:
    """Whether plaintext that was refused stays refused, and encryption and identities that were sure stay sure."""
    kept = [
        record.plaintext_accepted is not Tri.NO or stricter.plaintext_accepted is Tri.NO,
        record.cross_node_encrypted is not Tri.YES or stricter.cross_node_encrypted is Tri.YES,
        record.client_authenticated is not Tri.YES or stricter.client_authenticated is Tri.YES,
    ]
    return all(kept)


@UNHURRIED
@given(POLICIES, st.data())
def test_a_stricter_policy_never_weakens_a_sidecars_verdict(
    policies: list[Manifest], data: st.DataObject
) -> None:
    before = judge(pod(), *policies)
    stricter = copy.deepcopy(policies)
    for policy in stricter:
        mode = policy["spec"]["mtls"]["mode"]
        if mode in ORDER:
            policy["spec"]["mtls"]["mode"] = data.draw(st.sampled_from(ORDER[ORDER.index(mode) :]))
        for entry in policy["spec"].get("portLevelMtls", {}).values():
            if entry["mode"] in ORDER:
                entry["mode"] = data.draw(st.sampled_from(ORDER[ORDER.index(entry["mode"]) :]))
    assert at_least(judge(pod(), *stricter).record, before.record)


@UNHURRIED
@given(POLICIES)
def test_making_every_mode_strict_never_weakens_ambient(policies: list[Manifest]) -> None:
    running = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})
    before = judge(running, *policies)
    strict = copy.deepcopy(policies)
    for policy in strict:
        if policy["spec"]["mtls"]["mode"] != "UNSET":
            policy["spec"]["mtls"]["mode"] = "STRICT"
        for entry in policy["spec"].get("portLevelMtls", {}).values():
            entry["mode"] = "STRICT"
    assert at_least(judge(running, *strict).record, before.record)


@UNHURRIED
@given(POLICIES, POLICIES)
def test_an_unrelated_namespace_never_changes_a_verdict(
    policies: list[Manifest], others: list[Manifest]
) -> None:
    moved = [copy.deepcopy(policy) for policy in others]
    for policy in moved:
        policy["metadata"]["namespace"] = "unrelated"
    known = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in policies}
    strangers = [p for p in distinct(moved) if ("unrelated", p["metadata"]["name"]) not in known]
    strangers += [pod("stranger", "unrelated"), namespace("unrelated"), authorization("x", "unrelated", {})]
    before, after = judge(pod(), *policies), judge(pod(), *policies, *strangers)
    assert (before.record, before.causes, before.chain) == (after.record, after.causes, after.chain)


@UNHURRIED
@given(POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_objects_is_irrelevant(policies: list[Manifest], random: Any) -> None:
    objects = [pod(), pod("client"), service(), *policies, authorization("a", "shop", {"rules": [{}]})]
    shuffled = list(objects)
    random.shuffle(shuffled)
    before, after = judge(*objects), judge(*shuffled)
    assert (before.record, before.causes, before.chain, before.evidence) == (
        after.record,
        after.causes,
        after.chain,
        after.evidence,
    )


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70000)
    | st.sampled_from(["", "STRICT", "*", "8080", "web", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mode", "mtls", "port", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SERVER = {"podSelector": {"matchLabels": {"app": "web"}}, "port": 8080, "accessPolicy": "deny"}
TARGET = {"group": "policy.linkerd.io", "kind": "Server", "name": "s"}
SPECS: list[tuple[str, str, str, Manifest]] = [
    (
        "security.istio.io/v1",
        "PeerAuthentication",
        "p",
        {
            "selector": {"matchLabels": {"app": "web"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"8080": {"mode": "STRICT"}},
        },
    ),
    (
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "a",
        {
            "selector": {"matchLabels": {"app": "web"}},
            "action": "ALLOW",
            "rules": [
                {
                    "from": [{"source": {"principals": ["*"]}}],
                    "to": [{"operation": {"ports": ["8080"]}}],
                    "when": [{"key": "source.principal", "values": ["x"]}],
                }
            ],
        },
    ),
    (
        "networking.istio.io/v1",
        "DestinationRule",
        "d",
        {
            "host": "web",
            "exportTo": ["*"],
            "trafficPolicy": {"tls": {"mode": "SIMPLE"}, "portLevelSettings": [{"port": {"number": 80}}]},
            "subsets": [{"name": "v", "labels": {"app": "web"}, "trafficPolicy": {}}],
            "workloadSelector": {"matchLabels": {"app": "web"}},
        },
    ),
    (
        "networking.istio.io/v1",
        "VirtualService",
        "v",
        {"http": [{"route": [{"destination": {"host": "web", "subset": "v"}}], "mirror": {"host": "web"}}]},
    ),
    (
        "networking.istio.io/v1",
        "Sidecar",
        "s",
        {
            "workloadSelector": {"labels": {"app": "web"}},
            "ingress": [{"port": {"number": 8080}, "tls": {"mode": "SIMPLE"}}],
        },
    ),
    (
        "networking.istio.io/v1alpha3",
        "EnvoyFilter",
        "e",
        {
            "workloadSelector": {"labels": {"app": "web"}},
            "configPatches": [
                {
                    "applyTo": "HTTP_FILTER",
                    "match": {"context": "ANY", "listener": {"portNumber": 1}},
                    "patch": {"value": {"name": "x"}},
                }
            ],
        },
    ),
    ("policy.linkerd.io/v1beta3", "Server", "s", SERVER),
    (
        "policy.linkerd.io/v1beta1",
        "ServerAuthorization",
        "z",
        {"server": {"name": "s"}, "client": {"meshTLS": {"identities": ["*"]}}},
    ),
    (
        "policy.linkerd.io/v1alpha1",
        "AuthorizationPolicy",
        "l",
        {
            "targetRef": TARGET,
            "requiredAuthenticationRefs": [
                {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "m"}
            ],
        },
    ),
    ("policy.linkerd.io/v1alpha1", "MeshTLSAuthentication", "m", {"identities": ["*"]}),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "h", {"parentRefs": [TARGET]}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path inside a manifest."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@st.composite
def broken(draw: st.DrawFn) -> list[Manifest]:
    """A manifest of each kind, one of which has something of any shape somewhere in it."""
    objects = [custom(api, kind, name, "shop", copy.deepcopy(spec), "01") for api, kind, name, spec in SPECS]
    chosen = draw(st.sampled_from(objects))
    path = draw(st.sampled_from(places(chosen["spec"], ("spec",))))
    target: Any = chosen
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = draw(ANYTHING)
    return objects


@settings(UNHURRIED, max_examples=300)
@given(broken(), st.sampled_from(["istio-proxy", "linkerd-proxy"]))
def test_no_shape_of_a_policy_raises(objects: list[Manifest], proxy: str) -> None:
    encryption, endpoints = world(pod(proxy=proxy), pod("client", proxy=proxy), service(), *objects)
    web, client = endpoints["shop/Pod/web"], endpoints["shop/Pod/client"]
    for row in encryption.rows():
        assert_explained(row.causes)
    assert_explained(encryption.client_tls(client, web, 8080).causes)
    for rule in encryption.client_rules():
        assert_explained(rule.causes)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["mesh", "values", "config"]), TEXT | ANYTHING, max_size=3))
def test_no_shape_of_a_config_map_raises(data: Manifest) -> None:
    maps = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, where), "data": data}
        for name, where in (("istio", ROOT), ("istio-sidecar-injector", ROOT), ("linkerd-config", "linkerd"))
    ]
    for proxy in ("istio-proxy", "linkerd-proxy"):
        judge(pod(proxy=proxy), *maps)


@UNHURRIED
@given(ANYTHING)
def test_no_shape_of_a_webhook_raises(anything: Any) -> None:
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata("hooks"),
        "webhooks": [
            {"name": "x.sidecar-injector.istio.io", "rules": anything, "namespaceSelector": anything}
        ],
    }
    judge(pod(proxy=None, running=False), namespace(), hook)


def test_a_yaml_bomb_in_a_config_map_is_refused() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    mesh = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata("istio", ROOT),
        "data": {"mesh": bomb},
    }
    assert judge(pod(), mesh).label is Protection.INDETERMINATE


@UNHURRIED
@given(
    ANYTHING,
    ANYTHING,
    st.dictionaries(
        st.sampled_from(
            [
                "sidecar.istio.io/interceptionMode",
                "proxy.istio.io/config",
                "traffic.sidecar.istio.io/includeInboundPorts",
                "config.linkerd.io/skip-inbound-ports",
            ]
        ),
        TEXT,
    ),
)
def test_no_shape_of_a_pod_raises(arguments: Any, anything: Any, annotations: dict[str, str]) -> None:
    names = ("istio-init", "linkerd-init")
    setup = [{"name": name, "args": arguments, "command": anything} for name in names]
    for proxy in ("istio-proxy", "linkerd-proxy"):
        container = {"name": proxy, "env": anything, "args": arguments, "ports": anything}
        app = {"name": "app", "livenessProbe": anything, "readinessProbe": {"httpGet": anything}}
        running = pod(
            containers=[container, app], initContainers=setup, annotations=annotations, nodeName=anything
        )
        encryption, endpoints = world(running, pod("client", proxy=proxy), service())
        for row in encryption.rows():
            assert_explained(row.causes)
        client, web = endpoints["shop/Pod/client"], endpoints["shop/Pod/web"]
        assert_explained(encryption.flow(client, web, 8080).causes)
