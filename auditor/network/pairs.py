"""Both ends together: a flow needs the source's egress and the destination's ingress (connectivity.md 13)."""

from collections.abc import Iterator, Sequence

from auditor.network.cells import NONE, Cells

Column = tuple[Cells, Cells, Cells, Cells]
Masks = tuple[int, int, int, int]
"""Port masks: allowed, conditional, indeterminate, declared but not enforced."""


def join_masks(first: Masks, second: Masks) -> Masks:
    """What two directions allow together; unknown on either side makes it unknown."""
    both = (first[0] | first[1] | first[2] | first[3]) & (second[0] | second[1] | second[2] | second[3])
    indeterminate = both & (first[2] | second[2])
    rest = both & ~indeterminate
    unenforced = rest & (first[3] | second[3])
    rest &= ~unenforced
    conditional = rest & (first[1] | second[1])
    return rest & ~conditional, conditional, indeterminate, unenforced


def join_columns(first: Column, second: Column) -> Column:
    """The same for many peers at once."""
    if not any((*first[1:], *second[1:])):
        return first[0] & second[0], NONE, NONE, NONE
    both = _any(first) & _any(second)
    indeterminate = both & (first[2] | second[2])
    rest = both - indeterminate
    unenforced = rest & (first[3] | second[3])
    rest = rest - unenforced
    conditional = rest & (first[1] | second[1])
    return rest - conditional, conditional, indeterminate, unenforced


def _any(column: Column) -> Cells:
    return column[0] | column[1] | column[2] | column[3]


def exempt(column: Column, every: int, must: int, may: int) -> Column:
    """Own-node traffic passes whatever the policies say; where the placement is unknown a denial is unknown too."""
    if not must and not may:
        return column
    certain, possible = Cells([(every, must)] if must else ()), Cells([(every, may)] if may else ())
    allowed, conditional, indeterminate, unenforced = (part - certain for part in column)
    known = allowed | conditional | indeterminate | unenforced
    return allowed | certain, conditional, indeterminate | (possible - known), unenforced


def group_peers(column: Column, among: int) -> Iterator[tuple[int, Masks]]:
    """Split peers into groups with equal masks; peers with nothing at all are left out."""
    groups: list[tuple[int, list[int]]] = [(among, [0, 0, 0, 0])]
    for kind, cells in enumerate(column):
        for mask, peers in cells.parts:
            groups = list(_split(groups, kind, mask, peers))
    merged: dict[Masks, int] = {}
    for peers, masks in groups:
        key = (masks[0], masks[1], masks[2], masks[3])
        if any(key):
            merged[key] = merged.get(key, 0) | peers
    return ((peers, masks) for masks, peers in merged.items())


def _split(
    groups: Sequence[tuple[int, list[int]]], kind: int, mask: int, peers: int
) -> Iterator[tuple[int, list[int]]]:
    for own, masks in groups:
        if inside := own & peers:
            changed = list(masks)
            changed[kind] |= mask
            yield inside, changed
        if outside := own & ~peers:
            yield outside, masks
