"""Connectivity as CSV: one line for each ordered pair of endpoints, kind of verdict and protocol.

Cells that a spreadsheet would take for a formula get an apostrophe in front.
"""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.network.all_pairs import PairVerdict
from auditor.network.ports import ICMP_PROTOCOLS, PORT_PROTOCOLS, PortSet, full_range
from auditor.report.connectivity_words import cause_text
from auditor.report.display import displayable

_COLUMNS = ("source", "destination", "verdict", "protocol", "ports", "reason", "decided_by")
_CHUNK = 1_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def render_csv(view: ConnectivityView) -> bytes:
    """UTF-8 with a header line; groups are written out by their members."""
    return b"".join(csv_chunks(view))


def csv_chunks(view: ConnectivityView) -> Iterator[bytes]:
    """The same in pieces, as there may be more than memory should hold."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    told = [[[cell(value) for value in line] for line in _verdict(verdict)] for verdict in view.verdicts]
    for pair in view.pairs:
        for source in view.members(pair.source):
            for destination in view.members(pair.destination):
                if source != destination:
                    ends = [cell(source), cell(destination)]
                    writer.writerows([*ends, *line] for line in told[pair.verdict])
            if file.tell() > _CHUNK:
                yield _taken(file)
    yield _taken(file)


def _taken(file: StringIO) -> bytes:
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text.encode(errors="replace")


def cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    shown = displayable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _verdict(verdict: PairVerdict) -> Iterator[Sequence[str]]:
    rules = "; ".join(f"{ref.object} {ref.rule}" for ref in verdict.decided_by)
    entries = [("allowed", verdict.allowed, "")]
    entries += [("conditional", ports, cause_text(why)) for ports, why in verdict.conditional]
    entries += [("indeterminate", ports, cause_text(why)) for ports, why in verdict.indeterminate]
    for state, ports, reason in entries:
        for protocol, text in _ports(ports):
            yield state, protocol, text, reason, rules


def _ports(ports: PortSet) -> Iterator[tuple[str, str]]:
    for protocol, pairs in ports.ranges:
        if protocol in PORT_PROTOCOLS:
            yield protocol, " ".join(str(low) if low == high else f"{low}-{high}" for low, high in pairs)
        elif protocol in ICMP_PROTOCOLS and pairs != (full_range(protocol),):
            yield protocol, " ".join(icmp_text(low, high) for low, high in pairs)
        else:
            yield protocol, "all"


def icmp_text(low: int, high: int) -> str:
    """A range over type * 256 + code: `type 8`, `type 3 code 1`, or from one to another."""
    first, last = divmod(low, 256), divmod(high, 256)
    if low == high:
        return f"type {first[0]} code {first[1]}"
    if first[1] == 0 and last[1] == 255:
        return f"type {first[0]}" if first[0] == last[0] else f"types {first[0]}-{last[0]}"
    return f"type {first[0]} code {first[1]} to type {last[0]} code {last[1]}"
