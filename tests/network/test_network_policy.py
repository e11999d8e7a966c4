"""NetworkPolicy, sentence by sentence (the numbers are those of our notes on connectivity)."""

from collections.abc import Sequence

import pytest

from auditor.model.verdict import Reach, Tri
from auditor.network.connectivity import Basis, Connectivity
from tests.network.building import Raw, connect, enforced, labels, namespace, node, pod, policy

_ADDRESSES = {"web": "10.0.0.1", "db": "10.0.0.2", "other": "10.0.1.3"}


def _cluster(*objects: Raw, externals: Sequence[tuple[str, Sequence[str]]] = ()) -> Connectivity:
    """default/web, default/db (port http: 8080/TCP), other/other on a second node; one enforcing agent."""
    http = [{"name": "http", "containerPort": 8080}]
    return connect(
        [
            *enforced("node-1", "node-2"),
            namespace("default"),
            namespace("other", team="red"),
            pod("web", labels={"app": "web"}, address=_ADDRESSES["web"]),
            pod("db", labels={"app": "db"}, ports=http, address=_ADDRESSES["db"]),
            pod("other", "other", {"app": "web"}, address=_ADDRESSES["other"], node="node-2"),
            *objects,
        ],
        externals,
    )


def _reach(
    connectivity: Connectivity, source: str, destination: str, port: int = 80, protocol: str = "TCP"
) -> Reach:
    return connectivity.allows(
        connectivity.resolve(source), connectivity.resolve(destination), port, protocol
    ).verdict


_DB = labels(app="db")
_FROM_ALL_PODS_HERE = [{"from": [{"podSelector": {}}]}]
_ROWS: list[tuple[str, list[Raw], str, str, int, str, Reach]] = [
    ("1 without a policy everything is allowed", [], "other/other", "default/db", 80, "TCP", Reach.ALLOWED),
    (
        "1 from an empty podSelector means every pod of the policy's own namespace",
        [policy("p", pods=labels(app="web"), ingress=_FROM_ALL_PODS_HERE)],
        *("default/db", "default/web", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "1 and no pod of another namespace",
        [policy("p", pods=labels(app="web"), ingress=_FROM_ALL_PODS_HERE)],
        *("other/other", "default/web", 80, "TCP", Reach.DENIED),
    ),
    (
        "2 an empty podSelector selects every pod of the namespace",
        [policy("p")],
        *("default/web", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "2 and none of another namespace",
        [policy("p")],
        *("default/web", "other/other", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "3 an empty list of ingress rules denies",
        [policy("p", pods=_DB, ingress=[])],
        *("default/web", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "3 an empty rule allows all sources",
        [policy("p", pods=_DB, ingress=[{}])],
        *("internet", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "3 an empty list of peers allows all sources",
        [policy("p", pods=_DB, ingress=[{"from": []}])],
        *("other/other", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "3 an empty peer is invalid",
        [policy("p", pods=_DB, ingress=[{"from": [{}]}])],
        *("other/other", "default/db", 80, "TCP", Reach.INDETERMINATE),
    ),
    (
        "4 both selectors in one peer are ANDed",
        [
            policy(
                "p",
                pods=_DB,
                ingress=[{"from": [{"namespaceSelector": labels(team="red"), "podSelector": _DB}]}],
            )
        ],
        *("other/other", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "4 two peers are ORed",
        [
            policy(
                "p",
                pods=_DB,
                ingress=[{"from": [{"namespaceSelector": labels(team="red")}, {"podSelector": _DB}]}],
            )
        ],
        *("other/other", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "4 podSelector alone means the policy's own namespace",
        [policy("p", pods=_DB, ingress=[{"from": [{"podSelector": labels(app="web")}]}])],
        *("other/other", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "5 without policyTypes and egress rules, egress is free",
        [policy("p", ingress=[])],
        *("default/web", "other/other", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "5 egress rules imply Egress",
        [policy("p", ingress=[{}], egress=[{"to": [{"podSelector": _DB}]}])],
        *("default/web", "other/other", 80, "TCP", Reach.DENIED),
    ),
    (
        "5 an empty egress list does not imply Egress",
        [policy("p", ingress=[{}], egress=[])],
        *("default/web", "other/other", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "5 policyTypes Egress leaves ingress rules without effect",
        [policy("p", pods=_DB, types=["Egress"], ingress=[])],
        *("default/web", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "6 an ipBlock matches pods by address",
        [policy("p", pods=_DB, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}])],
        *("default/web", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "6 and not those outside it",
        [policy("p", pods=_DB, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}])],
        *("other/other", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "6 except narrows its own peer",
        [
            policy(
                "p",
                pods=_DB,
                ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}}]}],
            )
        ],
        *("other/other", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "6 except does not narrow another peer",
        [
            policy(
                "p",
                pods=_DB,
                ingress=[
                    {
                        "from": [
                            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}},
                            {"namespaceSelector": {}},
                        ]
                    }
                ],
            )
        ],
        *("other/other", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "7 a named port is the destination's",
        [policy("p", pods=_DB, ingress=[{"ports": [{"port": "http"}]}])],
        *("default/web", "default/db", 8080, "TCP", Reach.ALLOWED),
    ),
    (
        "7 also where the rule names its sources",
        [
            policy(
                "p",
                pods=_DB,
                ingress=[{"from": [{"podSelector": labels(app="web")}], "ports": [{"port": "http"}]}],
            )
        ],
        *("default/web", "default/db", 8080, "TCP", Reach.ALLOWED),
    ),
    (
        "7 by protocol",
        [policy("p", pods=_DB, ingress=[{"ports": [{"port": "http", "protocol": "UDP"}]}])],
        *("default/web", "default/db", 8080, "UDP", Reach.DENIED),
    ),
    (
        "7 a named port in an egress rule is resolved at each destination",
        [policy("p", pods=labels(app="web"), egress=[{"ports": [{"port": "http"}]}])],
        *("default/web", "default/db", 8080, "TCP", Reach.ALLOWED),
    ),
    (
        "7 and matches nothing where no container has the name",
        [policy("p", pods=labels(app="web"), egress=[{"ports": [{"port": "http"}]}])],
        *("default/web", "other/other", 8080, "TCP", Reach.DENIED),
    ),
    (
        "7 a port without protocol is TCP",
        [policy("p", pods=_DB, ingress=[{"ports": [{"port": 53}]}])],
        *("default/web", "default/db", 53, "UDP", Reach.DENIED),
    ),
    (
        "7 a protocol without port is all its ports",
        [policy("p", pods=_DB, ingress=[{"ports": [{"protocol": "UDP"}]}])],
        *("default/web", "default/db", 65535, "UDP", Reach.ALLOWED),
    ),
    (
        "7 endPort is inclusive",
        [policy("p", pods=_DB, ingress=[{"ports": [{"port": 8000, "endPort": 8010}]}])],
        *("default/web", "default/db", 8010, "TCP", Reach.ALLOWED),
    ),
    (
        "7 a rule for SCTP only still isolates TCP",
        [policy("p", pods=_DB, ingress=[{"ports": [{"protocol": "SCTP"}]}])],
        *("default/web", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "8 a pod with hostNetwork is not selected",
        [policy("p"), pod("host", host_network=True, address="192.0.2.1")],
        *("other/other", "default/host", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "8 nor matched as a peer pod",
        [
            policy("p", "other", ingress=[{"from": [{"namespaceSelector": {}}]}]),
            pod("host", host_network=True, address="192.0.2.1"),
        ],
        *("default/host", "other/other", 80, "TCP", Reach.DENIED),
    ),
    (
        "8 but by its node's address",
        [
            policy("p", "other", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}]),
            pod("host", host_network=True, address="192.0.2.1"),
        ],
        *("default/host", "other/other", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "10 a pod reaches itself",
        [policy("p", types=["Ingress", "Egress"])],
        *("default/db", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "10 a pod with hostNetwork on the same node reaches it",
        [policy("p"), pod("host", host_network=True, address="192.0.2.1")],
        *("default/host", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "10 so does the node itself",
        [policy("p")],
        *("/Node/node-1", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "10 and another node does not",
        [policy("p")],
        *("/Node/node-2", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "11 the namespace's name label is there without being written",
        [
            policy(
                "p",
                ingress=[
                    {
                        "from": [
                            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}
                        ]
                    }
                ],
            )
        ],
        *("other/other", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "12 NotIn matches a missing key",
        [
            policy(
                "p",
                pods={"matchExpressions": [{"key": "missing", "operator": "NotIn", "values": ["x"]}]},
            )
        ],
        *("default/web", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "12 In does not",
        [policy("p", pods={"matchExpressions": [{"key": "missing", "operator": "In", "values": ["x"]}]})],
        *("default/web", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "12 labels and expressions are ANDed",
        [policy("p", pods={**_DB, "matchExpressions": [{"key": "missing", "operator": "Exists"}]})],
        *("default/web", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
    (
        "13 the source's egress must allow it too",
        [policy("in", pods=_DB, ingress=[{}]), policy("out", pods=labels(app="web"), types=["Egress"])],
        *("default/web", "default/db", 80, "TCP", Reach.DENIED),
    ),
    (
        "14 policies add up",
        [policy("none"), policy("some", pods=_DB, ingress=[{"ports": [{"port": 80}]}])],
        *("default/web", "default/db", 80, "TCP", Reach.ALLOWED),
    ),
]


@pytest.mark.parametrize(
    ("objects", "source", "destination", "port", "protocol", "expected"),
    [row[1:] for row in _ROWS],
    ids=[row[0] for row in _ROWS],
)
def test_sentence(
    objects: list[Raw], source: str, destination: str, port: int, protocol: str, expected: Reach
) -> None:
    assert _reach(_cluster(*objects), source, destination, port, protocol) is expected


def test_9_finished_pods_are_neither_subjects_nor_peers() -> None:
    connectivity = _cluster(pod("done", phase="Succeeded"), pod("failed", phase="Failed"))
    assert not [e.id for e in connectivity.universe.endpoints if e.name in ("done", "failed")]


def test_6_pods_without_an_address_are_not_guessed() -> None:
    block = policy("p", pods=_DB, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}])
    connectivity = _cluster(block, pod("new", "other", node="node-2"))
    decision = connectivity.allows(connectivity.resolve("other/new"), connectivity.resolve("default/db"), 80)
    assert (decision.verdict, decision.cause.code) == (Reach.INDETERMINATE, "indeterminate.pod-address")


def test_6_the_nodes_pod_ranges_tell_where_an_address_will_be() -> None:
    block = policy("p", pods=_DB, ingress=[{"from": [{"ipBlock": {"cidr": "172.20.0.0/16"}}]}])
    objects = [
        node("node-1", podCIDRs=["10.0.0.0/24"]),
        namespace("default"),
        pod("db", labels={"app": "db"}, address="10.0.0.2"),
        pod("new", node=None),
        block,
    ]
    connectivity = connect(objects)
    found = connectivity.connection(
        connectivity.resolve("default/new"), connectivity.resolve("default/db"), Basis.DECLARED
    )
    assert not found.is_open


def test_10_unknown_placement_of_a_hostnetwork_pod_is_unknown() -> None:
    connectivity = _cluster(policy("p"), pod("host", host_network=True, node=None))
    decision = connectivity.allows(
        connectivity.resolve("default/host"), connectivity.resolve("default/db"), 80
    )
    assert (decision.verdict, decision.cause.code) == (Reach.INDETERMINATE, "indeterminate.node-placement")


def test_namespace_labels_that_are_not_in_the_evidence_are_unknown() -> None:
    rule = [{"from": [{"namespaceSelector": labels(team="red")}]}]
    objects = [*enforced(), pod("a", "somewhere"), pod("db"), policy("p", ingress=rule), namespace("default")]
    connectivity = connect(objects, complete=False)
    decision = connectivity.allows(
        connectivity.resolve("somewhere/a"), connectivity.resolve("default/db"), 80
    )
    assert (decision.verdict, decision.cause.code) == (Reach.INDETERMINATE, "indeterminate.namespace-labels")


def test_externals_are_disjoint_and_named() -> None:
    block = policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])
    connectivity = _cluster(block, externals=[("partner", ["203.0.113.0/25"])])
    found = {external.id: external for external in connectivity.externals}
    assert found["partner"].cidrs == ("203.0.113.0/25",)
    assert found["203.0.113.0/24"].cidrs == ("203.0.113.128/25",)
    assert "internet" in found
    assert not found["internet"].is_private
    assert found["10.0.0.0/8"].is_private
    partner = connectivity.resolve("203.0.113.7")
    assert partner is found["partner"]
    assert connectivity.allows(partner, connectivity.resolve("default/db"), 80).verdict is Reach.ALLOWED
    assert _reach(connectivity, "198.51.100.1", "default/db") is Reach.DENIED


def test_isolation_names_policies_and_the_rules_that_open_everything() -> None:
    connectivity = _cluster(policy("p", pods=_DB, ingress=[{}]))
    found = connectivity.isolation(
        next(e for e in connectivity.universe.endpoints if e.name == "db"), "ingress"
    )
    assert (found.declared, found.effective) == (Tri.YES, Tri.YES)
    assert [ref.rule for ref in found.opens] == ["ingress[0]"]
    free = connectivity.isolation(found.endpoint, "egress")
    assert (free.declared, free.policies) == (Tri.NO, ())


def test_policies_that_select_nothing_are_told() -> None:
    connectivity = _cluster(policy("none", pods=labels(app="gone")), policy("all"))
    assert {fact.object: fact.dangling for fact in connectivity.policies} == {
        "default/NetworkPolicy/none": True,
        "default/NetworkPolicy/all": False,
    }
