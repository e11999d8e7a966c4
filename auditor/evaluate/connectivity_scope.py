"""Scope classes for connectivity: of one framework, or the strictest of all."""

from collections.abc import Sequence

from auditor.checks.context import Facts
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.scoping import ScopeView
from auditor.model.scope import ScopeClass

_STRICTEST_FIRST = (
    ScopeClass.IN_SCOPE,
    ScopeClass.SECURITY_IMPACTING,
    ScopeClass.CONNECTED_TO,
    ScopeClass.UNCLASSIFIED,
    ScopeClass.OUT_OF_SCOPE,
)


class ScopeClasses:
    """How some frameworks see namespaces and endpoints. Raises ScopeConflict when rules of equal rank disagree."""

    def __init__(self, facts: Facts, frameworks: Sequence[str]) -> None:
        self._views = [ScopeView(name, facts.cluster, facts.scope) for name in frameworks]
        self.namespaces = {name: self._strictest(name) for name in facts.cluster.namespaces}

    def _strictest(self, namespace: str) -> ScopeClass:
        found = [view.of_namespace(namespace).class_ for view in self._views]
        return min(found, key=_STRICTEST_FIRST.index)

    def in_scope(self, endpoint: Endpoint) -> bool:
        """In scope of any of the frameworks, or placed nowhere by one of them."""
        return any(view.of_endpoint(endpoint).judged_in_scope for view in self._views)
