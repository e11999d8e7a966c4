"""Verdicts of a subject's own policies: as declared, and as far as something enforces them (contracts, connectivity)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, combinations
from typing import Any

from auditor.model.verdict import Cause
from auditor.network.cells import NONE, Cells
from auditor.network.datapath import ClassKey, Datapath, Step
from auditor.network.enforcement import Enforcement, Status
from auditor.network.evaluation import Note, Possible, evaluate
from auditor.network.reasons import cause
from auditor.network.representation import Bits, Direction

_MAX_UNKNOWN = 4


class Basis(StrEnum):
    """What counts: every layer at its word, or each as far as it is enforced."""

    DECLARED = "declared"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Disjoint cells by verdict; what is in none of them is denied.

    `unenforced`: denied as declared, by layers that nothing enforces. `fallen`: what no policy decides, so that the
    default lets it through: certainly or possibly.
    """

    allowed: Cells
    conditional: Cells = NONE
    indeterminate: Cells = NONE
    unenforced: Cells = NONE
    fallen: Cells = NONE
    notes: tuple[Note, ...] = ()

    @property
    def parts(self) -> tuple[Cells, Cells, Cells, Cells]:
        """Allowed, conditional, indeterminate, declared but not enforced."""
        return self.allowed, self.conditional, self.indeterminate, self.unenforced


@dataclass(slots=True)
class Judge:
    """Computes and remembers the verdicts of each class of subjects, per direction and basis."""

    datapath: Datapath
    enforcement: Enforcement
    everyone: Bits
    earlier: Callable[[ClassKey, int, Direction, Basis], Verdicts | None] | None = None
    """Where the verdicts of classes that a change did not touch come from; None for those that it did."""
    _known: dict[tuple[ClassKey, Direction, Basis], Verdicts] = field(default_factory=dict)
    isolation: dict[tuple[ClassKey, Direction], Any] = field(default_factory=dict)
    """What `isolation.py` found for a class; everything but the endpoint itself is the same for its members."""

    @property
    def every(self) -> Cells:
        """All peers, all ports."""
        return Cells([(self.datapath.table.full, self.everyone)])

    def of(self, position: int, direction: Direction, basis: Basis) -> Verdicts:
        """The verdicts of a peer as a subject: nodes and externals are never restricted."""
        return self.of_class(self.datapath.class_of(position, direction), position, direction, basis)

    def of_class(self, key: ClassKey, member: int, direction: Direction, basis: Basis) -> Verdicts:
        """The same for a class, of which `member` is one."""
        place = (key, direction, basis)
        found = self._known.get(place)
        if found is None and self.earlier is not None:
            found = self.earlier(key, member, direction, basis)
        if found is None:
            steps = self.datapath.steps_for(key, direction)
            judged = self._declared if basis is Basis.DECLARED else self._enforced
            found = judged(steps, member)
        self._known[place] = found
        return found

    def of_steps(self, steps: Sequence[Step], member: int, basis: Basis) -> Verdicts:
        """The verdicts of some of a subject's steps, not remembered: what if a rule weren't there."""
        return self._declared(steps, member) if basis is Basis.DECLARED else self._enforced(steps, member)

    def _declared(self, steps: Sequence[Step], subject: int) -> Verdicts:
        return _verdicts(evaluate(self.datapath, steps, subject, self.every))

    def _enforced(self, steps: Sequence[Step], subject: int) -> Verdicts:
        layers = sorted({step.policy.layer for step in steps})
        status = {layer: self.enforcement.status(layer, subject) for layer in layers}
        if all(entry is Status.ENFORCED for entry in status.values()):
            return self._declared(steps, subject)
        declared = evaluate(self.datapath, steps, subject, self.every)
        doubted = {layer for layer in layers if status[layer] is Status.DOUBTED}
        base = self._union(steps, subject, status, without=doubted)
        verdicts = _verdicts(base)
        if doubted:
            verdicts = _doubt(verdicts, self._union(steps, subject, status, without=set()))
        return _compare(verdicts, declared, self._unknown_cause(status, subject))

    def _union(
        self, steps: Sequence[Step], subject: int, status: Mapping[str, Status], without: set[str]
    ) -> Possible:
        """All states of the world that the evidence leaves open: each layer of unknown enforcement on or off."""
        certain = {
            layer for layer, entry in status.items() if entry in (Status.ENFORCED, Status.DOUBTED)
        } - without
        unknown = sorted(layer for layer, entry in status.items() if entry is Status.UNKNOWN)
        found: Possible | None = None
        for chosen in worlds(unknown):
            active = certain | set(chosen)
            world = [step for step in steps if step.policy.layer in active]
            outcome = evaluate(self.datapath, world, subject, self.every)
            found = outcome if found is None else found | outcome
        return found or Possible()

    def _unknown_cause(self, status: Mapping[str, Status], subject: int) -> Cause:
        unknown = [layer for layer, entry in status.items() if entry in (Status.UNKNOWN, Status.DOUBTED)]
        if not unknown:
            return cause("indeterminate.undecided")
        return self.enforcement.unknown_cause(unknown[0], subject)


def worlds(unknown: Sequence[str]) -> Iterator[Iterable[str]]:
    """The layers of unknown enforcement that are at work, in each state that the evidence leaves open."""
    if len(unknown) > _MAX_UNKNOWN:
        return iter(((), tuple(unknown)))
    return chain.from_iterable(combinations(unknown, size) for size in range(len(unknown) + 1))


def _verdicts(possible: Possible) -> Verdicts:
    some = possible.allow | possible.limited
    return Verdicts(
        allowed=possible.allow - possible.limited - possible.deny,
        conditional=possible.limited - possible.deny,
        indeterminate=some & possible.deny,
        fallen=possible.fallen,
        notes=possible.notes,
    )


def _doubt(verdicts: Verdicts, with_doubted: Possible) -> Verdicts:
    """A layer whose support is doubtful restricts nothing, but what it would open can no longer be called denied."""
    known = verdicts.allowed | verdicts.conditional | verdicts.indeterminate
    opened = (with_doubted.allow | with_doubted.limited) - known
    return Verdicts(
        allowed=verdicts.allowed,
        conditional=verdicts.conditional,
        indeterminate=verdicts.indeterminate | opened,
        fallen=verdicts.fallen,
        notes=(*verdicts.notes, *with_doubted.notes),
    )


def _compare(verdicts: Verdicts, declared: Possible, unknown: Cause) -> Verdicts:
    """Tell what is open only because nothing enforces the denial apart; unknown enforcement explains the rest."""
    denied = declared.deny - declared.allow - declared.limited
    return Verdicts(
        allowed=verdicts.allowed - denied,
        conditional=verdicts.conditional - denied,
        indeterminate=verdicts.indeterminate,
        unenforced=(verdicts.allowed | verdicts.conditional) & denied,
        fallen=verdicts.fallen,
        notes=(*verdicts.notes, *(((verdicts.indeterminate, unknown),) if verdicts.indeterminate else ())),
    )
