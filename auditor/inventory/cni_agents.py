"""Which CNI agents run on the nodes, as observed: DaemonSets and their pods, versions, readiness, allow-listed settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.inventory.cluster import Cluster, is_finished, is_ready
from auditor.inventory.data_plane import is_observed
from auditor.inventory.endpoints import pod_template
from auditor.model.evidence import Completeness
from auditor.model.kinds import DAEMON_SET, NODE
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at

AGENT_CONTAINERS: Mapping[str, str] = {
    "antrea-agent": "antrea",
    "aws-node": "aws-vpc-cni",
    "azure-cns": "azure-cni",
    "calico-node": "calico",
    "cilium-agent": "cilium",
    "kindnet-cni": "kindnet",
    "kube-flannel": "flannel",
    "kube-router": "kube-router",
    "ovnkube-controller": "ovn-kubernetes",
    "ovnkube-node": "ovn-kubernetes",
    "ovnkube-node-controller": "ovn-kubernetes",
    "weave": "weave",
}
"""The container of each agent that carries pod traffic, by its name in the project's own manifests."""

ENVIRONMENT = frozenset({"EXTRA_ARGS", "TRUSTED_SUBNETS", "WEAVE_PASSWORD", "WEAVE_TRUSTED_SUBNETS"})
ENVIRONMENT_PREFIXES = ("FELIX_",)
SET, UNSET = "set", "unset"
"""What stands for a secret's value: only whether there is one is evidence."""

_SECRET = frozenset({"WEAVE_PASSWORD"})
_VERSION = re.compile(r"v?\d+(\.\d+){0,3}[\w.-]*")
_KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)


@dataclass(frozen=True, slots=True)
class CniAgent:
    """An agent that is in the evidence, as a DaemonSet, as pods, or both.

    `observed`: running pods, or a DaemonSet's status, were collected. `version` is the image tag, None where the images
    differ or have none. `missing_nodes` are nodes on which no ready pod was seen. `nodes_known`: every node is in the
    evidence, so that "on every node" can be said. `environment` maps allow-listed names to their values; a variable
    filled from elsewhere has the value None, a secret one `set` or `unset`. `arguments` maps flags, without dashes.
    """

    name: str
    namespace: str
    object: str
    version: str | None
    observed: bool
    ready_nodes: frozenset[str]
    missing_nodes: frozenset[str]
    nodes_known: bool
    arguments: Mapping[str, str]
    environment: Mapping[str, str | None]
    evidence: tuple[str, ...]

    @property
    def ready_everywhere(self) -> bool:
        """Whether a ready pod was seen on every node, all of which are known."""
        return self.observed and self.nodes_known and not self.missing_nodes


@dataclass(frozen=True, slots=True)
class _Found:
    daemons: list[KubeObject]
    pods: list[KubeObject]
    containers: list[JsonObject]


def find_cni_agents(cluster: Cluster) -> tuple[CniAgent, ...]:
    """Every agent in the evidence, by name and namespace. Only pods on the node's network count."""
    groups: dict[tuple[str, str], _Found] = {}
    for obj, spec in on_node_network(cluster):
        for container in mappings_at(spec, "containers"):
            name = AGENT_CONTAINERS.get(text_at(container, "name") or "")
            if name is not None:
                group = groups.setdefault((name, obj.namespace), _Found([], [], []))
                (group.daemons if obj.key == DAEMON_SET else group.pods).append(obj)
                group.containers.append(container)
    return tuple(_agent(cluster, *place, groups[place]) for place in sorted(groups))


def node_names(cluster: Cluster) -> frozenset[str]:
    """The names of the nodes: Node objects, and nodes that pods name."""
    named = {text_at(pod.spec, "nodeName") for pod in cluster.pods}
    return frozenset({node.name for node in cluster.nodes} | {name for name in named if name})


def knows_every_node(cluster: Cluster) -> bool:
    """Whether all nodes are in the evidence, as listed from the cluster."""
    return bool(cluster.nodes) and cluster.completeness(NODE, observed=True).state in _KNOWN


def on_node_network(cluster: Cluster) -> Iterator[tuple[KubeObject, JsonObject]]:
    """DaemonSets and pods that use their node's network, as agents do, with the pod's specification."""
    for daemon in cluster.all(DAEMON_SET):
        spec = mapping_at(pod_template(daemon), "spec")
        if spec.get("hostNetwork") is True:
            yield daemon, spec
    for pod in cluster.pods:
        if pod.spec.get("hostNetwork") is True and not is_finished(pod):
            yield pod, pod.spec


def _agent(cluster: Cluster, name: str, namespace: str, found: _Found) -> CniAgent:
    nodes = node_names(cluster)
    running = [pod for pod in found.pods if is_observed(pod)]
    ready = {text_at(pod.spec, "nodeName") or "" for pod in running if is_ready(pod)} - {""}
    if not found.pods and any(all_ready(daemon, len(nodes)) for daemon in found.daemons):
        ready = set(nodes)
    counted = any(isinstance(d.status.get("desiredNumberScheduled"), int) for d in found.daemons)
    objects = (*found.daemons, *found.pods)
    return CniAgent(
        name=name,
        namespace=namespace,
        object=str(objects[0].id),
        version=_version(found.containers),
        observed=bool(running) or (not found.pods and counted),
        ready_nodes=frozenset(ready),
        missing_nodes=nodes - ready,
        nodes_known=knows_every_node(cluster),
        arguments=_arguments(found.containers),
        environment=_environment(found.containers),
        evidence=tuple(sorted({obj.evidence_id for obj in objects})),
    )


def all_ready(daemon: KubeObject, nodes: int) -> bool:
    """Without pods in the evidence the DaemonSet's own count is the next best observation."""
    desired, ready = (daemon.status.get(key) for key in ("desiredNumberScheduled", "numberReady"))
    return isinstance(desired, int) and isinstance(ready, int) and ready >= desired >= max(nodes, 1)


def _version(containers: Sequence[JsonObject]) -> str | None:
    tags = {
        (text_at(c, "image") or "").partition("@")[0].rpartition("/")[2].partition(":")[2] for c in containers
    }
    tag = tags.pop() if len(tags) == 1 else ""
    return tag if _VERSION.fullmatch(tag) else None


def _arguments(containers: Sequence[JsonObject]) -> dict[str, str]:
    """Long flags of command and arguments; words inside a shell script count too. The first to say something wins."""
    found: dict[str, str] = {}
    for container in containers:
        for entry in [*list_at(container, "command"), *list_at(container, "args")]:
            for word in entry.split() if isinstance(entry, str) else ():
                name, separator, value = word.lstrip("-").partition("=")
                if word.startswith("--") and name:
                    found.setdefault(name, value if separator else "true")
    return found


def _environment(containers: Sequence[JsonObject]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for container in containers:
        for entry in mappings_at(container, "env"):
            name = text_at(entry, "name") or ""
            if name in ENVIRONMENT or name.startswith(ENVIRONMENT_PREFIXES):
                found.setdefault(name, _value(name, entry))
    return found


def _value(name: str, entry: JsonObject) -> str | None:
    value = entry.get("value")
    if name not in _SECRET:
        return str(value) if value is not None else (None if entry.get("valueFrom") else "")
    if isinstance(entry.get("valueFrom"), Mapping):
        reference = mapping_at(entry, "valueFrom", "secretKeyRef")
        return None if reference.get("optional") is True else SET
    return SET if value and value != UNSET else UNSET
