"""What the families of controllers read from: the cluster, its Services, and the controllers that run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from auditor.inventory.cluster import Cluster, is_finished
from auditor.inventory.endpoints import container_ports, pod_template
from auditor.inventory.services import Backend, Services
from auditor.model.evidence import Completeness
from auditor.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, STATEFUL_SET, KindKey
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at

KNOWN = (Completeness.COMPLETE, Completeness.NOT_INSTALLED)

IMAGES: Mapping[str, str] = {
    "ingress-nginx/controller": "ingress-nginx",
    "nginx-ingress-controller": "ingress-nginx",
    "nginx-ingress": "nginx-inc",
    "nginx-plus-ingress": "nginx-inc",
    "traefik": "traefik",
    "haproxytech/kubernetes-ingress": "haproxytech",
    "haproxy-ingress": "haproxy-ingress",
    "contour": "contour",
    "kong": "kong",
    "kong-gateway": "kong",
    "aws-load-balancer-controller": "aws-alb",
}
"""Image paths, whole or their last words, of the programs that serve entry points."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A controller that runs or is declared: one workload or pod, with the settings in its command line.

    `flags` maps lower-case names to their last value. `version` is the image's tag without `v`, `""` where it has none.
    """

    name: str
    namespace: str
    labels: Mapping[str, str]
    ports: tuple[int, ...]
    flags: Mapping[str, str]
    evidence_id: str
    version: str = ""


@dataclass(eq=False)
class Sources:
    """The evidence as the families see it."""

    cluster: Cluster
    services: Services

    @cached_property
    def programs(self) -> Mapping[str, tuple[Program, ...]]:
        """The controllers in the evidence by name, running pods before templates."""
        found: dict[str, dict[tuple[object, ...], Program]] = {}
        for obj, labels, spec in self._pod_specs():
            for container in mappings_at(spec, "containers"):
                name = program_name(text_at(container, "image") or "")
                if name is not None:
                    program = _program(name, obj, labels, spec, container)
                    flags = tuple(sorted(program.flags.items()))
                    key = (obj.namespace, flags, program.ports, program.version)
                    found.setdefault(name, {}).setdefault(key, program)
        return {name: tuple(group.values()) for name, group in found.items()}

    def complete(self, group: str, kind: str, namespace: str | None = None) -> bool:
        """Whether a missing object of the kind is known not to exist."""
        return self.cluster.completeness(KindKey(group, kind), namespace).state in KNOWN

    def config_map(self, namespace: str, name: str) -> tuple[KubeObject | None, bool]:
        """A ConfigMap, and whether its state is known: it is there, or known not to exist."""
        obj = self.cluster.config_map(namespace, name)
        known = obj is not None or self.cluster.completeness(CONFIG_MAP, namespace, name).state in KNOWN
        return obj, known

    def backends(self, namespace: str, service: str, port: object) -> tuple[Backend, ...]:
        """The ways behind a Service's port, named by number or name; every port when `port` is None."""
        found = self.services.of_service(namespace, service)
        if port is None:
            return found
        return tuple(b for b in found if port in (b.service_port, b.service_port_name) and port != "")

    @cached_property
    def every_backend(self) -> tuple[Backend, ...]:
        """Every way of every Service, sorted by Service."""
        return tuple(b for place in sorted(self.services.backends) for b in self.services.backends[place])

    def _pod_specs(self) -> Iterator[tuple[KubeObject, Mapping[str, str], JsonObject]]:
        for pod in self.cluster.pods:
            if not is_finished(pod):
                yield pod, pod.labels, pod.spec
        for kind in (DEPLOYMENT, DAEMON_SET, STATEFUL_SET):
            for workload in self.cluster.all(kind):
                template = pod_template(workload)
                labels = mapping_at(template, "metadata", "labels")
                yield workload, {str(k): str(v) for k, v in labels.items()}, mapping_at(template, "spec")


def program_name(image: str) -> str | None:
    """The controller that an image holds, by the end of its path."""
    path = image.partition("@")[0]
    head, slash, tail = path.rpartition("/")
    path = head + slash + tail.partition(":")[0]
    words = path.split("/")
    return IMAGES.get("/".join(words[-2:])) or IMAGES.get(words[-1])


def evidence_of(*objects: KubeObject | None) -> tuple[str, ...]:
    """The evidence ids of the objects that are there, each once."""
    return tuple(dict.fromkeys(obj.evidence_id for obj in objects if obj is not None))


def flags_of(words: Sequence[object]) -> dict[str, str]:
    """Long and short flags with their values, `--name=value` or `--name value`; names in lower case, the last wins."""
    found: dict[str, str] = {}
    pending: str | None = None
    for word in words:
        if not isinstance(word, str):
            pending = None
        elif word.startswith("-"):
            name, separator, value = word.lstrip("-").partition("=")
            found[name.lower()] = value if separator else "true"
            pending = None if separator else name.lower()
        elif pending is not None:
            found[pending] = word
            pending = None
    return found


def _program(
    name: str, obj: KubeObject, labels: Mapping[str, str], spec: JsonObject, container: JsonObject
) -> Program:
    words = [*list_at(container, "command"), *list_at(container, "args")]
    return Program(
        name=name,
        namespace=obj.namespace,
        labels=labels,
        ports=tuple(port.port for port in container_ports(spec)),
        flags=flags_of(words),
        evidence_id=obj.evidence_id,
        version=_version(text_at(container, "image") or ""),
    )


def _version(image: str) -> str:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag[:40].removeprefix("v")
