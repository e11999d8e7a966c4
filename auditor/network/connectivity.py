"""Which peer can reach which, on which ports, by which rules: the facade over universe, layers and data path."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Protocol

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.kinds import NAMESPACE, NODE, POD, KindKey
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.address_reading import read_blocks
from auditor.network.addresses import External
from auditor.network.all_pairs import AllPairs
from auditor.network.bits import from_members, members
from auditor.network.columns import AnyColumns, columns_of
from auditor.network.datapath import ClassKey, Datapath
from auditor.network.decisions import Decider
from auditor.network.enforcement import Enforcement, LayerEnforcement
from auditor.network.isolation import judge_isolation
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.pairs import Column, Masks, exempt, group_peers, join_columns
from auditor.network.ports import PortSet
from auditor.network.reach import Because, Connection, Decision, Flows, Isolation, PolicyFacts
from auditor.network.registry import LAYERS
from auditor.network.representation import Bits, CompiledLayer, Direction, PolicyProblem
from auditor.network.resolution import resolve_peer
from auditor.network.universe import Peer, Universe

READS: tuple[KindKey, ...] = (NAMESPACE, POD, NODE, *(kind for layer in LAYERS for kind in layer.kinds))
"""Every kind that reachability depends on."""


class Kept(Protocol):
    """What an earlier state of the same pods and nodes still holds after a change of policies (`recheck.py`)."""

    universe: Universe
    layers: tuple[CompiledLayer, ...]
    enforcement: Enforcement
    datapath: Datapath

    def verdicts(self, key: ClassKey, member: int, direction: Direction, basis: Basis) -> Verdicts | None:
        """A class's verdicts, None where the change touches it."""
        ...

    def columns(self, judge: Judge, direction: Direction, basis: Basis) -> AnyColumns:
        """All subjects' verdicts by peer."""
        ...


class Connectivity:
    """Reachability over all policy systems of a cluster. Cheap to construct; everything is computed when asked for.

    `externals` are the scope file's networks: (name, CIDRs). `services` map names to pods; policies never look at them.
    """

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Sequence[Endpoint],
        services: Services | None = None,
        externals: Sequence[tuple[str, Sequence[str]]] = (),
        kept: "Kept | None" = None,
    ) -> None:
        self.cluster = cluster
        self.services = services
        self._endpoints = endpoints
        self._named = externals
        self._kept = kept
        self._columns: dict[tuple[Direction, Basis], AnyColumns] = {}

    # -- what there is ----------------------------------------------------------------------------------------------

    @cached_property
    def universe(self) -> Universe:
        """All peers as bits."""
        if self._kept is not None:
            return self._kept.universe
        return Universe(self.cluster, self._endpoints, self._named)

    @cached_property
    def layers(self) -> tuple[CompiledLayer, ...]:
        """The policy systems, compiled."""
        if self._kept is not None:
            return self._kept.layers
        return tuple(layer.compile(self.cluster, self.universe) for layer in LAYERS)

    @cached_property
    def enforced_by(self) -> Enforcement:
        """The enforcement of every layer, for each subject."""
        if self._kept is not None:
            return self._kept.enforcement
        proxies = {layer.name: layer.data_plane for layer in self.layers if layer.data_plane is not None}
        return Enforcement(self.universe, [name for layer in LAYERS for name in layer.names], proxies)

    @cached_property
    def datapath(self) -> Datapath:
        """The layers put together, and the classes of subjects."""
        if self._kept is not None:
            return self._kept.datapath
        return Datapath(self.layers, len(self.universe.peers), self.enforced_by.marked)

    @cached_property
    def judge(self) -> Judge:
        """The verdicts of classes."""
        earlier = self._kept.verdicts if self._kept is not None else None
        return Judge(self.datapath, self.enforced_by, self.universe.everything, earlier)

    @cached_property
    def _decider(self) -> Decider:
        return Decider(self.universe, self.judge)

    def changed(
        self, cluster: Cluster, kept: Kept | None, endpoints: Sequence[Endpoint] | None = None
    ) -> "Connectivity":
        """The same over a cluster of which the policies changed; with other endpoints, where it makes others."""
        if endpoints is None:
            return Connectivity(cluster, self._endpoints, self.services, self._named, kept)
        return Connectivity(cluster, endpoints, Services(cluster, endpoints), self._named, kept)

    @property
    def enforcement(self) -> tuple[LayerEnforcement, ...]:
        """For each layer whether something enforces it."""
        return self.enforced_by.report

    @property
    def externals(self) -> tuple[External, ...]:
        """The disjoint address ranges outside the cluster that some rule or scope network tells apart."""
        return self.universe.externals

    @cached_property
    def policy_problems(self) -> tuple[PolicyProblem, ...]:
        """Invalid and unsupported policies; what they could change is indeterminate."""
        return tuple(sorted(problem for layer in self.layers for problem in layer.problems))

    @cached_property
    def policies(self) -> tuple[PolicyFacts, ...]:
        """Every policy object with the endpoints it selects, sorted by object."""
        facts = (
            PolicyFacts(
                object=entry.object,
                layer=entry.layer,
                selected=tuple(self.universe.peers[i].id for i in members(entry.selected)),
                directions=entry.directions,
                evidence_id=entry.evidence_id,
                inert=entry.inert,
            )
            for layer in self.layers
            for entry in layer.entries
        )
        return tuple(sorted(facts, key=lambda fact: (fact.object, fact.layer)))

    @cached_property
    def address_reading(self) -> Cause:
        """How address blocks of NetworkPolicies are read: with pods and nodes, or outside the cluster only."""
        return read_blocks(self.cluster, self.universe).stated

    def resolve(self, text: str) -> Peer:
        """`namespace/pod`, an endpoint's id, an address, `internet`, a network. Raises LookupError with candidates."""
        return resolve_peer(self.universe, text)

    # -- answers ----------------------------------------------------------------------------------------------------

    def allows(self, source: Peer, destination: Peer, port: int, protocol: str = "TCP") -> Decision:
        """Whether one port is reachable, with the chain of rules that decide. ICMP: port is type * 256 + code."""
        positions = self.universe.position(source), self.universe.position(destination)
        return self._decider.decide(*positions, port, protocol)

    def connection(self, source: Peer, destination: Peer, basis: Basis = Basis.ENFORCED) -> Connection:
        """All ports of one pair at once."""
        s, d = self.universe.position(source), self.universe.position(destination)
        return self._connection(s, d, self._decider.masks(s, d, basis), basis)

    def decided_by(self, source: Peer, destination: Peer, ports: PortSet) -> tuple[RuleRef, ...]:
        """The rules that let some ports of one pair through; empty where only defaults do."""
        s, d = self.universe.position(source), self.universe.position(destination)
        return self._witness(s, d, (self.datapath.table.touching(ports), 0, 0, 0))

    def into(
        self, destination: Peer, sources: Iterable[Peer] | None = None, basis: Basis = Basis.ENFORCED
    ) -> list[Connection]:
        """Everything that may reach a peer (itself left out), in the universe's order; what is denied has no entry."""
        d = self.universe.position(destination)
        found = self._groups(d, Direction.INGRESS, sources, basis)
        pairs = sorted((s, masks) for peers, masks in found for s in members(peers))
        return [self._connection(s, d, masks, basis) for s, masks in pairs]

    def out_of(
        self, source: Peer, destinations: Iterable[Peer] | None = None, basis: Basis = Basis.ENFORCED
    ) -> list[Connection]:
        """Everything that a peer may reach (itself left out), in the universe's order."""
        s = self.universe.position(source)
        found = self._groups(s, Direction.EGRESS, destinations, basis)
        pairs = sorted((d, masks) for peers, masks in found for d in members(peers))
        return [self._connection(s, d, masks, basis) for d, masks in pairs]

    def flows_into(
        self, destination: Peer, sources: Iterable[Peer] | Bits | None = None, basis: Basis = Basis.ENFORCED
    ) -> list[Flows]:
        """`into`, with sources that fare alike joined: the cost follows the number of groups.

        Whoever asks about many destinations gives the sources as a `family`.
        """
        d = self.universe.position(destination)
        found = self._groups(d, Direction.INGRESS, sources, basis)
        return [
            self._flows(peers, (destination,), *self._because((next(members(bits)), d), masks, basis), masks)
            for bits, masks in found
            if (peers := tuple(self.universe.of(bits)))
        ]

    def family(self, peers: Iterable[Peer]) -> Bits:
        """Peers as a set, for questions about many of them."""
        return from_members(self.universe.position(peer) for peer in peers)

    def flows_between_nodes(
        self, destination: Peer, families: Sequence[Bits], shown: int, basis: Basis = Basis.ENFORCED
    ) -> list[tuple[Flows, int]]:
        """What may reach a peer from other nodes, each family of sources apart, and how many sources that are.

        As `flows_into`, without what a node's own network may always send to its own pods, which never leaves the node.
        `Flows.sources` are the first `shown`, so that the cost doesn't follow the number of sources.
        """
        d = self.universe.position(destination)
        column = self._column(d, Direction.INGRESS, basis)
        found = []
        for bits, masks in group_peers(column, self.universe.everything & ~(1 << d)):
            because: tuple[Because, Because] | None = None
            for family in families:
                if inside := bits & family:
                    because = because or self._because((next(members(inside)), d), masks, basis)
                    sources = tuple(islice(self.universe.of(inside), shown))
                    found.append((self._flows(sources, (destination,), *because, masks), inside.bit_count()))
        return found

    def flows_out_of(
        self, source: Peer, destinations: Iterable[Peer] | Bits | None = None, basis: Basis = Basis.ENFORCED
    ) -> list[Flows]:
        """`out_of`, with destinations that fare alike joined."""
        s = self.universe.position(source)
        found = self._groups(s, Direction.EGRESS, destinations, basis)
        return [
            self._flows((source,), peers, *self._because((s, next(members(bits))), masks, basis), masks)
            for bits, masks in found
            if (peers := tuple(self.universe.of(bits)))
        ]

    def isolation(self, endpoint: Endpoint, direction: Direction | str) -> Isolation:
        """Whether what no rule mentions is denied."""
        return judge_isolation(self.universe, self.judge, endpoint, Direction(direction))

    def matrix(self, basis: Basis = Basis.ENFORCED) -> Iterator[tuple[list[Peer], Column]]:
        """All pairs: destinations that fare alike, with the cells of all sources by verdict.

        Without the exceptions for a pod itself and its own node, which `into` and `connection` apply pair by pair.
        """
        outward = self.transposed(Direction.EGRESS, basis)
        groups: dict[object, list[int]] = {}
        for position in range(len(self.universe.peers)):
            key = (self.datapath.class_of(position, Direction.INGRESS), outward.key(position))
            groups.setdefault(key, []).append(position)
        for positions in groups.values():
            inward = self.judge.of(positions[0], Direction.INGRESS, basis)
            column = join_columns(inward.parts, outward.at(positions[0]))
            yield [self.universe.peers[position] for position in positions], column

    def all_pairs(self, basis: Basis = Basis.ENFORCED, marks: Sequence[Bits] = ()) -> AllPairs:
        """Groups of peers that decide alike, and one verdict for each ordered pair of them, exceptions applied.

        `marks` are sets of peers that no group may mix with others.
        """
        return AllPairs(self.universe, self.judge, self.enforced_by, basis, marks)

    def ports(self, mask: int) -> PortSet:
        """The port set behind a mask of `matrix`."""
        return self.datapath.table.ports(mask)

    # -- inside -----------------------------------------------------------------------------------------------------

    def transposed(self, direction: Direction, basis: Basis) -> AnyColumns:
        """All subjects' verdicts in a direction, by peer."""
        found = self._columns.get((direction, basis))
        if found is None:
            if self._kept is not None:
                found = self._kept.columns(self.judge, direction, basis)
            else:
                size, everyone = len(self.universe.peers), self.universe.everything
                found = columns_of(self.judge, direction, basis, size, everyone)
            self._columns[direction, basis] = found
        return found

    def _groups(
        self, position: int, direction: Direction, others: Iterable[Peer] | Bits | None, basis: Basis
    ) -> list[tuple[int, Masks]]:
        """The other ends of a peer, grouped by their masks. `direction` is that of the peer's own policies."""
        near = self.universe.own_node(position)
        column = exempt(
            self._column(position, direction, basis), self.datapath.table.full, near.must, near.may
        )
        return list(group_peers(column, self._among(others) & ~(1 << position)))

    def _among(self, others: Iterable[Peer] | Bits | None) -> Bits:
        if others is None:
            return self.universe.everything
        return others if isinstance(others, int) else self.family(others)

    def _column(self, position: int, direction: Direction, basis: Basis) -> Column:
        opposite = Direction.EGRESS if direction is Direction.INGRESS else Direction.INGRESS
        own = self.judge.of(position, direction, basis).parts
        return join_columns(own, self.transposed(opposite, basis).at(position))

    def _connection(self, source: int, destination: int, masks: Masks, basis: Basis) -> Connection:
        peers = self.universe.peers
        conditional, indeterminate = self._because((source, destination), masks, basis)
        return Connection(
            source=peers[source],
            destination=peers[destination],
            allowed=self.ports(masks[0]),
            conditional=conditional,
            indeterminate=indeterminate,
            declared_not_enforced=self.ports(masks[3]),
            witness=lambda: self._witness(source, destination, masks),
        )

    def _because(self, pair: tuple[int, int], masks: Masks, basis: Basis) -> tuple[Because, Because]:
        if not masks[1] and not masks[2]:
            return (), ()
        found = self._decider.causes(*pair, masks, basis)
        return tuple(tuple((self.ports(mask), why) for mask, why in part) for part in found)  # type: ignore[return-value]

    def _flows(
        self,
        sources: tuple[Peer, ...],
        destinations: tuple[Peer, ...],
        conditional: Because,
        indeterminate: Because,
        masks: Masks,
    ) -> Flows:
        return Flows(
            sources=sources,
            destinations=destinations,
            allowed=self.ports(masks[0]),
            conditional=conditional,
            indeterminate=indeterminate,
            declared_not_enforced=self.ports(masks[3]),
        )

    def _witness(self, source: int, destination: int, masks: Masks) -> tuple[RuleRef, ...]:
        return self._decider.witness(source, destination, masks)


__all__ = ["READS", "Basis", "Cause", "Connectivity", "Reach"]
