"""One answer, its explanation in sentences, changes between two states, and exposure, for the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from auditor.model.connectivity_result import (
    ChainRow,
    ChangeRow,
    ChangesResult,
    EntryRow,
    ExposureResult,
    IsolationRow,
    Ports,
    QueryResult,
)
from auditor.report.connectivity_table import add_row, footer, plain_table
from auditor.report.connectivity_words import peer_text, port_set, ports_text, rule_text, rules_text
from auditor.report.display import bounded

_STYLE = {
    "allowed": "bold green",
    "denied": "bold red",
    "conditional": "bold yellow",
    "indeterminate": "bold yellow",
    "declared-not-enforced": "bold magenta",
}
_WORDS = {
    "allowed": "can connect",
    "denied": "cannot connect",
    "conditional": "can connect under a condition",
    "indeterminate": "may or may not connect: it can't be told",
}
_SHOWN = 3
_RANGES = 8
_PROTECTED = {"yes": "protected", "no": "UNPROTECTED", "unknown": "can't be told"}


def query_parts(result: QueryResult, port: str) -> Iterator[RenderableType]:
    """The answer on both bases, and the chain of layers."""
    yield Text.assemble(
        f"{peer_text(result.source)} -> {peer_text(result.destination)} {port}: ",
        ("as declared " + result.declared, _STYLE[result.declared]),
        ", ",
        ("as enforced " + result.enforced, _STYLE[result.enforced]),
    )
    yield Text(f"  {bounded(result.message)}")
    yield from _elsewhere(result)
    table = plain_table("layer", "direction", "verdict", "rules", "why")
    for row in result.chain:
        add_row(table, row.layer, row.direction, row.verdict, rules_text(row.rules), bounded(row.message))
    yield table
    yield from footer(
        [row for row in result.enforcement if _in_chain(row.layer, result)], result.completeness
    )


def _elsewhere(result: QueryResult) -> Iterator[RenderableType]:
    """Public ranges for which the answer to `internet` isn't the answer."""
    if not result.elsewhere:
        return
    inward = result.elsewhere[0].destination == result.destination
    rows = [(row.source if inward else row.destination, row.enforced) for row in result.elsewhere]
    shown = ", ".join(f"{peer_text(name)} ({answer})" for name, answer in rows[:_RANGES])
    more = f" and {len(rows) - _RANGES} more" if len(rows) > _RANGES else ""
    yield Text(f"Other public addresses fare differently: {shown}{more}.", style="bold yellow")


def _in_chain(layer: str, result: QueryResult) -> bool:
    return any(row.layer == layer for row in result.chain)


def explain_parts(result: QueryResult, port: str) -> Iterator[RenderableType]:
    """The same in sentences."""
    one, other = peer_text(result.source), peer_text(result.destination)
    yield Text(f"{one} {_WORDS[result.enforced]} to {other} on {port}.", style="bold")
    if result.verdict == "declared-not-enforced":
        yield Text("The policies deny it, but nothing in the cluster enforces the one that does.")
    elif result.declared != result.enforced:
        yield Text(f"Taken at their word, the policies say: {result.declared}.")
    yield Text(f"Why: {bounded(result.message)}.")
    yield from _elsewhere(result)
    for direction, title in (
        ("egress", f"Leaving {one} (egress):"),
        ("ingress", f"Arriving at {other} (ingress):"),
    ):
        rows = [row for row in result.chain if row.direction == direction]
        if rows:
            yield Text(f"\n{title}")
        for row in rows:
            yield Text(f"  - {_told(row)}")
    yield from footer(
        [row for row in result.enforcement if _in_chain(row.layer, result)], result.completeness
    )


def _told(row: ChainRow) -> str:
    layer = "" if row.layer == "kubernetes" else f"{row.layer}: "
    rules = "".join(f"\n      {rule_text(rule)}" for rule in row.rules)
    return f"{layer}{_CHAIN[row.verdict]}: {bounded(row.message)}.{rules}"


_CHAIN = {
    "allowed": "lets it through",
    "denied": "denies it",
    "conditional": "lets only part of it through",
    "indeterminate": "can't be told",
    "declared-not-enforced": "would deny it, if it were enforced",
}


def changes_parts(result: ChangesResult) -> Iterator[RenderableType]:
    """What became reachable, what ceased to be, what can no longer be told."""
    for title, names in (("New", result.added), ("Gone", result.removed)):
        if names:
            yield Text(f"{title}: {', '.join(map(peer_text, names))}")
    members = {group.id: group.members for group in result.groups}
    count = sum(_pairs(row, members) for row in result.changes)
    yield Text(f"{count} pairs changed · level {result.level} · basis {result.basis}")
    table = plain_table("source", "destination", "became reachable", "no longer reachable", "certainty")
    for row in result.changes:
        unsure = [("can't be told any more", row.became_uncertain), ("can be told now", row.became_certain)]
        add_row(
            table,
            _some(members.get(row.source, [row.source])),
            _some(members.get(row.destination, [row.destination])),
            _ports(row.gained),
            _ports(row.lost),
            "; ".join(f"{word}: {_ports(ports)}" for word, ports in unsure if ports),
        )
    if result.changes:
        yield table
    if any(len(group.members) > _SHOWN for group in result.groups):
        yield Text("Every member of every group is in the JSON format.")
    yield from footer([], result.completeness)
    if not result.completeness_before.complete:
        yield Text("The earlier evidence isn't known to be complete.", style="yellow")


def _pairs(row: ChangeRow, members: Mapping[str, Sequence[str]]) -> int:
    sources, destinations = (len(members.get(id, [id])) for id in (row.source, row.destination))
    return sources * (destinations - 1 if row.source == row.destination in members else destinations)


def _ports(rows: Iterable[Ports]) -> str:
    return ports_text(port_set(rows))


def exposure_parts(result: ExposureResult) -> Iterator[RenderableType]:
    """Each endpoint's directions with whom they are open to, then the ways in."""
    table = plain_table("endpoint", "direction", "policies", "open to", "why")
    for row in result.isolation:
        style = "yellow" if row.enforced != "yes" else ""
        add_row(
            table,
            peer_text(row.endpoint),
            row.direction,
            _PROTECTED[row.enforced],
            _open_to(row),
            bounded(row.message),
            style=style,
        )
    yield table
    yield Text("\nWays in from outside" if result.entries else "\nNo way in from outside in the evidence")
    if result.entries:
        yield _entries(result.entries)
    yield from footer(result.enforcement, result.completeness)


def _open_to(row: IsolationRow) -> str:
    families: dict[str, list[str]] = {}
    for family in row.open_to:
        sure, unsure = _ports(family.allowed), _ports(family.uncertain)
        words = ", ".join(filter(None, (sure, f"{unsure} perhaps" if unsure else "")))
        families.setdefault(words, []).append(family.peers)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in families.items()) or "nobody"


def _entries(entries: Iterable[EntryRow]) -> RenderableType:
    table = plain_table("object", "way", "outside", "leads to", "policy", "from", "why")
    for row in entries:
        outside = "/".join(filter(None, (row.host, str(row.outside_port or ""))))
        ranges = f" only {', '.join(map(bounded, row.source_ranges))}" if row.source_ranges else ""
        add_row(
            table,
            peer_text(row.object),
            f"{row.way} ({row.controller})" if row.controller else row.way,
            bounded(outside + ranges),
            f"{peer_text(row.endpoint)} {row.port}/{row.protocol}",
            row.verdict,
            _some(row.via),
            bounded(row.message),
        )
    return table


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(peer_text, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
