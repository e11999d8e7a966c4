"""Istio's AuthorizationPolicy as a layer (connectivity.md 30-33, encryption.md 1d), worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from auditor.network.connectivity import Connectivity
from tests.network.building import Raw, connect, namespace, pod

SHOP, LAB = namespace("shop"), namespace("lab")
ROOT = "istio-system"


def workload(name: str, space: str, address: str, proxy: str = "sidecar", **annotations: str) -> Raw:
    """A pod with service account `<name>`, with a sidecar, behind ztunnel, without either, or never seen running."""
    raw = pod(name, space, {"app": name}, address=address)
    raw["spec"]["serviceAccountName"] = name
    raw["metadata"]["annotations"] = dict(annotations)
    if proxy == "sidecar":
        raw["spec"]["containers"].append({"name": "istio-proxy"})
    if proxy == "ambient":
        raw["metadata"]["annotations"]["ambient.istio.io/redirection"] = "enabled"
    if proxy == "unseen":
        raw["status"] = {}
    return raw


PODS = [
    workload("web", "shop", "10.0.0.1"),
    workload("db", "shop", "10.0.0.2"),
    workload("cache", "shop", "10.0.0.3", "ambient"),
    workload("bare", "shop", "10.0.0.4", "none"),
    workload("draft", "shop", "10.0.0.5", "unseen"),
    workload("probe", "lab", "10.0.1.1"),
]


def authorization(name: str, spec: Any, space: str = "shop", **annotations: str) -> Raw:
    metadata = {"name": name, "namespace": space, "annotations": annotations}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


def rule(source: Any = None, operation: Any = None, *when: Any) -> Raw:
    found: Raw = {}
    if source:
        found["from"] = [{"source": source}]
    if operation:
        found["to"] = [{"operation": operation}]
    if when:
        found["when"] = list(when)
    return found


def allow(*rules: Any, app: str = "db", **spec: Any) -> Raw:
    return {"selector": {"matchLabels": {"app": app}}, "action": "ALLOW", "rules": list(rules), **spec}


def deny(*rules: Any, app: str = "db", **spec: Any) -> Raw:
    return {**allow(*rules, app=app), "action": "DENY", **spec}


def custom(*rules: Any, app: str = "db") -> Raw:
    return {**allow(*rules, app=app), "action": "CUSTOM", "provider": {"name": "opa"}}


def service(name: str, port_name: str, **more: Any) -> Raw:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "name": port_name, **more}]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def istio(kind: str, name: str, spec: Any, space: str = "shop", group: str = "security") -> Raw:
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def mesh(settings: str) -> Raw:
    metadata = {"name": "istio", "namespace": ROOT}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": settings}}


def cluster(*objects: Raw) -> Connectivity:
    return connect([SHOP, LAB, *PODS, *objects])


def verdict(objects: Sequence[Raw], flow: str) -> str:
    """`source > destination port/PROTOCOL`, judged by what enforces it."""
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    number, _, protocol = port.partition("/")
    engine = cluster(*objects)
    found = engine.allows(engine.resolve(source), engine.resolve(destination), int(number), protocol or "TCP")
    return found.verdict.value


OPEN, SHUT, MAYBE, PARTLY, DECLARED = (
    "allowed",
    "denied",
    "indeterminate",
    "conditional",
    "declared-not-enforced",
)
WEB_DB, PROBE_DB, BARE_DB, NET_DB = (
    "shop/web > shop/db 80",
    "lab/probe > shop/db 80",
    "shop/bare > shop/db 80",
    "internet > shop/db 80",
)
WEB_ID = "cluster.local/ns/shop/sa/web"
GET = {"methods": ["GET"]}

CASES: list[tuple[str, list[Raw], str, str]] = [
    # 30: order of actions
    ("30: without an ALLOW everything is let in", [], NET_DB, OPEN),
    ("30: an ALLOW that matches", [authorization("a", allow(rule({"principals": [WEB_ID]})))], WEB_DB, OPEN),
    (
        "30: an ALLOW that doesn't match denies",
        [authorization("a", allow(rule({"principals": [WEB_ID]})))],
        PROBE_DB,
        SHUT,
    ),
    (
        "30: it denies only whom it selects",
        [authorization("a", allow(rule({"principals": [WEB_ID]})))],
        "lab/probe > shop/web 80",
        OPEN,
    ),
    ("30: spec {} denies all", [authorization("a", {})], WEB_DB, SHUT),
    ("30: ALLOW without rules denies all", [authorization("a", allow())], WEB_DB, SHUT),
    ("30: an empty rule allows all", [authorization("a", allow({}))], NET_DB, OPEN),
    (
        "30: DENY comes before ALLOW",
        [authorization("a", allow({})), authorization("d", deny(rule({"namespaces": ["shop"]})))],
        WEB_DB,
        SHUT,
    ),
    ("30: DENY without rules never matches", [authorization("d", deny())], WEB_DB, OPEN),
    (
        "30: a DENY alone leaves the rest open",
        [authorization("d", deny(rule({"namespaces": ["lab"]})))],
        WEB_DB,
        OPEN,
    ),
    ("30: AUDIT is inert", [authorization("a", {**allow(), "action": "AUDIT"})], WEB_DB, OPEN),
    ("30: dry-run is inert", [authorization("a", allow(), **{"istio.io/dry-run": "true"})], WEB_DB, OPEN),
    ("30: CUSTOM is a condition", [authorization("c", custom({}))], WEB_DB, PARTLY),
    (
        "30: CUSTOM doesn't open what ALLOW doesn't",
        [authorization("c", custom({})), authorization("a", allow())],
        WEB_DB,
        SHUT,
    ),
    (
        "30: CUSTOM only where it matches",
        [authorization("c", custom(rule(None, {"ports": ["443"]})))],
        WEB_DB,
        OPEN,
    ),
    ("30: allows add up", [authorization("a", allow()), authorization("b", allow({}))], WEB_DB, OPEN),
    # 31: where policies apply
    ("31: the root namespace without a selector is mesh-wide", [authorization("r", {}, ROOT)], WEB_DB, SHUT),
    ("31: with one it selects pods of all namespaces", [authorization("r", allow(), ROOT)], WEB_DB, SHUT),
    ("31: and no others", [authorization("r", allow(), ROOT)], "shop/db > shop/web 80", OPEN),
    ("31: another namespace's policy doesn't reach", [authorization("r", {}, "lab")], WEB_DB, OPEN),
    (
        "31: the root namespace is MeshConfig's",
        [mesh("rootNamespace: lab\n"), authorization("r", {}, "lab")],
        WEB_DB,
        SHUT,
    ),
    (
        "31: selector and targetRefs exclude each other",
        [authorization("a", {**allow({}), "targetRefs": [{"kind": "Service", "name": "db"}]})],
        WEB_DB,
        MAYBE,
    ),
    (
        "31: a policy for a waypoint leaves sidecars alone",
        [authorization("a", {"targetRefs": [{"kind": "Service", "name": "db"}]})],
        WEB_DB,
        OPEN,
    ),
    (
        "31: what a waypoint does for pods behind ztunnel cannot be told",
        [authorization("a", {"targetRefs": [{"kind": "Service", "name": "cache"}]})],
        "shop/web > shop/cache 80",
        MAYBE,
    ),
    # 32: requests
    (
        "32: HTTP attributes are a condition of ALLOW",
        [authorization("a", allow(rule(None, GET)))],
        WEB_DB,
        PARTLY,
    ),
    ("32: and of DENY", [authorization("d", deny(rule(None, GET)))], WEB_DB, PARTLY),
    (
        "32: a token is one too",
        [authorization("a", allow(rule({"requestPrincipals": ["*"]})))],
        WEB_DB,
        PARTLY,
    ),
    (
        "32: and request headers",
        [authorization("a", allow(rule(None, None, {"key": "request.headers[x]", "values": ["y"]})))],
        WEB_DB,
        PARTLY,
    ),
    (
        "32: on TCP such an ALLOW never matches",
        [service("db", "tcp-db"), authorization("a", allow(rule(None, GET)))],
        WEB_DB,
        SHUT,
    ),
    (
        "32: on TCP such a DENY matches whatever they are",
        [service("db", "tcp-db"), authorization("d", deny(rule(None, GET)))],
        WEB_DB,
        SHUT,
    ),
    (
        "32: appProtocol beats the name",
        [service("db", "tcp-db", appProtocol="http"), authorization("a", allow(rule(None, GET)))],
        WEB_DB,
        PARTLY,
    ),
    (
        "32: other ports of the pod stay open to requests",
        [service("db", "tcp-db"), authorization("a", allow(rule(None, GET)))],
        "shop/web > shop/db 81",
        PARTLY,
    ),
    (
        "ztunnel drops an ALLOW about requests",
        [authorization("a", allow(rule(None, GET), app="cache"))],
        "shop/web > shop/cache 80",
        SHUT,
    ),
    (
        "ztunnel: a DENY about requests cannot be told",
        [authorization("d", deny(rule(None, GET), app="cache"))],
        "shop/web > shop/cache 80",
        MAYBE,
    ),
    (
        "ztunnel knows no CUSTOM",
        [authorization("c", custom({}, app="cache"))],
        "shop/web > shop/cache 80",
        OPEN,
    ),
    (
        "ztunnel enforces what connections show",
        [authorization("a", allow(rule({"principals": [WEB_ID]}), app="cache"))],
        "lab/probe > shop/cache 80",
        SHUT,
    ),
    # 33: who enforces it, and identities
    (
        "33: nothing enforces it without a proxy",
        [authorization("a", allow(app="bare"))],
        "shop/web > shop/bare 80",
        DECLARED,
    ),
    (
        "33: a pod never seen running cannot be told",
        [authorization("a", allow(app="draft"))],
        "shop/web > shop/draft 80",
        MAYBE,
    ),
    ("33: UDP is untouched", [authorization("a", allow())], "shop/web > shop/db 53/UDP", OPEN),
    (
        "33: a client without a proxy has no identity",
        [authorization("a", allow(rule({"principals": ["*"]})))],
        BARE_DB,
        SHUT,
    ),
    (
        "33: nor has an address outside",
        [authorization("a", allow(rule({"namespaces": ["shop"]})))],
        NET_DB,
        SHUT,
    ),
    (
        "33: a client never seen running may have one",
        [authorization("a", allow(rule({"namespaces": ["shop"]})))],
        "shop/draft > shop/db 80",
        MAYBE,
    ),
    (
        "33: notNamespaces lets plaintext pass",
        [authorization("a", allow(rule({"notNamespaces": ["shop"]})))],
        BARE_DB,
        OPEN,
    ),
    (
        "33: and keeps the mesh's clients of that namespace out",
        [authorization("a", allow(rule({"notNamespaces": ["shop"]})))],
        WEB_DB,
        SHUT,
    ),
    (
        "33: a DENY of a namespace doesn't see plaintext",
        [authorization("d", deny(rule({"namespaces": ["shop"]})))],
        BARE_DB,
        OPEN,
    ),
    (
        "33: notPrincipals in a DENY catches plaintext",
        [authorization("d", deny(rule({"notPrincipals": [WEB_ID]})))],
        BARE_DB,
        SHUT,
    ),
    (
        "33: and spares the principal",
        [authorization("d", deny(rule({"notPrincipals": [WEB_ID]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "33: a client behind ztunnel has an identity",
        [authorization("a", allow(rule({"namespaces": ["shop"]})))],
        "shop/cache > shop/db 80",
        OPEN,
    ),
    (
        "33: a DestinationRule that switches mTLS off makes identities unsure",
        [
            service("db", "http"),
            istio(
                "DestinationRule",
                "d",
                {"host": "db", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
                group="networking",
            ),
            authorization("a", allow(rule({"namespaces": ["shop"]}))),
        ],
        WEB_DB,
        MAYBE,
    ),
    (
        "33: one about another host doesn't",
        [
            service("db", "http"),
            istio(
                "DestinationRule",
                "d",
                {"host": "web", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
                group="networking",
            ),
            authorization("a", allow(rule({"namespaces": ["shop"]}))),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "33: so does a PeerAuthentication that disables it",
        [
            istio("PeerAuthentication", "p", {"mtls": {"mode": "DISABLE"}}),
            authorization("a", allow(rule({"namespaces": ["shop"]}))),
        ],
        WEB_DB,
        MAYBE,
    ),
    (
        "33: so does automatic mTLS switched off",
        [mesh("enableAutoMtls: false\n"), authorization("a", allow(rule({"namespaces": ["shop"]})))],
        WEB_DB,
        MAYBE,
    ),
    # matching
    (
        "a principal by prefix",
        [authorization("a", allow(rule({"principals": ["cluster.local/ns/shop/*"]})))],
        WEB_DB,
        OPEN,
    ),
    ("a principal by suffix", [authorization("a", allow(rule({"principals": ["*/sa/web"]})))], WEB_DB, OPEN),
    (
        "a principal of another trust domain",
        [
            mesh("trustDomain: cluster.local\n"),
            authorization("a", allow(rule({"principals": ["other/ns/shop/sa/web"]}))),
        ],
        WEB_DB,
        SHUT,
    ),
    (
        "cluster.local stands for the own trust domain",
        [mesh("trustDomain: td\n"), authorization("a", allow(rule({"principals": [WEB_ID]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "the own trust domain",
        [mesh("trustDomain: td\n"), authorization("a", allow(rule({"principals": ["td/ns/shop/sa/web"]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "a service account of the own namespace",
        [authorization("a", allow(rule({"serviceAccounts": ["web"]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "a service account means the policy's namespace",
        [authorization("a", allow(rule({"serviceAccounts": ["probe"]})))],
        PROBE_DB,
        SHUT,
    ),
    (
        "a service account with its namespace",
        [authorization("a", allow(rule({"serviceAccounts": ["lab/probe"]})))],
        PROBE_DB,
        OPEN,
    ),
    (
        "sources are alternatives",
        [
            authorization(
                "a", allow({"from": [{"source": {"namespaces": ["x"]}}, {"source": {"namespaces": ["lab"]}}]})
            )
        ],
        PROBE_DB,
        OPEN,
    ),
    (
        "the fields of a source must all match",
        [authorization("a", allow(rule({"namespaces": ["shop"], "principals": ["*/sa/probe"]})))],
        WEB_DB,
        SHUT,
    ),
    (
        "ipBlocks are the client's address",
        [authorization("a", allow(rule({"ipBlocks": ["10.0.0.4"]})))],
        BARE_DB,
        OPEN,
    ),
    ("notIpBlocks", [authorization("a", allow(rule({"notIpBlocks": ["10.0.0.0/24"]})))], WEB_DB, SHUT),
    (
        "remoteIpBlocks look at what a proxy forwarded",
        [authorization("a", allow(rule({"remoteIpBlocks": ["10.0.0.0/8"]})))],
        WEB_DB,
        PARTLY,
    ),
    ("ports", [authorization("a", allow(rule(None, {"ports": ["80"]})))], WEB_DB, OPEN),
    (
        "other ports",
        [authorization("a", allow(rule(None, {"ports": ["80"]})))],
        "shop/web > shop/db 81",
        SHUT,
    ),
    ("notPorts", [authorization("a", allow(rule(None, {"notPorts": ["80"]})))], WEB_DB, SHUT),
    (
        "when destination.port",
        [authorization("a", allow(rule(None, None, {"key": "destination.port", "values": ["80"]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "when source.namespace",
        [authorization("a", allow(rule(None, None, {"key": "source.namespace", "notValues": ["shop"]})))],
        WEB_DB,
        SHUT,
    ),
    (
        "when source.ip",
        [authorization("a", allow(rule(None, None, {"key": "source.ip", "values": ["10.0.1.0/24"]})))],
        PROBE_DB,
        OPEN,
    ),
    (
        "conditions must all hold",
        [
            authorization(
                "a",
                allow(
                    rule(
                        {"namespaces": ["shop"]},
                        {"ports": ["80"]},
                        {"key": "destination.port", "values": ["81"]},
                    )
                ),
            )
        ],
        WEB_DB,
        SHUT,
    ),
    # bad input
    ("an unknown action", [authorization("a", {**allow({}), "action": "PERMIT"})], WEB_DB, MAYBE),
    ("port 70000", [authorization("a", allow(rule(None, {"ports": ["70000"]})))], WEB_DB, MAYBE),
    ("an unknown field", [authorization("a", allow(rule({"users": ["x"]})))], WEB_DB, MAYBE),
    (
        "an unknown condition",
        [authorization("a", allow(rule(None, None, {"key": "moon.phase", "values": ["full"]})))],
        WEB_DB,
        MAYBE,
    ),
]


@pytest.mark.parametrize(("case", "objects", "flow", "expected"), CASES, ids=[case[0] for case in CASES])
def test_istio_authorizes(case: str, objects: list[Raw], flow: str, expected: str) -> None:
    assert verdict(objects, flow) == expected


@pytest.mark.parametrize(
    ("annotations", "port", "expected"),
    [
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "80, 90"}, 80, OPEN),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "90"}, 80, SHUT),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "81"}, 80, OPEN),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "81"}, 81, SHUT),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "*"}, 80, SHUT),
        ({"sidecar.istio.io/interceptionMode": "NONE"}, 80, OPEN),
        ({}, 15090, OPEN),
        ({}, 15021, OPEN),
        ({}, 15020, OPEN),
        ({"status.sidecar.istio.io/port": "15099"}, 15099, OPEN),
        ({"status.sidecar.istio.io/port": "15099"}, 15020, SHUT),
        ({"traffic.sidecar.istio.io/includeInboundPorts": ""}, 80, OPEN),
    ],
)
def test_ports_that_bypass_the_sidecar_are_open(
    annotations: dict[str, str], port: int, expected: str
) -> None:
    around = workload("around", "shop", "10.0.0.9", **annotations)
    objects = [around, authorization("a", allow(app="around"))]
    assert verdict(objects, f"shop/web > shop/around {port}") == expected


def test_33_the_layer_says_where_it_is_enforced() -> None:
    engine = cluster(authorization("a", allow()))
    status = {entry.layer: entry.status for entry in engine.enforcement}
    assert status["istio-authorization"] == "enforced"


def test_33_without_a_proxy_anywhere_the_layer_is_not_enforced() -> None:
    bare = pod("lone", "shop", {"app": "db"}, address="10.0.0.9")
    engine = connect([SHOP, bare, authorization("a", allow())])
    status = {entry.layer: entry.status for entry in engine.enforcement}
    assert status["istio-authorization"] == "not-enforced"


def test_what_is_inert_or_wrong_is_told() -> None:
    engine = cluster(
        authorization("a", {**allow(), "action": "AUDIT"}),
        authorization("d", allow(), **{"istio.io/dry-run": "true"}),
        authorization("w", allow(rule(None, {"ports": ["x"]}))),
    )
    inert = {facts.object.rpartition("/")[2]: facts.inert.code for facts in engine.policies if facts.inert}
    assert inert == {"a": "inert.audit", "d": "inert.dry-run"}
    problems = [(p.object.rpartition("/")[2], p.field, p.code) for p in engine.policy_problems]
    assert problems == [("w", "spec.rules[0].to[0].operation.ports[0]", "invalid.port")]
