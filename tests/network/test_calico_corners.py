"""Calico where it surprises: numbers and protocols, tiers, ties, negations, network sets; worked out by hand.

Sources: docs.tigera.io (NetworkPolicy, GlobalNetworkPolicy, NetworkSet, Tier), libcalico-go's validator, Felix's sorter.
"""

from typing import Any

import pytest

from tests.network.building import Raw, labels, policy
from tests.network.test_calico import (
    MAYBE,
    NET_DB,
    OPEN,
    PROBE_DB,
    SHUT,
    WEB_DB,
    allow,
    calico,
    declared,
    deny,
    does,
    egress,
    gnp,
    ingress,
    np,
    source,
    tier,
)


def _icmp(action: str, **rule: Any) -> Raw:
    return {"action": action, "protocol": "ICMP", **rule}


def _set(name: str, *nets: str, space: str | None = None, **found: str) -> Raw:
    kind = "NetworkSet" if space else "GlobalNetworkSet"
    return calico(kind, name, {"nets": list(nets)}, space, labels=found)


_ECHO, _REPLY = "shop/web > shop/db 2048/ICMP", "shop/web > shop/db 0/ICMP"
_SET = "198.51.100.7 > shop/db 80"
_KUBERNETES = policy("k", "shop", pods=labels(app="db"), ingress=[])

CASES: list[tuple[str, list[Raw], str, str]] = [
    # numbers and protocols
    (
        "port 0 is refused",
        [np("p", ingress(allow(protocol="TCP", destination={"ports": [0]})))],
        WEB_DB,
        MAYBE,
    ),
    ("ICMP type 255 is refused", [np("p", ingress(_icmp("Allow", icmp={"type": 255})))], WEB_DB, MAYBE),
    ("ICMP type 254 is not", [np("p", ingress(_icmp("Allow", icmp={"type": 254})))], WEB_DB, SHUT),
    (
        "notICMP without a protocol cannot be told",
        [np("p", ingress(allow(notICMP={"type": 8})))],
        WEB_DB,
        MAYBE,
    ),
    ("ICMP beside ipVersion 6 is refused", [np("p", ingress(_icmp("Allow", ipVersion=6)))], WEB_DB, MAYBE),
    ("ICMP beside ipVersion 4 is not", [np("p", ingress(_icmp("Allow", ipVersion=4)))], _ECHO, OPEN),
    ("ICMP alone is all of it", [np("p", ingress(_icmp("Allow")))], _REPLY, OPEN),
    ("and no TCP", [np("p", ingress(_icmp("Allow")))], WEB_DB, SHUT),
    (
        "a denied type leaves the others",
        [np("p", ingress(_icmp("Deny", icmp={"type": 8}), allow()))],
        _REPLY,
        OPEN,
    ),
    ("and is denied", [np("p", ingress(_icmp("Deny", icmp={"type": 8}), allow()))], _ECHO, SHUT),
    ("protocol in small letters", [np("p", ingress(allow(protocol="tcp")))], WEB_DB, OPEN),
    ("protocol 132 is SCTP", [np("p", ingress(allow(protocol=132)))], "shop/web > shop/db 80/SCTP", OPEN),
    (
        "a range by text includes its ends",
        [np("p", ingress(allow(protocol="TCP", destination={"ports": ["79:80"]})))],
        *(WEB_DB, OPEN),
    ),
    (
        "notPorts bar what ports allow",
        [np("p", ingress(allow(protocol="TCP", destination={"ports": ["1:100"], "notPorts": [80]})))],
        *(WEB_DB, SHUT),
    ),
    (
        "a port by name of another protocol matches nothing",
        [np("p", ingress(allow(protocol="UDP", destination={"ports": ["http"]})))],
        *("shop/web > shop/db 80/UDP", SHUT),
    ),
    (
        "a type that is written otherwise is doubtful",
        [np("p", {"selector": "all()", "types": ["ingress"], "ingress": []})],
        *(WEB_DB, MAYBE),
    ),
    # tiers and ties
    (
        "two policies of one order in the admin tier go by name, as everywhere in Calico",
        [
            gnp("kube-admin.a", ingress(allow(), tier="kube-admin", order=1)),
            gnp("kube-admin.b", ingress(deny(), tier="kube-admin", order=1)),
        ],
        *(WEB_DB, OPEN),
    ),
    (
        "the other way round",
        [
            gnp("kube-admin.a", ingress(deny(), tier="kube-admin", order=1)),
            gnp("kube-admin.b", ingress(allow(), tier="kube-admin", order=1)),
        ],
        *(WEB_DB, SHUT),
    ),
    (
        "Pass in the default tier skips the Kubernetes policies in it",
        [gnp("p", ingress(does("Pass"), order=1)), _KUBERNETES],
        *(WEB_DB, OPEN),
    ),
    (
        "Pass in an earlier tier leads to them",
        [tier("early", 1), gnp("early.p", ingress(does("Pass"), tier="early")), _KUBERNETES],
        *(WEB_DB, SHUT),
    ),
    (
        "an Allow in an earlier tier goes over them",
        [tier("early", 1), gnp("early.p", ingress(allow(), tier="early")), _KUBERNETES],
        *(WEB_DB, OPEN),
    ),
    (
        "an earlier tier that selects and doesn't match ends in Deny before them",
        [
            tier("early", 1),
            gnp("early.p", ingress(allow(protocol="UDP"), tier="early")),
            policy("k", "shop", pods=labels(app="db"), ingress=[{}]),
        ],
        *(WEB_DB, SHUT),
    ),
    (
        "unless it ends in Pass",
        [
            tier("early", 1, defaultAction="Pass"),
            gnp("early.p", ingress(allow(protocol="UDP"), tier="early")),
            policy("k", "shop", pods=labels(app="db"), ingress=[{}]),
        ],
        *(WEB_DB, OPEN),
    ),
    (
        "a later tier never sees what Kubernetes policies deny",
        [tier("late", 2_000_000), gnp("late.p", ingress(allow(), tier="late")), _KUBERNETES],
        *(WEB_DB, SHUT),
    ),
    (
        "order -5 comes before 0",
        [np("b", ingress(allow(), order=-5)), np("a", ingress(deny(), order=0))],
        WEB_DB,
        OPEN,
    ),
    (
        "order 1.5 comes before 2",
        [np("b", ingress(allow(), order=1.5)), np("a", ingress(deny(), order=2))],
        WEB_DB,
        OPEN,
    ),
    # what selectors mean
    (
        "selector and nets of a source must both hold",
        [gnp("p", ingress(allow(**source(selector="app == 'web'", nets=["10.0.1.0/24"]))))],
        *(WEB_DB, SHUT),
    ),
    (
        "and hold together",
        [gnp("p", ingress(allow(**source(selector="app == 'web'", nets=["10.0.1.0/24"]))))],
        *(PROBE_DB, OPEN),
    ),
    (
        "notSelector beside nets keeps the addresses outside",
        [gnp("p", ingress(allow(**source(notSelector="app == 'web'", nets=["0.0.0.0/0"]))))],
        *(NET_DB, OPEN),
    ),
    (
        "and bars the pods that it names",
        [gnp("p", ingress(allow(**source(notSelector="app == 'web'", nets=["0.0.0.0/0"]))))],
        *(WEB_DB, SHUT),
    ),
    (
        "notNets bars pods by address although the selector means them",
        [gnp("p", ingress(allow(**source(selector="app == 'web'", notNets=["10.0.0.0/24"]))))],
        *(WEB_DB, SHUT),
    ),
    (
        "a global selector means network sets of the cluster",
        [
            _set("s", "198.51.100.0/24", zone="dmz"),
            gnp("p", ingress(allow(**source(selector="zone == 'dmz'")))),
        ],
        *(_SET, OPEN),
    ),
    (
        "a selector in a namespaced policy doesn't",
        [
            _set("s", "198.51.100.0/24", zone="dmz"),
            np("p", ingress(allow(**source(selector="zone == 'dmz'")))),
        ],
        *(_SET, SHUT),
    ),
    (
        "an address in two sets is meant by the labels of either",
        [
            _set("s", "198.51.100.0/24", zone="dmz"),
            _set("t", "198.51.100.7/32", zone="lab"),
            gnp(
                "p",
                ingress(deny(**source(selector="zone == 'dmz'")), allow(**source(selector="zone == 'lab'"))),
            ),
        ],
        *(_SET, SHUT),
    ),
    (
        "a set of another namespace needs a namespaceSelector",
        [
            _set("s", "198.51.100.0/24", space="lab", zone="dmz"),
            np("p", ingress(allow(**source(selector="zone == 'dmz'", namespaceSelector="env == 'test'")))),
        ],
        *(_SET, OPEN),
    ),
    (
        "has() of a label with an empty value",
        [gnp("p", ingress(allow(), selector="has(app) && app != ''"))],
        *(WEB_DB, OPEN),
    ),
    (
        "egress of the source counts as well",
        [np("in", ingress(allow())), np("out", egress(deny()))],
        *(WEB_DB, SHUT),
    ),
    (
        "an egress rule without a destination is everywhere",
        [np("out", egress(allow()))],
        *("shop/web > internet 443", OPEN),
    ),
    (
        "doNotTrack leaves pods alone, also as a denial",
        [gnp("p", ingress(deny(), doNotTrack=True, applyOnForward=True)), np("q", ingress(allow()))],
        *(WEB_DB, OPEN),
    ),
    (
        "a staged denial leaves what is in force",
        [calico("StagedNetworkPolicy", "s", ingress(deny(), order=0), "shop"), np("q", ingress(allow()))],
        *(WEB_DB, OPEN),
    ),
    (
        "a staged deletion deletes nothing",
        [
            calico("StagedNetworkPolicy", "q", {"stagedAction": "Delete"}, "shop"),
            np("q", ingress(deny())),
        ],
        *(WEB_DB, SHUT),
    ),
]


@pytest.mark.parametrize(("objects", "flow", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_calico_decides(objects: list[Raw], flow: str, expected: str) -> None:
    assert declared(objects, flow) == expected
