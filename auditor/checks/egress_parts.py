"""Scoped clients that fare alike on their way out: which reason that is, and how a finding tells it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from auditor.checks import told
from auditor.checks.definition import Judgement
from auditor.checks.outside_networks import Places
from auditor.checks.outside_networks import told as told_places
from auditor.encryption.egress.values import Egress, Hop, Sent
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.finding import Subject
from auditor.model.verdict import Tri

SHOWN = 20
WORST_FIRST = (
    "egress-in-plaintext",
    "server-not-verified",
    "indeterminate.egress",
    "egress-encrypted",
    "egress-refused",
)
_FAILING = ("egress-in-plaintext", "server-not-verified")
_OPEN = (Sent.INDETERMINATE, Sent.APPLICATION, Sent.APPLICATION_TLS)


@dataclass(frozen=True, slots=True)
class Part:
    """Scoped clients that fare alike towards one destination (`row` None: on no way that is followed)."""

    row: Egress | None
    clients: tuple[Endpoint, ...]
    code: str
    places: Places
    because: Reasons = field(default_factory=Reasons)

    @property
    def reasons(self) -> Reasons:
        """Why."""
        return (self.row.reasons if self.row else Reasons()) + self.because


def code_of(row: Egress) -> str:
    """The reason that a way out gives, whoever the clients are."""
    if any(_is_plain(hop) is Tri.YES for hop in row.hops):
        return "egress-in-plaintext"
    if any(hop.sent is Sent.TLS_UNVERIFIED for hop in row.hops):
        return "server-not-verified"
    if row.sent is Sent.NOTHING:
        return "egress-refused"
    unknown = any(hop.sent in _OPEN or _is_plain(hop) is Tri.UNKNOWN for hop in row.hops)
    return "indeterminate.egress" if unknown else "egress-encrypted"


def parts_of(
    row: Egress, clients: Sequence[Endpoint], places: Places, doubt: Callable[[Endpoint], Reasons]
) -> Iterator[Part]:
    """Clients on a way out, by whether policy certainly lets them through: of a way that isn't secure it can't be told
    what comes from those for which `doubt` has causes."""
    code = code_of(row)
    if code not in _FAILING:
        yield Part(row, tuple(clients), code, places)
        return
    grouped: dict[Reasons, list[Endpoint]] = {}
    for client in clients:
        grouped.setdefault(doubt(client), []).append(client)
    for because, group in grouped.items():
        found = "indeterminate.egress" if because.causes else code
        yield Part(row, tuple(group), found, places, because)


def _is_plain(hop: Hop) -> Tri:
    """Whether a hop carries plaintext that no node encrypts."""
    if hop.sent is not Sent.PLAINTEXT:
        return Tri.NO
    return {Tri.YES: Tri.NO, Tri.NO: Tri.YES}.get(hop.nodes, Tri.UNKNOWN)


def worst_of(parts: Iterable[Part]) -> str:
    """The worst reason of any."""
    return min((part.code for part in parts), key=WORST_FIRST.index)


def judgement(
    code: str, subject: Subject, host: str, parts: Sequence[Part], evidence: Iterable[str] = ()
) -> Judgement:
    """A finding about all clients that fare so."""
    clients = _first(parts)
    rows = [part.row for part in parts if part.row is not None]
    parameters = {
        "host": host,
        "networks": told_places(frozenset(place for part in parts for place in part.places)),
        "sent": str(min((row.sent for row in rows), key=list(Sent).index, default=Sent.INDETERMINATE)),
        "sources": [client.id for client in clients],
        "source_count": len({client.id for part in parts for client in part.clients}),
        "causes": told.causes(cause for part in parts for cause in part.reasons.causes),
        "flows": [_told(part, part.row) for part in parts if part.row is not None],
        "decided_by": told.rules(rule for part in parts for rule in part.reasons.chain),
    }
    found = (
        *evidence,
        *(
            item
            for part in parts
            for item in (*(part.row.evidence if part.row else ()), *part.because.evidence)
        ),
        *(item for client in clients for item in client.evidence[:1]),
    )
    return Judgement(code, subject, parameters, tuple(dict.fromkeys(found)))


def _first(parts: Sequence[Part]) -> list[Endpoint]:
    ordered = merge(*(part.clients for part in parts), key=lambda client: client.id)
    by_id: dict[str, Endpoint] = {}
    for client in ordered:
        if len(by_id) == SHOWN and client.id not in by_id:
            break
        by_id.setdefault(client.id, client)
    return list(islice(by_id.values(), SHOWN))


def host_of(row: Egress) -> str:
    """The destination in words."""
    if row.port:
        return f"{row.host}:{row.port}"
    return "destinations that nothing registers" if row.host == "*" else row.host


def _told(part: Part, row: Egress) -> dict[str, Any]:
    return {
        "sources": [client.id for client in part.clients[:SHOWN]],
        "source_count": len(part.clients),
        "destination": row.subject,
        "networks": told_places(part.places),
        "services": f"{row.port}/TCP" if row.port else "TCP",
        "verdict": str(row.sent),
        "protection": str(row.label),
        "hops": [{"source": hop.origin, "target": hop.target, "sent": str(hop.sent)} for hop in row.hops],
        "causes": told.causes(part.reasons.causes),
        "decided_by": told.rules(part.reasons.chain),
    }
