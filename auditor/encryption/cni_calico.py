"""Calico: WireGuard between nodes, by FelixConfiguration and the key that each node publishes (encryption.md 3)."""

import ipaddress
from collections.abc import Sequence

from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster, is_finished
from auditor.inventory.cni_agents import CniAgent
from auditor.inventory.endpoints import pod_addresses
from auditor.model.evidence import Completeness
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause, RuleRef, Tri

FELIX = KindKey("projectcalico.org", "FelixConfiguration")
KEY = "projectcalico.org/WireguardPublicKey"
_FAMILIES = {4: ("wireguardEnabled", KEY), 6: ("wireguardEnabledV6", f"{KEY}V6")}
_HOST = "wireguardHostEncryptionEnabled"
_KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)


def calico(cluster: Cluster, agent: CniAgent) -> NodeEncryption:
    """What Calico encrypts: set in FelixConfiguration, and done by every node that publishes a key."""
    default = cluster.get(FELIX, "", "default")
    if default is None and cluster.completeness(FELIX).state not in _KNOWN:
        missing = (cause("indeterminate.cni.felix-missing"),)
        return NodeEncryption(
            "calico", Tri.UNKNOWN, Tri.NO, missing, agent.evidence, host_network=Tri.UNKNOWN
        )
    per_node = [obj for obj in cluster.all(FELIX) if obj.name.startswith("node.")]
    evidence = (*agent.evidence, *(o.evidence_id for o in (default, *per_node) if o is not None))
    enabled = {version for version, (name, _) in _FAMILIES.items() if _on(agent, default, name)}
    if not enabled:
        plain = cause("cni.plain", cni="Calico", setting="wireguardEnabled")
        return NodeEncryption("calico", Tri.NO, Tri.NO, (plain,), evidence, chain=_chain(default))
    return _encrypting(cluster, agent, default, per_node, enabled, evidence)


def _encrypting(
    cluster: Cluster,
    agent: CniAgent,
    default: KubeObject | None,
    per_node: Sequence[KubeObject],
    enabled: set[int],
    evidence: tuple[str, ...],
) -> NodeEncryption:
    families = _pod_families(cluster)
    uncovered = families - enabled
    used = families & enabled or enabled
    keyless = frozenset(
        node.name
        for node in cluster.nodes
        if any(not node.annotations.get(_FAMILIES[family][1]) for family in used)
    )
    cross, causes = _settle(families, enabled)
    if keyless and not uncovered:
        causes.append(cause("cni.nodes-without-key", cni="Calico", nodes=", ".join(sorted(keyless)[:5])))
        if len(keyless) == len(cluster.nodes):
            cross = Tri.NO
    switched_off = frozenset(obj.name.removeprefix("node.") for obj in per_node if _switched_off(obj, used))
    return NodeEncryption(
        cni="calico",
        cross_node=cross,
        same_node=Tri.NO,
        causes=tuple(causes),
        evidence=(*evidence, *(node.evidence_id for node in cluster.nodes)),
        mechanism=None if cross is Tri.NO else "wireguard",
        chain=_chain(default),
        host_network=Tri.YES if _on(agent, default, _HOST) else Tri.NO,
        except_nodes=keyless | switched_off,
    )


def _settle(families: set[int], enabled: set[int]) -> tuple[Tri, list[Cause]]:
    """Whether the IP versions that pods use are among those encrypted."""
    if families - enabled:
        return Tri.NO, [cause("cni.plain", cni="Calico", setting=f"IPv{min(families - enabled)}")]
    if not families and len(enabled) < len(_FAMILIES):
        return Tri.UNKNOWN, [cause("indeterminate.cni.address-families", cni="Calico")]
    encrypts = cause("cni.encrypts", cni="Calico", mechanism="wireguard")
    return Tri.YES, [encrypts, cause("cni.node-identities")]


def _on(agent: CniAgent, config: KubeObject | None, name: str) -> bool:
    """Felix reads its environment (`FELIX_` and the name in capitals) before FelixConfiguration."""
    given = agent.environment.get(f"FELIX_{name.upper()}")
    if given:
        return given.lower() == "true"
    return config is not None and config.spec.get(name) is True


def _switched_off(config: KubeObject, families: set[int]) -> bool:
    return any(config.spec.get(_FAMILIES[family][0]) is False for family in families)


def _chain(config: KubeObject | None) -> tuple[RuleRef, ...]:
    if config is None:
        return ()
    names = [name for name in ("wireguardEnabled", "wireguardEnabledV6", _HOST) if name in config.spec]
    return tuple(RuleRef(str(config.id), f"spec.{name}", config.evidence_id) for name in names)


def _pod_families(cluster: Cluster) -> set[int]:
    """The IP versions of pods that have an address of their own."""
    found: set[int] = set()
    for pod in cluster.pods:
        if pod.spec.get("hostNetwork") is not True and not is_finished(pod):
            for address in pod_addresses(pod):
                try:
                    found.add(ipaddress.ip_address(address).version)
                except ValueError:
                    continue
    return found
