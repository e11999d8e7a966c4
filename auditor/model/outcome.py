"""Outcomes of findings and how they add up (contracts: verdicts, outcomes, requirement status)."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """What a control's check says of one subject."""

    PASS = "PASS"  # noqa: S105 -- the word of the contract, not a password
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_EVALUATED = "NOT_EVALUATED"
    MANUAL = "MANUAL"
    ERROR = "ERROR"


_RANK = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.NOT_EVALUATED,
    Outcome.MANUAL,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)


def aggregate(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a control: FAIL > ERROR > NOT_EVALUATED > MANUAL > PASS > NOT_APPLICABLE.

    An empty population has been turned into an explicit finding before; nothing at all is an ERROR.
    """
    present = set(outcomes)
    return next((outcome for outcome in _RANK if outcome in present), Outcome.ERROR)


class Status(StrEnum):
    """The status of a requirement. It never says PASS."""

    DEVIATION = "deviation found"
    NOT_TESTED = "not tested"
    MANUAL_OPEN = "evidence without deviation, manual steps open"
    NO_DEVIATION = "evidence without deviation"
    MANUAL = "manual"
    NOT_APPLICABLE = "not applicable to the evidence"
