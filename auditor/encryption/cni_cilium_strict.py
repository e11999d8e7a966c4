"""Cilium's strict mode: what becomes of packets between pods that are not encrypted (reference, Transparent Encryption).

For egress (`enable-encryption-strict-mode-egress`, until 1.18 without the suffix) a node drops unencrypted IPv4 packets
whose source and destination lie in one range (`encryption-strict-egress-cidr`), except to nodes where
`...-allow-remote-node-identities` lets them through; IPv6 is never covered. IPsec has it since 1.19, under the new name.
For ingress (`enable-encryption-strict-mode-ingress`, 1.19, WireGuard only) the receiving node drops what did not come
through the tunnel: plaintext isn't accepted any more, but has crossed the wire by then. Node to node is not covered.
"""

import ipaddress
from collections.abc import Iterator, Mapping

from auditor.encryption.entry_reasons import cause
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import pod_addresses
from auditor.model.objects import mapping_at
from auditor.model.verdict import Cause

EGRESS = ("enable-encryption-strict-mode-egress", "enable-encryption-strict-mode")
INGRESS = "enable-encryption-strict-mode-ingress"
SETTINGS = (*EGRESS, INGRESS)
_RANGES = ("encryption-strict-egress-cidr", "encryption-strict-mode-cidr")
_TO_NODES = (
    "encryption-strict-egress-allow-remote-node-identities",
    "encryption-strict-mode-allow-remote-node-identities",
)


def strict_mode(cluster: Cluster, settings: Mapping[str, str], *, wireguard: bool) -> tuple[Cause, ...]:
    """What strict mode covers, and what it leaves open, of pods that are encrypted by WireGuard or else by IPsec."""
    covered = tuple(_egress(cluster, settings, wireguard=wireguard))
    told = list(covered) or [cause("cni.no-strict-mode")]
    if wireguard and _on(settings, INGRESS):
        told.append(cause("cni.strict-ingress"))
    return tuple(told)


def refuses_to_start(settings: Mapping[str, str], *, wireguard: bool) -> bool:
    """Whether the agent refuses the settings: strict mode for ingress is not for IPsec."""
    return not wireguard and _on(settings, INGRESS)


def _egress(cluster: Cluster, settings: Mapping[str, str], *, wireguard: bool) -> Iterator[Cause]:
    """Nothing where egress isn't strict; what is encrypted by IPsec only under the new name, whose release is 1.19."""
    new, old = (_on(settings, name) for name in EGRESS)
    if not new and not (old and wireguard):
        return
    given = next((settings[name] for name in _RANGES if settings.get(name)), "")
    block = _ipv4(given)
    if block is None:
        yield cause("cni.no-strict-mode")
        yield cause("cni.strict-egress-without-range")
        return
    yield cause("cni.strict-egress", range=str(block))
    if any(_on(settings, name) for name in _TO_NODES):
        yield cause("cni.strict-egress-not-to-nodes")
    if outside := _pods_outside(cluster, block):
        yield cause("cni.strict-egress-partly", count=outside, range=str(block))


def _pods_outside(cluster: Cluster, block: ipaddress.IPv4Network) -> int:
    """The number of pods, but those on a node's network, with an address that the range doesn't hold."""
    pods = (pod for pod in cluster.pods if mapping_at(pod.spec).get("hostNetwork") is not True)
    return sum(any(not _holds(block, text) for text in pod_addresses(pod)) for pod in pods)


def _holds(block: ipaddress.IPv4Network, text: str) -> bool:
    try:
        return ipaddress.ip_address(text) in block
    except ValueError:
        return False


def _ipv4(text: str) -> ipaddress.IPv4Network | None:
    """The range as the agent reads it, host bits dropped; None for what it refuses."""
    try:
        return ipaddress.IPv4Network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _on(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").lower() == "true"
