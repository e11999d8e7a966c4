"""Ways in from outside: what each host and listener serves, and which Services are open at layer 4."""

from collections.abc import Sequence

from auditor.encryption.entry.exposure import exposures
from auditor.encryption.entry.registry import FAMILIES
from auditor.encryption.entry.values import EntryPoint, EntryTls, Exposure
from auditor.inventory.cluster import Cluster
from auditor.inventory.services import Services

__all__ = ["EntryPoint", "EntryTls", "Exposure", "entry_points", "exposures"]


def entry_points(cluster: Cluster, services: Services) -> tuple[EntryPoint, ...]:
    """One row per (object, host, listener) of every controller family, sorted."""
    rows: Sequence[EntryPoint] = [row for family in FAMILIES for row in family(cluster, services)]
    return tuple(sorted(rows, key=lambda row: (row.object, row.host, row.port or 0, row.listener)))
