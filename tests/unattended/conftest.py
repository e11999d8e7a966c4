"""Unattended runs of sample clusters, with a clock that stands still until it is moved."""

import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.collect.live.collection import CollectionRecord
from auditor.collect.live.target import LiveTarget
from auditor.model.kinds import KindKey
from auditor.unattended.request import RunOutcome, RunRequest, load_run_config
from auditor.unattended.run import run_unattended

SAMPLES = Path(__file__).parents[2] / "samples" / "clusters"


@dataclass
class Nightly:
    """A configuration, the cluster's state as a folder, and runs of it, each a day later than the one before."""

    folder: Path
    config: dict[str, Any]
    time: datetime = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)
    remarks: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def request(self) -> RunRequest:
        path = self.folder / "run.yaml"
        path.write_text(yaml.safe_dump(self.config))
        return RunRequest(
            config=load_run_config(path).value,
            folder=self.folder,
            command=["auditor", "run"],
            now=lambda: self.time,
            sleep=lambda _: None,
            remark=self.remarks.append,
            collect=_no_cluster,
            stage=lambda _: nullcontext(),
        )

    def run(self) -> RunOutcome:
        try:
            return run_unattended(self.request())
        finally:
            self.time += timedelta(days=1)


def _no_cluster(
    target: LiveTarget, kinds: Iterable[KindKey], out: Path, scope_text: str | None
) -> CollectionRecord:
    raise AssertionError("no cluster is read here")


@pytest.fixture
def nightly(tmp_path: Path) -> Nightly:
    """The clinic's cluster, which hardly fails anything."""
    shutil.copytree(SAMPLES / "clinic-linkerd", tmp_path / "state")
    (tmp_path / "state" / "scope.yaml").rename(tmp_path / "scope.yaml")
    config = {
        "name": "nightly",
        "collect": {"sources": ["state"]},
        "scope": "scope.yaml",
        "store": {"url": f"file://{tmp_path}/store"},
        "formats": ["json"],
    }
    return Nightly(tmp_path, config)
