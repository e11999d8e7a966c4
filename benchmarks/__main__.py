"""`python -m benchmarks`: the main job, then the engines."""

import runpy

for name in (
    "benchmarks.main_job",
    "benchmarks.connectivity",
    "benchmarks.mixtures",
    "benchmarks.answers",
    "benchmarks.encryption",
    "benchmarks.entry_points",
    "benchmarks.flows",
    "benchmarks.cronjob",
    "benchmarks.live",
    "benchmarks.side_by_side",
):
    print(f"\n== {name}")
    runpy.run_module(name, run_name="__main__")
