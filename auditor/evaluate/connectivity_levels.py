"""The levels at which connectivity is told: pods, workloads (the engine's own), namespaces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.checks.context import Facts
from auditor.inventory.endpoints import Endpoint, container_ports
from auditor.inventory.services import Services
from auditor.network.addresses import External
from auditor.network.all_pairs import DENIED, Numbers, PairVerdict, PeerGroup
from auditor.network.connectivity import Connectivity
from auditor.network.ports import NOTHING, PortSet
from auditor.network.reach import Because
from auditor.network.universe import Host, Peer

HOST_NETWORK = "#host-network"


@dataclass(frozen=True, slots=True)
class Shape:
    """Groups of names; the number of the verdict for each source (a row) and destination; the first verdict is "denied"."""

    groups: tuple[tuple[str, ...], ...]
    matrix: Numbers
    verdicts: tuple[PairVerdict, ...]


def pod_endpoints(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """One endpoint for each pod; templates without pods stay as they are. Sorted by id."""
    return tuple(sorted((e for entry in endpoints for e in _pods(entry)), key=lambda e: e.id))


def _pods(endpoint: Endpoint) -> Iterable[Endpoint]:
    if not endpoint.pods:
        yield endpoint
    for pod in endpoint.pods:
        yield Endpoint(
            id=str(pod.id),
            namespace=pod.namespace,
            kind="Pod",
            name=pod.name,
            labels=pod.labels,
            annotations=pod.annotations,
            spec=pod.spec,
            pods=(pod,),
            workload=endpoint.workload,
            ports=container_ports(pod.spec),
        )


def pod_network(facts: Facts) -> Connectivity:
    """The engine over single pods."""
    endpoints = pod_endpoints(facts.endpoints)
    networks = facts.scope.external_networks if facts.scope else []
    named = [(network.name, tuple(network.cidrs)) for network in networks]
    return Connectivity(facts.cluster, endpoints, Services(facts.cluster, endpoints), named)


def by_endpoint(groups: Sequence[PeerGroup], matrix: Numbers, verdicts: Sequence[PairVerdict]) -> Shape:
    """Groups of endpoints and nodes, and external ranges, as the engine found them."""
    names = tuple(tuple(sorted(peer.id for peer in group.peers)) for group in groups)
    return Shape(names, matrix, tuple(verdicts))


def by_namespace(groups: Sequence[PeerGroup], matrix: Numbers, verdicts: Sequence[PairVerdict]) -> Shape:
    """Namespaces instead of endpoints: a port is allowed where any endpoint of the one may reach any of the other."""
    names, parts = _parts(groups)
    found: dict[tuple[int, int], set[int]] = {}
    for i, line in enumerate(matrix):
        for j in np.flatnonzero(line).tolist():
            verdict = int(line[j])
            for a, many_a in parts[i]:
                for b, _ in parts[j]:
                    if i != j or a != b or many_a:
                        found.setdefault((a, b), set()).add(verdict)
    joined: dict[PairVerdict, int] = {DENIED: 0}
    known: dict[frozenset[int], int] = {}
    told: Numbers = np.zeros((len(names), len(names)), np.int32)
    for (a, b), numbers in found.items():
        key = frozenset(numbers)
        if key not in known:
            union = join_verdicts([verdicts[number] for number in sorted(numbers)])
            known[key] = joined.setdefault(union, len(joined))
        told[a, b] = known[key]
    return Shape(tuple((name,) for name in names), told, tuple(joined))


def _parts(groups: Sequence[PeerGroup]) -> tuple[list[str], list[list[tuple[int, bool]]]]:
    """The names of all namespaces' parts, and for each group the parts in it and whether it has several members there."""
    index: dict[str, int] = {}
    listed = []
    for group in groups:
        counts: dict[int, int] = {}
        for peer in group.peers:
            position = index.setdefault(namespace_id(peer), len(index))
            counts[position] = counts.get(position, 0) + 1
        listed.append([(position, count > 1) for position, count in counts.items()])
    return list(index), listed


def namespace_id(peer: Peer) -> str:
    """The namespace of an endpoint, `#host-network` where it uses its node's network; nodes and ranges are themselves."""
    if isinstance(peer, (Host, External)):
        return peer.id
    return f"/Namespace/{peer.namespace}{HOST_NETWORK if peer.host_network else ''}"


def join_verdicts(verdicts: Sequence[PairVerdict]) -> PairVerdict:
    """What any of several verdicts lets through: allowed beats conditional, conditional beats indeterminate."""
    if len(verdicts) == 1:
        return verdicts[0]
    allowed = NOTHING
    for verdict in verdicts:
        allowed = allowed | verdict.allowed
    conditional, told = _rest([v.conditional for v in verdicts], allowed)
    indeterminate, _ = _rest([v.indeterminate for v in verdicts], told)
    rules = {ref for verdict in verdicts for ref in verdict.decided_by}
    return PairVerdict(allowed, conditional, indeterminate, tuple(sorted(rules)))


def _rest(parts: Iterable[Because], told: PortSet) -> tuple[Because, PortSet]:
    """The ports that nothing better covers, each once with the first cause."""
    found = []
    for part in parts:
        for ports, why in part:
            if left := ports.minus(told):
                found.append((left, why))
                told = told | left
    return tuple(found), told


def members_of(endpoints: Iterable[Endpoint]) -> Mapping[str, list[Endpoint]]:
    """The endpoints behind each name of the namespace level."""
    found: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        found.setdefault(namespace_id(endpoint), []).append(endpoint)
    return found
