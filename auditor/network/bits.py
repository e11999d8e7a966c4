"""Sets as integers: which bits are set."""

from collections.abc import Iterable, Iterator


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
