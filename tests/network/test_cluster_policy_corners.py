"""AdminNetworkPolicy, its baseline and ClusterNetworkPolicy where they surprise; worked out by hand.

Source: the field documentation of network-policy-api 0.1.8 (v1alpha1) and 0.2.0 (v1alpha2).
"""

from typing import Any

import pytest

from auditor.model.verdict import Reach
from tests.network.building import (
    Raw,
    cluster_policy,
    connect,
    labels,
    namespace,
    node,
    pod,
    policy,
)

OPEN, SHUT, MAYBE, PARTLY = "allowed", "denied", "indeterminate", "conditional"
_ALL: Raw = {"namespaces": {}}
_DB = {"pods": {"namespaceSelector": {}, "podSelector": labels(app="db")}}
FAR_DB, WEB_DB, DB_NET = "far/far > default/db 80", "default/web > default/db 80", "default/db > internet 80"


def admin(priority: int, *rules: Raw, subject: Raw = _ALL, out: bool = False, name: str = "a") -> Raw:
    spec = {"priority": priority, "subject": subject, "egress" if out else "ingress": list(rules)}
    return cluster_policy("AdminNetworkPolicy", name, "v1alpha1", spec)


def baseline(*rules: Raw, name: str = "default", out: bool = False) -> Raw:
    spec = {"subject": _ALL, "egress" if out else "ingress": list(rules)}
    return cluster_policy("BaselineAdminNetworkPolicy", name, "v1alpha1", spec)


def wide(
    tier: str, priority: int, *rules: Raw, subject: Raw = _ALL, out: bool = False, name: str = "c"
) -> Raw:
    spec = {
        "tier": tier,
        "priority": priority,
        "subject": subject,
        "egress" if out else "ingress": list(rules),
    }
    return cluster_policy("ClusterNetworkPolicy", name, "v1alpha2", spec)


def frm(action: str, *peers: Raw, **more: Any) -> Raw:
    return {"action": action, "from": list(peers) or [_ALL], **more}


def to(action: str, *peers: Raw, **more: Any) -> Raw:
    return {"action": action, "to": list(peers), **more}


_KNP = policy("k", ingress=[{"from": [{"podSelector": {}}]}])
_NET = {"networks": ["0.0.0.0/0"]}

CASES: list[tuple[str, list[Raw], str, str]] = [
    ("16 a priority out of range is doubtful", [admin(1001, frm("Deny"))], FAR_DB, MAYBE),
    ("16 an empty subject of namespaces is every namespace", [admin(1, frm("Deny"))], WEB_DB, SHUT),
    (
        "16 a subject by pods is those alone",
        [admin(1, frm("Deny"), subject=_DB)],
        "far/far > default/web 80",
        OPEN,
    ),
    ("16 rules after the one that matched don't count", [admin(1, frm("Allow"), frm("Deny"))], FAR_DB, OPEN),
    (
        "16 a rule of ports leaves other ports to the next",
        [admin(1, frm("Allow", ports=[{"portNumber": {"port": 443}}]), frm("Deny"))],
        *(FAR_DB, SHUT),
    ),
    (
        "16 a port without protocol is TCP",
        [admin(1, frm("Deny", ports=[{"portNumber": {"port": 80}}]))],
        *("far/far > default/db 80/UDP", OPEN),
    ),
    (
        "16 a range includes its ends",
        [admin(1, frm("Deny", ports=[{"portRange": {"start": 79, "end": 80}}]))],
        *(FAR_DB, SHUT),
    ),
    (
        "16 different tiers may share a priority",
        [wide("Admin", 5, frm("Deny")), wide("Baseline", 5, frm("Accept"), name="d")],
        *(FAR_DB, SHUT),
    ),
    (
        "16 equal priorities with different subjects are no conflict",
        [
            admin(1, frm("Deny"), subject=_DB),
            admin(1, frm("Allow"), subject={"namespaces": labels(team="far")}, name="b"),
        ],
        *(FAR_DB, SHUT),
    ),
    (
        "16 nor on different ports",
        [
            admin(1, frm("Deny", ports=[{"portNumber": {"port": 443}}])),
            admin(1, frm("Allow", ports=[{"portNumber": {"port": 80}}]), name="b"),
        ],
        *(FAR_DB, OPEN),
    ),
    ("17 a policy without rules governs nothing", [admin(1)], FAR_DB, OPEN),
    (
        "17 Pass of one port leaves the others to the tier",
        [admin(1, frm("Pass", ports=[{"portNumber": {"port": 443}}]), frm("Deny"))],
        FAR_DB,
        SHUT,
    ),
    ("17 the baseline may not pass", [baseline(frm("Pass"))], FAR_DB, MAYBE),
    ("17 a baseline of another name is doubtful", [baseline(frm("Deny"), name="other")], FAR_DB, MAYBE),
    (
        "17 a baseline allows before it denies",
        [baseline(frm("Allow", {"namespaces": labels(team="far")}), frm("Deny"))],
        FAR_DB,
        OPEN,
    ),
    ("17 what the baseline allows NetworkPolicy may deny", [baseline(frm("Allow")), _KNP], FAR_DB, SHUT),
    (
        "17 a NetworkPolicy of egress leaves ingress to the baseline",
        [baseline(frm("Deny")), policy("k", types=["Egress"], egress=[{}])],
        *(FAR_DB, SHUT),
    ),
    (
        "17 an Allow over a NetworkPolicy doesn't open the other direction",
        [admin(1, frm("Allow")), policy("k", "far", types=["Egress"])],
        FAR_DB,
        SHUT,
    ),
    ("18 v1alpha2 says Accept", [wide("Admin", 1, frm("Allow"))], FAR_DB, MAYBE),
    ("18 v1alpha1 says Allow", [admin(1, frm("Accept"))], FAR_DB, MAYBE),
    (
        "18 protocols of v1alpha2",
        [wide("Admin", 1, frm("Deny", protocols=[{"tcp": {"destinationPort": {"number": 80}}}]))],
        *(FAR_DB, SHUT),
    ),
    (
        "18 of one protocol",
        [wide("Admin", 1, frm("Deny", protocols=[{"tcp": {"destinationPort": {"number": 80}}}]))],
        *("far/far > default/db 80/UDP", OPEN),
    ),
    (
        "18 a port by name is any protocol's",
        [wide("Admin", 1, frm("Deny", protocols=[{"destinationNamedPort": "dns"}]))],
        *("far/far > default/db 53/UDP", SHUT),
    ),
    (
        "18 a port by name is only where the pod has it",
        [wide("Admin", 1, frm("Deny", protocols=[{"destinationNamedPort": "dns"}]))],
        *("far/far > default/web 53/UDP", OPEN),
    ),
    (
        "18 an unknown peer among known ones: Accept matches none of them",
        [wide("Admin", 1, frm("Accept", _ALL, {"new": {}}), frm("Deny"))],
        FAR_DB,
        SHUT,
    ),
    (
        "18 an unknown peer denies on every port",
        [wide("Admin", 1, frm("Deny", {"new": {}}, protocols=[{"tcp": {"destinationPort": {"number": 1}}}]))],
        FAR_DB,
        SHUT,
    ),
    (
        "18 a peer of addresses in ingress is unknown there",
        [wide("Admin", 1, frm("Deny", _NET))],
        FAR_DB,
        SHUT,
    ),
    ("18 an unknown tier is doubtful", [wide("Middle", 1, frm("Deny"))], FAR_DB, MAYBE),
    ("19 a network denies the internet", [wide("Admin", 1, to("Deny", _NET), out=True)], DB_NET, SHUT),
    (
        "19 the namespaces of all pods hold no address outside",
        [wide("Admin", 1, to("Deny", _ALL), out=True)],
        DB_NET,
        OPEN,
    ),
    (
        "19 in ingress nobody outside is a peer",
        [wide("Admin", 1, frm("Deny"))],
        "internet > default/db 80",
        OPEN,
    ),
    (
        "19 a network holds nodes",
        [wide("Admin", 1, to("Deny", {"networks": ["192.0.2.2/32"]}), out=True)],
        "default/db > /Node/node-2 80",
        SHUT,
    ),
    (
        "19 but not a pod's own node",
        [wide("Admin", 1, to("Deny", {"networks": ["192.0.2.1/32"]}), out=True)],
        "default/db > /Node/node-1 80",
        OPEN,
    ),
    (
        "19 nodes by label",
        [admin(1, to("Deny", {"nodes": labels(zone="b")}), out=True)],
        "default/db > /Node/node-2 80",
        OPEN,
    ),
    (
        "24 domain names in a rule that denies are doubtful",
        [admin(1, to("Deny", {"domainNames": ["example.org"]}), out=True)],
        DB_NET,
        MAYBE,
    ),
    (
        "24 an accepted domain name is a condition before a denial",
        [wide("Admin", 1, to("Accept", {"domainNames": ["example.org"]}), to("Deny", _NET), out=True)],
        *(DB_NET, PARTLY),
    ),
    (
        "24 and never a pod",
        [wide("Admin", 1, to("Accept", {"domainNames": ["example.org"]}), to("Deny", _NET), out=True)],
        *("default/db > default/web 80", SHUT),
    ),
]


@pytest.mark.parametrize(("objects", "flow", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_sentence(objects: list[Raw], flow: str, expected: str) -> None:
    ports = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    connectivity = connect(
        [
            *(node(f"node-{i}", f"192.0.2.{i}", {"zone": "a"}) for i in (1, 2)),
            namespace("default"),
            namespace("far", team="far"),
            pod("db", labels={"app": "db"}, address="10.0.0.2", ports=ports),
            pod("web", labels={"app": "web"}, address="10.0.0.1"),
            pod("far", "far", address="10.0.9.9", node="node-2"),
            *objects,
        ]
    )
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    number, _, protocol = port.partition("/")
    ends = connectivity.resolve(source), connectivity.resolve(destination)
    assert connectivity.allows(*ends, int(number), protocol or "TCP").declared is Reach(expected)
