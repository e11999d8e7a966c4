"""Calico's tiers, policies, selectors in policies, profiles (connectivity.md 25-29, 35, 36), worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from auditor.network.connectivity import Connectivity
from auditor.network.representation import Direction
from tests.network.building import Raw, agent, connect, labels, namespace, node, pod, policy

API = "projectcalico.org/v3"
TCP_80 = {"protocol": "TCP", "destination": {"ports": [80]}}
SHOP = namespace("shop", env="prod", team="a")
LAB = namespace("lab", env="test")
PODS = [
    pod("web", "shop", {"app": "web"}, address="10.0.0.1", ports=[{"containerPort": 8080, "name": "http"}]),
    pod("db", "shop", {"app": "db"}, address="10.0.0.2", ports=[{"containerPort": 80, "name": "http"}]),
    pod("probe", "lab", {"app": "web"}, address="10.0.1.1"),
]


def calico(kind: str, name: str, spec: Any, space: str | None = None, **found: Any) -> Raw:
    metadata: Raw = {"name": name, **found}
    if space:
        metadata["namespace"] = space
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def np(name: str, spec: Any, space: str = "shop") -> Raw:
    return calico("NetworkPolicy", name, spec, space)


def gnp(name: str, spec: Any) -> Raw:
    return calico("GlobalNetworkPolicy", name, spec)


def tier(name: str, order: float | None, **spec: Any) -> Raw:
    return calico("Tier", name, {**({} if order is None else {"order": order}), **spec})


def ingress(*rules: Any, selector: str = "app == 'db'", **spec: Any) -> Raw:
    return {"selector": selector, "types": ["Ingress"], "ingress": list(rules), **spec}


def egress(*rules: Any, selector: str = "app == 'web'", **spec: Any) -> Raw:
    return {"selector": selector, "types": ["Egress"], "egress": list(rules), **spec}


def allow(**rule: Any) -> Raw:
    return {"action": "Allow", **rule}


def deny(**rule: Any) -> Raw:
    return {"action": "Deny", **rule}


def does(action: str, **rule: Any) -> Raw:
    return {"action": action, **rule}


def source(**entity: Any) -> Raw:
    return {"source": entity}


def cluster(*objects: Raw, complete: bool = True) -> Connectivity:
    return connect([SHOP, LAB, *PODS, *objects], complete=complete)


def declared(objects: Sequence[Raw], flow: str, complete: bool = True) -> str:
    """`source > destination port/PROTOCOL` as the policies say it."""
    source_name, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    number, _, protocol = port.partition("/")
    engine = cluster(*objects, complete=complete)
    found = engine.allows(
        engine.resolve(source_name), engine.resolve(destination), int(number), protocol or "TCP"
    )
    return found.declared.value


OPEN, SHUT, MAYBE, PARTLY = "allowed", "denied", "indeterminate", "conditional"
WEB_DB, PROBE_DB, NET_DB = "shop/web > shop/db 80", "lab/probe > shop/db 80", "internet > shop/db 80"

CASES: list[tuple[str, list[Raw], str, str]] = [
    # 25: types
    (
        "25: no types and ingress rules only: ingress",
        [np("p", {"selector": "all()", "ingress": [deny()]})],
        WEB_DB,
        SHUT,
    ),
    (
        "25: no types and ingress rules only: egress stays open",
        [np("p", {"selector": "app == 'web'", "ingress": [deny()]})],
        WEB_DB,
        OPEN,
    ),
    (
        "25: no types and egress rules only means egress only",
        [np("p", {"selector": "all()", "egress": [allow()]})],
        "lab/probe > shop/db 80",
        OPEN,
    ),
    ("25: no types and no rules means ingress", [np("p", {"selector": "app == 'db'"})], WEB_DB, SHUT),
    (
        "25: no types and no rules leaves egress open",
        [np("p", {"selector": "app == 'web'"})],
        WEB_DB,
        OPEN,
    ),
    ("25: types Egress without rules denies egress", [np("p", egress())], WEB_DB, SHUT),
    # 26: tiers
    (
        "26: the default tier ends in Deny for what it selects",
        [np("p", ingress(allow(**source(selector="app == 'x'"))))],
        WEB_DB,
        SHUT,
    ),
    (
        "26: the end of a tier doesn't touch what it doesn't select",
        [np("p", ingress(selector="app == 'web'"))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: a policy that selects in one direction doesn't end the other",
        [np("p", ingress(selector="app == 'web'"))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: a tier of lower order comes first",
        [tier("first", 1), gnp("first.p", ingress(allow(), tier="first")), np("p", ingress(deny()))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: a tier of higher order than default comes after it",
        [tier("late", 2e6), gnp("late.p", ingress(allow(), tier="late")), np("p", ingress(deny()))],
        WEB_DB,
        SHUT,
    ),
    (
        "26: a tier without an order is last",
        [tier("late", None), gnp("late.p", ingress(deny(), tier="late")), np("p", ingress(allow()))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: tiers of equal order go by name",
        [
            tier("b", 5),
            tier("a", 5),
            gnp("b.p", ingress(deny(), tier="b")),
            gnp("a.p", ingress(allow(), tier="a")),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "26: Pass goes on to the next tier",
        [tier("first", 1), gnp("first.p", ingress(does("Pass"), tier="first")), np("p", ingress(deny()))],
        WEB_DB,
        SHUT,
    ),
    (
        "26: Pass skips the rest of its tier",
        [np("a", ingress(does("Pass"), order=1)), np("b", ingress(deny(), order=2))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: a tier ends in Deny when nothing in it matched",
        [
            tier("first", 1),
            gnp("first.p", ingress(allow(**source(selector="app == 'x'")), tier="first")),
            np("p", ingress(allow())),
        ],
        WEB_DB,
        SHUT,
    ),
    (
        "26: a tier that ends in Pass goes on",
        [
            tier("first", 1, defaultAction="Pass"),
            gnp("first.p", ingress(allow(**source(selector="app == 'x'")), tier="first")),
            np("p", ingress(allow())),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "36: the default tier's own defaultAction is read",
        [tier("default", 1e6, defaultAction="Pass"), np("p", ingress())],
        WEB_DB,
        OPEN,
    ),
    ("26: Log decides nothing", [np("p", ingress(does("Log"), allow()))], WEB_DB, OPEN),
    ("26: Log alone leaves it to the end of the tier", [np("p", ingress(does("Log")))], WEB_DB, SHUT),
    ("26: the first rule that matches decides", [np("p", ingress(deny(), allow()))], WEB_DB, SHUT),
    (
        "26: lower order first",
        [np("b", ingress(allow(), order=1)), np("a", ingress(deny(), order=2))],
        WEB_DB,
        OPEN,
    ),
    (
        "26: equal order, then the name",
        [np("b", ingress(allow(), order=1)), np("a", ingress(deny(), order=1))],
        WEB_DB,
        SHUT,
    ),
    (
        "36: an unset order is last",
        [np("a", ingress(allow())), np("b", ingress(deny(), order=9e9))],
        WEB_DB,
        SHUT,
    ),
    (
        "26: kube-admin is there without being collected",
        [gnp("kube-admin.p", ingress(deny(), tier="kube-admin")), np("p", ingress(allow()))],
        WEB_DB,
        SHUT,
    ),
    (
        "26: kube-baseline comes after default and ends in Pass",
        [gnp("kube-baseline.p", ingress(tier="kube-baseline"))],
        WEB_DB,
        OPEN,
    ),
    (
        "36: older releases call it adminnetworkpolicy",
        [gnp("adminnetworkpolicy.p", ingress(deny(), tier="adminnetworkpolicy")), np("p", ingress(allow()))],
        WEB_DB,
        SHUT,
    ),
    # 36: with Kubernetes NetworkPolicy
    (
        "36: a Calico Deny of lower order beats a Kubernetes allow",
        [policy("k", "shop", pods=labels(app="db"), ingress=[{}]), np("p", ingress(deny(), order=999))],
        WEB_DB,
        SHUT,
    ),
    (
        "36: a Calico Deny of higher order doesn't",
        [policy("k", "shop", pods=labels(app="db"), ingress=[{}]), np("p", ingress(deny(), order=1001))],
        WEB_DB,
        OPEN,
    ),
    (
        "36: a Calico Allow of higher order adds to a Kubernetes deny",
        [
            policy("k", "shop", pods=labels(app="db"), types=["Ingress"]),
            np("p", ingress(allow(), order=2000)),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "36: a Kubernetes allow holds beside a Calico policy that allows others",
        [
            policy(
                "k", "shop", pods=labels(app="db"), ingress=[{"from": [{"podSelector": labels(app="web")}]}]
            ),
            np("p", ingress(allow(**source(selector="app == 'x'")), order=10)),
        ],
        WEB_DB,
        OPEN,
    ),
    # 27: profiles
    ("27: with no policy the namespace's profile allows all", [], NET_DB, OPEN),
    (
        "27: a profile that was collected decides what no policy does",
        [calico("Profile", "kns.shop", {"ingress": [deny()], "egress": [allow()]})],
        WEB_DB,
        SHUT,
    ),
    (
        "27: a profile without a matching rule denies",
        [calico("Profile", "kns.shop", {"ingress": [], "egress": [allow()]})],
        WEB_DB,
        SHUT,
    ),
    (
        "27: Pass at the end leads to the profile",
        [
            np("p", ingress(does("Pass"))),
            calico("Profile", "kns.shop", {"ingress": [deny()], "egress": [allow()]}),
        ],
        WEB_DB,
        SHUT,
    ),
    (
        "27: what a policy allows never reaches the profile",
        [
            np("p", ingress(allow())),
            calico("Profile", "kns.shop", {"ingress": [deny()], "egress": [allow()]}),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "27: the profile of the service account comes second",
        [
            calico("Profile", "kns.shop", {"ingress": [deny(protocol="TCP")], "egress": [allow()]}),
            calico("Profile", "ksa.shop.default", {"ingress": [allow()], "egress": []}),
        ],
        "shop/web > shop/db 80/UDP",
        OPEN,
    ),
    (
        "27: the profile comes after a tier without an order",
        [
            calico("Profile", "kns.shop", {"ingress": [allow()], "egress": [allow()]}),
            tier("late", None),
            gnp("late.p", ingress(tier="late")),
        ],
        WEB_DB,
        SHUT,
    ),
    # 28, 29: whom rules mean
    (
        "29: in a namespaced policy a selector means that namespace",
        [np("p", ingress(allow(**source(selector="app == 'web'"))))],
        PROBE_DB,
        SHUT,
    ),
    ("29: and its own pods", [np("p", ingress(allow(**source(selector="app == 'web'"))))], WEB_DB, OPEN),
    (
        "29: in a global policy it means all namespaces",
        [gnp("p", ingress(allow(**source(selector="app == 'web'"))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "29: a namespaceSelector opens a namespaced policy to others",
        [np("p", ingress(allow(**source(namespaceSelector="env == 'test'"))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "29: namespaceSelector and selector both hold",
        [np("p", ingress(allow(**source(namespaceSelector="env == 'test'", selector="app == 'db'"))))],
        PROBE_DB,
        SHUT,
    ),
    (
        "29: namespaces have their name as a label",
        [np("p", ingress(allow(**source(namespaceSelector="projectcalico.org/name == 'lab'"))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "29: namespaceSelector all() is any namespace",
        [np("p", ingress(allow(**source(namespaceSelector="all()"))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "29: and no address outside",
        [np("p", ingress(allow(**source(namespaceSelector="all()"))))],
        NET_DB,
        SHUT,
    ),
    (
        "29: global() means what has no namespace",
        [np("p", ingress(allow(**source(namespaceSelector="global()"))))],
        WEB_DB,
        SHUT,
    ),
    (
        "29: global() finds a GlobalNetworkSet",
        [
            np("p", ingress(allow(**source(namespaceSelector="global()", selector="office == 'yes'")))),
            calico("GlobalNetworkSet", "o", {"nets": ["198.51.100.0/24"]}, labels={"office": "yes"}),
        ],
        "198.51.100.0/24 > shop/db 80",
        OPEN,
    ),
    (
        "28: all() in a global rule is known endpoints",
        [gnp("p", ingress(allow(**source(selector="all()"))))],
        PROBE_DB,
        OPEN,
    ),
    ("28: all() is not the internet", [gnp("p", ingress(allow(**source(selector="all()"))))], NET_DB, SHUT),
    ("28: an empty source is everybody", [gnp("p", ingress(allow()))], NET_DB, OPEN),
    (
        "28: notSelector in a global rule includes the internet",
        [gnp("p", ingress(allow(**source(notSelector="app == 'web'"))))],
        NET_DB,
        OPEN,
    ),
    (
        "28: and leaves out whom it names",
        [gnp("p", ingress(allow(**source(notSelector="app == 'web'"))))],
        WEB_DB,
        SHUT,
    ),
    (
        "28: notSelector in a namespaced policy stays in the namespace",
        [np("p", ingress(allow(**source(notSelector="app == 'x'"))))],
        NET_DB,
        SHUT,
    ),
    (
        "28: notNets includes the internet",
        [np("p", ingress(allow(**source(notNets=["10.0.0.0/8"]))))],
        NET_DB,
        OPEN,
    ),
    (
        "28: notNets leaves out pods by address",
        [np("p", ingress(allow(**source(notNets=["10.0.0.0/24"]))))],
        WEB_DB,
        SHUT,
    ),
    (
        "28: nets match pods by address",
        [np("p", ingress(allow(**source(nets=["10.0.1.0/24"]))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "28: a NetworkSet belongs to its namespace",
        [
            np("p", ingress(allow(**source(selector="office == 'yes'")))),
            calico("NetworkSet", "o", {"nets": ["198.51.100.0/24"]}, "lab", labels={"office": "yes"}),
        ],
        "198.51.100.0/24 > shop/db 80",
        SHUT,
    ),
    (
        "28: a NetworkSet in the policy's namespace",
        [
            np("p", ingress(allow(**source(selector="office == 'yes'")))),
            calico("NetworkSet", "o", {"nets": ["198.51.100.0/24"]}, "shop", labels={"office": "yes"}),
        ],
        "198.51.100.0/24 > shop/db 80",
        OPEN,
    ),
    (
        "28: a missing label matches !=",
        [np("p", ingress(allow(**source(selector="zone != 'eu'"))))],
        WEB_DB,
        OPEN,
    ),
    (
        "28: projectcalico.org/namespace is a label of pods",
        [gnp("p", ingress(allow(**source(selector="projectcalico.org/namespace == 'lab'"))))],
        PROBE_DB,
        OPEN,
    ),
    (
        "29: serviceAccountSelector selects by the account's labels",
        [
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": "shop", "labels": {"role": "x"}},
            },
            np("p", ingress(selector="all()", serviceAccountSelector="role == 'x'")),
        ],
        WEB_DB,
        SHUT,
    ),
    (
        "29: serviceAccounts by name in a rule",
        [np("p", ingress(allow(**source(serviceAccounts={"names": ["default"]}))))],
        WEB_DB,
        OPEN,
    ),
    (
        "29: serviceAccounts by name mean the policy's namespace",
        [np("p", ingress(allow(**source(serviceAccounts={"names": ["default"]}))))],
        PROBE_DB,
        SHUT,
    ),
    (
        "29: in the spec of a global policy namespaceSelector chooses the subjects",
        [gnp("p", ingress(selector="", namespaceSelector="env == 'prod'"))],
        WEB_DB,
        SHUT,
    ),
    (
        "29: and no others",
        [gnp("p", ingress(selector="", namespaceSelector="env == 'test'"))],
        WEB_DB,
        OPEN,
    ),
    (
        "28: a rule's destination narrows the subjects of ingress",
        [np("p", ingress(allow(destination={"selector": "app == 'x'"})))],
        WEB_DB,
        SHUT,
    ),
    # ports and protocols
    ("7: a port", [np("p", ingress(allow(**TCP_80)))], WEB_DB, OPEN),
    ("7: another port", [np("p", ingress(allow(**TCP_80)))], "shop/web > shop/db 81", SHUT),
    ("7: another protocol", [np("p", ingress(allow(**TCP_80)))], "shop/web > shop/db 80/UDP", SHUT),
    (
        "a range of ports",
        [np("p", ingress(allow(protocol="UDP", destination={"ports": ["70:90"]})))],
        "shop/web > shop/db 80/UDP",
        OPEN,
    ),
    (
        "a port by name is the destination's",
        [np("p", ingress(allow(protocol="TCP", destination={"ports": ["http"]})))],
        WEB_DB,
        OPEN,
    ),
    (
        "a port by name in egress is the other pod's",
        [np("p", egress(allow(protocol="TCP", destination={"ports": ["http"]})))],
        "shop/web > shop/db 80",
        OPEN,
    ),
    (
        "a port by name in egress is not the own pod's",
        [np("p", egress(allow(protocol="TCP", destination={"ports": ["http"]})))],
        "shop/web > shop/db 8080",
        SHUT,
    ),
    (
        "notPorts",
        [np("p", ingress(deny(protocol="TCP", destination={"notPorts": [80]}), allow()))],
        WEB_DB,
        OPEN,
    ),
    (
        "notPorts by name",
        [np("p", ingress(deny(protocol="TCP", destination={"notPorts": ["http"]}), allow()))],
        "shop/web > shop/db 81",
        SHUT,
    ),
    ("notProtocol", [np("p", ingress(deny(notProtocol="TCP"), allow()))], "shop/web > shop/db 80/UDP", SHUT),
    ("notProtocol leaves its protocol", [np("p", ingress(deny(notProtocol="TCP"), allow()))], WEB_DB, OPEN),
    ("a protocol by number", [np("p", ingress(deny(protocol=6), allow()))], WEB_DB, SHUT),
    ("no protocol is all", [np("p", ingress(deny()))], "shop/web > shop/db 2048/ICMP", SHUT),
    (
        "an ICMP type",
        [np("p", ingress(allow(protocol="ICMP", icmp={"type": 8})))],
        f"shop/web > shop/db {8 * 256}/ICMP",
        OPEN,
    ),
    (
        "another ICMP type",
        [np("p", ingress(allow(protocol="ICMP", icmp={"type": 8})))],
        "shop/web > shop/db 0/ICMP",
        SHUT,
    ),
    (
        "an ICMP type with a code",
        [np("p", ingress(allow(protocol="ICMP", icmp={"type": 3, "code": 1})))],
        f"shop/web > shop/db {3 * 256}/ICMP",
        SHUT,
    ),
    (
        "notICMP",
        [np("p", ingress(deny(protocol="ICMP", notICMP={"type": 8}), allow()))],
        "shop/web > shop/db 0/ICMP",
        SHUT,
    ),
    (
        "ports of the client are a condition of Allow",
        [np("p", ingress(allow(protocol="TCP", source={"ports": [1024]})))],
        WEB_DB,
        PARTLY,
    ),
    (
        "ports of the client are a condition of Deny",
        [np("p", ingress(deny(protocol="TCP", source={"ports": [1024]}), allow()))],
        WEB_DB,
        PARTLY,
    ),
    ("HTTP is a condition", [np("p", ingress(allow(http={"methods": ["GET"]})))], WEB_DB, PARTLY),
    ("ipVersion 6 doesn't match pods with IPv4", [np("p", ingress(allow(ipVersion=6)))], WEB_DB, SHUT),
    ("ipVersion 4 does", [np("p", ingress(allow(ipVersion=4)))], WEB_DB, OPEN),
    (
        "services in egress mean their pods",
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "db", "namespace": "shop"},
                "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432, "targetPort": "http"}]},
            },
            np("p", egress(allow(destination={"services": {"name": "db"}}))),
        ],
        WEB_DB,
        OPEN,
    ),
    (
        "services in egress mean their ports",
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "db", "namespace": "shop"},
                "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432, "targetPort": "http"}]},
            },
            np("p", egress(allow(destination={"services": {"name": "db"}}))),
        ],
        "shop/web > shop/db 5432",
        SHUT,
    ),
    # 29: what has no effect
    (
        "29: staged policies enforce nothing",
        [calico("StagedNetworkPolicy", "p", ingress(), "shop")],
        WEB_DB,
        OPEN,
    ),
    ("29: nor do staged global ones", [calico("StagedGlobalNetworkPolicy", "p", ingress())], WEB_DB, OPEN),
    (
        "29: doNotTrack concerns host endpoints",
        [gnp("p", ingress(doNotTrack=True, applyOnForward=True))],
        WEB_DB,
        OPEN,
    ),
    (
        "29: preDNAT concerns host endpoints",
        [gnp("p", ingress(preDNAT=True, applyOnForward=True))],
        WEB_DB,
        OPEN,
    ),
    (
        "29: applyOnForward applies to pods all the same",
        [gnp("p", ingress(applyOnForward=True))],
        WEB_DB,
        SHUT,
    ),
    # bad input
    (
        "an unknown token makes its subjects unsure",
        [np("p", ingress(allow(**source(selector="app ~ 'x'"))))],
        WEB_DB,
        MAYBE,
    ),
    (
        "an unknown token in the subjects makes the namespace unsure",
        [np("p", ingress(selector="app ~ 'db'"))],
        WEB_DB,
        MAYBE,
    ),
    ("but no other namespace", [np("p", ingress(selector="app ~ 'db'"))], "shop/web > lab/probe 80", OPEN),
    (
        "a broken policy doesn't undo what comes before it",
        [np("a", ingress(deny(), order=1)), np("b", ingress(allow(protocol="XYZ"), order=2))],
        WEB_DB,
        SHUT,
    ),
    (
        "a tier that doesn't exist",
        [gnp("t.p", ingress(deny(), tier="t")), np("p", ingress(allow()))],
        WEB_DB,
        MAYBE,
    ),
    ("port 70000", [np("p", ingress(allow(protocol="TCP", destination={"ports": [70000]})))], WEB_DB, MAYBE),
    ("a CIDR with host bits", [np("p", ingress(allow(**source(nets=["10.0.0.1/8"]))))], WEB_DB, MAYBE),
    (
        "mixed address families",
        [np("p", ingress(allow(**source(nets=["10.0.0.0/8", "fd00::/8"]))))],
        WEB_DB,
        MAYBE,
    ),
    ("ports without a protocol", [np("p", ingress(allow(destination={"ports": [80]})))], WEB_DB, MAYBE),
    (
        "global() where it has no place",
        [np("p", ingress(allow(**source(selector="global()"))))],
        WEB_DB,
        MAYBE,
    ),
]


@pytest.mark.parametrize(("case", "objects", "flow", "expected"), CASES, ids=[case[0] for case in CASES])
def test_calico_decides(case: str, objects: list[Raw], flow: str, expected: str) -> None:
    assert declared(objects, flow) == expected


def test_labels_of_a_namespace_that_was_not_collected_are_unknown() -> None:
    lone = pod("lone", "elsewhere", {}, address="10.0.9.9")
    rule = ingress(allow(**source(namespaceSelector="env == 'prod'")))
    engine = connect([SHOP, *PODS, lone, np("p", rule)], complete=False)
    found = engine.allows(engine.resolve("elsewhere/lone"), engine.resolve("shop/db"), 80)
    assert found.declared.value == MAYBE


def test_a_pod_cannot_claim_the_labels_of_a_namespace() -> None:
    liar = pod("liar", "lab", {"pcns.env": "prod", "projectcalico.org/namespace": "shop"}, address="10.0.1.9")
    policies = [
        gnp("p", ingress(allow(**source(namespaceSelector="env == 'prod'")))),
        gnp("q", ingress(allow(**source(selector="projectcalico.org/namespace == 'shop'")))),
    ]
    assert declared([liar, *policies], "lab/liar > shop/db 80") == SHUT
    assert declared([liar, *policies], WEB_DB) == OPEN


@pytest.mark.parametrize(
    ("objects", "field", "code"),
    [
        (
            [np("p", ingress(allow(**source(selector="app ~ 'x'"))))],
            "spec.ingress[0].source.selector",
            "invalid.selector",
        ),
        (
            [np("p", ingress(allow(protocol="TCP", destination={"ports": [70000]})))],
            "spec.ingress[0].destination.ports[0]",
            "invalid.port",
        ),
        (
            [np("p", ingress(allow(**source(nets=["10.0.0.1/8"]))))],
            "spec.ingress[0].source.nets[0]",
            "invalid.cidr",
        ),
        ([np("p", ingress(does("Drop")))], "spec.ingress[0].action", "invalid.rule"),
        ([np("p", ingress(tier="t"))], "spec.tier", "invalid.reference"),
        ([np("p", ingress(order="first"))], "spec.order", "invalid.spec"),
        ([tier("t", 1, defaultAction="Drop")], "spec.defaultAction", "invalid.spec"),
        ([calico("GlobalNetworkSet", "s", {"nets": ["10.0.0.300/8"]})], "spec.nets[0]", "invalid.cidr"),
        ([gnp("p", ingress(applyOnForward=True))], "spec.applyOnForward", "unsupported.feature"),
        (
            [calico("HostEndpoint", "h", {"node": "node-1", "expectedIPs": ["192.0.2.1"]})],
            "spec",
            "unsupported.feature",
        ),
    ],
)
def test_what_is_wrong_names_the_object_and_the_field(objects: list[Raw], field: str, code: str) -> None:
    problems = cluster(*objects).policy_problems
    assert (field, code) in [(problem.field, problem.code) for problem in problems]
    assert all(objects[0]["metadata"]["name"] in problem.object for problem in problems)


def test_staged_and_host_endpoint_policies_are_listed_as_inert() -> None:
    objects = [
        calico("StagedNetworkPolicy", "s", ingress(), "shop"),
        gnp("h", ingress(doNotTrack=True, applyOnForward=True)),
    ]
    inert = {facts.object: facts.inert.code for facts in cluster(*objects).policies if facts.inert}
    assert inert == {
        "shop/StagedNetworkPolicy.projectcalico.org/s": "inert.staged",
        "/GlobalNetworkPolicy.projectcalico.org/h": "inert.host-endpoint",
    }


def test_what_a_policy_selects_is_told() -> None:
    facts = [f for f in cluster(np("p", egress())).policies if f.layer == "calico"]
    assert [(f.selected, f.directions) for f in facts] == [(("shop/Pod/web",), (Direction.EGRESS,))]


def test_35_calico_objects_are_inert_where_another_agent_is_in_charge() -> None:
    others = [node("node-1", "192.0.2.1"), agent("cilium", "cilium-agent", "node-1", image="cilium:v1.18.0")]
    engine = cluster(np("p", ingress()), *others)
    found = engine.allows(engine.resolve("shop/web"), engine.resolve("shop/db"), 80)
    assert found.verdict.value == "declared-not-enforced"


def test_35_calico_enforces_its_own_objects() -> None:
    own = [
        node("node-1", "192.0.2.1"),
        agent("calico-node", "calico-node", "node-1", image="calico/node:v3.30.0"),
    ]
    engine = cluster(np("p", ingress()), *own)
    found = engine.allows(engine.resolve("shop/web"), engine.resolve("shop/db"), 80)
    assert found.verdict.value == SHUT
    assert [rule.object for layer in found.chain for rule in layer.rules if layer.layer == "calico"]
