"""Flows, deciding rules and other details of a finding's parameters, as rows for tables.

Parameters are JSON that a check wrote; shapes that aren't known are shown as text, never dropped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.model.result import FindingResult
from auditor.model.sentence import shown
from auditor.report.wording import REACH_WORDS

_ALL_PORTS = (1, 65535)
_TABLES = frozenset({"flows", "decided_by", "causes", "subject", "kinds"})


@dataclass(frozen=True, slots=True)
class FlowRow:
    """Peers that may connect: who, to whom, on what, by which verdict, decided by which rules.

    `approved_by`: approved flows of the scope file. `deviates`: false for what is approved, or needs no approval.
    """

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: str
    verdict: str
    decided_by: tuple["RuleRow", ...]
    approved_by: tuple[str, ...] = ()
    deviates: bool = True


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule that decided: the object and the path inside it."""

    object: str
    rule: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Another parameter of a finding, in words."""

    name: str
    value: str


def flow_rows(finding: FindingResult) -> list[FlowRow]:
    """The finding's flows. A side that a flow leaves out is the finding's subject."""
    return [_flow(flow, finding.subject) for flow in _mappings(finding.parameters.get("flows"))]


def rule_rows(finding: FindingResult) -> list[RuleRow]:
    """The rules that decided the finding as a whole."""
    return _rules(finding.parameters.get("decided_by"))


def details(finding: FindingResult, cause: Callable[[Any], str]) -> tuple[Detail, ...]:
    """Parameters that neither the sentence nor a table tells already."""
    found = []
    for name, value in sorted(finding.parameters.items()):
        if name in _TABLES or value in (None, "", [], {}):
            continue
        text = port_list(value) if name == "ports" else cause(value)
        if text and text not in finding.message:
            found.append(Detail(name.replace("_", " "), text))
    return tuple(found)


def port_words(ranges: Iterable[Sequence[int]]) -> str:
    """`5432, 8000–8080`, or `all ports`."""
    pairs = [(entry[0], entry[-1]) for entry in ranges if entry]
    if not pairs or pairs == [_ALL_PORTS]:
        return "all ports"
    return ", ".join(str(low) if low == high else f"{low}\N{EN DASH}{high}" for low, high in pairs)


def port_list(value: Any, protocol: str = "") -> str:
    """Ports in words: of `[{"protocol", "ports"}]`, or of bare ranges with a protocol beside them."""
    entries = _mappings(value)
    if entries:
        return "; ".join(f"{_ports(entry.get('ports'))}/{entry.get('protocol', '')}" for entry in entries)
    words = _ports(value)
    return f"{words}/{protocol}" if protocol else words


def _ports(value: Any) -> str:
    if not isinstance(value, list):
        return shown(value) if value else "all ports"
    ranges = [entry if isinstance(entry, list) else [entry] for entry in value]
    whole = all(isinstance(number, int) for entry in ranges for number in entry)
    return port_words(ranges) if whole else shown(value)


def _flow(flow: Mapping[str, Any], subject: str) -> FlowRow:
    verdict = str(flow.get("verdict", ""))
    approvals = flow.get("approved_by")
    approved_by = tuple(map(str, approvals)) if isinstance(approvals, list) else ()
    return FlowRow(
        sources=_peers(flow, "source") or (subject,),
        destinations=_peers(flow, "destination") or (subject,),
        services=str(flow.get("services") or port_list(flow.get("ports"), str(flow.get("protocol", "")))),
        verdict=REACH_WORDS.get(verdict, verdict),
        decided_by=tuple(_rules(flow.get("decided_by"))),
        approved_by=approved_by,
        deviates=not approved_by and flow.get("outside") is not False,
    )


def _peers(flow: Mapping[str, Any], side: str) -> tuple[str, ...]:
    named = flow.get(f"{side}s") or flow.get(side)
    if isinstance(named, list):
        return tuple(str(entry) for entry in named)
    return (str(named),) if named else ()


def _rules(value: Any) -> list[RuleRow]:
    return [RuleRow(str(rule.get("object", "")), str(rule.get("rule", ""))) for rule in _mappings(value)]


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
