"""Engine values as parameters of a finding: plain JSON, in a stable order."""

from collections.abc import Iterable
from typing import Any

from auditor.model.verdict import Cause, RuleRef


def causes(entries: Iterable[Cause]) -> list[dict[str, Any]]:
    """Causes as `{"code": ..., parameter: value}`; their sentences are made when they are rendered."""
    return [{"code": entry.code, **dict(entry.parameters)} for entry in dict.fromkeys(entries)]


def rules(entries: Iterable[RuleRef]) -> list[dict[str, str]]:
    """Deciding rules as `{"object", "rule"}`."""
    return [{"object": entry.object, "rule": entry.rule} for entry in dict.fromkeys(entries)]


def rule_evidence(entries: Iterable[RuleRef]) -> tuple[str, ...]:
    """The evidence ids behind deciding rules."""
    return tuple(dict.fromkeys(entry.evidence_id for entry in entries if entry.evidence_id))
