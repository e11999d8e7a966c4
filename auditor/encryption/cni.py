"""Encryption between nodes by the CNI (encryption.md 3): what is observed of the agents first, then their settings.

None of them covers traffic inside one node, and all authenticate nodes, not workloads (Cilium's ztunnel apart). What is
switched off is plain whoever runs; what is switched on counts only where an agent, and a key, was seen on every node.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from auditor.encryption.cni_antrea import antrea
from auditor.encryption.cni_calico import calico
from auditor.encryption.cni_cilium import cilium
from auditor.encryption.cni_flannel import flannel, runs_in_process
from auditor.encryption.cni_ovn import ovn_kubernetes
from auditor.encryption.cni_weave import weave
from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent, find_cni_agents
from auditor.model.kinds import DAEMON_SET, NAMESPACE, NODE, POD, KindKey
from auditor.model.verdict import Cause, Tri, any_of

READS: tuple[KindKey, ...] = (
    POD,
    DAEMON_SET,
    NODE,
    NAMESPACE,
    KindKey("projectcalico.org", "FelixConfiguration"),
    KindKey("operator.openshift.io", "Network"),
)
"""The kinds that decide, beside ConfigMaps by name."""

_JUDGES: dict[str, Callable[[Cluster, CniAgent], NodeEncryption]] = {
    "antrea": antrea,
    "calico": calico,
    "cilium": cilium,
    "flannel": flannel,
    "ovn-kubernetes": ovn_kubernetes,
    "weave": weave,
}


def node_encryption(cluster: Cluster) -> NodeEncryption:
    """What the CNI encrypts between nodes. Several agents (Canal, chaining): encrypted if one of them encrypts."""
    agents = find_cni_agents(cluster)
    found = [_judge(cluster, agent) for agent in agents]
    if not any(agent.name == "flannel" for agent in agents) and runs_in_process(cluster):
        found.append(flannel(cluster, None))
    if not found:
        unknown = (cause("indeterminate.cni.not-found"),)
        return NodeEncryption(None, Tri.UNKNOWN, Tri.UNKNOWN, unknown, host_network=Tri.UNKNOWN)
    return found[0] if len(found) == 1 else _together(found)


def _judge(cluster: Cluster, agent: CniAgent) -> NodeEncryption:
    judge = _JUDGES.get(agent.name)
    if judge is None:
        unknown = (cause("indeterminate.cni.not-known", cni=agent.name),)
        return NodeEncryption(
            agent.name, Tri.UNKNOWN, Tri.UNKNOWN, unknown, agent.evidence, host_network=Tri.UNKNOWN
        )
    found = judge(cluster, agent)
    if found.cross_node is not Tri.YES:
        return found
    return _observed(found, agent)


def _observed(found: NodeEncryption, agent: CniAgent) -> NodeEncryption:
    """Take back what is set but was not seen: an agent that runs, on every node, all of which are known."""
    name = found.cni or agent.name
    if not agent.observed:
        return _taken_back(found, cause("indeterminate.cni.agent-not-observed", cni=name))
    if not agent.nodes_known:
        return _taken_back(found, cause("indeterminate.cni.nodes-unknown"))
    if not agent.missing_nodes:
        return found
    missing = cause("cni.nodes-without-agent", cni=name, nodes=_shown(agent.missing_nodes))
    return replace(
        found, except_nodes=found.except_nodes | agent.missing_nodes, causes=(*found.causes, missing)
    )


def _taken_back(found: NodeEncryption, why: Cause) -> NodeEncryption:
    host_network = Tri.NO if found.host_network is Tri.NO else Tri.UNKNOWN
    return replace(
        found,
        cross_node=Tri.UNKNOWN,
        host_network=host_network,
        causes=tuple(c for c in (*found.causes, why) if c.code != "cni.encrypts"),
    )


def _together(found: Sequence[NodeEncryption]) -> NodeEncryption:
    decisive = next((f for f in found if f.cross_node is Tri.YES), None)
    return NodeEncryption(
        cni="+".join(dict.fromkeys(f.cni for f in found if f.cni)),
        cross_node=any_of(f.cross_node for f in found),
        same_node=any_of(f.same_node for f in found),
        causes=tuple(dict.fromkeys(c for f in found for c in f.causes)),
        evidence=tuple(dict.fromkeys(e for f in found for e in f.evidence)),
        mechanism=decisive.mechanism if decisive else None,
        chain=tuple(dict.fromkeys(r for f in found for r in f.chain)),
        host_network=any_of(f.host_network for f in found),
        except_nodes=decisive.except_nodes if decisive else frozenset(),
        workload_mtls=frozenset().union(*(f.workload_mtls for f in found)),
    )


def _shown(nodes: frozenset[str]) -> str:
    names = sorted(nodes)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
