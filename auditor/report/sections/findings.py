"""Findings: each stands alone with what was tested, observed, decided by, the evidence beside the remedy, and its limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.model import result as r
from auditor.model.outcome import Outcome
from auditor.report.draft import Draft, RequirementRef, control_anchor
from auditor.report.flows import Detail, FlowRow, RuleRow, details, flow_rows, rule_rows
from auditor.report.groups import FindingGroup
from auditor.report.policy_yaml import Excerpt, as_yaml
from auditor.report.profile import Shortened, shorten
from auditor.report.sections import Entry
from auditor.report.wording import N_

TITLE = N_("Findings")
_MAX_REMEDIES = 2
_REGISTERED = "flows-approved"
"""Of this check the flow register shows every flow, joined over subjects."""
_CONTEXT_KINDS = frozenset({"Namespace", "Node", "Service", "ServiceAccount"})
_ENDINGS = {Outcome.FAIL: N_("Not met"), Outcome.ERROR: N_("Stopped with an error")}


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """A subject of a finding that is told once for many; `frameworks` where other rows are about the same subject."""

    finding: r.FindingResult
    observed: str
    frameworks: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of evidence that is printed beside the remedy."""

    item: r.EvidenceItem
    excerpt: Excerpt


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding of one or of many subjects. `ending` says what became of the control, whose title states the aim."""

    ending: str
    group: FindingGroup
    control_anchor: str
    population: r.PopulationResult | None
    requirements: tuple[RequirementRef, ...]
    observed: str
    subjects: Shortened[SubjectRow]
    flows: Shortened[FlowRow]
    registered: bool
    rules: Shortened[RuleRow]
    details: tuple[Detail, ...]
    excerpts: Shortened[Shown]
    evidence: Shortened[r.EvidenceItem]
    remedies: tuple[str, ...]
    remedies_differ: bool


@dataclass(frozen=True, slots=True)
class FindingsView:
    """All deviations and errors, the worst first."""

    findings: tuple[FindingView, ...]


def build(draft: Draft) -> FindingsView:
    """The view of the findings."""
    return FindingsView(tuple(_finding(draft, group) for group in draft.deviations))


def entries(view: FindingsView) -> tuple[Entry, ...]:
    """One line a finding."""
    return tuple(
        Entry(
            finding.group.anchor,
            finding.group.control.title,
            number=finding.group.number,
            ending=finding.ending,
        )
        for finding in view.findings
    )


def _finding(draft: Draft, group: FindingGroup) -> FindingView:
    profile, single = draft.profile, len(group.findings) == 1
    items = _evidence(draft, group.findings)
    shown = [item for item in items if item.excerpt is not None and _decides(item, group.findings)]
    frameworks = {name for finding in group.findings for name in finding.frameworks}
    remedies = dict.fromkeys(draft.sentences.remedy(finding) for finding in group.findings)
    alike = len(remedies) <= _MAX_REMEDIES
    registered = all(finding.check == _REGISTERED for finding in group.findings)
    flows = [] if registered else [row for finding in group.findings for row in flow_rows(finding)]
    return FindingView(
        ending=_ENDINGS[group.outcome],
        group=group,
        control_anchor=control_anchor(group.control.id),
        population=draft.populations.get(group.control.id),
        requirements=draft.requirements_of(group.control.id, frameworks),
        observed=draft.sentences.message(group.findings[0]),
        subjects=shorten([_subject(draft, finding) for finding in group.findings], profile.subject_rows),
        flows=shorten(flows, profile.flow_rows),
        registered=registered,
        rules=shorten(
            list(dict.fromkeys(row for f in group.findings for row in rule_rows(f))), profile.flow_rows
        ),
        details=details(group.findings[0], draft.sentences.cause) if single else (),
        excerpts=shorten(
            [
                Shown(item, as_yaml(item.excerpt or {}, profile.excerpt_lines))
                for item in shown[: profile.excerpts]
            ],
            profile.excerpts,
        ),
        evidence=shorten(items, profile.named),
        remedies=tuple(text for text in remedies if text) if alike else (),
        remedies_differ=not alike,
    )


def _subject(draft: Draft, finding: r.FindingResult) -> SubjectRow:
    evidence = tuple(id[:12] for id in finding.evidence)
    return SubjectRow(finding, draft.sentences.message(finding), draft.told_for(finding), evidence)


def _evidence(draft: Draft, findings: Sequence[r.FindingResult]) -> list[r.EvidenceItem]:
    """The evidence of the findings without repetition: subjects themselves first, then what decided."""
    ids = dict.fromkeys(id for finding in findings for id in finding.evidence)
    items = [draft.evidence[id] for id in ids if id in draft.evidence]
    subjects = {_object_of(finding.subject) for finding in findings}
    deciding = _deciding_objects(findings)
    return sorted(
        items, key=lambda item: 0 if item.object in subjects else 1 if item.object in deciding else 2
    )


def _decides(item: r.EvidenceItem, findings: Sequence[r.FindingResult]) -> bool:
    """Whether an object is worth printing: nodes, namespaces and Services only where the finding is about them."""
    if item.kind not in _CONTEXT_KINDS:
        return True
    return item.object in _deciding_objects(findings) | {_object_of(finding.subject) for finding in findings}


def _deciding_objects(findings: Sequence[r.FindingResult]) -> set[str]:
    return {name for finding in findings for name in _deciding(finding.parameters)}


def _object_of(subject: str) -> str:
    """The object that a subject's id names, without a port or a host after it."""
    return subject.partition(" ")[0].partition(":")[0]


def _deciding(parameters: Mapping[str, Any]) -> Iterable[str]:
    for value in (parameters, *_mappings(parameters.get("flows"))):
        for rule in _mappings(value.get("decided_by")):
            yield str(rule.get("object", ""))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
