"""Measure the CronJob's whole run: the image's program, from an API server to stored evidence, within a pod's memory.

Needs what the image's tests need: root on Linux, buildah, mmdebstrap, and Go for the API server.
"""

import os
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from benchmarks.connectivity import generate
from tests.deploy.built_image import NEEDED, NotBuilt, built_image
from tests.deploy.chart import SMALLEST, Object, laid_over, render
from tests.deploy.pod_like import run_daily
from tests.live.cluster import Cluster
from tests.live.programs import ProgramsMissing, built_programs

PODS = 2000
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}


def main() -> None:
    """Print the figures."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        print(f"not measured: needs {', '.join(missing) or 'root'}")
        return
    try:
        with tempfile.TemporaryDirectory() as temporary:
            _measure(Path(temporary), built_programs())
    except (NotBuilt, ProgramsMissing) as error:
        print(f"not measured: {error}")


def _measure(folder: Path, programs: Path) -> None:
    for name in ("image", "cluster"):
        (folder / name).mkdir()
    with built_image(folder / "image") as image, Cluster(programs, folder / "cluster") as cluster:
        print(image.printed.splitlines()[-1])
        _fill(cluster, programs, folder)
        for formats in (["json"], ["html", "json"], ["html", "json", "pdf"]):
            at = folder / "-".join(formats)
            at.mkdir()
            objects = render(programs, at, laid_over(SMALLEST, {"daily": {"formats": formats}}))
            began = time.monotonic()
            ended = run_daily(image.root, cluster, objects, at)
            seconds = time.monotonic() - began
            label = f"{PODS} pods, {PODS // 5} policies to {', '.join(formats)}"
            used = f"{seconds:6.1f} s, {ended.seconds:5.1f} s CPU, {ended.peak / 2**20:5.0f} MiB"
            print(f"{label:<58} {used}, exit code {ended.code}")


def _fill(cluster: Cluster, programs: Path, folder: Path) -> None:
    objects = render(programs, folder, SMALLEST)
    cluster.kubectl("create", "namespace", "auditor")
    access = [o for o in objects if o["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")]
    cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(access))
    by_path: dict[str, list[Object]] = defaultdict(list)
    for found in generate(PODS):
        for owner in found["metadata"].get("ownerReferences", ()):
            owner["uid"] = owner["name"]
        by_path[_PATHS[found["kind"]].format(found["metadata"].get("namespace"))].append(found)
    for path, found in by_path.items():
        cluster.create_all(path, found)


if __name__ == "__main__":
    main()
