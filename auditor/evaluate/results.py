"""From an assessment to the AuditResult that every renderer reads. Pure: clock, command line and version come in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.catalog.catalogue import Catalogue
from auditor.checks.context import Facts
from auditor.evaluate.assessment import Assessment, Use
from auditor.evaluate.certificates_view import build_certificates
from auditor.evaluate.diagram import build_diagram
from auditor.evaluate.excerpts import excerpt
from auditor.evaluate.phrases import PHRASES
from auditor.evaluate.reasons import RUNNER_REASONS
from auditor.evaluate.register import build_register
from auditor.evaluate.requirements import RequirementStatus
from auditor.evaluate.rule_lists import bound_finding
from auditor.model import result as r
from auditor.model.control import Control
from auditor.model.evidence import Completeness, InputFile, Snapshot
from auditor.model.finding import Finding, Population, Reason
from auditor.model.kinds import KNOWN_KINDS, KindKey
from auditor.model.objects import KubeObject, text_at
from auditor.model.outcome import Outcome, Status, aggregate
from auditor.model.scope import AdministrativeAccess, Scope
from auditor.model.sentence import fill


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the use case knows and the evaluation doesn't: who asked, when, with which words and files."""

    title: str
    tool: r.Tool
    evaluated_at: str
    period: str | None
    organisation: str | None
    assume_complete: str | None
    scope_file: str | None
    scope_sha256: str | None
    frameworks: tuple[str, ...]


def build_result(
    facts: Facts,
    catalogue: Catalogue,
    uses: Mapping[str, Sequence[Use]],
    assessment: Assessment,
    particulars: Particulars,
) -> r.AuditResult:
    """The whole result, every list sorted."""
    controls = [catalogue.controls[population.control].value for population in assessment.populations]
    read_kinds = {read.key for c in controls for use in uses[c.id] for read in use.check.reads}
    kinds = _kinds(facts.snapshot, read_kinds)
    reasons = {use.check.id: {**RUNNER_REASONS, **use.check.reasons} for c in controls for use in uses[c.id]}
    numbered = zip(assessment.finding_ids, assessment.findings, strict=True)
    findings = [_finding(id_, found, reasons[found.check][found.reason]) for id_, found in numbered]
    certificates = build_certificates(facts)
    return r.AuditResult(
        title=particulars.title,
        tool=particulars.tool,
        run=_run(facts.snapshot, particulars, kinds),
        cluster=_cluster(facts),
        scope=_scope(facts.scope, assessment, particulars),
        diagram=build_diagram(facts, list(assessment.views)),
        flow_register=build_register(facts, assessment.contexts),
        certificates=certificates.rows,
        certificate_hosts=certificates.hosts,
        inputs=[_input(entry) for entry in facts.snapshot.inputs],
        kinds=kinds,
        evidence=_evidence(facts, findings, kinds),
        redactions=[
            r.RedactionResult(object=str(entry.object), fields=sorted(entry.fields), reason=entry.reason)
            for entry in sorted(facts.snapshot.redactions, key=lambda entry: (entry.object, entry.reason))
        ],
        frameworks=_frameworks(catalogue, assessment),
        controls=[_control(control, uses[control.id], assessment) for control in controls],
        populations=[_population(entry) for entry in assessment.populations],
        findings=findings,
        requirements=[_requirement(entry) for entry in assessment.statuses],
        assumptions=_assumptions(facts, particulars),
        limitations=_limitations(facts),
    )


def _run(snapshot: Snapshot, particulars: Particulars, kinds: Sequence[r.KindEvidence]) -> r.Run:
    complete = {Completeness.COMPLETE, Completeness.NOT_INSTALLED}
    return r.Run(
        evaluated_at=particulars.evaluated_at,
        collected_at=snapshot.collected_at,
        collected_by=snapshot.collected_by,
        period=particulars.period,
        assume_complete=particulars.assume_complete,
        frameworks=list(particulars.frameworks),
        complete=all(kind.completeness in complete for kind in kinds if kind.read),
    )


def _cluster(facts: Facts) -> r.ClusterResult:
    identity = facts.snapshot.cluster
    return r.ClusterResult(
        name=identity.name,
        uid=identity.uid,
        nodes=len(facts.cluster.nodes) or None,
        namespaces=len(facts.cluster.namespaces),
        pods=len(facts.cluster.pods),
        endpoints=len(facts.endpoints),
        components=list(facts.components),
    )


def _scope(scope: Scope | None, assessment: Assessment, particulars: Particulars) -> r.ScopeResult:
    known = scope or Scope()
    classes = [
        r.NamespaceClass(
            namespace=namespace,
            framework=framework,
            class_=entry.class_,
            rule=entry.rule,
            undecided=entry.undecided,
            reason=known.namespaces[entry.rule].reason if entry.rule is not None else None,
        )
        for framework, view in assessment.views.items()
        for namespace, entry in view.namespaces.items()
    ]
    return r.ScopeResult(
        file=particulars.scope_file,
        sha256=particulars.scope_sha256,
        organisation=particulars.organisation or known.organisation,
        assessor=known.assessor,
        entity=known.entity,
        marking=known.marking,
        distribution=known.distribution,
        namespaces=sorted(classes, key=lambda entry: (entry.namespace, entry.framework)),
        external_networks=sorted(known.external_networks, key=lambda entry: entry.name),
        administrative_access=sorted(known.administrative_access, key=_place),
        approved_flows=sorted(known.approved_flows, key=lambda entry: entry.id),
    )


def _place(entry: AdministrativeAccess) -> tuple[str, str, str]:
    return entry.host or entry.endpoint or "", entry.protocol, str(entry.ports)


def _input(entry: InputFile) -> r.Input:
    return r.Input(
        path=entry.path,
        size=entry.size,
        sha256=entry.sha256,
        objects=entry.objects,
        problem=entry.problem,
    )


def _kinds(snapshot: Snapshot, read_kinds: Iterable[KindKey]) -> list[r.KindEvidence]:
    counts = Counter(obj.key for obj in snapshot.objects)
    read = set(read_kinds)
    found = []
    for key in sorted(read | set(counts)):
        gap = snapshot.completeness(key)
        known = KNOWN_KINDS.get(key)
        found.append(
            r.KindEvidence(
                group=key.group,
                kind=key.kind,
                resource=known.resource if known else None,
                objects=counts[key],
                completeness=str(gap.state),
                cause=gap.cause,
                requests=sorted({claim.command for claim in snapshot.claims if claim.key == key}),
                read=key in read,
            )
        )
    return found


def _finding(id_: str, finding: Finding, reason: Reason) -> r.FindingResult:
    parameters = {"subject": finding.subject.id, **finding.parameters}
    told, evidence = bound_finding(finding.parameters, sorted(set(finding.evidence)))
    return r.FindingResult(
        id=id_,
        control=finding.control,
        check=finding.check,
        subject=finding.subject.id,
        namespace=finding.subject.namespace,
        outcome=finding.outcome,
        reason=finding.reason,
        parameters=told,
        message=fill(reason.sentence, parameters, PHRASES),
        remedy=fill(reason.remedy, parameters, PHRASES) if reason.remedy else "",
        evidence=evidence,
        frameworks=list(finding.frameworks),
    )


def _evidence(
    facts: Facts, findings: Sequence[r.FindingResult], kinds: Sequence[r.KindEvidence]
) -> list[r.EvidenceItem]:
    wanted = {evidence for finding in findings for evidence in finding.evidence}
    completeness = {(kind.group, kind.kind): kind.completeness for kind in kinds}
    redactions: dict[object, list[str]] = {}
    for entry in facts.snapshot.redactions:
        redactions.setdefault(entry.object, []).extend(entry.fields)
    items = {}
    for obj in facts.snapshot.objects:
        if obj.evidence_id in wanted:
            state = completeness.get((obj.id.group, obj.id.kind), str(Completeness.ABSENT))
            items[obj.evidence_id] = _item(obj, state, redactions.get(obj.id, []))
    return [items[key] for key in sorted(items, key=lambda key: (items[key].object, key))]


def _item(obj: KubeObject, completeness: str, redactions: Iterable[str]) -> r.EvidenceItem:
    return r.EvidenceItem(
        id=obj.evidence_id,
        object=str(obj.id),
        kind=str(obj.key),
        source=obj.source,
        resource_version=text_at(obj.body, "metadata", "resourceVersion"),
        completeness=completeness,
        redactions=sorted(set(redactions)),
        excerpt=excerpt(obj),
    )


def _frameworks(catalogue: Catalogue, assessment: Assessment) -> list[r.FrameworkResult]:
    counts: dict[str, Counter[Status]] = {framework: Counter() for framework in assessment.views}
    for entry in assessment.statuses:
        counts[entry.framework][entry.status] += 1
    return [
        r.FrameworkResult(
            id=framework.id,
            title=framework.title,
            version=framework.version,
            wording=framework.wording,
            source=framework.source,
            sections=[(section.id, section.title) for section in framework.sections],
            counts={status: counts[framework.id][status] for status in Status},
        )
        for framework in catalogue.frameworks.values()
        if framework.id in assessment.views
    ]


def _control(control: Control, uses: Sequence[Use], assessment: Assessment) -> r.ControlResult:
    counts = Counter(finding.outcome for finding in assessment.findings if finding.control == control.id)
    return r.ControlResult(
        id=control.id,
        title=control.title,
        severity=control.severity,
        automation=control.automation,
        objective=control.objective,
        why_it_matters=control.why_it_matters,
        limitations=control.limitations,
        remediation=control.remediation,
        outcome=aggregate(counts),
        counts={outcome: counts[outcome] for outcome in Outcome},
        checks=[use.check.id for use in uses],
        requirements=[
            r.MappingResult(**mapping.model_dump())
            for mapping in control.requirements
            if mapping.framework in assessment.views
        ],
    )


def _population(entry: Population) -> r.PopulationResult:
    return r.PopulationResult(
        control=entry.control,
        listed=entry.listed,
        evaluated=entry.evaluated,
        excluded=[r.ExclusionResult(subject=e.subject, reason=e.reason) for e in entry.excluded],
    )


def _requirement(entry: RequirementStatus) -> r.RequirementResult:
    requirement = entry.requirement
    return r.RequirementResult(
        framework=entry.framework,
        id=requirement.id,
        section=requirement.section,
        title=requirement.title,
        text=requirement.text,
        automation=requirement.automation,
        because=requirement.because,
        manual_steps=requirement.manual_steps,
        designation=requirement.designation,
        note=requirement.note,
        status=entry.status,
        status_reason=entry.because,
        controls=[
            r.RequirementControl(control=c.control, strength=c.strength, outcome=c.outcome)
            for c in entry.controls
        ],
    )


def _assumptions(facts: Facts, particulars: Particulars) -> list[str]:
    told = []
    if facts.scope is None:
        told.append("No scope file was given: every namespace is treated as in scope of every framework.")
    if particulars.assume_complete:
        told.append(
            f"{particulars.assume_complete} claims that the input holds every object of each kind that is read; "
            "agents and proxies that run are never assumed."
        )
    return told


def _limitations(facts: Facts) -> list[str]:
    told = [
        "The state at one time was read, as the API server gave it; nothing was sent over the network it describes.",
        "Policy shows what may connect, not what did connect.",
    ]
    if facts.snapshot.collected_at is None:
        told.append("The time of collection is not recorded in the input.")
    return told
