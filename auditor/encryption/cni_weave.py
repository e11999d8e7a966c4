"""Weave Net: encrypts between peers once it has a password (encryption.md 3). Its value is never looked at."""

from auditor.encryption.entry_reasons import cause
from auditor.encryption.node_encryption import NodeEncryption
from auditor.inventory.cluster import Cluster
from auditor.inventory.cni_agents import SET, UNSET, CniAgent
from auditor.model.verdict import Tri

_TRUSTED = ("TRUSTED_SUBNETS", "WEAVE_TRUSTED_SUBNETS")
_FLAG = "trusted-subnets"
_MECHANISM = "shared-password"


def weave(_: Cluster, agent: CniAgent) -> NodeEncryption:
    """Whether the `weave` container has a password, and whether some peers are trusted with plaintext."""
    password = agent.environment.get("WEAVE_PASSWORD", UNSET)
    old = cause("cni.unmaintained")
    if password is None:
        causes = (cause("indeterminate.cni.password"), old)
        return NodeEncryption("weave", Tri.UNKNOWN, Tri.NO, causes, agent.evidence)
    if password != SET:
        plain = cause("cni.plain", cni="Weave Net", setting="WEAVE_PASSWORD")
        return NodeEncryption("weave", Tri.NO, Tri.NO, (plain, old), agent.evidence)
    if _trusts_subnets(agent):
        causes = (cause("indeterminate.cni.trusted-subnets"), old)
        return NodeEncryption("weave", Tri.UNKNOWN, Tri.NO, causes, agent.evidence)
    encrypts = cause("cni.encrypts", cni="Weave Net", mechanism=_MECHANISM)
    told = (encrypts, cause("cni.node-identities"), old)
    return NodeEncryption("weave", Tri.YES, Tri.NO, told, agent.evidence, _MECHANISM)


def _trusts_subnets(agent: CniAgent) -> bool:
    named = any(agent.environment.get(name, "") != "" for name in _TRUSTED)
    extra = agent.environment.get("EXTRA_ARGS", "")
    return named or _FLAG in agent.arguments or extra is None or _FLAG in extra
