"""What is found in a live cluster is what is found in `kubectl get` of the same API server, finding by finding."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cluster import Cluster
from tests.live.collecting import run_auditor
from tests.live.kinds import serve_files
from tests.live.samples import create_sample

REFERENCE = os.environ.get("AUDITOR_REFERENCE_DATA")
SAMPLES = Path(__file__).parents[2] / "samples" / "clusters"
DEFINITIONS = {
    "payments-istio": (
        *("istio-1.30.3", "calico-v3.32.1/crd.projectcalico.org", "gateway-api-v1.6.1-standard"),
        "cert-manager-v1.21.1",
    ),
    "clinic-linkerd": (
        *("linkerd-edge-26.8.3", "cilium-1.20.0-dev-26d721f0", "traefik-v3.7.9"),
        "network-policy-api-v0.2.0/standard",
    ),
    "legacy-flannel": (),
}
AT = "2026-10-01T06:00:00Z"

pytestmark = pytest.mark.skipif(
    REFERENCE is None, reason="AUDITOR_REFERENCE_DATA is not set: the products' CRDs aren't here"
)


@pytest.fixture(params=list(DEFINITIONS))
def sample(programs: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, Path]]:
    """A cluster that holds what a sample holds, no controller running, and the scope file that fits it."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with Cluster(programs, folder) as started:
        serve_files(started, [Path(REFERENCE or "") / "crds" / name for name in DEFINITIONS[request.param]])
        create_sample(started, SAMPLES / request.param)
        scope = json_of_uid(started, SAMPLES / request.param / "scope.yaml", tmp_path / "scope.yaml")
        yield started, scope


def json_of_uid(cluster: Cluster, scope: Path, out: Path) -> Path:
    """The sample's scope file for this cluster: its uid is the API server's."""
    uid = cluster.ok("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    lines = scope.read_text().splitlines()
    kept = [f"  uid: {uid}" if line.startswith("  uid: ") else line for line in lines]
    name = [
        f"  name: {cluster.kubeconfig.stem}" if line.startswith("  name: ") else line for line in kept[:12]
    ]
    out.write_text("\n".join([*name, *kept[12:]]) + "\n")
    return out


def audit(out: Path, scope: Path, *arguments: str) -> dict[str, Any]:
    """results.json of an audit."""
    done = run_auditor(
        "audit", *arguments, "--scope", str(scope), "--at", AT, "--format", "json", "--out", str(out)
    )
    assert done.returncode in (0, 3), done.stderr
    found: dict[str, Any] = json.loads((out / "results.json").read_bytes())
    return found


def kubectl_folder(cluster: Cluster, tmp_path: Path) -> Path:
    """What the script of `auditor snapshot-script` collects with kubectl."""
    script, folder = tmp_path / "collect.sh", tmp_path / "snapshot"
    script.write_text(run_auditor("snapshot-script").stdout)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECTL": str(cluster.programs / "kubectl"),
        "FORMAT": "json",
    }
    shell = shutil.which("sh") or "/bin/sh"
    command = [shell, str(script), "--kubeconfig", str(cluster.kubeconfig), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return folder


def test_a_live_audit_equals_those_of_kubectls_output_and_of_a_bundle(
    sample: tuple[Cluster, Path], tmp_path: Path
) -> None:
    cluster, scope = sample
    folder = kubectl_folder(cluster, tmp_path)
    live = audit(tmp_path / "live", scope, "--kubeconfig", str(cluster.kubeconfig))
    read = audit(tmp_path / "read", scope, str(folder))
    assert len(live["findings"]) > 100
    assert live["findings"] == read["findings"]
    assert live["populations"] == read["populations"]
    assert live["requirements"] == read["requirements"]
    bundle = tmp_path / "evidence.zip"
    done = run_auditor("collect", "--kubeconfig", str(cluster.kubeconfig), "--out", str(bundle))
    assert done.returncode == 0, done.stderr
    assert audit(tmp_path / "bundled", scope, str(bundle))["findings"] == live["findings"]
