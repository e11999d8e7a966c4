"""Stored runs, in a folder and in a bucket of a real S3 gateway: whole or not at all, and nothing foreign is touched."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auditor.model.outcome import Outcome
from auditor.model.run_config import StoreConfig
from auditor.model.run_record import RECORD, STARTED, RunRecord, RunStarted
from auditor.model.user_error import UserError
from auditor.store.runs import RunStore, open_store, run_folder, stored_files
from auditor.store.shelf import ShelfError
from tests.store.conftest import Gateway

NOW = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[StoreConfig, Path]:
    """A store, and the folder in which its files can be looked at from outside."""
    if request.param == "folder":
        return StoreConfig(url=f"file://{tmp_path}/store"), tmp_path / "store"
    pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
    gateway: Gateway = request.getfixturevalue("gateway")
    request.getfixturevalue("credentials")
    bucket = gateway.root / f"evidence-{tmp_path.name.lower().replace('_', '-')[:40].strip('-')}"
    bucket.mkdir()
    config = StoreConfig(url=f"s3://{bucket.name}/clusters/one", endpoint_url=gateway.url, region="us-east-1")
    return config, bucket / "clusters" / "one"


def put(
    store: RunStore,
    scratch: Path,
    started: datetime,
    name: str = "nightly",
    complete: bool = True,
    without: str = "",
    cluster: str | None = None,
) -> str:
    """A run's three files, as a run writes them; `without` leaves one out."""
    run = run_folder(name, started)
    folder = scratch / f"made-{run}"
    folder.mkdir()
    (folder / STARTED).write_text(
        RunStarted(run=run, name=name, started_at="2026-09-30T02:00:00Z").model_dump_json()
    )
    (folder / "results.json").write_text('{"of": "%s"}' % run)
    record = RunRecord(
        version="1",
        run=run,
        name=name,
        started_at="2026-09-30T02:00:00Z",
        finished_at="2026-09-30T02:00:00Z",
        cluster=None,
        cluster_uid=cluster,
        frameworks=["hipaa"],
        scope_sha256=None,
        complete=complete,
        incomplete_kinds=[],
        outcomes={Outcome.FAIL: 1},
        exit_code=0,
        compared_with=None,
        new_failures=0,
        resolved=0,
        untold=0,
        files=stored_files(folder),
    )
    (folder / RECORD).write_text(record.model_dump_json())
    if without:
        (folder / without).unlink()
    store.put(run, folder)
    return run


Put = Callable[..., str]


def names(store: RunStore, name: str = "nightly") -> list[str]:
    return [record.run for record in store.whole_runs(name)]


def record(store: RunStore, run: str) -> RunRecord:
    return next(entry for entry in store.whole_runs("nightly") if entry.run == run)


def test_runs_are_listed_by_time_and_read_back(place: tuple[StoreConfig, Path], tmp_path: Path) -> None:
    store = open_store(place[0])
    store.check()
    later = put(store, tmp_path, NOW + timedelta(days=1))
    first = put(store, tmp_path, NOW)
    put(store, tmp_path, NOW, name="other")
    assert names(store) == [first, later] == ["20260930T020000Z-nightly", "20261001T020000Z-nightly"]
    previous = store.previous("nightly", later)
    assert previous is not None
    assert previous.run == first
    assert json.loads(store.read(previous, "results.json")) == {"of": first}
    assert sorted(path.name for path in (place[1] / first).iterdir()) == ["results.json", RECORD, STARTED]


def test_nothing_is_left_by_the_proof_that_it_can_be_written(place: tuple[StoreConfig, Path]) -> None:
    open_store(place[0]).check()
    assert not place[1].exists() or not list(place[1].iterdir())


def test_a_run_without_record_does_not_count(place: tuple[StoreConfig, Path], tmp_path: Path) -> None:
    store = open_store(place[0])
    put(store, tmp_path, NOW, without=RECORD)
    assert (names(store), store.previous("nightly", "9")) == ([], None)


def test_a_run_is_never_written_over(place: tuple[StoreConfig, Path], tmp_path: Path) -> None:
    store = open_store(place[0])
    run = put(store, tmp_path, NOW)
    with pytest.raises(ShelfError, match="there is a run of this name already"):
        store.put(run, tmp_path / f"made-{run}")


def test_what_was_changed_since_is_not_read(place: tuple[StoreConfig, Path], tmp_path: Path) -> None:
    store = open_store(place[0])
    run = put(store, tmp_path, NOW)
    (place[1] / run / "results.json").write_text('{"of": "someone else"}')
    with pytest.raises(ShelfError, match=r"results\.json was changed since it was stored|Expected checksum"):
        store.read(store.whole_runs("nightly")[0], "results.json")


def test_pruning_keeps_the_newest_with_complete_evidence(
    place: tuple[StoreConfig, Path], tmp_path: Path
) -> None:
    store = open_store(place[0])
    runs = [put(store, tmp_path, NOW + timedelta(days=day), complete=day == 1) for day in range(5)]
    assert store.prune(record(store, runs[4]), keep=2) == [runs[0], runs[2]]
    assert names(store) == [runs[1], runs[3], runs[4]]
    assert not (place[1] / runs[0]).exists() or not list((place[1] / runs[0]).iterdir())


def test_a_clock_that_went_back_costs_no_run_that_was_just_stored(
    place: tuple[StoreConfig, Path], tmp_path: Path
) -> None:
    store = open_store(place[0])
    ahead = [put(store, tmp_path, NOW + timedelta(days=day)) for day in (300, 301)]
    old, last = put(store, tmp_path, NOW), put(store, tmp_path, NOW + timedelta(days=1))
    assert store.prune(record(store, last), keep=2) == [old]
    assert names(store) == [last, *ahead]
    newest = store.newest_complete(record(store, last))
    assert newest is not None
    assert newest.run == last


def test_another_cluster_in_the_same_store_is_neither_compared_with_nor_pruned(
    place: tuple[StoreConfig, Path], tmp_path: Path
) -> None:
    store = open_store(place[0])
    old = put(store, tmp_path, NOW, cluster="one")
    other = [put(store, tmp_path, NOW + timedelta(days=day), cluster="two") for day in (1, 2)]
    last = put(store, tmp_path, NOW + timedelta(days=3), cluster="one", complete=False)
    previous = store.previous("nightly", last, "one")
    assert previous is not None
    assert previous.run == old
    complete = store.newest_complete(record(store, last))
    assert complete is not None
    assert complete.run == old
    assert store.prune(record(store, last), keep=1) == []
    assert names(store) == [old, *other, last]


def test_a_run_of_the_same_second_leaves_the_other_alone(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url=f"file://{tmp_path}/store"))
    store.check()
    run = put(store, tmp_path, NOW)
    (tmp_path / "store" / run).rename(tmp_path / "store" / f".partial-{run}")  # the other is at work
    with pytest.raises(ShelfError, match="there is a run of this name already"):
        store.put(run, tmp_path / f"made-{run}")
    assert len(list((tmp_path / "store" / f".partial-{run}").iterdir())) == 3


def test_pruning_touches_nothing_that_a_run_did_not_write(
    place: tuple[StoreConfig, Path], tmp_path: Path
) -> None:
    store = open_store(place[0])
    old, other = put(store, tmp_path, NOW), put(store, tmp_path, NOW, name="quarterly")
    (place[1] / old / "notes of the assessor.txt").write_text("mine")
    foreign = place[1] / "20200101T000000Z-nightly"
    foreign.mkdir()
    (foreign / "results.json").write_text("{}")
    forged = place[1] / "20200102T000000Z-nightly"
    forged.mkdir()
    (forged / RECORD).write_text("{}")
    last = put(store, tmp_path, NOW + timedelta(days=9))
    assert store.prune(record(store, last), keep=1) == [old]
    assert store.prune_left_over("nightly", NOW + timedelta(days=9)) == []
    assert [path.name for path in (place[1] / old).iterdir()] == ["notes of the assessor.txt"]
    assert (foreign / "results.json").exists()
    assert (forged / RECORD).exists()
    assert names(store, "quarterly") == [other]


def test_what_a_killed_run_left_is_deleted_a_day_later(
    place: tuple[StoreConfig, Path], tmp_path: Path
) -> None:
    store = open_store(place[0])
    run = put(store, tmp_path, NOW, without=RECORD)
    assert store.prune_left_over("nightly", NOW + timedelta(hours=23)) == []
    assert store.prune_left_over("nightly", NOW + timedelta(hours=25)) == [run]
    assert not (place[1] / run).exists() or not list((place[1] / run).iterdir())


def test_a_run_that_was_killed_in_a_folder_leaves_only_a_temporary_name(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url=f"file://{tmp_path}/store"))
    store.check()
    run = put(store, tmp_path, NOW)
    (tmp_path / "store" / run).rename(tmp_path / "store" / f".partial-{run}")
    assert names(store) == []
    assert store.prune_left_over("nightly", NOW + timedelta(days=2)) == [f".partial-{run}"]
    assert list((tmp_path / "store").iterdir()) == []


def test_a_folder_that_is_a_link_is_no_run(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url=f"file://{tmp_path}/store"))
    store.check()
    run = put(store, tmp_path, NOW)
    last = record(store, run)
    (tmp_path / "store" / run).rename(tmp_path / "elsewhere")
    (tmp_path / "store" / run).symlink_to(tmp_path / "elsewhere")
    assert store.prune(last, keep=1) == []
    assert names(store) == []


def test_a_bucket_that_refuses_is_one_line_without_credentials(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-wrong")
    store = open_store(StoreConfig(url="s3://nowhere/x", endpoint_url=gateway.url, region="us-east-1"))
    with pytest.raises(ShelfError) as raised:
        store.check()
    assert len(str(raised.value).splitlines()) == 1
    assert "secret" not in str(raised.value)
    assert raised.value.exit_code == 4


def test_a_bucket_that_is_not_there_is_one_line(gateway: Gateway, credentials: None) -> None:
    pytest.importorskip("s3fs", reason="the extra 'bucket' isn't installed")
    store = open_store(StoreConfig(url="s3://no-such-bucket/x", endpoint_url=gateway.url, region="us-east-1"))
    with pytest.raises(ShelfError, match="s3://no-such-bucket/x"):
        store.check()


def test_without_the_library_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"pip install 'auditor\[bucket\]'"):
        open_store(StoreConfig(url="s3://bucket/x"))
