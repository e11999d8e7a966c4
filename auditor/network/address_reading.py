"""How the network agent reads an ipBlock of a NetworkPolicy: by any address, or never inside the cluster (point 6).

The specification's conformance tests match pods by address. Cilium gives pods and nodes identities of their own, which
address blocks never match, unless `policy-cidr-match-mode` adds the nodes.
"""

from dataclasses import dataclass

from auditor.inventory.cluster import Cluster
from auditor.model.objects import mapping_at
from auditor.model.verdict import Cause
from auditor.network.agents import find_agents
from auditor.network.reasons import cause
from auditor.network.representation import Match
from auditor.network.support import Support
from auditor.network.universe import Universe

_CILIUM = frozenset({"cilium", "gke-dataplane-v2"})
_CONFIG = ("kube-system", "cilium-config")


@dataclass(frozen=True, slots=True)
class BlockReading:
    """`peers` are those that a block may match at all; `doubt` says why that is unknown for some; `stated` which it is."""

    peers: Match
    doubt: Cause | None
    stated: Cause


def read_blocks(cluster: Cluster, universe: Universe) -> BlockReading:
    """The reading of the agents that enforce NetworkPolicy; any address where none of them is Cilium."""
    names = [node.name for node in universe.nodes]
    agents = find_agents(cluster, names).found
    enforcing = {a.name for a in agents if a.support("networkpolicy").verdict is not Support.NO}
    if not enforcing & _CILIUM:
        return BlockReading(Match(universe.everything), None, cause("reading.any-address"))
    if not enforcing <= _CILIUM:
        inside = universe.everything & ~universe.outside
        doubt = cause("indeterminate.address-reading")
        return BlockReading(Match(universe.outside, inside), doubt, cause("reading.several-agents"))
    nodes = universe.hosts | universe.host_network
    config = cluster.config_map(*_CONFIG)
    if config is None:
        doubt = cause("indeterminate.address-reading")
        return BlockReading(Match(universe.outside, nodes), doubt, cause("reading.outside"))
    mode = str(mapping_at(config.body, "data").get("policy-cidr-match-mode", ""))
    if "nodes" in mode.split(","):
        return BlockReading(Match(universe.outside | nodes), None, cause("reading.outside-and-nodes"))
    return BlockReading(Match(universe.outside), None, cause("reading.outside"))
