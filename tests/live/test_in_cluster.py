"""The command line as a pod runs it: uid 65532, no capabilities, no home, everything read-only but the volume."""

import io
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

import auditor
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness
from auditor.model.kinds import POD
from tests.live.cluster import Cluster
from tests.live.collecting import run_auditor
from tests.live.kinds import until

UID = 65532
VOLUME = "/run/out"
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
"""Where kubelets mount the token; /var/run is a link to /run."""

ISOLATE = ("unshare", "--mount", "--propagation", "private", "sh", "-euc")


def isolation_missing() -> str:
    """Why the process can't be confined here, empty when it can."""
    if os.geteuid() != 0:
        return "only root can run a process as another user in a mount namespace of its own"
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "unshare and setpriv (util-linux) aren't installed"
    done = subprocess.run([*ISOLATE, "mount -t tmpfs none /run"], check=False, capture_output=True, text=True)
    return f"no mount namespace can be made here: {done.stderr.strip()}" if done.returncode else ""


MISSING = isolation_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def first_closed(path: Path) -> Path | None:
    """The outermost folder above a path that others can't enter."""
    folders = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & stat.S_IXOTH]
    return folders[0] if folders else None


def opened(paths: Iterable[Path]) -> list[str]:
    """Commands that make paths reachable for everyone, though they lie below somebody's closed home."""
    closed = {path: above for path in paths if (above := first_closed(path)) is not None}
    numbered = list(enumerate(closed))
    return [
        *(f"mkdir -p /run/opened/{n} && mount --rbind {path} /run/opened/{n}" for n, path in numbered),
        *(f"mount -t tmpfs -o mode=755 none {above}" for above in sorted(set(closed.values()))),
        *(f"mkdir -p {path} && mount --rbind /run/opened/{n} {path}" for n, path in numbered),
    ]


def run_as_pod(cluster: Cluster, token: str, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the service account's token mounted, and `out` as the only place to write."""
    out.mkdir(exist_ok=True)
    os.chown(out, UID, UID)
    (cluster.folder / "pod-token").write_text(token)
    code = Path(auditor.__file__).parents[1]
    environment = {
        "PATH": "/usr/bin:/bin",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(cluster.port),
        "PYTHONPATH": str(code),
    }
    drop = f"setpriv --reuid {UID} --regid {UID} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs"
    command = [sys.executable, "-m", "auditor", *arguments]
    script = [
        "mount -t tmpfs -o mode=755 none /run",
        f"mkdir -p {ACCOUNT} {VOLUME} && mount --bind {out} {VOLUME}",
        f"cp {cluster.folder}/pod-token {ACCOUNT}/token && chmod 444 {ACCOUNT}/token",
        f"cp {cluster.authority.certificate} {ACCOUNT}/ca.crt",
        *opened({Path(sys.base_prefix), Path(sys.prefix), code}),
        "mount -o remount,bind,ro / && mount -o remount,bind,ro /run && cd /",
        f"exec {drop} env -i {shlex.join(f'{n}={v}' for n, v in environment.items())} {shlex.join(command)}",
    ]
    return subprocess.run(
        [*ISOLATE, "\n".join(script)], check=False, capture_output=True, text=True, timeout=180
    )


@pytest.fixture(scope="module")
def token(cluster: Cluster) -> str:
    """Of a ServiceAccount with the printed role and nothing else."""
    cluster.kubectl("create", "namespace", "as-pod")
    roles = list(yaml.safe_load_all(run_auditor("rbac", "--service-account", "as-pod/auditor").stdout))
    cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(roles))
    token = cluster.service_account_token("as-pod", "auditor")
    until(lambda: cluster.request("GET", "/api/v1/pods", token=token)[0] == 200, "the role is in force")
    return token


def test_an_audit_runs_confined_and_writes_all_reports(cluster: Cluster, token: str, tmp_path: Path) -> None:
    done = run_as_pod(cluster, token, tmp_path / "out", "audit", "--in-cluster", "--out", f"{VOLUME}/report")
    assert done.returncode in (0, 3), done.stderr
    written = {path.name: path for path in (tmp_path / "out" / "report").iterdir()}
    assert {"report.html", "report.pdf", "results.json"} <= set(written)
    assert {path.stat().st_uid for path in written.values()} == {UID}
    assert json.loads(written["results.json"].read_bytes())["findings"]
    assert not [line for line in done.stderr.splitlines() if not line.startswith("auditor: ")]


def test_a_collection_runs_confined(cluster: Cluster, token: str, tmp_path: Path) -> None:
    bundle = ("--out", f"{VOLUME}/evidence.zip", "--quiet")
    done = run_as_pod(cluster, token, tmp_path / "out", "collect", "--in-cluster", *bundle)
    assert (done.returncode, done.stderr) == (0, "")
    found = read_sources([str(tmp_path / "out" / "evidence.zip")], stdin=io.BytesIO())
    assert found.completeness(POD).state is Completeness.COMPLETE
    assert found.collected_by == "the pod's service account"


def test_a_token_that_is_not_mounted_is_one_clear_line(cluster: Cluster, tmp_path: Path) -> None:
    done = run_as_pod(cluster, "", tmp_path / "out", "collect", "--in-cluster", "--out", f"{VOLUME}/e.zip")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "Token file exists but empty" in line) == (2, True)


def test_nothing_else_can_be_written(cluster: Cluster, token: str, tmp_path: Path) -> None:
    done = run_as_pod(cluster, token, tmp_path / "out", "collect", "--in-cluster", "--out", "/tmp/e.zip")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "Read-only file system" in line) == (4, True)
