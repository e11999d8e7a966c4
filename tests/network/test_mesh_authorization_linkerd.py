"""Linkerd's inbound policy as a layer (encryption.md 2), worked out by hand."""

import sys
from collections.abc import Sequence
from typing import Any

import pytest

from auditor.network.connectivity import Connectivity
from tests.network.building import Raw, connect, namespace, pod

SHOP, LAB = namespace("shop"), namespace("lab")
POLICY = "policy.linkerd.io"
DEFAULT = "config.linkerd.io/default-inbound-policy"


def workload(
    name: str, space: str, address: str, *, meshed: bool = True, ports: Any = (), **annotations: str
) -> Raw:
    """A pod with service account `<name>`, with Linkerd's proxy or without."""
    raw = pod(name, space, {"app": name}, address=address, ports=ports)
    raw["spec"]["serviceAccountName"] = name
    raw["metadata"]["annotations"] = dict(annotations)
    if meshed:
        raw["spec"]["containers"].append({"name": "linkerd-proxy"})
    return raw


PODS = [
    workload("web", "shop", "10.0.0.1"),
    workload("db", "shop", "10.0.0.2", ports=[{"name": "sql", "containerPort": 80}]),
    workload("bare", "shop", "10.0.0.4", meshed=False),
    workload("probe", "lab", "10.0.1.1"),
]


def config(policy: str = "all-unauthenticated") -> Raw:
    values = f"clusterNetworks: 10.0.0.0/8\nproxy:\n  defaultInboundPolicy: {policy}\n"
    metadata = {"name": "linkerd-config", "namespace": "linkerd"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"values": values}}


def linkerd(
    kind: str, name: str, spec: Any, version: str = "v1alpha1", space: str = "shop", **metadata: Any
) -> Raw:
    found = {"name": name, "namespace": space, **metadata}
    return {"apiVersion": f"{POLICY}/{version}", "kind": kind, "metadata": found, "spec": spec}


def server(
    name: str = "s", port: Any = 80, app: str = "db", created: str = "2026-01-01T00:00:00Z", **spec: Any
) -> Raw:
    body = {"podSelector": {"matchLabels": {"app": app}}, "port": port, **spec}
    metadata = {"creationTimestamp": created} if created else {}
    return linkerd("Server", name, body, "v1beta3", labels={"for": app}, **metadata)


def server_authorization(client: Any, name: str = "sa", **named: Any) -> Raw:
    return linkerd(
        "ServerAuthorization", name, {"server": named or {"name": "s"}, "client": client}, "v1beta1"
    )


def authorization(*references: Any, kind: str = "Server", target: str = "s", name: str = "ap") -> Raw:
    group = "core" if kind == "Namespace" else POLICY
    spec = {
        "targetRef": {"group": group, "kind": kind, "name": target},
        "requiredAuthenticationRefs": list(references),
    }
    return linkerd("AuthorizationPolicy", name, spec)


def mesh_tls(*identities: str, refs: Any = (), name: str = "tls") -> Raw:
    return linkerd(
        "MeshTLSAuthentication", name, {"identities": list(identities), "identityRefs": list(refs)}
    )


def networks(*cidrs: str, name: str = "net") -> Raw:
    return linkerd("NetworkAuthentication", name, {"networks": [{"cidr": cidr} for cidr in cidrs]})


TLS = {"group": POLICY, "kind": "MeshTLSAuthentication", "name": "tls"}
NET = {"group": POLICY, "kind": "NetworkAuthentication", "name": "net"}
WEB_ACCOUNT = {"kind": "ServiceAccount", "name": "web"}
WEB_ID = "web.shop.serviceaccount.identity.linkerd.cluster.local"


def cluster(*objects: Raw) -> Connectivity:
    return connect([SHOP, LAB, *PODS, *objects])


def verdict(objects: Sequence[Raw], flow: str) -> str:
    """`source > destination port/PROTOCOL`, judged by what enforces it."""
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    number, _, protocol = port.partition("/")
    engine = cluster(*(objects if any(o["kind"] == "ConfigMap" for o in objects) else [config(), *objects]))
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

CASES: list[tuple[str, list[Raw], str, str]] = [
    # Servers and their grants
    ("without a Server the default decides", [], BARE_DB, OPEN),
    ("a Server without grants denies", [server()], WEB_DB, SHUT),
    ("on its port only", [server()], "shop/web > shop/db 81", OPEN),
    ("a Server by the port's name", [server(port="sql")], WEB_DB, SHUT),
    ("UDP is never captured", [server()], "shop/web > shop/db 80/UDP", OPEN),
    ("skipped ports bypass the proxy", [server(port=4567)], "shop/web > shop/db 4567", OPEN),
    ("accessPolicy opens", [server(accessPolicy="all-unauthenticated")], BARE_DB, OPEN),
    (
        "accessPolicy all-authenticated needs an identity",
        [server(accessPolicy="all-authenticated")],
        BARE_DB,
        SHUT,
    ),
    (
        "accessPolicy all-authenticated admits the mesh",
        [server(accessPolicy="all-authenticated")],
        WEB_DB,
        OPEN,
    ),
    ("accessPolicy cluster-unauthenticated", [server(accessPolicy="cluster-unauthenticated")], BARE_DB, OPEN),
    (
        "accessPolicy cluster-unauthenticated keeps the internet out",
        [server(accessPolicy="cluster-unauthenticated")],
        NET_DB,
        SHUT,
    ),
    ("accessPolicy audit enforces nothing", [server(accessPolicy="audit")], NET_DB, OPEN),
    (
        "a ServerAuthorization without authentication",
        [server(), server_authorization({"unauthenticated": True})],
        NET_DB,
        OPEN,
    ),
    (
        "confined to networks",
        [server(), server_authorization({"unauthenticated": True, "networks": [{"cidr": "10.0.0.0/24"}]})],
        PROBE_DB,
        SHUT,
    ),
    (
        "with an exception",
        [
            server(),
            server_authorization(
                {"unauthenticated": True, "networks": [{"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}]}
            ),
        ],
        PROBE_DB,
        SHUT,
    ),
    (
        "a ServerAuthorization by selector",
        [server(), server_authorization({"unauthenticated": True}, selector={"matchLabels": {"for": "db"}})],
        NET_DB,
        OPEN,
    ),
    ("identities", [server(), server_authorization({"meshTLS": {"identities": [WEB_ID]}})], WEB_DB, OPEN),
    (
        "no other identity",
        [server(), server_authorization({"meshTLS": {"identities": [WEB_ID]}})],
        PROBE_DB,
        SHUT,
    ),
    (
        "an identity of a whole namespace",
        [
            server(),
            server_authorization(
                {"meshTLS": {"identities": ["*.lab.serviceaccount.identity.linkerd.cluster.local"]}}
            ),
        ],
        PROBE_DB,
        OPEN,
    ),
    ("any identity", [server(), server_authorization({"meshTLS": {"identities": ["*"]}})], PROBE_DB, OPEN),
    (
        "any identity is not none",
        [server(), server_authorization({"meshTLS": {"identities": ["*"]}})],
        BARE_DB,
        SHUT,
    ),
    (
        "service accounts",
        [
            server(),
            server_authorization({"meshTLS": {"serviceAccounts": [{"name": "probe", "namespace": "lab"}]}}),
        ],
        PROBE_DB,
        OPEN,
    ),
    (
        "grants are alternatives",
        [
            server(),
            server_authorization({"meshTLS": {"identities": [WEB_ID]}}),
            server_authorization({"unauthenticated": True}, "sb"),
        ],
        BARE_DB,
        OPEN,
    ),
    # AuthorizationPolicy
    ("an AuthorizationPolicy without references admits everyone", [server(), authorization()], NET_DB, OPEN),
    ("with identities", [server(), authorization(TLS), mesh_tls(WEB_ID)], WEB_DB, OPEN),
    ("and no other", [server(), authorization(TLS), mesh_tls(WEB_ID)], PROBE_DB, SHUT),
    (
        "by reference to a service account",
        [server(), authorization(TLS), mesh_tls(refs=[WEB_ACCOUNT])],
        WEB_DB,
        OPEN,
    ),
    (
        "by reference to a namespace",
        [server(), authorization(TLS), mesh_tls(refs=[{"kind": "Namespace", "name": "lab"}])],
        PROBE_DB,
        OPEN,
    ),
    ("with a service account itself", [server(), authorization(WEB_ACCOUNT)], WEB_DB, OPEN),
    (
        "references must all hold",
        [server(), authorization(TLS, NET), mesh_tls("*"), networks("10.0.1.0/24")],
        WEB_DB,
        SHUT,
    ),
    (
        "network alone asks for no identity",
        [server(), authorization(NET), networks("10.0.0.0/24")],
        BARE_DB,
        OPEN,
    ),
    ("for a whole namespace", [server(), authorization(kind="Namespace", target="shop")], NET_DB, OPEN),
    ("for another Server", [server(), authorization(target="t")], WEB_DB, SHUT),
    ("one whose reference is missing is ignored", [server(), authorization(TLS)], WEB_DB, SHUT),
    (
        "one for a route is a condition",
        [
            server(),
            linkerd("HTTPRoute", "r", {"parentRefs": [{"kind": "Server", "name": "s"}]}, "v1beta3"),
            authorization(kind="HTTPRoute", target="r"),
        ],
        WEB_DB,
        PARTLY,
    ),
    # which Server
    (
        "the older Server decides",
        [server("new", created="2026-02-01T00:00:00Z", accessPolicy="all-unauthenticated"), server()],
        WEB_DB,
        SHUT,
    ),
    ("then the name", [server("a", accessPolicy="all-unauthenticated"), server("b")], WEB_DB, OPEN),
    (
        "where no age is known, nobody can tell",
        [server("a", created="", accessPolicy="all-unauthenticated"), server("b", created="")],
        WEB_DB,
        MAYBE,
    ),
    ("unless they agree", [server("a", created=""), server("b", created="")], WEB_DB, SHUT),
    ("or have different ports", [server("a", created="", port=81), server("b", created="")], WEB_DB, SHUT),
    # defaults
    ("the cluster's default deny", [config("deny")], WEB_DB, SHUT),
    ("all-authenticated admits the mesh", [config("all-authenticated")], WEB_DB, OPEN),
    ("all-authenticated keeps others out", [config("all-authenticated")], BARE_DB, SHUT),
    ("cluster-authenticated", [config("cluster-authenticated")], PROBE_DB, OPEN),
    (
        "a Server beats the default",
        [config("deny"), server(accessPolicy="all-unauthenticated")],
        BARE_DB,
        OPEN,
    ),
    ("a pod without a proxy has no default", [config("deny")], "shop/web > shop/bare 80", OPEN),
    # who enforces it
    ("nothing enforces a Server without a proxy", [server(app="bare")], "shop/web > shop/bare 80", DECLARED),
    # bad input
    ("port 70000", [server(port=70000)], WEB_DB, MAYBE),
    ("an unknown accessPolicy", [server(accessPolicy="some")], WEB_DB, MAYBE),
    ("a broken grant is unsure", [server(), server_authorization({})], WEB_DB, MAYBE),
    (
        "an unknown authentication",
        [server(), authorization({"kind": "Passport", "name": "x"})],
        WEB_DB,
        MAYBE,
    ),
]


@pytest.mark.parametrize(("case", "objects", "flow", "expected"), CASES, ids=[case[0] for case in CASES])
def test_linkerd_authorizes(case: str, objects: list[Raw], flow: str, expected: str) -> None:
    assert verdict(objects, flow) == expected


@pytest.mark.parametrize(
    ("annotations", "source", "port", "expected"),
    [
        ({DEFAULT: "deny"}, "shop/web", 80, SHUT),
        ({DEFAULT: "all-authenticated"}, "shop/bare", 80, SHUT),
        ({DEFAULT: "nonsense"}, "shop/bare", 80, OPEN),
        ({"config.linkerd.io/proxy-require-identity-inbound-ports": "80"}, "shop/bare", 80, SHUT),
        ({"config.linkerd.io/proxy-require-identity-inbound-ports": "80"}, "shop/web", 80, OPEN),
        ({"config.linkerd.io/proxy-require-identity-inbound-ports": "80"}, "shop/bare", 81, OPEN),
        ({DEFAULT: "deny", "config.linkerd.io/skip-inbound-ports": "80,90-99"}, "shop/bare", 95, OPEN),
    ],
)
def test_annotations_of_the_pod_decide(
    annotations: dict[str, str], source: str, port: int, expected: str
) -> None:
    objects = [workload("own", "shop", "10.0.0.9", **annotations)]
    assert verdict(objects, f"{source} > shop/own {port}") == expected


def test_a_client_that_skips_the_proxy_may_have_no_identity() -> None:
    skipping = workload("skipping", "shop", "10.0.0.9", **{"config.linkerd.io/skip-outbound-ports": "80"})
    assert (
        verdict([skipping, server(accessPolicy="all-authenticated")], "shop/skipping > shop/db 80") == MAYBE
    )


def test_without_the_configuration_the_default_is_unknown() -> None:
    engine = connect([SHOP, LAB, *PODS])
    found = engine.allows(engine.resolve("shop/bare"), engine.resolve("shop/db"), 80)
    assert found.verdict.value == MAYBE
    assert found.cause is not None
    assert found.cause.code == "indeterminate.linkerd-default"


def test_a_missing_reference_is_a_problem_of_the_policy() -> None:
    found = cluster(config(), server(), authorization(TLS)).policy_problems
    assert [(p.object.rpartition("/")[2], p.field, p.code) for p in found] == [
        ("ap", "spec.requiredAuthenticationRefs[0]", "invalid.reference")
    ]


def test_the_layer_says_where_it_is_enforced() -> None:
    status = {entry.layer: entry.status for entry in cluster(config(), server()).enforcement}
    assert status["linkerd-authorization"] == "enforced"


def test_more_pods_than_a_decimal_number_may_have_digits() -> None:
    """Sets of pods are numbers that must never be written out: Python refuses to beyond a limit, here its lowest."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        crowd = [
            workload(f"p{number}", "shop", f"10.1.{number >> 8}.{number & 255}") for number in range(2200)
        ]
        connectivity = connect([SHOP, config("all-authenticated"), *crowd])
        assert {
            entry.status for entry in connectivity.enforcement if entry.layer == "linkerd-authorization"
        } == {"enforced"}
    finally:
        sys.set_int_max_str_digits(limit)
