"""Scope classes: name over label selector over glob, pods split a namespace, nothing matched is unclassified and judged."""

import pytest
import yaml

from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.scoping import ScopeView
from auditor.model.scope import Scope, ScopeConflict
from auditor.model.strict_yaml import parse_strict
from auditor.model.user_error import UserError
from tests.objects import cluster

NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: vault, labels: {team: pay}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: pay}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: vault, labels: {app: db}}
spec: {containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: vault, labels: {app: web}}
spec: {containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: ghost, namespace: unseen}
spec: {containers: []}
"""

OUT = "class: out-of-scope, reason: none of our data"


def view(rules: str, framework: str = "pci-dss-4.0.1") -> ScopeView:
    scope = Scope.model_validate({"namespaces": yaml.safe_load(rules)})
    return ScopeView(framework, cluster(NAMESPACES), scope)


def test_without_a_scope_file_everything_is_in_scope() -> None:
    assert ScopeView("hipaa", cluster(NAMESPACES), None).of_namespace("shop").class_ == "in-scope"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[{name: vault, class: in-scope}, {selector: {matchLabels: {team: pay}}, %s}]" % OUT, "in-scope"),
        (
            "[{selector: {matchLabels: {team: pay}}, class: connected-to}, {glob: '*', %s}]" % OUT,
            "connected-to",
        ),
        ("[{glob: 'va*', class: security-impacting}]", "security-impacting"),
        ("[{name: shop, class: in-scope}]", "unclassified"),
        ("[{name: vault, holds: [cardholder-data]}]", "in-scope"),
        ("[{name: vault, holds: [phi]}]", "unclassified"),
        ("[{name: vault, class: connected-to, frameworks: [gdpr]}]", "unclassified"),
    ],
)
def test_the_class_of_a_namespace(rules: str, expected: str) -> None:
    assert view(rules).of_namespace("vault").class_ == expected


def test_unclassified_is_judged_as_in_scope() -> None:
    assert view("[{name: shop, class: in-scope}]").of_namespace("vault").judged_in_scope


def test_two_classes_from_equal_ranks_are_an_error() -> None:
    with pytest.raises(
        ScopeConflict, match=r"namespaces\[0\] says in-scope, namespaces\[1\] says connected-to"
    ):
        view("[{glob: 'v*', class: in-scope}, {glob: '*t', class: connected-to}]")


def test_a_label_selector_without_a_namespace_object_is_undecided() -> None:
    assert view("[{selector: {matchLabels: {team: pay}}, class: in-scope}]").of_namespace("unseen").undecided


def test_a_name_decides_even_where_the_labels_are_not_known() -> None:
    rules = "[{selector: {matchLabels: {team: pay}}, class: in-scope}, {name: unseen, %s}]" % OUT
    found = view(rules).of_namespace("unseen")
    assert (found.class_, found.undecided) == ("out-of-scope", False)


def test_pod_selectors_split_a_namespace() -> None:
    rules = "[{name: vault, %s}, {name: vault, pods: {matchLabels: {app: db}}, class: in-scope}]" % OUT
    scoped = view(rules)
    classes = {e.name: str(scoped.of_endpoint(e).class_) for e in list_endpoints(cluster(NAMESPACES))}
    assert classes["db"] == "in-scope"
    assert classes["web"] == "out-of-scope"


@pytest.mark.parametrize(
    ("entry", "where", "expected"),
    [
        ("{host: 'https://admin.example/'}", "administrative_access[0].host", "without scheme, port or path"),
        ("{endpoint: vault/console}", "administrative_access[0].endpoint", "expected namespace/Kind/name"),
        ("{endpoint: vault/Deployment/console, ports: [0]}", "administrative_access[0]", "from 1 to 65535"),
        (
            "{endpoint: vault/Deployment/console, ports: [-1]}",
            "administrative_access[0].ports[0]",
            "443 or 8000",
        ),
        (
            "{endpoint: vault/Deployment/console, ports: [ssh]}",
            "administrative_access[0].ports[0]",
            "443 or 8000-8080",
        ),
        (
            "{host: admin.example, ports: [443]}",
            "administrative_access[0]",
            "ports and protocol go with endpoint",
        ),
        ("{reason: forgotten}", "administrative_access[0]", "exactly one of host, endpoint"),
        ("{host: a.example, endpoint: a/Pod/b}", "administrative_access[0]", "exactly one of host, endpoint"),
    ],
)
def test_a_wrong_mark_of_administrative_access_is_one_line_with_field_and_expectation(
    entry: str, where: str, expected: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_strict(f"format_version: 1\nadministrative_access:\n  - {entry}\n", "scope.yaml", Scope)
    assert str(caught.value).startswith("scope.yaml:3: ")
    assert "\n" not in str(caught.value)
    assert where in str(caught.value)
    assert expected in str(caught.value)


def test_marked_ports_are_single_ones_and_ranges_and_all_without_any() -> None:
    text = "administrative_access: [{endpoint: a/Pod/b, ports: [22, 8000-8080]}, {endpoint: a/Pod/c}]"
    first, second = parse_strict(text, "scope.yaml", Scope).value.administrative_access
    assert first.ranges == [(22, 22), (8000, 8080)]
    assert second.ranges == [(1, 65535)]
