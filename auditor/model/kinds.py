"""The Kubernetes kinds the auditor reads: the one table behind parsing, claims, collection and checks."""

from dataclasses import dataclass
from typing import NamedTuple


class KindKey(NamedTuple):
    """An API group (`""` is core) and a kind, without the version."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


@dataclass(frozen=True, slots=True)
class KnownKind:
    """A kind that some engine reads.

    `versions` go from the preferred to the oldest that is understood; `by_name` kinds (ConfigMaps) are
    collected one by one, never listed; `observed` kinds are state that `--assume-complete` cannot claim.
    """

    key: KindKey
    plural: str
    versions: tuple[str, ...]
    namespaced: bool = True
    by_name: bool = False
    observed: bool = False

    @property
    def resource(self) -> str:
        """`plural.group` as kubectl spells it."""
        return f"{self.plural}.{self.key.group}" if self.key.group else self.plural


def _k(
    group: str,
    kind: str,
    plural: str,
    versions: str,
    *,
    namespaced: bool = True,
    by_name: bool = False,
    observed: bool = False,
) -> KnownKind:
    return KnownKind(KindKey(group, kind), plural, tuple(versions.split()), namespaced, by_name, observed)


_TABLE: tuple[KnownKind, ...] = (
    _k("", "Pod", "pods", "v1", observed=True),
    _k("", "Service", "services", "v1"),
    _k("", "Namespace", "namespaces", "v1", namespaced=False),
    _k("", "Node", "nodes", "v1", namespaced=False, observed=True),
    _k("", "ServiceAccount", "serviceaccounts", "v1"),
    _k("", "ReplicationController", "replicationcontrollers", "v1"),
    _k("", "ConfigMap", "configmaps", "v1", by_name=True),
    _k("discovery.k8s.io", "EndpointSlice", "endpointslices", "v1 v1beta1", observed=True),
    _k("apps", "Deployment", "deployments", "v1"),
    _k("apps", "StatefulSet", "statefulsets", "v1"),
    _k("apps", "DaemonSet", "daemonsets", "v1"),
    _k("apps", "ReplicaSet", "replicasets", "v1"),
    _k("batch", "Job", "jobs", "v1"),
    _k("batch", "CronJob", "cronjobs", "v1 v1beta1"),
    _k("networking.k8s.io", "NetworkPolicy", "networkpolicies", "v1"),
    _k("networking.k8s.io", "Ingress", "ingresses", "v1 v1beta1"),
    _k("networking.k8s.io", "IngressClass", "ingressclasses", "v1 v1beta1", namespaced=False),
    _k(
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "v1",
        namespaced=False,
    ),
    _k(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "v1",
        namespaced=False,
    ),
    _k(
        "policy.networking.k8s.io", "AdminNetworkPolicy", "adminnetworkpolicies", "v1alpha1", namespaced=False
    ),
    _k(
        "policy.networking.k8s.io",
        "BaselineAdminNetworkPolicy",
        "baselineadminnetworkpolicies",
        "v1alpha1",
        namespaced=False,
    ),
    _k(
        "policy.networking.k8s.io",
        "ClusterNetworkPolicy",
        "clusternetworkpolicies",
        "v1alpha2",
        namespaced=False,
    ),
    _k("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", "v1 v1beta1", namespaced=False),
    _k("gateway.networking.k8s.io", "Gateway", "gateways", "v1 v1beta1"),
    _k("gateway.networking.k8s.io", "ListenerSet", "listenersets", "v1"),
    _k("gateway.networking.k8s.io", "HTTPRoute", "httproutes", "v1 v1beta1"),
    _k("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", "v1 v1alpha2"),
    _k("gateway.networking.k8s.io", "TLSRoute", "tlsroutes", "v1 v1alpha3 v1alpha2"),
    _k("gateway.networking.k8s.io", "TCPRoute", "tcproutes", "v1 v1alpha2"),
    _k("gateway.networking.k8s.io", "UDPRoute", "udproutes", "v1 v1alpha2"),
    _k("gateway.networking.k8s.io", "BackendTLSPolicy", "backendtlspolicies", "v1 v1alpha3"),
    _k("gateway.networking.k8s.io", "ReferenceGrant", "referencegrants", "v1 v1beta1"),
    _k("security.istio.io", "PeerAuthentication", "peerauthentications", "v1 v1beta1"),
    _k("security.istio.io", "AuthorizationPolicy", "authorizationpolicies", "v1 v1beta1"),
    _k("security.istio.io", "RequestAuthentication", "requestauthentications", "v1 v1beta1"),
    _k("networking.istio.io", "DestinationRule", "destinationrules", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "Gateway", "gateways", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "VirtualService", "virtualservices", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "ServiceEntry", "serviceentries", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "Sidecar", "sidecars", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "WorkloadEntry", "workloadentries", "v1 v1beta1 v1alpha3"),
    _k("networking.istio.io", "EnvoyFilter", "envoyfilters", "v1alpha3"),
    _k("policy.linkerd.io", "Server", "servers", "v1beta3 v1beta2 v1beta1"),
    _k("policy.linkerd.io", "ServerAuthorization", "serverauthorizations", "v1beta1"),
    _k("policy.linkerd.io", "AuthorizationPolicy", "authorizationpolicies", "v1alpha1"),
    _k("policy.linkerd.io", "MeshTLSAuthentication", "meshtlsauthentications", "v1alpha1"),
    _k("policy.linkerd.io", "NetworkAuthentication", "networkauthentications", "v1alpha1"),
    _k("policy.linkerd.io", "HTTPRoute", "httproutes", "v1beta3 v1beta2 v1beta1 v1alpha1"),
    _k("policy.linkerd.io", "EgressNetwork", "egressnetworks", "v1alpha1"),
    _k("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "v2"),
    _k(
        "cilium.io",
        "CiliumClusterwideNetworkPolicy",
        "ciliumclusterwidenetworkpolicies",
        "v2",
        namespaced=False,
    ),
    _k("cilium.io", "CiliumCIDRGroup", "ciliumcidrgroups", "v2 v2alpha1", namespaced=False),
    _k("projectcalico.org", "NetworkPolicy", "networkpolicies", "v3"),
    _k("projectcalico.org", "GlobalNetworkPolicy", "globalnetworkpolicies", "v3", namespaced=False),
    _k("projectcalico.org", "StagedNetworkPolicy", "stagednetworkpolicies", "v3"),
    _k(
        "projectcalico.org",
        "StagedGlobalNetworkPolicy",
        "stagedglobalnetworkpolicies",
        "v3",
        namespaced=False,
    ),
    _k("projectcalico.org", "StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies", "v3"),
    _k("projectcalico.org", "NetworkSet", "networksets", "v3"),
    _k("projectcalico.org", "GlobalNetworkSet", "globalnetworksets", "v3", namespaced=False),
    _k("projectcalico.org", "Tier", "tiers", "v3", namespaced=False),
    _k("projectcalico.org", "Profile", "profiles", "v3", namespaced=False),
    _k("projectcalico.org", "HostEndpoint", "hostendpoints", "v3", namespaced=False),
    _k("projectcalico.org", "FelixConfiguration", "felixconfigurations", "v3", namespaced=False),
    _k("projectcalico.org", "ClusterInformation", "clusterinformations", "v3", namespaced=False),
    _k("projectcalico.org", "IPPool", "ippools", "v3", namespaced=False),
    _k("traefik.io", "IngressRoute", "ingressroutes", "v1alpha1"),
    _k("traefik.io", "IngressRouteTCP", "ingressroutetcps", "v1alpha1"),
    _k("traefik.io", "Middleware", "middlewares", "v1alpha1"),
    _k("traefik.io", "TLSOption", "tlsoptions", "v1alpha1"),
    _k("traefik.io", "TLSStore", "tlsstores", "v1alpha1"),
    _k("traefik.io", "ServersTransport", "serverstransports", "v1alpha1"),
    _k("projectcontour.io", "HTTPProxy", "httpproxies", "v1"),
    _k("networking.gke.io", "FrontendConfig", "frontendconfigs", "v1beta1"),
    _k("networking.gke.io", "ManagedCertificate", "managedcertificates", "v1"),
    _k("elbv2.k8s.aws", "IngressClassParams", "ingressclassparams", "v1beta1", namespaced=False),
    _k("route.openshift.io", "Route", "routes", "v1"),
    _k("operator.openshift.io", "IngressController", "ingresscontrollers", "v1"),
    _k("operator.openshift.io", "Network", "networks", "v1", namespaced=False),
    _k("cert-manager.io", "Certificate", "certificates", "v1"),
    _k("cert-manager.io", "CertificateRequest", "certificaterequests", "v1"),
    _k("cert-manager.io", "Issuer", "issuers", "v1"),
    _k("cert-manager.io", "ClusterIssuer", "clusterissuers", "v1", namespaced=False),
)

KNOWN_KINDS: dict[KindKey, KnownKind] = {entry.key: entry for entry in _TABLE}
"""Every kind that is read, by key."""

BY_RESOURCE: dict[tuple[str, str], KnownKind] = {(e.key.group, e.plural): e for e in _TABLE}
"""The same by (group, plural), as claims name them."""

_ALIASES = {
    "crd.projectcalico.org": "projectcalico.org",
    "extensions": "networking.k8s.io",
    "traefik.containo.us": "traefik.io",
}
"""Groups that serve the same kinds under another name. Calico stores `projectcalico.org/v3` objects as
`crd.projectcalico.org/v1`; `extensions` served Ingress and NetworkPolicy before Kubernetes 1.22."""

OTHER_GROUPS = {"projectcalico.org": "crd.projectcalico.org", "traefik.io": "traefik.containo.us"}
"""The second name under which a cluster may serve the kinds of a group."""

_OLD_APPS = frozenset({"Deployment", "DaemonSet", "ReplicaSet"})


def normalised_key(api_version: str, kind: str) -> tuple[KindKey, str]:
    """The version-normalised key and the version of an `apiVersion`/`kind` pair."""
    group, _, version = api_version.rpartition("/")
    if group == "extensions" and kind in _OLD_APPS:
        return KindKey("apps", kind), version
    return KindKey(_ALIASES.get(group, group), kind), version


def kind_key(group: str, kind: str) -> KindKey:
    """The key of a known kind. Raises KeyError when no engine reads it: a typo in our own code."""
    return KNOWN_KINDS[KindKey(group, kind)].key


POD = kind_key("", "Pod")
SERVICE = kind_key("", "Service")
NAMESPACE = kind_key("", "Namespace")
NODE = kind_key("", "Node")
SERVICE_ACCOUNT = kind_key("", "ServiceAccount")
CONFIG_MAP = kind_key("", "ConfigMap")
REPLICATION_CONTROLLER = kind_key("", "ReplicationController")
ENDPOINT_SLICE = kind_key("discovery.k8s.io", "EndpointSlice")
DEPLOYMENT = kind_key("apps", "Deployment")
STATEFUL_SET = kind_key("apps", "StatefulSet")
DAEMON_SET = kind_key("apps", "DaemonSet")
REPLICA_SET = kind_key("apps", "ReplicaSet")
JOB = kind_key("batch", "Job")
CRON_JOB = kind_key("batch", "CronJob")
NETWORK_POLICY = kind_key("networking.k8s.io", "NetworkPolicy")
INGRESS = kind_key("networking.k8s.io", "Ingress")
INGRESS_CLASS = kind_key("networking.k8s.io", "IngressClass")
WORKLOAD_KINDS: tuple[KindKey, ...] = (
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    JOB,
    CRON_JOB,
)
