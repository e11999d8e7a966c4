"""The controller families that are judged, in no particular order: rows are sorted afterwards."""

from collections.abc import Callable, Iterable

from auditor.encryption.entry.values import EntryPoint
from auditor.inventory.cluster import Cluster
from auditor.inventory.services import Services

Family = Callable[[Cluster, Services], Iterable[EntryPoint]]

FAMILIES: tuple[Family, ...] = ()
"""Each gives the entry points of the objects it understands."""
