"""Which of the kinds that an answer depends on the evidence isn't known to hold completely."""

from collections.abc import Iterable

from auditor.inventory.cluster import Cluster
from auditor.model.evidence import Completeness
from auditor.model.kinds import CONFIG_MAP, KindKey

_KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)


def incomplete_kinds(cluster: Cluster, kinds: Iterable[KindKey]) -> list[str]:
    """Their names, sorted; ConfigMaps are collected by name, and an engine that lacks one says so itself."""
    wanted = sorted(set(kinds) - {CONFIG_MAP})
    return [str(key) for key in wanted if cluster.completeness(key).state not in _KNOWN]
