"""Ports, peers, rules and reasons in words, for every picture and table of connectivity."""

from collections.abc import Iterable, Sequence

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.evaluate.phrases import PHRASES
from auditor.model.connectivity_result import Ports, Rule
from auditor.model.sentence import fill
from auditor.model.verdict import Cause, RuleRef
from auditor.network.all_pairs import PairVerdict
from auditor.network.ports import PORT_PROTOCOLS, PortSet, full_range
from auditor.report.display import bounded

_ALL = PortSet.whole(*PORT_PROTOCOLS)
_MAX_RULES = 3


def ports_text(ports: PortSet) -> str:
    """`443/TCP, 53/UDP`; `all ports` where TCP, UDP and SCTP are open altogether."""
    if not ports:
        return ""
    rest = ports.minus(_ALL)
    if not _ALL.minus(ports):
        return f"all ports, {rest}" if rest else "all ports"
    return str(ports)


def port_set(rows: Iterable[Ports]) -> PortSet:
    """The set behind rows of a result."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        spans = [*row.ports, *((t * 256 + c, t * 256 + c) for t, c in row.icmp)]
        found.setdefault(row.protocol, []).extend(spans or [full_range(row.protocol)])
    return PortSet.of(found)


def cause_text(why: Cause) -> str:
    """The English sentence of a cause."""
    return bounded(fill(PHRASES.get(why.code, why.code), dict(why.parameters)))


def rule_text(rule: RuleRef | Rule) -> str:
    """`NetworkPolicy shop/web ingress[0]` from the id `shop/NetworkPolicy/web`."""
    return bounded(f"{object_text(rule.object)} {rule.rule}".strip())


def object_text(id: str) -> str:
    """`NetworkPolicy shop/web`; kinds of other groups without the group."""
    parts = id.split("/")
    if len(parts) != 3:
        return bounded(id)
    namespace, kind, name = parts
    return bounded(
        f"{kind.partition('.')[0]} {namespace}/{name}" if namespace else f"{kind.partition('.')[0]} {name}"
    )


def rules_text(rules: Sequence[RuleRef | Rule]) -> str:
    """The first rules, and how many more there are."""
    shown = "; ".join(rule_text(rule) for rule in rules[:_MAX_RULES])
    more = len(rules) - _MAX_RULES
    return f"{shown} and {more} more" if more > 0 else shown


def verdict_text(verdict: PairVerdict) -> str:
    """All three kinds of ports, each with its word and reasons."""
    parts = [ports_text(verdict.allowed)] if verdict.allowed else []
    parts += [f"{ports_text(ports)} if: {cause_text(why)}" for ports, why in verdict.conditional]
    parts += [f"{ports_text(ports)} unknown: {cause_text(why)}" for ports, why in verdict.indeterminate]
    return "; ".join(parts)


def group_text(view: ConnectivityView, id: str) -> str:
    """A group by its only member, or by its id and the number of members; an external range by its name."""
    members = view.members(id)
    return peer_text(members[0]) if len(members) == 1 else f"{id} ({len(members)})"


def peer_text(id: str) -> str:
    """Cluster-wide objects without the leading slash."""
    return bounded(id.removeprefix("/"))
