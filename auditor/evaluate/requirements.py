"""From the outcomes of controls to the status of requirements (contracts: requirement status)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.catalog.catalogue import Catalogue
from auditor.model.control import Entity, Requirement, Strength
from auditor.model.outcome import Outcome, Status, aggregate


@dataclass(frozen=True, slots=True)
class MappedControl:
    """A control that a requirement is mapped to, and its outcome under that framework's scope."""

    control: str
    strength: Strength
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RequirementStatus:
    """A requirement with its status, the sentence behind it, and its controls (supporting ones never decide)."""

    framework: str
    requirement: Requirement
    status: Status
    because: str
    controls: tuple[MappedControl, ...]


def requirement_statuses(
    catalogue: Catalogue,
    frameworks: Sequence[str],
    outcomes: Mapping[tuple[str, str], Outcome],
    entity: Entity,
) -> Iterator[RequirementStatus]:
    """The status of every requirement of the selected frameworks, in the frameworks' own order."""
    for framework in frameworks:
        mapped = _mapped(catalogue, framework, outcomes)
        for requirement in catalogue.frameworks[framework].requirements:
            controls = tuple(sorted(mapped.get(requirement.id, ()), key=lambda m: m.control))
            status, because = decide(requirement, controls, entity)
            yield RequirementStatus(framework, requirement, status, because, controls)


def _mapped(
    catalogue: Catalogue, framework: str, outcomes: Mapping[tuple[str, str], Outcome]
) -> Mapping[str, list[MappedControl]]:
    found: dict[str, list[MappedControl]] = {}
    for located in catalogue.controls.values():
        control = located.value
        outcome = outcomes.get((framework, control.id))
        for mapping in control.requirements:
            if mapping.framework == framework and outcome is not None:
                entry = MappedControl(control.id, mapping.strength, outcome)
                found.setdefault(mapping.requirement, []).append(entry)
    return found


def decide(requirement: Requirement, controls: Sequence[MappedControl], entity: Entity) -> tuple[Status, str]:
    """The status and its reason. Only full and partial mappings decide; the best of a partial one leaves manual steps."""
    if requirement.entities and entity not in requirement.entities:
        return (
            Status.NOT_APPLICABLE,
            f"applies to {' and '.join(requirement.entities)}s only; the entity is a {entity}",
        )
    if requirement.superseded_by:
        return Status.NOT_APPLICABLE, f"superseded by {requirement.superseded_by}"
    deciding = [entry for entry in controls if entry.strength != "supporting"]
    if not deciding:
        return _undecided(requirement, bool(controls))
    outcome = aggregate(entry.outcome for entry in deciding)
    named = ", ".join(entry.control for entry in deciding if entry.outcome is outcome)
    if outcome is Outcome.FAIL:
        return Status.DEVIATION, f"deviation in {named}"
    if outcome in (Outcome.ERROR, Outcome.NOT_EVALUATED):
        return Status.NOT_TESTED, f"not evaluated: {named}"
    if outcome is Outcome.NOT_APPLICABLE:
        return Status.NOT_APPLICABLE, f"the evidence holds no subject for {named}"
    if outcome is Outcome.MANUAL and all(entry.outcome is not Outcome.PASS for entry in deciding):
        return Status.MANUAL, f"people decide on what {named} prepares"
    full = any(entry.strength == "full" and entry.outcome is Outcome.PASS for entry in deciding)
    if outcome is Outcome.PASS and full and requirement.automation == "automated":
        return Status.NO_DEVIATION, f"evidence from {named}"
    return Status.MANUAL_OPEN, f"evidence from {named}; the manual steps remain"


def _undecided(requirement: Requirement, supported: bool) -> tuple[Status, str]:
    if requirement.automation == "out-of-reach":
        return Status.MANUAL, "out of reach of network evidence"
    if requirement.automation == "manual":
        return Status.MANUAL, "evidence is prepared; people decide" if supported else "people decide"
    what = "supporting evidence only; no control decides it" if supported else "no control decides it"
    return Status.NOT_TESTED, what
