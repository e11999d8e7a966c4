"""Which CNI agents run, as observed."""

from typing import Any

import pytest

from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent, find_cni_agents
from auditor.model.evidence import Claim
from auditor.model.kinds import KNOWN_KINDS
from tests.objects import complete_claims, kube, snapshot

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
NOT_READY = {"conditions": [{"type": "Ready", "status": "False"}]}


def node(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def pod(on: str, status: Any = READY, *, host_network: bool = True, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"agent-{on}", "namespace": "kube-system"},
        "spec": {
            "hostNetwork": host_network,
            "nodeName": on,
            "containers": [{"name": "calico-node", "image": "calico/node:v3.29.1", **container}],
        },
        "status": status,
    }


def daemon_set(status: Any = None) -> dict[str, Any]:
    spec = {"hostNetwork": True, "containers": [{"name": "calico-node", "image": "calico/node:v3.29.1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "kube-system"},
        "spec": {"template": {"spec": spec}},
        "status": status or {},
    }


def find(*objects: dict[str, Any], claims: Any = None) -> tuple[CniAgent, ...]:
    given = complete_claims() if claims is None else claims
    return find_cni_agents(Cluster(snapshot([kube(entry) for entry in objects], given)))


def test_pods_on_every_node_are_observed() -> None:
    (agent,) = find(node("a"), node("b"), daemon_set(), pod("a"), pod("b"))
    assert (agent.name, agent.namespace, agent.version) == ("calico", "kube-system", "v3.29.1")
    assert agent.object == "kube-system/DaemonSet/calico-node"
    assert agent.ready_everywhere
    assert len(agent.evidence) == 3


@pytest.mark.parametrize(
    ("case", "objects", "missing"),
    [
        ("a pod that isn't ready", [pod("a"), pod("b", NOT_READY)], {"b"}),
        ("a node without a pod", [pod("a")], {"b"}),
        (
            "a DaemonSet whose count covers every node",
            [daemon_set({"desiredNumberScheduled": 2, "numberReady": 2})],
            set(),
        ),
        (
            "a DaemonSet whose count doesn't",
            [daemon_set({"desiredNumberScheduled": 1, "numberReady": 1})],
            {"a", "b"},
        ),
        (
            "pods outrank the count",
            [pod("a"), daemon_set({"desiredNumberScheduled": 2, "numberReady": 2})],
            {"b"},
        ),
    ],
)
def test_nodes_without_a_ready_agent(case: str, objects: list[Any], missing: set[str]) -> None:
    (agent,) = find(node("a"), node("b"), *objects)
    assert agent.missing_nodes == missing


def test_a_daemon_set_without_a_status_was_not_observed() -> None:
    (agent,) = find(node("a"), daemon_set())
    assert (agent.observed, agent.ready_everywhere) == (False, False)


def test_nodes_by_assumption_are_not_known() -> None:
    assumed = [Claim(key, None, "", "", "somebody", assumed=True) for key in KNOWN_KINDS]
    (agent,) = find(node("a"), pod("a"), claims=assumed)
    assert (agent.nodes_known, agent.ready_everywhere) == (False, False)


def test_only_pods_on_the_nodes_network_count() -> None:
    assert find(pod("a", host_network=False)) == ()


def test_flags_and_allowed_variables_are_read_and_no_secret() -> None:
    environment = [
        {"name": "FELIX_WIREGUARDENABLED", "value": "true"},
        {"name": "WEAVE_PASSWORD", "value": "not to be kept"},
        {"name": "DATABASE_PASSWORD", "value": "x"},
        {"name": "EXTRA_ARGS", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]
    command = ["/bin/sh", "-c", "exec agent --config=a --verbose"]
    (agent,) = find(pod("a", env=environment, command=command, args=["--config=b"], image="node@sha256:0"))
    assert agent.environment == {
        "FELIX_WIREGUARDENABLED": "true",
        "WEAVE_PASSWORD": "set",
        "EXTRA_ARGS": None,
    }
    assert agent.arguments == {"config": "a", "verbose": "true"}
    assert agent.version is None
