"""The flow register: what may connect into and out of scope, each flow with the approvals that name it (PCI DSS 1.2.5)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from auditor.checks import told
from auditor.checks.approvals import Approval, Approvals
from auditor.inventory.endpoints import Endpoint
from auditor.model.result import Standing
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Flows
from auditor.network.representation import BOTH, Bits, Direction
from auditor.network.universe import Peer

if TYPE_CHECKING:
    from auditor.checks.context import Context

MAX_PEERS = 50
"""So many peers are listed with a flow; `peers_total` says how many there are."""


@dataclass(frozen=True, slots=True)
class RegisteredFlow:
    """Services between an endpoint in scope and peers that fare alike, approved all or not at all.

    `outside`: the peers are out of scope or outside the cluster; else the scope file names them as connected-to or
    security-impacting. `approved_by` are ids of approved flows; empty where nobody approved it. `standing` says what
    follows from all this.
    """

    direction: Direction
    peers: tuple[Peer, ...]
    ports: PortSet
    verdict: Reach
    outside: bool
    approved_by: tuple[str, ...]
    standing: Standing
    causes: tuple[Cause, ...]
    rules: tuple[RuleRef, ...]

    def as_json(self) -> dict[str, Any]:
        """The flow as a finding lists it."""
        side = "sources" if self.direction is Direction.INGRESS else "destinations"
        return {
            side: [peer.id for peer in self.peers[:MAX_PEERS]],
            "peers_total": len(self.peers),
            "services": str(self.ports),
            "ports": self.ports.as_json(),
            "verdict": str(self.verdict),
            "outside": self.outside,
            "approved_by": list(self.approved_by),
            "causes": told.causes(self.causes),
            "decided_by": told.rules(self.rules),
        }


class FlowRegister:
    """Every flow between an endpoint in scope and whatever is not: endpoints of other classes and external ranges.

    Nodes are left out, and so are endpoints on a node's network that aren't placed out of scope: policies can't tell
    them from the node. Loopback ranges lead nowhere.
    """

    def __init__(self, context: "Context") -> None:
        self.approvals = Approvals(context.scope)
        self._network = context.network
        self._known: dict[str, list[RegisteredFlow]] = {}
        others = [e for e, c in context.classified if not (c.judged_in_scope or c.undecided)]
        outside: list[Peer] = [e for e in others if e.id in context.out_of_scope]
        outside += [x for x in context.network.externals if not x.block.is_loopback]
        named: list[Peer] = [e for e in others if e.id not in context.out_of_scope and not e.host_network]
        self._peers = ((True, context.network.family(outside)), (False, context.network.family(named)))
        peers = context.network.universe.peers
        self._by_source = self.approvals.by_source(peers)
        self._by_destination = self.approvals.by_destination(peers)

    def of(self, endpoint: Endpoint) -> list[RegisteredFlow]:
        """The flows of an endpoint in scope, into it first."""
        if endpoint.id not in self._known:
            self._known[endpoint.id] = [
                flow
                for direction in BOTH
                for outside, peers in self._peers
                if peers
                for flow in self._between(endpoint, direction, peers, outside)
            ]
        return self._known[endpoint.id]

    def _standing(self, outside: bool, verdict: Reach, approved_by: tuple[str, ...]) -> Standing:
        if approved_by:
            return Standing.APPROVED
        if verdict is Reach.INDETERMINATE:
            return Standing.INDETERMINATE
        return Standing.UNAPPROVED if outside and self.approvals else Standing.PEOPLE

    def _between(
        self, endpoint: Endpoint, direction: Direction, peers: Bits, outside: bool
    ) -> Iterator[RegisteredFlow]:
        inward = direction is Direction.INGRESS
        own, others_own = self._by_destination, self._by_source
        if not inward:
            own, others_own = others_own, own
        candidates = own.get(endpoint.id, [])
        network = self._network
        groups = network.flows_into(endpoint, peers) if inward else network.flows_out_of(endpoint, peers)
        for group in groups:
            others = group.sources if inward else group.destinations
            for alike, fit in _by_approvals(others, candidates, others_own):
                source, destination = (alike[0], endpoint) if inward else (endpoint, alike[0])
                for verdict, ports, ids, causes in _split(group, fit):
                    rules = network.decided_by(source, destination, ports)
                    standing = self._standing(outside, verdict, ids)
                    yield RegisteredFlow(
                        direction, alike, ports, verdict, outside, ids, standing, causes, rules
                    )


def _by_approvals(
    peers: tuple[Peer, ...], candidates: list[Approval], named: Mapping[str, list[Approval]]
) -> Iterable[tuple[tuple[Peer, ...], list[Approval]]]:
    """Peers joined by the candidates that name them too."""
    if not candidates:
        return [(peers, [])]
    known = {id(entry) for entry in candidates}
    found: dict[tuple[str, ...], tuple[list[Peer], list[Approval]]] = {}
    for peer in peers:
        fit = [entry for entry in named.get(peer.id, ()) if id(entry) in known]
        key = tuple(entry.flow.id for entry in fit)
        found.setdefault(key, ([], fit))[0].append(peer)
    return [(tuple(alike), fit) for alike, fit in found.values()]


def _split(
    group: Flows, fit: list[Approval]
) -> Iterator[tuple[Reach, PortSet, tuple[str, ...], tuple[Cause, ...]]]:
    """Each verdict of a group: first what is approved, then the rest."""
    taken = reduce(PortSet.__or__, (entry.ports for entry in fit), NOTHING)
    for verdict, ports, causes in verdicts(group):
        left = ports.minus(taken)
        if approved := ports.minus(left):
            ids = sorted(entry.flow.id for entry in fit if overlaps(entry.ports, approved))
            yield verdict, approved, tuple(ids), causes
        if left:
            yield verdict, left, (), causes


def verdicts(group: Flows) -> Iterator[tuple[Reach, PortSet, tuple[Cause, ...]]]:
    """What isn't denied in a group, by verdict."""
    if group.allowed:
        yield Reach.ALLOWED, group.allowed, ()
    for ports, why in group.conditional:
        yield Reach.CONDITIONAL, ports, (why,)
    if group.declared_not_enforced:
        yield Reach.DECLARED_NOT_ENFORCED, group.declared_not_enforced, ()
    for ports, why in group.indeterminate:
        yield Reach.INDETERMINATE, ports, (why,)


def overlaps(ports: PortSet, others: PortSet) -> bool:
    """Whether two sets have a port in common."""
    return ports.minus(others) != ports
