"""Sentences of findings and of reasons in the language of the report. English ones are in the result already."""

from collections.abc import Callable, Mapping
from functools import cache
from gettext import NullTranslations
from typing import Any

from auditor.checks.registry import all_checks
from auditor.evaluate.phrases import PHRASES
from auditor.evaluate.reasons import RUNNER_REASONS
from auditor.model.encryption_result import ReasonRow
from auditor.model.finding import Reason
from auditor.model.result import FindingResult
from auditor.model.sentence import fill, places, shown

Translate = Callable[[str], str]


class Sentences:
    """Sentences of findings and causes. Without translations they are those of the result."""

    def __init__(self, translations: NullTranslations | None) -> None:
        self._translate: Translate | None = translations.gettext if translations else None
        self._phrases = {code: self._said(text) for code, text in PHRASES.items()}

    def message(self, finding: FindingResult) -> str:
        """What was observed."""
        reason = self._reason(finding)
        return self._filled(reason.sentence, finding) if reason else finding.message

    def remedy(self, finding: FindingResult) -> str:
        """What to do about it; empty where the reason says nothing."""
        reason = self._reason(finding)
        return self._filled(reason.remedy, finding) if reason and reason.remedy else finding.remedy

    def cause(self, value: Any) -> str:
        """A cause, or a list of causes, or a text, as a sentence."""
        return shown(value, self._phrases)

    def reason(self, row: ReasonRow) -> str:
        """A reason of a row. Where its phrase isn't known, or a parameter of it is missing, what the result says."""
        phrase = self._phrases.get(row.code) if self._translate else None
        if phrase is None or not places(phrase) <= row.parameters.keys():
            return row.message
        return fill(phrase, row.parameters, self._phrases)

    def _reason(self, finding: FindingResult) -> Reason | None:
        if self._translate is None:
            return None
        return _known_reasons().get((finding.check, finding.reason)) or RUNNER_REASONS.get(finding.reason)

    def _filled(self, sentence: str, finding: FindingResult) -> str:
        parameters = {"subject": finding.subject, **finding.parameters}
        return fill(self._said(sentence), parameters, self._phrases)

    def _said(self, text: str) -> str:
        return self._translate(text) if self._translate else text


@cache
def _known_reasons() -> Mapping[tuple[str, str], Reason]:
    return {
        (check.id, code): reason for check in all_checks().values() for code, reason in check.reasons.items()
    }
