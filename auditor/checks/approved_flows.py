"""Which of the approved flows are possible: what may pass between the ends that each names (PCI DSS 1.2.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from auditor.checks.approvals import names, service_ports
from auditor.checks.flow_register import overlaps, verdicts
from auditor.model.scope import ApprovedFlow, PortRange, Scope
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.connectivity import Connectivity
from auditor.network.ports import ICMP_PROTOCOLS, NOTHING, PortSet
from auditor.network.reach import Flows
from auditor.network.universe import Peer


@dataclass(frozen=True, slots=True)
class ApprovedFlowFacts:
    """An approved flow with the peers that its ends name, and what becomes of its services.

    `unknown` are ends that name nothing. `reached` may pass between some of the peers, of `unsure` it can't be told; the
    services in `denied` meet neither, apart from those in question; `impossible` is denied for certain. Policies of
    Kubernetes don't speak of ICMP, so it is never impossible.
    """

    flow: ApprovedFlow
    sources: tuple[Peer, ...]
    destinations: tuple[Peer, ...]
    unknown: tuple[str, ...]
    reached: PortSet
    unsure: PortSet
    causes: tuple[Cause, ...]
    rules: tuple[RuleRef, ...]

    @property
    def denied(self) -> list[PortRange]:
        """The services that don't pass for certain."""
        return [
            service for service in self.flow.services if not overlaps(service_ports(service), self.reached)
        ]

    @property
    def impossible(self) -> list[PortRange]:
        """The services that policies deny between all the peers."""
        return [
            service
            for service in self.denied
            if not overlaps(service_ports(service), self.unsure) and not is_icmp(service)
        ]

    @property
    def wanted(self) -> PortSet:
        """Everything that is approved."""
        return union_of(self.flow.services)


class ApprovedFlows:
    """The approved flows of a scope file, each worked out once."""

    def __init__(self, network: Connectivity, scope: Scope | None) -> None:
        self._network = network
        self._flows = tuple(scope.approved_flows) if scope else ()
        self._known: dict[str, ApprovedFlowFacts] = {}

    def all(self) -> list[ApprovedFlowFacts]:
        """Every approved flow, in the order of the scope file."""
        for flow in self._flows:
            if flow.id not in self._known:
                self._known[flow.id] = self._facts(flow)
        return list(self._known.values())

    def _facts(self, flow: ApprovedFlow) -> ApprovedFlowFacts:
        peers = self._network.universe.peers
        sources = tuple(peer for peer in peers if names(flow.source, peer))
        destinations = tuple(peer for peer in peers if names(flow.destination, peer))
        ends = ((flow.source, sources), (flow.destination, destinations))
        reached, unsure, causes, rules = self._reached(union_of(flow.services), sources, destinations)
        unknown = tuple(text for text, named in ends if not named)
        return ApprovedFlowFacts(flow, sources, destinations, unknown, reached, unsure, causes, rules)

    def _reached(
        self, wanted: PortSet, sources: tuple[Peer, ...], destinations: tuple[Peer, ...]
    ) -> tuple[PortSet, PortSet, tuple[Cause, ...], tuple[RuleRef, ...]]:
        """What may pass between the ends, what may or may not, why, and by which rules."""
        reached, unsure = NOTHING, NOTHING
        causes: list[Cause] = []
        rules: list[RuleRef] = []
        for group in self._groups(sources, destinations):
            for verdict, ports, why in verdicts(group):
                if not overlaps(ports, wanted):
                    continue
                causes += why
                if verdict is Reach.INDETERMINATE:
                    unsure |= ports
                else:
                    reached |= ports
                    passing = ports.minus(ports.minus(wanted))
                    rules += self._network.decided_by(group.sources[0], group.destinations[0], passing)
        return reached, unsure, tuple(causes), tuple(rules)

    def _groups(self, sources: tuple[Peer, ...], destinations: tuple[Peer, ...]) -> Iterable[Flows]:
        network = self._network
        if len(sources) <= len(destinations):
            return (group for peer in sources for group in network.flows_out_of(peer, destinations))
        return (group for peer in destinations for group in network.flows_into(peer, sources))


def is_icmp(service: PortRange) -> bool:
    """Whether a service has types instead of ports."""
    return service.protocol in ICMP_PROTOCOLS


def union_of(services: Iterable[PortRange]) -> PortSet:
    """What some services name together."""
    return reduce(PortSet.__or__, map(service_ports, services), NOTHING)
