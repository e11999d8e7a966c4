"""Antrea: `trafficEncryptionMode` of `antrea-agent.conf` (encryption.md 3)."""

from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import RuleRef, Tri

CONFIG = "antrea-config"
_KEY = "antrea-agent.conf"


def antrea(cluster: Cluster, agent: CniAgent) -> NodeEncryption:
    """What Antrea's agents encrypt. IPsec with a pre-shared key is not proved: the published default may be in use."""
    config = _config(cluster, agent.namespace)
    place = f"{agent.namespace}/{CONFIG}"
    if config is None:
        missing = (cause("indeterminate.cni.config-missing", cni="Antrea", config=place),)
        return NodeEncryption("antrea", Tri.UNKNOWN, Tri.NO, missing, agent.evidence)
    evidence = (*agent.evidence, config.evidence_id)
    chain = (RuleRef(str(config.id), f"data.{_KEY}", config.evidence_id),)
    settings = read_mapping(mapping_at(config.body, "data").get(_KEY))
    mode = (text_at(settings, "trafficEncryptionMode") or "none").lower() if settings is not None else ""
    if mode == "none":
        plain = cause("cni.plain", cni="Antrea", setting="trafficEncryptionMode none")
        return NodeEncryption("antrea", Tri.NO, Tri.NO, (plain,), evidence, chain=chain)
    if mode not in ("wireguard", "ipsec"):
        unread = (
            cause("indeterminate.cni.config-unreadable", setting="trafficEncryptionMode", config=place),
        )
        return NodeEncryption("antrea", Tri.UNKNOWN, Tri.NO, unread, evidence, chain=chain)
    if mode == "ipsec" and text_at(settings, "ipsec", "authenticationMode") != "cert":
        key = (cause("indeterminate.cni.preshared-key"),)
        return NodeEncryption("antrea", Tri.UNKNOWN, Tri.NO, key, evidence, "ipsec", chain)
    causes = (cause("cni.encrypts", cni="Antrea", mechanism=mode), cause("cni.node-identities"))
    return NodeEncryption("antrea", Tri.YES, Tri.NO, causes, evidence, mode, chain)


def _config(cluster: Cluster, namespace: str) -> KubeObject | None:
    """The ConfigMap; older releases add a hash to its name. None where there are several."""
    own = cluster.in_namespace(CONFIG_MAP, namespace)
    found = [obj for obj in own if obj.name == CONFIG or obj.name.startswith(f"{CONFIG}-")]
    return found[0] if len(found) == 1 else None
