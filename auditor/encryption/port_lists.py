"""Lists of ports as annotations and arguments write them: `*`, `8080,9000-9010`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PortList:
    """Inclusive ranges. `everything` is `*`. `unreadable` holds parts that are neither a port nor a range."""

    ranges: tuple[tuple[int, int], ...] = ()
    everything: bool = False
    unreadable: tuple[str, ...] = ()

    def __contains__(self, port: int) -> bool:
        """Whether a port is listed."""
        return self.everything or any(low <= port <= high for low, high in self.ranges)

    def __or__(self, other: "PortList") -> "PortList":
        """The ports of both."""
        return PortList(
            self.ranges + other.ranges,
            self.everything or other.everything,
            self.unreadable + other.unreadable,
        )


def parse_ports(text: str) -> PortList:
    """Read a comma-separated list; spaces and empty parts are nothing."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["*"]:
        return PortList(everything=True)
    ranges, unreadable = [], []
    for part in parts[:1000]:
        low, _, high = part.partition("-")
        if _is_port(low) and (not high or _is_port(high)) and (high or "-" not in part):
            ranges.append((int(low), int(high or low)))
        else:
            unreadable.append(part[:60])
    return PortList(tuple(ranges), False, tuple(unreadable))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535
