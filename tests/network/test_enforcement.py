"""Whether something enforces the policies (points 15 and 35, and the table of network agents)."""

from typing import Any

import pytest

from auditor.model.verdict import Reach, Tri
from auditor.network.connectivity import Connectivity
from auditor.network.reasons import sentence
from tests.network.building import Raw, agent, cluster_policy, connect, namespace, node, pod, policy

_DENY = policy("deny", ingress=[])
_NODES = [node("node-1", "192.0.2.1"), node("node-2", "192.0.2.2")]


def _with(*objects: Raw, complete: bool = True) -> Connectivity:
    pods = [pod("db", address="10.0.0.2"), pod("web", address="10.0.0.1", node="node-2")]
    return connect([namespace("default"), *pods, *objects], complete=complete)


def _config(name: str, **data: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


def _layer(connectivity: Connectivity, layer: str) -> str:
    return next(entry.status for entry in connectivity.enforcement if entry.layer == layer)


def _decision(
    connectivity: Connectivity, source: str = "default/web", destination: str = "default/db"
) -> Any:
    return connectivity.allows(connectivity.resolve(source), connectivity.resolve(destination), 80)


def _both(name: str, container: str, **more: Any) -> list[Raw]:
    return [agent(name, container, n, **more) for n in ("node-1", "node-2")]


_ROWS: list[tuple[str, list[Raw], str]] = [
    ("calico", _both("calico-node", "calico-node"), "enforced"),
    ("canal", _both("canal", "calico-node"), "enforced"),
    (
        "cilium in its default mode",
        [*_both("cilium", "cilium-agent"), _config("cilium-config")],
        "enforced",
    ),
    (
        "cilium with enable-policy never",
        [*_both("cilium", "cilium-agent"), _config("cilium-config", **{"enable-policy": "never"})],
        "not-enforced",
    ),
    ("cilium without its configuration", _both("cilium", "cilium-agent"), "unknown"),
    (
        "GKE Dataplane V2",
        _both("anetd", "cilium-agent", image="gke.gcr.io/cilium/cilium:v1.15.6-gke.1"),
        "enforced",
    ),
    ("weave", _both("weave-net", "weave-npc"), "enforced"),
    (
        "weave without its controller",
        _both("weave-net", "weave-npc", env=[{"name": "EXPECT_NPC", "value": "0"}]),
        "not-enforced",
    ),
    ("kube-router", _both("kube-router", "kube-router"), "enforced"),
    (
        "kube-router without firewall",
        _both("kube-router", "kube-router", args=["--run-router=true", "--run-firewall=false"]),
        "not-enforced",
    ),
    ("azure-npm", _both("azure-npm", "azure-npm"), "enforced"),
    ("antrea", _both("antrea-agent", "antrea-agent"), "enforced"),
    ("aws without the switch", _both("aws-node", "aws-eks-nodeagent"), "not-enforced"),
    (
        "aws with it",
        _both("aws-node", "aws-eks-nodeagent", args=["--enable-network-policy=true"]),
        "enforced",
    ),
    ("flannel alone", _both("kube-flannel", "kube-flannel"), "not-enforced"),
    (
        "recent kindnet",
        _both("kindnet", "kindnet-cni", image="docker.io/kindest/kindnetd:v20250512-df8de77b"),
        "enforced",
    ),
    (
        "old kindnet",
        _both("kindnet", "kindnet-cni", image="docker.io/kindest/kindnetd:v20230511-dc714da8"),
        "not-enforced",
    ),
    ("an agent whose mode decides", _both("sdn", "sdn"), "unknown"),
    ("nothing that enforces", [], "not-enforced"),
]


@pytest.mark.parametrize(("objects", "expected"), [row[1:] for row in _ROWS], ids=[row[0] for row in _ROWS])
def test_15_agents(objects: list[Raw], expected: str) -> None:
    connectivity = _with(*_NODES, _DENY, *objects)
    assert _layer(connectivity, "networkpolicy") == expected
    reach = {
        "enforced": Reach.DENIED,
        "not-enforced": Reach.DECLARED_NOT_ENFORCED,
        "unknown": Reach.INDETERMINATE,
    }[expected]
    decision = _decision(connectivity)
    assert (decision.verdict, decision.declared) == (reach, Reach.DENIED)


def test_15_k3s_runs_its_agent_in_its_own_process() -> None:
    k3s = node("node-1", "192.0.2.1")
    k3s["status"]["nodeInfo"]["kubeletVersion"] = "v1.33.1+k3s1"
    assert _layer(_with(k3s, _DENY), "networkpolicy") == "unknown"


def _auto(name: str, address: str) -> Raw:
    return node(name, address, {"eks.amazonaws.com/compute-type": "auto"})


def test_15_nodes_of_eks_auto_mode_have_the_agent_built_in_where_no_pod_shows_it() -> None:
    connectivity = _with(_auto("node-1", "192.0.2.1"), _auto("node-2", "192.0.2.2"), _DENY)
    assert _layer(connectivity, "networkpolicy") == "unknown"
    decision = _decision(connectivity)
    assert (decision.verdict, decision.declared) == (Reach.INDETERMINATE, Reach.DENIED)
    assert "EKS Auto Mode" in sentence(decision.cause)


def test_15_beside_nodes_with_the_agents_pods_only_those_of_eks_auto_mode_are_unknown() -> None:
    """The database is on node-2, which has the agent's pod; where the web pod is nobody can tell."""
    aws = agent("aws-node", "aws-eks-nodeagent", "node-2", args=["--enable-network-policy=true"])
    around = [_auto("node-1", "192.0.2.1"), node("node-2", "192.0.2.2"), aws, namespace("default")]
    pods = [pod("web", node="node-1", address="10.0.0.1"), pod("db", node="node-2", address="10.0.0.2")]
    connectivity = connect([*around, *pods, policy("all", types=["Ingress"])])
    assert _layer(connectivity, "networkpolicy") == "unknown"
    assert _decision(connectivity).verdict is Reach.DENIED
    assert _decision(connectivity, "default/db", "default/web").verdict is Reach.INDETERMINATE


def test_15_manifests_alone_show_no_agent() -> None:
    connectivity = connect([namespace("default"), pod("db", node=None), pod("web", node=None), _DENY])
    assert _layer(connectivity, "networkpolicy") == "unknown"
    assert _decision(connectivity).verdict is Reach.INDETERMINATE


def test_15_a_partial_list_of_pods_may_hide_the_agent() -> None:
    assert _layer(_with(*_NODES, _DENY, complete=False), "networkpolicy") == "unknown"


def test_15_pods_on_a_node_without_a_ready_agent_are_not_protected() -> None:
    agents = [
        agent("calico-node", "calico-node", "node-1", ready=False),
        agent("calico-node", "calico-node", "node-2"),
    ]
    connectivity = _with(*_NODES, *agents, _DENY)
    entry = next(e for e in connectivity.enforcement if e.layer == "networkpolicy")
    assert (entry.status, entry.except_nodes) == ("enforced", ("node-1",))
    assert _decision(connectivity).verdict is Reach.DECLARED_NOT_ENFORCED
    assert _decision(connectivity, "default/db", "default/web").verdict is Reach.DENIED
    isolation = connectivity.isolation(connectivity.resolve("default/db"), "ingress")  # type: ignore[arg-type]
    assert (isolation.declared, isolation.effective) == (Tri.YES, Tri.NO)


def test_15_no_ready_agent_at_all_enforces_nothing() -> None:
    agents = [agent("calico-node", "calico-node", n, ready=False) for n in ("node-1", "node-2")]
    assert _layer(_with(*_NODES, *agents, _DENY), "networkpolicy") == "not-enforced"


def test_15_a_pod_that_is_only_named_like_an_agent_is_none() -> None:
    fake = pod("calico-node", "default")
    fake["spec"]["containers"][0]["name"] = "calico-node"
    assert _layer(_with(*_NODES, fake, _DENY), "networkpolicy") == "not-enforced"


_ADMIN_DENY = cluster_policy(
    "AdminNetworkPolicy",
    "deny",
    "v1alpha1",
    {
        "priority": 1,
        "subject": {"namespaces": {}},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}],
    },
)
_ADMIN_ALLOW = cluster_policy(
    "AdminNetworkPolicy",
    "allow",
    "v1alpha1",
    {
        "priority": 1,
        "subject": {"namespaces": {}},
        "ingress": [{"action": "Allow", "from": [{"namespaces": {}}]}],
    },
)


def test_35_what_an_agent_of_unknown_support_denies_is_declared_and_not_enforced() -> None:
    connectivity = _with(*_NODES, *_both("antrea-agent", "antrea-agent"), _ADMIN_DENY)
    assert _layer(connectivity, "admin-network-policy") == "unknown"
    assert _decision(connectivity).verdict is Reach.DECLARED_NOT_ENFORCED


def test_35_what_it_would_open_is_not_called_denied() -> None:
    connectivity = _with(*_NODES, *_both("antrea-agent", "antrea-agent"), _ADMIN_ALLOW, _DENY)
    assert _decision(connectivity).verdict is Reach.INDETERMINATE


@pytest.mark.parametrize(
    ("image", "layer", "expected"),
    [
        ("quay.io/calico/node:v3.28.2", "admin-network-policy", "not-enforced"),
        ("quay.io/calico/node:v3.29.0", "admin-network-policy", "enforced"),
        ("quay.io/calico/node:v3.31.1", "cluster-network-policy", "not-enforced"),
        ("quay.io/calico/node:v3.32.1", "cluster-network-policy", "enforced"),
        ("quay.io/calico/node@sha256:00", "cluster-network-policy", "unknown"),
    ],
)
def test_35_support_by_version(image: str, layer: str, expected: str) -> None:
    connectivity = _with(*_NODES, *_both("calico-node", "calico-node", image=image))
    assert _layer(connectivity, layer) == expected


def test_35_cilium_knows_cluster_network_policy_when_it_is_switched_on() -> None:
    agents = _both("cilium", "cilium-agent", image="quay.io/cilium/cilium:v1.20.1@sha256:aa")
    off, on = (
        _config("cilium-config"),
        _config("cilium-config", **{"enable-k8s-cluster-network-policy": "true"}),
    )
    assert _layer(_with(*_NODES, *agents, off), "cluster-network-policy") == "not-enforced"
    assert _layer(_with(*_NODES, *agents, on), "cluster-network-policy") == "enforced"


@pytest.mark.parametrize(
    ("container", "inert"), [("cilium-agent", "calico"), ("calico-node", "cilium"), ("kube-router", "calico")]
)
def test_35_policies_of_another_system_are_inert(container: str, inert: str) -> None:
    connectivity = _with(*_NODES, *_both(container, container), _config("cilium-config"))
    assert _layer(connectivity, inert) == "not-enforced"


@pytest.mark.parametrize(
    ("objects", "pods", "nodes", "stated"),
    [
        (_both("calico-node", "calico-node"), Reach.ALLOWED, Reach.ALLOWED, "reading.any-address"),
        (
            [*_both("cilium", "cilium-agent"), _config("cilium-config")],
            Reach.DENIED,
            Reach.DENIED,
            "reading.outside",
        ),
        (
            [
                *_both("cilium", "cilium-agent"),
                _config("cilium-config", **{"policy-cidr-match-mode": "nodes"}),
            ],
            *(Reach.DENIED, Reach.ALLOWED, "reading.outside-and-nodes"),
        ),
    ],
)
def test_6_cilium_never_matches_pods_by_address(
    objects: list[Raw], pods: Reach, nodes: Reach, stated: str
) -> None:
    block = policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])
    connectivity = _with(*_NODES, *objects, block)
    assert _decision(connectivity).verdict is pods
    assert _decision(connectivity, "/Node/node-2").verdict is nodes
    assert _decision(connectivity, "internet").verdict is Reach.ALLOWED
    assert connectivity.address_reading.code == stated
