"""Find the policies whose label selector a pod meets without trying them all: cost per pod stays flat."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
Pair = tuple[str, str]


class LabelIndex(Generic[T]):
    """Items filed under the rarest `key=value` pair of their selector; those without a pair are always candidates."""

    def __init__(self, items: Iterable[tuple[Mapping[str, str] | None, T]]) -> None:
        listed = list(items)
        frequency = Counter(pair for selector, _ in listed for pair in (selector or {}).items())
        self._filed: dict[Pair, list[tuple[int, T]]] = {}
        self._always: list[tuple[int, T]] = []
        for number, (selector, item) in enumerate(listed):
            pairs = sorted((selector or {}).items(), key=lambda pair: (frequency[pair], pair))
            place = self._filed.setdefault(pairs[0], []) if pairs else self._always
            place.append((number, item))

    def candidates(self, labels: Mapping[str, str]) -> list[T]:
        """Every item that may match, in the order they were given; the caller still asks the selector."""
        if not self._filed:
            return [item for _, item in self._always]
        found = list(self._always)
        for pair in labels.items():
            found.extend(self._filed.get(pair, ()))
        return [item for _, item in sorted(found, key=lambda entry: entry[0])]
