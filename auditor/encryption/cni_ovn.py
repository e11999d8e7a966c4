"""OVN-Kubernetes: `ipsecConfig.mode` of the cluster's Network; only Full covers pods (encryption.md 3)."""

from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent
from auditor.model.kinds import KindKey
from auditor.model.objects import mapping_at
from auditor.model.verdict import RuleRef, Tri

NETWORK = KindKey("operator.openshift.io", "Network")
_FIELD = ("defaultNetwork", "ovnKubernetesConfig", "ipsecConfig")


def ovn_kubernetes(cluster: Cluster, agent: CniAgent) -> NodeEncryption:
    """What OVN-Kubernetes encrypts, as OpenShift's network operator is told."""
    network = cluster.get(NETWORK, "", "cluster")
    if network is None:
        missing = (cause("indeterminate.cni.network-missing"),)
        return NodeEncryption("ovn-kubernetes", Tri.UNKNOWN, Tri.NO, missing, agent.evidence)
    evidence = (*agent.evidence, network.evidence_id)
    chain = (RuleRef(str(network.id), "spec." + ".".join(_FIELD), network.evidence_id),)
    ipsec = mapping_at(network.spec, *_FIELD[:-1]).get(_FIELD[-1])
    mode = mapping_at(ipsec).get("mode")
    if ipsec is None or mode in ("Disabled", "External"):
        plain = cause("cni.plain", cni="OVN-Kubernetes", setting=f"ipsecConfig {mode or 'not set'}")
        return NodeEncryption("ovn-kubernetes", Tri.NO, Tri.NO, (plain,), evidence, chain=chain)
    if mode != "Full":
        unknown = (cause("indeterminate.cni.ipsec-mode"),)
        return NodeEncryption("ovn-kubernetes", Tri.UNKNOWN, Tri.NO, unknown, evidence, chain=chain)
    encrypts = cause("cni.encrypts", cni="OVN-Kubernetes", mechanism="ipsec")
    causes = (encrypts, cause("cni.node-identities"))
    return NodeEncryption("ovn-kubernetes", Tri.YES, Tri.NO, causes, evidence, "ipsec", chain)
