"""Reachability after a change of policies, from what was known before it.

Only subjects that a changed policy selects, selected or may select meet other rules than before (connectivity.md, a
representation that scales): the universe, the rules of all other policies, and the verdicts of all other classes are kept.
Where a change reaches further, nothing is kept and it is said why.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import Cause
from auditor.network.columns import AnyColumns, PatchedColumns, columns_of
from auditor.network.connectivity import Connectivity
from auditor.network.datapath import ClassKey, Datapath, Earlier
from auditor.network.enforcement import Enforcement
from auditor.network.judgement import Basis, Judge, Verdicts
from auditor.network.reasons import cause
from auditor.network.registry import LAYERS
from auditor.network.representation import BOTH, Bits, CompiledLayer, CompiledPolicy, Direction
from auditor.network.translation import Cut, Translation
from auditor.network.universe import SERVICE_RULE_GROUPS, Universe, blocks_of

POLICY_KINDS: frozenset[KindKey] = frozenset(kind for layer in LAYERS for kind in layer.kinds)
"""The kinds of which a change can be rechecked: those that say who may connect, not who is there."""


@dataclass(frozen=True, slots=True)
class Rechecked:
    """The state after the change. `touched`: the subjects that may meet other rules than before, by direction.

    `translation` puts what was known before into the terms of the new state. `anew`: why everything was computed again, None
    where it wasn't; then the rest says nothing.
    """

    after: Connectivity
    touched: Mapping[Direction, Bits]
    translation: Translation | None
    anew: Cause | None


class TooFar(Exception):
    """The change reaches further than to the subjects of the changed policies."""

    def __init__(self, why: Cause) -> None:
        super().__init__(why.code)
        self.why = why


def recheck(
    before: Connectivity,
    cluster: Cluster,
    changed: Collection[KubeObject],
    endpoints: Sequence[Endpoint] | None = None,
) -> Rechecked:
    """Reachability in `cluster`, which differs from the earlier one in the objects `changed`: their old and new states.

    `endpoints` where the change makes others of the same pods. The answers are those of a new computation, except that
    address ranges which only the earlier rules told apart may still be told apart.
    """
    try:
        if endpoints is not None:
            raise TooFar(cause("anew.endpoints"))
        kept = _Kept(before, cluster, changed)
        after = before.changed(cluster, kept)
        return Rechecked(after, kept.touched, kept.translation, None)
    except TooFar as problem:
        return Rechecked(before.changed(cluster, None, endpoints), {}, None, problem.why)


class _Kept:
    """See `connectivity.Kept`. Raises TooFar."""

    def __init__(self, before: Connectivity, cluster: Cluster, changed: Collection[KubeObject]) -> None:
        kinds = {obj.key for obj in changed}
        if not kinds <= POLICY_KINDS:
            named = ", ".join(sorted(str(kind) for kind in kinds - POLICY_KINDS))
            raise TooFar(cause("anew.kind", kinds=named))
        self._before = before
        self.universe, cut = _recut(before.universe, before.cluster, cluster, changed)
        earlier = [cut.layer(layer) for layer in before.layers]
        self.layers = tuple(
            layer.compile(cluster, self.universe) if kinds & {*layer.kinds, *layer.reads} else was
            for layer, was in zip(LAYERS, earlier, strict=True)
        )
        self.enforcement: Enforcement = before.enforced_by
        _require_same_enforcement(earlier, self.layers)
        self._differing = _differing(earlier, self.layers)
        known = before.datapath
        names = frozenset(policy.object for policy in self._differing)
        self.datapath = Datapath(self.layers, len(self.universe.peers), earlier=Earlier(known, names))
        if known.table.protocols != self.datapath.told.protocols:
            raise TooFar(cause("anew.protocols"))
        self.translation = Translation(cut, known.table, self.datapath.table)

    @cached_property
    def touched(self) -> Mapping[Direction, Bits]:
        """The subjects of policies that changed."""
        return {direction: _subjects(self._differing, direction) for direction in BOTH}

    def verdicts(self, key: ClassKey, member: int, direction: Direction, basis: Basis) -> Verdicts | None:
        """A class's verdicts before the change, which are those after it unless it is touched."""
        if self.touched[direction] >> member & 1:
            return None
        return self.before(member, direction, basis)

    def before(self, member: int, direction: Direction, basis: Basis) -> Verdicts:
        """A peer's verdicts before the change."""
        position = self.translation.cut.position(member)
        return self.translation.verdicts(self._before.judge.of(position, direction, basis))

    def columns(self, judge: Judge, direction: Direction, basis: Basis) -> AnyColumns:
        """The earlier columns, patched where subjects are touched."""
        base = self._before.transposed(direction, basis)
        touched = self.touched[direction]
        if not touched and self.translation.is_identity:
            return base
        newer = columns_of(judge, direction, basis, len(self.universe.peers), touched)
        return PatchedColumns(base, self.translation, newer, touched)


def _recut(
    universe: Universe, before: Cluster, cluster: Cluster, changed: Iterable[KubeObject]
) -> tuple[Universe, Cut]:
    """The universe in which the new rules' address blocks are told apart as well."""
    if _reads_services(before) != _reads_services(cluster):
        raise TooFar(cause("anew.layer"))
    more = {block for obj in changed for block in blocks_of(obj)} - universe.blocks
    if not more:
        return universe, Cut({})
    found = universe.recut(cluster, more)
    if found is None:
        raise TooFar(cause("anew.addresses"))
    recut, parents = found
    cut = Cut(parents)
    if parents:
        recut.take_over(universe, cut.match, cut.object)
    return recut, cut


def _reads_services(cluster: Cluster) -> bool:
    return any(kind.group in SERVICE_RULE_GROUPS for kind in cluster.kinds())


def _require_same_enforcement(earlier: Sequence[CompiledLayer], layers: Sequence[CompiledLayer]) -> None:
    for was, now in zip(earlier, layers, strict=True):
        if was.data_plane != now.data_plane:
            raise TooFar(cause("anew.layer"))


def _differing(earlier: Sequence[CompiledLayer], layers: Sequence[CompiledLayer]) -> list[CompiledPolicy]:
    """Compiled policies that are only in one of the two states, or in another tier than before."""
    found: list[CompiledPolicy] = []
    for was, now in zip(earlier, layers, strict=True):
        if was is now:
            continue
        old, new = _by_object(was), _by_object(now)
        for name in {*old, *new}:
            one, other = old.get(name, []), new.get(name, [])
            if len(one) != len(other) or any(a is not b and a != b for a, b in zip(one, other, strict=True)):
                found += [*one, *other]
        moved = {(t.gate, t.name) for t in {*was.tiers} ^ {*now.tiers}}
        if moved:
            every = chain.from_iterable(layer.policies for layer in (*earlier, *layers))
            found += [policy for policy in every if (policy.tier.gate, policy.tier.name) in moved]
    return found


def _by_object(layer: CompiledLayer) -> dict[str, list[CompiledPolicy]]:
    found: dict[str, list[CompiledPolicy]] = {}
    for policy in layer.policies:
        found.setdefault(policy.object, []).append(policy)
    return found


def _subjects(policies: Iterable[CompiledPolicy], direction: Direction) -> Bits:
    found = 0
    for policy in policies:
        directed = policy.directions.get(direction)
        if directed is not None:
            found |= directed.selects | directed.may_select
            for rule in directed.rules:
                for term in rule.terms:
                    found |= term.subjects
    return found
