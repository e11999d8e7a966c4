"""Which endpoints and nodes have an address in a block, and for which the evidence cannot tell."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint, pod_addresses
from auditor.model.kinds import NODE
from auditor.model.objects import KubeObject, list_at, mappings_at, text_at
from auditor.network.addresses import ROOTS, AddressError, Network, contains, parse_address, parse_network
from auditor.network.bits import from_members
from auditor.network.representation import NO_MATCH, Bits, Match


class AddressIndex:
    """Addresses of endpoints (bits from 0) and nodes (bits after them), sorted by family.

    An endpoint matches a block for certain when each of its pods has an address in it.
    """

    def __init__(
        self, cluster: Cluster, endpoints: Sequence[Endpoint], node_addresses: Sequence[Sequence[str]]
    ) -> None:
        self._instances: dict[int, int] = {}
        self._families = self.families_of(cluster, endpoints)
        self._pod_ranges = _pod_ranges(cluster)
        entries: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        of_node = {node.name: own for node, own in _nodes(cluster)}
        placeless: list[int] = []
        for position, endpoint in enumerate(endpoints):
            instances = list(_instances(endpoint, of_node))
            self._instances[position] = len(instances)
            if not instances:
                placeless.append(position)
            for number, addresses in enumerate(instances):
                _enter(entries, addresses, position, number)
        self._unknown_hosts = from_members(i for i in placeless if endpoints[i].host_network)
        self._unknown_pods = from_members(i for i in placeless if not endpoints[i].host_network)
        for offset, own in enumerate(node_addresses):
            position = len(endpoints) + offset
            self._instances[position] = 1
            _enter(entries, own, position, 0)
            if not any(parse_address(address) for address in own):
                self._unknown_hosts |= 1 << position
        self._entries = {version: sorted(found) for version, found in entries.items()}

    @staticmethod
    def families_of(cluster: Cluster, endpoints: Sequence[Endpoint]) -> frozenset[int]:
        """The address families that pods of the evidence have; empty when no pod has an address."""
        found: set[int] = set()
        for endpoint in endpoints:
            if len(found) == 2:
                break
            found.update(a.version for text in endpoint.addresses if (a := parse_address(text)))
        return frozenset(found | {block.version for block in _pod_ranges(cluster)})

    @property
    def of_both_families(self) -> Bits:
        """The positions that have addresses of both families."""
        four, six = (from_members({p for _, p, _ in self._entries[version]}) for version in (4, 6))
        return four & six

    def holder(self, text: str) -> list[int]:
        """The positions that have an address."""
        address = parse_address(text)
        if address is None:
            return []
        entries, value = self._entries[address.version], int(address)
        first = bisect_left(entries, (value, -1, -1))
        return sorted({position for own, position, _ in entries[first : first + 1000] if own == value})

    def within(self, block: Network) -> Match:
        """Endpoints and nodes with an address in the block."""
        entries = self._entries[block.version]
        low = bisect_left(entries, (int(block.network_address), -1, -1))
        high = bisect_right(entries, (int(block.broadcast_address), len(self._instances), 1 << 62))
        hits: dict[int, set[int]] = {}
        for _, position, number in entries[low:high]:
            hits.setdefault(position, set()).add(number)
        must = from_members(p for p, found in hits.items() if len(found) == self._instances[p])
        some = Match(must, from_members(hits) & ~must)
        return (
            some
            | self._guess(self._unknown_pods, block, self._pod_ranges)
            | self._guess(self._unknown_hosts, block, ())
        )

    def _guess(self, unknown: Bits, block: Network, ranges: Sequence[Network]) -> Match:
        """Those without a known address: the nodes' pod ranges or the families in use may decide."""
        known = self._families
        if not unknown or (known and block.version not in known):
            return NO_MATCH
        same = [entry for entry in ranges if entry.version == block.version]
        if same:
            if all(contains(block, entry) for entry in same):
                return Match(unknown)
            return Match(0, unknown) if any(block.overlaps(entry) for entry in same) else NO_MATCH
        certain = block in ROOTS and (block.version in known or block.version == 4)
        return Match(unknown) if certain else Match(0, unknown)


def _nodes(cluster: Cluster) -> Iterator[tuple[KubeObject, tuple[str, ...]]]:
    for node in cluster.all(NODE):
        own = [a for e in mappings_at(node.body, "status", "addresses") if (a := text_at(e, "address"))]
        yield node, tuple(own)


def _instances(endpoint: Endpoint, of_node: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The addresses of each pod of an endpoint that has any; those of its node for hostNetwork."""
    for pod in endpoint.pods:
        addresses = pod_addresses(pod)
        if not addresses and endpoint.host_network:
            host = text_at(pod.body, "status", "hostIP")
            addresses = (host,) if host else of_node.get(text_at(pod.spec, "nodeName") or "", ())
        if any(parse_address(address) for address in addresses):
            yield addresses


def _enter(
    entries: dict[int, list[tuple[int, int, int]]], addresses: Sequence[str], position: int, number: int
) -> None:
    for text in addresses:
        if address := parse_address(text):
            entries[address.version].append((int(address), position, number))


def _pod_ranges(cluster: Cluster) -> tuple[Network, ...]:
    """`spec.podCIDRs` of the nodes, where every node has them; else nothing is known."""
    found: set[Network] = set()
    for node in cluster.all(NODE):
        listed = list_at(node.body, "spec", "podCIDRs") or [node.spec.get("podCIDR")]
        try:
            found.update(parse_network(text) for text in listed)
        except AddressError:
            return ()
    return tuple(sorted(found, key=lambda block: (block.version, int(block.network_address))))
