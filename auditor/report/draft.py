"""What every section of the report is built from: the displayable result, indexed, and the bounds of the format."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from gettext import NullTranslations
from typing import TypeVar

from auditor.evaluate.reasons import ALL_EXCLUDED
from auditor.model import result as r
from auditor.report.display import anchor, displayable_result
from auditor.report.groups import FindingGroup, GapGroup, deviation_groups, gap_groups
from auditor.report.profile import Profile
from auditor.report.sentences import Sentences

T = TypeVar("T")
_SHORT_NAMES = {"pci-dss-4.0.1": "PCI DSS", "hipaa": "HIPAA", "gdpr": "GDPR"}


@dataclass(frozen=True, slots=True)
class RequirementRef:
    """A requirement as findings and controls name it: `PCI DSS 1.3.1`, with where it stands and why it is named."""

    framework: str
    name: str
    id: str
    anchor: str
    strength: str
    because: str


class Draft:
    """The result, its lookups, and the sentences in the language of the report. Never changed."""

    def __init__(
        self, result: r.AuditResult, profile: Profile, translations: NullTranslations | None
    ) -> None:
        self.result = displayable_result(result)
        self.profile = profile
        self.sentences = Sentences(translations)

    @cached_property
    def controls(self) -> Mapping[str, r.ControlResult]:
        """By id."""
        return {control.id: control for control in self.result.controls}

    @cached_property
    def populations(self) -> Mapping[str, r.PopulationResult]:
        """By control."""
        return {population.control: population for population in self.result.populations}

    @cached_property
    def evidence(self) -> Mapping[str, r.EvidenceItem]:
        """By id."""
        return {item.id: item for item in self.result.evidence}

    @cached_property
    def findings(self) -> Mapping[str, Sequence[r.FindingResult]]:
        """By control."""
        return grouped(self.result.findings, lambda finding: finding.control)

    @cached_property
    def _told_apart(self) -> frozenset[str]:
        """Ids of findings that a row must tell apart by framework: a control has several about one subject, or one that
        says of a single framework's scope that it leaves nothing over."""
        subjects = Counter((finding.control, finding.subject) for finding in self.result.findings)
        return frozenset(
            finding.id
            for finding in self.result.findings
            if subjects[finding.control, finding.subject] > 1 or finding.reason == ALL_EXCLUDED.code
        )

    def told_for(self, finding: r.FindingResult) -> str:
        """The frameworks that a row names beside its subject; nothing where the subject alone says which row it is."""
        if finding.id not in self._told_apart or len(finding.frameworks) == len(self.result.frameworks):
            return ""
        order = [framework.id for framework in self.result.frameworks]
        return ", ".join(framework_short(name) for name in sorted(finding.frameworks, key=order.index))

    @cached_property
    def known_requirements(self) -> frozenset[tuple[str, str]]:
        """(framework, id) of the requirements in the report."""
        return frozenset((entry.framework, entry.id) for entry in self.result.requirements)

    @cached_property
    def deviations(self) -> tuple[FindingGroup, ...]:
        """What the section on findings tells, numbered; the worst first."""
        return deviation_groups(self.result.findings, self.controls)

    @cached_property
    def gaps(self) -> tuple[GapGroup, ...]:
        """What could not be evaluated, by cause."""
        return gap_groups(self.result.findings, self.sentences)

    def requirements_of(
        self, control: str, frameworks: Iterable[str] | None = None
    ) -> tuple[RequirementRef, ...]:
        """The requirements that a control bears on, of all frameworks or of some; deciding mappings first."""
        wanted = None if frameworks is None else set(frameworks)
        refs = [
            self._reference(mapping)
            for mapping in self.controls[control].requirements
            if (wanted is None or mapping.framework in wanted)
            and (mapping.framework, mapping.requirement) in self.known_requirements
        ]
        order = [framework.id for framework in self.result.frameworks]
        return tuple(sorted(refs, key=lambda ref: (order.index(ref.framework), ref.strength == "supporting")))

    def _reference(self, mapping: r.MappingResult) -> RequirementRef:
        return RequirementRef(
            mapping.framework,
            framework_short(mapping.framework),
            mapping.requirement,
            requirement_anchor(mapping.framework, mapping.requirement),
            mapping.strength,
            mapping.because,
        )


def framework_short(framework: str) -> str:
    """A framework's name for narrow places."""
    return _SHORT_NAMES.get(framework, framework)


def framework_name(framework: r.FrameworkResult) -> str:
    """The title, with the version where that is a number."""
    numbered = framework.version.replace(".", "").isdigit()
    return f"{framework.title} {framework.version}" if numbered else framework.title


def requirement_anchor(framework: str, requirement: str) -> str:
    """Where a requirement stands in the document."""
    return anchor("r", framework, requirement)


def control_anchor(control: str) -> str:
    """Where a control stands in the document."""
    return anchor("c", control)


def grouped(entries: Iterable[T], key: Callable[[T], str]) -> Mapping[str, list[T]]:
    """Entries by key, in the order in which keys appear."""
    found: dict[str, list[T]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return found
