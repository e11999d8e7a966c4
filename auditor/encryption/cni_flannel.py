"""Flannel: the backend of `net-conf.json`, and what each node says it uses (encryption.md 3)."""

from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import CniAgent, knows_every_node
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri

CONFIG = "kube-flannel-cfg"
BACKEND = "flannel.alpha.coreos.com/backend-type"
_ENCRYPTING = ("wireguard", "ipsec")
_CANAL = "canal-config"


def runs_in_process(cluster: Cluster) -> bool:
    """Whether nodes say that they use flannel, though no pod of it may be there (k3s runs it in its own process)."""
    return any(BACKEND in node.annotations for node in cluster.nodes)


def flannel(cluster: Cluster, agent: CniAgent | None) -> NodeEncryption:
    """What flannel's backend encrypts. What a node says of itself is observed and outranks the ConfigMap."""
    config = _config(cluster, agent)
    declared = _declared(config)
    said = {node.annotations[BACKEND].lower() for node in cluster.nodes if node.annotations.get(BACKEND)}
    evidence = (
        *(agent.evidence if agent else ()),
        *((config.evidence_id,) if config else ()),
        *(node.evidence_id for node in cluster.nodes if BACKEND in node.annotations),
    )
    chain = (RuleRef(str(config.id), "data.net-conf.json", config.evidence_id),) if config else ()
    backend, cross, causes = _decide(declared, said, config, agent)
    if cross is Tri.YES and agent is None and not knows_every_node(cluster):
        cross, causes = Tri.UNKNOWN, (cause("indeterminate.cni.nodes-unknown"),)
    others = frozenset(n.name for n in cluster.nodes if n.annotations.get(BACKEND, "").lower() != backend)
    if cross is Tri.YES and others:
        shown = ", ".join(sorted(others)[:5])
        causes = (*causes, cause("cni.nodes-with-other-backend", backend=backend, nodes=shown))
    return NodeEncryption(
        cni="flannel",
        cross_node=cross,
        same_node=Tri.NO,
        causes=causes,
        evidence=evidence,
        mechanism=backend if cross is Tri.YES else None,
        chain=chain,
        except_nodes=others if cross is Tri.YES else frozenset(),
    )


def _decide(
    declared: str | None, said: set[str], config: KubeObject | None, agent: CniAgent | None
) -> tuple[str, Tri, tuple[Cause, ...]]:
    encrypting = {backend for backend in said if backend in _ENCRYPTING}
    if said and not encrypting:
        return min(said), Tri.NO, (cause("cni.plain", cni="flannel", setting=f"backend {min(said)}"),)
    if declared is None and not said:
        namespace = agent.namespace if agent else "kube-flannel"
        return "", Tri.UNKNOWN, (_unread(config, namespace),)
    backend = declared or min(encrypting)
    if backend not in _ENCRYPTING:
        if encrypting:
            return backend, Tri.UNKNOWN, (cause("indeterminate.cni.backends-differ"),)
        return backend, Tri.NO, (cause("cni.plain", cni="flannel", setting=f"backend {backend}"),)
    causes = [cause("cni.encrypts", cni="flannel", mechanism=backend), cause("cni.node-identities")]
    if backend == "ipsec":
        causes.append(cause("cni.experimental"))
    return backend, Tri.YES, tuple(causes)


def _unread(config: KubeObject | None, namespace: str) -> Cause:
    place = f"{namespace}/{CONFIG}"
    if config is None:
        return cause("indeterminate.cni.config-missing", cni="flannel", config=place)
    return cause("indeterminate.cni.config-unreadable", setting="net-conf.json", config=place)


def _config(cluster: Cluster, agent: CniAgent | None) -> KubeObject | None:
    if agent is not None:
        for name in (CONFIG, _CANAL):
            if (found := cluster.config_map(agent.namespace, name)) is not None:
                return found
    named = [obj for obj in cluster.all(CONFIG_MAP) if obj.name == CONFIG]
    return named[0] if len(named) == 1 else None


def _declared(config: KubeObject | None) -> str | None:
    """The backend's type in lower case; flannel's default is udp."""
    if config is None:
        return None
    parsed = read_mapping(mapping_at(config.body, "data").get("net-conf.json"))
    if parsed is None:
        return None
    return (text_at(parsed, "Backend", "Type") or "udp").lower()
