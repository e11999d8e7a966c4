"""Does the scope file fit the cluster it is used on? A wrong one must stop the run, not colour it."""

from difflib import get_close_matches

from auditor.inventory.cluster import Cluster
from auditor.inventory.scoping import ScopeView
from auditor.model.scope import FRAMEWORK_IDS, Scope, ScopeConflict
from auditor.model.strict_yaml import Located
from auditor.model.user_error import UserError


def check_scope_fits(scope: Located[Scope], cluster: Cluster) -> None:
    """Raises UserError when the scope is about another cluster, names a namespace of which the evidence holds nothing,
    or gives a namespace two classes by rules of equal rank (contracts, Scope)."""
    _same_cluster(scope, cluster)
    _namespaces_exist(scope, cluster)
    for framework in FRAMEWORK_IDS:
        try:
            ScopeView(framework, cluster, scope.value)
        except ScopeConflict as conflict:
            raise scope.error(("namespaces",), f"for {framework}: {conflict}") from None


def _same_cluster(scope: Located[Scope], cluster: Cluster) -> None:
    expected, found = scope.value.cluster.uid, cluster.snapshot.cluster.uid
    if expected and found and expected != found:
        raise scope.error(
            ("cluster", "uid"), f"expected the uid of the cluster in the input, {found} (got {expected})"
        )


def _namespaces_exist(scope: Located[Scope], cluster: Cluster) -> None:
    errors = []
    for index, rule in enumerate(scope.value.namespaces):
        if rule.name is not None and rule.name not in cluster.namespaces:
            close = get_close_matches(rule.name, cluster.namespaces, 1)
            hint = f"; did you mean {close[0]}?" if close else "; use glob for namespaces that may be missing"
            expected = f"expected a namespace that is in the input, {rule.name!r} isn't{hint}"
            errors.append(str(scope.error(("namespaces", index, "name"), expected)))
    if errors:
        raise UserError("\n".join(errors))
