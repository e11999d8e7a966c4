"""The answer of `auditor compare` for people."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from auditor.model.comparison import ComparedRun, Comparison, FindingChange
from auditor.report.answer_tables import AnswerTable, table_parts
from auditor.report.display import bounded

_MAX_LINES = 200
_HEADLINES = (
    ("new_failures", "New failures"),
    ("untold", "Failures that can't be told now, for want of evidence"),
    ("resolved", "Resolved"),
    ("changed", "Other changes of outcome"),
)


def comparison_parts(found: Comparison) -> Iterator[RenderableType]:
    """What was compared, what may explain differences, and each list, or that it is empty."""
    yield Text(f"{_told(found.old)} → {_told(found.new)}")
    for note in found.notes:
        yield Text(bounded(note), style="yellow")
    for field, headline in _HEADLINES:
        yield from _list(headline, getattr(found, field))


def _told(run: ComparedRun | None) -> str:
    if run is None:
        return "nothing to compare with"
    complete = "complete" if run.complete else "incomplete"
    state = run.collected_at or "not recorded"
    return bounded(f"{run.name} (state of {state}, evidence {complete}, {run.failures} failures)")


def _list(headline: str, changes: Sequence[FindingChange]) -> Iterator[RenderableType]:
    shown = changes[:_MAX_LINES]
    more = f", the first {_MAX_LINES}" if len(changes) > _MAX_LINES else ""
    lines = tuple(
        (change.severity, change.control, change.subject, _outcomes(change), change.message)
        for change in shown
    )
    columns = ("severity", "control", "subject", "before → now", "finding")
    yield from table_parts([AnswerTable(f"{headline}: {len(changes)}{more}", columns, lines)])


def _outcomes(change: FindingChange) -> str:
    return f"{change.before or 'none'} → {change.now or 'none'}"
