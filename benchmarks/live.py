"""Measure live collection on a real API server, beside kubectl: `python -m benchmarks.live [pods]`.

Prints wall and processor seconds and peak memory of `auditor collect` and of `kubectl get -o json` of the same kinds, in
turns, and of whole audits. Needs Go, for the programs of `tests/live/controlplane`.
"""

import copy
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.audit import controls_of_kinds
from auditor.model.kinds import KNOWN_KINDS
from benchmarks.connectivity import generate
from tests.live.cluster import Cluster
from tests.live.programs import ProgramsMissing, built_programs

PODS, AUDITED_PODS = 10_000, 2_000
RUNS = 3
_GROUPS_BUILT_IN = ("", "apps", "batch", "discovery.k8s.io", "networking.k8s.io")


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds on the clock, seconds of processor time, MiB at its peak, what it said."""

    wall: float
    processor: float
    peak: float
    said: str


def cost_of(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> Cost:
    """Run a command whose output nobody keeps."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=told, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        told.seek(0)
        said = told.read()
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise RuntimeError(f"{command}: {said}")
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def median(costs: Sequence[Cost]) -> Cost:
    """The run in the middle by its time on the clock, with the highest peak."""
    middle = sorted(costs, key=lambda cost: cost.wall)[len(costs) // 2]
    return Cost(middle.wall, middle.processor, max(cost.peak for cost in costs), middle.said)


def show(label: str, cost: Cost) -> None:
    """One line."""
    print(f"{label:<58} {cost.wall:6.2f} s {cost.processor:6.2f} s CPU {cost.peak:7.0f} MiB")


@contextmanager
def filled(programs: Path, pods: int, *, running: bool) -> Iterator[Cluster]:
    """A cluster with generated Pods and policies; `running` gives Pods their status."""
    with tempfile.TemporaryDirectory() as folder, Cluster(programs, Path(folder)) as cluster:
        objects = list(generate(pods))
        for kind, path in (("Namespace", "namespaces"), ("Node", "nodes")):
            cluster.create_all(f"/api/v1/{path}", [obj for obj in objects if obj["kind"] == kind])
        for obj in (obj for obj in objects if obj["kind"] == "NetworkPolicy"):
            cluster.ok("POST", f"/apis/networking.k8s.io/v1{_place(obj)}/networkpolicies", obj)
        by_place: dict[str, list[dict[str, Any]]] = {}
        for obj in (obj for obj in objects if obj["kind"] == "Pod"):
            by_place.setdefault(f"/api/v1{_place(obj)}/pods", []).append(as_deployed(obj))
        for path, mine in by_place.items():
            cluster.create_all(path, mine)
            for obj in mine if running else ():
                cluster.ok("PUT", f"{path}/{obj['metadata']['name']}/status", obj)
        yield cluster


def _place(obj: dict[str, Any]) -> str:
    return f"/namespaces/{obj['metadata']['namespace']}"


def as_deployed(pod: dict[str, Any]) -> dict[str, Any]:
    """With what Pods have in a cluster of today: environment, probes, resources, a token volume."""
    pod = copy.deepcopy(pod)
    for owner in pod["metadata"].get("ownerReferences", ()):
        owner["uid"] = "generated"
    container = pod["spec"]["containers"][0]
    container["env"] = [{"name": f"SETTING_{n}", "value": f"value of setting {n}"} for n in range(12)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3}
    container |= {"livenessProbe": probe, "readinessProbe": probe}
    container["resources"] = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    container["volumeMounts"] = [{"name": "token", "mountPath": "/var/run/secrets/token", "readOnly": True}]
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    pod["spec"]["serviceAccountName"] = "default"
    pod["spec"]["volumes"] = [{"name": "token", "projected": {"sources": [token]}}]
    address = pod["status"].get("podIPs", [{"ip": "192.0.2.1"}])[0]["ip"]
    pod["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
    return pod


def kinds_for_kubectl() -> str:
    """The kinds that collection lists there, as kubectl names them."""
    wanted = (KNOWN_KINDS[key] for key in controls_of_kinds())
    built_in = (known for known in wanted if known.key.group in _GROUPS_BUILT_IN and not known.by_name)
    return ",".join(sorted(f"{known.plural}.{known.key.group}".rstrip(".") for known in built_in))


def compare_collection(programs: Path, pods: int) -> None:
    """`auditor collect` beside `kubectl get`."""
    with filled(programs, pods, running=False) as cluster, tempfile.TemporaryDirectory() as folder:
        access = ["--kubeconfig", str(cluster.kubeconfig)]
        bundle = Path(folder) / "evidence.zip"
        ours = [sys.executable, "-m", "auditor", "collect", *access, "--out", str(bundle)]
        kubectl = [cluster.programs / "kubectl", *access, "get", kinds_for_kubectl(), "-A", "-o", "json"]
        pairs = [(cost_of(ours), cost_of(kubectl)) for _ in range(RUNS)]
        collected, got = (median([pair[side] for pair in pairs]) for side in (0, 1))
        show(f"auditor collect, {pods} pods, {bundle.stat().st_size / 1e6:.1f} MB bundle", collected)
        show("kubectl get -o json of the same kinds", got)
        times, memory = collected.wall / got.wall, collected.peak / got.peak
        print(f"{'ratio':<58} {times:6.2f} (aim 1.2)          {memory:7.2f} (aim 0.5)")
        requests = re.search(r"in (\d+) requests", collected.said)
        print(f"{'requests made':<58} {requests[1] if requests else '?':>6}")


def measure_whole_run(programs: Path, pods: int) -> None:
    """What a CronJob does."""
    with filled(programs, pods, running=True) as cluster, tempfile.TemporaryDirectory() as folder:
        access = ["--kubeconfig", str(cluster.kubeconfig)]
        audit = [sys.executable, "-m", "auditor", "audit", *access, "--out", folder, "--format"]
        show(f"audit of the live cluster, {pods} pods, to JSON", cost_of([*audit, "json"]))
        show("the same to JSON, HTML and PDF (aim 60 s, 512 MiB)", cost_of([*audit, "json,html,pdf"]))


def main() -> None:
    """Print the figures."""
    try:
        programs = built_programs()
    except ProgramsMissing as error:
        print(f"not measured: {error}")
        return
    compare_collection(programs, int(sys.argv[1]) if sys.argv[1:] else PODS)
    measure_whole_run(programs, AUDITED_PODS)


if __name__ == "__main__":
    main()
