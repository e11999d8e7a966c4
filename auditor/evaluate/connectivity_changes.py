"""What became reachable and what ceased to be between two states of a cluster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.connectivity_result import ChangeRow, ChangesResult, GroupRow, Ports
from auditor.network.addresses import External, contains, disjoint_externals
from auditor.network.all_pairs import PairVerdict
from auditor.network.changes import Sides
from auditor.network.ports import NOTHING, PortSet, full_range

_Names = Mapping[str, Sequence[str]]
_Spot = tuple[int, int]
Told = tuple[PortSet, PortSet, PortSet, PortSet]
"""Ports that were gained, lost, became uncertain, became certain."""


@dataclass(frozen=True, slots=True)
class Part:
    """Names to which the same happened: endpoints, or one external range."""

    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an ordered pair of parts, by their positions."""

    source: int
    destination: int
    told: Told


def compare_views(new: ConnectivityView, old: ConnectivityView) -> ChangesResult:
    """Changes by ordered pairs, endpoints matched by id and external ranges cut so that both states know them."""
    parts, after, before = _align(new, old)
    now, then = _spots(new, after), _spots(old, before)
    here, there = _Reading.of(new, old), _Reading.of(old, new)
    known: dict[_Spot, Told] = {}
    changes = []
    for pair in {*now, *then}:
        key = now.get(pair, 0), then.get(pair, 0)
        if key not in known:
            known[key] = difference(here.sides(new.verdicts[key[0]]), there.sides(old.verdicts[key[1]]))
        if any(known[key]):
            changes.append(Change(*pair, known[key]))
    names, names_before = ({row.id for row in view.endpoints} for view in (new, old))
    groups, rows = change_rows(parts, changes, within=new.level == "namespace")
    return ChangesResult(
        level=new.level,
        basis=new.basis,
        added=sorted(names - names_before),
        removed=sorted(names_before - names),
        completeness=new.completeness,
        completeness_before=old.completeness,
        groups=groups,
        changes=rows,
    )


def change_rows(
    parts: Sequence[Part], changes: Iterable[Change], within: bool = False
) -> tuple[list[GroupRow], list[ChangeRow]]:
    """The groups with several members that changes name, and the changes, sorted.

    `within`: what happens between a name and itself counts.
    """
    said = [
        change
        for change in changes
        if within or change.source != change.destination or len(parts[change.source].members) > 1
    ]
    used = {position for change in said for position in (change.source, change.destination)}
    several = sorted((parts[i].members, i) for i in used if len(parts[i].members) > 1)
    width = len(str(len(several)))
    ids = {i: f"group-{number:0{width}d}" for number, (_, i) in enumerate(several, 1)}
    groups = [GroupRow(id=ids[i], members=list(members)) for members, i in several]
    rows = {told: tuple(map(port_rows, told)) for told in {change.told for change in said}}
    named = ((_name(parts, ids, c.source), _name(parts, ids, c.destination), rows[c.told]) for c in said)
    return groups, [_row(*entry) for entry in sorted(named, key=lambda entry: entry[:2])]


def _name(parts: Sequence[Part], ids: Mapping[int, str], position: int) -> str:
    return ids.get(position) or parts[position].members[0]


def _row(source: str, destination: str, told: tuple[list[Ports], ...]) -> ChangeRow:
    gained, lost, uncertain, certain = told
    return ChangeRow(
        source=source,
        destination=destination,
        gained=gained,
        lost=lost,
        became_uncertain=uncertain,
        became_certain=certain,
    )


def difference(now: Sides, then: Sides) -> Told:
    """What happened to a pair of which both states are known."""
    return (
        now.reachable.minus(then.reachable),
        then.reachable.minus(now.reachable).minus(now.uncertain),
        now.uncertain.minus(then.uncertain),
        then.uncertain.minus(now.uncertain),
    )


def port_rows(ports: PortSet) -> list[Ports]:
    """A port set as rows of a result."""
    return [Ports.model_validate(entry) for entry in ports.as_json()]


# -- two views ----------------------------------------------------------------------------------------------------------


def _align(
    new: ConnectivityView, old: ConnectivityView
) -> tuple[list[Part], dict[str, list[int]], dict[str, list[int]]]:
    """Parts that are whole in both states, and for each state the parts of its groups and ranges."""
    places: dict[tuple[str | None, str | None], list[str]] = {}
    group, group_before = ({m: g for g, found in v.grouped.items() for m in found} for v in (new, old))
    for name in sorted({*group, *group_before}):
        places.setdefault((group.get(name), group_before.get(name)), []).append(name)
    now, then = refine_ranges(new.ranges, old.ranges)
    cut, cut_before = ({part: id for id, names in side.items() for part in names} for side in (now, then))
    after: dict[str, list[int]] = {}
    before: dict[str, list[int]] = {}
    parts = []
    listed: list[tuple[str | None, str | None, list[str]]] = [(*ids, names) for ids, names in places.items()]
    listed += [(cut[name], cut_before[name], [name]) for name in sorted(cut)]
    for position, (here, there, names) in enumerate(listed):
        parts.append(Part(tuple(names)))
        if here is not None:
            after.setdefault(here, []).append(position)
        if there is not None:
            before.setdefault(there, []).append(position)
    return parts, after, before


def refine_ranges(new: Sequence[External], old: Sequence[External]) -> tuple[_Names, _Names]:
    """For each side, the names of the parts that its ranges fall into when both sides' rules cut them.

    Addresses that only one side knows (IPv6 where the other has none) are left out.
    """
    names: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    blocks = {external.block for external in (*new, *old)}
    for part in disjoint_externals(blocks, []):
        one, other = _covering(part, new), _covering(part, old)
        if one is not None and other is not None:
            name = next((e.id for e in (one, other) if e.block == part.block), str(part.block))
            names[0].setdefault(one.id, []).append(name)
            names[1].setdefault(other.id, []).append(name)
    return names


def _covering(part: External, ranges: Sequence[External]) -> External | None:
    found = [external for external in ranges if contains(external.block, part.block)]
    return max(found, key=lambda external: external.block.prefixlen, default=None)


def _spots(view: ConnectivityView, parts: Mapping[str, Sequence[int]]) -> dict[_Spot, int]:
    """The verdict's number of every ordered pair of parts."""
    found = dict(_expanded(view, parts))
    alone = {members[0]: group for group, members in view.grouped.items() if len(members) == 1}
    for name, verdict in view.within.items():
        found |= {(part, part): verdict for part in parts.get(alone.get(name, ""), ())}
    return found


def _expanded(view: ConnectivityView, parts: Mapping[str, Sequence[int]]) -> Iterator[tuple[_Spot, int]]:
    for pair in view.pairs:
        for source in parts.get(pair.source, ()):
            for destination in parts.get(pair.destination, ()):
                yield (source, destination), pair.verdict


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a state's verdicts are read beside another state, in which rules name more protocols.

    `unnamed`: those protocols. They pass where nothing is restricted; what restricts the rest leaves them undefined
    (the NetworkPolicy API), so that a rule which merely names ICMP somewhere doesn't open it everywhere.
    """

    every: PortSet
    unnamed: PortSet

    @classmethod
    def of(cls, view: ConnectivityView, other: ConnectivityView) -> "_Reading":
        return cls(_whole(view.protocols), _whole(other.protocols - view.protocols))

    def sides(self, verdict: PairVerdict) -> Sides:
        reachable, uncertain = verdict.allowed, NOTHING
        for ports, _ in verdict.conditional:
            reachable = reachable | ports
        for ports, _ in verdict.indeterminate:
            uncertain = uncertain | ports
        if self.every.minus(reachable):
            return Sides(reachable, uncertain | self.unnamed)
        return Sides(reachable | self.unnamed, uncertain)


def _whole(protocols: Iterable[str]) -> PortSet:
    found = NOTHING
    for protocol in sorted(protocols):
        found = found | PortSet.single(protocol, *full_range(protocol))
    return found
