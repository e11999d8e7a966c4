"""`auditor run` as a process: into a bucket of a real S3 gateway, killed at any moment, ended by a signal."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.model.run_record import RunRecord
from auditor.store.runs import open_store
from auditor.unattended.request import load_run_config
from tests.publish.conftest import Receiver, receiving
from tests.store.conftest import SECRET, Gateway, credentials, gateway
from tests.unattended.conftest import SAMPLES, Nightly

__all__ = ["credentials", "gateway"]


def start(nightly: Nightly, *options: str) -> subprocess.Popen[str]:
    path = nightly.folder / "run.yaml"
    path.write_text(yaml.safe_dump(nightly.config))
    command = [sys.executable, "-m", "auditor", "run", "--config", str(path), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(nightly: Nightly, *options: str) -> tuple[int, str]:
    process = start(nightly, *options)
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def use_bucket(nightly: Nightly, gateway: Gateway, name: str) -> Path:
    """The folder behind the bucket's prefix."""
    (gateway.root / name).mkdir()
    store = {"url": f"s3://{name}/clusters/one", "endpoint_url": gateway.url, "region": "us-east-1"}
    nightly.config["store"] = store
    return gateway.root / name / "clusters" / "one"


def records(nightly: Nightly) -> list[RunRecord]:
    config = load_run_config(nightly.folder / "run.yaml").value
    return open_store(config.store).whole_runs("nightly")


def test_a_run_goes_into_a_bucket_and_no_credential_anywhere(
    nightly: Nightly, gateway: Gateway, credentials: None
) -> None:
    pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
    place = use_bucket(nightly, gateway, "runs")
    code, told = run(nightly)
    assert code == 0, told
    time.sleep(1.1)  # names of runs tell seconds apart
    code, told_again = run(nightly)
    assert code == 0, told_again
    first, second = records(nightly)
    assert second.compared_with == first.run
    assert f"0 new failures since {first.run}" in told_again
    kept = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert SECRET not in told + told_again
    assert SECRET.encode() not in kept


def test_check_reads_files_and_connects_to_nothing(nightly: Nightly, tmp_path: Path) -> None:
    nightly.config["store"] = {"url": "s3://nowhere/x", "endpoint_url": "http://127.0.0.1:1"}
    assert run(nightly, "--check") == (0, f"auditor: {nightly.folder / 'run.yaml'}: can be used\n")
    nightly.config["scope"] = "no.yaml"
    code, told = run(nightly, "--check")
    assert (code, len(told.splitlines())) == (2, 1)
    assert "no.yaml" in told


def test_a_mistake_in_the_configuration_is_one_line(nightly: Nightly) -> None:
    nightly.config["keep"] = 3
    code, told = run(nightly)
    assert (code, len(told.splitlines())) == (2, 1)
    assert "keep: unknown field" in told


def test_an_address_in_a_mistake_is_not_repeated(nightly: Nightly) -> None:
    nightly.config["notify"] = {
        "slack": {"url": "hooks.example/T0/token"},
        "webhook": {"url": "x" * 99 + "\n"},
    }
    nightly.config["publish"] = {"metrics": {"pushgateway": {"url": "https://me:token@push:99999"}}}
    nightly.config["store"] |= {"url": "s3://key:token@evidence", "endpoint_url": "ftp://me:token@s3"}
    code, told = run(nightly)
    assert (code, len(told.splitlines())) == (2, 5)
    assert "slack.url: expected an address as https://host/path" in told
    assert "token" not in told
    assert "xxx" not in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"collect": {"kubeconfig": "none"}}, "none: no such file or folder"),
        ({"collect": {"sources": ["state", "none"]}}, "none: no such file or folder"),
        ({"store": {"url": "s3://evidence", "ca_file": "none"}}, "none: no such file"),
        (
            {"store": {"url": "s3://evidence", "ca_file": "run.yaml"}},
            "run.yaml: expected certificates in PEM",
        ),
        (
            {"notify": {"slack": {"url": "https://s.example", "ca_file": "run.yaml"}}},
            "run.yaml: expected certificates in PEM",
        ),
    ],
)
def test_check_finds_files_that_no_run_could_use(
    nightly: Nightly, change: dict[str, Any], message: str
) -> None:
    nightly.config |= change
    code, told = run(nightly, "--check")
    assert (code, told) == (2, f"auditor: {nightly.folder}/{message}\n")


def test_nobody_who_reads_what_is_told_changes_no_exit_code(nightly: Nightly) -> None:
    shutil.copytree(SAMPLES / "legacy-flannel", nightly.folder / "flannel")
    nightly.config |= {"collect": {"sources": ["flannel"]}, "scope": None, "fail_on": ["FAIL"]}
    process = start(nightly)
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(60) == 1
    assert [path.name.partition("-")[2] for path in nightly.store.iterdir()] == ["nightly"]


def test_a_bucket_that_cannot_be_reached_is_told_before_the_long_work(
    nightly: Nightly, credentials: None
) -> None:
    pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
    nightly.config["store"] = {"url": "s3://nowhere/x", "endpoint_url": "http://127.0.0.1:1", "region": "x"}
    code, told = run(nightly)
    assert code == 4
    assert told == "auditor: s3://nowhere/x: the endpoint can't be reached\n"


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_run_that_is_ended_from_outside_says_so_and_stores_nothing(
    nightly: Nightly, told: Receiver
) -> None:
    pytest.importorskip("kubernetes", reason="the extra 'live' isn't installed")
    nightly.config["notify"] = {"webhook": {"url": told.url}}
    nightly.config["collect"] = {"kubeconfig": "kubeconfig"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        _write_kubeconfig(nightly.folder / "kubeconfig", silent.getsockname()[1])
        process = start(nightly)
        asked, _ = silent.accept()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        asked.close()
    assert process.returncode == 130
    cause = json.loads(told.bodies[0])["cause"]
    assert cause.startswith("ended from outside")
    assert f"auditor: {cause}" in err
    assert list(nightly.store.iterdir()) == []


def _write_kubeconfig(path: Path, port: int) -> None:
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(value))


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_killed_at_any_moment_nothing_half_written_counts(
    nightly: Nightly, place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 at six moments towards the end: what counts as a run afterwards is whole, to the last byte."""
    if place == "bucket":
        pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
        request.getfixturevalue("credentials")
        use_bucket(nightly, request.getfixturevalue("gateway"), "killed")
    began = time.monotonic()
    assert run(nightly)[0] == 0
    whole = time.monotonic() - began
    for number in range(6):
        process = start(nightly)
        time.sleep(whole * (0.6 + number / 12))
        process.kill()
        process.communicate()
    store = open_store(load_run_config(nightly.folder / "run.yaml").value.store)
    counted = store.whole_runs("nightly")
    assert counted
    for record in counted:
        for entry in record.files:
            assert len(store.read(record, entry.name)) == entry.size
    _left_over_goes(store, nightly)


def _left_over_goes(store: Any, nightly: Nightly) -> None:
    from datetime import UTC, datetime, timedelta

    whole = [record.run for record in store.whole_runs("nightly")]
    store.prune_left_over("nightly", datetime.now(UTC) + timedelta(days=2))
    assert [record.run for record in store.whole_runs("nightly")] == whole
    assert [run for run in store.shelf.runs() if store.shelf.has_record(run)] == whole
