"""What is kept of environments, arguments and ConfigMaps: only names that are evidence (contracts, Bundle).

Everything else is dropped while parsing, because people put passwords there. To let a check read another name, add it
to its list here; nothing else has to change. The lists follow what the systems judged read: Istio, Linkerd, the CNIs
and their encryption, what enforces NetworkPolicy, the ingress controllers.
"""

import re

ENV_KEPT = frozenset(
    {
        # which traffic a policy agent or CNI protects
        *(
            "EXPECT_NPC",
            "TLS12_ENABLED",
            "CALICO_NETWORKING_BACKEND",
            "CLUSTER_TYPE",
            "NETWORK_POLICY_ENFORCING_MODE",
        ),
        *("TRUSTED_SUBNETS", "WEAVE_TRUSTED_SUBNETS", "IPALLOC_RANGE", "ENABLE_NFTABLES"),
        # how a mesh's proxy and control plane were set up
        *("PROXY_CONFIG", "TRUST_DOMAIN", "CLUSTER_ID", "REVISION", "INJECTION_WEBHOOK_CONFIG_NAME"),
        # ingress controllers that are set up by environment
        *(
            "KONG_PROXY_LISTEN",
            "KONG_SSL_PROTOCOLS",
            "CONTROLLER_INGRESS_CLASS",
            "CONTROLLER_WATCH_NAMESPACE",
        ),
        *("POD_NAMESPACE", "POD_NAME", "POD_IP", "NODE_NAME"),
    }
)
"""Names of environment variables that are kept with their value."""

ENV_PREFIXES = (
    *("FELIX_", "CALICO_IPV4POOL_", "CALICO_IPV6POOL_", "LINKERD2_PROXY_", "ISTIO_META_", "PILOT_ENABLE_"),
    *("ISTIO_INBOUND_", "ISTIO_OUTBOUND_", "AMBIENT_", "AWS_VPC_K8S_CNI_", "AWS_VPC_ENI_", "CILIUM_K8S_"),
    "TRAEFIK_ENTRYPOINTS_",
)
"""Beginnings of names that are kept with their value."""

ENV_ARGUMENTS = frozenset({"EXTRA_ARGS"})
"""Names whose value is a command line: its flags are kept as those of a container's arguments are."""

ENV_STATED = frozenset({"WEAVE_PASSWORD"})
"""Names of which only `set` or `unset` is kept."""

SENSITIVE_NAME = re.compile(r"PASSW|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
"""Kept names that match have their value replaced by `set`."""

FLAGS_KEPT = frozenset(
    {
        # NetworkPolicy agents and CNIs
        *(
            "enable-network-policy",
            "run-firewall",
            "run-router",
            "run-service-proxy",
            "ip-masq",
            "kube-subnet-mgr",
        ),
        *(
            "enable-policy",
            "enable-wireguard",
            "enable-ipsec",
            "enable-ztunnel",
            "encrypt-node",
            "trusted-subnets",
        ),
        *(
            "disable-network-policy",
            "flannel-backend",
            "network-policy-api",
            "expect-npc",
        ),
        *("admin-network-policy", "baseline-admin-network-policy"),
        # Linkerd
        *("inbound-ports-to-ignore", "outbound-ports-to-ignore", "ports-to-redirect", "subnets-to-ignore"),
        *(
            "incoming-proxy-port",
            "outgoing-proxy-port",
            "proxy-uid",
            "default-policy",
            "default-inbound-policy",
        ),
        *("cluster-networks", "control-plane-namespace", "controller-namespace", "identity-trust-domain"),
        *(
            "cluster-domain",
            "default-opaque-ports",
            "probe-networks",
            "trust-domain",
            "allow-l5d-request-headers",
        ),
        # Istio
        *("istio-inbound-interception-mode", "istio-inbound-ports", "istio-local-exclude-ports", "domain"),
        *("istio-local-outbound-ports-exclude", "istio-service-cidr", "istio-service-exclude-cidr"),
        *("istio-outbound-ports", "istio-exclude-interfaces", "envoy-port", "inbound-capture-port"),
        # ingress controllers
        *(
            "ingress-class",
            "ingress-class-by-name",
            "controller-class",
            "ingress-class-name",
            "ingress.class",
        ),
        *("configmap", "tcp-services-configmap", "udp-services-configmap", "nginx-configmaps"),
        *(
            "configmap-tcp-services",
            "default-ssl-certificate",
            "enable-ssl-passthrough",
            "http-port",
            "https-port",
        ),
        *("watch-namespace", "watch-namespace-selector", "watch-ingress-without-class", "publish-service"),
        *(
            "annotations-prefix",
            "default-backend-service",
            "force-namespace-isolation",
            "namespace-whitelist",
        ),
        *("default-ssl-policy", "default-target-type", "feature-gates", "namespaces", "disable-http"),
        *("configfile", "config-path"),
        *("serverstransport.insecureskipverify", "default-server-tls-secret", "wildcard-tls-secret"),
    }
)
"""Names of command line flags (lower case, without dashes) that are kept with their value."""

FLAG_PREFIXES = (
    *(
        "entrypoints.",
        "providers.kubernetesingress",
        "providers.kubernetescrd",
        "providers.kubernetesgateway",
    ),
    *("enable-", "disable-", "encrypt", "mesh-auth-"),
)
"""Beginnings of flags that are kept with their value: Traefik's settings, switches of agents."""

SETUP_CONTAINERS = frozenset({"istio-init", "istio-validation", "istio-proxy"})
"""Containers whose one-letter flags are kept: istio-iptables has no other names for them in older releases."""

WORDS_KEPT = frozenset({"istio-iptables", "proxy", "sidecar", "router", "waypoint", "ztunnel"})
"""Plain words that are kept: they tell which role a proxy has."""

SAFE_VALUE = re.compile(r"[\w.,:;/*$(){}@+\- ]{0,500}")
"""What a kept value may look like; anything else is dropped with its flag."""

CONFIG_MAPS_KEPT = re.compile(
    r"istio(-.+)?|cilium-config|kube-flannel-cfg|antrea-config(-.+)?|amazon-vpc-cni|linkerd-config"
    r"|linkerd-identity-trust-roots|canal-config|calico-config|ovnkube-config|azure-npm-config|kube-router-cfg"
    r"|(.+-)?ingress-nginx-controller|nginx-configuration|nginx-ingress-controller|(.+-)?traefik(-.+)?"
    r"|kube-root-ca\.crt|contour"
)
"""Names of the ConfigMaps whose data is kept, besides those that a kept flag of a controller names."""

CONFIG_MAP_FLAGS = frozenset(
    {
        *("configmap", "tcp-services-configmap", "udp-services-configmap", "nginx-configmaps"),
        "configmap-tcp-services",
    }
)
"""Flags whose value, `namespace/name`, names a ConfigMap that is kept."""

APPLIED_ANNOTATIONS = frozenset(
    {
        *("kubectl.kubernetes.io/last-applied-configuration", "objectset.rio.cattle.io/applied"),
        *(
            "kopf.zalando.org/last-handled-configuration",
            "kapp.k14s.io/original",
            "banzaicloud.com/last-applied",
        ),
    }
)
"""Annotations that hold a copy of the object as it was applied, and with it whatever secret it had."""

MAX_ANNOTATION = 32 * 1024
"""Characters; longer annotations are cut."""
