"""The control plane that the other live tests rest on is a real one: it schedules, runs, restarts, and ends."""

import json
import time
from pathlib import Path

from tests.live.cluster import Cluster


def test_pods_of_a_deployment_run_on_the_played_node(whole_cluster: Cluster) -> None:
    whole_cluster.kubectl("create", "namespace", "deployed")
    whole_cluster.kubectl("create", "deployment", "web", "-n", "deployed", "--image=web:1", "--replicas=2")
    whole_cluster.kubectl("rollout", "status", "deployment/web", "-n", "deployed", "--timeout=60s")
    pods = json.loads(whole_cluster.kubectl("get", "pods", "-n", "deployed", "-o", "json"))["items"]
    assert {(pod["spec"]["nodeName"], pod["status"]["phase"]) for pod in pods} == {("node-0", "Running")}


def test_a_service_account_may_do_what_rbac_grants_and_no_more(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "accounts")
    cluster.kubectl("create", "serviceaccount", "reader", "-n", "accounts")
    cluster.kubectl("create", "clusterrole", "reads-nodes", "--verb=list", "--resource=nodes")
    binding = ("create", "clusterrolebinding", "reads-nodes", "--clusterrole=reads-nodes")
    cluster.kubectl(*binding, "--serviceaccount=accounts:reader")
    token = cluster.service_account_token("accounts", "reader")
    assert cluster.request("GET", "/api/v1/nodes", token=token)[0] == 200
    assert cluster.request("GET", "/api/v1/secrets", token=token)[0] == 403
    assert cluster.request("GET", "/api/v1/nodes", token="nonsense")[0] == 401  # noqa: S106


def test_what_was_created_outlives_a_killed_api_server(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "outlives")
    cluster.stop_api_server(kill=True)
    cluster.start_api_server()
    assert cluster.request("GET", "/api/v1/namespaces/outlives")[0] == 200


def test_nothing_is_left_running(programs: Path, tmp_path: Path) -> None:
    with Cluster(programs, tmp_path) as started:
        pids = [started.pid(program) for program in ("etcd", "kube-apiserver")]
    end = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
