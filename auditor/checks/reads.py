"""Groups of kinds that several checks read, with what a missing object of them could reverse."""

from dataclasses import replace

from auditor.model.finding import Read
from auditor.model.kinds import (
    KNOWN_KINDS,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    WORKLOAD_KINDS,
    KindKey,
)

ENDPOINT_SUBJECTS = tuple(Read(key, subjects=True) for key in (POD, *WORKLOAD_KINDS, NAMESPACE))
"""The population is made of endpoints: pods, and templates without a live one."""

_OTHER_POLICY_GROUPS = ("policy.networking.k8s.io", "cilium.io", "projectcalico.org")
CLUSTER_POLICIES = tuple(
    Read(key, could_pass=True, could_fail=True)
    for key in sorted(KNOWN_KINDS)
    if key.group in _OTHER_POLICY_GROUPS
)
"""Policy systems beside NetworkPolicy; a policy of theirs that is missing could allow or deny anywhere."""

OWN_NETWORK_POLICIES = Read(NETWORK_POLICY, could_pass=True, could_fail=True, in_namespace=True)
"""Only NetworkPolicies of the subject's namespace select it."""

NODES = Read(NODE, could_fail=True)
"""A node that isn't known may lack the agent."""

MESH_AUTHORIZATION = tuple(
    Read(KindKey(group, kind), could_pass=True, could_fail=True)
    for group, kind in (
        ("security.istio.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "Server"),
        ("policy.linkerd.io", "ServerAuthorization"),
        ("policy.linkerd.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "MeshTLSAuthentication"),
        ("policy.linkerd.io", "NetworkAuthentication"),
    )
)
"""Authorization at receivers in a mesh."""


def _kinds(group: str, *kinds: str) -> tuple[Read, ...]:
    return tuple(Read(KindKey(group, kind), could_pass=True, could_fail=True) for kind in kinds)


MESH_IDENTITY = (
    *_kinds("security.istio.io", "PeerAuthentication"),
    *_kinds("networking.istio.io", "DestinationRule"),
)
"""Whether a client shows its identity to a receiver in a mesh."""

REACHABILITY = (
    Read(NETWORK_POLICY, could_pass=True, could_fail=True),
    *CLUSTER_POLICIES,
    *MESH_AUTHORIZATION,
    *MESH_IDENTITY,
    Read(SERVICE_ACCOUNT, could_pass=True, could_fail=True),
    NODES,
    *(Read(key, could_fail=True, subjects=True) for key in (POD, *WORKLOAD_KINDS)),
    Read(NAMESPACE, could_pass=True, could_fail=True, subjects=True),
)
"""Reads of a check that asks who may reach a subject: a source that isn't known could be allowed."""


ISTIO_INBOUND = (
    *_kinds("security.istio.io", "PeerAuthentication", "AuthorizationPolicy"),
    *_kinds("networking.istio.io", "Sidecar", "EnvoyFilter"),
)
"""What decides whether an Istio proxy accepts plaintext."""

LINKERD_INBOUND = _kinds(
    "policy.linkerd.io",
    *(
        "Server",
        "ServerAuthorization",
        "AuthorizationPolicy",
        "MeshTLSAuthentication",
        "NetworkAuthentication",
    ),
    "HTTPRoute",
) + _kinds("gateway.networking.k8s.io", "HTTPRoute", "GRPCRoute")
"""What decides whether a Linkerd proxy accepts plaintext."""

DECLARED_PORTS = Read(SERVICE, subjects=True)
"""Services declare ports too."""

INCOMING_FLOWS = tuple(
    dict.fromkeys(
        (
            *ENDPOINT_SUBJECTS,
            *REACHABILITY,
            replace(DECLARED_PORTS, could_pass=True),
            *ISTIO_INBOUND,
            *LINKERD_INBOUND,
            *_kinds("networking.istio.io", "DestinationRule", "VirtualService"),
            *_kinds("projectcalico.org", "FelixConfiguration"),
        )
    )
)
"""What decides who may connect to a port, and how that is protected on the way: both ends and the nodes below."""
