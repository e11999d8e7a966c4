"""Pages on their way into a bundle: given back when a list fails, in memory for no longer than a page."""

import io
import os
import time
from pathlib import Path

import pytest

from auditor.collect.bundle import index_parts, write_parts
from auditor.collect.bundle_spool import BundleSpool
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness, Snapshot
from auditor.model.objects import KubeObject
from auditor.model.user_error import ExitCode, UserError
from tests.objects import kube


def pods(*names: str, version: str = "v1") -> list[KubeObject]:
    return [
        kube({"apiVersion": version, "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}})
        for name in names
    ]


def written(spool: BundleSpool, path: Path) -> list[str]:
    """The names of the Pods in a bundle of what was spooled."""
    parts = spool.parts(lambda _: Completeness.COMPLETE)
    write_parts(path, [*parts, *index_parts(Snapshot(objects=()), [], None)])
    return [obj.name for obj in read_sources([str(path)], assume_complete="Jo", stdin=io.BytesIO()).objects]


def test_what_was_added_is_in_the_bundle(tmp_path: Path) -> None:
    with BundleSpool(tmp_path) as spool:
        spool.add(pods("b", "a"))
        spool.add(pods("c"))
        assert spool.count == 3
        assert written(spool, tmp_path / "b.zip") == ["a", "b", "c"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_what_was_rolled_back_is_not(tmp_path: Path) -> None:
    with BundleSpool(tmp_path) as spool:
        spool.add(pods("a"))
        mark = spool.mark()
        spool.add(pods("b"))
        spool.add(pods("c"))
        spool.roll_back(mark)
        spool.roll_back(spool.mark())
        spool.add(pods("d"))
        assert spool.count == 2
        assert written(spool, tmp_path / "b.zip") == ["a", "d"]


def test_many_objects_are_many_files_of_at_most_500(tmp_path: Path) -> None:
    with BundleSpool(tmp_path) as spool:
        spool.add(pods(*(f"p{n:04}" for n in range(1001))))
        names = [part.name for part in spool.parts(lambda _: Completeness.COMPLETE)]
        assert names == [f"objects/core/v1/pods/000{n}.json" for n in (1, 2, 3)]
        assert len(written(spool, tmp_path / "b.zip")) == 1001


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the bundle can't be written") as caught:
        BundleSpool(tmp_path / "missing")
    assert caught.value.exit_code == ExitCode.OUTPUT_NOT_WRITTEN


def test_what_killed_processes_left_behind_is_removed_after_a_day(tmp_path: Path) -> None:
    abandoned, recent = tmp_path / ".auditor-old.partial", tmp_path / ".auditor-new.partial"
    for path, hours in ((abandoned, 25), (recent, 23)):
        path.write_bytes(b"half of a bundle")
        then = time.time() - hours * 3600
        os.utime(path, (then, then))
    with BundleSpool(tmp_path) as spool:
        spool.add(pods("a"))
        written(spool, tmp_path / "b.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == [recent.name, "b.zip"]
