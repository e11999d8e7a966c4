"""A real control plane for the tests of this folder. They run in one xdist worker: clusters are costly, cores few."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cluster import Cluster
from tests.live.programs import ProgramsMissing, built_programs


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with the programs. Where they can't be built the tests are skipped; in CI that is a failure."""
    try:
        return built_programs()
    except ProgramsMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """etcd and the API server alone, shared by all tests: they create what they need under names of their own."""
    with Cluster(programs, tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="session")
def whole_cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """With controllers, scheduler, and a Ready node that kwok plays: Jobs make Pods, and Pods run."""
    folder = tmp_path_factory.mktemp("whole-cluster")
    with Cluster(programs, folder, controllers=True, scheduler=True, kwok=True) as started:
        started.ok("POST", "/api/v1/nodes", {"metadata": {"name": "node-0", "labels": _NODE_LABELS}})
        yield started


_NODE_LABELS = {"kubernetes.io/hostname": "node-0", "kubernetes.io/os": "linux"}
