"""Which network agent implements which policy layer, as data (connectivity.md 35; encryption.md 5).

A row says: from which version, until which (exclusive), and which setting must have which value. Sources: Calico's docs
of policy tiers and the network-policy-api implementations page (CNP since 3.32, ANP since 3.29, BANP since 3.30), Cilium's
policy documentation (CNP since 1.20, flag enable-k8s-cluster-network-policy), Antrea's admin-network-policy document
(feature gate), OVN-Kubernetes' and kube-network-policies' command lines.
"""

from dataclasses import dataclass
from enum import StrEnum

NETWORK_LAYERS = (
    "networkpolicy",
    "admin-network-policy",
    "baseline-admin-network-policy",
    "cluster-network-policy",
    "calico",
    "cilium",
)
"""Layers that a network agent on the nodes enforces; the others are enforced by proxies."""

Version = tuple[int, int]


class Support(StrEnum):
    """Whether an agent enforces a layer."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that decides: `name` in the agent's ConfigMap, its arguments or its environment.

    `on`: values with which it enforces. `default`: what holds when the setting is absent from a known configuration.
    """

    name: str
    on: frozenset[str]
    default: str

    def allows(self, value: str | None) -> bool:
        """Whether a value, None for absent, lets it enforce."""
        return (self.default if value is None else value).lower() in self.on


@dataclass(frozen=True, slots=True)
class Row:
    """An agent's support of a layer."""

    since: Version | None = None
    until: Version | None = None
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentKind:
    """How an agent is recognised and configured, and what it enforces.

    `containers` are names of the container that enforces; `images` words of its image, where the name isn't telling;
    `other_images` are words of images of another product with the same container.
    `config_map` is (namespace, name), from which settings are read; else arguments and environment of the pod's
    containers.
    A layer that is not in `layers` is not enforced; one in `unknown` may be.
    """

    name: str
    containers: tuple[str, ...]
    layers: dict[str, Row]
    images: tuple[str, ...] = ()
    other_images: tuple[str, ...] = ()
    config_map: tuple[str, str] | None = None
    unknown: frozenset[str] = frozenset()


def _switch(name: str, default: str) -> Setting:
    return Setting(name, frozenset({"true", "1", "yes", "enabled"}), default)


def _not(name: str, off: str, values: tuple[str, ...], default: str) -> Setting:
    return Setting(name, frozenset(value for value in values if value != off), default)


_CILIUM_MODE = _not("enable-policy", "never", ("default", "always", "never"), "default")
_DATAPLANE_V2_IMAGE = "gke.gcr.io/cilium/cilium"
_ADMIN_LAYERS = frozenset({"admin-network-policy", "baseline-admin-network-policy", "cluster-network-policy"})

AGENTS: tuple[AgentKind, ...] = (
    AgentKind(
        name="calico",
        containers=("calico-node",),
        layers={
            "networkpolicy": Row(),
            "calico": Row(),
            "admin-network-policy": Row(since=(3, 29), until=(3, 32)),
            "baseline-admin-network-policy": Row(since=(3, 30), until=(3, 32)),
            "cluster-network-policy": Row(since=(3, 32)),
        },
    ),
    AgentKind(
        name="cilium",
        containers=("cilium-agent",),
        layers={
            "networkpolicy": Row(settings=(_CILIUM_MODE, _switch("enable-k8s-networkpolicy", "true"))),
            "cilium": Row(settings=(_CILIUM_MODE,)),
            "cluster-network-policy": Row(
                since=(1, 20),
                settings=(_CILIUM_MODE, _switch("enable-k8s-cluster-network-policy", "false")),
            ),
        },
        other_images=(_DATAPLANE_V2_IMAGE,),
        config_map=("kube-system", "cilium-config"),
    ),
    AgentKind(
        name="gke-dataplane-v2",
        containers=(),
        images=(_DATAPLANE_V2_IMAGE,),
        layers={"networkpolicy": Row()},
        unknown=_ADMIN_LAYERS | {"cilium"},
    ),
    AgentKind(
        name="antrea",
        containers=("antrea-agent",),
        layers={"networkpolicy": Row()},
        unknown=_ADMIN_LAYERS,
    ),
    AgentKind(
        name="ovn-kubernetes",
        containers=("ovnkube-controller", "ovnkube-node", "ovnkube-node-controller"),
        layers={
            "networkpolicy": Row(),
            "admin-network-policy": Row(settings=(_switch("enable-admin-network-policy", "false"),)),
            "baseline-admin-network-policy": Row(settings=(_switch("enable-admin-network-policy", "false"),)),
        },
        unknown=frozenset({"cluster-network-policy"}),
    ),
    AgentKind(
        name="kube-network-policies",
        containers=("kube-network-policies",),
        images=("kube-network-policies",),
        layers={
            "networkpolicy": Row(),
            "admin-network-policy": Row(settings=(_switch("admin-network-policy", "false"),)),
            "baseline-admin-network-policy": Row(
                settings=(_switch("baseline-admin-network-policy", "false"),)
            ),
        },
        unknown=frozenset({"cluster-network-policy"}),
    ),
    AgentKind(
        name="weave",
        containers=("weave-npc",),
        layers={"networkpolicy": Row(settings=(_not("EXPECT_NPC", "0", ("1", "0", "true"), "1"),))},
    ),
    AgentKind(
        name="kube-router",
        containers=("kube-router",),
        layers={"networkpolicy": Row(settings=(_switch("run-firewall", "true"),))},
    ),
    AgentKind(name="azure-npm", containers=("azure-npm",), layers={"networkpolicy": Row()}),
    AgentKind(
        name="aws-network-policy-agent",
        containers=("aws-eks-nodeagent", "aws-network-policy-agent"),
        layers={"networkpolicy": Row(settings=(_switch("enable-network-policy", "false"),))},
        unknown=frozenset({"cluster-network-policy"}),
    ),
    AgentKind(
        name="kindnet",
        containers=("kindnet-cni",),
        layers={"networkpolicy": Row(since=(20240813, 0))},
        unknown=_ADMIN_LAYERS,
    ),
    *(
        AgentKind(name, (container,), layers={}, unknown=_ADMIN_LAYERS | {"networkpolicy"})
        for name, container in (
            ("openshift-sdn", "sdn"),
            ("kube-ovn", "cni-server"),
            ("nsx", "nsx-node-agent"),
        )
    ),
)
"""Agents that enforce at least one layer."""

FLANNEL_CONTAINERS = ("kube-flannel",)
IN_PROCESS = {"+k3s": "k3s", "+rke2": "rke2", "+k0s": "k0s"}
"""Kubelet versions of distributions that may run the agent in their own process, where no pod shows it."""

AUTO_MODE = ("eks.amazonaws.com/compute-type", "auto")
"""The label of nodes of EKS Auto Mode: the network policy agent is a part of the node there, where no pod shows it."""
AUTO_MODE_AGENT = "the network policy agent of EKS Auto Mode"
