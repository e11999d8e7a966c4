"""References across namespaces in the Gateway API: nothing is resolved without a ReferenceGrant where it leads to."""

from functools import cached_property

from auditor.encryption.entry.sources import Sources
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject, mappings_at, text_at
from auditor.model.verdict import Tri

GROUP = "gateway.networking.k8s.io"
GRANT = KindKey(GROUP, "ReferenceGrant")

_From = tuple[str, str, str]
_To = tuple[str, str, str | None]


class Grants:
    """Which references the owners of other namespaces allow (gateway.networking.k8s.io ReferenceGrant)."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def allow(self, referent: KubeObject, group: str, kind: str, namespace: str, name: str) -> Tri:
        """Whether an object may refer to another. Unknown where a grant may be missing from the evidence."""
        if namespace == referent.namespace:
            return Tri.YES
        wanted = (referent.id.group, referent.id.kind, referent.namespace)
        targets = self._granted.get((namespace, wanted), frozenset())
        if (group, kind, None) in targets or (group, kind, name) in targets:
            return Tri.YES
        return Tri.NO if self._sources.complete(*GRANT, namespace) else Tri.UNKNOWN

    @cached_property
    def _granted(self) -> dict[tuple[str, _From], frozenset[_To]]:
        found: dict[tuple[str, _From], set[_To]] = {}
        for grant in self._sources.cluster.all(GRANT):
            targets: set[_To] = {
                (text_at(t, "group") or "", text_at(t, "kind") or "", text_at(t, "name") or None)
                for t in mappings_at(grant.spec, "to")
            }
            for origin in mappings_at(grant.spec, "from"):
                allowed = tuple(text_at(origin, field) or "" for field in ("group", "kind", "namespace"))
                found.setdefault((grant.namespace, (allowed[0], allowed[1], allowed[2])), set()).update(
                    targets
                )
        return {place: frozenset(targets) for place, targets in found.items()}
