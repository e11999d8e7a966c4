"""Errors in files that people write: one line each, with file, line, field and what was expected."""

import pytest

from auditor.model.scope import Scope
from auditor.model.strict_yaml import parse_strict
from auditor.model.user_error import UserError

CASES = {
    "an unknown field, with a suggestion": (
        "format_version: 1\norganization: Harbour\n",
        "scope.yaml:2: organization: unknown field; did you mean organisation?",
    ),
    "broken YAML": ("namespaces: [\n  - a\n", "scope.yaml:2: expected YAML"),
    "a list instead of a mapping": ("- a\n", "scope.yaml:1: expected a mapping of fields"),
    "a value outside a closed list": (
        "namespaces:\n  - name: shop\n    class: in-scpe\n",
        "scope.yaml:3: namespaces[0].class:",
    ),
    "two matchers in one rule": (
        "namespaces:\n  - {name: a, glob: b, class: in-scope}\n",
        "scope.yaml:2: namespaces[0]: expected exactly one of name, glob, selector",
    ),
    "out of scope without a reason": (
        "namespaces:\n  - {name: a, class: out-of-scope}\n",
        "scope.yaml:2: namespaces[0]: out-of-scope needs a reason",
    ),
    "a key given twice": ("entity: merchant\nentity: merchant\n", "scope.yaml:2: entity: given twice"),
    "an alias": ("entity: &a merchant\nmarking: *a\n", "scope.yaml:2: aliases are not allowed here"),
    "a missing field in a flow": (
        "approved_flows:\n  - {id: f1, source: a/*}\n",
        "scope.yaml:2: approved_flows[0].destination: required field is missing",
    ),
    "a port outside 1-65535": (
        "approved_flows:\n- {id: f, source: a/*, destination: b/*, business_need: x, approved_by: y,\n"
        "   approved_on: 2026-01-01, services: [{ports: [70000]}]}\n",
        "scope.yaml:3: approved_flows[0].services[0]: expected ports from 1 to 65535",
    ),
    "a network with host bits": (
        "external_networks:\n  - {name: x, cidrs: [10.0.0.1/8], trust: trusted}\n",
        "scope.yaml:2: external_networks[0].cidrs:",
    ),
    "an insecure flow that nothing compensates": (
        "approved_flows:\n- {id: f, source: a/*, destination: b/*, business_need: x, approved_by: y,\n"
        "   approved_on: 2026-01-01, insecure: true, services: [{ports: [21]}]}\n",
        "scope.yaml:2: approved_flows[0]: an insecure service needs security_feature",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_names_file_line_and_field(case: str) -> None:
    text, expected = CASES[case]
    with pytest.raises(UserError) as caught:
        parse_strict(text, "scope.yaml", Scope)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


def test_dates_and_ports_are_read_as_people_mean_them() -> None:
    text = (
        "period: 2026-Q3\napproved_flows:\n- id: f\n  source: internet\n  destination: shop/*\n"
        "  services: [{protocol: TCP, ports: [443, 8000-8080]}]\n  business_need: sales\n"
        "  approved_by: CISO\n  approved_on: 2026-01-31\n"
    )
    flow = parse_strict(text, "scope.yaml", Scope).value.approved_flows[0]
    assert flow.services[0].ranges == [(443, 443), (8000, 8080)]
    assert str(flow.approved_on) == "2026-01-31"


def test_deep_nesting_is_refused_in_one_line() -> None:
    with pytest.raises(UserError) as caught:
        parse_strict("a: " + "[" * 20000, "scope.yaml", Scope)
    assert len(str(caught.value).splitlines()) == 1


def test_errors_show_no_control_characters() -> None:
    with pytest.raises(UserError) as caught:
        parse_strict('"\\e[31mred": 1\n', "scope.yaml", Scope)
    assert "\x1b" not in str(caught.value)
