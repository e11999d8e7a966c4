"""The command line as people meet it: help, listings, schemas, output that is complete or absent."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "clusters" / "legacy-flannel"


def auditor(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditor", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "160", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)


def test_help_names_every_command_of_the_readme() -> None:
    told = auditor("--help").stdout
    for command in re.findall(r"^\| `auditor ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert command in told


def test_the_exit_codes_of_the_help_are_those_of_the_readme() -> None:
    told = " ".join(auditor("--help").stdout.split())
    assert "130 interrupted" in told
    for code, meaning in re.findall(r"(\d+) ([a-z][a-z ,]+)", "0 done 1 an outcome of 4 output not written"):
        assert f"{code} {meaning.strip()}" in told


def test_help_does_not_import_what_only_reports_need() -> None:
    script = "import sys; sys.argv = ['auditor', '--help']\n"
    script += "try:\n import auditor.cli as c; c.main()\nexcept SystemExit: pass\n"
    script += "print([m for m in ('weasyprint', 'kubernetes', 'jinja2', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "option", ["--framework", "--scope", "--controls", "--format", "--fail-on", "--at", "--period"]
)
def test_audit_help_explains_an_option(option: str) -> None:
    assert option in auditor("audit", "--help").stdout


def test_controls_are_listed_as_data_too() -> None:
    listed = json.loads(auditor("controls", "list", "--format", "json").stdout)
    assert {"default-deny-ingress", "transit-protection"} <= {control["id"] for control in listed}


def test_a_control_shows_its_requirements_and_limitations() -> None:
    told = auditor("controls", "show", "default-deny-ingress").stdout
    assert "Limitations" in told
    assert "pci-dss-4.0.1 1.3.1" in told


def test_an_unknown_control_is_answered_with_the_nearest() -> None:
    done = auditor("controls", "show", "default-deny-ingres")
    assert done.returncode == 2
    assert "did you mean default-deny-ingress" in done.stderr


def test_checking_a_good_control_file_says_so() -> None:
    assert "valid" in auditor("controls", "check", ROOT / "tests" / "cli" / "own_control.yaml").stdout


def test_the_built_in_controls_are_no_duplicates_of_themselves() -> None:
    done = auditor("controls", "check", ROOT / "controls")
    count = len(list((ROOT / "controls").glob("*.yaml")))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{count} control files are valid" in done.stdout
    assert f"{count} of them have the id of a built-in control" in done.stdout


def test_a_copy_of_the_built_in_controls_is_checked_in_their_place(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(ROOT / "controls", copy, ignore=shutil.ignore_patterns("frameworks"))
    altered = copy / "flow-encryption.yaml"
    altered.write_text(altered.read_text().replace("check: flows-encrypted", "check: flows-encryptet"))
    done = auditor("controls", "check", copy)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "mine/flow-encryption.yaml:" in done.stderr
    assert "no check 'flows-encryptet'" in done.stderr


def test_two_files_of_ones_own_with_one_id_are_still_refused(tmp_path: Path) -> None:
    text = (ROOT / "tests" / "cli" / "own_control.yaml").read_text()
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(text)
    done = auditor("controls", "check", tmp_path)
    assert done.returncode == 2
    assert f"is already defined in {tmp_path}/a.yaml" in done.stderr


@pytest.mark.parametrize("name", ["control", "framework", "results", "scope", "snapshot"])
def test_a_published_schema_is_a_json_schema(name: str) -> None:
    schema = json.loads(auditor("schema", name).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_results_are_valid_and_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    for run in ("a", "b"):
        arguments = ["audit", SAMPLE, "--scope", SAMPLE / "scope.yaml", "--at", "2026-09-30T03:00:00Z"]
        done = auditor(*arguments, "--format", "json,html", "--quiet", "--out", tmp_path / "out")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        for name in ("results.json", "report.html"):
            (tmp_path / f"{run}-{name}").write_bytes((tmp_path / "out" / name).read_bytes())
    for name in ("results.json", "report.html"):
        assert (tmp_path / f"a-{name}").read_bytes() == (tmp_path / f"b-{name}").read_bytes()
    schema = json.loads(auditor("schema", "results").stdout)
    jsonschema.validate(json.loads((tmp_path / "a-results.json").read_text()), schema)


def test_only_the_framework_that_was_asked_for_is_reported(tmp_path: Path) -> None:
    auditor("audit", SAMPLE, "--framework", "hipaa", "--format", "json", "--quiet", "--out", tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {requirement["framework"] for requirement in results["requirements"]} == {"hipaa"}
    assert {framework for finding in results["findings"] for framework in finding["frameworks"]} == {"hipaa"}


def test_standard_input_is_a_source(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: []}\n"
    command = [sys.executable, "-m", "auditor", "audit", "-", "--format", "json", "--out", str(tmp_path)]
    done = subprocess.run(command, input=pod, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads((tmp_path / "results.json").read_text())["cluster"]["pods"] == 1


def test_without_a_terminal_there_is_no_progress_and_no_colour(tmp_path: Path) -> None:
    done = auditor("audit", SAMPLE, "--format", "json", "--out", tmp_path, NO_COLOR="1")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert str(tmp_path / "results.json") in done.stdout


def test_own_controls_are_added_and_mapped(tmp_path: Path) -> None:
    own = ROOT / "tests" / "cli" / "own_control.yaml"
    auditor("audit", SAMPLE, "--controls", own, "--format", "json", "--quiet", "--out", tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert "narrow-egress" in {control["id"] for control in results["controls"]}


def test_an_assumption_of_completeness_carries_a_name(tmp_path: Path) -> None:
    pod = tmp_path / "pod.yaml"
    pod.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {hostNetwork: true, containers: []}\n"
    )
    done = auditor(
        "audit", pod, "--assume-complete", "Ada Lovelace", "--format", "json", "--out", tmp_path / "out"
    )
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert done.returncode == 0
    assert any("Ada Lovelace" in assumption for assumption in results["assumptions"])


def test_metrics_are_written_beside_the_report(tmp_path: Path) -> None:
    metrics = tmp_path / "textfile" / "auditor.prom"
    done = auditor("audit", SAMPLE, "--format", "json", "--metrics", metrics, "--out", tmp_path / "report")
    assert str(metrics) in done.stdout.replace("\n", "")
    assert 'auditor_findings{control="' in metrics.read_text()


def test_two_results_are_compared(tmp_path: Path) -> None:
    auditor("audit", SAMPLE, "--format", "json", "--out", tmp_path)
    results = tmp_path / "results.json"
    told = auditor("compare", results, results, "--format", "json")
    assert told.returncode == 0
    found = json.loads(told.stdout)
    assert (found["new_failures"], found["resolved"], found["changed"]) == ([], [], [])
    assert "New failures: 0" in auditor("compare", results, results).stdout
    (tmp_path / "other.json").write_text("{}")
    wrong = auditor("compare", results, tmp_path / "other.json")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "expected the results.json of an audit" in wrong.stderr
