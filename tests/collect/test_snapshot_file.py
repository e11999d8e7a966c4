"""snapshot.yaml: the claims in it, and errors with file, line and field."""

import pytest

from auditor.collect.snapshot_file import claims_of, parse_snapshot_file
from auditor.model.evidence import Claim
from auditor.model.kinds import KindKey
from auditor.model.user_error import UserError

HEAD = """format_version: 1
cluster: {name: shop, uid: 5f0c}
collected_at: 2026-09-30T04:00:00+02:00
collected_by: jo
complete:
"""
COMMAND = "kubectl get x"

CLAIMS = [
    (
        "a core resource in all namespaces",
        f'- {{group: "", resource: pods, namespaces: "*", selector: "", command: {COMMAND}}}',
        Claim(KindKey("", "Pod"), None, "", COMMAND, "snapshot.yaml, jo"),
    ),
    (
        "a resource in some namespaces",
        f"- {{group: networking.k8s.io, resource: networkpolicies, namespaces: [a, b], command: {COMMAND}}}",
        Claim(
            KindKey("networking.k8s.io", "NetworkPolicy"),
            frozenset({"a", "b"}),
            "",
            COMMAND,
            "snapshot.yaml, jo",
        ),
    ),
    (
        "a ConfigMap by name",
        f"- {{resource: configmaps, namespaces: [istio-system], selector: metadata.name=istio, command: {COMMAND}}}",
        Claim(
            KindKey("", "ConfigMap"),
            frozenset({"istio-system"}),
            "metadata.name=istio",
            COMMAND,
            "snapshot.yaml, jo",
        ),
    ),
    (
        "Calico's stored resources",
        f'- {{group: crd.projectcalico.org, resource: globalnetworkpolicies, namespaces: "*", command: {COMMAND}}}',
        Claim(KindKey("projectcalico.org", "GlobalNetworkPolicy"), None, "", COMMAND, "snapshot.yaml, jo"),
    ),
]


@pytest.mark.parametrize(("line", "expected"), [row[1:] for row in CLAIMS], ids=[row[0] for row in CLAIMS])
def test_claim(line: str, expected: Claim) -> None:
    located = parse_snapshot_file(HEAD + line, "snapshot.yaml")
    assert list(claims_of(located.value, "snapshot.yaml")) == [expected]


def test_identity_and_time_in_utc() -> None:
    value = parse_snapshot_file(HEAD + " []", "snapshot.yaml").value
    assert (value.identity.name, value.identity.uid) == ("shop", "5f0c")
    assert value.collected_at_text == "2026-09-30T02:00:00Z"


ERRORS = [
    (
        "an unknown resource",
        HEAD + f"- {{resource: pod, namespaces: '*', command: {COMMAND}}}",
        "s.yaml:6: complete[0].resource: ",
        "did you mean pods?",
    ),
    (
        "a resource in the wrong group",
        HEAD + f"- {{resource: networkpolicies, namespaces: '*', command: {COMMAND}}}",
        "s.yaml:6: complete[0].resource: ",
        "the group is networking.k8s.io or projectcalico.org",
    ),
    (
        "an unknown field",
        HEAD + f"- {{resource: pods, namespace: '*', namespaces: '*', command: {COMMAND}}}",
        "s.yaml:6: complete[0].namespace: ",
        "did you mean namespaces?",
    ),
    (
        "no namespaces",
        HEAD + f"- {{resource: pods, command: {COMMAND}}}",
        "s.yaml:6: complete[0].namespaces: ",
        "missing",
    ),
    (
        "an empty list of namespaces",
        HEAD + f"- {{resource: pods, namespaces: [], command: {COMMAND}}}",
        "s.yaml:6: complete[0].namespaces",
        "",
    ),
    ("a time without its zone", HEAD.replace("+02:00", "") + " []", "s.yaml:3: collected_at: ", "timezone"),
    (
        "another format version",
        HEAD.replace("version: 1", "version: 2") + " []",
        "s.yaml:1: format_version: ",
        "1",
    ),
    ("broken YAML", HEAD + "- {", "s.yaml:", "expected YAML"),
    ("nothing", "", "s.yaml:1: ", "expected a mapping"),
    ("a list", "[]", "s.yaml:1: ", "expected a mapping"),
]


@pytest.mark.parametrize(
    ("text", "place", "expected"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_error_names_file_line_and_field(text: str, place: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_snapshot_file(text, "s.yaml")
    line = str(caught.value).splitlines()[0]
    assert line.startswith(place)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2
