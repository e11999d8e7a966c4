"""Endpoints: pods by their topmost owner, templates without pods, pods of one workload that decide differently."""

import pytest

from auditor.inventory.endpoints import Endpoint, list_endpoints
from auditor.inventory.services import Services
from tests.objects import cluster

OWNED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, controller: true}]}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1-a
  namespace: shop
  labels: {app: web, pod-template-hash: "1"}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, controller: true}]
spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}]}]}
status: {phase: Running, podIP: 10.0.0.1}
"""


def by_id(text: str) -> dict[str, Endpoint]:
    return {endpoint.id: endpoint for endpoint in list_endpoints(cluster(text))}


def test_a_pod_belongs_to_its_topmost_owner_that_is_present() -> None:
    found = by_id(OWNED)
    assert list(found) == ["shop/Deployment/web"]
    assert found["shop/Deployment/web"].live


def test_an_owner_that_is_missing_is_still_named() -> None:
    text = OWNED[OWNED.rindex("---") :]
    assert list(by_id(text)) == ["shop/ReplicaSet/web-1"]


def test_an_owner_of_a_group_that_is_not_built_in_shows_the_group() -> None:
    text = OWNED[OWNED.rindex("---") :].replace(
        "apps/v1, kind: ReplicaSet", "argoproj.io/v1alpha1, kind: Rollout"
    )
    assert list(by_id(text)) == ["shop/Rollout.argoproj.io/web-1"]


def test_a_template_without_a_live_pod_is_an_endpoint_too() -> None:
    text = OWNED + (
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: settle, namespace: shop}\n"
        "spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: settle}}, spec: {containers: []}}}}}\n"
    )
    found = by_id(text)["shop/CronJob/settle"]
    assert not found.live
    assert found.labels["app"] == "settle"


def test_a_cronjob_s_pods_bear_a_job_s_labels_of_which_only_the_values_are_unknown() -> None:
    """batch/v1's Job strategy labels every Job's pods; the name of the next Job ends in a time, its uid isn't there."""
    text = (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: settle, namespace: shop}\n"
        "spec: {jobTemplate: {spec: {template: {spec: {containers: []}}}}}\n"
    )
    assert by_id(text)["shop/CronJob/settle"].labels == {
        "job-name": "settle-*",
        "batch.kubernetes.io/job-name": "settle-*",
        "controller-uid": "*",
        "batch.kubernetes.io/controller-uid": "*",
    }


def test_a_job_template_gets_the_labels_that_the_api_server_adds() -> None:
    text = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: load}\n"
        "spec: {template: {metadata: {labels: {a: b}}, spec: {containers: []}}}\n"
    )
    assert by_id(text)["default/Job/load"].labels == {
        "a": "b",
        "job-name": "load",
        "batch.kubernetes.io/job-name": "load",
        "controller-uid": "*",
        "batch.kubernetes.io/controller-uid": "*",
    }


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_has_lost_its_address(phase: str) -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: []}}\nstatus: {{phase: {phase}}}\n"
    assert by_id(text) == {}


def test_a_static_pod_is_not_owned_by_its_node() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\n  namespace: kube-system\n"
        "  ownerReferences: [{apiVersion: v1, kind: Node, name: n1, controller: true}]\nspec: {containers: []}\n"
    )
    assert list(by_id(text)) == ["kube-system/Pod/etcd"]


TWO_VERSIONS = OWNED + OWNED[OWNED.rindex("---") :].replace("web-1-a", "web-1-b").replace(
    "app: web,", "app: web, track: canary,"
)
SELECTING = (
    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
    "spec: {podSelector: {matchLabels: {track: canary}}}\n"
)


def test_labels_that_no_rule_asks_for_do_not_split_a_workload() -> None:
    assert list(by_id(TWO_VERSIONS)) == ["shop/Deployment/web"]


def test_pods_that_decide_differently_are_told_apart_never_joined() -> None:
    found = by_id(TWO_VERSIONS + SELECTING)
    assert {key: [pod.name for pod in endpoint.pods] for key, endpoint in found.items()} == {
        "shop/Deployment/web#1": ["web-1-a"],
        "shop/Deployment/web#2": ["web-1-b"],
    }


def test_named_ports_resolve_per_protocol() -> None:
    endpoint = by_id(OWNED)["shop/Deployment/web"]
    assert endpoint.named_port("http", "TCP") == 8080
    assert endpoint.named_port("http", "UDP") is None


@pytest.mark.parametrize(
    ("service_ports", "expected"),
    [
        ("[{port: 80, targetPort: http}]", [(53, "UDP"), (8080, "TCP")]),
        ("[{port: 80, targetPort: 9090}]", [(53, "UDP"), (8080, "TCP"), (9090, "TCP")]),
        ("[{port: 80}]", [(53, "UDP"), (80, "TCP"), (8080, "TCP")]),
        ("[{port: 80, targetPort: nobody}]", [(53, "UDP"), (8080, "TCP")]),
    ],
)
def test_services_declare_container_ports_too(service_ports: str, expected: list[tuple[int, str]]) -> None:
    text = OWNED + (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
        f"spec: {{selector: {{app: web}}, ports: {service_ports}}}\n"
    )
    known = cluster(text)
    endpoints = list_endpoints(known)
    assert list(Services(known, endpoints).ports_of(endpoints[0])) == expected


def test_a_service_without_a_selector_leads_where_its_slices_say() -> None:
    text = OWNED + (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: ext, namespace: shop}\nspec: {ports: [{port: 80}]}\n"
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        "metadata: {name: ext-1, namespace: shop, labels: {kubernetes.io/service-name: ext}}\n"
        "endpoints: [{addresses: [10.0.0.1]}]\n"
    )
    known = cluster(text)
    found = Services(known, list_endpoints(known)).of_service("shop", "ext")
    assert [(b.endpoint.id, b.target_port) for b in found] == [("shop/Deployment/web", 80)]
