"""From an earlier universe and port table to ones that tell more apart: the same sets in the finer terms.

External ranges are only ever cut, and ports only ever told apart: what an earlier rule says of a whole it says of each
of its parts. New ranges have positions after all earlier ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from auditor.network.bits import members
from auditor.network.cells import Cells
from auditor.network.judgement import Verdicts
from auditor.network.ports import PortTable
from auditor.network.representation import (
    Bits,
    CompiledLayer,
    CompiledObject,
    CompiledPolicy,
    Directed,
    Match,
    Rule,
    Term,
)


@dataclass(slots=True, eq=False)
class Cut:
    """`parents`: for the position of each new range, that of the earlier one it was cut from."""

    parents: Mapping[int, int]
    _parts: dict[int, Bits] = field(default_factory=dict)
    _whole: Bits = 0
    _known: dict[Bits, Bits] = field(default_factory=dict)
    _policies: dict[int, tuple[CompiledPolicy, CompiledPolicy]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, parent in self.parents.items():
            self._parts[parent] = self._parts.get(parent, 0) | 1 << part
            self._whole |= 1 << parent

    def position(self, position: int) -> int:
        """The earlier position of a peer, or of the range it was cut from."""
        return self.parents.get(position, position)

    def bits(self, bits: Bits) -> Bits:
        """A set of peers, with the parts of the ranges in it."""
        cut = bits & self._whole
        if not cut:
            return bits
        found = self._known.get(bits)
        if found is None:
            found = bits
            for parent in members(cut):
                found |= self._parts[parent]
            self._known[bits] = found
        return found

    def match(self, match: Match) -> Match:
        """Peers that match, and that may."""
        return Match(self.bits(match.must), self.bits(match.may))

    def layer(self, layer: CompiledLayer) -> CompiledLayer:
        """A whole layer."""
        return replace(layer, policies=tuple(map(self.policy, layer.policies))) if self.parents else layer

    def object(self, compiled: CompiledObject) -> CompiledObject:
        """What one object compiled to."""
        return replace(compiled, policies=tuple(map(self.policy, compiled.policies)))

    def policy(self, policy: CompiledPolicy) -> CompiledPolicy:
        """One policy, translated once; itself where no rule of it names a range that was cut."""
        found = self._policies.get(id(policy))
        if found is None:
            directions = {d: self._directed(directed) for d, directed in policy.directions.items()}
            same = all(directions[d] is directed for d, directed in policy.directions.items())
            found = (policy, policy if same else replace(policy, directions=directions))
            self._policies[id(policy)] = found
        return found[1]

    def _directed(self, directed: Directed) -> Directed:
        rules = tuple(map(self._rule, directed.rules))
        same = all(one is other for one, other in zip(rules, directed.rules, strict=True))
        return directed if same else replace(directed, rules=rules)

    def _rule(self, rule: Rule) -> Rule:
        terms = tuple(map(self._term, rule.terms))
        same = all(one is other for one, other in zip(terms, rule.terms, strict=True))
        return rule if same else Rule(rule.action, terms, rule.ref, rule.condition)

    def _term(self, term: Term) -> Term:
        peers = self.bits(term.peers)
        return term if peers == term.peers else Term(term.subjects, peers, term.ports, term.unsure)


@dataclass(slots=True, eq=False)
class Translation:
    """Cells and verdicts over the earlier ranges and ports in the finer terms."""

    cut: Cut
    old: PortTable
    new: PortTable
    _masks: dict[int, int] = field(default_factory=dict)
    _verdicts: dict[int, tuple[Verdicts, Verdicts]] = field(default_factory=dict)

    @property
    def is_identity(self) -> bool:
        """Whether nothing is told apart that was not before."""
        return not self.cut.parents and self.old is self.new

    def mask(self, mask: int) -> int:
        """A mask of ports."""
        if self.old is self.new:
            return mask
        found = self._masks.get(mask)
        if found is None:
            found = self._masks[mask] = self.old.translated(mask, self.new)
        return found

    def cells(self, cells: Cells) -> Cells:
        """A set of cells."""
        if self.is_identity:
            return cells
        return Cells((self.mask(mask), self.cut.bits(peers)) for mask, peers in cells.parts)

    def verdicts(self, verdicts: Verdicts) -> Verdicts:
        """A class's verdicts; the same object for the same one, so that they can be compared by identity."""
        if self.is_identity:
            return verdicts
        found = self._verdicts.get(id(verdicts))
        if found is None:
            found = self._verdicts[id(verdicts)] = (verdicts, self._translate(verdicts))
        return found[1]

    def _translate(self, verdicts: Verdicts) -> Verdicts:
        return Verdicts(
            allowed=self.cells(verdicts.allowed),
            conditional=self.cells(verdicts.conditional),
            indeterminate=self.cells(verdicts.indeterminate),
            unenforced=self.cells(verdicts.unenforced),
            fallen=self.cells(verdicts.fallen),
            notes=tuple((self.cells(cells), why) for cells, why in verdicts.notes),
        )
