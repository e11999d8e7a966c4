"""Scope: which namespaces belong to which class, and the networks outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.model import result as r
from auditor.model.scope import AdministrativeAccess, ExternalNetwork, ScopeClass
from auditor.report.draft import Draft, framework_name, framework_short, grouped
from auditor.report.profile import Shortened, shorten
from auditor.report.wording import CLASSES, N_
from auditor.report.zones import Zones, draw_zones

TITLE = N_("Scope")
_MAX_DRAWN = 24
_TABLE_ROWS = 60
Wanted = Callable[[r.NamespaceClass], bool]
ByFramework = Mapping[str, Sequence[r.NamespaceClass]]


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """How many namespaces a framework puts into each class, in the order of the classes; and how many are undecided."""

    framework: str
    counts: tuple[int, ...]
    undecided: int


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """A namespace with its class word in each framework, and the scope file's reasons."""

    namespace: str
    classes: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassMembers:
    """The namespaces of one class in some frameworks, where there are too many to draw."""

    frameworks: str
    word: str
    count: int
    namespaces: Shortened[str]


@dataclass(frozen=True, slots=True)
class ScopeView:
    """Either `zones` (pictures) or `members` (tables) tell the zones."""

    scope: r.ScopeResult
    cluster: r.ClusterResult
    class_words: tuple[str, ...]
    counts: tuple[ClassCounts, ...]
    framework_names: tuple[str, ...]
    namespaces: Shortened[NamespaceRow]
    unclassified: tuple[tuple[str, str], ...]
    undecided: tuple[tuple[str, str], ...]
    nothing_in_scope: tuple[str, ...]
    zones: tuple[Zones, ...]
    members: tuple[ClassMembers, ...]
    networks: tuple[ExternalNetwork, ...]
    administrative: Shortened[AdministrativeAccess]
    assumptions: tuple[str, ...]


def build(draft: Draft) -> ScopeView:
    """The scope's view."""
    result = draft.result
    by_framework = grouped(result.scope.namespaces, lambda entry: entry.framework)
    names = {framework.id: framework_name(framework) for framework in result.frameworks}
    few = result.cluster.namespaces <= _MAX_DRAWN and len(_namespaces(result)) <= _MAX_DRAWN
    return ScopeView(
        scope=result.scope,
        cluster=result.cluster,
        class_words=tuple(CLASSES.values()),
        counts=tuple(_counts(name, by_framework.get(id, ())) for id, name in names.items()),
        framework_names=tuple(framework_short(id) for id in names),
        namespaces=shorten(_rows(result, tuple(names)), _TABLE_ROWS if draft.profile.paged else 2_000),
        unclassified=_named(result, lambda entry: entry.class_ is ScopeClass.UNCLASSIFIED),
        undecided=_named(result, lambda entry: entry.undecided),
        nothing_in_scope=tuple(
            framework_short(id)
            for id in names
            if all(entry.class_ is ScopeClass.OUT_OF_SCOPE for entry in by_framework.get(id, ()))
        ),
        zones=_drawn(result, by_framework) if few else (),
        members=() if few else _members(draft, by_framework),
        networks=tuple(result.scope.external_networks),
        administrative=shorten(
            result.scope.administrative_access, _TABLE_ROWS if draft.profile.paged else 2_000
        ),
        assumptions=tuple(result.assumptions),
    )


def _namespaces(result: r.AuditResult) -> list[str]:
    return sorted({entry.namespace for entry in result.scope.namespaces})


def _counts(name: str, entries: Sequence[r.NamespaceClass]) -> ClassCounts:
    counts = tuple(sum(entry.class_ is known for entry in entries) for known in CLASSES)
    return ClassCounts(name, counts, sum(entry.undecided for entry in entries))


def _rows(result: r.AuditResult, frameworks: Sequence[str]) -> list[NamespaceRow]:
    rows = []
    for namespace, entries in grouped(result.scope.namespaces, lambda entry: entry.namespace).items():
        classes = {entry.framework: CLASSES[entry.class_] for entry in entries}
        reasons = dict.fromkeys(entry.reason for entry in entries if entry.reason)
        rows.append(NamespaceRow(namespace, tuple(classes.get(id, "") for id in frameworks), tuple(reasons)))
    return sorted(rows, key=lambda row: row.namespace)


def _named(result: r.AuditResult, wanted: Wanted) -> tuple[tuple[str, str], ...]:
    """Namespaces with the frameworks for which something holds."""
    chosen = grouped((e for e in result.scope.namespaces if wanted(e)), lambda entry: entry.namespace)
    return tuple(
        (name, ", ".join(framework_short(e.framework) for e in chosen[name])) for name in sorted(chosen)
    )


def _drawn(result: r.AuditResult, by_framework: ByFramework) -> tuple[Zones, ...]:
    """One picture for frameworks that classify alike; none where everything is out of scope."""
    alike: dict[tuple[tuple[str, ScopeClass], ...], list[str]] = {}
    for framework in (entry.id for entry in result.frameworks):
        entries = by_framework.get(framework, ())
        if all(entry.class_ is ScopeClass.OUT_OF_SCOPE for entry in entries):
            continue
        signature = tuple(sorted((entry.namespace, entry.class_) for entry in entries))
        alike.setdefault(signature, []).append(framework)
    return tuple(
        draw_zones(result, dict(signature), [framework_short(name) for name in frameworks], f"zones-{number}")
        for number, (signature, frameworks) in enumerate(alike.items())
    )


def _members(draft: Draft, by_framework: ByFramework) -> tuple[ClassMembers, ...]:
    found: dict[tuple[ScopeClass, tuple[str, ...]], list[str]] = {}
    for framework, entries in by_framework.items():
        for known in CLASSES:
            names = tuple(sorted(entry.namespace for entry in entries if entry.class_ is known))
            if names:
                found.setdefault((known, names), []).append(framework_short(framework))
    limit = 60 if draft.profile.paged else 2_000
    return tuple(
        ClassMembers(", ".join(frameworks), CLASSES[known], len(names), shorten(names, limit))
        for (known, names), frameworks in found.items()
    )
