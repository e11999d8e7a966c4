"""Endpoints: pods grouped by the workload that owns them, and templates that have no live pod (contracts, Endpoints)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster, is_finished
from auditor.inventory.distinctions import Distinctions
from auditor.model.kinds import CRON_JOB, JOB, POD, WORKLOAD_KINDS, KindKey, normalised_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, qualified_kind, text_at

PROTOCOLS = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True, order=True)
class ContainerPort:
    """A port that a container declares. `name` is `""` where it has none; `host_port` 0 means none.

    `host_ip` is the node's address that a host port is bound to, `""` for all of them.
    """

    port: int
    protocol: str
    name: str = ""
    host_port: int = 0
    host_ip: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Pods of one workload that nothing in the evidence tells apart, or a template without a live pod.

    `id` is `namespace/Kind/name`, with `#n` where pods of one workload decide differently. `spec` and `annotations` are
    those of the first pod, or of the template. `objects` are the workload (if present) and the pods.
    """

    id: str
    namespace: str
    kind: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: JsonObject
    pods: tuple[KubeObject, ...]
    workload: KubeObject | None
    ports: tuple[ContainerPort, ...]

    @property
    def live(self) -> bool:
        """Whether a pod of it was there when the evidence was collected."""
        return bool(self.pods)

    @property
    def host_network(self) -> bool:
        """Whether it uses the node's network namespace."""
        return self.spec.get("hostNetwork") is True

    @property
    def service_account(self) -> str:
        """The service account's name; `default` where none is set."""
        return text_at(self.spec, "serviceAccountName") or text_at(self.spec, "serviceAccount") or "default"

    @property
    def containers(self) -> list[JsonObject]:
        """The containers that run along with the pod: ordinary ones and native sidecars (restartPolicy Always)."""
        native = [c for c in mappings_at(self.spec, "initContainers") if c.get("restartPolicy") == "Always"]
        return mappings_at(self.spec, "containers") + native

    @property
    def addresses(self) -> tuple[str, ...]:
        """The pods' addresses, sorted; empty for templates."""
        return tuple(sorted({address for pod in self.pods for address in pod_addresses(pod)}))

    @property
    def node_names(self) -> frozenset[str]:
        """The nodes on which its pods run."""
        return frozenset(name for pod in self.pods if (name := text_at(pod.spec, "nodeName")))

    @property
    def objects(self) -> tuple[KubeObject, ...]:
        """What the endpoint was read from."""
        return ((self.workload,) if self.workload else ()) + self.pods

    @property
    def evidence(self) -> tuple[str, ...]:
        """Evidence ids of those objects."""
        return tuple(obj.evidence_id for obj in self.objects)

    def named_port(self, name: str, protocol: str) -> int | None:
        """The container port of that name and protocol (connectivity.md 7)."""
        return next((p.port for p in self.ports if p.name == name and p.protocol == protocol), None)


@dataclass(frozen=True, slots=True)
class _Owner:
    key: KindKey
    name: str
    obj: KubeObject | None


def pod_addresses(pod: KubeObject) -> tuple[str, ...]:
    """`status.podIPs`, or `status.podIP`."""
    found = [ip for entry in mappings_at(pod.body, "status", "podIPs") if (ip := text_at(entry, "ip"))]
    single = text_at(pod.body, "status", "podIP")
    return tuple(dict.fromkeys(found or ([single] if single else [])))


def list_endpoints(cluster: Cluster) -> tuple[Endpoint, ...]:
    """Every endpoint of the cluster, sorted by id."""
    distinctions = Distinctions.of(cluster)
    members: dict[tuple[str, KindKey, str], list[KubeObject]] = {}
    owners: dict[tuple[str, KindKey, str], _Owner] = {}
    for pod in cluster.pods:
        if not is_finished(pod):
            owner = _topmost_owner(cluster, pod)
            place = (pod.namespace, owner.key, owner.name)
            members.setdefault(place, []).append(pod)
            owners[place] = owner
    for workload in (obj for key in WORKLOAD_KINDS for obj in cluster.all(key)):
        owner = _topmost_owner(cluster, workload)
        place = (workload.namespace, owner.key, owner.name)
        if place not in members:
            members[place] = []
            owners[place] = owner if owner.obj else _Owner(owner.key, owner.name, workload)
    return tuple(
        sorted(
            (e for place, pods in members.items() for e in _split(place, pods, owners[place], distinctions)),
            key=lambda endpoint: endpoint.id,
        )
    )


def endpoints_stay(
    endpoints: Sequence[Endpoint],
    after: Cluster,
    old: Iterable[KubeObject],
    new: Iterable[KubeObject],
) -> bool:
    """Whether pods stay grouped as they are when policies `old` are replaced by `new`, which gives the cluster `after`."""
    before, now = Distinctions.drawn_by(old), Distinctions.drawn_by(new)
    added, gone = now.minus(before), before.minus(now)
    if added and any(_differ(endpoint.pods, added) for endpoint in endpoints if len(endpoint.pods) > 1):
        return False
    split: dict[str, list[KubeObject]] = {}
    for endpoint in endpoints:
        base, mark, _ = endpoint.id.rpartition("#")
        if mark and endpoint.pods:
            split.setdefault(base, []).append(endpoint.pods[0])
    if not gone or not split:
        return True
    left = Distinctions.of(after)
    return all(
        len({left.signature(pod, pod_addresses(pod)) for pod in pods}) == len(pods) for pods in split.values()
    )


def _differ(pods: Iterable[KubeObject], distinctions: Distinctions) -> bool:
    return len({distinctions.part(pod, pod_addresses(pod)) for pod in pods}) > 1


def _topmost_owner(cluster: Cluster, obj: KubeObject) -> _Owner:
    seen = {obj.id}
    current = _Owner(obj.key, obj.name, obj)
    while current.obj is not None and (reference := _owner_reference(current.obj)):
        key, _ = normalised_key(text_at(reference, "apiVersion") or "", text_at(reference, "kind") or "")
        name = text_at(reference, "name") or ""
        if key.kind in ("Node", "") or not name:
            break
        found = cluster.get(key, obj.namespace, name)
        if found is not None and found.id in seen:
            break
        current = _Owner(key, name, found)
        if found is not None:
            seen.add(found.id)
    return current


def _owner_reference(obj: KubeObject) -> JsonObject | None:
    references = mappings_at(obj.body, "metadata", "ownerReferences")
    controlling = [reference for reference in references if reference.get("controller") is True]
    chosen = controlling or references
    return chosen[-1] if chosen else None


def _split(
    place: tuple[str, KindKey, str], pods: Sequence[KubeObject], owner: _Owner, distinctions: Distinctions
) -> Iterable[Endpoint]:
    namespace, key, name = place
    base = f"{namespace}/{qualified_kind(key.group, key.kind)}/{name}"
    if not pods:
        if owner.obj is not None and (template := pod_template(owner.obj)) is not None:
            yield _from_template(base, owner.obj, key, name, template)
        return
    classes: dict[Any, list[KubeObject]] = {}
    for pod in pods:
        classes.setdefault(distinctions.signature(pod, pod_addresses(pod)), []).append(pod)
    groups = sorted(classes.values(), key=lambda group: group[0].name)
    workload = owner.obj if owner.key != POD else None
    for number, group in enumerate(groups, 1):
        first = group[0]
        yield Endpoint(
            id=base if len(groups) == 1 else f"{base}#{number}",
            namespace=namespace,
            kind=key.kind,
            name=name,
            labels=first.labels,
            annotations=first.annotations,
            spec=first.spec,
            pods=tuple(group),
            workload=workload,
            ports=container_ports(first.spec),
        )


def _from_template(
    base: str, workload: KubeObject, key: KindKey, name: str, template: JsonObject
) -> Endpoint:
    labels = _text_map(mapping_at(template, "metadata", "labels"))
    labels = {**_job_labels(workload), **labels}
    spec = mapping_at(template, "spec")
    return Endpoint(
        id=base,
        namespace=workload.namespace,
        kind=key.kind,
        name=name,
        labels=labels,
        annotations=_text_map(mapping_at(template, "metadata", "annotations")),
        spec=spec,
        pods=(),
        workload=workload,
        ports=container_ports(spec),
    )


def _job_labels(workload: KubeObject) -> dict[str, str]:
    """What the API server labels a Job's pods with (batch/v1 Job strategy).

    What only running tells (the uid, the name of a CronJob's next Job) holds a `*`, which no label's value can: the key
    is there, and no selector names the value.
    """
    if workload.key not in (JOB, CRON_JOB):
        return {}
    name = workload.name if workload.key == JOB else f"{workload.name}-*"
    return {
        f"{prefix}{key}": value
        for prefix in ("", "batch.kubernetes.io/")
        for key, value in (("job-name", name), ("controller-uid", "*"))
    }


def pod_template(workload: KubeObject) -> JsonObject | None:
    """The pod template of a workload, None for kinds that have none."""
    if workload.key == CRON_JOB:
        return mapping_at(workload.body, "spec", "jobTemplate", "spec", "template")
    return mapping_at(workload.body, "spec", "template") if workload.key in WORKLOAD_KINDS else None


def container_ports(spec: JsonObject) -> tuple[ContainerPort, ...]:
    """Declared ports of all containers that keep running, sorted; entries the API server would refuse are dropped."""
    native = [c for c in mappings_at(spec, "initContainers") if c.get("restartPolicy") == "Always"]
    ports = {
        ContainerPort(
            port=number,
            protocol=protocol,
            name=text_at(entry, "name") or "",
            host_port=_port(entry.get("hostPort")) or 0,
            host_ip=text_at(entry, "hostIP") or "",
        )
        for container in mappings_at(spec, "containers") + native
        for entry in mappings_at(container, "ports")
        if (number := _port(entry.get("containerPort")))
        and (protocol := entry.get("protocol") or "TCP") in PROTOCOLS
    }
    return tuple(sorted(ports))


def _port(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else None


def _text_map(raw: JsonObject) -> dict[str, str]:
    return {k: v for k, v in raw.items() if isinstance(k, str) and isinstance(v, str)}
