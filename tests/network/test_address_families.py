"""IPv6 and pods with addresses of both families: a packet may go by either, so a denial of one doesn't close the other.

Worked out by hand. `twin` has 10.0.0.3 and fd00::3, `old` 10.0.0.1 only, `new` fd00::4 only.
"""

from typing import Any

import pytest

from auditor.network.connectivity import Basis, Connectivity
from tests.network.building import (
    Raw,
    cluster_policy,
    connect,
    enforced,
    labels,
    namespace,
    node,
    pod,
    policy,
)

OPEN, SHUT, MAYBE = "allowed", "denied", "indeterminate"
TWIN_DB, OLD_DB, NEW_DB = "shop/twin > shop/db 80", "shop/old > shop/db 80", "shop/new > shop/db 80"
DB_TWIN, DB_OLD, DB_NEW = "shop/db > shop/twin 80", "shop/db > shop/old 80", "shop/db > shop/new 80"
_PODS = [
    namespace("shop"),
    node("node-1", "192.0.2.1"),
    *(
        pod(name, "shop", {"app": name}, address=address, node="node-1")
        for name, address in (
            ("db", "10.0.0.2,fd00::2"),
            ("old", "10.0.0.1"),
            ("twin", "10.0.0.3,fd00::3"),
            ("new", "fd00::4"),
        )
    ),
]


def _np(*peers: Raw) -> Raw:
    return policy("p", "shop", pods=labels(app="db"), ingress=[{"from": list(peers)}])


def _block(cidr: str, *holes: str) -> Raw:
    return {"ipBlock": {"cidr": cidr, **({"except": list(holes)} if holes else {})}}


def _cluster_wide(action: str, *networks: str) -> Raw:
    rules = [{"action": action, "to": [{"networks": list(networks)}]}]
    spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": rules}
    return cluster_policy("ClusterNetworkPolicy", "c", "v1alpha2", spec)


def _calico(*rules: Any) -> Raw:
    metadata = {"name": "p", "namespace": "shop"}
    spec = {"selector": "app == 'db'", "types": ["Ingress"], "ingress": list(rules)}
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _from(action: str, **entity: Any) -> Raw:
    return {"action": action, "source": entity}


_HOLED = _np(_block("0.0.0.0/0", "10.0.0.0/8"), _block("::/0"))
_DENY_REST = policy("rest", "shop", pods=labels(app="db"), types=["Egress"])

CASES: list[tuple[str, list[Raw], str, str]] = [
    ("7 an IPv4 block lets in whoever has such an address", [_np(_block("10.0.0.0/24"))], TWIN_DB, OPEN),
    ("an IPv6 block as well", [_np(_block("fd00::/64"))], TWIN_DB, OPEN),
    ("but nobody with another family alone", [_np(_block("fd00::/64"))], OLD_DB, SHUT),
    ("0.0.0.0/0 is not IPv6", [_np(_block("0.0.0.0/0"))], NEW_DB, SHUT),
    ("::/0 is", [_np(_block("::/0"))], NEW_DB, OPEN),
    ("nor is it the IPv6 internet", [_np(_block("0.0.0.0/0"))], "2001:db8::1 > shop/db 80", SHUT),
    (
        "an exception of one family leaves the other block",
        [_np(_block("0.0.0.0/0", "10.0.0.0/8"), _block("::/0"))],
        TWIN_DB,
        OPEN,
    ),
    (
        "and bars those of that family alone",
        [_np(_block("0.0.0.0/0", "10.0.0.0/8"), _block("::/0"))],
        OLD_DB,
        SHUT,
    ),
    ("a denied IPv4 network shuts pods with IPv4 alone", [_cluster_wide("Deny", "10.0.0.0/8")], DB_OLD, SHUT),
    ("and leaves the other family of a pod with both", [_cluster_wide("Deny", "10.0.0.0/8")], DB_TWIN, MAYBE),
    ("both networks denied shut it", [_cluster_wide("Deny", "10.0.0.0/8", "fd00::/8")], DB_TWIN, SHUT),
    ("pods with IPv6 alone stay open", [_cluster_wide("Deny", "10.0.0.0/8")], DB_NEW, OPEN),
    (
        "an accepted IPv4 network opens a pod with both",
        [_cluster_wide("Accept", "10.0.0.0/8"), _DENY_REST],
        DB_TWIN,
        OPEN,
    ),
    ("and not one with IPv6 alone", [_cluster_wide("Accept", "10.0.0.0/8"), _DENY_REST], DB_NEW, SHUT),
    (
        "a pod with both is passed on by one family",
        [_cluster_wide("Pass", "10.0.0.0/8"), _DENY_REST],
        DB_TWIN,
        SHUT,
    ),
    (
        "Calico: a denied IPv4 net",
        [_calico(_from("Deny", nets=["10.0.0.0/8"]), _from("Allow"))],
        OLD_DB,
        SHUT,
    ),
    (
        "Calico: and a pod with both",
        [_calico(_from("Deny", nets=["10.0.0.0/8"]), _from("Allow"))],
        TWIN_DB,
        MAYBE,
    ),
    ("Calico: an allowed IPv4 net", [_calico(_from("Allow", nets=["10.0.0.0/8"]))], TWIN_DB, OPEN),
    (
        "Calico: notNets may bar a pod with both",
        [_calico(_from("Allow", notNets=["10.0.0.0/8"]))],
        TWIN_DB,
        MAYBE,
    ),
    (
        "Calico: notNets bar a pod with that family alone",
        [_calico(_from("Allow", notNets=["10.0.0.0/8"]))],
        OLD_DB,
        SHUT,
    ),
    (
        "Calico: and no pod with the other alone",
        [_calico(_from("Allow", notNets=["10.0.0.0/8"]))],
        NEW_DB,
        OPEN,
    ),
    ("Calico: ipVersion 6", [_calico({"action": "Allow", "ipVersion": 6})], NEW_DB, OPEN),
    ("Calico: ipVersion 6 and IPv4 alone", [_calico({"action": "Allow", "ipVersion": 6})], OLD_DB, SHUT),
    ("Calico: ipVersion 6 and both", [_calico({"action": "Allow", "ipVersion": 6})], TWIN_DB, MAYBE),
]


def _verdict(connectivity: Connectivity, flow: str) -> tuple[str, str]:
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(" ")
    ends = connectivity.resolve(source), connectivity.resolve(destination)
    decision = connectivity.allows(*ends, int(port))
    return decision.declared.value, decision.cause.code


@pytest.mark.parametrize(("objects", "flow", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_families(objects: list[Raw], flow: str, expected: str) -> None:
    assert _verdict(connect([*_PODS, *objects]), flow)[0] == expected


def test_the_other_family_is_named_as_the_cause() -> None:
    objects = [*_PODS, _cluster_wide("Deny", "10.0.0.0/8")]
    connectivity = connect(objects)
    ends = connectivity.resolve("shop/db"), connectivity.resolve("shop/twin")
    found = connectivity.connection(*ends, Basis.DECLARED)
    assert {why.code for _, why in found.indeterminate} == {"indeterminate.ip-version"}


def _meshed(name: str, address: str) -> Raw:
    raw = pod(name, "shop", {"app": name}, address=address)
    raw["spec"]["containers"].append({"name": "istio-proxy"})
    return raw


@pytest.mark.parametrize(
    ("action", "field", "expected"),
    [("DENY", "ipBlocks", MAYBE), ("ALLOW", "ipBlocks", OPEN), ("ALLOW", "notIpBlocks", MAYBE)],
)
def test_istio_looks_at_the_address_of_the_connection(action: str, field: str, expected: str) -> None:
    authorization = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"action": action, "rules": [{"from": [{"source": {field: ["10.0.0.0/8"]}}]}]},
    }
    pods = [_meshed("twin", "10.0.0.3,fd00::3"), _meshed("db", "10.0.0.2,fd00::2")]
    assert _verdict(connect([*enforced(), namespace("shop"), *pods, authorization]), TWIN_DB)[0] == expected
