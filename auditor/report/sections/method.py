"""Method: how the evidence was judged, and what the words of the report mean."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.model.outcome import Outcome, Status
from auditor.report.draft import Draft
from auditor.report.wording import (
    CLASS_MEANINGS,
    CLASSES,
    N_,
    OUTCOMES,
    REACH_WORDS,
    STATUSES,
    VERDICT_MEANINGS,
    Mark,
)

TITLE = N_("Method")


@dataclass(frozen=True, slots=True)
class MethodView:
    """The words with their meanings."""

    components: tuple[str, ...]
    outcomes: Mapping[Outcome, Mark]
    statuses: Mapping[Status, Mark]
    verdicts: tuple[tuple[str, str], ...]
    classes: tuple[tuple[str, str], ...]
    controls: int
    findings: int


def build(draft: Draft) -> MethodView:
    """The method's view."""
    return MethodView(
        components=tuple(draft.result.cluster.components),
        outcomes=OUTCOMES,
        statuses=STATUSES,
        verdicts=tuple((word, VERDICT_MEANINGS[verdict]) for verdict, word in REACH_WORDS.items()),
        classes=tuple((word, CLASS_MEANINGS[known]) for known, word in CLASSES.items()),
        controls=len(draft.result.controls),
        findings=len(draft.result.findings),
    )
