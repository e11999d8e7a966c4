"""The words and marks that stand for outcomes, statuses, classes and kinds of automation. Colour carries nothing alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.model.outcome import Outcome, Status
from auditor.model.result import Standing
from auditor.model.scope import ScopeClass


def N_(text: str) -> str:
    """Mark a text for translation; it is translated where it is rendered."""
    return text


@dataclass(frozen=True, slots=True)
class Mark:
    """How a value is shown: the word, a short word for narrow columns, a mark, a tone for colours, what it means."""

    word: str
    short: str
    mark: str
    tone: str
    meaning: str


OUTCOMES: Mapping[Outcome, Mark] = {
    Outcome.FAIL: Mark(
        N_("FAIL"),
        N_("fail"),
        "✕",
        "fail",
        N_("The evidence shows a deviation from what the control asks."),
    ),
    Outcome.ERROR: Mark(
        N_("ERROR"),
        N_("error"),
        "!",
        "error",
        N_("The check stopped with an internal error; nothing is concluded."),
    ),
    Outcome.NOT_EVALUATED: Mark(
        N_("NOT EVALUATED"),
        N_("not evaluated"),
        "?",
        "open",
        N_(
            "It could not be told: evidence is missing or incomplete, or the system's answer is indeterminate."
        ),
    ),
    Outcome.MANUAL: Mark(
        N_("MANUAL"), N_("manual"), "✎", "manual", N_("People decide; the report lists what they need.")
    ),
    Outcome.PASS: Mark(
        N_("PASS"),
        N_("pass"),
        "✓",
        "pass",
        N_("The evidence shows what the control asks, at the time of the state."),
    ),
    Outcome.NOT_APPLICABLE: Mark(
        N_("NOT APPLICABLE"),
        N_("not applicable"),
        "–",
        "na",
        N_("The evidence is complete and holds nothing that the control is about."),
    ),
}
"""Gaps first, as everywhere in the report."""

STATUSES: Mapping[Status, Mark] = {
    Status.DEVIATION: Mark(
        N_("deviation found"),
        N_("deviation found"),
        "✕",
        "fail",
        N_("A control that bears on the requirement in full or in part found a deviation."),
    ),
    Status.NOT_TESTED: Mark(
        N_("not tested"),
        N_("not tested"),
        "?",
        "open",
        N_(
            "A deciding control was not evaluated, or none was selected. The assessment of it is not complete."
        ),
    ),
    Status.MANUAL_OPEN: Mark(
        N_("evidence without deviation, manual steps open"),
        N_("manual steps open"),
        "✎",
        "manual",
        N_("The evidence shows no deviation and answers a part; the manual steps say what remains."),
    ),
    Status.NO_DEVIATION: Mark(
        N_("evidence without deviation"),
        N_("no deviation"),
        "✓",
        "pass",
        N_("The evidence answers the requirement and shows no deviation at the time of the state."),
    ),
    Status.MANUAL: Mark(
        N_("manual"),
        N_("manual"),
        "○",
        "people",
        N_(
            "Network evidence does not decide it. People do; supporting evidence is listed where there is some."
        ),
    ),
    Status.NOT_APPLICABLE: Mark(
        N_("not applicable to the evidence"),
        N_("not applicable"),
        "–",
        "na",
        N_("It does not apply to the entity, is superseded, or the evidence holds nothing that it is about."),
    ),
}
"""Gaps first."""

STANDINGS: Mapping[Standing, Mark] = {
    Standing.UNAPPROVED: Mark(
        N_("not approved"),
        N_("not approved"),
        "✕",
        "fail",
        N_("No approved flow names it, and its other end is out of scope or outside the cluster."),
    ),
    Standing.INDETERMINATE: Mark(
        N_("can't be told"),
        N_("can't be told"),
        "?",
        "open",
        N_("The evidence, or the documented behaviour of the system, leaves open whether it may pass."),
    ),
    Standing.PEOPLE: Mark(
        N_("people decide"),
        N_("people decide"),
        "✎",
        "manual",
        N_(
            "No approved flow names it; its other end is connected-to or security-impacting, or nothing is approved."
        ),
    ),
    Standing.APPROVED: Mark(
        N_("approved"), N_("approved"), "✓", "pass", N_("An approved flow of the scope file names it.")
    ),
}
"""Of flows across the border of scope; the gravest first."""

POSSIBLE: Mapping[str, Mark] = {
    "no": Mark(N_("impossible"), N_("impossible"), "✕", "fail", N_("Policies deny all that is approved.")),
    "unknown-end": Mark(
        N_("names nothing known"),
        N_("names nothing known"),
        "✕",
        "fail",
        N_("An end names nothing in the cluster or the scope file's networks."),
    ),
    "partly": Mark(
        N_("possible in part"),
        N_("possible in part"),
        "✕",
        "fail",
        N_("Not every approved service may pass."),
    ),
    "indeterminate": Mark(
        N_("can't be told"), N_("can't be told"), "?", "open", N_("Whether it may pass can't be told.")
    ),
    "yes": Mark(N_("possible"), N_("possible"), "✓", "pass", N_("Every approved service may pass.")),
}
"""Of approved flows."""

ENCRYPTION_WORDS: Mapping[str, str] = {
    "encrypted": N_("encrypted, or refused in plaintext"),
    "plaintext": N_("plaintext possible"),
    "unknown": N_("can't be told"),
}

CLASSES: Mapping[ScopeClass, str] = {
    ScopeClass.IN_SCOPE: N_("in scope"),
    ScopeClass.CONNECTED_TO: N_("connected-to"),
    ScopeClass.SECURITY_IMPACTING: N_("security-impacting"),
    ScopeClass.OUT_OF_SCOPE: N_("out of scope"),
    ScopeClass.UNCLASSIFIED: N_("unclassified"),
}
CLASS_MEANINGS: Mapping[ScopeClass, str] = {
    ScopeClass.IN_SCOPE: N_("holds the data that the framework protects"),
    ScopeClass.CONNECTED_TO: N_("may connect to what holds the data"),
    ScopeClass.SECURITY_IMPACTING: N_("could affect the security of what holds the data"),
    ScopeClass.OUT_OF_SCOPE: N_("placed outside by the scope file, with a reason"),
    ScopeClass.UNCLASSIFIED: N_("no rule of the scope file matches; treated as in scope"),
}
AUTOMATION: Mapping[str, str] = {
    "automated": N_("automated"),
    "partial": N_("partial"),
    "manual": N_("manual"),
    "out-of-reach": N_("out of reach"),
}
STRENGTHS: Mapping[str, str] = {"full": N_("full"), "partial": N_("partial"), "supporting": N_("supporting")}
SEVERITIES: Mapping[str, str] = {
    "high": N_("high severity"),
    "medium": N_("medium severity"),
    "low": N_("low severity"),
    "info": N_("information"),
}
ENTITIES: Mapping[str, str] = {
    "merchant": N_("merchant"),
    "service-provider": N_("service provider"),
    "multi-tenant": N_("multi-tenant service provider"),
}
REACH_WORDS: Mapping[str, str] = {
    "allowed": N_("allowed"),
    "denied": N_("denied"),
    "conditional": N_("allowed under a condition"),
    "indeterminate": N_("can't be told"),
    "declared-not-enforced": N_("denied on paper, not enforced"),
}
VERDICT_MEANINGS: Mapping[str, str] = {
    "allowed": N_("The policies that are enforced let the connection through."),
    "denied": N_("A policy that is enforced stops it."),
    "conditional": N_(
        "It depends on something that evidence does not fix: a request's content, a name's addresses."
    ),
    "indeterminate": N_("The evidence, or the documented behaviour of the system, does not give an answer."),
    "declared-not-enforced": N_("A policy would stop it, and nothing in the cluster enforces that policy."),
}
COMPLETENESS: Mapping[str, str] = {
    "complete": N_("complete"),
    "partial": N_("partial"),
    "forbidden": N_("forbidden"),
    "absent": N_("absent"),
    "not-installed": N_("not installed"),
}
