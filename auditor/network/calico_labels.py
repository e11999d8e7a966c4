"""Whom a Calico selector means: pods with the labels that Calico gives them, network sets, host endpoints.

Calico adds the namespace and the service account to a pod's labels, and lets it inherit the labels of its namespace
(`pcns.`) and of its service account (`pcsa.`). A pod cannot set those itself (workloadendpointprocessor.go).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.inventory.cluster import NAME_LABEL as KUBERNETES_NAME_LABEL
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.evidence import Completeness
from auditor.model.kinds import NAMESPACE, SERVICE_ACCOUNT, KindKey
from auditor.network.addresses import parse_address, parse_network
from auditor.network.bits import from_members, members
from auditor.network.calico_policies import (
    GLOBAL_NETWORK_SET,
    HOST_ENDPOINT,
    NETWORK_SET,
    PROFILE,
    CalicoNetworkSet,
    read_network_set,
)
from auditor.network.calico_rules import (
    NAME_LABEL,
    NAMESPACE_LABEL,
    NAMESPACE_PREFIX,
    ORCHESTRATOR_LABEL,
    SERVICE_ACCOUNT_LABEL,
    SERVICE_ACCOUNT_PREFIX,
    IpNetwork,
)
from auditor.network.calico_selectors import Compare, Has, Join, Node, Not
from auditor.network.representation import Bits, Match
from auditor.network.universe import Universe

_ALWAYS_KNOWN = frozenset(
    {
        NAMESPACE_PREFIX + KUBERNETES_NAME_LABEL,
        NAMESPACE_PREFIX + NAME_LABEL,
        SERVICE_ACCOUNT_PREFIX + NAME_LABEL,
    }
)


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Something with labels: where it is in the universe, and which inherited labels nobody knows."""

    labels: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    """Prefixes of labels that the evidence doesn't hold."""


class CalicoLabels:
    """Selectors as sets over a universe, remembered by their parsed form.

    Inside, positions are those of the universe's endpoints, followed by the network sets and host endpoints.
    """

    def __init__(self, cluster: Cluster, universe: Universe) -> None:
        self._universe = universe
        self._inherited = _Inheritance(cluster)
        self.network_sets: tuple[CalicoNetworkSet, ...] = tuple(
            read_network_set(obj) for kind in (NETWORK_SET, GLOBAL_NETWORK_SET) for obj in cluster.all(kind)
        )
        things = [_Labelled({})] * len(universe.endpoints)
        for position in members(universe.pods):
            things[position] = self._inherited.pod(universe.endpoints[position])
        self._first_block = len(things)
        self._blocks: list[Match] = []
        for entry in self.network_sets:
            things.append(self._inherited.network_set(entry))
            unsure = Match(0, universe.everything) if entry.problems else universe.wholly_within(entry.nets)
            self._blocks.append(unsure)
        for host in cluster.all(HOST_ENDPOINT):
            things.append(_Labelled(host.labels))
            self._blocks.append(universe.within_any(_expected_addresses(host.spec.get("expectedIPs"))))
        self._all: Bits = universe.pods | (((1 << len(self._blocks)) - 1) << self._first_block)
        self._index = _index(things, self._all)
        self._unknown = _unknown(things, self._all)
        self._found: dict[Node, Match] = {}

    def select(self, node: Node) -> Match:
        """The peers a selector means; `may` where labels or addresses are not in the evidence."""
        found = self._evaluate(node)
        own = self._universe.endpoint_bits
        result = Match(found.must & own, found.may & own)
        for number in members(found.any >> self._first_block):
            block = self._blocks[number]
            certain = found.must >> (self._first_block + number) & 1
            result = result | (block if certain else Match(0, block.any))
        return result

    def select_pods(self, node: Node) -> Match:
        """The pods a policy's selector means."""
        found = self._evaluate(node)
        return Match(found.must & self._universe.pods, found.may & self._universe.pods)

    def _evaluate(self, node: Node) -> Match:
        found = self._found.get(node)
        if found is None:
            found = self._found[node] = self._compute(node)
        return found

    def _compute(self, node: Node) -> Match:
        match node:
            case Has(label):
                return self._atom(label, self._index.get(label, {}).values())
            case Compare(label, "==" | "in", values):
                known = self._index.get(label, {})
                return self._atom(label, (known[value] for value in values if value in known))
            case Compare(label):
                known = self._index.get(label, {})
                return self._atom(label, (bits for v, bits in known.items() if node.matches({label: v})))
            case Not(operand):
                return Match(self._all, 0).minus(self._evaluate(operand))
            case Join(operator, operands):
                return self._join(operator, [self._evaluate(operand) for operand in operands])
            case _:
                return Match(self._all)

    def _join(self, operator: str, parts: Sequence[Match]) -> Match:
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if operator == "&&" else joined | part
        return joined

    def _atom(self, label: str, having: Iterable[Bits]) -> Match:
        must = 0
        for bits in having:
            must |= bits
        may = 0
        if label not in _ALWAYS_KNOWN:
            for prefix, things in self._unknown.items():
                if label.startswith(prefix):
                    may |= things
        known = 0
        if may:
            for bits in self._index.get(label, {}).values():
                known |= bits
        return Match(must, may & ~known)


class _Inheritance:
    """Labels from namespaces, service accounts and Profile objects."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._profiles: dict[str, Mapping[str, str]] = {}
        for profile in cluster.all(PROFILE):
            raw = profile.spec.get("labelsToApply")
            labels = raw.items() if isinstance(raw, Mapping) else ()
            self._profiles[profile.name] = {str(key): str(value) for key, value in labels}
        self._of_namespace: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {}
        self._complete = {key: self._is_complete(key) for key in (NAMESPACE, SERVICE_ACCOUNT)}

    def _is_complete(self, key: KindKey) -> bool:
        return self._cluster.completeness(key).state is Completeness.COMPLETE

    def pod(self, endpoint: Endpoint) -> _Labelled:
        inherited, unknown = self._namespace(endpoint.namespace)
        account, account_unknown = self._account(endpoint.namespace, endpoint.service_account)
        own = {
            key: value
            for key, value in endpoint.labels.items()
            if not key.startswith((NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX))
        }
        given = {
            NAMESPACE_LABEL: endpoint.namespace,
            ORCHESTRATOR_LABEL: "k8s",
            SERVICE_ACCOUNT_LABEL: endpoint.service_account,
        }
        return _Labelled(inherited | account | own | given, unknown + account_unknown)

    def network_set(self, entry: CalicoNetworkSet) -> _Labelled:
        namespace = entry.obj.namespace
        if not namespace:
            return _Labelled(entry.obj.labels)
        inherited, unknown = self._namespace(namespace)
        return _Labelled(inherited | dict(entry.obj.labels) | {NAMESPACE_LABEL: namespace}, unknown)

    def _namespace(self, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
        found = self._of_namespace.get(name)
        if found is None:
            labels = {NAMESPACE_PREFIX + k: v for k, v in self._cluster.namespace_labels(name).items()}
            labels[NAMESPACE_PREFIX + NAME_LABEL] = name
            profile = self._profiles.get(f"kns.{name}")
            known = self._cluster.knows_namespace(name) or bool(profile) or self._complete[NAMESPACE]
            found = ({**labels, **(profile or {})}, () if known else (NAMESPACE_PREFIX,))
            self._of_namespace[name] = found
        return found

    def _account(self, namespace: str, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
        obj = self._cluster.get(SERVICE_ACCOUNT, namespace, name)
        profile = self._profiles.get(f"ksa.{namespace}.{name}") or {}
        labels = {SERVICE_ACCOUNT_PREFIX + key: value for key, value in (obj.labels if obj else {}).items()}
        labels[SERVICE_ACCOUNT_PREFIX + NAME_LABEL] = name
        known = obj is not None or bool(profile) or self._complete[SERVICE_ACCOUNT]
        return {**labels, **profile}, () if known else (SERVICE_ACCOUNT_PREFIX,)


def _expected_addresses(raw: object) -> tuple[IpNetwork, ...]:
    texts = raw if isinstance(raw, list) else []
    found = (parse_address(text) for text in texts)
    return tuple(parse_network(f"{a}/{a.max_prefixlen}") for a in found if a is not None)


def _index(things: Sequence[_Labelled], wanted: Bits) -> Mapping[str, Mapping[str, Bits]]:
    positions: dict[str, dict[str, list[int]]] = {}
    for position in members(wanted):
        for key, value in things[position].labels.items():
            positions.setdefault(key, {}).setdefault(value, []).append(position)
    return {k: {v: from_members(found) for v, found in values.items()} for k, values in positions.items()}


def _unknown(things: Sequence[_Labelled], wanted: Bits) -> Mapping[str, Bits]:
    positions: dict[str, list[int]] = {}
    for position in members(wanted):
        for prefix in things[position].unknown:
            positions.setdefault(prefix, []).append(position)
    return {prefix: from_members(found) for prefix, found in positions.items()}
