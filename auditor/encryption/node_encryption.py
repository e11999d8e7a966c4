"""What the CNI says of encryption between nodes: the value that mesh verdicts are combined with."""

from dataclasses import dataclass

from auditor.model.verdict import Cause, RuleRef, Tri


@dataclass(frozen=True, slots=True)
class NodeEncryption:
    """Encryption below the workloads, for the whole cluster.

    `cross_node` and `same_node` tell whether pod traffic between nodes and inside one node is encrypted. `mechanism` is
    `wireguard`, `ipsec`, ... or None. `host_network` tells whether pods on the node's own network are covered as well.
    `except_nodes` are nodes that are known or feared not to take part: traffic to and from them is not covered.
    `workload_mtls` are namespaces enrolled in a CNI's own mutual TLS between workloads (Cilium's ztunnel: TCP only, no
    pods on the node's network).
    """

    cni: str | None
    cross_node: Tri
    same_node: Tri
    causes: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()
    mechanism: str | None = None
    chain: tuple[RuleRef, ...] = ()
    host_network: Tri = Tri.NO
    except_nodes: frozenset[str] = frozenset()
    workload_mtls: frozenset[str] = frozenset()


UNKNOWN_NODE_ENCRYPTION = NodeEncryption(
    cni=None,
    cross_node=Tri.UNKNOWN,
    same_node=Tri.UNKNOWN,
    causes=(Cause("indeterminate.node-encryption-unknown"),),
    host_network=Tri.UNKNOWN,
)
"""Nothing in the evidence says which CNI there is or what it encrypts."""
