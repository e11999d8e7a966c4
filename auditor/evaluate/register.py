"""The whole flow register: what may connect into and out of scope, under every framework, held against what is approved."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Literal, NamedTuple

from auditor.checks import told
from auditor.checks.approved_flows import ApprovedFlowFacts, union_of
from auditor.checks.context import Context, Facts
from auditor.checks.flow_register import RegisteredFlow
from auditor.checks.isolation.approved_flows_possible import concerns
from auditor.evaluate.diagram_encryption import EdgeEncryption, worst
from auditor.evaluate.egress_states import State
from auditor.evaluate.entry_reach import reach_entries
from auditor.inventory.endpoints import Endpoint
from auditor.model import result as r
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.bits import from_members
from auditor.network.ports import PortSet
from auditor.network.representation import Direction
from auditor.network.universe import Peer, Universe

MAX_PAIRS = 10_000
"""Of an approved flow whose ends name more pairs, encryption isn't told."""
_STANDINGS = list(r.Standing)
Possible = Literal["yes", "no", "partly", "indeterminate", "unknown-end"]


class _Alike(NamedTuple):
    """What flows have in common that are listed as one."""

    standing: r.Standing
    direction: Direction
    verdict: Reach
    ports: PortSet
    approved_by: tuple[str, ...]
    encryption: State
    causes: tuple[Cause, ...]


_Rules = dict[RuleRef, None]


@dataclass(slots=True)
class _Row:
    """Endpoints in scope that have the same flows with the same peers."""

    alike: _Alike
    frameworks: tuple[str, ...]
    peers: tuple[str, ...]
    scoped: list[str] = field(default_factory=list)
    rules: _Rules = field(default_factory=dict)

    @property
    def sources(self) -> Sequence[str]:
        return self.peers if self.alike.direction is Direction.INGRESS else self.scoped

    @property
    def destinations(self) -> Sequence[str]:
        return self.scoped if self.alike.direction is Direction.INGRESS else self.peers

    @property
    def rank(self) -> tuple[object, ...]:
        """What nobody approved first; then by the ends."""
        alike = self.alike
        ends = tuple(self.sources), tuple(self.destinations), str(alike.ports)
        rest = alike.verdict, alike.approved_by, alike.encryption, repr(alike.causes), self.frameworks
        return _STANDINGS.index(alike.standing), alike.direction, *ends, *rest


def build_register(facts: Facts, contexts: Mapping[str, Context]) -> r.RegisterResult:
    """The register of all the frameworks together, numbered, the gravest first. Deterministic."""
    encryption = EdgeEncryption(facts, reach_entries(facts))
    rows = sorted(_joined(facts.network.universe, encryption, contexts), key=lambda row: row.rank)
    flows = [_flow(number, row) for number, row in enumerate(rows, 1)]
    approvals = sorted(facts.approved_flows.all(), key=lambda entry: entry.flow.id)
    return r.RegisterResult(
        flows=flows,
        approvals=[_approval(facts, entry, contexts, flows, encryption) for entry in approvals],
        counts={standing: sum(flow.standing is standing for flow in flows) for standing in r.Standing},
    )


def _flow(number: int, row: _Row) -> r.RegisterFlow:
    alike = row.alike
    return r.RegisterFlow.model_validate(
        {
            "number": number,
            "frameworks": list(row.frameworks),
            "direction": "in" if alike.direction is Direction.INGRESS else "out",
            "sources": list(row.sources),
            "destinations": list(row.destinations),
            "services": str(alike.ports),
            "ports": alike.ports.as_json(),
            "verdict": str(alike.verdict),
            "standing": alike.standing,
            "approved_by": list(alike.approved_by),
            "encryption": alike.encryption,
            "causes": told.causes(alike.causes),
            "decided_by": told.rules(sorted(row.rules)),
        }
    )


# -- flows that fare alike ----------------------------------------------------------------------------------------------


def _joined(
    universe: Universe, encryption: EdgeEncryption, contexts: Mapping[str, Context]
) -> Iterable[_Row]:
    """Frameworks that see a pair alike share its row; peers are bits until then, so that the cost follows groups."""
    names: dict[int, tuple[str, ...]] = {}
    rows: dict[tuple[_Alike, tuple[str, ...], int], _Row] = {}
    for endpoint, found in _by_endpoint(universe, encryption, contexts):
        for alike, by_context in found.items():
            for frameworks, bits, rules in _shared(by_context):
                if bits not in names:
                    names[bits] = tuple(peer.id for peer in universe.of(bits))
                key = alike, frameworks, bits
                row = rows.setdefault(key, _Row(alike, frameworks, names[bits]))
                row.scoped.append(endpoint.id)
                row.rules |= rules
    return rows.values()


_ByContext = list[tuple[tuple[str, ...], int, _Rules]]


def _by_endpoint(
    universe: Universe, encryption: EdgeEncryption, contexts: Mapping[str, Context]
) -> Iterator[tuple[Endpoint, dict[_Alike, _ByContext]]]:
    """For every endpoint in scope of any framework its flows, with the peers of each framework."""
    views: dict[int, tuple[Context, list[str]]] = {}
    for framework, context in contexts.items():
        views.setdefault(id(context), (context, []))[1].append(framework)
    endpoints = next(iter(contexts.values())).facts.endpoints if contexts else ()
    for endpoint in endpoints:
        found: dict[_Alike, _ByContext] = {}
        for context, frameworks in views.values():
            if endpoint.id in context.in_scope:
                flows = context.flow_register.of(endpoint)
                for alike, (bits, rules) in _told_apart(endpoint, flows, universe, encryption).items():
                    found.setdefault(alike, []).append((tuple(sorted(frameworks)), bits, rules))
        yield endpoint, found


def _told_apart(
    endpoint: Endpoint, flows: Iterable[RegisteredFlow], universe: Universe, encryption: EdgeEncryption
) -> dict[_Alike, tuple[int, _Rules]]:
    """The flows of an endpoint, those apart that are encrypted differently."""
    found: dict[_Alike, tuple[int, _Rules]] = {}
    for flow in flows:
        inward, sure = flow.direction is Direction.INGRESS, flow.verdict is not Reach.INDETERMINATE
        states: dict[State, list[int]] = {}
        outside: State | None = None  # addresses outside the cluster are all judged alike
        for peer in flow.peers:
            state = outside
            if state is None or isinstance(peer, Endpoint):
                source, destination = (peer, endpoint) if inward else (endpoint, peer)
                state = encryption.between(source, destination, flow.ports, sure)
            if not isinstance(peer, Endpoint):
                outside = state
            states.setdefault(state, []).append(universe.position(peer))
        for state, positions in states.items():
            bits = from_members(positions)
            alike = _Alike(
                flow.standing, flow.direction, flow.verdict, flow.ports, flow.approved_by, state, flow.causes
            )
            known, rules = found.get(alike, (0, {}))
            found[alike] = known | bits, rules | dict.fromkeys(flow.rules)
    return found


def _shared(by_context: _ByContext) -> Iterator[tuple[tuple[str, ...], int, _Rules]]:
    """Peers by the frameworks that see them alike."""
    pieces: list[tuple[tuple[str, ...], int, _Rules]] = []
    for frameworks, bits, rules in by_context:
        left, told_before = bits, pieces
        pieces = []
        for others, known, their_rules in told_before:
            if both := known & left:
                pieces.append((tuple(sorted({*others, *frameworks})), both, their_rules | rules))
            if rest := known & ~left:
                pieces.append((others, rest, their_rules))
            left &= ~known
        if left:
            pieces.append((frameworks, left, rules))
    return iter(pieces)


# -- approved flows -----------------------------------------------------------------------------------------------------


def _approval(
    facts: Facts,
    entry: ApprovedFlowFacts,
    contexts: Mapping[str, Context],
    flows: Sequence[r.RegisterFlow],
    encryption: EdgeEncryption,
) -> r.RegisterApproval:
    flow = entry.flow
    undecided = [service for service in entry.denied if service not in entry.impossible]
    return r.RegisterApproval(
        id=flow.id,
        frameworks=sorted(name for name, context in contexts.items() if concerns(context, entry)),
        possible=_possible(entry),
        services=str(entry.wanted),
        impossible=str(union_of(entry.impossible)) if entry.impossible else "",
        undecided=str(union_of(undecided)) if undecided else "",
        unknown=list(entry.unknown),
        review_overdue=flow.review_by is not None and flow.review_by < facts.now.date(),
        encryption=_encryption(entry, encryption),
        flows=[row.number for row in flows if flow.id in row.approved_by],
        causes=told.causes(entry.causes),
    )


def _possible(entry: ApprovedFlowFacts) -> Possible:
    """As the check approved-flows-possible judges it: what is denied weighs more than what can't be told."""
    if entry.unknown:
        return "unknown-end"
    if entry.impossible:
        return "no" if len(entry.impossible) == len(entry.flow.services) else "partly"
    return "indeterminate" if entry.denied else "yes"


def _encryption(entry: ApprovedFlowFacts, encryption: EdgeEncryption) -> State | None:
    """The worst of all pairs; none where nothing may pass."""
    ports = entry.wanted.minus(entry.wanted.minus(entry.reached))
    if not ports:
        return None
    pairs: Iterable[tuple[Peer, Peer]] = product(entry.sources, entry.destinations)
    asked = list(islice((pair for pair in pairs if pair[0] is not pair[1]), MAX_PAIRS + 1))
    if len(asked) > MAX_PAIRS:
        return "unknown"
    return worst(encryption.between(source, destination, ports, True) for source, destination in asked)
