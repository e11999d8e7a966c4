"""The policy systems that make up the data path."""

from auditor.model.kinds import kind_key
from auditor.network.calico import CalicoLayer
from auditor.network.cilium import CiliumLayer
from auditor.network.layers import Layer
from auditor.network.mesh_authorization_istio import IstioAuthorizationLayer
from auditor.network.network_policy import NetworkPolicyLayer
from auditor.network.unsupported import UnsupportedLayer

_POLICY_API = "policy.networking.k8s.io"

LAYERS: tuple[Layer, ...] = (
    NetworkPolicyLayer(),
    UnsupportedLayer("admin-network-policy", (kind_key(_POLICY_API, "AdminNetworkPolicy"),)),
    UnsupportedLayer("baseline-admin-network-policy", (kind_key(_POLICY_API, "BaselineAdminNetworkPolicy"),)),
    UnsupportedLayer("cluster-network-policy", (kind_key(_POLICY_API, "ClusterNetworkPolicy"),)),
    CalicoLayer(),
    CiliumLayer(),
    IstioAuthorizationLayer(),
    UnsupportedLayer(
        "linkerd-authorization",
        (kind_key("policy.linkerd.io", "Server"), kind_key("policy.linkerd.io", "AuthorizationPolicy")),
        gate="linkerd-authorization",
    ),
)
"""Every layer, in the order in which reports name them. Systems that are not evaluated yet are UnsupportedLayers."""
