"""Sets of protocol ports, exact and immutable, and the table that turns them into bit masks."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

PORT_PROTOCOLS = ("TCP", "UDP", "SCTP")
ICMP_PROTOCOLS = ("ICMP", "ICMPv6")
LOWEST, HIGHEST = 1, 65535
_ICMP_TYPES = (0, 65535)
"""ICMP is ranged over type * 256 + code."""

Range = tuple[int, int]


def full_range(protocol: str) -> Range:
    """All of a protocol: ports 1-65535; type * 256 + code for ICMP; (0, 0) for protocols given by number."""
    if protocol in PORT_PROTOCOLS:
        return LOWEST, HIGHEST
    return _ICMP_TYPES if protocol in ICMP_PROTOCOLS else (0, 0)


@dataclass(frozen=True, slots=True)
class PortSet:
    """Inclusive ranges by protocol: sorted, disjoint, not adjacent. Equal sets compare equal.

    `everything` is every IP protocol, also those that `ranges` cannot name. Protocols are TCP, UDP, SCTP, ICMP,
    ICMPv6 (ranges over type * 256 + code) or an IP protocol number as text (range (0, 0)).
    """

    ranges: tuple[tuple[str, tuple[Range, ...]], ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, ranges: Mapping[str, Iterable[Range]]) -> "PortSet":
        """From ranges in any order, overlapping or not."""
        merged = ((protocol, _merge(pairs)) for protocol, pairs in ranges.items())
        return cls(tuple(sorted((protocol, pairs) for protocol, pairs in merged if pairs)))

    @classmethod
    def single(cls, protocol: str, low: int, high: int | None = None) -> "PortSet":
        """One range of one protocol."""
        return cls(((protocol, ((low, low if high is None else high),)),))

    @classmethod
    def whole(cls, *protocols: str) -> "PortSet":
        """All ports of some protocols."""
        return cls.of({protocol: [full_range(protocol)] for protocol in protocols})

    @classmethod
    def icmp(cls, protocol: str, type_: int, code: int | None = None) -> "PortSet":
        """One ICMP type, with one code or all of them."""
        low = type_ * 256 + (code or 0)
        return cls.single(protocol, low, low if code is not None else type_ * 256 + 255)

    def __bool__(self) -> bool:
        return self.everything or bool(self.ranges)

    def __or__(self, other: "PortSet") -> "PortSet":
        if self.everything or other.everything:
            return EVERYTHING
        joined: dict[str, list[Range]] = {}
        for protocol, pairs in (*self.ranges, *other.ranges):
            joined.setdefault(protocol, []).extend(pairs)
        return PortSet.of(joined)

    def minus(self, other: "PortSet") -> "PortSet":
        """What is in this set and not in the other. Taking ranges from `everything` leaves the protocols that have ports."""
        if other.everything or not self:
            return NOTHING
        if not other.ranges:
            return self
        mine = PortSet.whole(*PORT_PROTOCOLS, *ICMP_PROTOCOLS).ranges if self.everything else self.ranges
        taken = dict(other.ranges)
        return PortSet.of({protocol: _cut(pairs, taken.get(protocol, ())) for protocol, pairs in mine})

    def contains(self, port: int, protocol: str) -> bool:
        """Whether one port (ICMP: type * 256 + code) is in the set."""
        pairs = dict(self.ranges).get(protocol, ())
        return self.everything or any(low <= port <= high for low, high in pairs)

    def of_protocol(self, protocol: str) -> tuple[Range, ...]:
        """The ranges of one protocol."""
        return (full_range(protocol),) if self.everything else dict(self.ranges).get(protocol, ())

    def as_json(self) -> list[dict[str, Any]]:
        """`[{"protocol": "TCP", "ports": [[443, 443]]}]`; ICMP as `icmp: [[type, code]]`, all of it as no `icmp`."""
        return [_json_entry(protocol, pairs) for protocol, pairs in self.ranges]

    def __str__(self) -> str:
        if self.everything:
            return "all"
        return ", ".join(_text(protocol, pairs) for protocol, pairs in self.ranges) or "none"


NOTHING = PortSet()
EVERYTHING = PortSet(everything=True)


def _merge(pairs: Iterable[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _cut(pairs: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    left = list(pairs)
    for low, high in taken:
        left = [
            piece
            for first, last in left
            for piece in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if piece[0] <= piece[1]
        ]
    return left


def _json_entry(protocol: str, pairs: tuple[Range, ...]) -> dict[str, Any]:
    if protocol in PORT_PROTOCOLS:
        return {"protocol": protocol, "ports": [list(pair) for pair in pairs]}
    entry: dict[str, Any] = {"protocol": protocol, "ports": []}
    if protocol in ICMP_PROTOCOLS and pairs != (_ICMP_TYPES,):
        entry["icmp"] = [list(divmod(value, 256)) for low, high in pairs for value in range(low, high + 1)]
    return entry


def _text(protocol: str, pairs: tuple[Range, ...]) -> str:
    if pairs == (full_range(protocol),):
        return protocol
    if protocol in ICMP_PROTOCOLS:
        return ", ".join(f"{protocol} type {low // 256}" for low, _ in pairs)
    return ", ".join(
        f"{low}/{protocol}" if low == high else f"{low}-{high}/{protocol}" for low, high in pairs
    )


class PortTable:
    """Elementary intervals: every PortSet it was built from is a union of them, so sets become bit masks.

    TCP, UDP and SCTP are always there; other protocols only where some rule names them, since Kubernetes
    NetworkPolicy leaves them undefined.
    """

    def __init__(self, sets: Iterable[PortSet]) -> None:
        bounds: dict[str, set[int]] = {protocol: set() for protocol in PORT_PROTOCOLS}
        for ports in set(sets):
            for protocol, pairs in ports.ranges:
                known = bounds.setdefault(protocol, set())
                for low, high in pairs:
                    known.update((low, high + 1))
        self._build(bounds)

    def _build(self, bounds: Mapping[str, set[int]]) -> None:
        self._starts: dict[str, list[int]] = {}
        self._offsets: dict[str, int] = {}
        self._atoms: list[tuple[str, int, int]] = []
        for protocol in sorted(bounds):
            low, high = full_range(protocol)
            starts = sorted({low, *(b for b in bounds[protocol] if low < b <= high)})
            self._starts[protocol], self._offsets[protocol] = starts, len(self._atoms)
            ends = [*(start - 1 for start in starts[1:]), high]
            self._atoms.extend((protocol, first, last) for first, last in zip(starts, ends, strict=True))
        self._masks: dict[PortSet, int] = {}
        self._sets: dict[int, PortSet] = {}

    @cached_property
    def full(self) -> int:
        """The mask of everything."""
        return (1 << len(self._atoms)) - 1

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that the table knows."""
        return tuple(self._starts)

    def refined(self, other: "PortTable") -> "PortTable":
        """A table that tells apart what either does; this one itself where the other adds nothing."""
        more = any(not set(starts) <= set(self._starts.get(p, ())) for p, starts in other._starts.items())
        if not more:
            return self
        protocols = {*self._starts, *other._starts}
        joined = {p: {*self._starts.get(p, ()), *other._starts.get(p, ())} for p in protocols}
        found = PortTable(())
        found._build(joined)
        return found

    def translated(self, mask: int, table: "PortTable") -> int:
        """A mask of this table as one of a finer table."""
        found = 0
        for protocol, low, high in self._of(mask):
            starts, offset = table._starts[protocol], table._offsets[protocol]
            first, last = bisect_left(starts, low), bisect_right(starts, high)
            found |= ((1 << (last - first)) - 1) << (offset + first)
        return found

    def mask(self, ports: PortSet) -> int:
        """The mask of a set that the table was built from."""
        found = self._masks.get(ports)
        if found is None:
            found = self._masks[ports] = self._compute(ports)
        return found

    def touching(self, ports: PortSet) -> int:
        """The mask of the intervals that hold a port of any set; protocols that no rule names have none."""
        if ports.everything:
            return self.full
        mask = 0
        for protocol, pairs in ports.ranges:
            starts, offset = self._starts.get(protocol, []), self._offsets.get(protocol, 0)
            for low, high in pairs if starts else ():
                first, last = bisect_right(starts, low) - 1, bisect_right(starts, high)
                mask |= ((1 << (last - first)) - 1) << (offset + first)
        return mask

    def atom(self, port: int, protocol: str) -> int:
        """The mask with the single bit of the interval that holds a port; 0 for a protocol no rule names."""
        starts = self._starts.get(protocol)
        low, high = full_range(protocol)
        if starts is None or not low <= port <= high:
            return 0
        return 1 << (self._offsets[protocol] + bisect_right(starts, port) - 1)

    def ports(self, mask: int) -> PortSet:
        """The set behind a mask."""
        found = self._sets.get(mask)
        if found is None:
            ranges: dict[str, list[Range]] = {}
            for protocol, low, high in self._of(mask):
                ranges.setdefault(protocol, []).append((low, high))
            found = self._sets[mask] = PortSet.of(ranges)
        return found

    def _of(self, mask: int) -> Iterator[tuple[str, int, int]]:
        return (atom for index, atom in enumerate(self._atoms) if mask >> index & 1)

    def _compute(self, ports: PortSet) -> int:
        if ports.everything:
            return self.full
        mask = 0
        for protocol, pairs in ports.ranges:
            starts, offset = self._starts[protocol], self._offsets[protocol]
            for low, high in pairs:
                first, last = bisect_left(starts, low), bisect_right(starts, high)
                mask |= ((1 << (last - first)) - 1) << (offset + first)
        return mask
