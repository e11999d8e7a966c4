"""The population of checks that judge (endpoint, port, protocol), and what such findings tell."""

from collections.abc import Callable, Iterator
from typing import Any

from auditor.checks import told
from auditor.checks.context import Context, not_judged
from auditor.checks.definition import Judgement, Yielded
from auditor.encryption.verdicts import Membership, PortProtection
from auditor.model.finding import Exclusion, Subject

KeepOut = Callable[[PortProtection, Membership], str | None]
Judge = Callable[[PortProtection], str]


def judge_ports(context: Context, keep_out: KeepOut, judge: Judge) -> Iterator[Yielded]:
    """Judge every declared port of every endpoint in scope.

    `keep_out` names the exclusion of a port, or None; `judge` gives the reason code.
    """
    classes = {endpoint.id: classification for endpoint, classification in context.classified}
    for row in context.encryption.rows():
        subject = Subject(row.subject, row.endpoint.namespace)
        left_out = not_judged(subject, classes[row.endpoint.id])
        if left_out is None:
            reason = keep_out(row, context.encryption.membership(row.endpoint))
            left_out = Exclusion(subject.id, reason) if reason else None
        yield left_out or Judgement(judge(row), subject, about(row), row.evidence)


def about(row: PortProtection) -> dict[str, Any]:
    """What a finding about a port tells beside its subject."""
    return {
        "port": row.port,
        "protection": str(row.label),
        "mode": row.mode or "none",
        "data_plane": row.data_plane,
        "minimum_tls": row.minimum_tls or "unknown",
        "covered_by": list(row.covered_by),
        "causes": told.causes(row.causes),
        "decided_by": told.rules(row.chain),
    }
