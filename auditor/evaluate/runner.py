"""The one place that runs checks and owns safety (contracts: incomplete evidence; an exception is an ERROR)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from auditor.checks.context import Context
from auditor.checks.definition import Check, Judgement
from auditor.evaluate import reasons as own
from auditor.evaluate.port_joining import join_ports
from auditor.model.evidence import Completeness, Gap
from auditor.model.finding import (
    CLUSTER_SUBJECT,
    EXCLUSION_REASONS,
    Exclusion,
    Finding,
    Read,
    Reason,
    Subject,
)
from auditor.model.outcome import Outcome

_KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)
_MAX_CAUSES = 4


@dataclass(frozen=True, slots=True)
class CheckRun:
    """What one check of one control gave under one scope: findings, and the subjects listed and excluded."""

    findings: tuple[Finding, ...]
    listed: frozenset[str]
    excluded: frozenset[Exclusion]


def run_check(control: str, check: Check, parameters: object, context: Context) -> CheckRun:
    """Run a check to its end. Never raises: an exception becomes an ERROR finding beside what was found before it."""
    findings: list[Finding] = []
    excluded: set[Exclusion] = set()
    listed: set[str] = set()
    try:
        for entry in check.run(context, parameters):
            if isinstance(entry, Exclusion) and entry.reason in EXCLUSION_REASONS:
                excluded.add(entry)
                listed.add(entry.subject)
                continue
            if isinstance(entry, Exclusion):
                findings.append(_unknown_exclusion(control, check, entry))
                listed.add(entry.subject)
                continue
            findings.append(_finding(control, check, entry, context))
            if entry.listed:
                listed.add(entry.subject.id)
    except Exception as error:  # the last line of defence: whatever a check raises must not end the run
        findings.append(_error(control, check, error))
    findings += _about_the_population(control, check, len(listed), not findings, context)
    evaluated = {finding.subject.id for finding in findings}
    return CheckRun(
        tuple(join_ports(findings)),
        frozenset(listed),
        frozenset(e for e in excluded if e.subject not in evaluated),
    )


def _finding(control: str, check: Check, entry: Judgement, context: Context) -> Finding:
    reason = check.reasons.get(entry.reason) or own.RUNNER_REASONS.get(entry.reason)
    if reason is None:
        return Finding(
            control, check.id, entry.subject, Outcome.ERROR, own.UNKNOWN_REASON.code, {"given": entry.reason}
        )
    finding = Finding(
        control, check.id, entry.subject, reason.outcome, reason.code, entry.parameters, entry.evidence
    )
    return _downgraded(finding, check, reason, context, entry.listed)


def _unknown_exclusion(control: str, check: Check, entry: Exclusion) -> Finding:
    """Nobody could say why the subject was left out: it isn't."""
    subject, given = Subject(entry.subject), {"given": entry.reason}
    return Finding(control, check.id, subject, Outcome.ERROR, own.UNKNOWN_EXCLUSION.code, given)


def _downgraded(finding: Finding, check: Check, reason: Reason, context: Context, listed: bool) -> Finding:
    """Only those outcomes that a missing object could reverse are lost (contracts, Incomplete evidence).

    That a control does not apply to a subject of its population, or leaves it to people, is lost as easily as that the
    subject passes.
    """
    good = reason.outcome in (Outcome.PASS, Outcome.MANUAL) or (
        reason.outcome is Outcome.NOT_APPLICABLE and listed
    )
    if reason.final or not (good or reason.outcome is Outcome.FAIL):
        return finding
    matters = [r for r in check.reads if (r.could_fail if good else r.could_pass)]
    gaps = list(_gaps(matters, finding.subject.namespace, context))
    if not gaps:
        return finding
    parameters = {
        **finding.parameters,
        "would_be": str(reason.outcome),
        "would_be_reason": reason.code,
        "kinds": [str(gap.key) for gap in gaps],
        "causes": _causes(gaps),
    }
    return replace(
        finding,
        outcome=own.INCOMPLETE_EVIDENCE.outcome,
        reason=own.INCOMPLETE_EVIDENCE.code,
        parameters=parameters,
    )


def _gaps(reads: Iterable[Read], namespace: str, context: Context) -> Iterable[Gap]:
    for read in reads:
        where = namespace or None
        gap = context.cluster.completeness(read.key, where if read.in_namespace else None)
        if gap.state not in _KNOWN:
            yield gap


def _causes(gaps: Sequence[Gap]) -> str:
    by_cause: dict[str, list[str]] = {}
    for gap in gaps:
        by_cause.setdefault(gap.cause, []).append(str(gap.key))
    told = [f"{', '.join(keys)}: {cause}" for cause, keys in list(by_cause.items())[:_MAX_CAUSES]]
    return "; ".join(told)


def _error(control: str, check: Check, error: Exception) -> Finding:
    parameters = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
    return Finding(control, check.id, CLUSTER_SUBJECT, Outcome.ERROR, own.CHECK_FAILED.code, parameters)


def _about_the_population(
    control: str, check: Check, listed: int, nothing_judged: bool, context: Context
) -> list[Finding]:
    """An explicit finding when nothing was judged, and whenever the population may be larger than what was seen."""
    gaps = list(_gaps([read for read in check.reads if read.subjects], "", context))
    parameters: dict[str, object] = {"listed": listed}
    if gaps:
        reason = own.INCOMPLETE_POPULATION
        parameters |= {"causes": _causes(gaps), "kinds": [str(gap.key) for gap in gaps]}
    elif nothing_judged:
        reason = own.ALL_EXCLUDED if listed else own.NO_SUBJECT
    else:
        return []
    return [Finding(control, check.id, CLUSTER_SUBJECT, reason.outcome, reason.code, parameters)]
