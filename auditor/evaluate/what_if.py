"""What would change if some policies were applied, replaced or removed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_changes import Change, Part, change_rows, compare_views, difference
from auditor.evaluate.connectivity_levels import pod_network
from auditor.evaluate.connectivity_view import InScope, build_view, completeness
from auditor.inventory.endpoints import endpoints_stay
from auditor.model.connectivity_result import BasisName, ChangesResult, Level
from auditor.model.objects import KubeObject, ObjectId
from auditor.model.user_error import UserError
from auditor.model.verdict import Cause
from auditor.network.addresses import External
from auditor.network.bits import from_members, members
from auditor.network.changes import PairChange, changed_pairs
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.reasons import cause
from auditor.network.recheck import Rechecked, recheck
from auditor.network.representation import Bits
from auditor.network.universe import Universe

_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """Objects to apply: new ones, or ones that replace those of the same identity; and ids of objects to remove."""

    applied: Sequence[KubeObject] = ()
    removed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The changes. `anew`: why both states had to be computed whole; None where only what is touched was."""

    result: ChangesResult
    anew: Cause | None


def what_if(
    facts: Facts,
    proposal: Proposal,
    level: Level = "workload",
    basis: BasisName = "declared",
    in_scope: Callable[[Facts], InScope] | None = None,
) -> WhatIf:
    """The proposal's effect on who can connect to whom. Raises UserError when an object to remove isn't there."""
    old, new = _exchanged(facts, proposal)
    gone = {obj.id for obj in old}
    objects = [*(obj for obj in facts.snapshot.objects if obj.id not in gone), *new]
    snapshot = replace(facts.snapshot, objects=tuple(sorted(objects, key=lambda obj: obj.id)))
    after = Facts(snapshot, facts.scope, facts.now)
    if level != "namespace":
        network = pod_network(facts) if level == "pod" else facts.network
        grouped = level == "pod" or endpoints_stay(facts.endpoints, after.cluster, old, new)
        found = recheck(network, after.cluster, [*old, *new], None if grouped else after.endpoints)
        if found.anew is None:
            chosen = in_scope(facts) if in_scope else None
            return WhatIf(_touched(facts, after, network, found, level, basis, chosen), None)
        anew = found.anew
    else:
        anew = cause("anew.namespaces")
    views = (build_view(one, level, basis, in_scope(one) if in_scope else None) for one in (after, facts))
    return WhatIf(compare_views(*views), anew)


def _exchanged(facts: Facts, proposal: Proposal) -> tuple[list[KubeObject], list[KubeObject]]:
    """The objects that go, and those that come; what is applied as it is already stays."""
    known = {obj.id: obj for obj in facts.snapshot.objects}
    by_name = {str(id): obj for id, obj in known.items()}
    old: dict[ObjectId, KubeObject] = {}
    for name in proposal.removed:
        obj = by_name.get(name)
        if obj is None:
            raise UserError(_missing(name, by_name))
        old[obj.id] = obj
    new = []
    for obj in proposal.applied:
        if obj.id in old:
            raise UserError(f"{obj.id} is both applied and removed: expected one of the two")
        existing = known.get(obj.id)
        if existing is None or existing.body != obj.body:
            new.append(obj)
    old |= {obj.id: known[obj.id] for obj in new if obj.id in known}
    return list(old.values()), new


def _missing(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), _CANDIDATES, 0.6)
    hint = f"; did you mean {', '.join(close)}?" if close else "; expected namespace/Kind/name"
    return f"--without {name}: no such object in SOURCE{hint}"


def _touched(
    facts: Facts,
    after: Facts,
    before: Connectivity,
    found: Rechecked,
    level: Level,
    basis: BasisName,
    in_scope: InScope | None,
) -> ChangesResult:
    changed = list(_scoped(changed_pairs(before, found, Basis(basis)), found.after.universe, in_scope))
    parts, positions = _parts(found.after.universe, changed)
    changes = [
        Change(source, destination, difference(entry.after, entry.before))
        for entry in changed
        for source in positions[entry.sources]
        for destination in positions[entry.destinations]
    ]
    groups, rows = change_rows(parts, [change for change in changes if any(change.told)])
    return ChangesResult(
        level=level,
        basis=basis,
        added=[],
        removed=[],
        completeness=completeness(after, found.after),
        completeness_before=completeness(facts, before),
        groups=groups,
        changes=rows,
    )


def _scoped(
    changes: Iterable[PairChange], universe: Universe, in_scope: InScope | None
) -> Iterator[PairChange]:
    """Only pairs of which one end at least is in scope, and none between two ranges outside."""
    if in_scope is None:
        yield from changes
        return
    chosen = from_members(i for i, endpoint in enumerate(universe.endpoints) if in_scope(endpoint))
    for entry in changes:
        if inside := entry.destinations & chosen:
            yield replace(entry, destinations=inside)
        rest = entry.destinations & ~chosen
        if rest and (sources := entry.sources & chosen):
            yield replace(entry, sources=sources, destinations=rest)


def _parts(universe: Universe, changes: Sequence[PairChange]) -> tuple[list[Part], Mapping[Bits, list[int]]]:
    """The peers that changes name, cut so that each side of a change is made of whole parts.

    External ranges are parts by themselves. Also the positions of the parts of each side.
    """
    sides = list(dict.fromkeys(bits for entry in changes for bits in (entry.sources, entry.destinations)))
    held: dict[int, list[int]] = {}
    for number, bits in enumerate(sides):
        for position in members(bits):
            held.setdefault(position, []).append(number)
    places: dict[object, list[int]] = {}
    for position, numbers in held.items():
        alone = isinstance(universe.peers[position], External)
        places.setdefault((tuple(numbers), position if alone else -1), []).append(position)
    positions: dict[Bits, list[int]] = {bits: [] for bits in sides}
    parts = []
    for part, found in enumerate(places.values()):
        parts.append(Part(tuple(sorted(universe.peers[position].id for position in found))))
        for number in held[found[0]]:
            positions[sides[number]].append(part)
    return parts, positions
