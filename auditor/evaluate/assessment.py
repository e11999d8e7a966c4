"""All selected controls under every framework's scope, and the status of each requirement."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from auditor.catalog.catalogue import Catalogue
from auditor.checks.context import Context, Facts
from auditor.checks.definition import Check
from auditor.evaluate.requirements import RequirementStatus, requirement_statuses
from auditor.evaluate.runner import CheckRun, run_check
from auditor.inventory.scoping import ScopeView
from auditor.model.control import Control, Entity
from auditor.model.finding import Exclusion, Finding, Population
from auditor.model.outcome import Outcome, aggregate
from auditor.model.scope import ScopeClass
from auditor.model.strict_yaml import Located, Path
from auditor.model.user_error import UserError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Use:
    """A control's use of a check, with parsed parameters."""

    control: str
    check: Check
    parameters: BaseModel


@dataclass(frozen=True, slots=True)
class Assessment:
    """Findings with their ids and populations, sorted; outcomes by (framework, control); statuses of all requirements.

    `contexts`: the cluster as each framework sees it; frameworks that see it alike share one.
    """

    findings: tuple[Finding, ...]
    finding_ids: tuple[str, ...]
    populations: tuple[Population, ...]
    outcomes: Mapping[tuple[str, str], Outcome]
    statuses: tuple[RequirementStatus, ...]
    views: Mapping[str, ScopeView]
    contexts: Mapping[str, Context]


def bind_checks(catalogue: Catalogue, checks: Mapping[str, Check]) -> Mapping[str, Sequence[Use]]:
    """The checks of every control with their parameters.

    Raises UserError, one line an error, for checks that don't exist and parameters that don't fit.
    """
    errors: list[str] = []
    uses: dict[str, list[Use]] = {}
    for located in catalogue.controls.values():
        for index, use in enumerate(located.value.checks):
            bound = _bind(located, index, checks.get(use.check), errors)
            if bound is not None:
                uses.setdefault(located.value.id, []).append(bound)
    if errors:
        raise UserError("\n".join(errors))
    return uses


def _bind(located: Located[Control], index: int, check: Check | None, errors: list[str]) -> Use | None:
    path: Path = ("checks", index)
    use = located.value.checks[index]
    if check is None:
        errors.append(
            str(located.error((*path, "check"), f"no check {use.check!r}; see 'auditor controls list'"))
        )
        return None
    try:
        return Use(located.value.id, check, check.parameters.model_validate(use.parameters))
    except ValidationError as problem:
        for entry in problem.errors(include_url=False):
            where = tuple(part for part in entry["loc"] if isinstance(part, (str, int)))
            errors.append(str(located.error((*path, "parameters", *where), str(entry["msg"]))))
        return None


def assess(
    facts: Facts,
    catalogue: Catalogue,
    uses: Mapping[str, Sequence[Use]],
    frameworks: Sequence[str],
    entity: Entity,
    progress: Progress = lambda name, done, total: None,
) -> Assessment:
    """Run every control that a selected framework maps, under each framework's scope.

    Raises ScopeConflict when the scope file gives one namespace two classes.
    """
    views = {framework: ScopeView(framework, facts.cluster, facts.scope) for framework in frameworks}
    selected = {
        framework: [c for c in uses if is_mapped(catalogue.controls[c].value, framework)]
        for framework in frameworks
    }
    contexts = _shared_contexts(facts, views)
    runs: dict[tuple[str, int, int], CheckRun] = {}
    controls = sorted({control for names in selected.values() for control in names})
    for done, control in enumerate(controls):
        progress(control, done, len(controls))
        for number, use in enumerate(uses[control]):
            for framework in frameworks:
                key = (control, number, id(contexts[framework]))
                if control in selected[framework] and key not in runs:
                    runs[key] = run_check(control, use.check, use.parameters, contexts[framework])
    findings, ids = _merged(runs, contexts, selected)
    outcomes = _outcomes(findings, selected)
    return Assessment(
        findings=findings,
        finding_ids=ids,
        populations=tuple(_population(control, runs) for control in controls),
        outcomes=outcomes,
        statuses=tuple(requirement_statuses(catalogue, frameworks, outcomes, entity)),
        views=views,
        contexts=contexts,
    )


def is_mapped(control: Control, framework: str) -> bool:
    """Whether a control counts for a framework."""
    return any(mapping.framework == framework for mapping in control.requirements)


def _shared_contexts(facts: Facts, views: Mapping[str, ScopeView]) -> Mapping[str, Context]:
    """Frameworks that see the cluster alike share one context, so that each check runs once for all of them."""
    shared: dict[object, Context] = {}
    contexts = {}
    for framework, view in views.items():
        classes = tuple((e.id, view.of_endpoint(e)) for e in facts.endpoints)
        contexts[framework] = shared.setdefault((view.signature(), classes), Context(facts, view))
    return contexts


def _merged(
    runs: Mapping[tuple[str, int, int], CheckRun],
    contexts: Mapping[str, Context],
    selected: Mapping[str, Sequence[str]],
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Equal findings of several frameworks become one that names them all; with the id of each."""
    merged: dict[str, Finding] = {}
    for (control, _, context), run in runs.items():
        about = tuple(f for f in contexts if id(contexts[f]) == context and control in selected[f])
        for finding in run.findings:
            key = _key(finding)
            known = merged.get(key, finding)
            merged[key] = replace(known, frameworks=tuple(sorted({*known.frameworks, *about})))
    keys = sorted(merged)
    ids = tuple(hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys)
    return tuple(merged[key] for key in keys), ids


def _key(finding: Finding) -> str:
    """What makes two findings the same, as text that sorts by control, check, subject and reason."""
    parts = [finding.control, finding.check, finding.subject.id, finding.reason, dict(finding.parameters)]
    return json.dumps(parts, sort_keys=True, ensure_ascii=False)


def _outcomes(
    findings: Iterable[Finding], selected: Mapping[str, Sequence[str]]
) -> Mapping[tuple[str, str], Outcome]:
    by_control: dict[tuple[str, str], list[Outcome]] = {
        (framework, control): [] for framework, controls in selected.items() for control in controls
    }
    for finding in findings:
        for framework in finding.frameworks:
            by_control[framework, finding.control].append(finding.outcome)
    return {key: aggregate(outcomes) for key, outcomes in by_control.items()}


_BY_SCOPE = frozenset(str(entry) for entry in ScopeClass)
"""Where frameworks exclude a subject for different reasons, one that isn't about scope tells more."""


def _population(control: str, runs: Mapping[tuple[str, int, int], CheckRun]) -> Population:
    mine = [run for (name, _, _), run in runs.items() if name == control]
    listed = frozenset[str]().union(*(run.listed for run in mine))
    excluded_in_all = [{e.subject for e in run.excluded} | (listed - run.listed) for run in mine]
    never_evaluated = frozenset.intersection(*map(frozenset, excluded_in_all)) if mine else frozenset()
    reasons: dict[str, Exclusion] = {}
    left_out = (e for run in mine for e in run.excluded if e.subject in never_evaluated)
    for entry in sorted(left_out, key=lambda e: (e.subject, e.reason in _BY_SCOPE, e.reason)):
        reasons.setdefault(entry.subject, entry)
    return Population(control, len(listed), len(listed) - len(reasons), tuple(sorted(reasons.values())))
