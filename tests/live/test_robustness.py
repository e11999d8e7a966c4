"""A cluster that doesn't hold still, and a collector that dies: counts hold, and no half of a bundle is taken for one."""

import io
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from auditor.collect.live.lists import PAGE
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness
from auditor.model.kinds import NAMESPACE, POD
from tests.live.cluster import Cluster
from tests.live.collecting import collect, state

PODS = 10_000
NAMESPACES = 20
KILLS = 50


def pod(number: int, prefix: str = "p") -> dict[str, object]:
    """A Pod that no kubelet runs."""
    container = {"name": "app", "image": "registry.invalid/app:1", "env": [{"name": "A", "value": "b"}]}
    metadata = {"name": f"{prefix}{number:05}", "labels": {"app": f"a{number % 50}"}}
    return {"metadata": metadata, "spec": {"containers": [container]}}


@pytest.fixture(scope="module")
def crowded(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """10,000 Pods in 20 Namespaces; old pages are read from etcd, so that compaction expires them at once."""
    flags = ["--feature-gates=ListFromCacheSnapshot=false"]
    with Cluster(programs, tmp_path_factory.mktemp("crowded"), flags=flags) as started:
        for number in range(NAMESPACES):
            started.ok("POST", "/api/v1/namespaces", {"metadata": {"name": f"n{number:02}"}})
        for number in range(NAMESPACES):
            mine = (pod(n) for n in range(number, PODS, NAMESPACES))
            started.create_all(f"/api/v1/namespaces/n{number:02}/pods", mine)
        started.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "churn"}})
        yield started


class Churn(threading.Thread):
    """Creates Pods, and deletes each a little later, until told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster, self.created, self._over = cluster, 0, threading.Event()

    def run(self) -> None:
        path = "/api/v1/namespaces/churn/pods"
        while not self._over.is_set():
            self.cluster.ok("POST", path, pod(self.created, "c"))
            self.created += 1
            if self.created > 20:
                name = f"c{self.created - 21:05}"
                self.cluster.ok("DELETE", f"{path}/{name}?gracePeriodSeconds=0")

    def end(self) -> None:
        self._over.set()
        self.join()


def test_counts_hold_while_objects_come_and_go(crowded: Cluster) -> None:
    pages: list[int] = []
    churn = Churn(crowded)
    churn.start()
    found = collect(crowded.kubeconfig, [NAMESPACE, POD], on_page=lambda *told: pages.append(told[2]))
    churn.end()
    assert churn.created > 20  # it did come and go meanwhile
    assert max(pages) >= PODS // PAGE
    names = [obj.id for obj in found.snapshot.objects if obj.key == POD]
    assert len(names) == len(set(names))
    record = next(entry for entry in found.requests if entry.kind == "Pod")
    assert (record.items, record.completeness) == (len(names), Completeness.COMPLETE)
    assert sum(identity.namespace != "churn" for identity in names) == PODS
    there = crowded.ok(
        "GET", f"/api/v1/pods?limit=1&resourceVersionMatch=Exact&resourceVersion={record.resource_version}"
    )
    assert 1 + there["metadata"]["remainingItemCount"] == len(names)


def test_a_list_that_etcd_compacts_away_starts_over(crowded: Cluster) -> None:
    def compact(path: str, items: int, pages: int) -> None:
        if (path, pages) == ("/api/v1/pods", 2) and not done:
            done.append(True)
            crowded.ok("POST", "/api/v1/namespaces/churn/pods", pod(0, "after"))
            compact_etcd(crowded)

    done: list[bool] = []
    found = collect(crowded.kubeconfig, [POD], on_page=compact)
    assert found.notes == ("pods: the list expired and was started over 1 time",)
    assert state(found, POD) is Completeness.COMPLETE
    assert sum(obj.namespace != "churn" for obj in found.snapshot.objects) == PODS


def compact_etcd(cluster: Cluster) -> None:
    """Forget every revision but the last (etcd's JSON gateway)."""

    def post(path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        asked = Request(  # noqa: S310
            f"{cluster.etcd_url}{path}", json.dumps(body).encode()
        )
        with build_opener(ProxyHandler({})).open(asked, timeout=30) as answer:
            value: dict[str, dict[str, str]] = json.loads(answer.read())
            return value

    revision = post("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    post("/v3/kv/compaction", {"revision": revision, "physical": True})


def test_an_api_server_that_restarts_in_mid_run_costs_nothing(crowded: Cluster) -> None:
    def restart(path: str, items: int, pages: int) -> None:
        if (path, pages) == ("/api/v1/pods", 5) and not threads:
            crowded.stop_api_server(kill=True)
            threads.append(threading.Thread(target=crowded.start_api_server))
            threads[0].start()

    threads: list[threading.Thread] = []
    found = collect(crowded.kubeconfig, [NAMESPACE, POD], on_page=restart)
    threads[0].join()
    assert (state(found), state(found, POD)) == (Completeness.COMPLETE, Completeness.COMPLETE)
    assert sum(obj.namespace != "churn" for obj in found.snapshot.objects if obj.key == POD) == PODS


_COLLECTOR = """
import os, signal, sys, time
from pathlib import Path
from auditor.audit import collect_bundle, controls_of_kinds
from auditor.collect.live.target import LiveTarget
import kubernetes.config, auditor.collect.live.collection, auditor.collect.bundle_spool  # before the forks
target = LiveTarget(kubeconfig=sys.argv[1], namespaces=("n00", "n01", "n02", "n03"))
kinds = list(controls_of_kinds())
for line in sys.stdin:
    path, seconds = line.split()
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        collect_bundle(target, kinds, Path(path))
        os._exit(0)
    time.sleep(float(seconds))
    os.kill(pid, signal.SIGKILL if float(seconds) else 0)
    os.waitpid(pid, 0)
    print(time.monotonic() - began, flush=True)
"""
"""For each line, a path and seconds: collects in a process of its own, which needn't import everything anew, and kills
it after so many seconds (0: never). Tells how long it ran."""


@contextmanager
def collector(kubeconfig: Path, out: Path) -> Iterator[Callable[[float], float]]:
    """Starts a collector, kills it after a while, and tells how long it ran."""
    command = [sys.executable, "-c", _COLLECTOR, str(kubeconfig)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told, answers = process.stdin, process.stdout
        assert told is not None
        assert answers is not None

        def run(seconds: float) -> float:
            told.write(f"{out} {seconds}\n")
            told.flush()
            return float(answers.readline())

        yield run
        told.close()


def test_a_collector_that_is_killed_leaves_no_half_of_a_bundle(crowded: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "evidence.zip"
    chosen = random.Random(6)  # noqa: S311
    written = 0
    with collector(crowded.kubeconfig, out) as run:
        whole = run(0)
        pods = 4 * PODS // NAMESPACES
        assert pods_in(out) == pods
        out.unlink()
        for number in range(KILLS):
            run(chosen.uniform(0.01, whole * 1.05))
            if out.exists():
                assert pods_in(out) == pods
                written += 1
                if number % 2:
                    out.unlink()  # the others are there when the next collector is killed
    left = {path.name for path in tmp_path.iterdir()} - {out.name}
    assert all(name.startswith(".auditor-") for name in left)
    assert written < KILLS  # some were killed before they were done


def pods_in(bundle: Path) -> int:
    """The Pods of a bundle whose every hash holds."""
    found = read_sources([str(bundle)], stdin=io.BytesIO())
    return sum(obj.key == POD for obj in found.objects)
