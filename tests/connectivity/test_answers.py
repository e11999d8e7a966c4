"""One question, changes between two states, exposure and ways in: answers worked out by hand."""

from typing import Any

import pytest

from auditor.evaluate.connectivity_changes import compare_views
from auditor.evaluate.connectivity_query import PortQuery, answer_query, parse_port
from auditor.evaluate.exposure_view import build_exposure
from auditor.model.connectivity_result import ChangesResult, EntryRow, Level, QueryResult
from auditor.model.user_error import UserError
from auditor.report.connectivity_answers import changes_parts, explain_parts, exposure_parts, query_parts
from auditor.report.connectivity_table import connectivity_table, parts_text
from tests.connectivity.clusters import facts, shop, view_of, workload
from tests.network.building import Raw, agent, enforced, labels, namespace, node, pod, policy

DB, WEB = "shop/Pod/db", "shop/Pod/web"


def ask(objects: list[Raw], source: str, destination: str, port: str) -> QueryResult:
    return answer_query(facts(objects), source, destination, parse_port(port))


@pytest.mark.parametrize(
    ("source", "destination", "port", "declared"),
    [
        pytest.param("shop/web", "shop/db", "5432/TCP", "allowed", id="the rule names it"),
        pytest.param("shop/web", "shop/db", "5432", "allowed", id="TCP is the default"),
        pytest.param("shop/web", "shop/db", "5433/TCP", "denied", id="another port"),
        pytest.param("shop/web", "shop/db", "5432/UDP", "denied", id="another protocol"),
        pytest.param("internet", "shop/db", "5432/TCP", "denied", id="from the internet"),
        pytest.param(
            "203.0.113.9", "shop/web", "80/TCP", "allowed", id="an address, and nothing selects the pod"
        ),
        pytest.param("shop/Pod/db", "internet", "443/TCP", "allowed", id="egress is not restricted"),
        pytest.param("shop/web", "shop/web", "1/TCP", "allowed", id="a pod reaches itself"),
        pytest.param("/Node/node-1", "shop/db", "22/TCP", "allowed", id="a pod's own node is exempt"),
    ],
)
def test_a_point_query(source: str, destination: str, port: str, declared: str) -> None:
    result = ask(shop(), source, destination, port)
    assert (result.declared, result.enforced) == (declared, declared)


def test_the_chain_names_the_deciding_rule_and_its_evidence() -> None:
    chain = ask(shop(), "shop/web", "shop/db", "5432/TCP").chain
    rules = [(row.layer, row.direction, rule.object, rule.rule) for row in chain for rule in row.rules]
    assert rules == [("networkpolicy", "ingress", "shop/NetworkPolicy/db", "ingress[0]")]


def test_a_denial_that_nothing_enforces_is_told_apart() -> None:
    objects = [namespace("shop"), node("node-1"), *shop()[3:]]
    result = ask(objects, "internet", "shop/db", "5432/TCP")
    assert (result.declared, result.enforced, result.verdict) == (
        "denied",
        "allowed",
        "declared-not-enforced",
    )


@pytest.mark.parametrize("text", ["0", "70000/TCP", "443/XYZ", "", "https", "ICMP/300", "1/TCP/2", "٤٤٣"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--port: expected a port as 443/TCP"):
        parse_port(text)


def test_icmp_is_asked_for_by_type_and_code() -> None:
    assert parse_port("icmp/3/1") == PortQuery(3 * 256 + 1, "ICMP")
    assert parse_port("ICMPv6/128") == PortQuery(128 * 256, "ICMPv6")


def test_an_unknown_name_gets_candidates() -> None:
    with pytest.raises(
        UserError, match=r"--to: nothing in the evidence is called 'shop/Pod/dbb'.*shop/Pod/db"
    ):
        ask(shop(), "shop/web", "shop/Pod/dbb", "5432/TCP")


def split() -> list[Raw]:
    """Two pods of one StatefulSet, of which a policy closes the canary; two clients of another, and a lone one."""
    web = workload("web", "shop", ["web-0", "web-1"], ["node-1", "node-2"])
    web[1]["metadata"]["labels"]["canary"] = "yes"
    clients = workload("cli", "shop", ["cli-0", "cli-1"], ["node-1", "node-2"])
    closed = policy("canary", "shop", pods=labels(canary="yes"), ingress=[])
    return [*enforced("node-1", "node-2"), namespace("shop"), *web, *clients, pod("solo", "shop"), closed]


@pytest.mark.parametrize("source", ["shop/solo", "shop/cli-0", "shop/StatefulSet/cli"])
def test_a_workload_whose_pods_fare_differently_has_no_one_answer(source: str) -> None:
    """The contract's "never a union" holds for a question too: neither the open nor the closed pod may stand for both."""
    with pytest.raises(UserError, match=r"no one answer.* allowed, .* denied; expected one of them"):
        ask(split(), source, "shop/StatefulSet/web", "80/TCP")


@pytest.mark.parametrize(
    ("source", "destination", "names", "declared"),
    [
        pytest.param(
            "shop/solo",
            "shop/StatefulSet/web#2",
            ("shop/Pod/solo", "shop/StatefulSet/web#2"),
            "denied",
            id="part",
        ),
        pytest.param(
            "shop/cli-0", "shop/StatefulSet/web#2", ("shop/Pod/cli-0", "shop/Pod/web-1"), "denied", id="pod"
        ),
        pytest.param(
            "shop/Pod/solo",
            "shop/Pod/web-1",
            ("shop/Pod/solo", "shop/StatefulSet/web#2"),
            "denied",
            id="a pod's id",
        ),
        pytest.param(
            "shop/cli-0",
            "shop/StatefulSet/cli",
            ("shop/Pod/cli-0", "shop/Pod/cli-1"),
            "allowed",
            id="not itself",
        ),
        pytest.param(
            "Node/node-2", "shop/web-1", ("/Node/node-2", "shop/StatefulSet/web#2"), "allowed", id="node"
        ),
    ],
)
def test_parts_and_pods_of_a_workload_by_any_name_that_is_shown(
    source: str, destination: str, names: tuple[str, str], declared: str
) -> None:
    result = ask(split(), source, destination, "80/TCP")
    assert ((result.source, result.destination), result.declared) == (names, declared)


def test_public_ranges_that_fare_differently_are_told_beside_the_internet() -> None:
    """The upper half of the addresses is let in; "the internet: denied" alone would hide it."""
    half = policy(
        "half", "shop", pods=labels(app="web"), ingress=[{"from": [{"ipBlock": {"cidr": "128.0.0.0/1"}}]}]
    )
    result = ask([*shop(), half], "internet", "shop/web", "80/TCP")
    answers = {"internet": result.declared} | {row.source: row.declared for row in result.elsewhere}
    assert sorted(answers.values()) == ["allowed", "denied"]
    assert b"Other public addresses fare differently" in parts_text(query_parts(result, "80/TCP"))
    assert ask(shop(), "internet", "shop/web", "80/TCP").elsewhere == []


def test_rules_about_ports_say_nothing_of_a_protocol_that_none_names() -> None:
    """The NetworkPolicy API leaves ICMP undefined; a rule about 5432/TCP isn't what lets it through."""
    result = ask(shop(), "shop/web", "shop/db", "ICMP/8")
    assert result.declared == "indeterminate"
    assert {row.verdict for row in result.chain if row.rules} == {"indeterminate"}


def test_the_explanation_is_in_sentences_that_name_policy_and_rule() -> None:
    text = parts_text(explain_parts(ask(shop(), "shop/web", "shop/db", "5432/TCP"), "5432/TCP")).decode()
    assert "shop/Pod/web can connect to shop/Pod/db on 5432/TCP." in text
    assert "NetworkPolicy shop/db ingress[0]" in text
    text = parts_text(explain_parts(ask(shop(), "internet", "shop/db", "5432/TCP"), "5432/TCP")).decode()
    assert "internet cannot connect to shop/Pod/db on 5432/TCP." in text


def test_the_table_of_an_answer_has_every_layer() -> None:
    text = parts_text(query_parts(ask(shop(), "shop/web", "shop/db", "5432/TCP"), "5432/TCP")).decode()
    assert "as declared allowed, as enforced allowed" in text
    assert "networkpolicy" in text


def test_a_policy_for_all_jobs_holds_for_a_cronjob_between_runs() -> None:
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "settle", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}},
    }
    jobs = {"matchExpressions": [{"key": "job-name", "operator": "Exists"}]}
    closed = [*shop(), cron, policy("jobs", "shop", pods=jobs, ingress=[])]
    assert ask(closed, "shop/web", "shop/CronJob/settle", "80/TCP").declared == "denied"


# -- changes --------------------------------------------------------------------------------------------------------


def changes(new: list[Raw], old: list[Raw]) -> ChangesResult:
    return compare_views(view_of(new), view_of(old))


def ports(rows: Any) -> list[Any]:
    return [(row.protocol, row.ports) for row in rows]


def test_nothing_changes_between_equal_states() -> None:
    assert changes(shop(), shop()).changes == []


def test_a_new_allow_is_gained_and_its_loss_is_lost() -> None:
    opened = [*shop(), policy("more", "shop", pods=labels(app="db"), ingress=[{"ports": [{"port": 9000}]}])]
    gained = {(row.source, row.destination): row for row in changes(opened, shop()).changes}
    assert ports(gained["internet", DB].gained) == [("TCP", [(9000, 9000)])]
    assert gained["internet", DB].lost == []
    lost = {(row.source, row.destination): row for row in changes(shop(), opened).changes}
    assert ports(lost[WEB, DB].lost) == [("TCP", [(9000, 9000)])]
    assert lost[WEB, DB].gained == []


def test_a_range_that_a_new_policy_tells_apart_is_compared_with_the_range_it_was_part_of() -> None:
    """203.0.113.0/24 was part of the internet, which reached the web pod; now it alone still does."""
    only = {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}
    closed = [*shop(), policy("web", "shop", pods=labels(app="web"), ingress=[only])]
    found = {(row.source, row.destination) for row in changes(closed, shop()).changes}
    assert ("internet", WEB) in found
    assert ("203.0.113.0/24", WEB) not in found
    reverse = {(row.source, row.destination) for row in changes(shop(), closed).changes}
    assert ("internet", WEB) in reverse
    assert ("203.0.113.0/24", WEB) not in reverse


def calico(name: str, space: str, **spec: Any) -> Raw:
    """A Calico NetworkPolicy for every pod of a namespace."""
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": {"selector": "all()", "types": ["Ingress"], **spec},
    }


@pytest.mark.parametrize("level", ["workload", "pod", "namespace"])
def test_a_rule_that_names_another_protocol_elsewhere_opens_nothing(level: Level) -> None:
    """What nothing restricts passed ICMP before a policy of another namespace, which selects nothing, named it."""
    icmp = calico("other", "nowhere", ingress=[{"action": "Deny", "protocol": "ICMP"}])
    closed, named = [*shop(), namespace("nowhere")], [*shop(), namespace("nowhere"), icmp]
    for new, old in ((named, closed), (closed, named)):
        found = compare_views(view_of(new, level), view_of(old, level))
        assert [row for row in found.changes if row.gained or row.lost] == []


def test_icmp_that_a_rule_takes_away_is_lost() -> None:
    icmp = calico(
        "web", "shop", order=1, ingress=[{"action": "Deny", "protocol": "ICMP"}, {"action": "Allow"}]
    )
    lost = {(row.source, row.destination): row.lost for row in changes([*shop(), icmp], shop()).changes}
    assert [entry.protocol for entry in lost["internet", WEB]] == ["ICMP"]


def test_endpoints_that_came_or_went_are_listed() -> None:
    result = changes([*shop(), pod("job", "shop")], shop())
    assert (result.added, result.removed) == (["shop/Pod/job"], [])
    assert b"New: shop/Pod/job" in parts_text(changes_parts(result))


# -- exposure -------------------------------------------------------------------------------------------------------


def exposed(objects: list[Raw]) -> tuple[dict[tuple[str, str], Any], list[EntryRow]]:
    result = build_exposure(facts(objects))
    return {(row.endpoint, row.direction): row for row in result.isolation}, result.entries


def test_who_is_unprotected_and_open_to_whom() -> None:
    rows, _ = exposed(shop())
    assert rows[WEB, "ingress"].enforced == "no"
    assert [family.peers for family in rows[WEB, "ingress"].open_to if family.peers == "internet"]
    assert rows[DB, "ingress"].enforced == "yes"
    own = {family.peers: ports(family.allowed) for family in rows[DB, "ingress"].open_to}
    assert own["pods of its own namespace"] == [("TCP", [(5432, 5432)])]
    assert set(own) == {"pods of its own namespace", "nodes and their network"}
    assert rows[DB, "egress"].enforced == "no"


def service(name: str, kind: str, target: str, port: int, **more: Any) -> Raw:
    entry = {
        "port": 443,
        "targetPort": port,
        "protocol": "TCP",
        **({"nodePort": 30443} if kind != "ClusterIP" else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": kind, "selector": {"app": target}, "ports": [entry], **more},
    }


def entry(objects: list[Raw], way: str) -> EntryRow:
    return next(row for row in exposed(objects)[1] if row.way == way)


def test_a_load_balancer_in_front_of_an_open_pod_leads_in() -> None:
    row = entry([*shop(), service("web", "LoadBalancer", "web", 8443)], "load-balancer")
    assert (row.object, row.endpoint, row.port, row.verdict) == ("shop/Service/web", WEB, 8443, "allowed")
    assert "internet" in row.via


def test_policy_stops_what_a_load_balancer_would_let_in() -> None:
    row = entry([*shop(), service("db", "LoadBalancer", "db", 5432)], "load-balancer")
    assert (row.endpoint, row.verdict, row.via) == (DB, "denied", [])


def test_source_ranges_narrow_who_arrives() -> None:
    limited = service("web", "LoadBalancer", "web", 8443, loadBalancerSourceRanges=["10.9.0.0/16"])
    row = entry(
        [*shop(), {**limited, "spec": {**limited["spec"], "externalTrafficPolicy": "Local"}}], "load-balancer"
    )
    assert row.source_ranges == ["10.9.0.0/16"]
    assert row.via == ["10.0.0.0/8"]


def test_a_node_port_may_be_forwarded_by_another_node_unless_its_traffic_policy_is_local() -> None:
    """The policy lets only the other node's address in; with Local that node never forwards (source NAT, point 6)."""
    through = {"from": [{"ipBlock": {"cidr": "192.0.2.2/32"}}]}
    objects = [
        *enforced("node-1", "node-2"),
        namespace("shop"),
        pod("web", "shop", {"app": "web"}, node="node-1"),
        policy("web", "shop", ingress=[through]),
    ]
    forwarded = service("web", "NodePort", "web", 8080)
    local = service("web", "NodePort", "web", 8080, externalTrafficPolicy="Local")
    assert entry([*objects, forwarded], "node-port").via == ["/Node/node-2"]
    assert entry([*objects, local], "node-port").verdict == "denied"


def ingress() -> list[Raw]:
    backend = {"service": {"name": "web", "port": {"number": 443}}}
    rule = {
        "host": "shop.example",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "nginx"},
            "spec": {"controller": "k8s.io/ingress-nginx"},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"ingressClassName": "nginx", "rules": [rule]},
        },
        service("web", "ClusterIP", "web", 8443),
    ]


def controller() -> Raw:
    raw = agent(
        "controller", "controller", "node-1", image="registry.k8s.io/ingress-nginx/controller:v1.13.0"
    )
    raw["spec"]["hostNetwork"] = False
    raw["metadata"]["ownerReferences"] = []
    raw["metadata"]["namespace"] = "ingress-nginx"
    return raw


def test_behind_an_ingress_the_controllers_pods_are_the_source() -> None:
    """The policy lets nobody but the controller's namespace in, so the way in is open and the internet is not."""
    own = {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]}
    limited = policy("web", "shop", pods=labels(app="web"), ingress=[own])
    objects = [*shop(), namespace("ingress-nginx"), controller(), *ingress(), limited]
    row = entry(objects, "controller")
    assert (row.object, row.host, row.endpoint, row.port) == ("shop/Ingress/shop", "shop.example", WEB, 8443)
    assert row.verdict == "allowed"
    assert [name.partition("/")[0] for name in row.via] == ["ingress-nginx"]


def test_policy_that_leaves_the_controller_out_closes_the_way_in() -> None:
    closed = policy("web", "shop", pods=labels(app="web"), types=["Ingress"])
    objects = [*shop(), namespace("ingress-nginx"), controller(), *ingress(), closed]
    assert entry(objects, "controller").verdict == "denied"


def test_without_the_controllers_pods_the_way_in_cannot_be_told() -> None:
    row = entry([*shop(), *ingress()], "controller")
    assert (row.verdict, row.reason) == ("indeterminate", "indeterminate.entry-controller-unknown")
    assert "shop/Ingress/shop" in row.message


def test_pods_on_their_nodes_network_are_ways_in_by_themselves() -> None:
    open_port = [{"containerPort": 9100}]
    objects = [*shop(), pod("exporter", "shop", ports=open_port, host_network=True)]
    row = entry(objects, "host-network")
    assert (row.endpoint, row.port, row.verdict) == ("shop/Pod/exporter", 9100, "allowed")


def test_tables_tell_what_the_values_hold() -> None:
    text = parts_text(
        exposure_parts(build_exposure(facts([*shop(), service("web", "LoadBalancer", "web", 8443)])))
    )
    assert b"UNPROTECTED" in text
    assert b"load-balancer" in text
    text = parts_text(connectivity_table(view_of(shop())))
    assert b"5432/TCP" in text
    assert b"NetworkPolicy shop/db ingress[0]" in text
