"""`auditor connectivity` and `auditor explain`: formats, exit codes, one clear line for bad input."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from auditor.cli.app import _run
from auditor.model.user_error import ExitCode
from auditor.schemas import json_schema
from tests.connectivity.clusters import shop
from tests.network.building import Raw, labels, policy

COMPLETE = ["--assume-complete", "Ada Assessor"]
SCOPE = "namespaces:\n- name: shop\n  holds: [cardholder-data]\n- glob: '*'\n  class: out-of-scope\n  reason: rest\n"


def save(folder: Path, objects: list[Raw]) -> str:
    """The objects as a source."""
    folder.mkdir(exist_ok=True)
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    return str(folder)


@pytest.fixture
def source(tmp_path: Path) -> str:
    return save(tmp_path / "cluster", shop())


@pytest.fixture
def scope(tmp_path: Path) -> str:
    path = tmp_path / "scope.yaml"
    path.write_text(SCOPE)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_default_is_a_table(capsys: pytest.CaptureFixture[str], source: str) -> None:
    code, out, err = run(capsys, "connectivity", source, *COMPLETE)
    assert (code, err) == (ExitCode.DONE, "")
    assert "5432/TCP" in out


@pytest.mark.parametrize("level", ["pod", "workload", "namespace"])
def test_json_is_valid_against_the_published_schema(
    capsys: pytest.CaptureFixture[str], source: str, level: str
) -> None:
    code, out, _ = run(capsys, "connectivity", source, *COMPLETE, "--format", "json", "--level", level)
    assert code == ExitCode.DONE
    Draft202012Validator(json_schema("connectivity")).validate(json.loads(out))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("query", ["--from", "shop/web", "--to", "shop/db", "--port", "5432/TCP"]),
        ("exposure", ["--exposure"]),
        ("changes", ["--since", "SOURCE"]),
    ],
)
def test_every_answer_has_a_published_schema(
    capsys: pytest.CaptureFixture[str], source: str, name: str, arguments: list[str]
) -> None:
    told = [source if argument == "SOURCE" else argument for argument in arguments]
    code, out, _ = run(capsys, "connectivity", source, *COMPLETE, *told, "--format", "json")
    assert code == ExitCode.DONE
    Draft202012Validator(json_schema(name)).validate(json.loads(out))


def test_incomplete_evidence_is_said_and_has_its_exit_code(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    code, out, err = run(capsys, "connectivity", source, "--format", "json")
    assert code == ExitCode.EVIDENCE_INCOMPLETE
    assert "isn't known to be complete for" in err
    assert json.loads(out)["completeness"]["complete"] is False


def test_quiet_says_nothing_on_standard_error(capsys: pytest.CaptureFixture[str], source: str) -> None:
    code, _, err = run(capsys, "connectivity", source, "--format", "json", "--quiet")
    assert (code, err) == (ExitCode.EVIDENCE_INCOMPLETE, "")


def test_broken_policies_are_named_and_the_rest_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = policy("broken", "shop", pods=labels(app="web"), ingress=[{"ports": [{"port": 70000}]}])
    source = save(tmp_path / "broken", [*shop(), broken])
    code, out, err = run(capsys, "connectivity", source, *COMPLETE, "--format", "json")
    assert code == ExitCode.DONE
    assert "shop/NetworkPolicy/broken" in err
    assert json.loads(out)["completeness"]["problems"]


def test_a_document_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path
) -> None:
    """YAML takes an unquoted `on` for a boolean; the object isn't left out in silence."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: on, namespace: shop}\n"
    )
    code, _, error = run(capsys, "connectivity", source, str(broken))
    assert (code, error.count("broken.yaml")) == (3, 1)
    assert (
        "broken.yaml:1: document 1: NetworkPolicy.networking.k8s.io: metadata.name: expected a name" in error
    )


def test_a_scope_file_in_the_folder_is_no_fault(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str
) -> None:
    (tmp_path / "scope.yaml").write_text("format_version: 1\n")
    assert "scope.yaml" not in run(capsys, "connectivity", source, str(tmp_path / "scope.yaml"))[2]
    code, _, error = run(capsys, "connectivity", source, "--with", str(tmp_path / "scope.yaml"))
    assert (code, error.count("scope.yaml: not a Kubernetes object")) == (2, 1)


def test_explain_tells_in_sentences(capsys: pytest.CaptureFixture[str], source: str) -> None:
    asked = ["--from", "shop/web", "--to", "shop/db", "--port", "5432"]
    code, out, _ = run(capsys, "explain", source, *COMPLETE, *asked)
    assert code == ExitCode.DONE
    assert "can connect to shop/Pod/db" in out


@pytest.mark.parametrize("format", ["table", "json", "csv", "dot", "svg"])
def test_a_file_is_written_whole(
    capsys: pytest.CaptureFixture[str], source: str, scope: str, tmp_path: Path, format: str
) -> None:
    target = tmp_path / "out" / f"file.{format}"
    arguments = ["--format", format, "--out", str(target), "--scope", scope]
    code, out, _ = run(capsys, "connectivity", source, *COMPLETE, *arguments)
    assert (code, out) == (ExitCode.DONE, "")
    assert target.stat().st_size > 100
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_failed_run_leaves_an_earlier_file_as_it_was(
    capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path
) -> None:
    target = tmp_path / "kept.json"
    target.write_text("earlier")
    asked = ["--from", "shop/web", "--to", "nobody", "--port", "1"]
    code, _, err = run(capsys, "connectivity", source, *asked, "--format", "json", "--out", str(target))
    assert code == ExitCode.WRONG_USE
    assert err.startswith("auditor: --to: nothing in the evidence is called 'nobody'")
    assert target.read_text() == "earlier"


def test_only_in_scope_leaves_the_rest_out(
    capsys: pytest.CaptureFixture[str], source: str, scope: str
) -> None:
    arguments = ["--format", "json", "--only-in-scope", "--scope", scope, "--framework", "pci-dss-4.0.1"]
    code, out, _ = run(capsys, "connectivity", source, *COMPLETE, *arguments)
    result = json.loads(out)
    members = {group["id"]: group["members"] for group in result["groups"]}
    assert code == ExitCode.DONE
    for row in result["connections"]:
        ends = [*members.get(row["source"], []), *members.get(row["destination"], [])]
        assert any(end.startswith("shop/") for end in ends)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "shop/web"], "--from, --to and --port belong together"),
        (["--from", "a", "--to", "b", "--port", "1", "--exposure"], "exclude each other"),
        (["--exposure", "--format", "svg"], "with --exposure expected table or json"),
        (["--only-in-scope"], "--only-in-scope needs --scope"),
        (["--format", "pdf"], "Invalid value for '--format'"),
        (["--from", "shop/web", "--to", "shop/db", "--port", "http"], "--port: expected a port"),
        (["--out", "/dev/null/x"], "the output can't be written"),
    ],
)
def test_wrong_use_gets_one_line(
    capsys: pytest.CaptureFixture[str], source: str, arguments: list[str], said: str
) -> None:
    code, out, err = run(capsys, "connectivity", source, *COMPLETE, *arguments)
    assert code in (ExitCode.WRONG_USE, ExitCode.OUTPUT_NOT_WRITTEN)
    assert said in err
    assert (out, err.count("\n")) == ("", 1)


def test_explain_needs_a_question(capsys: pytest.CaptureFixture[str], source: str) -> None:
    assert run(capsys, "explain", source)[0] == ExitCode.WRONG_USE


def test_two_sources_are_compared(capsys: pytest.CaptureFixture[str], source: str, tmp_path: Path) -> None:
    old = save(tmp_path / "old", [raw for raw in shop() if raw["kind"] != "NetworkPolicy"])
    code, out, _ = run(capsys, "connectivity", source, "--since", old, *COMPLETE, "--format", "json")
    changes = {(row["source"], row["destination"]): row for row in json.loads(out)["changes"]}
    assert code == ExitCode.DONE
    assert changes["internet", "shop/Pod/db"]["lost"]
    assert not changes["internet", "shop/Pod/db"]["gained"]
