"""Measure whole processes: the main job on the payments sample and on a generated cluster, and `--help`."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from auditor.model.kinds import KNOWN_KINDS
from benchmarks.connectivity import generate

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "clusters" / "payments-istio"
PODS = 2000
SIZES = (2000, 5000, 10_000)


def measure(label: str, arguments: Sequence[str | Path], runs: int = 3) -> tuple[float, float]:
    """Run the command a few times; print and return the median of its CPU seconds, and its peak memory in MiB."""
    seconds, peaks = [], []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "auditor", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = usage.ru_utime + usage.ru_stime
        seconds.append(spent if spent else after.ru_utime - before.ru_utime)
        peaks.append(usage.ru_maxrss / 1024)
    median, peak = sorted(seconds)[runs // 2], max(peaks)
    print(f"{label:<58} {median:6.2f} s CPU {peak:7.0f} MiB", flush=True)
    return median, peak


def write_generated(folder: Path, pods: int = PODS) -> None:
    """A snapshot folder of a generated cluster, as JSON, with claims for every kind."""
    items = list(generate(pods))
    folder.mkdir()
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    claims = [
        {"group": known.key.group, "resource": known.plural, "namespaces": "*", "command": "generated"}
        for known in KNOWN_KINDS.values()
    ]
    snapshot = {"format_version": 1, "cluster": {"name": "generated", "uid": "generated"}, "complete": claims}
    (folder / "snapshot.yaml").write_text(json.dumps(snapshot))


def compare_sizes(folder: Path) -> None:
    """The audit to JSON of growing clusters, and how many times dearer than the smallest each is, for how many times the
    pods."""
    first: tuple[float, float] | None = None
    for pods in SIZES:
        write_generated(folder / str(pods), pods)
        audit = ["audit", folder / str(pods), "--quiet", "--out", folder / "out", "--format", "json"]
        seconds, peak = measure(f"{pods} pods, {pods // 5} policies to JSON", audit, runs=1)
        first = first or (seconds, peak)
        size = (folder / "out" / "results.json").stat().st_size / 1e6
        told = f"{pods / SIZES[0]:.1f} times the pods, results.json of {size:.0f} MB"
        print(f"  {told:<56} {seconds / first[0]:6.2f} times  {peak / first[1]:7.2f} times", flush=True)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        out, generated = Path(temporary) / "out", Path(temporary) / "generated"
        write_generated(generated)
        payments = ["audit", SAMPLE, "--scope", SAMPLE / "scope.yaml", "--quiet", "--out", out]
        measure("auditor --help", ["--help"])
        measure("payments sample to JSON and HTML", [*payments, "--format", "json,html"])
        measure("payments sample to JSON, HTML and PDF", payments)
        large = ["audit", generated, "--quiet", "--out", out, "--format"]
        compare_sizes(Path(temporary))
        measure(f"{PODS} pods, {PODS // 5} policies to JSON and HTML", [*large, "json,html"])
        measure(f"{PODS} pods, {PODS // 5} policies to JSON, HTML and PDF", [*large, "json,html,pdf"])


if __name__ == "__main__":
    main()
