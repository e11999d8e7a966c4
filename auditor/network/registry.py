"""The policy systems that make up the data path."""

from auditor.network.calico import CalicoLayer
from auditor.network.cilium import CiliumLayer
from auditor.network.cluster_policy import ADMIN_POLICY, BASELINE_POLICY, CLUSTER_POLICY
from auditor.network.layers import Layer
from auditor.network.mesh_authorization_istio import IstioAuthorizationLayer
from auditor.network.mesh_authorization_linkerd import LinkerdAuthorizationLayer
from auditor.network.network_policy import NetworkPolicyLayer

LAYERS: tuple[Layer, ...] = (
    NetworkPolicyLayer(),
    ADMIN_POLICY,
    BASELINE_POLICY,
    CLUSTER_POLICY,
    CalicoLayer(),
    CiliumLayer(),
    IstioAuthorizationLayer(),
    LinkerdAuthorizationLayer(),
)
"""Every layer, in the order in which reports name them."""
