"""What goes over the wire of a real API server, and what of it is kept."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.audit import controls_of_kinds
from auditor.collect.live.collection import LiveCollection
from auditor.model.kinds import POD
from tests.live.cluster import Cluster
from tests.live.collecting import collect, run_auditor
from tests.live.proxies import FaultProxy

DEPLOYED = """
apiVersion: v1
kind: Namespace
metadata: {name: kept}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: kept}
stringData: {password: hidden-in-a-secret}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: kept}
data: {password: hidden-in-a-config-map}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: kept}
spec:
  containers:
  - name: web
    image: registry.invalid/web:1
    args: [--password=hidden-in-arguments]
    env: [{name: PASSWORD, value: hidden-in-the-environment}]
"""


@pytest.fixture(scope="module")
def deployed(cluster: Cluster) -> Cluster:
    """With secrets where people put them, applied as people do, so that an annotation repeats them."""
    cluster.kubectl("apply", "-f", "-", given=DEPLOYED)
    return cluster


@pytest.fixture(scope="module")
def watched(deployed: Cluster) -> Iterator[tuple[FaultProxy, LiveCollection]]:
    """A collection of everything that controls need, and the requests that it made."""
    with FaultProxy(deployed).serving() as proxy:
        kubeconfig = deployed.write_kubeconfig("watched", {"token": deployed.token}, server=proxy.url)
        yield proxy, collect(kubeconfig, controls_of_kinds())


def test_discovery_takes_two_requests(watched: tuple[FaultProxy, LiveCollection]) -> None:
    seen = watched[0].seen
    assert seen[:2] == ["/api", "/apis"]
    assert not [path for path in seen[2:] if len(path.split("/")) < 4 + path.startswith("/apis")]


def test_nothing_is_asked_for_but_what_is_said(watched: tuple[FaultProxy, LiveCollection]) -> None:
    proxy, found = watched
    assert len(proxy.seen) == len(set(proxy.seen)) == found.sent
    assert not [path for path in proxy.seen if "secrets" in path or path.endswith("/configmaps")]


def test_every_list_says_at_which_state_it_is_consistent(
    watched: tuple[FaultProxy, LiveCollection],
) -> None:
    lists = [entry for entry in watched[1].requests if entry.items is not None]
    assert len(lists) > 10
    assert all((entry.resource_version or "").isdigit() for entry in lists)


def test_what_is_dropped_is_recorded(watched: tuple[FaultProxy, LiveCollection]) -> None:
    found = watched[1].snapshot
    web = next(obj for obj in found.objects if (obj.key, obj.name) == (POD, "web"))
    assert "managedFields" not in web.body["metadata"]
    assert "annotations" not in web.body["metadata"] or not web.annotations
    dropped = {field for entry in found.redactions if entry.object == web.id for field in entry.fields}
    assert dropped == {
        "metadata.managedFields",
        "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
        "spec.containers[0].args",
        "spec.containers[0].env",
    }


def test_no_secret_is_in_a_bundle(deployed: Cluster, tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.zip"
    done = run_auditor("collect", "--kubeconfig", str(deployed.kubeconfig), "--out", str(bundle))
    assert done.returncode == 0, done.stderr
    assert "v1/pods: " in done.stderr
    with zipfile.ZipFile(bundle) as archive:
        stored = {name: archive.read(name) for name in archive.namelist()}
    assert b'"name":"web"' in stored["objects/core/v1/pods/0001.json"]
    assert not [name for name, content in stored.items() if b"hidden-in" in content]
