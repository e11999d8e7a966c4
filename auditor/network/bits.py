"""Sets as integers: which bits are set."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def members(bits: int) -> Iterator[int]:
    """The positions of the set bits, ascending."""
    text = bin(bits)[:1:-1]
    position = text.find("1")
    while position >= 0:
        yield position
        position = text.find("1", position + 1)


def from_members(positions: Iterable[int]) -> int:
    """The integer with these bits set."""
    ordered = list(positions)
    if not ordered:
        return 0
    buffer = bytearray(max(ordered) // 8 + 1)
    for position in ordered:
        buffer[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(buffer, "little")


def flags(bits: int, count: int) -> "NDArray[np.bool_]":
    """For each of the first `count` positions whether its bit is set."""
    import numpy as np

    raw = np.frombuffer(bits.to_bytes((count + 7) // 8, "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little", count=count).view(np.bool_)


_ROWS_AT_ONCE = 1024


def transposed(rows: Sequence[int], count: int) -> "NDArray[np.uint8]":
    """For each of `count` positions the rows whose bit is set there: bytes in which the first row is the lowest bit."""
    import numpy as np

    packed = [
        np.packbits(
            np.array([flags(bits, count) for bits in rows[start : start + _ROWS_AT_ONCE]]),
            axis=0,
            bitorder="little",
        )
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return np.ascontiguousarray(np.concatenate(packed).T)
