"""The network agents of the evidence: DaemonSet pods on the nodes' network, their readiness, versions and settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster, is_ready
from auditor.inventory.cni_agents import all_ready, on_node_network
from auditor.inventory.endpoints import pod_template
from auditor.model.evidence import Completeness
from auditor.model.kinds import DAEMON_SET, NODE, POD
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause
from auditor.network.reasons import cause
from auditor.network.support import (
    AGENTS,
    AUTO_MODE,
    AUTO_MODE_AGENT,
    FLANNEL_CONTAINERS,
    IN_PROCESS,
    AgentKind,
    Row,
    Support,
    Version,
)

_VERSION = re.compile(r"v?(\d{1,8})(?:\.(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class SupportFound:
    """Whether an agent enforces a layer, and why."""

    verdict: Support
    cause: Cause


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent found in the evidence. `observed`: live pods of it, not only a DaemonSet's template.

    `settings` None: its configuration is not in the evidence.
    """

    kind: AgentKind
    version: Version | None
    settings: Mapping[str, str] | None
    ready_nodes: frozenset[str]
    observed: bool
    evidence: tuple[str, ...]

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.kind.name

    def support(self, layer: str) -> SupportFound:
        """Whether it enforces a layer in this version and configuration."""
        row = self.kind.layers.get(layer)
        if row is None:
            if layer in self.kind.unknown:
                code = "unknown.mode" if layer == "networkpolicy" else "unknown.support"
                return SupportFound(Support.UNKNOWN, cause(code, agent=self.name))
            return SupportFound(Support.NO, cause("unenforced.other-agent", agent=self.name))
        return (
            self._by_version(row)
            or self._by_settings(row)
            or SupportFound(Support.YES, cause("enforced.agent", agent=self.name))
        )

    def _by_version(self, row: Row) -> SupportFound | None:
        if row.since is None and row.until is None:
            return None
        if self.version is None:
            return SupportFound(Support.UNKNOWN, cause("unknown.support", agent=self.name))
        too_old = row.since is not None and self.version < row.since
        too_new = row.until is not None and self.version >= row.until
        if too_old or too_new:
            return SupportFound(Support.NO, cause("unenforced.other-agent", agent=self.name))
        return None

    def _by_settings(self, row: Row) -> SupportFound | None:
        for setting in row.settings:
            if self.settings is None:
                return SupportFound(
                    Support.UNKNOWN, cause("unknown.setting", agent=self.name, setting=setting.name)
                )
            value = self.settings.get(setting.name)
            if not setting.allows(value):
                text = f"{setting.name}={setting.default if value is None else value}"
                return SupportFound(
                    Support.NO, cause("unenforced.switched-off", agent=self.name, setting=text)
                )
        return None


@dataclass(frozen=True, slots=True)
class AgentsFound:
    """The agents, and why there may be others that the evidence does not show (None: there are none).

    `hidden`: nodes that may have an agent built in, which no pod shows.
    """

    found: tuple[Agent, ...]
    uncertain: Cause | None
    hidden: frozenset[str] = frozenset()


def find_agents(cluster: Cluster, nodes: Sequence[str]) -> AgentsFound:
    """Every agent of the support matrix that runs, or is declared, in the cluster."""
    placed = list(on_node_network(cluster))
    found = tuple(agent for kind in AGENTS if (agent := _find(cluster, kind, placed, nodes)) is not None)
    key, value = AUTO_MODE
    hidden = frozenset(node.name for node in cluster.all(NODE) if node.labels.get(key) == value)
    return AgentsFound(found, _uncertain(cluster, found, hidden), hidden)


def _find(
    cluster: Cluster,
    kind: AgentKind,
    placed: Sequence[tuple[KubeObject, JsonObject]],
    nodes: Sequence[str],
) -> Agent | None:
    own = [(obj, spec, c) for obj, spec in placed if (c := _container(spec, kind)) is not None]
    if not own:
        return None
    own.sort(key=lambda entry: entry[0].key == DAEMON_SET)
    own_daemons = [obj for obj, _, _ in own if obj.key == DAEMON_SET]
    own_pods = [obj for obj, _, _ in own if obj.key != DAEMON_SET]
    ready = {name for pod in own_pods if is_ready(pod) and (name := text_at(pod.spec, "nodeName"))}
    if not own_pods and any(all_ready(daemon, len(nodes)) for daemon in own_daemons):
        ready = set(nodes)
    settings, config = _settings(
        cluster, kind, [c for _, spec, _ in own for c in mappings_at(spec, "containers")]
    )
    sources = [obj for obj, _, _ in own] + ([config] if config else [])
    return Agent(
        kind=kind,
        version=_oldest_version([container for _, _, container in own]),
        settings=settings,
        ready_nodes=frozenset(ready),
        observed=bool(own_pods),
        evidence=tuple(sorted({obj.evidence_id for obj in sources})),
    )


def _container(spec: JsonObject, kind: AgentKind) -> JsonObject | None:
    for container in mappings_at(spec, "containers"):
        image = text_at(container, "image") or ""
        if any(word in image for word in kind.other_images):
            continue
        if container.get("name") in kind.containers or any(word in image for word in kind.images):
            return container
    return None


def _oldest_version(containers: Sequence[JsonObject]) -> Version | None:
    versions = [_version(text_at(container, "image") or "") for container in containers]
    known = [version for version in versions if version is not None]
    return min(known) if known and len(known) == len(versions) else None


def _version(image: str) -> Version | None:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    found = _VERSION.match(tag)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _settings(
    cluster: Cluster, kind: AgentKind, containers: Sequence[JsonObject]
) -> tuple[Mapping[str, str] | None, KubeObject | None]:
    names = {setting.name for row in kind.layers.values() for setting in row.settings}
    if kind.config_map is None:
        found: dict[str, str] = {}
        for container in containers:
            found.update(_container_settings(container, names))
        return found, None
    config = cluster.config_map(*kind.config_map)
    if config is None:
        return None, None
    data = mapping_at(config.body, "data")
    return {name: str(data[name]) for name in names if name in data}, config


def _container_settings(container: JsonObject, names: set[str]) -> Iterator[tuple[str, str]]:
    for entry in mappings_at(container, "env"):
        if (name := text_at(entry, "name")) in names and name is not None:
            yield name, str(entry.get("value", ""))
    arguments: list[Any] = [*list_at(container, "command"), *list_at(container, "args")]
    for argument in arguments:
        for word in str(argument).split() if isinstance(argument, str) else ():
            name, separator, value = word.lstrip("-").partition("=")
            if word.startswith("--") and name in names:
                yield name, value if separator else "true"


def _uncertain(cluster: Cluster, found: Sequence[Agent], hidden: frozenset[str]) -> Cause | None:
    if hidden:
        return cause("unknown.in-process", agent=AUTO_MODE_AGENT)
    if found:
        return None
    for node in cluster.all(NODE):
        version = text_at(node.body, "status", "nodeInfo", "kubeletVersion") or ""
        for mark, name in IN_PROCESS.items():
            if mark in version:
                return cause("unknown.in-process", agent=name)
    complete = cluster.completeness(POD, observed=True).state is Completeness.COMPLETE
    placed = any(text_at(pod.spec, "nodeName") for pod in cluster.pods)
    return None if complete and placed else cause("unknown.no-agent-evidence")


def runs_flannel(cluster: Cluster) -> bool:
    """Whether flannel's pods or DaemonSet are there: alone it enforces nothing."""
    specs = [pod.spec for pod in cluster.pods]
    specs += [mapping_at(pod_template(daemon), "spec") for daemon in cluster.all(DAEMON_SET)]
    return any(
        container.get("name") in FLANNEL_CONTAINERS
        for spec in specs
        for container in mappings_at(spec, "containers")
    )
