"""The catalogue: controls and frameworks, loaded strictly and cross-checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.model.control import Control, Framework, Requirement
from auditor.model.strict_yaml import Located, Path, parse_strict
from auditor.model.user_error import UserError


@dataclass(frozen=True, slots=True)
class SourceText:
    """A control or framework file: its name as the user knows it, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Controls by id (sorted) and frameworks by id (in the order that reports use)."""

    controls: Mapping[str, Located[Control]]
    frameworks: Mapping[str, Framework]

    def requirement(self, framework: str, requirement: str) -> Requirement | None:
        """A requirement of a framework, None where the list doesn't have it."""
        found = self.frameworks.get(framework)
        entries = found.requirements if found else []
        return next((entry for entry in entries if entry.id == requirement), None)


FRAMEWORK_ORDER = ("pci-dss-4.0.1", "hipaa", "gdpr")


def load_catalogue(
    controls: Iterable[SourceText],
    frameworks: Iterable[SourceText],
    stand_ins: Iterable[SourceText] = (),
) -> Catalogue:
    """Parse and cross-check. `stand_ins` are controls that count only where `controls` does not define their id.

    Raises UserError, one line an error: whatever parse_strict refuses, duplicate ids, requirements that aren't in
    their framework's list, controls that `requires` name and nobody defines, circles among them.
    """
    found_frameworks = {
        f.value.id: f.value for f in (parse_strict(s.text, s.name, Framework) for s in frameworks)
    }
    parsed = _parsed(controls)
    given = {entry.value.id for entry in parsed}
    parsed += [entry for entry in _parsed(stand_ins) if entry.value.id not in given]
    located = {entry.value.id: entry for entry in parsed}
    errors = [*_duplicates(parsed)]
    for entry in parsed:
        errors += _unknown_requirements(entry, found_frameworks)
        errors += _unknown_required(entry, located)
    errors += _circles(located)
    if errors:
        raise UserError("\n".join(str(error) for error in errors))
    ordered = sorted(found_frameworks.values(), key=_framework_rank)
    return Catalogue(dict(sorted(located.items())), {framework.id: framework for framework in ordered})


def _parsed(sources: Iterable[SourceText]) -> list[Located[Control]]:
    ordered = sorted(sources, key=lambda source: source.name)
    return [parse_strict(source.text, source.name, Control) for source in ordered]


def _framework_rank(framework: Framework) -> tuple[int, str]:
    known = framework.id in FRAMEWORK_ORDER
    return (FRAMEWORK_ORDER.index(framework.id) if known else len(FRAMEWORK_ORDER), framework.id)


def _duplicates(parsed: Sequence[Located[Control]]) -> Iterable[UserError]:
    first: dict[str, Located[Control]] = {}
    for entry in parsed:
        other = first.setdefault(entry.value.id, entry)
        if other is not entry:
            yield entry.error(("id",), f"control {entry.value.id!r} is already defined in {other.name}")


def _unknown_requirements(
    entry: Located[Control], frameworks: Mapping[str, Framework]
) -> Iterable[UserError]:
    seen: set[tuple[str, str]] = set()
    for index, mapping in enumerate(entry.value.requirements):
        path: Path = ("requirements", index, "requirement")
        framework = frameworks.get(mapping.framework)
        if framework is None:
            known = ", ".join(sorted(frameworks))
            yield entry.error(
                (*path[:-1], "framework"), f"unknown framework {mapping.framework!r}; expected {known}"
            )
            continue
        requirement = next((r for r in framework.requirements if r.id == mapping.requirement), None)
        if requirement is None:
            yield entry.error(path, f"{mapping.requirement!r} is not in the list of {mapping.framework}")
        elif (limit := _strength_problem(requirement, mapping.strength)) is not None:
            yield entry.error((*path[:-1], "strength"), limit)
        if (mapping.framework, mapping.requirement) in seen:
            yield entry.error(path, f"{mapping.requirement!r} is mapped twice")
        seen.add((mapping.framework, mapping.requirement))


def _strength_problem(requirement: Requirement, strength: str) -> str | None:
    """Evidence can support a manual requirement but never decide it; to one out of reach it says nothing."""
    if requirement.automation == "out-of-reach":
        return f"{requirement.id} is out of reach of network evidence; nothing may be mapped to it"
    if requirement.automation == "manual" and strength != "supporting":
        return f"{requirement.id} is manual; expected supporting"
    if requirement.automation == "partial" and strength == "full":
        return f"{requirement.id} is partial; expected partial or supporting"
    return None


def _unknown_required(entry: Located[Control], located: Mapping[str, object]) -> Iterable[UserError]:
    for index, name in enumerate(entry.value.requires):
        if name not in located:
            yield entry.error(("requires", index), f"no control {name!r}")


def _circles(located: Mapping[str, Located[Control]]) -> Iterable[UserError]:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> Iterable[UserError]:
        if name in trail:
            yield located[name].error(("requires",), "circle: " + " -> ".join((*trail, name)))
            return
        if name in done or name not in located:
            return
        done.add(name)
        for required in located[name].value.requires:
            yield from visit(required, (*trail, name))

    for name in located:
        yield from visit(name, ())
