"""Whom Cilium's selectors and entities mean (connectivity.md 22, 23).

Keys may name their source (`k8s:app`, `any:app`, `reserved:host`); a key without one is of any source. Namespaces,
their labels and service accounts are labels of the identity. Source: pkg/k8s/apis/cilium.io/utils, pkg/policy/api.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import Requirement, Selector, SelectorError, parse_selector
from auditor.model.kinds import CONFIG_MAP, ENDPOINT_SLICE
from auditor.model.objects import list_at, mapping_at, mappings_at
from auditor.model.verdict import Cause
from auditor.network.addresses import parse_address, parse_network
from auditor.network.fields import FieldProblem
from auditor.network.reasons import cause
from auditor.network.representation import NO_MATCH, Match
from auditor.network.universe import Universe

NAMESPACE_KEY = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
SERVICE_ACCOUNT_KEY = "io.cilium.k8s.policy.serviceaccount"
CLUSTER_KEY = "io.cilium.k8s.policy.cluster"
RESERVED = "reserved"
ENTITIES = frozenset(
    {
        *("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver"),
        *("init", "health", "ingress", "unmanaged", "none"),
    }
)
_SOURCES = ("k8s", "any", RESERVED)
UNKNOWN_LABELS: Cause = cause("indeterminate.namespace-labels")


@dataclass(frozen=True, slots=True)
class CiliumConfig:
    """What of `cilium-config` decides about policy; the defaults hold where a key is missing.

    `found`: the ConfigMap is in the evidence.
    """

    found: bool
    evidence_id: str
    object: str
    enforcement: str
    cluster_name: str
    cidr_matches_nodes: bool
    node_selectors: bool

    @classmethod
    def of(cls, cluster: Cluster) -> "CiliumConfig":
        """From the ConfigMap, wherever Cilium is installed."""
        obj = next((o for o in cluster.all(CONFIG_MAP) if o.name == "cilium-config"), None)
        data: Mapping[str, Any] = mapping_at(obj.body, "data") if obj else {}
        return cls(
            found=obj is not None,
            evidence_id=obj.evidence_id if obj else "",
            object=str(obj.id) if obj else "",
            enforcement=str(data.get("enable-policy", "default")).lower(),
            cluster_name=str(data.get("cluster-name", "default")),
            cidr_matches_nodes="nodes" in str(data.get("policy-cidr-match-mode", "")),
            node_selectors=str(data.get("enable-node-selector-labels", "false")).lower() == "true",
        )


class CiliumLabels:
    """Selectors as sets over a universe."""

    def __init__(self, cluster: Cluster, universe: Universe, config: CiliumConfig) -> None:
        self._cluster = cluster
        self._universe = universe
        self._config = config
        self._nodes = universe.hosts | universe.host_network

    def subjects(self, raw: Any, where: str, namespace: str) -> Match:
        """The pods an endpointSelector selects; a namespaced policy never reaches beyond its namespace."""
        found = self._requirements(_parse(raw, where)) & Match(self._universe.pods)
        return found & Match(self._universe.namespace(namespace)) if namespace else found

    def peers(self, raw: Any, where: str, namespace: str) -> Match:
        """Whom an entry of fromEndpoints or toEndpoints means.

        Without a key about the namespace it means the policy's own; in a clusterwide policy any pod. One with a reserved
        label is taken as it stands.
        """
        selector = _parse(raw, where)
        found = self._requirements(selector)
        keys = [_split(requirement.key) for requirement in selector.requirements]
        if any(source == RESERVED for source, _ in keys):
            return found
        found = found & Match(self._universe.pods)
        about_namespaces = any(key == NAMESPACE_KEY or key.startswith(NAMESPACE_LABELS) for _, key in keys)
        if namespace and not about_namespaces:
            return found & Match(self._universe.namespace(namespace))
        return found

    def entity(self, name: str) -> Match:
        """An entity. The own node (`host`) is exempt from policy in the engine; other nodes are `remote-node`.

        The cluster includes its API server, wherever that is (pkg/policy/api/entity.go InitEntities), if it is known.
        """
        universe = self._universe
        match name:
            case "all":
                return Match(universe.everything)
            case "world":
                return Match(universe.outside)
            case "world-ipv4" | "world-ipv6":
                return self._world(4 if name.endswith("4") else 6)
            case "cluster":
                return Match(universe.pods | self._nodes | self._api_server.must)
            case "remote-node":
                return Match(self._nodes)
            case "kube-apiserver":
                return self._api_server
            case _:
                return NO_MATCH

    def services(self, namespace: str, selector: Mapping[str, str]) -> Match:
        """The pods behind a Service with a selector."""
        chosen = Selector(tuple(Requirement(k, "In", frozenset({v})) for k, v in sorted(selector.items())))
        return Match(self._universe.select_pods(chosen) & self._universe.namespace(namespace))

    def _world(self, version: int) -> Match:
        bits = 0
        for external in self._universe.externals:
            if external.version == version:
                bits |= 1 << self._universe.position(external)
        return Match(bits)

    @cached_property
    def _api_server(self) -> Match:
        """The addresses behind Service default/kubernetes; without them a node or something outside may be it."""
        found = NO_MATCH
        for item in self._cluster.in_namespace(ENDPOINT_SLICE, "default"):
            if item.labels.get("kubernetes.io/service-name") == "kubernetes" or item.name == "kubernetes":
                for entry in mappings_at(item.body, "endpoints"):
                    for address in map(parse_address, list_at(entry, "addresses")):
                        if address is not None:
                            block = parse_network(f"{address}/{address.max_prefixlen}")
                            found = found | self._universe.within(block)
        nodes_and_world = self._nodes | self._universe.outside
        return found & Match(nodes_and_world) if found.any else Match(0, nodes_and_world)

    def _requirements(self, selector: Selector) -> Match:
        found = Match(self._universe.everything)
        for requirement in selector.requirements:
            found = found & self._requirement(requirement)
        return found

    def _requirement(self, requirement: Requirement) -> Match:
        """Exists and In as they stand; NotIn and DoesNotExist as what is left, since a missing key matches."""
        negative = {"NotIn": "In", "DoesNotExist": "Exists"}
        positive = Requirement(
            requirement.key, negative.get(requirement.operator, requirement.operator), requirement.values
        )
        found = self._having(positive)
        return Match(self._universe.everything).minus(found) if requirement.operator in negative else found

    def _having(self, wanted: Requirement) -> Match:
        source, key = _split(wanted.key)
        universe = self._universe
        if source == RESERVED:
            return self.entity(key) if wanted.operator == "Exists" or "" in wanted.values else NO_MATCH
        if source not in _SOURCES:
            return NO_MATCH
        if key == NAMESPACE_KEY:
            if wanted.operator == "Exists":
                return Match(universe.pods)
            bits = 0
            for name in wanted.values:
                bits |= universe.namespace(name)
            return Match(bits)
        if key.startswith(NAMESPACE_LABELS):
            label = key.removeprefix(NAMESPACE_LABELS)
            inner = Selector((Requirement(label, wanted.operator, wanted.values),))
            return universe.select_namespaces(inner)
        if key == SERVICE_ACCOUNT_KEY:
            exists = wanted.operator == "Exists"
            accounts = wanted.values
            return Match(
                universe.where(("cilium account", wanted), lambda e: exists or e.service_account in accounts)
            )
        if key == CLUSTER_KEY:
            return self._in_cluster(wanted)
        return Match(universe.select_pods(Selector((Requirement(key, wanted.operator, wanted.values),))))

    def _in_cluster(self, wanted: Requirement) -> Match:
        pods = self._universe.pods
        if wanted.operator == "Exists":
            return Match(pods)
        if not self._config.found:
            return Match(0, pods)
        return Match(pods) if self._config.cluster_name in wanted.values else NO_MATCH


def _parse(raw: Any, where: str) -> Selector:
    try:
        return parse_selector(raw, where)
    except SelectorError as problem:
        raise FieldProblem.of_selector(problem) from None


def _split(key: str) -> tuple[str, str]:
    """The source of a key and the key itself; `any` where none is named."""
    source, separator, rest = key.partition(":")
    return (source, rest) if separator else ("any", key)


def labels_of(raw: Any) -> dict[str, str]:
    """A mapping of labels as text."""
    return {str(key): str(value) for key, value in mapping_at(raw).items()}
