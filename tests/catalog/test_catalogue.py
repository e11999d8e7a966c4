"""The packaged catalogue is sound, and errors in controls name file, line and field."""

import pytest
import yaml

from auditor.catalog.catalogue import SourceText, load_catalogue
from auditor.checks.registry import all_checks
from auditor.collect.catalogue_files import packaged_controls, packaged_frameworks
from auditor.evaluate.assessment import bind_checks
from auditor.model.user_error import UserError

FRAMEWORKS = packaged_frameworks()
CATALOGUE = load_catalogue(packaged_controls(), FRAMEWORKS)
CONTROL = """id: mine
title: Mine
severity: low
automation: automated
objective: o
why_it_matters: w
limitations: [l]
checks: [{check: policies-select-pods}]
requirements: [{framework: gdpr, requirement: "32(1)(b)", strength: partial, because: b}]
remediation: r
"""


def test_every_check_is_used_by_a_control_and_every_use_binds() -> None:
    uses = bind_checks(CATALOGUE, all_checks())
    assert {use.check.id for group in uses.values() for use in group} == set(all_checks())


def test_a_controls_file_is_named_after_its_id() -> None:
    assert {entry.name for entry in CATALOGUE.controls.values()} == {
        f"controls/{i}.yaml" for i in CATALOGUE.controls
    }


@pytest.mark.parametrize("located", CATALOGUE.controls.values(), ids=lambda entry: entry.value.id)
def test_no_control_promises_compliance(located: object) -> None:
    text = yaml.safe_dump(located.value.model_dump(mode="json"))  # type: ignore[attr-defined]
    assert "compliant" not in text.lower()


def test_frameworks_come_in_the_order_that_reports_use() -> None:
    assert list(CATALOGUE.frameworks) == ["pci-dss-4.0.1", "hipaa", "gdpr"]


@pytest.mark.parametrize(
    ("framework", "ids"),
    [
        (
            "pci-dss-4.0.1",
            ["1.2.5", "1.3.1", "1.4.5", "2.2.7", "4.2.1.1", "10.2.1.7", "11.5.1.1", "12.5.2.1", "A1.1.4"],
        ),
        ("hipaa", ["164.306(d)(3)", "164.308(a)(1)(ii)(D)", "164.312(e)(2)(ii)", "164.316(b)(2)(iii)"]),
        ("gdpr", ["5(1)(f)", "25(2)", "32(1)(a)", "44"]),
    ],
)
def test_requirements_that_network_evidence_bears_on_are_listed(framework: str, ids: list[str]) -> None:
    assert all(CATALOGUE.requirement(framework, requirement) for requirement in ids)


def test_nothing_physical_is_listed_for_hipaa() -> None:
    assert not [r.id for r in CATALOGUE.frameworks["hipaa"].requirements if r.id.startswith("164.310")]


def load(*texts: str) -> None:
    load_catalogue([SourceText(f"own/c{i}.yaml", text) for i, text in enumerate(texts)], FRAMEWORKS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("id: mine", "id: Mine!"), "own/c0.yaml:1: id:"),
        (("title: Mine", "titel: Mine"), "own/c0.yaml:2: titel: unknown field; did you mean title?"),
        (
            ("framework: gdpr", "framework: sox"),
            "own/c0.yaml:9: requirements[0].framework: unknown framework 'sox'",
        ),
        (
            ("32(1)(b)", "32(9)"),
            "own/c0.yaml:9: requirements[0].requirement: '32(9)' is not in the list of gdpr",
        ),
        (("32(1)(b)", "44"), "own/c0.yaml:9: requirements[0].strength: 44 is manual; expected supporting"),
        (
            ("strength: partial", "strength: full"),
            "own/c0.yaml:9: requirements[0].strength: 32(1)(b) is partial",
        ),
        (
            ("remediation: r", "remediation: r\nrequires: [nobody]"),
            "own/c0.yaml:11: requires[0]: no control 'nobody'",
        ),
        (
            ("remediation: r", "remediation: r\nrequires: [mine]"),
            "own/c0.yaml:11: requires: circle: mine -> mine",
        ),
        (("limitations: [l]", "limitations: []"), "own/c0.yaml:7: limitations:"),
    ],
)
def test_an_error_names_file_line_and_field(change: tuple[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(CONTROL.replace(*change, 1))
    assert message in str(caught.value)


def test_two_controls_with_one_id_name_both_files() -> None:
    with pytest.raises(
        UserError, match=r"own/c1\.yaml:1: id: control 'mine' is already defined in own/c0\.yaml"
    ):
        load(CONTROL, CONTROL)


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ("[{check: no-such}]", "own/c0.yaml:8: checks[0].check: no check 'no-such'"),
        ("[{check: policies-select-pods, parameters: {x: 1}}]", "own/c0.yaml:8: checks[0].parameters.x:"),
        (
            "[{check: internet-egress-restricted, parameters: {widest_prefix_v4: 99}}]",
            "parameters.widest_prefix_v4:",
        ),
    ],
)
def test_unknown_checks_and_parameters_are_errors(checks: str, message: str) -> None:
    text = CONTROL.replace("[{check: policies-select-pods}]", checks)
    catalogue = load_catalogue([SourceText("own/c0.yaml", text)], FRAMEWORKS)
    with pytest.raises(UserError) as caught:
        bind_checks(catalogue, all_checks())
    assert message in str(caught.value)
