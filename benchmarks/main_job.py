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


def measure(label: str, arguments: Sequence[str | Path]) -> None:
    """Run the command three times and print the median of its CPU seconds, and its peak memory."""
    seconds, peaks = [], []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "auditor", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = usage.ru_utime + usage.ru_stime
        seconds.append(spent if spent else after.ru_utime - before.ru_utime)
        peaks.append(usage.ru_maxrss / 1024)
    print(f"{label:<58} {sorted(seconds)[1]:6.2f} s CPU {max(peaks):7.0f} MiB")


def write_generated(folder: Path) -> None:
    """A snapshot folder of a generated cluster, as JSON, with claims for every kind."""
    items = list(generate(PODS))
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    claims = [
        {"group": known.key.group, "resource": known.plural, "namespaces": "*", "command": "generated"}
        for known in KNOWN_KINDS.values()
    ]
    snapshot = {"format_version": 1, "cluster": {"name": "generated", "uid": "generated"}, "complete": claims}
    (folder / "snapshot.yaml").write_text(json.dumps(snapshot))


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        out, generated = Path(temporary) / "out", Path(temporary) / "generated"
        generated.mkdir()
        write_generated(generated)
        payments = ["audit", SAMPLE, "--scope", SAMPLE / "scope.yaml", "--quiet", "--out", out]
        measure("auditor --help", ["--help"])
        measure("payments sample to JSON and HTML", [*payments, "--format", "json,html"])
        measure("payments sample to JSON, HTML and PDF", payments)
        large = ["audit", generated, "--quiet", "--out", out, "--format"]
        measure(f"{PODS} pods, {PODS // 5} policies to JSON", [*large, "json"])
        measure(f"{PODS} pods, {PODS // 5} policies to JSON and HTML", [*large, "json,html"])
        measure(f"{PODS} pods, {PODS // 5} policies to JSON, HTML and PDF", [*large, "json,html,pdf"])


if __name__ == "__main__":
    main()
