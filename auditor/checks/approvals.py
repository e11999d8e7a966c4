"""The approved flows of the scope file, held against what the policies allow (PCI DSS 1.2.5)."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from auditor.inventory.endpoints import Endpoint
from auditor.model.scope import ApprovedFlow, PortRange, Scope, matches_glob
from auditor.network.addresses import External, contains
from auditor.network.ports import NOTHING, PortSet
from auditor.network.universe import Peer

INTERNET = "internet"


@dataclass(frozen=True, slots=True)
class Approval:
    """One approved flow with its services as a port set."""

    flow: ApprovedFlow
    ports: PortSet


class Approvals:
    """Which ports between two peers the business has approved."""

    def __init__(self, scope: Scope | None) -> None:
        flows = scope.approved_flows if scope else []
        self._approvals = [Approval(flow, _ports(flow)) for flow in flows]

    def __bool__(self) -> bool:
        return bool(self._approvals)

    def by_source(self, peers: Iterable[Peer]) -> Mapping[str, list[Approval]]:
        """For each peer's id the approvals that name it as their source; none, no entry. For whoever asks many pairs."""
        return {peer.id: fit for peer in peers if (fit := self.out_of(peer))}

    def by_destination(self, peers: Iterable[Peer]) -> Mapping[str, list[Approval]]:
        """The same for destinations."""
        return {peer.id: fit for peer in peers if (fit := self.into(peer))}

    def into(self, destination: Peer) -> list[Approval]:
        """The approvals whose destination is, or includes, a peer."""
        return [entry for entry in self._approvals if names(entry.flow.destination, destination)]

    def out_of(self, source: Peer) -> list[Approval]:
        """The approvals whose source is, or includes, a peer."""
        return [entry for entry in self._approvals if names(entry.flow.source, source)]


def approved_ports(
    candidates: list[Approval], source: Peer | None = None, destination: Peer | None = None
) -> PortSet:
    """The ports that any of the candidates approves from `source` or to `destination` (the end that isn't fixed yet)."""
    ports = (entry.ports for entry in fitting(candidates, source, destination))
    return reduce(PortSet.__or__, ports, NOTHING)


def fitting(
    candidates: list[Approval], source: Peer | None = None, destination: Peer | None = None
) -> Iterator[Approval]:
    """The candidates that approve something from `source` or to `destination` (the end that isn't fixed yet)."""
    for entry in candidates:
        from_source = source is None or names(entry.flow.source, source)
        if from_source and (destination is None or names(entry.flow.destination, destination)):
            yield entry


def names(text: str, peer: Peer) -> bool:
    """Whether a flow's end names a peer: endpoint id or `namespace/*` with globs, network name, `internet`, CIDR."""
    if isinstance(peer, External):
        return _names_external(text, peer)
    wanted, parts = text.split("/"), peer.id.partition("#")[0].split("/")
    if len(wanted) == 2 and isinstance(peer, Endpoint):
        return wanted[1] == "*" and matches_glob(wanted[0], peer.namespace)
    return len(wanted) == len(parts) and all(map(matches_glob, wanted, parts))


def _names_external(text: str, peer: External) -> bool:
    if text == INTERNET:
        return not peer.is_private
    if text in peer.networks or text == peer.id:
        return True
    try:
        block = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return contains(block, peer.block)


def service_ports(service: PortRange) -> PortSet:
    """What one service of an approved flow names."""
    if not service.ports:
        return PortSet.whole(service.protocol)
    return PortSet.of({service.protocol: service.ranges})


def _ports(flow: ApprovedFlow) -> PortSet:
    return reduce(PortSet.__or__, map(service_ports, flow.services), NOTHING)
