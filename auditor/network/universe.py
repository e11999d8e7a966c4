"""All peers that rules can tell apart, as bits: endpoints, then nodes, then disjoint external ranges.

Selectors become bit sets through an inverted label index and are remembered by their canonical form.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from auditor.inventory.cluster import NAME_LABEL, Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.selectors import Labels, Requirement, Selector
from auditor.model.evidence import Completeness
from auditor.model.kinds import ENDPOINT_SLICE, NAMESPACE, NODE, SERVICE
from auditor.model.objects import KubeObject, mappings_at, text_at
from auditor.network.address_index import AddressIndex
from auditor.network.addresses import (
    PRIVATE_NETWORKS,
    ROOTS,
    External,
    Network,
    contains,
    disjoint_externals,
    find_networks,
    parse_network,
)
from auditor.network.bits import from_members, members
from auditor.network.representation import NO_MATCH, Bits, CompiledObject, Match

POLICY_GROUPS = frozenset(
    {
        *("networking.k8s.io", "policy.networking.k8s.io", "cilium.io", "projectcalico.org"),
        *("security.istio.io", "policy.linkerd.io"),
    }
)
"""API groups whose objects may name address blocks in rules."""

SERVICE_RULE_GROUPS = frozenset({"cilium.io", "projectcalico.org"})
"""API groups whose rules may name Services, and so the addresses behind those that select no pods."""


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """A node: the kubelet and everything else that uses the node's own addresses.

    `labels` None: pods name the node, but its object is not in the evidence.
    """

    name: str
    labels: Mapping[str, str] | None
    addresses: tuple[str, ...]
    evidence_id: str | None

    @property
    def id(self) -> str:
        """`/Node/name`."""
        return f"/Node/{self.name}"


Peer = Endpoint | Host | External


class Universe:
    """The peers of a cluster and the bit sets that selectors and address blocks give over them.

    Bits `pods` are endpoints with a network of their own: only they are subjects of policies for pods. `host_network` are
    endpoints on their node's network, `hosts` the nodes, `outside` the external ranges.
    """

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Sequence[Endpoint],
        named: Sequence[tuple[str, Sequence[str]]] = (),
    ) -> None:
        self.cluster = cluster
        self.endpoints = tuple(endpoints)
        self.nodes = tuple(_hosts(cluster, endpoints))
        self.named = [(name, [parse_network(cidr) for cidr in cidrs]) for name, cidrs in named]
        self.blocks = self._blocks(cluster)
        self.externals = tuple(disjoint_externals(self.blocks, self.named))
        self.peers: tuple[Peer, ...] = (*self.endpoints, *self.nodes, *self.externals)
        count, first_external = len(self.endpoints), len(self.endpoints) + len(self.nodes)
        self.endpoint_bits: Bits = (1 << count) - 1
        self.host_network: Bits = from_members(i for i, e in enumerate(self.endpoints) if e.host_network)
        self.pods: Bits = self.endpoint_bits & ~self.host_network
        self.hosts: Bits = (1 << first_external) - (1 << count)
        self.outside: Bits = (1 << len(self.peers)) - (1 << first_external)
        self.everything: Bits = (1 << len(self.peers)) - 1
        self.index: Mapping[str, int] = {peer.id: i for i, peer in enumerate(self.peers)}
        self._selected: dict[Hashable, Bits] = {}
        self._matched: dict[Hashable, Match] = {}
        self._compiled: dict[KubeObject, tuple[Hashable, CompiledObject]] = {}

    def recut(self, cluster: Cluster, more: Iterable[Network]) -> "tuple[Universe, Mapping[int, int]] | None":
        """The same peers, with external ranges cut further by more blocks: positions stay, new ranges come after them.

        Also the position of the range that each new one was part of. None where a block isn't part of a known range, or
        takes up all of one. `cluster` may differ from the universe's own in policies only.
        """
        blocks = self.blocks | set(more)
        cut = {external.block: external for external in disjoint_externals(blocks, self.named)}
        kept = [cut.get(external.block) for external in self.externals]
        known = {external.block for external in self.externals}
        added = [external for block, external in cut.items() if block not in known]
        if None in kept or any(self._range_around(external.block) is None for external in added):
            return None
        found = copy(self)
        found.cluster, found.blocks = cluster, blocks
        if added:
            found._replace_externals(tuple(e for e in (*kept, *added) if e is not None))
        first = len(self.peers)
        parents = {first + i: self._range_around(external.block) or 0 for i, external in enumerate(added)}
        return found, parents

    def _range_around(self, block: Network) -> int | None:
        around = [e for e in self.externals if contains(e.block, block)]
        return self.index[max(around, key=lambda e: e.block.prefixlen).id] if around else None

    def _replace_externals(self, externals: tuple[External, ...]) -> None:
        self.externals = externals
        self.peers = (*self.endpoints, *self.nodes, *externals)
        first = len(self.endpoints) + len(self.nodes)
        self.everything = (1 << len(self.peers)) - 1
        self.outside = self.everything & ~((1 << first) - 1)
        self.index = {peer.id: i for i, peer in enumerate(self.peers)}
        self._matched, self._compiled = {}, {}
        for name in ("_external_bounds", "public"):
            self.__dict__.pop(name, None)

    def take_over(
        self,
        earlier: "Universe",
        match: Callable[[Match], Match],
        compiled: Callable[[CompiledObject], CompiledObject],
    ) -> None:
        """Remember what the universe that this one was cut from does, translated."""
        self._matched = {key: match(found) for key, found in earlier._matched.items()}
        self._compiled = {
            obj: (context, compiled(found)) for obj, (context, found) in earlier._compiled.items()
        }

    def _blocks(self, cluster: Cluster) -> set[Network]:
        blocks = {*PRIVATE_NETWORKS, *ROOTS}
        for kind in cluster.kinds():
            for obj in cluster.all(kind):
                blocks.update(blocks_of(obj))
        if any(kind.group in SERVICE_RULE_GROUPS for kind in cluster.kinds()):
            blocks.update(_service_blocks(cluster))
        if 6 not in self._families(cluster) and not any(
            b.version == 6 for b in blocks - {*PRIVATE_NETWORKS, *ROOTS}
        ):
            return {block for block in blocks if block.version == 4}
        return blocks

    def _families(self, cluster: Cluster) -> frozenset[int]:
        return AddressIndex.families_of(cluster, self.endpoints)

    def position(self, peer: Peer) -> int:
        """The bit of a peer. Raises KeyError for a peer of another universe."""
        return self.index[peer.id]

    def of(self, bits: Bits) -> Iterator[Peer]:
        """The peers in a set, in the universe's order."""
        return (self.peers[position] for position in members(bits))

    def remember(
        self, obj: KubeObject, context: Hashable, compile_: Callable[[], CompiledObject]
    ) -> CompiledObject:
        """What an object compiles to, computed again only when the context in which it is compiled changes."""
        found = self._compiled.get(obj)
        if found is None or found[0] != context:
            found = self._compiled[obj] = (context, compile_())
        return found[1]

    # -- labels ---------------------------------------------------------------------------------------------------

    @cached_property
    def _by_label(self) -> Mapping[str, Mapping[str, list[int]]]:
        index: dict[str, dict[str, list[int]]] = {}
        for position, endpoint in enumerate(self.endpoints):
            if not endpoint.host_network:
                for key, value in endpoint.labels.items():
                    index.setdefault(key, {}).setdefault(value, []).append(position)
        return index

    def select_pods(self, selector: Selector) -> Bits:
        """The pods, of all namespaces, whose labels match."""
        found = self._selected.get(selector)
        if found is None:
            found = self.pods
            for requirement in selector.requirements:
                found &= self._having(requirement)
            self._selected[selector] = found
        return found

    def _having(self, requirement: Requirement) -> Bits:
        found = self._selected.get(requirement)
        if found is None:
            values = self._by_label.get(requirement.key, {})
            positive = requirement.operator in ("In", "Exists")
            wanted = requirement.values if requirement.values else values.keys()
            hit = from_members(position for value in wanted for position in values.get(value, ()))
            found = self._selected[requirement] = hit if positive else self.pods & ~hit
        return found

    def where(self, key: Hashable, predicate: Callable[[Endpoint], bool]) -> Bits:
        """The pods that a predicate accepts, remembered under a key that must identify it."""
        found = self._selected.get(key)
        if found is None:
            found = from_members(
                i for i, e in enumerate(self.endpoints) if not e.host_network and predicate(e)
            )
            self._selected[key] = found
        return found

    @cached_property
    def _by_port_name(self) -> Mapping[str, Bits]:
        index: dict[str, list[int]] = {}
        for position in members(self.pods):
            for name in {port.name for port in self.endpoints[position].ports if port.name}:
                index.setdefault(name, []).append(position)
        return {name: from_members(positions) for name, positions in index.items()}

    def naming(self, port_name: str) -> Bits:
        """The pods that have a port of that name."""
        return self._by_port_name.get(port_name, 0)

    # -- namespaces -----------------------------------------------------------------------------------------------

    @cached_property
    def _by_namespace(self) -> Mapping[str, Bits]:
        index: dict[str, list[int]] = {}
        for position, endpoint in enumerate(self.endpoints):
            if not endpoint.host_network:
                index.setdefault(endpoint.namespace, []).append(position)
        return {name: from_members(positions) for name, positions in index.items()}

    @property
    def is_shared(self) -> bool:
        """Whether pods of more than one namespace are there, so that all pods are more than one's own."""
        return len(self._by_namespace) > 1

    def namespace(self, name: str) -> Bits:
        """The pods of one namespace."""
        return self._by_namespace.get(name, 0)

    @cached_property
    def _unlabelled_namespaces(self) -> frozenset[str]:
        """Namespaces of which the labels are not in the evidence."""
        complete = self.cluster.completeness(NAMESPACE).state is Completeness.COMPLETE
        return frozenset(
            n for n in self._by_namespace if not complete and not self.cluster.knows_namespace(n)
        )

    def select_namespaces(self, selector: Selector) -> Match:
        """The pods of the namespaces whose labels match; `may` where the labels are not in the evidence."""
        return self.namespaces_where(
            ("namespaces", selector), selector.matches, frozenset(r.key for r in selector.requirements)
        )

    def namespaces_where(
        self, key: Hashable, accepts: Callable[[Labels], bool], keys: frozenset[str] | None
    ) -> Match:
        """The same for any predicate on namespace labels; `keys` are the labels it looks at, None if any may be."""
        found = self._matched.get(key)
        if found is None:
            certain = keys is not None and keys <= {NAME_LABEL}
            must = may = 0
            for name, pods in self._by_namespace.items():
                accepted = accepts(self.cluster.namespace_labels(name))
                if name in self._unlabelled_namespaces and not certain:
                    may |= pods
                elif accepted:
                    must |= pods
            found = self._matched[key] = Match(must, may)
        return found

    # -- nodes ----------------------------------------------------------------------------------------------------

    def select_nodes(self, selector: Selector) -> Match:
        """Nodes whose labels match, and the endpoints on their networks."""
        key = ("nodes", selector)
        found = self._matched.get(key)
        if found is None:
            yes = {n.name for n in self.nodes if n.labels is not None and selector.matches(n.labels)}
            unknown = {n.name for n in self.nodes if n.labels is None and not selector.is_empty}
            if selector.is_empty:
                yes = {n.name for n in self.nodes}
            found = self._matched[key] = self._on_nodes(yes, unknown, selector.is_empty)
        return found

    def _on_nodes(self, yes: set[str], unknown: set[str], every: bool) -> Match:
        first = len(self.endpoints)
        must = from_members(first + i for i, n in enumerate(self.nodes) if n.name in yes)
        may = from_members(first + i for i, n in enumerate(self.nodes) if n.name in unknown)
        for position in members(self.host_network):
            names = self.endpoints[position].node_names
            if every or (names and names <= yes):
                must |= 1 << position
            elif not names or names & (yes | unknown):
                may |= 1 << position
        return Match(must, may)

    @cached_property
    def _node_sharing(self) -> Mapping[str, tuple[Bits, Bits]]:
        """For each node: who uses its network (itself, endpoints with hostNetwork), and the pods on it."""
        network: dict[str, list[int]] = {}
        pods: dict[str, list[int]] = {}
        for position, endpoint in enumerate(self.endpoints):
            for name in endpoint.node_names:
                (network if endpoint.host_network else pods).setdefault(name, []).append(position)
        for position, node in enumerate(self.nodes, len(self.endpoints)):
            network.setdefault(node.name, []).append(position)
        return {
            name: (from_members(network.get(name, ())), from_members(pods.get(name, ())))
            for name in {*network, *pods}
        }

    @cached_property
    def _unplaced(self) -> Bits:
        """Endpoints of which no node is known."""
        return from_members(i for i, endpoint in enumerate(self.endpoints) if not endpoint.node_names)

    def own_node(self, position: int) -> Match:
        """Who shares a node with a peer, so that policy does not apply between the two (point 10).

        For a pod: the users of its node's network; for those: the pods on the node. `may`: the placement is unknown.
        """
        peer = self.peers[position]
        if isinstance(peer, External):
            return NO_MATCH
        is_pod = bool(self.pods >> position & 1)
        names = peer.node_names if isinstance(peer, Endpoint) else {peer.name}
        others = self.host_network | self.hosts if is_pod else self.pods
        if not names:
            return Match(0, others)
        must = 0
        for name in names:
            must |= self._node_sharing[name][0 if is_pod else 1]
        return Match(must, others & self._unplaced & ~must)

    # -- addresses ------------------------------------------------------------------------------------------------

    @cached_property
    def addresses(self) -> AddressIndex:
        """Which endpoints and nodes have which addresses."""
        return AddressIndex(self.cluster, self.endpoints, [node.addresses for node in self.nodes])

    def within(self, block: Network) -> Match:
        """Everyone with an address in a block: pods, nodes, endpoints on them, external ranges."""
        key = ("within", block)
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = Match(self._externals_in(block), 0) | self.addresses.within(block)
        return found

    def _externals_in(self, block: Network) -> Bits:
        first = len(self.endpoints) + len(self.nodes)
        low, high = int(block.network_address), int(block.broadcast_address)
        return from_members(
            first + i
            for i, (version, start, end) in enumerate(self._external_bounds)
            if version == block.version and low <= start and end <= high
        )

    @cached_property
    def _external_bounds(self) -> Sequence[tuple[int, int, int]]:
        return [
            (e.version, int(e.block.network_address), int(e.block.broadcast_address)) for e in self.externals
        ]

    @cached_property
    def public(self) -> Bits:
        """The external ranges that are not private."""
        return from_members(self.index[e.id] for e in self.externals if not e.is_private)

    def within_any(self, blocks: Sequence[Network]) -> Match:
        """Everyone with an address in one of the blocks."""
        found = NO_MATCH
        for block in blocks:
            found = found | self.within(block)
        return found

    @cached_property
    def dual_stack(self) -> Bits:
        """Endpoints and nodes with addresses of both families: a packet may go by either."""
        return self.addresses.of_both_families

    def wholly_within(self, blocks: Sequence[Network]) -> Match:
        """The same, but who has an address outside them in the other family only may match.

        A rule that denies by address leaves the other family open, and one that excepts an address lets it through.
        """
        found = self.within_any(blocks)
        if not found.must & self.dual_stack:
            return found
        four, six = (self.within_any([b for b in blocks if b.version == version]).must for version in (4, 6))
        partly = found.must & self.dual_stack & ~(four & six)
        return Match(found.must & ~partly, found.may | partly)


def blocks_of(obj: KubeObject) -> Iterator[Network]:
    """The address blocks that an object's rules may name."""
    if obj.id.group in POLICY_GROUPS:
        yield from find_networks([obj.body.get("spec"), obj.body.get("specs")])


def _service_blocks(cluster: Cluster) -> Iterator[Network]:
    """The addresses of Services without a selector."""
    for item in cluster.all(ENDPOINT_SLICE):
        service = cluster.get(SERVICE, item.namespace, item.labels.get("kubernetes.io/service-name", ""))
        if service is None or not service.spec.get("selector"):
            yield from find_networks(item.body.get("endpoints"))


def _hosts(cluster: Cluster, endpoints: Sequence[Endpoint]) -> Iterator[Host]:
    objects: dict[str, KubeObject] = {node.name: node for node in cluster.all(NODE)}
    named = {name for endpoint in endpoints for name in endpoint.node_names}
    for name in sorted({*objects, *named}):
        node = objects.get(name)
        entries = mappings_at(node.body, "status", "addresses") if node else []
        addresses = [a for e in entries if e.get("type") != "Hostname" and (a := text_at(e, "address"))]
        yield Host(
            name,
            node.labels if node else None,
            tuple(sorted(set(addresses))),
            node.evidence_id if node else None,
        )
