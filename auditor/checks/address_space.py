"""How much of the public address space a set of blocks covers."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

WIDEST_V4, WIDEST_V6 = 8, 16
"""Blocks that add up to a /8 of IPv4 or a /16 of IPv6 count as "the whole internet"."""


def covers_internet(cidrs: Iterable[str], widest_v4: int = WIDEST_V4, widest_v6: int = WIDEST_V6) -> bool:
    """Whether blocks add up to at least a prefix of that length, in either family, however they are cut.

    Blocks that can't be read count as everything: a typo in a source range must not pass.
    """
    sizes = {4: 0, 6: 0}
    for cidr in set(cidrs):
        version, size = _size(cidr)
        if not version:
            return True
        sizes[version] += size
    return sizes[4] >= 1 << (32 - widest_v4) or sizes[6] >= 1 << (128 - widest_v6)


@lru_cache(maxsize=65536)
def _size(cidr: str) -> tuple[int, int]:
    """IP version and number of addresses; version 0 for what isn't a block."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return 0, 0
    return network.version, network.num_addresses
