"""What became reachable and what ceased to be between two states of a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.evaluate.connectivity_view import ConnectivityView
from auditor.model.connectivity_result import ChangeRow, ChangesResult, Ports
from auditor.network.addresses import External, contains, disjoint_externals
from auditor.network.all_pairs import PairVerdict
from auditor.network.ports import NOTHING, PortSet

_Spot = tuple[str, str]
_Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Sets:
    reachable: PortSet
    uncertain: PortSet


def compare_views(new: ConnectivityView, old: ConnectivityView) -> ChangesResult:
    """Changes by ordered pairs, endpoints matched by id and external ranges cut so that both states know them."""
    now, then = refine_ranges(new.ranges, old.ranges)
    after, before = _spots(new, now), _spots(old, then)
    told: dict[tuple[int, int], tuple[list[Ports], ...]] = {}
    changes = []
    for pair in sorted({*before, *after}):
        key = after.get(pair, 0), before.get(pair, 0)
        if key not in told:
            told[key] = _difference(_sets(new.verdicts[key[0]]), _sets(old.verdicts[key[1]]))
        if any(told[key]):
            changes.append(_change(pair, told[key]))
    names, names_before = ({row.id for row in view.endpoints} for view in (new, old))
    return ChangesResult(
        level=new.level,
        basis=new.basis,
        added=sorted(names - names_before),
        removed=sorted(names_before - names),
        completeness=new.completeness,
        completeness_before=old.completeness,
        changes=changes,
    )


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


def _spots(view: ConnectivityView, names: _Names) -> dict[_Spot, int]:
    """The verdict's number of every ordered pair of endpoints and parts of ranges."""
    outside = {row.id for row in view.externals}

    def ends(id: str) -> Sequence[str]:
        return names.get(id, ()) if id in outside else view.members(id)

    return {
        (source, destination): pair.verdict
        for pair in view.pairs
        for source in ends(pair.source)
        for destination in ends(pair.destination)
        if source != destination
    }


def _sets(verdict: PairVerdict) -> _Sets:
    reachable, uncertain = verdict.allowed, NOTHING
    for ports, _ in verdict.conditional:
        reachable = reachable | ports
    for ports, _ in verdict.indeterminate:
        uncertain = uncertain | ports
    return _Sets(reachable, uncertain)


def _difference(now: _Sets, then: _Sets) -> tuple[list[Ports], ...]:
    return (
        port_rows(now.reachable.minus(then.reachable)),
        port_rows(then.reachable.minus(now.reachable).minus(now.uncertain)),
        port_rows(now.uncertain.minus(then.uncertain)),
        port_rows(then.uncertain.minus(now.uncertain)),
    )


def _change(pair: _Spot, told: tuple[list[Ports], ...]) -> ChangeRow:
    gained, lost, uncertain, certain = told
    return ChangeRow(
        source=pair[0],
        destination=pair[1],
        gained=gained,
        lost=lost,
        became_uncertain=uncertain,
        became_certain=certain,
    )


def port_rows(ports: PortSet) -> list[Ports]:
    """A port set as rows of a result."""
    return [Ports.model_validate(entry) for entry in ports.as_json()]
