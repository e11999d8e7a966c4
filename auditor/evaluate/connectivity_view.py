"""All connections of a cluster as the contract shapes them: endpoints, disjoint external ranges, groups, rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_levels import (
    HOST_NETWORK,
    Shape,
    by_endpoint,
    by_namespace,
    members_of,
    pod_network,
)
from auditor.inventory.endpoints import Endpoint
from auditor.model.connectivity_result import (
    BasisName,
    CompletenessResult,
    EndpointRow,
    EnforcementRow,
    ExternalRow,
    GroupRow,
    KindCompleteness,
    Level,
    PolicyProblemRow,
)
from auditor.model.evidence import Completeness
from auditor.network.addresses import External
from auditor.network.all_pairs import Numbers, PairVerdict
from auditor.network.bits import from_members
from auditor.network.connectivity import READS, Basis, Connectivity
from auditor.network.universe import Host

InScope = Callable[[Endpoint], bool]


class Pair(NamedTuple):
    """A row: ids of groups or external ranges, and the position of the verdict."""

    source: str
    destination: str
    verdict: int


class Pairs:
    """All rows, sorted by source and destination, made when they are asked for: there may be millions."""

    def __init__(self, ids: Sequence[str], matrix: Numbers) -> None:
        """`ids` sorted; `matrix` has the verdict's number for each source (a row) and destination, 0 for no row."""
        self.ids = ids
        self.matrix = matrix

    def __len__(self) -> int:
        return int(np.count_nonzero(self.matrix))

    def __iter__(self) -> Iterator[Pair]:
        for source, line in zip(self.ids, self.matrix, strict=True):
            for destination in np.flatnonzero(line).tolist():
                yield Pair(source, self.ids[destination], int(line[destination]))


@dataclass(frozen=True, slots=True, eq=False)
class ConnectivityView:
    """Everything that a renderer shows. `within` are namespaces' connections inside themselves (namespace level only).

    `protocols` are those that the verdicts speak of.
    """

    level: Level
    basis: BasisName
    enforcement: tuple[EnforcementRow, ...]
    completeness: CompletenessResult
    endpoints: tuple[EndpointRow, ...]
    externals: tuple[ExternalRow, ...]
    groups: tuple[GroupRow, ...]
    pairs: Pairs
    verdicts: tuple[PairVerdict, ...]
    within: Mapping[str, int]
    grouped: Mapping[str, Sequence[str]]
    ranges: tuple[External, ...]
    protocols: frozenset[str]

    def members(self, id: str) -> Sequence[str]:
        """The endpoints behind a group's id; an external range is itself."""
        return self.grouped.get(id) or (id,)


def build_view(
    facts: Facts,
    level: Level = "workload",
    basis: BasisName = "declared",
    in_scope: InScope | None = None,
    namespaces_apart: bool = False,
) -> ConnectivityView:
    """All pairs at a level. With `in_scope` only those of which one end at least is in scope, and their endpoints.

    `namespaces_apart`: no group holds endpoints of two namespaces (for pictures).
    """
    network = pod_network(facts) if level == "pod" else facts.network
    shape = _shape(network, level, Basis(basis), in_scope, namespaces_apart)
    scoped = None if in_scope is None else _scoped_names(network, level, in_scope)
    return _assemble(facts, network, level, basis, shape, scoped)


def _shape(
    network: Connectivity, level: Level, basis: Basis, in_scope: InScope | None, namespaces_apart: bool
) -> Shape:
    endpoints = network.universe.endpoints
    marks = [from_members(i for i, e in enumerate(endpoints) if in_scope(e))] if in_scope else []
    if namespaces_apart:
        marks += _by_namespace(endpoints)
    found = network.all_pairs(basis, marks)
    groups = found.groups
    matrix = found.matrix()
    if in_scope:
        chosen = [isinstance(e := group.peers[0], Endpoint) and in_scope(e) for group in groups]
        left_out = np.flatnonzero(~np.array(chosen, bool))
        matrix[np.ix_(left_out, left_out)] = 0
    told = by_namespace if level == "namespace" else by_endpoint
    return told(groups, matrix, found.verdicts)


def _by_namespace(endpoints: Sequence[Endpoint]) -> list[int]:
    found: dict[str, list[int]] = {}
    for position, endpoint in enumerate(endpoints):
        found.setdefault(endpoint.namespace, []).append(position)
    return [from_members(positions) for positions in found.values()]


def _scoped_names(network: Connectivity, level: Level, in_scope: InScope) -> set[str]:
    chosen = [endpoint for endpoint in network.universe.endpoints if in_scope(endpoint)]
    return set(members_of(chosen)) if level == "namespace" else {endpoint.id for endpoint in chosen}


def _assemble(
    facts: Facts,
    network: Connectivity,
    level: Level,
    basis: BasisName,
    shape: Shape,
    scoped: set[str] | None,
) -> ConnectivityView:
    outside = {external.id for external in network.externals}
    used = set(np.flatnonzero(shape.matrix.any(axis=0) | shape.matrix.any(axis=1)).tolist())
    shown = [
        i
        for i, members in enumerate(shape.groups)
        if scoped is None or i in used or not scoped.isdisjoint(members)
    ]
    ids = _group_ids({i: shape.groups[i] for i in shown}, outside)
    groups = [
        GroupRow(id=ids[i], members=list(shape.groups[i])) for i in shown if shape.groups[i][0] not in outside
    ]
    kept = {member for group in groups for member in group.members}
    ordered = sorted(shown, key=lambda i: ids[i])
    matrix = shape.matrix[np.ix_(ordered, ordered)]
    within = {}
    for place, i in enumerate(ordered):
        if len(shape.groups[i]) == 1 and matrix[place, place]:
            within[shape.groups[i][0]] = int(matrix[place, place])
            matrix[place, place] = 0
    return ConnectivityView(
        level=level,
        basis=basis,
        enforcement=enforcement_rows(network),
        completeness=completeness(facts, network),
        endpoints=tuple(row for row in _endpoints(network, level) if row.id in kept),
        externals=_externals(network.externals, {shape.groups[i][0] for i in shown}),
        groups=tuple(sorted(groups, key=lambda group: group.id)),
        pairs=Pairs([ids[i] for i in ordered], matrix),
        verdicts=shape.verdicts,
        ranges=network.externals,
        protocols=frozenset(network.datapath.table.protocols),
        grouped={group.id: group.members for group in groups},
        within=within,
    )


def _group_ids(groups: Mapping[int, tuple[str, ...]], outside: set[str]) -> dict[int, str]:
    """Ids in the order of the first members; an external range keeps its own. No id is given twice."""
    inside = sorted((members, i) for i, members in groups.items() if members[0] not in outside)
    prefix = "group-"
    while any(name.startswith(prefix) for name in outside):
        prefix = f"endpoints-{prefix}"
    width = len(str(len(inside)))
    ids = {i: f"{prefix}{number:0{width}d}" for number, (_, i) in enumerate(inside, 1)}
    return ids | {i: members[0] for i, members in groups.items() if members[0] in outside}


def _externals(externals: Iterable[External], shown: set[str]) -> tuple[ExternalRow, ...]:
    rows = (ExternalRow(id=entry.id, cidrs=list(entry.cidrs)) for entry in externals if entry.id in shown)
    return tuple(sorted(rows, key=lambda row: row.id))


def _endpoints(network: Connectivity, level: Level) -> list[EndpointRow]:
    universe = network.universe
    nodes = [_node(host) for host in universe.nodes]
    if level == "namespace":
        found = members_of(universe.endpoints).items()
        return sorted([_namespace(network, id, list(inside)) for id, inside in found] + nodes, key=_id)
    return sorted([_endpoint(endpoint) for endpoint in universe.endpoints] + nodes, key=_id)


def _id(row: EndpointRow) -> str:
    return row.id


def _endpoint(endpoint: Endpoint) -> EndpointRow:
    return EndpointRow(
        id=endpoint.id,
        namespace=endpoint.namespace,
        kind=endpoint.kind,
        name=endpoint.name,
        labels=_texts(endpoint.labels),
        replicas=len(endpoint.pods),
        live=endpoint.live,
        host_network=endpoint.host_network,
    )


def _node(host: Host) -> EndpointRow:
    return EndpointRow(
        id=host.id,
        namespace="",
        kind="Node",
        name=host.name,
        labels=_texts(host.labels or {}),
        replicas=1,
        live=True,
        host_network=True,
    )


def _namespace(network: Connectivity, id: str, endpoints: Sequence[Endpoint]) -> EndpointRow:
    name = endpoints[0].namespace
    return EndpointRow(
        id=id,
        namespace=name,
        kind="Namespace",
        name=name,
        labels=_texts(network.cluster.namespace_labels(name)),
        replicas=sum(len(endpoint.pods) for endpoint in endpoints),
        live=any(endpoint.live for endpoint in endpoints),
        host_network=id.endswith(HOST_NETWORK),
    )


def _texts(labels: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(labels[key]) for key in sorted(labels)}


def enforcement_rows(network: Connectivity) -> tuple[EnforcementRow, ...]:
    """For each layer whether something enforces it."""
    return tuple(
        EnforcementRow.model_validate(
            {
                "layer": row.layer,
                "status": row.status,
                "by": row.by,
                "except_nodes": list(row.except_nodes),
                "evidence": list(row.evidence),
            }
        )
        for row in network.enforcement
    )


def completeness(facts: Facts, network: Connectivity) -> CompletenessResult:
    """How much of every kind that reachability depends on is in the evidence, and which policies are broken."""
    gaps = [facts.cluster.completeness(key) for key in sorted(set(READS))]
    complete = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)
    return CompletenessResult(
        complete=all(gap.state in complete for gap in gaps),
        kinds=[
            KindCompleteness(group=gap.key.group, kind=gap.key.kind, state=gap.state.value, cause=gap.cause)
            for gap in gaps
        ],
        problems=[
            PolicyProblemRow(
                object=problem.object,
                field=problem.field,
                expected=problem.expected,
                reason=problem.code,
                evidence=problem.evidence_id,
            )
            for problem in network.policy_problems
        ],
    )
