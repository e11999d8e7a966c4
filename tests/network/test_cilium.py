"""Cilium's policies (connectivity.md 6, 20-24, 35, 37), worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from auditor.network.connectivity import Connectivity
from tests.network.building import Raw, agent, connect, labels, namespace, node, pod, policy

SHOP = namespace("shop", env="prod")
LAB = namespace("lab", env="test")
PODS = [
    pod("web", "shop", {"app": "web"}, address="10.0.0.1", ports=[{"containerPort": 8080, "name": "http"}]),
    pod("db", "shop", {"app": "db"}, address="10.0.0.2", ports=[{"containerPort": 80, "name": "http"}]),
    pod("probe", "lab", {"app": "web"}, address="10.0.1.1"),
    pod("agent", "shop", {"app": "agent"}, address="192.0.2.2", node="node-2", host_network=True),
]
NODES = [node("node-1", "192.0.2.1"), node("node-2", "192.0.2.2")]
DB = {"matchLabels": {"app": "db"}}
WEB = {"matchLabels": {"app": "web"}}


def cnp(name: str, *rules: Any, space: str = "shop") -> Raw:
    metadata = {"name": name, "namespace": space}
    body: Raw = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata}
    return {**body, **({"spec": rules[0]} if len(rules) == 1 else {"specs": list(rules)})}


def ccnp(name: str, rule: Any) -> Raw:
    kind = "CiliumClusterwideNetworkPolicy"
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": {"name": name}, "spec": rule}


def group(name: str, *cidrs: str, **found: str) -> Raw:
    metadata = {"name": name, "labels": found}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumCIDRGroup",
        "metadata": metadata,
        "spec": {"externalCIDRs": list(cidrs)},
    }


def config(**data: str) -> Raw:
    metadata = {"name": "cilium-config", "namespace": "kube-system"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {key.replace("_", "-"): value for key, value in data.items()},
    }


def into(*rules: Any, selector: Any = DB, **more: Any) -> Raw:
    return {"endpointSelector": selector, "ingress": list(rules), **more}


def barring(*rules: Any, selector: Any = DB, **more: Any) -> Raw:
    return {"endpointSelector": selector, "ingressDeny": list(rules), **more}


def out_of(*rules: Any, selector: Any = WEB, **more: Any) -> Raw:
    return {"endpointSelector": selector, "egress": list(rules), **more}


def ports(*entries: Any, **more: Any) -> Raw:
    return {"toPorts": [{"ports": list(entries), **more}]}


def service(name: str, selector: Any = None) -> Raw:
    spec: Raw = {"ports": [{"port": 80}]}
    if selector:
        spec["selector"] = selector
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def slices(name: str, *addresses: str, space: str = "shop") -> Raw:
    metadata = {"name": f"{name}-1", "namespace": space, "labels": {"kubernetes.io/service-name": name}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "endpoints": [{"addresses": list(addresses)}],
    }


def cluster(*objects: Raw, complete: bool = True) -> Connectivity:
    return connect([SHOP, LAB, *PODS, *NODES, *objects], complete=complete)


def declared(objects: Sequence[Raw], flow: str) -> str:
    """`source > destination port/PROTOCOL` as the policies say it."""
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    number, _, protocol = port.partition("/")
    engine = cluster(*objects)
    found = engine.allows(engine.resolve(source), engine.resolve(destination), int(number), protocol or "TCP")
    return found.declared.value


OPEN, SHUT, MAYBE, PARTLY = "allowed", "denied", "indeterminate", "conditional"
WEB_DB, PROBE_DB, NET_DB = "shop/web > shop/db 80", "lab/probe > shop/db 80", "internet > shop/db 80"
TCP_80 = {"port": "80", "protocol": "TCP"}
FROM_WEB = {"fromEndpoints": [WEB]}

CASES: list[tuple[str, list[Raw], str, str]] = [
    # 20: default deny
    ("20: what no policy selects is open", [cnp("p", into(FROM_WEB))], "lab/probe > shop/web 80", OPEN),
    ("20: a rule isolates its direction", [cnp("p", into(FROM_WEB))], PROBE_DB, SHUT),
    ("20: and not the other", [cnp("p", into(FROM_WEB, selector=WEB))], "shop/web > lab/probe 80", OPEN),
    ("20: an empty rule isolates", [cnp("p", into({}))], WEB_DB, SHUT),
    ("20: an empty list of rules doesn't", [cnp("p", into())], WEB_DB, OPEN),
    (
        "20: enableDefaultDeny false doesn't isolate",
        [cnp("p", into(FROM_WEB, enableDefaultDeny={"ingress": False}))],
        PROBE_DB,
        OPEN,
    ),
    (
        "20: enableDefaultDeny true isolates without a rule",
        [cnp("p", into(enableDefaultDeny={"ingress": True}))],
        WEB_DB,
        SHUT,
    ),
    (
        "20: enableDefaultDeny is per direction",
        [cnp("p", {**out_of({}), "ingress": [FROM_WEB], "enableDefaultDeny": {"ingress": False}})],
        "lab/probe > shop/web 80",
        OPEN,
    ),
    ("20: enable-policy always isolates everyone", [config(enable_policy="always")], WEB_DB, SHUT),
    (
        "20: always still lets through what is allowed",
        [config(enable_policy="always"), cnp("p", into(FROM_WEB)), cnp("q", out_of({"toEndpoints": [DB]}))],
        WEB_DB,
        OPEN,
    ),
    # 21, 37: deny
    ("21: a deny beats an allow", [cnp("p", into(FROM_WEB)), cnp("q", barring(FROM_WEB))], WEB_DB, SHUT),
    (
        "21: whatever they are called",
        [cnp("z", into(FROM_WEB)), cnp("a", barring(FROM_WEB))],
        WEB_DB,
        SHUT,
    ),
    (
        "21: a deny beats a Kubernetes allow",
        [policy("k", "shop", pods=labels(app="db"), ingress=[{}]), cnp("q", barring(FROM_WEB))],
        WEB_DB,
        SHUT,
    ),
    ("21: a deny alone isolates", [cnp("q", barring({"fromEntities": ["remote-node"]}))], WEB_DB, SHUT),
    (
        "21: a deny with enableDefaultDeny false denies that and no more",
        [cnp("q", barring(FROM_WEB, enableDefaultDeny={"ingress": False}))],
        PROBE_DB,
        OPEN,
    ),
    (
        "21: a deny of ports",
        [cnp("p", into(FROM_WEB)), cnp("q", barring({**FROM_WEB, **ports(TCP_80)}))],
        "shop/web > shop/db 81",
        OPEN,
    ),
    (
        "21: a deny of egress",
        [
            cnp(
                "q",
                {
                    "endpointSelector": WEB,
                    "egress": [{"toEntities": ["all"]}],
                    "egressDeny": [{"toEndpoints": [DB]}],
                },
            )
        ],
        WEB_DB,
        SHUT,
    ),
    (
        "37: allows of both systems add up",
        [
            policy(
                "k", "shop", pods=labels(app="db"), ingress=[{"from": [{"podSelector": labels(app="web")}]}]
            ),
            cnp("p", into({"fromEndpoints": [{"matchLabels": {"app": "other"}}]})),
        ],
        WEB_DB,
        OPEN,
    ),
    # 22: whom selectors mean
    ("22: {} is the own namespace", [cnp("p", into({"fromEndpoints": [{}]}))], WEB_DB, OPEN),
    ("22: and no other", [cnp("p", into({"fromEndpoints": [{}]}))], PROBE_DB, SHUT),
    ("22: nor an address outside", [cnp("p", into({"fromEndpoints": [{}]}))], NET_DB, SHUT),
    ("22: labels mean the own namespace", [cnp("p", into(FROM_WEB))], PROBE_DB, SHUT),
    (
        "22: another namespace by name",
        [cnp("p", into({"fromEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "lab"}}]}))],
        PROBE_DB,
        OPEN,
    ),
    (
        "22: without a source before the key",
        [cnp("p", into({"fromEndpoints": [{"matchLabels": {"io.kubernetes.pod.namespace": "lab"}}]}))],
        PROBE_DB,
        OPEN,
    ),
    (
        "22: any namespace",
        [
            cnp(
                "p",
                into(
                    {
                        "fromEndpoints": [
                            {
                                "matchExpressions": [
                                    {"key": "io.kubernetes.pod.namespace", "operator": "Exists"}
                                ]
                            }
                        ]
                    }
                ),
            )
        ],
        PROBE_DB,
        OPEN,
    ),
    (
        "22: another namespace by its labels",
        [
            cnp(
                "p",
                into(
                    {"fromEndpoints": [{"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.env": "test"}}]}
                ),
            )
        ],
        PROBE_DB,
        OPEN,
    ),
    (
        "22: labels with a source",
        [cnp("p", into({"fromEndpoints": [{"matchLabels": {"k8s:app": "web", "any:app": "web"}}]}))],
        WEB_DB,
        OPEN,
    ),
    (
        "22: a source that pods don't have",
        [cnp("p", into({"fromEndpoints": [{"matchLabels": {"container:app": "web"}}]}))],
        WEB_DB,
        SHUT,
    ),
    (
        "22: the service account is a label",
        [
            cnp(
                "p",
                into(
                    {"fromEndpoints": [{"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "default"}}]}
                ),
            )
        ],
        WEB_DB,
        OPEN,
    ),
    ("22: fromEndpoints [] selects nobody", [cnp("p", into({"fromEndpoints": []}))], WEB_DB, SHUT),
    (
        "22: not even with ports",
        [cnp("p", into({"fromEndpoints": [], **ports(TCP_80)}))],
        WEB_DB,
        SHUT,
    ),
    ("22: ports without peers are for everybody", [cnp("p", into(ports(TCP_80)))], NET_DB, OPEN),
    ("22: and no other port", [cnp("p", into(ports(TCP_80)))], "shop/web > shop/db 81", SHUT),
    ("22: a clusterwide {} is every pod", [ccnp("p", into({"fromEndpoints": [{}]}))], PROBE_DB, OPEN),
    ("22: but nobody outside", [ccnp("p", into({"fromEndpoints": [{}]}))], NET_DB, SHUT),
    (
        "22: a clusterwide policy selects in all namespaces",
        [ccnp("p", into({}, selector={}))],
        "shop/web > lab/probe 80",
        SHUT,
    ),
    (
        "22: a namespaced policy never selects elsewhere",
        [cnp("p", into({}, selector={"matchLabels": {"k8s:io.kubernetes.pod.namespace": "lab"}}))],
        "shop/web > lab/probe 80",
        OPEN,
    ),
    (
        "22: specs hold more rule sets",
        [cnp("p", into(FROM_WEB), out_of({"toEndpoints": [DB]}))],
        WEB_DB,
        OPEN,
    ),
    ("22: and each isolates its own", [cnp("p", into(FROM_WEB), out_of({}))], WEB_DB, SHUT),
    # 23: entities
    ("23: world is outside", [cnp("p", into({"fromEntities": ["world"]}))], NET_DB, OPEN),
    ("23: world is no pod", [cnp("p", into({"fromEntities": ["world"]}))], WEB_DB, SHUT),
    ("23: cluster is every pod", [cnp("p", into({"fromEntities": ["cluster"]}))], PROBE_DB, OPEN),
    ("23: cluster is not outside", [cnp("p", into({"fromEntities": ["cluster"]}))], NET_DB, SHUT),
    (
        "23: cluster includes nodes",
        [cnp("p", into({"fromEntities": ["cluster"]}))],
        "/Node/node-2 > shop/db 80",
        OPEN,
    ),
    ("23: all is everybody", [cnp("p", into({"fromEntities": ["all"]}))], NET_DB, OPEN),
    (
        "23: remote-node is another node",
        [cnp("p", into({"fromEntities": ["remote-node"]}))],
        "/Node/node-2 > shop/db 80",
        OPEN,
    ),
    (
        "23: and whoever uses its network",
        [cnp("p", into({"fromEntities": ["remote-node"]}))],
        "shop/agent > shop/db 80",
        OPEN,
    ),
    (
        "23: host is not another node",
        [cnp("p", into({"fromEntities": ["host"]}))],
        "/Node/node-2 > shop/db 80",
        SHUT,
    ),
    ("23: the own node is let in", [cnp("p", into({}))], "/Node/node-1 > shop/db 80", OPEN),
    ("23: none is nobody", [cnp("p", into({"fromEntities": ["none"]}))], WEB_DB, SHUT),
    (
        "23: the API server may be outside",
        [cnp("p", into({"fromEntities": ["kube-apiserver"]}))],
        NET_DB,
        MAYBE,
    ),
    (
        "23: the API server by its Service",
        [
            cnp("p", into({"fromEntities": ["kube-apiserver"]})),
            slices("kubernetes", "192.0.2.2", space="default"),
        ],
        "/Node/node-2 > shop/db 80",
        OPEN,
    ),
    (
        "23: and nobody else then",
        [
            cnp("p", into({"fromEntities": ["kube-apiserver"]})),
            slices("kubernetes", "192.0.2.2", space="default"),
        ],
        NET_DB,
        SHUT,
    ),
    (
        "23: a reserved label in a selector",
        [cnp("p", into({"fromEndpoints": [{"matchLabels": {"reserved:world": ""}}]}))],
        NET_DB,
        OPEN,
    ),
    # 6: addresses
    (
        "6: a CIDR is outside",
        [cnp("p", into({"fromCIDR": ["198.51.100.0/24"]}))],
        "198.51.100.0/24 > shop/db 80",
        OPEN,
    ),
    ("6: a CIDR never matches pods", [cnp("p", into({"fromCIDR": ["10.0.0.0/8"]}))], WEB_DB, SHUT),
    ("6: nor nodes", [cnp("p", into({"fromCIDR": ["192.0.2.0/24"]}))], "/Node/node-2 > shop/db 80", SHUT),
    (
        "6: nodes with policy-cidr-match-mode",
        [config(policy_cidr_match_mode="nodes"), cnp("p", into({"fromCIDR": ["192.0.2.0/24"]}))],
        "/Node/node-2 > shop/db 80",
        OPEN,
    ),
    (
        "6: except narrows its own block",
        [cnp("p", into({"fromCIDRSet": [{"cidr": "198.51.100.0/24", "except": ["198.51.100.0/28"]}]}))],
        "198.51.100.0/28 > shop/db 80",
        SHUT,
    ),
    (
        "a CIDR group by name",
        [group("g", "198.51.100.0/24"), cnp("p", into({"fromCIDRSet": [{"cidrGroupRef": "g"}]}))],
        "198.51.100.0/24 > shop/db 80",
        OPEN,
    ),
    (
        "CIDR groups by labels",
        [
            group("g", "198.51.100.0/24", who="us"),
            cnp("p", into({"fromCIDRSet": [{"cidrGroupSelector": {"matchLabels": {"who": "us"}}}]})),
        ],
        "198.51.100.0/24 > shop/db 80",
        OPEN,
    ),
    (
        "a CIDR group never matches pods",
        [group("g", "10.0.0.0/8"), cnp("p", into({"fromCIDRSet": [{"cidrGroupRef": "g"}]}))],
        WEB_DB,
        SHUT,
    ),
    (
        "a CIDR group that isn't there",
        [cnp("p", into({"fromCIDRSet": [{"cidrGroupRef": "g"}]}))],
        NET_DB,
        MAYBE,
    ),
    ("never makes pods unsure", [cnp("p", into({"fromCIDRSet": [{"cidrGroupRef": "g"}]}))], WEB_DB, SHUT),
    # 24: names and requests
    (
        "24: toFQDNs is outside under a condition",
        [cnp("p", out_of({"toFQDNs": [{"matchName": "example.com"}]}))],
        "shop/web > internet 443",
        PARTLY,
    ),
    ("24: and no pod", [cnp("p", out_of({"toFQDNs": [{"matchPattern": "*"}]}))], WEB_DB, SHUT),
    (
        "24: L7 rules are a condition",
        [cnp("p", into({**FROM_WEB, **ports(TCP_80, rules={"http": [{"method": "GET"}]})}))],
        WEB_DB,
        PARTLY,
    ),
    (
        "24: on their port only",
        [cnp("p", into({**FROM_WEB, **ports(TCP_80, rules={"http": [{}]})}))],
        "shop/web > shop/db 81",
        SHUT,
    ),
    (
        "24: a plain allow of the same port wins",
        [cnp("p", into({**FROM_WEB, **ports(TCP_80, rules={"http": [{}]})}, {**FROM_WEB, **ports(TCP_80)}))],
        WEB_DB,
        OPEN,
    ),
    (
        "24: DNS rules are a condition",
        [cnp("p", out_of(ports({"port": "53"}, rules={"dns": [{"matchPattern": "*"}]})))],
        "shop/web > shop/db 53/UDP",
        PARTLY,
    ),
    (
        "24: server names are a condition",
        [
            cnp(
                "p",
                out_of(
                    {
                        "toEntities": ["world"],
                        **ports({"port": "443", "protocol": "TCP"}, serverNames=["a.b"]),
                    }
                ),
            )
        ],
        "shop/web > internet 443",
        PARTLY,
    ),
    (
        "mutual authentication is a condition",
        [cnp("p", into({**FROM_WEB, "authentication": {"mode": "required"}}))],
        WEB_DB,
        PARTLY,
    ),
    (
        "24: fromRequires is gone: nobody can tell",
        [cnp("p", into({**FROM_WEB, "fromRequires": [WEB]}))],
        WEB_DB,
        MAYBE,
    ),
    # services
    (
        "toServices with a selector means its pods",
        [
            service("db", {"app": "db"}),
            cnp("p", out_of({"toServices": [{"k8sService": {"serviceName": "db", "namespace": "shop"}}]})),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "and no others",
        [
            service("db", {"app": "db"}),
            cnp("p", out_of({"toServices": [{"k8sService": {"serviceName": "db", "namespace": "shop"}}]})),
        ],
        "shop/web > lab/probe 80",
        SHUT,
    ),
    (
        "toServices without a selector means its addresses",
        [
            service("x"),
            slices("x", "198.51.100.7"),
            cnp("p", out_of({"toServices": [{"k8sService": {"serviceName": "x"}}]})),
        ],
        "shop/web > 198.51.100.7 80",
        OPEN,
    ),
    # ports
    (
        "no protocol is TCP, UDP and SCTP",
        [cnp("p", into({**FROM_WEB, **ports({"port": "80"})}))],
        "shop/web > shop/db 80/UDP",
        OPEN,
    ),
    ("no ports is every protocol", [cnp("p", into(FROM_WEB))], f"shop/web > shop/db {8 * 256}/ICMP", OPEN),
    (
        "ports leave ICMP out",
        [cnp("p", into({**FROM_WEB, **ports({"port": "80"})}))],
        f"shop/web > shop/db {8 * 256}/ICMP",
        SHUT,
    ),
    (
        "a range of ports",
        [cnp("p", into({**FROM_WEB, **ports({"port": "70", "endPort": 90, "protocol": "TCP"})}))],
        WEB_DB,
        OPEN,
    ),
    (
        "port 0 is all ports",
        [cnp("p", into({**FROM_WEB, **ports({"port": "0", "protocol": "TCP"})}))],
        WEB_DB,
        OPEN,
    ),
    (
        "a port by name is the destination's",
        [cnp("p", into({**FROM_WEB, **ports({"port": "http", "protocol": "TCP"})}))],
        WEB_DB,
        OPEN,
    ),
    (
        "a port by name in egress",
        [cnp("p", out_of({"toEndpoints": [{}], **ports({"port": "http", "protocol": "TCP"})}))],
        "shop/web > shop/db 8080",
        SHUT,
    ),
    (
        "an ICMP type by number",
        [cnp("p", into({"icmps": [{"fields": [{"type": 8}]}]}))],
        f"shop/web > shop/db {8 * 256}/ICMP",
        OPEN,
    ),
    (
        "an ICMP type by name",
        [cnp("p", into({"icmps": [{"fields": [{"type": "EchoRequest"}]}]}))],
        f"shop/web > shop/db {8 * 256}/ICMP",
        OPEN,
    ),
    (
        "another ICMP type",
        [cnp("p", into({"icmps": [{"fields": [{"type": 8}]}]}))],
        "shop/web > shop/db 0/ICMP",
        SHUT,
    ),
    # bad input
    ("port 70000", [cnp("p", into({**FROM_WEB, **ports({"port": "70000"})}))], WEB_DB, MAYBE),
    (
        "endPort below port",
        [cnp("p", into({**FROM_WEB, **ports({"port": "80", "endPort": 70})}))],
        WEB_DB,
        MAYBE,
    ),
    (
        "an invalid operator",
        [cnp("p", into({"fromEndpoints": [{"matchExpressions": [{"key": "a", "operator": "Like"}]}]}))],
        WEB_DB,
        MAYBE,
    ),
    (
        "an except outside its block",
        [cnp("p", into({"fromCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["192.0.2.0/24"]}]}))],
        WEB_DB,
        MAYBE,
    ),
    ("an unknown entity", [cnp("p", into({"fromEntities": ["moon"]}))], WEB_DB, MAYBE),
    (
        "two kinds of peers in one rule",
        [cnp("p", into({**FROM_WEB, "fromEntities": ["world"]}))],
        WEB_DB,
        MAYBE,
    ),
    (
        "a broken policy leaves others alone",
        [cnp("p", into({"fromEntities": ["moon"]}))],
        "shop/web > lab/probe 80",
        OPEN,
    ),
    (
        "a broken policy doesn't undo a deny",
        [cnp("a", barring(FROM_WEB)), cnp("p", into({"fromEntities": ["moon"]}))],
        WEB_DB,
        SHUT,
    ),
]


@pytest.mark.parametrize(("case", "objects", "flow", "expected"), CASES, ids=[case[0] for case in CASES])
def test_cilium_decides(case: str, objects: list[Raw], flow: str, expected: str) -> None:
    assert declared(objects, flow) == expected


def test_policies_about_nodes_are_outside_the_model() -> None:
    rule = {"nodeSelector": {"matchLabels": {"a": "b"}}, "ingress": [{}]}
    engine = cluster(ccnp("n", rule))
    assert [(p.field, p.code) for p in engine.policy_problems] == [
        ("spec.nodeSelector", "unsupported.feature")
    ]
    assert [f.inert.code for f in engine.policies if f.inert] == ["inert.host-policy"]


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        (into({"fromEntities": ["moon"]}), "spec.ingress[0].fromEntities[0]", "invalid.peer"),
        (into(ports({"port": "70000"})), "spec.ingress[0].toPorts[0].ports[0].port", "invalid.port"),
        (
            into({"fromCIDRSet": [{"cidrGroupRef": "g"}]}),
            "spec.ingress[0].fromCIDRSet[0].cidrGroupRef",
            "invalid.reference",
        ),
        (into({"fromCIDR": ["10.0.0.300"]}), "spec.ingress[0].fromCIDR[0]", "invalid.cidr"),
        ({"ingress": [{}]}, "spec.endpointSelector", "invalid.selector"),
    ],
)
def test_what_is_wrong_names_the_object_and_the_field(rule: Any, field: str, code: str) -> None:
    found = cluster(cnp("p", rule)).policy_problems
    assert [(p.object, p.field, p.code) for p in found] == [
        ("shop/CiliumNetworkPolicy.cilium.io/p", field, code)
    ]


@pytest.mark.parametrize(
    ("mode", "expected"), [("default", SHUT), ("always", SHUT), ("never", "declared-not-enforced")]
)
def test_20_the_enforcement_mode_decides(mode: str, expected: str) -> None:
    agents = [agent("cilium", "cilium-agent", name, image="cilium:v1.18.0") for name in ("node-1", "node-2")]
    engine = cluster(cnp("p", into({})), config(enable_policy=mode), *agents)
    found = engine.allows(engine.resolve("shop/web"), engine.resolve("shop/db"), 80)
    assert found.verdict.value == expected


def test_35_cilium_objects_are_inert_where_another_agent_is_in_charge() -> None:
    agents = [
        agent("calico-node", "calico-node", n, image="calico/node:v3.30.0") for n in ("node-1", "node-2")
    ]
    engine = cluster(cnp("p", into({})), *agents)
    found = engine.allows(engine.resolve("shop/web"), engine.resolve("shop/db"), 80)
    assert found.verdict.value == "declared-not-enforced"
