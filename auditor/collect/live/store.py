"""Where objects go as the pages of lists bring them: into memory, or (`BundleSpool`) on their way into a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from auditor.model.objects import KubeObject


class Store(Protocol):
    """Takes objects page by page; what a list that isn't whole has brought is given back."""

    def mark(self) -> int:
        """The state now, for `roll_back`."""

    def add(self, objects: Sequence[KubeObject]) -> None:
        """Take the objects of a page."""

    def roll_back(self, mark: int) -> None:
        """Forget what was added since."""


@dataclass(slots=True)
class MemoryStore:
    """Keeps the objects."""

    objects: list[KubeObject] = field(default_factory=list)

    def mark(self) -> int:
        """The number of objects."""
        return len(self.objects)

    def add(self, objects: Sequence[KubeObject]) -> None:
        """Keep them."""
        self.objects += objects

    def roll_back(self, mark: int) -> None:
        """Drop the last ones."""
        del self.objects[mark:]
