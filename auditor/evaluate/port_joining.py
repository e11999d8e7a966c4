"""Findings about very many ports of one endpoint, told as one: a pod may declare tens of thousands.

Nothing is dropped: the one finding names all its ports as ranges and counts them, and the population counts each.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from auditor.model.finding import Finding, Subject

MOST_PORTS = 100
"""How many findings of one kind about one endpoint's ports of one protocol stand by themselves."""

_SHOWN_RANGES = 4
_PORT = re.compile(r"(?P<endpoint>.+):(?P<port>\d{1,5})/(?P<protocol>[A-Z]+)")
_Place = tuple[str, str, str, str]


def join_ports(findings: Sequence[Finding]) -> list[Finding]:
    """The findings; more than `MOST_PORTS` of equal reason and outcome about the ports of one endpoint become one.

    Its other parameters are those of the lowest port; `ports` are inclusive ranges and `port_count` their number.
    """
    groups: dict[_Place, list[tuple[int, Finding]]] = {}
    for finding in findings:
        if found := _PORT.fullmatch(finding.subject.id):
            place = (found["endpoint"], found["protocol"], finding.reason, str(finding.outcome))
            groups.setdefault(place, []).append((int(found["port"]), finding))
    joined: dict[int, Finding | None] = {}
    for (endpoint, protocol, _, _), group in groups.items():
        if len(group) > MOST_PORTS:
            joined |= dict.fromkeys((id(finding) for _, finding in group), None)
            joined[id(group[0][1])] = _joined(endpoint, protocol, group)
    kept = (joined.get(id(finding), finding) for finding in findings)
    return [finding for finding in kept if finding is not None]


def _joined(endpoint: str, protocol: str, group: Sequence[tuple[int, Finding]]) -> Finding:
    ordered = sorted(group, key=lambda entry: entry[0])
    ranges = _ranges([port for port, _ in ordered])
    shown = ",".join(f"{low}-{high}" if low != high else str(low) for low, high in ranges[:_SHOWN_RANGES])
    more = f",+{len(ranges) - _SHOWN_RANGES}" if len(ranges) > _SHOWN_RANGES else ""
    first = ordered[0][1]
    told = {
        "ports": [{"protocol": protocol, "ports": ranges}],
        "port_count": len({port for port, _ in group}),
    }
    evidence = tuple(sorted({entry for _, finding in group for entry in finding.evidence}))
    subject = Subject(f"{endpoint}:{shown}{more}/{protocol}", first.subject.namespace)
    return replace(first, subject=subject, parameters={**first.parameters, **told}, evidence=evidence)


def _ranges(ports: Sequence[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for port in ports:
        if found and port <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], port)
        else:
            found.append([port, port])
    return found
