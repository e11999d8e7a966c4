"""Which endpoints no policy protects, to whom they are open all the same, and the ways in from outside."""

from collections.abc import Iterable, Iterator, Mapping

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_changes import port_rows
from auditor.evaluate.connectivity_levels import join_verdicts
from auditor.evaluate.connectivity_query import rule_rows, sentence
from auditor.evaluate.connectivity_view import InScope, completeness, enforcement_rows
from auditor.evaluate.entry_reach import reach_entries
from auditor.inventory.endpoints import Endpoint
from auditor.model.connectivity_result import ExposureResult, IsolationRow, OpenTo
from auditor.model.verdict import Tri
from auditor.network.addresses import External
from auditor.network.all_pairs import PairVerdict, PeerGroup
from auditor.network.bits import from_members
from auditor.network.connectivity import Basis
from auditor.network.ports import NOTHING
from auditor.network.reach import Isolation
from auditor.network.representation import BOTH, Direction
from auditor.network.universe import Host

INTERNET, PRIVATE, OTHER_NAMESPACES, SAME_NAMESPACE, NODES = (
    "internet",
    "private networks",
    "pods of other namespaces",
    "pods of its own namespace",
    "nodes and their network",
)
_FAMILIES = (INTERNET, PRIVATE, OTHER_NAMESPACES, SAME_NAMESPACE, NODES)
_Open = Mapping[tuple[int, Direction], Mapping[str, frozenset[int]]]


def build_exposure(facts: Facts, in_scope: InScope | None = None) -> ExposureResult:
    """As far as policies are enforced. With `in_scope` only endpoints in scope, and ways in that lead to them."""
    chosen = [endpoint for endpoint in facts.endpoints if in_scope is None or in_scope(endpoint)]
    ids = {endpoint.id for endpoint in chosen}
    return ExposureResult(
        enforcement=list(enforcement_rows(facts.network)),
        completeness=completeness(facts, facts.network),
        isolation=list(_isolation(facts, chosen)),
        entries=[row for row in reach_entries(facts) if row.endpoint in ids],
    )


def _isolation(facts: Facts, chosen: Iterable[Endpoint]) -> Iterator[IsolationRow]:
    network = facts.network
    spaces: dict[str, list[int]] = {}
    for position, endpoint in enumerate(network.universe.endpoints):
        spaces.setdefault(endpoint.namespace, []).append(position)
    found = network.all_pairs(Basis.ENFORCED, [from_members(positions) for positions in spaces.values()])
    groups = found.groups
    rows = list(found.rows())
    opened = _opened(groups, rows)
    place = {peer.id: number for number, group in enumerate(groups) for peer in group.peers}
    joined: dict[frozenset[int], PairVerdict] = {}
    for endpoint in chosen:
        for direction in BOTH:
            families = opened.get((place[endpoint.id], direction), {})
            for numbers in families.values():
                if numbers not in joined:
                    joined[numbers] = join_verdicts([found.verdicts[n] for n in sorted(numbers)])
            yield _row(
                network.isolation(endpoint, direction),
                [(name, joined[families[name]]) for name in _FAMILIES if name in families],
            )


def _opened(groups: tuple[PeerGroup, ...], rows: Iterable[tuple[int, int, int]]) -> _Open:
    """For each group and direction the families of peers at the other end, with the verdicts' numbers."""
    found: dict[tuple[int, Direction], dict[str, set[int]]] = {}
    for i, j, verdict in rows:
        for own, other, direction in ((j, i, Direction.INGRESS), (i, j, Direction.EGRESS)):
            families = found.setdefault((own, direction), {})
            families.setdefault(_family(groups[own], groups[other]), set()).add(verdict)
    return {key: {n: frozenset(v) for n, v in families.items()} for key, families in found.items()}


def _family(own: PeerGroup, other: PeerGroup) -> str:
    peer, subject = other.peers[0], own.peers[0]
    if isinstance(peer, External):
        return PRIVATE if peer.is_private else INTERNET
    if isinstance(peer, Host) or peer.host_network:
        return NODES
    same = isinstance(subject, Endpoint) and subject.namespace == peer.namespace
    return SAME_NAMESPACE if same else OTHER_NAMESPACES


def _row(isolation: Isolation, open_to: list[tuple[str, PairVerdict]]) -> IsolationRow:
    why = isolation.cause
    return IsolationRow(
        endpoint=isolation.endpoint.id,
        direction=isolation.direction.value,
        declared=isolation.declared.value,
        enforced=isolation.effective.value,
        reason=why.code if why else None,
        message=sentence(why) if why else _ISOLATED[isolation.effective],
        policies=rule_rows(isolation.policies),
        open_to=[_open_to(name, verdict) for name, verdict in open_to],
    )


_ISOLATED = {
    Tri.YES: "policies deny what none of their rules allows",
    Tri.NO: "what no rule mentions is allowed",
    Tri.UNKNOWN: "whether what no rule mentions is denied can't be told",
}


def _open_to(name: str, verdict: PairVerdict) -> OpenTo:
    uncertain = NOTHING
    for ports, _ in (*verdict.conditional, *verdict.indeterminate):
        uncertain = uncertain | ports
    return OpenTo(peers=name, allowed=port_rows(verdict.allowed), uncertain=port_rows(uncertain))
