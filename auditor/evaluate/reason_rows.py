"""Causes of the engines as rows of a result."""

from collections.abc import Iterable

from auditor.evaluate.connectivity_query import sentence
from auditor.model.encryption_result import ReasonRow
from auditor.model.verdict import Cause


def reason_rows(causes: Iterable[Cause]) -> list[ReasonRow]:
    """Each once, in the engine's order: what decides comes first."""
    return [
        ReasonRow(code=why.code, parameters=dict(why.parameters), message=sentence(why))
        for why in dict.fromkeys(causes)
    ]
