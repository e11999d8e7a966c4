"""Reasons that the runner itself gives, beside the closed lists of the checks."""

from auditor.checks.context import ENTRY_SCOPE, SCOPE_UNDECIDED
from auditor.model.finding import Reason
from auditor.model.outcome import Outcome

INCOMPLETE_EVIDENCE = Reason(
    "incomplete-evidence",
    Outcome.NOT_EVALUATED,
    "On the evidence at hand {subject} would be {would_be}, but what is missing could reverse that: {causes}.",
)
INCOMPLETE_POPULATION = Reason(
    "incomplete-population",
    Outcome.NOT_EVALUATED,
    "It isn't known that the subjects found are all (subjects found: {listed}): {causes}.",
)
NO_SUBJECT = Reason(
    "no-subject",
    Outcome.NOT_APPLICABLE,
    "The evidence is complete and holds nothing that this control is about.",
)
ALL_EXCLUDED = Reason(
    "all-excluded",
    Outcome.NOT_APPLICABLE,
    "Every listed subject was excluded, each with its reason (subjects listed: {listed}).",
)
CHECK_FAILED = Reason(
    "error.check-failed",
    Outcome.ERROR,
    "The check stopped with an internal error ({error}); its subjects are not evaluated.",
)
UNKNOWN_REASON = Reason(
    "error.unknown-reason",
    Outcome.ERROR,
    "The check gave the reason {given}, which is not in its closed list.",
)
UNKNOWN_EXCLUSION = Reason(
    "error.unknown-exclusion",
    Outcome.ERROR,
    "The check left {subject} out for the reason {given}, which is not in the closed list of exclusions.",
)

RUNNER_REASONS = {
    reason.code: reason
    for reason in (
        INCOMPLETE_EVIDENCE,
        INCOMPLETE_POPULATION,
        NO_SUBJECT,
        ALL_EXCLUDED,
        CHECK_FAILED,
        UNKNOWN_REASON,
        UNKNOWN_EXCLUSION,
        SCOPE_UNDECIDED,
        ENTRY_SCOPE,
    )
}
"""By code."""
