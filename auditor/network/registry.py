"""The policy systems that make up the data path."""

from auditor.model.kinds import kind_key
from auditor.network.layers import Layer
from auditor.network.network_policy import NetworkPolicyLayer
from auditor.network.unsupported import UnsupportedLayer

_POLICY_API = "policy.networking.k8s.io"

LAYERS: tuple[Layer, ...] = (
    NetworkPolicyLayer(),
    UnsupportedLayer("admin-network-policy", (kind_key(_POLICY_API, "AdminNetworkPolicy"),)),
    UnsupportedLayer("baseline-admin-network-policy", (kind_key(_POLICY_API, "BaselineAdminNetworkPolicy"),)),
    UnsupportedLayer("cluster-network-policy", (kind_key(_POLICY_API, "ClusterNetworkPolicy"),)),
    UnsupportedLayer(
        "calico",
        (
            kind_key("projectcalico.org", "GlobalNetworkPolicy"),
            kind_key("projectcalico.org", "NetworkPolicy"),
        ),
    ),
    UnsupportedLayer(
        "cilium",
        (
            kind_key("cilium.io", "CiliumClusterwideNetworkPolicy"),
            kind_key("cilium.io", "CiliumNetworkPolicy"),
        ),
    ),
    UnsupportedLayer(
        "istio-authorization",
        (kind_key("security.istio.io", "AuthorizationPolicy"),),
        gate="istio-authorization",
    ),
    UnsupportedLayer(
        "linkerd-authorization",
        (kind_key("policy.linkerd.io", "Server"), kind_key("policy.linkerd.io", "AuthorizationPolicy")),
        gate="linkerd-authorization",
    ),
)
"""Every layer, in the order in which reports name them. Systems that are not evaluated yet are UnsupportedLayers."""
