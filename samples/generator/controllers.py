"""What controllers make of workloads and Services: ReplicaSets, Jobs, pods, EndpointSlices."""

import copy
from collections.abc import Sequence

from generator.endpoint_slices import add_endpoint_slice
from generator.injection import inject_istio, inject_linkerd
from generator.kubelet import finished_status, running_status, set_pod_defaults, set_template_defaults
from generator.store import Obj, Store, owner


class Controllers:
    """Runs once over the workloads of a store. `mesh` is `istio`, `linkerd` or `none`."""

    def __init__(self, store: Store, nodes: Sequence[Obj], mesh: str) -> None:
        self.store = store
        self.nodes = nodes
        self.mesh = mesh
        self._workers = [node for node in nodes if node["role"] == "worker"]
        self._turn = 0
        self._addresses = dict.fromkeys((node["name"] for node in nodes), 3)

    def run(self) -> None:
        """Give every workload its pods, then every Service its EndpointSlice."""
        for daemon_set in self.store.of("DaemonSet"):
            self._run_daemon_set(daemon_set)
        for deployment in self.store.of("Deployment"):
            self._run_deployment(deployment)
        for stateful_set in self.store.of("StatefulSet"):
            self._run_stateful_set(stateful_set)
        for cron_job in self.store.of("CronJob"):
            self._run_cron_job(cron_job)
        for pod in [pod for pod in self.store.of("Pod") if "status" not in pod]:
            self._run_static_pod(pod)
        for service in self.store.of("Service"):
            add_endpoint_slice(self.store, service)

    def _run_deployment(self, deployment: Obj) -> None:
        metadata, spec = deployment["metadata"], deployment["spec"]
        spec.setdefault("progressDeadlineSeconds", 600)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("strategy", _ROLLING)
        set_template_defaults(spec["template"]["spec"])
        replicas = spec.setdefault("replicas", 1)
        metadata.setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "1"
        suffix = self.store.suffix(f"{metadata['namespace']}/{metadata['name']}/rs", 10)
        template = copy.deepcopy(spec["template"])
        template["metadata"]["labels"]["pod-template-hash"] = suffix
        template["metadata"]["labels"].pop("samples/proxy", None)
        labels = template["metadata"]["labels"]
        selector = {**spec["selector"]["matchLabels"], "pod-template-hash": suffix}
        replica_set = self.store.add(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "annotations": {
                        "deployment.kubernetes.io/desired-replicas": str(replicas),
                        "deployment.kubernetes.io/max-replicas": str(replicas + 1),
                        "deployment.kubernetes.io/revision": "1",
                    },
                    "labels": labels,
                    "name": f"{metadata['name']}-{suffix}",
                    "namespace": metadata["namespace"],
                    "ownerReferences": owner(deployment),
                },
                "spec": {"replicas": replicas, "selector": {"matchLabels": selector}, "template": template},
                "status": _counts(replicas, "fullyLabeledReplicas"),
            },
            metadata["creationTimestamp"],
        )
        for number in range(replicas):
            name = f"{metadata['name']}-{suffix}-{self.store.suffix(f'{suffix}/{number}')}"
            extra = {"pod-template-hash": suffix}
            self._add_pod(deployment, replica_set, name, extra, self._next_worker())
        deployment["status"] = _counts(replicas, "updatedReplicas") | {"conditions": _available(metadata)}
        spec["template"]["metadata"]["labels"].pop("samples/proxy", None)

    def _run_stateful_set(self, workload: Obj) -> None:
        metadata, spec = workload["metadata"], workload["spec"]
        set_template_defaults(spec["template"]["spec"])
        replicas = spec.setdefault("replicas", 1)
        spec |= {"podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10}
        revision = f"{metadata['name']}-{self.store.suffix(metadata['name'] + '/revision', 10)}"
        for number in range(replicas):
            name = f"{metadata['name']}-{number}"
            extra = {
                "apps.kubernetes.io/pod-index": str(number),
                "controller-revision-hash": revision,
                "statefulset.kubernetes.io/pod-name": name,
            }
            self._add_pod(workload, workload, name, extra, self._next_worker())
        workload["status"] = _counts(replicas, "currentReplicas") | {
            "collisionCount": 0,
            "currentRevision": revision,
            "updateRevision": revision,
            "updatedReplicas": replicas,
        }

    def _run_daemon_set(self, workload: Obj) -> None:
        metadata, spec = workload["metadata"], workload["spec"]
        set_template_defaults(spec["template"]["spec"])
        spec.setdefault("revisionHistoryLimit", 10)
        chosen = self.nodes
        revision = self.store.suffix(f"{metadata['name']}/revision", 10)
        extra = {"controller-revision-hash": revision, "pod-template-generation": "1"}
        for node in chosen:
            name = f"{metadata['name']}-{self.store.suffix(metadata['name'] + node['name'])}"
            self._add_pod(workload, workload, name, extra, node)
        workload["status"] = {
            "currentNumberScheduled": len(chosen),
            "desiredNumberScheduled": len(chosen),
            "numberAvailable": len(chosen),
            "numberMisscheduled": 0,
            "numberReady": len(chosen),
            "observedGeneration": 1,
            "updatedNumberScheduled": len(chosen),
        }

    def _run_cron_job(self, workload: Obj) -> None:
        metadata, template = workload["metadata"], workload["spec"]["jobTemplate"]["spec"]["template"]
        template["spec"]["restartPolicy"] = "Never"
        set_template_defaults(template["spec"])
        last = workload.get("status", {}).get("lastScheduleTime")
        if not last:
            return
        name = f"{metadata['name']}-{29_000_000 + self.store.number(metadata['name']) % 99_999}"
        uid = self.store.uid(
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**metadata, "name": name}}
        )
        extra = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
        labels = {**template["metadata"]["labels"], **extra}
        job_template = {"metadata": {**copy.deepcopy(template["metadata"]), "labels": labels}}
        job_template["spec"] = copy.deepcopy(template["spec"])
        job = self.store.add(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": last},
                    "labels": labels,
                    "name": name,
                    "namespace": metadata["namespace"],
                    "ownerReferences": owner(workload),
                },
                "spec": {
                    "backoffLimit": 3,
                    "completions": 1,
                    "parallelism": 1,
                    "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}},
                    "template": job_template,
                },
                "status": {"completionTime": last, "ready": 0, "startTime": last, "succeeded": 1},
            },
            last,
        )
        pod_name = f"{name}-{self.store.suffix(name)}"
        self._add_pod(workload, job, pod_name, extra, self._next_worker(), last)

    def _run_static_pod(self, pod: Obj) -> None:
        node = next(node for node in self.nodes if node["role"] == "control-plane")
        metadata = pod["metadata"]
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "controller": True, "kind": "Node", "name": node["name"], "uid": node["uid"]}
        ]
        pod["spec"]["nodeName"] = node["name"]
        pod["spec"]["automountServiceAccountToken"] = False
        set_pod_defaults(self.store, pod["spec"], metadata["name"])
        pod["spec"].pop("automountServiceAccountToken")
        pod["status"] = running_status(self.store, pod, node, node["address"], metadata["creationTimestamp"])

    def _add_pod(
        self, workload: Obj, parent: Obj, name: str, extra: Obj, node: Obj, finished: str | None = None
    ) -> None:
        metadata = workload["metadata"]
        if workload["kind"] == "CronJob":
            template = copy.deepcopy(workload["spec"]["jobTemplate"]["spec"]["template"])
        else:
            template = copy.deepcopy(workload["spec"]["template"])
        labels = {**template["metadata"].get("labels", {}), **extra}
        pod: Obj = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "generateName": f"{parent['metadata']['name']}-",
                "labels": labels,
                "name": name,
                "namespace": metadata["namespace"],
                "ownerReferences": owner(parent),
            },
            "spec": {**template["spec"], "nodeName": node["name"]},
        }
        if workload["kind"] == "StatefulSet":
            pod["spec"] |= {"hostname": name, "subdomain": workload["spec"]["serviceName"]}
        self._inject(pod, metadata)
        set_pod_defaults(self.store, pod["spec"], name)
        if not pod["metadata"].get("annotations"):
            pod["metadata"].pop("annotations", None)
        started = finished or metadata["creationTimestamp"]
        address = node["address"] if pod["spec"].get("hostNetwork") else self._next_address(node)
        make = finished_status if finished else running_status
        pod["status"] = make(self.store, pod, node, address, started)
        self.store.add(pod, started)

    def _inject(self, pod: Obj, workload: Obj) -> None:
        namespaces = {o["metadata"]["name"]: o for o in self.store.of("Namespace")}
        namespace = namespaces[workload["namespace"]]
        if self.mesh == "istio":
            inject_istio(pod, namespace)
        elif self.mesh == "linkerd":
            inject_linkerd(pod, namespace, workload["name"])

    def _next_worker(self) -> Obj:
        self._turn += 1
        return self._workers[self._turn % len(self._workers)]

    def _next_address(self, node: Obj) -> str:
        self._addresses[node["name"]] += 1
        return f"{node['podCIDR'].rpartition('.')[0]}.{self._addresses[node['name']]}"


_ROLLING = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"}


def _counts(replicas: int, *others: str) -> Obj:
    names = ("availableReplicas", "readyReplicas", "replicas", *others)
    return {"observedGeneration": 1, **dict.fromkeys(names, replicas)}


def _available(metadata: Obj) -> list[Obj]:
    at = metadata["creationTimestamp"]
    return [
        {
            "lastTransitionTime": at,
            "lastUpdateTime": at,
            "message": "Deployment has minimum availability.",
            "reason": "MinimumReplicasAvailable",
            "status": "True",
            "type": "Available",
        }
    ]
