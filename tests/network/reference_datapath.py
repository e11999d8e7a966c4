"""A slow evaluator of several policy systems at once, put together from those of each: connectivity.md 16, 17, 33, 35-37.

Tiers in their order: admin policies first; then Calico's own tiers, in whose default one Kubernetes policies stand, or
Cilium's policies together with Kubernetes'; then the baseline; what nothing decides is allowed. Mesh authorization is
ANDed at the receiver. Each layer is enforced at a pod, or not, or nobody knows: then both are tried.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from tests.network import reference_calico, reference_cilium, reference_istio, reference_linkerd
from tests.network.proof import ALLOW, DENY, LIMITED, MAYBE, UNENFORCED
from tests.network.reference import PASS, Flow, Party, Raw, tier_outcomes, world_of

ON, OFF, UNKNOWN, DOUBTED = "on", "off", "unknown", "doubted"
"""DOUBTED: an agent is there, but nobody knows whether its version has the layer; it then restricts nothing."""

NETWORKPOLICY, ADMIN, BASELINE, CLUSTER, CALICO, CILIUM, ISTIO, LINKERD = (
    *("networkpolicy", "admin-network-policy", "baseline-admin-network-policy", "cluster-network-policy"),
    *("calico", "cilium", "istio-authorization", "linkerd-authorization"),
)
LAYERS = (NETWORKPOLICY, ADMIN, BASELINE, CLUSTER, CALICO, CILIUM, ISTIO, LINKERD)
_ADMIN_KINDS = {
    "AdminNetworkPolicy": ADMIN,
    "BaselineAdminNetworkPolicy": BASELINE,
    "ClusterNetworkPolicy": CLUSTER,
}
_CALICO_WORDS = {"Allow": ALLOW, "Deny": DENY, "Pass": PASS}


def layer_of(raw: Raw) -> str | None:
    """The layer of a policy object; None for everything that is no policy."""
    group = raw["apiVersion"].partition("/")[0]
    by_group = {"projectcalico.org": CALICO, "cilium.io": CILIUM, "policy.linkerd.io": LINKERD}
    by_group |= {"security.istio.io": ISTIO, "networking.k8s.io": NETWORKPOLICY}
    return _ADMIN_KINDS.get(raw["kind"]) or by_group.get(group)


@dataclass(frozen=True)
class Ends:
    """One packet on its way."""

    source: Party
    destination: Party
    port: int
    protocol: str


@dataclass
class Datapath:
    """A cluster. `status(layer, pod)` says whether a layer is enforced there, `raws` are the pods by address.

    `cilium`: it is the network's agent, with enable-policy `mode`; `blocks_outside`: it reads NetworkPolicies' ipBlocks.
    `linkerd_default` is the mesh's default inbound policy.
    """

    objects: tuple[Raw, ...]
    status: Callable[[str, Party], str]
    raws: Mapping[str, Raw] = field(default_factory=dict)
    cilium: bool = False
    mode: str = "default"
    blocks_outside: bool = False
    linkerd_default: str = ""
    enforced: bool = True
    _worlds: dict[frozenset[str], Any] = field(default_factory=dict)

    def answer(self, ends: Ends) -> str:
        """Both ends must let a packet through; what is unknown at either makes it unknown."""
        hosts = [p for p in (ends.source, ends.destination) if p.is_node or p.host_network]
        same = hosts and ends.source.node is not None and ends.source.node == ends.destination.node
        if ends.source == ends.destination or same:
            return ALLOW
        sides = {self._side(ends, direction) for direction in ("egress", "ingress")}
        return next(word for word in (DENY, MAYBE, UNENFORCED, LIMITED, ALLOW) if word in sides)

    def _side(self, ends: Ends, direction: str) -> str:
        subject = ends.destination if direction == "ingress" else ends.source
        if not subject.is_pod:
            return ALLOW
        declared = self._outcomes(ends, direction, frozenset(LAYERS))
        if not self.enforced:
            return _word(declared)
        at = {layer: self.status(layer, subject) for layer in LAYERS}
        certain = frozenset(layer for layer in LAYERS if at[layer] == ON)
        doubted = frozenset(layer for layer in LAYERS if at[layer] == DOUBTED)
        word = _word(self._any(ends, direction, certain, at))
        if word == DENY and self._any(ends, direction, certain | doubted, at) != {DENY}:
            word = MAYBE
        return UNENFORCED if word in (ALLOW, LIMITED) and declared == {DENY} else word

    def _any(self, ends: Ends, direction: str, certain: frozenset[str], at: Mapping[str, str]) -> set[str]:
        """The outcomes in every state of the layers of which nobody knows."""
        open_ = [layer for layer in LAYERS if at[layer] == UNKNOWN]
        found: set[str] = set()
        for size in range(len(open_) + 1):
            for chosen in combinations(open_, size):
                found |= self._outcomes(ends, direction, certain | set(chosen))
        return found

    def _outcomes(self, ends: Ends, direction: str, active: frozenset[str]) -> set[str]:
        found = self._network(ends, direction, active)
        if direction == "ingress" and ends.protocol == "TCP":
            for layer, asked in ((ISTIO, self._istio), (LINKERD, self._linkerd)):
                if layer in active:
                    found = {_both(one, other) for one in found for other in asked(ends)}
        return found

    # -- the network --------------------------------------------------------------------------------------------------

    def _network(self, ends: Ends, direction: str, active: frozenset[str]) -> set[str]:
        world = self._world(active & set(LAYERS[:6]))
        inward = direction == "ingress"
        subject, peer = (ends.destination, ends.source) if inward else (ends.source, ends.destination)
        flow = Flow(world.kubernetes, direction, subject, peer, ends.destination, ends.port, ends.protocol)
        found: set[str] = set()
        for tier in self._tiers(world, flow, ends):
            reached = tier()
            found |= reached - {PASS}
            if PASS not in reached:
                return found
        return found | {ALLOW}

    def _tiers(self, world: Any, flow: Flow, ends: Ends) -> Iterable[Callable[[], set[str]]]:
        admin, baseline = (lambda: tier_outcomes(flow, "Admin")), (lambda: tier_outcomes(flow, "Baseline"))
        at = (flow.direction, ends.source, ends.destination, ends.port, ends.protocol)
        if self.cilium:
            inner = reference_cilium.Flow(world, *at)
            return admin, (lambda: {reference_cilium.decide(inner)}), baseline
        calico = reference_calico.Flow(world, *at)
        by_name = {"kube-admin": admin, "kube-baseline": baseline}
        tiers = [
            by_name.get(name) or (lambda name=name, end=end: {_calico(calico, name, end)})
            for name, _, end in reference_calico.tiers(world)
        ]
        return [*tiers, lambda: {reference_calico.profile(calico)}]

    def _world(self, active: frozenset[str]) -> Any:
        found = self._worlds.get(active)
        if found is None:
            kept = [raw for raw in self.objects if (layer := layer_of(raw)) is None or layer in active]
            ordinary = [raw for raw in kept if layer_of(raw) not in (CALICO, CILIUM)]
            kubernetes = replace(world_of(ordinary), blocks_outside=self.blocks_outside)
            if self.cilium:
                mode = self.mode if CILIUM in active else "default"
                found = reference_cilium.CiliumWorld(kubernetes, tuple(kept), mode)
            else:
                found = reference_calico.CalicoWorld(kubernetes, tuple(kept))
            self._worlds[active] = found
        return found

    # -- the meshes ---------------------------------------------------------------------------------------------------

    def _istio(self, ends: Ends) -> set[str]:
        policies = [raw for raw in self.objects if layer_of(raw) == ISTIO]
        receiver = self.raws[ends.destination.address]
        meshed = proxies_of(self.raws.get(ends.source.address)) in ("sidecar", "ambient")
        connection = reference_istio.Connection(
            ends.source,
            self._account(ends.source) if meshed else None,
            ends.destination,
            ends.port,
            proxies_of(receiver) == "ambient",
            self._opaque(ends.destination),
        )
        return reference_istio.outcomes(policies, connection)

    def _account(self, party: Party) -> str | None:
        return self.raws[party.address]["spec"]["serviceAccountName"] if party.is_pod else None

    def _opaque(self, receiver: Party) -> frozenset[int]:
        """Ports that every Service before them declares as TCP."""
        declared: dict[int, set[str]] = {}
        for raw in self.objects:
            if raw["kind"] != "Service" or raw["metadata"]["namespace"] != receiver.space:
                continue
            if all(receiver.labels.get(key) == value for key, value in raw["spec"]["selector"].items()):
                for entry in raw["spec"]["ports"]:
                    declared.setdefault(entry["targetPort"], set()).add(entry["name"])
        return frozenset(port for port, names in declared.items() if names == {"tcp"})

    def _linkerd(self, ends: Ends) -> set[str]:
        receiver, client = self.raws[ends.destination.address], self.raws.get(ends.source.address)
        meshed = ends.source.is_pod and proxies_of(client) == "linkerd"
        identity = (str(ends.source.space), str(self._account(ends.source))) if meshed else None
        connection = reference_linkerd.Connection(
            self.objects,
            ends.source,
            identity,
            ends.destination,
            receiver["metadata"].get("annotations", {}),
            ends.port,
        )
        if proxies_of(receiver) == "linkerd":
            return {reference_linkerd.outcome(connection, self.linkerd_default)}
        unmeshed = {k: v for k, v in connection.notes.items() if k == reference_linkerd.SKIPPED}
        return {reference_linkerd.outcome(replace(connection, notes=unmeshed), "")}


def proxies_of(raw: Raw | None) -> str:
    """Which data plane a pod is seen to have: sidecar, ambient, linkerd or none."""
    if raw is None or raw["spec"].get("hostNetwork"):
        return "none"
    names = {container["name"] for container in raw["spec"]["containers"]}
    if "istio-proxy" in names:
        return "sidecar"
    if "linkerd-proxy" in names:
        return "linkerd"
    if raw["metadata"].get("annotations", {}).get("ambient.istio.io/redirection") == "enabled":
        return "ambient"
    return "none"


def _calico(flow: reference_calico.Flow, name: str, end: str) -> str:
    return _CALICO_WORDS[reference_calico.tier_action(flow, name, end)]


def _both(one: str, other: str) -> str:
    return next(word for word in (DENY, LIMITED, ALLOW) if word in (one, other))


def _word(outcomes: set[str]) -> str:
    if DENY in outcomes:
        return DENY if outcomes == {DENY} else MAYBE
    return LIMITED if LIMITED in outcomes else ALLOW
