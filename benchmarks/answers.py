"""Measure `auditor connectivity --format json`, from objects in memory: `python -m benchmarks.answers [pods ...]`.

Prints, for each size and level, processor time of the view and of writing it, groups, rows, the size of the output, and the
peak memory of the process. Rows grow with the square of the number of groups: the generated applications all differ.
Then the isolation of every endpoint of a larger cluster.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_view import build_view
from auditor.model.connectivity_result import Level
from auditor.network.representation import BOTH
from auditor.report.connectivity_json import connectivity_chunks
from benchmarks.connectivity import generate, snapshot_of

_ISOLATION_PODS = 50_000


def apart(run: Callable[[], None]) -> None:
    """Run in a process of its own, so that its peak memory is its own."""
    if (child := os.fork()) == 0:
        run()
        os._exit(0)
    os.waitpid(child, 0)


def _peak() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:5.0f} MB"


def _json(pods: int, level: Level) -> None:
    facts = Facts(snapshot_of(generate(pods)), None, datetime.now(UTC))
    start = time.process_time()
    view = build_view(facts, level)
    built = time.process_time()
    size = sum(map(len, connectivity_chunks(view)))
    written = time.process_time()
    print(
        f"{pods:6d} pods, level {level:<8} | view {built - start:6.2f} s | JSON {written - built:5.2f} s,"
        f" {size / 1e6:6.0f} MB | {len(view.groups)} groups, {len(view.pairs)} rows | {_peak()}",
        flush=True,
    )


def _isolation(pods: int) -> None:
    facts = Facts(snapshot_of(generate(pods)), None, datetime.now(UTC))
    start = time.process_time()
    found = [facts.network.isolation(e, direction) for e in facts.endpoints for direction in BOTH]
    spent = time.process_time() - start
    print(f"{pods:6d} pods, isolation | {spent:6.2f} s, {len(found)} verdicts | {_peak()}", flush=True)


if __name__ == "__main__":
    asked = [int(text) for text in sys.argv[1:] if text.isdigit()]
    for size in asked or [5000, 10000, 20000]:
        for name in ("workload", "pod"):
            apart(lambda: _json(size, name))  # noqa: B023 -- called at once
    apart(lambda: _isolation(_ISOLATION_PODS))
