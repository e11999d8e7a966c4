"""The chart on a real API server: valid, admitted as *restricted*, installed by helm, Jobs made by the controllers."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, KUSTOMIZE, SMALLEST, VALUES, Object, laid_over, one, render, values
from tests.live.cluster import Cluster

_ENFORCE = "pod-security.kubernetes.io/enforce=restricted"
_WARN = "pod-security.kubernetes.io/warn=restricted"
_CLUSTER_PARTS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system, labels: {k8s-app: calico-node}}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers: [{name: calico-node, image: "docker.io/calico/node:v3.30.2"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
        - name: coredns
          image: registry.k8s.io/coredns/coredns:v1.12.1
          ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}]
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: evidence}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: auditor, name: auditor}
  hostPath: {path: /var/lib/evidence}
"""


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> Cluster:
    """With the namespaces that the matrix renders into, all holding pods to the restricted standard."""
    for name in ("auditor", "card-vault", "shop"):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, _ENFORCE, _WARN)
    return cluster


@pytest.fixture(scope="module")
def schemas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSON Schema for each kind that the API server serves, strict, from its own OpenAPI."""
    folder = tmp_path_factory.mktemp("schemas")
    for group in (
        "api/v1",
        "apis/batch/v1",
        "apis/networking.k8s.io/v1",
        "apis/rbac.authorization.k8s.io/v1",
    ):
        components = cluster.ok("GET", f"/openapi/v3/{group}")["components"]
        for schema in components["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        for name, schema in components["schemas"].items():
            for kind in schema.get("x-kubernetes-group-version-kind", ()):
                whole = {"$ref": f"#/components/schemas/{name}", "components": components}
                (folder / f"{kind['kind'].lower()}.json").write_text(json.dumps(whole))
    return folder


def _kubeconform(programs: Path, schemas: Path, text: str) -> tuple[int, Any]:
    location = f"{schemas}/{{{{ .ResourceKind }}}}.json"
    command = [str(programs / "kubeconform"), "-strict", "-summary", "-output", "json"]
    done = subprocess.run(
        [*command, "-schema-location", location], input=text, check=False, capture_output=True, text=True
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", VALUES)
def test_kubeconform_finds_every_object_valid(
    programs: Path, schemas: Path, tmp_path: Path, name: str
) -> None:
    objects = render(programs, tmp_path, values(name))
    code, said = _kubeconform(programs, schemas, yaml.safe_dump_all(objects))
    assert (code, said["resources"]) == (0, [])
    assert said["summary"] == {"valid": len(objects), "invalid": 0, "errors": 0, "skipped": 0}


def test_kubeconform_would_see_a_wrong_field(programs: Path, schemas: Path, tmp_path: Path) -> None:
    objects = render(programs, tmp_path, SMALLEST)
    job = one(objects, "CronJob", "auditor-daily")["spec"]["jobTemplate"]["spec"]
    job["template"]["spec"]["readOnlyRootFilesystem"] = True  # it belongs to the container
    code, said = _kubeconform(programs, schemas, yaml.safe_dump_all(objects))
    assert (code, said["summary"]["invalid"]) == (1, 1)


@pytest.mark.parametrize("name", VALUES)
def test_the_api_server_takes_every_object(
    programs: Path, restricted: Cluster, tmp_path: Path, name: str
) -> None:
    objects = render(programs, tmp_path, values(name))
    _dry_run(restricted, objects)
    _dry_run(restricted, _pods(objects))


@pytest.mark.parametrize("folder", ["base", "overlays/example"])
def test_the_api_server_takes_the_plain_manifests(programs: Path, restricted: Cluster, folder: str) -> None:
    text = subprocess.check_output(
        [str(programs / "kubectl"), "kustomize", str(KUSTOMIZE / folder)], text=True
    )
    objects = list(yaml.safe_load_all(text))
    _dry_run(restricted, [*objects, *_pods(objects)])


def test_admission_would_refuse_a_pod_that_is_not_restricted(
    programs: Path, restricted: Cluster, tmp_path: Path
) -> None:
    pod = _pods(render(programs, tmp_path, SMALLEST))[0]
    del pod["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _dry_run(restricted, [pod])
    assert "violates PodSecurity" in refused.value.stderr


def _dry_run(cluster: Cluster, objects: list[Object]) -> None:
    flags = ("--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors")
    cluster.kubectl("apply", *flags, "-f", "-", given=yaml.safe_dump_all(objects))


def _pods(objects: list[Object]) -> list[Object]:
    """Pods as the Jobs' templates make them."""
    jobs = [o for o in objects if o["kind"] == "CronJob"]
    return [
        {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], **named}}
        for o in jobs
        for template in [o["spec"]["jobTemplate"]["spec"]["template"]]
        for named in [{"name": o["metadata"]["name"], "namespace": o["metadata"]["namespace"]}]
    ]


@pytest.fixture(scope="module")
def installed(whole_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The chart installed by helm, beside a DNS server and a network plugin that enforces policies on the one node."""
    cluster = whole_cluster
    cluster.kubectl("apply", "-f", "-", given=_CLUSTER_PARTS)
    cluster.kubectl("rollout", "status", "daemonset/calico-node", "-n", "kube-system", "--timeout=60s")
    cluster.kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=60s")
    _namespace(cluster, "auditor")
    _install(cluster, tmp_path_factory.mktemp("values"), "auditor", {"daily": {"schedule": "* * * * *"}})
    yield cluster
    cluster.helm("uninstall", "auditor", "--namespace", "auditor", "--wait")
    assert cluster.kubectl("get", "pvc", "-n", "auditor", "-o", "name") == "persistentvolumeclaim/auditor\n"
    _install(cluster, tmp_path_factory.mktemp("again"), "auditor", {})  # takes the claim over


def _namespace(cluster: Cluster, name: str) -> None:
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, _ENFORCE)


def _install(cluster: Cluster, folder: Path, namespace: str, change: Object) -> str:
    file = folder / "values.json"
    file.write_text(json.dumps(laid_over(SMALLEST, change)))
    return cluster.helm("install", "auditor", str(CHART), "--namespace", namespace, "--values", str(file))


def _items(cluster: Cluster, kind: str, namespace: str, *flags: str) -> list[Object]:
    found = json.loads(cluster.kubectl("get", kind, "-n", namespace, "-o", "json", *flags))
    return list(found["items"])


def _until(read: Callable[[], list[Any]], seconds: float) -> list[Any]:
    """What `read` gives, once it is true; at last whatever it is."""
    end = time.monotonic() + seconds
    while not (found := read()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def test_a_job_from_the_cronjob_runs_at_once(installed: Cluster) -> None:
    installed.kubectl("create", "job", "-n", "auditor", "--from=cronjob/auditor-daily", "first")
    installed.kubectl("wait", "-n", "auditor", "job/first", "--for=condition=complete", "--timeout=60s")
    (pod,) = _items(installed, "pods", "auditor", "-l", "job-name=first")
    assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("node-0", "Succeeded")
    assert pod["spec"]["serviceAccountName"] == "auditor"


_SCOPES: dict[str, Object | None] = {
    "everything": None,
    "its own namespace": {
        "format_version": 1,
        "namespaces": [
            {"name": "auditor", "holds": ["cardholder-data", "phi", "personal-data"]},
            {"glob": "*", "class": "out-of-scope", "reason": "Not looked at."},
        ],
    },
}


@pytest.mark.parametrize("scope", _SCOPES)
def test_the_audit_of_its_own_cluster_finds_nothing_against_it(
    installed: Cluster, tmp_path: Path, scope: str
) -> None:
    token = installed.service_account_token("auditor", "auditor")
    config = installed.write_kubeconfig("auditor", {"token": token})
    out = tmp_path / "report"
    command = [sys.executable, "-m", "auditor", "audit", "--kubeconfig", str(config), "--out", str(out)]
    if _SCOPES[scope] is not None:
        (tmp_path / "scope.yaml").write_text(json.dumps(_SCOPES[scope]))
        command += ["--scope", str(tmp_path / "scope.yaml")]
    done = subprocess.run([*command, "--format", "json"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "results.json").read_text())
    own = [f for f in result["findings"] if _about(f, "auditor")]
    assert [f for f in own if f["outcome"] in ("FAIL", "ERROR")] == []
    # A node may always connect to its own pods, and of a CronJob between its runs nobody knows the node.
    untold = [f["message"] for f in own if f["outcome"] == "NOT_EVALUATED"]
    assert [text for text in untold if "kube-system/DaemonSet/calico-node" not in text] == []
    judged = {f["subject"] for f in own if f["outcome"] == "PASS"}
    assert {"auditor/CronJob/auditor-daily", "auditor/CronJob/auditor-quarterly"} <= judged


def _about(finding: Object, namespace: str) -> bool:
    subject = finding["subject"]
    return bool(subject == namespace or subject.startswith(f"{namespace}/") or f" {namespace}/" in subject)


def test_the_schedule_makes_jobs(installed: Cluster) -> None:
    def scheduled() -> list[Object]:
        owned = [j for j in _items(installed, "jobs", "auditor") if j["metadata"].get("ownerReferences")]
        return [j for j in owned if j["metadata"]["name"] != "first" and j["status"].get("succeeded")]

    job = _until(scheduled, 90)[0]
    assert job["metadata"]["ownerReferences"][0]["name"] == "auditor-daily"
    assert "batch.kubernetes.io/cronjob-scheduled-timestamp" in job["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("code", "again"),
    [(1, False), (2, False), (3, True), (4, True), (70, True)],
    ids=lambda value: str(value),
)
def test_exit_codes_mean_something(whole_cluster: Cluster, tmp_path: Path, code: int, again: bool) -> None:
    """No node takes these pods, so nothing runs them, and the test says how they ended."""
    cluster, namespace = whole_cluster, f"exits-{code}"
    _namespace(cluster, namespace)
    unplaced = {"nodeSelector": {"no": "node"}, "rbac": {"create": False}}
    _install(cluster, tmp_path, namespace, unplaced)
    cluster.kubectl("create", "job", "-n", namespace, "--from=cronjob/auditor-daily", "first")
    (pod,) = _until(lambda: _items(cluster, "pods", namespace), 30)
    ended = {"name": "auditor", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    state = {"terminated": {"exitCode": code, "reason": "Error"}}
    status = {"status": {"phase": "Failed", "containerStatuses": [{**ended, "state": state}]}}
    patch = ("patch", "pod", pod["metadata"]["name"], "-n", namespace, "--subresource=status", "--type=merge")
    cluster.kubectl(*patch, "-p", json.dumps(status))

    if again:
        assert len(_until(lambda: _items(cluster, "pods", namespace)[1:], 40)) == 1
        assert _failed(cluster, namespace) == []
    else:
        assert _until(lambda: _failed(cluster, namespace), 30) == ["PodFailurePolicy"]
        assert len(_items(cluster, "pods", namespace)) == 1


def _failed(cluster: Cluster, namespace: str) -> list[str]:
    (job,) = _items(cluster, "jobs", namespace)
    return [c["reason"] for c in job["status"].get("conditions", ()) if c["type"] == "Failed"]
