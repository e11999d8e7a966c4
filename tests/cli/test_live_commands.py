"""Commands without SOURCE, against a small API server: the same answers as from the bundle that collect writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

from tests.collect.live.test_permissions import Guarded, cluster

__all__ = ["cluster"]


def test_an_audit_of_the_cluster_equals_that_of_its_bundle(cluster: Guarded, tmp_path: Path) -> None:
    live, apart = tmp_path / "live", tmp_path / "apart"
    options = ("--format", "json", "--at", "2026-09-30T02:00:00Z", "--out")
    done = cluster.run("audit", *options, live)
    assert "objects collected from test" in done.stderr
    bundle = tmp_path / "evidence.zip"
    assert cluster.run("collect", "--out", bundle).returncode == 0
    again = cluster.run("audit", bundle, *options, apart)
    results = [json.loads((folder / "results.json").read_text()) for folder in (live, apart)]
    told = [{(f["control"], f["subject"], f["outcome"], f["reason"]) for f in r["findings"]} for r in results]
    assert told[0] == told[1]
    assert done.returncode == again.returncode


def test_some_namespaces_leave_open_what_others_could_change(cluster: Guarded, tmp_path: Path) -> None:
    done = cluster.run("collect", "--namespace", "shop", "--out", tmp_path / "b.zip")
    assert done.returncode == 3
    assert "NOT_EVALUATED" in done.stderr
    assert not [path for path in cluster.server.seen if path.startswith("/api/v1/pods")]


WRONG: list[tuple[str, list[str], str]] = [
    ("SOURCE and a context", ["audit", "s", "--context", "x", "--out", "r"], "without SOURCE"),
    ("a claim about a live cluster", ["audit", "--assume-complete", "Jo", "--out", "r"], "--assume-complete"),
    ("a namespace with a path in it", ["collect", "-n", "../x", "--out", "b.zip"], "--namespace"),
    ("two ways to the cluster", ["preflight", "--in-cluster", "--context", "x"], "excludes"),
    ("a context that isn't there", ["preflight", "--context", "x"], "expected one of test"),
    ("a ConfigMap without a namespace", ["rbac", "--config-map", "x"], "NAMESPACE/NAME"),
]


@pytest.mark.parametrize(("arguments", "told"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_use_is_one_line(cluster: Guarded, arguments: list[str], told: str) -> None:
    done = cluster.run(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr


def test_without_the_client_library_one_line_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['kubernetes'] = None; sys.argv = ['auditor', 'preflight']\n"
    script += "from auditor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "auditor[live]" in done.stderr
