"""Rules of Calico, Cilium and cluster-wide policies that do nothing, or more than they seem to: worked out by hand."""

from typing import Any

import pytest

from auditor.network.rule_quality import rule_flaws
from tests.network.building import Raw, agent, cluster_policy, connect, labels, namespace, node, pod, policy
from tests.network.test_calico import allow, calico, deny, does, gnp, ingress, np, source, tier

Expected = dict[str, list[tuple[str, str, tuple[str, ...]]]]
WEB, DB, PROBE = "shop/Pod/web", "shop/Pod/db", "lab/Pod/probe"
NP, GNP = "shop/NetworkPolicy.projectcalico.org", "/GlobalNetworkPolicy.projectcalico.org"
CNP, CCNP = "shop/CiliumNetworkPolicy.cilium.io", "/CiliumClusterwideNetworkPolicy.cilium.io"
ANP, BANP = (
    f"/{kind}.policy.networking.k8s.io" for kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")
)
SPACES = [namespace("shop", env="prod"), namespace("lab", env="test"), node("node-1", "192.0.2.1")]
PODS = [
    pod("web", "shop", {"app": "web"}, address="10.0.0.1"),
    pod("db", "shop", {"app": "db"}, address="10.0.0.2"),
    pod("probe", "lab", {"app": "probe"}, address="10.0.1.1"),
]
FROM_WEB = source(selector="app == 'web'")


def flaws(*objects: Raw, reachable: bool = True) -> Expected:
    network = connect([*SPACES, *PODS, agent("calico-node", "calico-node", "node-1"), *objects])
    assert network.services is not None
    found = rule_flaws(network, network.services, lambda *_: reachable)
    return {
        owner: [(str(flaw.kind), flaw.path, flaw.names) for flaw in listed]
        for owner, listed in found.items()
        if listed
    }


def kubernetes(name: str, port: int | None = None) -> Raw:
    rule: Raw = {"from": [{"podSelector": labels(app="web")}]}
    if port:
        rule["ports"] = [{"port": port}]
    return policy(name, "shop", pods=labels(app="db"), ingress=[rule])


CALICO: dict[str, tuple[list[Raw], Expected]] = {
    "a deny of an earlier tier shadows an allow": (
        [
            tier("security", 10),
            gnp("block", {"tier": "security", **ingress(deny(**FROM_WEB), does("Pass"))}),
            np("open", ingress(allow(**FROM_WEB))),
        ],
        {f"{NP}/open": [("shadowed-rule", "ingress[0]", (f"{GNP}/block ingress[0]",))]},
    ),
    "a deny of a lower order shadows an allow": (
        [
            np("block", ingress(deny(**FROM_WEB), order=10)),
            np("open", ingress(allow(**FROM_WEB), order=20)),
        ],
        {f"{NP}/open": [("shadowed-rule", "ingress[0]", (f"{NP}/block ingress[0]",))]},
    ),
    "of a higher order it shadows nothing": (
        [
            np("open", ingress(allow(**FROM_WEB), order=10)),
            np("block", ingress(deny(source={"selector": "app == 'web'"}), order=20)),
        ],
        {f"{NP}/block": [("shadowed-rule", "ingress[0]", (f"{NP}/open ingress[0]",))]},
    ),
    "what a later rule allows as well is redundant": (
        [
            np(
                "open",
                ingress(allow(protocol="TCP", destination={"ports": [80]}, **FROM_WEB), allow(**FROM_WEB)),
            )
        ],
        {f"{NP}/open": [("redundant-rule", "ingress[0]", (f"{NP}/open ingress[1]",))]},
    ),
    "an exception before a wider rule is needed": (
        [
            np(
                "open",
                ingress(deny(protocol="TCP", destination={"ports": [22]}, **FROM_WEB), allow(**FROM_WEB)),
            )
        ],
        {},
    ),
    "a closing deny that says what would hold anyway is nobody's flaw": (
        [np("open", ingress(allow(**FROM_WEB), deny()))],
        {},
    ),
    "a pass to a tier that decides otherwise is needed": (
        [
            tier("security", 10),
            gnp("block", {"tier": "security", **ingress(does("Pass", **FROM_WEB), deny())}),
            np("open", ingress(allow(**FROM_WEB))),
        ],
        {},
    ),
    "a NetworkPolicy's rule is shadowed by a Calico deny of a lower order": (
        [np("block", ingress(deny(**FROM_WEB), order=10)), kubernetes("open")],
        {"shop/NetworkPolicy/open": [("shadowed-rule", "ingress[0]", (f"{NP}/block ingress[0]",))]},
    ),
    "what one NetworkPolicy covers is needed where a Calico deny stands between the two": (
        [kubernetes("a", 80), kubernetes("b"), np("knp.default.am", ingress(deny(**FROM_WEB), order=1000))],
        {
            "shop/NetworkPolicy/b": [
                (
                    "shadowed-rule",
                    "ingress[0]",
                    (f"{NP}/knp.default.am ingress[0]", "shop/NetworkPolicy/a ingress[0]"),
                )
            ]
        },
    ),
    "a negation of a global policy lets the internet in": (
        [gnp("open", ingress(allow(**source(notSelector="app == 'web'"))))],
        {f"{GNP}/open": [("negation-lets-in-the-rest", "ingress[0]", ("internet",))]},
    ),
    "in a namespaced policy it is about the namespace alone": (
        [np("open", ingress(allow(**source(notSelector="app == 'web'")), selector="app == 'web'"))],
        {},
    ),
    "a network set that isn't there": (
        [np("open", ingress(allow(**source(selector="partner == 'bank'"))))],
        {f"{NP}/open": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "a service account that no pod has": (
        [np("open", ingress(allow(**source(serviceAccounts={"names": ["batch"]}))))],
        {f"{NP}/open": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "a namespace that no label selects": (
        [np("open", ingress(allow(**source(namespaceSelector="env == 'staging'"))))],
        {f"{NP}/open": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "global() stands for cluster-wide sets, not for every namespace": (
        [np("open", ingress(allow(**source(namespaceSelector="global()"))))],
        {f"{NP}/open": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "all() in a namespaced policy is the whole namespace": (
        [np("open", ingress(allow(**source(selector="all()"))))],
        {f"{NP}/open": [("every-pod-of-the-namespace", "ingress[0]", (WEB,))]},
    ),
    "all() in a global policy is every pod of every namespace": (
        [gnp("open", ingress(allow(**source(selector="all()"))))],
        {f"{GNP}/open": [("every-namespace", "ingress[0]", (PROBE, DB, WEB))]},
    ),
    "a negation beside a selector is an exception to it": (
        [np("open", ingress(allow(**source(selector="app in {'web', 'db'}", notSelector="app == 'db'"))))],
        {},
    ),
    "nets hold pods of other namespaces": (
        [np("open", ingress(allow(**source(nets=["10.0.0.0/16"]))))],
        {f"{NP}/open": [("block-covers-pods", "ingress[0]", (PROBE,))]},
    ),
    "staged policies are not judged": (
        [calico("StagedNetworkPolicy", "open", ingress(allow(**source(selector="none == 'x'"))), "shop")],
        {},
    ),
}


def _without_roots(found: Expected) -> Expected:
    """Whatever the addresses outside are called, they are outside."""
    return {
        owner: [
            (kind, path, ("internet",) if kind == "negation-lets-in-the-rest" else names)
            for kind, path, names in listed
        ]
        for owner, listed in found.items()
    }


@pytest.mark.parametrize(("objects", "expected"), CALICO.values(), ids=list(CALICO))
def test_calico_rules(objects: list[Raw], expected: Expected) -> None:
    assert _without_roots(flaws(*objects)) == expected


def cilium(name: str, spec: Any, clusterwide: bool = False) -> Raw:
    kind = "CiliumClusterwideNetworkPolicy" if clusterwide else "CiliumNetworkPolicy"
    metadata = {"name": name} if clusterwide else {"name": name, "namespace": "shop"}
    spec = {"endpointSelector": labels(app="db"), **spec}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": spec}


WEB_IN = {"fromEndpoints": [labels(app="web")]}
PORT_80 = {"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}
GET = {"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}}]}
CILIUM: dict[str, tuple[list[Raw], Expected]] = {
    "a deny wins over an allow of another policy": (
        [cilium("open", {"ingress": [WEB_IN]}), cilium("block", {"ingressDeny": [WEB_IN]})],
        {f"{CNP}/open": [("shadowed-rule", "ingress[0]", (f"{CNP}/block ingressDeny[0]",))]},
    ),
    "a wider allow makes a narrower one redundant": (
        [cilium("open", {"ingress": [{**WEB_IN, **PORT_80}, WEB_IN]})],
        {f"{CNP}/open": [("redundant-rule", "ingress[0]", (f"{CNP}/open ingress[1]",))]},
    ),
    "of a rule with HTTP conditions nothing is claimed": (
        [cilium("open", {"ingress": [{**WEB_IN, **GET}, {**WEB_IN, **GET}]})],
        {},
    ),
    "an endpoint that no pod is": (
        [cilium("open", {"ingress": [{"fromEndpoints": [labels(app="gone")]}]})],
        {f"{CNP}/open": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "an empty list selects nobody on purpose": ([cilium("open", {"ingress": [{"fromEndpoints": []}]})], {}),
    "an empty selector is the whole namespace": (
        [cilium("open", {"ingress": [{"fromEndpoints": [{}]}]})],
        {f"{CNP}/open": [("every-pod-of-the-namespace", "ingress[0]", (WEB,))]},
    ),
    "in a clusterwide policy it is every namespace": (
        [cilium("open", {"ingress": [{"fromEndpoints": [{}]}]}, clusterwide=True)],
        {f"{CCNP}/open": [("every-namespace", "ingress[0]", (PROBE, DB, WEB))]},
    ),
    "ports without peers are open to everyone": (
        [cilium("open", {"ingress": [PORT_80]})],
        {f"{CNP}/open": [("ports-without-peers", "ingress[0]", ("everyone",))]},
    ),
}


@pytest.mark.parametrize(("objects", "expected"), CILIUM.values(), ids=list(CILIUM))
def test_cilium_rules(objects: list[Raw], expected: Expected) -> None:
    found = flaws(*objects)
    for listed in found.values():
        listed[:] = [(k, p, ("everyone",) if k == "ports-without-peers" else n) for k, p, n in listed]
    assert found == expected


def admin(name: str, priority: int | None, *rules: Raw, baseline: bool = False) -> Raw:
    kind = "BaselineAdminNetworkPolicy" if baseline else "AdminNetworkPolicy"
    place = {} if priority is None else {"priority": priority}
    spec = {"subject": {"namespaces": labels(env="prod")}, "ingress": list(rules), **place}
    return cluster_policy(kind, name, "v1alpha1", spec)


def rule(action: str, peers: Any) -> Raw:
    return {"action": action, "from": [{"namespaces": peers}]}


LAB = labels(env="test")
ADMIN: dict[str, tuple[list[Raw], Expected]] = {
    "a lower priority number comes first": (
        [admin("first", 1, rule("Deny", LAB)), admin("second", 2, rule("Allow", LAB))],
        {f"{ANP}/second": [("shadowed-rule", "ingress[0]", (f"{ANP}/first ingress[0]",))]},
    ),
    "a rule after its like in one policy": (
        [admin("first", 1, rule("Deny", LAB), rule("Deny", LAB))],
        {f"{ANP}/first": [("shadowed-rule", "ingress[1]", (f"{ANP}/first ingress[0]",))]},
    ),
    "of equal priorities nothing is claimed": (
        [admin("first", 1, rule("Deny", LAB)), admin("second", 1, rule("Allow", LAB))],
        {},
    ),
    "the baseline is shadowed by what comes before it": (
        [admin("first", 1, rule("Deny", LAB)), admin("default", None, rule("Deny", LAB), baseline=True)],
        {f"{BANP}/default": [("shadowed-rule", "ingress[0]", (f"{ANP}/first ingress[0]",))]},
    ),
    "namespaces that nobody has": (
        [admin("first", 1, rule("Deny", labels(env="staging")))],
        {f"{ANP}/first": [("rule-matches-nothing", "ingress[0]", ())]},
    ),
    "every namespace is let in": (
        [admin("first", 1, rule("Allow", {}))],
        {f"{ANP}/first": [("every-namespace", "ingress[0]", (PROBE, DB, WEB))]},
    ),
}


@pytest.mark.parametrize(("objects", "expected"), ADMIN.values(), ids=list(ADMIN))
def test_cluster_wide_rules(objects: list[Raw], expected: Expected) -> None:
    assert flaws(*objects) == expected


DNS = [
    pod("dns", "kube-system", {"app": "dns"}, address="10.8.0.1"),
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"selector": {"app": "dns"}, "ports": [{"port": 53, "protocol": "UDP"}]},
    },
]
TO_WEB = {"selector": "app == 'db'", "types": ["Egress"]}


def test_egress_of_calico_that_cuts_names() -> None:
    to_web = np("out", {**TO_WEB, "egress": [allow(destination={"selector": "app == 'web'"})]})
    assert flaws(*DNS, to_web, reachable=False) == {f"{NP}/out": [("dns-cut", "egress[0]", (DB,))]}
    assert flaws(*DNS, to_web, reachable=True) == {}


def test_an_egress_deny_that_takes_dns_along_is_the_rule_that_is_named() -> None:
    block = cilium("block", {"egressDeny": [{"toEntities": ["cluster"]}]})
    assert flaws(*DNS, block, reachable=False) == {f"{CNP}/block": [("dns-cut", "egressDeny[0]", (DB,))]}


PEERS: dict[str, tuple[list[Raw], list[tuple[str, str, tuple[str, ...]]]]] = {
    "a peer that another of the rule covers": (
        [{"namespaceSelector": LAB}, {"namespaceSelector": LAB, "podSelector": labels(app="probe")}],
        [("redundant-peer", "ingress[0].from[1]", ("shop/NetworkPolicy/a ingress[0].from[0]",))],
    ),
    "of equal peers the later one": (
        [{"podSelector": labels(app="web")}, {"podSelector": labels(app="web")}],
        [("redundant-peer", "ingress[0].from[1]", ("shop/NetworkPolicy/a ingress[0].from[0]",))],
    ),
    "a peer that is nobody beside one that is somebody": (
        [{"podSelector": labels(app="gone")}, {"podSelector": labels(app="web")}],
        [("rule-matches-nothing", "ingress[0].from[0]", ())],
    ),
    "peers that stand for different pods": (
        [{"podSelector": labels(app="web")}, {"namespaceSelector": LAB}],
        [],
    ),
}


@pytest.mark.parametrize(("peers", "expected"), PEERS.values(), ids=list(PEERS))
def test_peers_of_one_rule(peers: list[Raw], expected: Any) -> None:
    given_policy = policy("a", "shop", pods=labels(app="db"), ingress=[{"from": peers}])
    assert flaws(given_policy).get("shop/NetworkPolicy/a", []) == expected
