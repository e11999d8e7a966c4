"""Address blocks: strict parsing, and the disjoint ranges outside the cluster that rules can tell apart."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOKS_LIKE_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?")
_MAX_DEPTH = 40
_PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
    *("fc00::/7", "fe80::/10", "::1/128"),
)
PRIVATE_NETWORKS: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in _PRIVATE)
"""Ranges that are not routed on the internet: RFC 1918, 6598, 3927, 4193, 4291 and loopback."""

ROOTS: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class AddressError(ValueError):
    """An address block that the API server would refuse; says what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class External:
    """Addresses outside the cluster that no rule tells apart, as disjoint CIDRs.

    `block` is the most specific named block that holds them; `networks` are the scope file's names that cover them.
    Addresses in it that belong to pods or nodes of the cluster are judged as those, not as external.
    """

    id: str
    block: Network
    cidrs: tuple[str, ...]
    networks: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.block.version

    @property
    def is_private(self) -> bool:
        """Whether all of it lies in ranges that are not routed on the internet."""
        return any(contains(private, self.block) for private in PRIVATE_NETWORKS)


def parse_network(text: Any) -> Network:
    """A CIDR as Kubernetes' validation accepts it. Raises AddressError for host bits, missing lengths and other shapes."""
    if not isinstance(text, str) or "/" not in text:
        raise AddressError("expected an address block such as 10.0.0.0/8")
    try:
        return ipaddress.ip_network(text)
    except ValueError as problem:
        reason = "host bits are set" if "host bits" in str(problem) else "not an address block"
        raise AddressError(f"expected an address block such as 10.0.0.0/8; {reason}") from None


def parse_address(text: Any) -> Address | None:
    """An address, None for anything else."""
    try:
        return ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None


def contains(outer: Network, inner: Network) -> bool:
    """Whether a block holds all of another, of the same family."""
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def find_networks(value: Any, depth: int = 0) -> Iterator[Network]:
    """Every address block or address anywhere in an object; host bits are dropped, so that nothing is missed."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from find_networks(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from find_networks(inner, depth + 1)
    elif isinstance(value, str) and len(value) < 50 and _LOOKS_LIKE_ADDRESS.fullmatch(value):
        try:
            yield ipaddress.ip_network(value, strict=False)
        except ValueError:
            return


def disjoint_externals(
    blocks: Iterable[Network], named: Sequence[tuple[str, Sequence[Network]]]
) -> list[External]:
    """One External for each distinct block without the blocks inside it; blocks are nested or disjoint, never else.

    `named` are the external networks of the scope file. Sorted by family and address.
    """
    wanted = {*blocks, *(block for _, group in named for block in group)}
    ordered = sorted(wanted, key=lambda block: (block.version, int(block.network_address), block.prefixlen))
    children: dict[Network, list[Network]] = {block: [] for block in ordered}
    stack: list[Network] = []
    for block in ordered:
        while stack and not contains(stack[-1], block):
            stack.pop()
        if stack:
            children[stack[-1]].append(block)
        stack.append(block)
    found = [(block, cidrs) for block in ordered if (cidrs := _without(block, children[block]))]
    return [External(_name(b, named), b, cidrs, _covering(b, named)) for b, cidrs in found]


def _name(block: Network, named: Sequence[tuple[str, Sequence[Network]]]) -> str:
    if block in ROOTS:
        return "internet" if block.version == 4 else "internet-ipv6"
    owners = [(name, group) for name, group in named if block in group]
    if not owners:
        return str(block)
    name, group = owners[0]
    return name if len(group) == 1 else f"{name} {block}"


def _covering(block: Network, named: Sequence[tuple[str, Sequence[Network]]]) -> tuple[str, ...]:
    return tuple(sorted(name for name, group in named if any(contains(outer, block) for outer in group)))


def _without(block: Network, holes: Sequence[Network]) -> tuple[str, ...]:
    """The CIDRs of a block minus disjoint sorted blocks inside it."""
    if not holes:
        return (str(block),)
    kind = ipaddress.IPv4Address if block.version == 4 else ipaddress.IPv6Address
    start, pieces = int(block.network_address), []
    for hole in holes:
        if start < int(hole.network_address):
            pieces.append((start, int(hole.network_address) - 1))
        start = int(hole.broadcast_address) + 1
    if start <= int(block.broadcast_address):
        pieces.append((start, int(block.broadcast_address)))
    return tuple(
        str(cidr) for low, high in pieces for cidr in ipaddress.summarize_address_range(kind(low), kind(high))
    )
