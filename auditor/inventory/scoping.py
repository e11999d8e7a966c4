"""Scope classes of namespaces and endpoints in one framework (contracts, Scope)."""

from collections.abc import Mapping

from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.selectors import Selector, parse_selector
from auditor.model.scope import (
    Classification,
    LabelSelector,
    NamespaceRule,
    Scope,
    ScopeClass,
    matches_glob,
    select_rule,
)


class ScopeView:
    """How one framework sees the cluster. `scope` None: everything is in scope.

    Raises ScopeConflict on construction when rules of equal rank disagree about a namespace that is there.
    """

    def __init__(self, framework: str, cluster: Cluster, scope: Scope | None) -> None:
        self.framework = framework
        self.scope = scope
        self._cluster = cluster
        self._rules = list(enumerate(scope.namespaces)) if scope else []
        self._selectors = {i: _compiled(r.selector) for i, r in self._rules if r.selector}
        self._pod_selectors = {i: _compiled(r.pods) for i, r in self._rules if r.pods}
        self.namespaces: Mapping[str, Classification] = {
            name: self._classify(name, None) for name in cluster.namespaces
        }

    def of_namespace(self, namespace: str) -> Classification:
        """The class of a whole namespace; cluster-wide objects (`""`) are always looked at."""
        return self.namespaces.get(namespace) or Classification(ScopeClass.IN_SCOPE, None)

    def of_endpoint(self, endpoint: Endpoint) -> Classification:
        """The class of an endpoint: pod selectors may split its namespace."""
        if not self._pod_selectors:
            return self.of_namespace(endpoint.namespace)
        return self._classify(endpoint.namespace, endpoint.labels)

    def signature(self) -> tuple[tuple[str, Classification], ...]:
        """Views with equal signatures see every namespace alike (pod rules apart)."""
        return tuple(sorted((name, entry) for name, entry in self.namespaces.items()))

    def _classify(self, namespace: str, pod_labels: Mapping[str, str] | None) -> Classification:
        if self.scope is None:
            return Classification(ScopeClass.IN_SCOPE, None)
        matching, undecided = [], False
        for index, rule in self._rules:
            if index in self._pod_selectors and (
                pod_labels is None or not self._pod_selectors[index].matches(pod_labels)
            ):
                continue
            if rule.selector and not self._cluster.knows_namespace(namespace):
                undecided = undecided or rule.class_in(self.framework) is not None
            elif self._matches(index, rule, namespace):
                matching.append((index, rule))
        chosen = select_rule(self.scope, self.framework, matching)
        if chosen is None:
            return Classification(ScopeClass.UNCLASSIFIED, None, undecided)
        by_name = self.scope.namespaces[chosen[0]].name is not None
        return Classification(chosen[1], chosen[0], undecided and not by_name)

    def _matches(self, index: int, rule: NamespaceRule, namespace: str) -> bool:
        if rule.name is not None:
            return rule.name == namespace
        if rule.glob is not None:
            return matches_glob(rule.glob, namespace)
        return self._selectors[index].matches(self._cluster.namespace_labels(namespace))


def _compiled(selector: LabelSelector | None) -> Selector:
    return parse_selector(selector.as_mapping() if selector else None)
