"""Cilium: WireGuard, IPsec, ztunnel (encryption.md 3). Mutual authentication is not encryption."""

from collections.abc import Mapping

from auditor.encryption import cni_cilium_strict as strict
from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent
from auditor.model.kinds import NAMESPACE, KindKey
from auditor.model.objects import mapping_at
from auditor.model.verdict import Cause, RuleRef, Tri

CONFIG = "cilium-config"
NODE_CONFIG = KindKey("cilium.io", "CiliumNodeConfig")
ENROLLED = ("io.cilium/mtls-enabled", "true")
_MUTUAL = ("mesh-auth-enabled", "mesh-auth-mutual-enabled")
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def cilium(cluster: Cluster, agent: CniAgent) -> NodeEncryption:
    """What Cilium's agents are set to encrypt. Flags on the command line outrank the ConfigMap."""
    config = cluster.config_map(agent.namespace, CONFIG)
    evidence = (*agent.evidence, *((config.evidence_id,) if config else ()))
    if config is None:
        missing = cause(
            "indeterminate.cni.config-missing", cni="Cilium", config=f"{agent.namespace}/{CONFIG}"
        )
        return NodeEncryption(
            "cilium", Tri.UNKNOWN, Tri.UNKNOWN, (missing,), evidence, host_network=Tri.UNKNOWN
        )
    data = {str(key): str(value) for key, value in mapping_at(config.body, "data").items()}
    settings = {**data, **agent.arguments}
    chain = tuple(
        RuleRef(str(config.id), f"data.{name}", config.evidence_id)
        for name in ("enable-wireguard", "enable-ipsec", "enable-ztunnel", "encrypt-node", *strict.SETTINGS)
        if name in data
    )
    return _from_settings(cluster, settings, evidence, chain)


def _from_settings(
    cluster: Cluster, settings: Mapping[str, str], evidence: tuple[str, ...], chain: tuple[RuleRef, ...]
) -> NodeEncryption:
    wireguard, ipsec = _on(settings, "enable-wireguard"), _on(settings, "enable-ipsec")
    enrolled = _enrolled(cluster) if _on(settings, "enable-ztunnel") else frozenset()
    causes = _stated(settings, enrolled)
    if ipsec and (wireguard or strict.refuses_to_start(settings, wireguard=wireguard)):
        code = "indeterminate.cni.config-conflict" if wireguard else "indeterminate.cni.strict-ingress-ipsec"
        conflict = (cause(code, cni="Cilium"), *causes)
        return NodeEncryption("cilium", Tri.UNKNOWN, Tri.NO, conflict, evidence, chain=chain)
    if not wireguard and not ipsec:
        plain = cause("cni.plain", cni="Cilium", setting="enable-wireguard, enable-ipsec")
        return NodeEncryption(
            "cilium", Tri.NO, Tri.NO, (plain, *causes), evidence, chain=chain, workload_mtls=enrolled
        )
    mechanism = "wireguard" if wireguard else "ipsec"
    told = [cause("cni.encrypts", cni="Cilium", mechanism=mechanism), cause("cni.node-identities"), *causes]
    told += strict.strict_mode(cluster, settings, wireguard=wireguard)
    if _differs_by_node(cluster, settings):
        differs = (cause("indeterminate.cni.node-config"), *causes)
        return NodeEncryption("cilium", Tri.UNKNOWN, Tri.NO, differs, evidence, mechanism, chain)
    host_network, why = _host_network(cluster, settings, wireguard=wireguard)
    return NodeEncryption(
        cni="cilium",
        cross_node=Tri.YES,
        same_node=Tri.NO,
        causes=(*told, *why),
        evidence=evidence,
        mechanism=mechanism,
        chain=chain,
        host_network=host_network,
        workload_mtls=enrolled,
    )


def _differs_by_node(cluster: Cluster, settings: Mapping[str, str]) -> bool:
    """Whether a CiliumNodeConfig gives some nodes another value for what encrypts."""
    given = (mapping_at(obj.spec, "defaults") for obj in cluster.all(NODE_CONFIG))
    names = ("enable-wireguard", "enable-ipsec")
    return any(
        n in node and str(node[n]).lower() != settings.get(n, "false") for node in given for n in names
    )


def _stated(settings: Mapping[str, str], enrolled: frozenset[str]) -> tuple[Cause, ...]:
    causes = []
    if any(_on(settings, name) for name in _MUTUAL):
        causes.append(cause("cni.mutual-authentication"))
    if enrolled:
        causes.append(cause("cni.ztunnel", namespaces=", ".join(sorted(enrolled)[:5])))
    return tuple(causes)


def _host_network(
    cluster: Cluster, settings: Mapping[str, str], *, wireguard: bool
) -> tuple[Tri, tuple[Cause, ...]]:
    """`encrypt-node` adds traffic of the nodes themselves, with WireGuard only; control-plane nodes opt out."""
    if not wireguard or not _on(settings, "encrypt-node"):
        return Tri.NO, ()
    if any(label in node.labels for node in cluster.nodes for label in _CONTROL_PLANE):
        return Tri.UNKNOWN, (cause("indeterminate.cni.control-plane"),)
    return Tri.YES, ()


def _enrolled(cluster: Cluster) -> frozenset[str]:
    label, value = ENROLLED
    return frozenset(n.name for n in cluster.all(NAMESPACE) if n.labels.get(label) == value)


def _on(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").lower() == "true"
