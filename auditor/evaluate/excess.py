"""What credentials allow beyond reading network controls: Secrets, changes, and ways into pods."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from auditor.model.objects import list_at
from auditor.model.preflight_result import ExcessRow

Excess = Literal["reads-secrets", "writes", "reaches-into-pods"]

_READING = frozenset({"get", "list", "watch"})
_INTO_PODS = frozenset(
    {
        *("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "nodes/proxy"),
        "pods/ephemeralcontainers",
    }
)
"""Subresources where even `get` opens a way in."""

_ABOUT_ONESELF = frozenset(
    {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }
)
"""`create` of these stores nothing: it is how one asks. Every authenticated user may (system:basic-user)."""

_OWN_REPORTS = frozenset({("openreports.io", "reports"), ("openreports.io", "clusterreports")})
"""Writing these publishes findings: nothing that is audited changes, and that they may be written is asked for."""

PROBES: tuple[tuple[str, str, str], ...] = (
    *((verb, "", "secrets") for verb in ("get", "list", "watch")),
    ("create", "", "pods"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/exec"),
    ("get", "", "nodes/proxy"),
    ("create", "", "serviceaccounts/token"),
    ("delete", "", "namespaces"),
    ("patch", "", "configmaps"),
    ("patch", "", "nodes"),
    ("patch", "apps", "deployments"),
    ("patch", "networking.k8s.io", "networkpolicies"),
    ("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("impersonate", "", "users"),
    ("*", "*", "*"),
)
"""Verb, group and resource that are asked for one by one, as the list of rules may be incomplete."""


def excess_of(verb: str, group: str, resource: str) -> Excess | None:
    """What an allowed action is, beyond reading; None when it only reads what isn't secret."""
    if (group, resource) in _ABOUT_ONESELF and verb in ("create", "*"):
        return None
    if (group, resource) in _OWN_REPORTS:
        return None
    if verb not in _READING:
        return "writes"
    if group in ("", "*") and resource in ("secrets", "*"):
        return "reads-secrets"
    return "reaches-into-pods" if group in ("", "*") and resource in _INTO_PODS else None


def excess_in_rules(namespace: str, rules: Iterable[Mapping[str, Any]]) -> Iterator[ExcessRow]:
    """One row for each verb and resource of a SelfSubjectRulesReview that goes beyond reading."""
    for rule in rules:
        names = sorted(map(str, list_at(rule, "resourceNames")))
        for group in map(str, list_at(rule, "apiGroups")):
            for resource in map(str, list_at(rule, "resources")):
                for verb in map(str, list_at(rule, "verbs")):
                    found = excess_of(verb, group, resource)
                    if found is not None:
                        yield ExcessRow(
                            verb=verb,
                            group=group,
                            resource=resource,
                            namespace=namespace,
                            names=names,
                            finding=found,
                        )
