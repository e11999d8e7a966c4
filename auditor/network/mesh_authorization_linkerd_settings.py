"""Linkerd's settings that decide about authorization: cluster-wide defaults, and the ports a pod keeps from its proxy."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import list_at, mappings_at, text_at
from auditor.network.addresses import Network
from auditor.network.ports import HIGHEST, LOWEST, Range

OPEN_POLICIES = ("all-unauthenticated", "audit")
"""Default policies that let everybody in."""
DEFAULT_POLICIES = (
    *OPEN_POLICIES,
    "all-authenticated",
    "cluster-authenticated",
    "cluster-unauthenticated",
    "deny",
)
_SKIP_INBOUND = "config.linkerd.io/skip-inbound-ports"
_SKIPPED = "4190,4191,4567,4568"
_CLUSTER_NETWORKS = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8"


@dataclass(frozen=True, slots=True)
class LinkerdSettings:
    """The cluster's default inbound policy (None: not in the evidence) and what it calls its own networks."""

    default_policy: str | None
    networks: tuple[Network, ...]
    evidence_id: str


def read_settings(cluster: Cluster, endpoints: Sequence[Endpoint]) -> LinkerdSettings:
    """What the policy controller was started with, else ConfigMap linkerd-config."""
    arguments = [
        argument
        for endpoint in endpoints
        if endpoint.labels.get("linkerd.io/control-plane-component") == "destination"
        for container in endpoint.containers
        for argument in list_at(container, "args")
        if isinstance(argument, str)
    ]
    config = next((obj for obj in cluster.all(CONFIG_MAP) if obj.name == "linkerd-config"), None)
    values = (text_at(config.body, "data", "values") or "") if config else ""
    policies = {a.partition("=")[2] for a in arguments if a.startswith("--default-policy=")}
    if not policies and config is not None:
        policies = {_value(values, "defaultInboundPolicy") or "all-unauthenticated"}
    networks = [a.partition("=")[2] for a in arguments if a.startswith("--cluster-networks=")]
    text = networks[0] if networks else _value(values, "clusterNetworks") or _CLUSTER_NETWORKS
    policy = next(iter(policies)) if len(policies) == 1 else None
    return LinkerdSettings(
        policy if policy in DEFAULT_POLICIES else None,
        tuple(_networks(text)),
        config.evidence_id if config else "",
    )


def _value(values: str, name: str) -> str | None:
    found = re.search(rf"(?m)^\s*{name}:\s*[\"']?([A-Za-z0-9.:,/-]+)", values)
    return found.group(1) if found else None


def _networks(text: str) -> Iterator[Network]:
    for part in text.split(",")[:100]:
        try:
            yield ipaddress.ip_network(part.strip(), strict=False)
        except ValueError:
            continue


def skipped_ports(endpoint: Endpoint) -> tuple[Range, ...]:
    """Ports that bypass the proxy: what the init container was told, else the annotation and the defaults."""
    for container in mappings_at(endpoint.spec, "initContainers"):
        arguments = [str(argument) for argument in list_at(container, "args")]
        if "--inbound-ports-to-ignore" in arguments[:-1]:
            return port_ranges(arguments[arguments.index("--inbound-ports-to-ignore") + 1])
    return port_ranges(f"{_SKIPPED},{endpoint.annotations.get(_SKIP_INBOUND, '')}")


def port_ranges(text: str) -> tuple[Range, ...]:
    """A list of ports and ranges as annotations have it (`80,90-99`), sorted; entries that aren't ports are dropped."""
    found: set[Range] = set()
    for part in text.split(",")[:1000]:
        low, _, high = part.strip().partition("-")
        if low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit())):
            first, last = int(low[:6]), int((high or low)[:6])
            if LOWEST <= first <= last <= HIGHEST:
                found.add((first, last))
    return tuple(sorted(found))
