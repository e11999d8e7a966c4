"""The network diagram: what touches scope and what comes in from outside, drawn, with a numbered table below."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.report.diagram_layout import Layout, lay_out
from auditor.report.diagram_lines import Direction, Drawn, draw_lines
from auditor.report.draft import Draft
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import ENCRYPTION_WORDS, N_

TITLE = N_("Network diagram")
_PCI = "pci-dss-"
_LONGEST = 160
_EVERY_PORT = ("all", "SCTP, TCP, UDP")
VERDICT_WORDS = {
    "allowed": "",
    "not-enforced": N_("denied by a policy that nothing enforces"),
    "conditional": N_("under a condition"),
    "indeterminate": N_("can't be told"),
}
APPROVED_WORDS = {
    "yes": N_("yes"),
    "no": N_("no"),
    "partly": N_("partly"),
    "not-needed": N_("not needed"),
}


@dataclass(frozen=True, slots=True)
class LegendRow:
    """One direction of a numbered line; `services` are (ports or "" for every port, words for the verdict)."""

    number: int
    direction: Direction
    services: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DiagramView:
    """The picture and its table. `layout` None: nothing touches scope."""

    drawn: Drawn
    layout: Layout | None
    rows: Shortened[LegendRow]
    edges: int
    left_out: int
    plaintext: int
    unknown: int
    unapproved: int
    for_pci: bool
    account_data: tuple[str, ...]
    approvals: bool
    verdict_words: dict[str, str]
    encryption_words: Mapping[str, str]
    approved_words: dict[str, str]
    unlinked: Shortened[str]


def build(draft: Draft) -> DiagramView:
    """The diagram's view."""
    result = draft.result
    limit = draft.profile.diagram_rows
    drawn = draw_lines(result.diagram, limit)
    rows = [
        LegendRow(line.number, direction, tuple(map(_service, direction.services)))
        for line in drawn.lines
        for direction in line.directions
    ]
    shown = tuple(row for row in rows if row.number)
    return DiagramView(
        drawn=drawn,
        layout=lay_out(drawn) if drawn.lines else None,
        rows=Shortened(shown, len(rows)),
        edges=len(result.diagram.edges),
        left_out=result.diagram.edges_left_out,
        plaintext=sum(line.encryption == "plaintext" for line in drawn.lines),
        unknown=sum(line.encryption == "unknown" for line in drawn.lines),
        unapproved=sum(line.unapproved for line in drawn.lines),
        for_pci=any(framework.id.startswith(_PCI) for framework in result.frameworks),
        account_data=tuple(flow.id for flow in result.scope.approved_flows if flow.account_data)[
            : draft.profile.named
        ],
        approvals=bool(result.scope.approved_flows),
        verdict_words=VERDICT_WORDS,
        encryption_words=ENCRYPTION_WORDS,
        approved_words=APPROVED_WORDS,
        unlinked=shorten(drawn.unlinked, draft.profile.named),
    )


def _service(service: tuple[str, str]) -> tuple[str, str]:
    verdict, ports = service
    if len(ports) > _LONGEST:
        ports = ports[:_LONGEST].rpartition(", ")[0] or ports[:_LONGEST]
        ports += ", \N{HORIZONTAL ELLIPSIS}"
    return ("" if ports in _EVERY_PORT else ports), VERDICT_WORDS[verdict]
