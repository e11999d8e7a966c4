"""Unattended runs night after night: what is stored, what is told as new, and what outlives a failure."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.audit import AuditRequest, evaluate
from auditor.model.user_error import ExitCode, UserError
from auditor.report.json_report import read_json
from auditor.store.shelf import Folder, ShelfError
from tests.unattended.conftest import Nightly

POLICIES = "networkpolicies.networking.k8s.io.yaml"


def items(nightly: Nightly, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((nightly.state / name).read_text())["items"])


def write_items(nightly: Nightly, name: str, entries: list[dict[str, Any]]) -> None:
    (nightly.state / name).write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": entries}))


def drop_policies(nightly: Nightly, namespace: str) -> None:
    """Without any policy nothing isolates the namespace's pods: `default-deny-ingress` fails."""
    kept = [entry for entry in items(nightly, POLICIES) if entry["metadata"]["namespace"] != namespace]
    write_items(nightly, POLICIES, kept)


def forget_claim(nightly: Nightly, group: str, resource: str) -> None:
    path = nightly.state / "snapshot.yaml"
    snapshot = yaml.safe_load(path.read_text())
    named = {"group": group, "resource": resource}
    snapshot["complete"] = [entry for entry in snapshot["complete"] if not named.items() <= entry.items()]
    path.write_text(yaml.safe_dump(snapshot))


def stored(nightly: Nightly, run: str, name: str) -> Any:
    return json.loads((nightly.store / run / name).read_text())


def subjects(nightly: Nightly, run: str, field: str, control: str = "default-deny-ingress") -> list[str]:
    return [e["subject"] for e in stored(nightly, run, "comparison.json")[field] if e["control"] == control]


def test_a_run_stores_everything_under_a_name_that_sorts_by_time(nightly: Nightly) -> None:
    outcome = nightly.run()
    assert outcome.record.run == "20260930T020000Z-nightly"
    assert outcome.exit_code is ExitCode.DONE
    assert sorted(path.name for path in (nightly.store / outcome.record.run).iterdir()) == [
        "comparison.json",
        "evidence.zip",
        "results.json",
        "run.json",
        "started.json",
    ]
    assert [path.name for path in nightly.store.iterdir()] == [outcome.record.run]


def test_the_stored_bundle_gives_the_stored_results_again(nightly: Nightly) -> None:
    folder = nightly.store / nightly.run().record.run
    kept = read_json((folder / "results.json").read_bytes())
    again = evaluate(
        AuditRequest(
            sources=[str(folder / "evidence.zip")],
            out=nightly.folder,
            scope=nightly.folder / "scope.yaml",
            at=nightly.request().now().replace(day=30),
            command=kept.tool.command,
        )
    )
    assert (again.findings, again.inputs, again.requirements) == (
        kept.findings,
        kept.inputs,
        kept.requirements,
    )


def test_what_fails_since_the_last_run_is_new_and_then_known(nightly: Nightly) -> None:
    nightly.run()
    drop_policies(nightly, "records")
    second = nightly.run().record
    assert second.compared_with == "20260930T020000Z-nightly"
    assert subjects(nightly, second.run, "new_failures")
    assert all(subject.startswith("records/") for subject in subjects(nightly, second.run, "new_failures"))
    third = nightly.run().record
    assert (third.new_failures, third.resolved) == (0, 0)


def test_a_night_of_incomplete_evidence_neither_hides_a_failure_nor_makes_it_new(nightly: Nightly) -> None:
    whole = items(nightly, POLICIES)
    snapshot = (nightly.state / "snapshot.yaml").read_text()
    nightly.run()
    drop_policies(nightly, "records")
    failing = subjects(nightly, nightly.run().record.run, "new_failures")
    forget_claim(nightly, "networking.k8s.io", "networkpolicies")
    blind = nightly.run()
    assert blind.exit_code is ExitCode.EVIDENCE_INCOMPLETE
    assert subjects(nightly, blind.record.run, "untold") == failing
    assert [kind.kind for kind in blind.record.incomplete_kinds] == ["NetworkPolicy.networking.k8s.io"]
    (nightly.state / "snapshot.yaml").write_text(snapshot)
    assert nightly.run().record.new_failures == 0
    write_items(nightly, POLICIES, whole)
    assert subjects(nightly, nightly.run().record.run, "resolved") == failing


def test_fail_on_gives_1_and_beats_incomplete_evidence(nightly: Nightly) -> None:
    nightly.config["fail_on"] = ["FAIL"]
    forget_claim(nightly, "", "services")
    assert nightly.run().exit_code is ExitCode.FAIL_ON_MET


def test_old_runs_go(nightly: Nightly) -> None:
    nightly.config["store"]["keep"] = 2
    runs = [nightly.run().record.run for _ in range(3)]
    assert sorted(path.name for path in nightly.store.iterdir()) == runs[1:]
    assert nightly.remarks == [f"deleted {runs[0]}"]


def test_an_earlier_run_that_was_tampered_with_is_told_and_not_compared_with(nightly: Nightly) -> None:
    first = nightly.run().record.run
    results = nightly.store / first / "results.json"
    results.write_bytes(results.read_bytes().replace(b"FAIL", b"PASS"))
    assert nightly.run().record.compared_with is None
    assert nightly.remarks == [
        f"not compared with {first}: {first}: results.json was changed since it was stored"
    ]


def test_an_earlier_run_that_cannot_be_read_costs_nothing_but_the_comparison(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = nightly.run().record.run
    read = Folder.read

    def refusing(shelf: Folder, run: str, file: str) -> bytes:
        if (run, file) == (first, "run.json"):
            raise ShelfError("no permission")
        return read(shelf, run, file)

    monkeypatch.setattr(Folder, "read", refusing)
    second = nightly.run().record
    assert second.compared_with is None
    assert (nightly.store / second.run / "run.json").is_file()
    assert "not compared with any run: no permission" in nightly.remarks


def test_a_store_that_cannot_be_written_is_found_before_the_long_work(nightly: Nightly) -> None:
    nightly.store.write_text("a file")
    with pytest.raises(UserError) as raised:
        nightly.run()
    assert raised.value.exit_code is ExitCode.OUTPUT_NOT_WRITTEN
    assert nightly.store.read_text() == "a file"


MISSING = {
    "the scope file": ({"scope": "no.yaml"}, "no.yaml"),
    "the controls": ({"controls": ["no"]}, "no"),
    "the source": ({"collect": {"sources": ["no"]}}, "no"),
}


@pytest.mark.parametrize(("change", "told"), MISSING.values(), ids=MISSING)
def test_what_the_configuration_names_and_is_not_there_stores_nothing(
    nightly: Nightly, change: dict[str, Any], told: str
) -> None:
    nightly.config.update(change)
    with pytest.raises(UserError, match=told) as raised:
        nightly.run()
    assert raised.value.exit_code is ExitCode.WRONG_USE
    assert list(nightly.store.iterdir()) == []


def test_equal_input_and_clock_give_equal_bytes(nightly: Nightly, tmp_path: Path) -> None:
    first = nightly.run().record.run
    kept = {path.name: path.read_bytes() for path in (nightly.store / first).iterdir()}
    nightly.time = nightly.time.replace(month=9, day=30)
    nightly.config["store"]["url"] = f"file://{tmp_path}/other"
    nightly.run()
    assert {path.name: path.read_bytes() for path in (tmp_path / "other" / first).iterdir()} == kept
