"""How much of each list a format shows. What is left out is said where it is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Profile:
    """The bounds of a format. `paged`: it has pages, and a row costs time and paper."""

    paged: bool
    population_rows: int
    subject_rows: int
    flow_rows: int
    excerpts: int
    excerpt_lines: int
    evidence_rows: int
    input_rows: int
    named: int
    redaction_rows: int
    diagram_rows: int
    register_rows: int
    first_actions: int = 5


SCREEN = Profile(
    paged=False,
    population_rows=2_000,
    subject_rows=2_000,
    flow_rows=2_000,
    excerpts=12,
    excerpt_lines=150,
    evidence_rows=3_000,
    input_rows=3_000,
    named=40,
    redaction_rows=2_000,
    diagram_rows=400,
    register_rows=2_000,
)
PAPER = Profile(
    paged=True,
    population_rows=3,
    subject_rows=10,
    flow_rows=8,
    excerpts=1,
    excerpt_lines=24,
    evidence_rows=12,
    input_rows=15,
    named=6,
    redaction_rows=5,
    diagram_rows=12,
    register_rows=150,
)


@dataclass(frozen=True, slots=True)
class Shortened(Generic[T]):
    """The rows that are shown, and how many there are."""

    rows: tuple[T, ...]
    total: int

    @property
    def cut(self) -> bool:
        """Whether rows are left out."""
        return len(self.rows) < self.total


def shorten(rows: Sequence[T], limit: int) -> Shortened[T]:
    """The first rows. One row more than the limit is shown rather than left out."""
    return Shortened(tuple(rows if len(rows) <= limit + 1 else rows[:limit]), len(rows))
