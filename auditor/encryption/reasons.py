"""The closed list of causes behind encryption verdicts: code to English sentence with `{parameter}` places.

Codes of verdicts that cannot be told start with `indeterminate.`. The sentences are translated and filled when they are
rendered.
"""

from auditor.encryption.certificate_reasons import CERTIFICATE_REASONS
from auditor.encryption.egress_reasons import EGRESS_REASONS
from auditor.encryption.entry_reasons import CNI_REASONS, ENTRY_REASONS
from auditor.inventory.data_plane import DATA_PLANE_REASONS

_COMBINED = {
    "combined.workload-mtls": "{cni} carries TCP of the namespace {namespace} under its own mutual TLS",
    "indeterminate.node-encryption-unknown": "the evidence does not say whether the CNI encrypts between nodes",
    "indeterminate.node-not-covered": "the node {node} may not take part in the CNI's encryption",
    "indeterminate.workload-mtls-plaintext": (
        "whether a port in a namespace enrolled in {cni}'s mutual TLS still takes plaintext is not documented well enough"
    ),
}
_MESH = {
    "mesh.not-installed": "every pod was collected and nothing of {mesh} is among them",
    "mesh.workload-seen": "the workload {workload} belongs to the mesh",
    "mesh.object-seen": "{object} belongs to the mesh, or asks for it",
    "mesh.tcp-only": "{mesh} handles TCP only; {protocol} passes it by",
    "mesh.none": "no mesh carries its traffic, so nothing but the application itself can encrypt it",
    "indeterminate.mesh.not-known": "the evidence is not complete enough to know whether {mesh} is installed",
    "indeterminate.mesh.two-proxies": "the pods are in the data planes of both Istio and Linkerd",
    "indeterminate.mesh.membership": "whether a mesh carries its traffic cannot be told",
    "injection.webhook-called": "the injector's webhook {webhook} is called for its pods",
    "injection.no-webhook-called": "no injector's webhook is called for its pods",
    "injection.no-webhook": "no injector's webhook is configured",
    "injection.declined": "its labels or annotations, or its namespace's, do not ask for {mesh}'s proxy",
    "injection.system-namespace": "Istio never injects into the namespace {namespace}",
    "indeterminate.injection.namespace-unknown": "the Namespace {namespace}, whose labels decide, is not in the evidence",
    "indeterminate.injection.webhooks-incomplete": (
        "the injector's MutatingWebhookConfiguration is not in the evidence, or not completely readable"
    ),
    "indeterminate.injection.policy-unknown": "the sidecar injector's policy cannot be read from its ConfigMap",
}
_ISTIO = {
    "istio.mesh-config-assumed": (
        "MeshConfig is not in the evidence; Istio's defaults are assumed (root namespace istio-system, automatic mTLS)"
    ),
    "istio.ambient-not-asked": "neither its labels nor its namespace's ask for ambient mode",
    "istio.ambient-expected": "its labels, or its namespace's, ask for ambient mode, and ztunnel is there",
    "istio.no-ztunnel": "ambient mode is asked for, but no ztunnel runs",
    "istio.ambient-bypassed": "an annotation takes inbound traffic past ztunnel",
    "istio.interception-none": "the sidecar does not intercept traffic (interceptionMode NONE)",
    "istio.proxy-port": "port {port} belongs to the sidecar itself and is never redirected",
    "istio.port-excluded": "port {port} is excluded from the sidecar's inbound redirection",
    "istio.port-not-included": "port {port} is not among the ports that the sidecar's inbound redirection includes",
    "istio.mode-of-port": "portLevelMtls of {policy} decides for this container port",
    "istio.mode-of-workload": "{policy} decides, the oldest that selects the workload",
    "istio.mode-of-namespace": "{policy} decides for the namespace",
    "istio.mode-of-mesh": "{policy} decides for the mesh",
    "istio.mode-by-default": "no PeerAuthentication applies, so Istio's default, PERMISSIVE, holds",
    "istio.sidecar-tls": "{policy} sets TLS {mode} on the listener, where mutual TLS is disabled",
    "istio.deny-without-identity": "{policy} denies every connection without a mesh identity",
    "istio.allow-needs-identity": "every ALLOW rule for the port asks for a mesh identity",
    "indeterminate.istio.no-ztunnel-seen": "ambient mode is asked for, but whether ztunnel runs is not in the evidence",
    "indeterminate.istio.interception-mode": "the sidecar's interception mode is not one that is known",
    "indeterminate.istio.port-list": "the list of ports for the sidecar's redirection cannot be read",
    "indeterminate.istio.gateway-port": "a gateway's ports are governed by Gateway objects; see the entry points",
    "indeterminate.istio.mesh-config": (
        "MeshConfig cannot be read, or its revisions differ, so the root namespace is unknown"
    ),
    "indeterminate.istio.envoy-filter": "{policy} patches TLS or filter chains of the sidecar",
    "indeterminate.istio.oldest-unknown": (
        "these policies compete and differ in effect, and which is the oldest is not recorded: {policies}"
    ),
    "indeterminate.istio.selector-unreadable": "the selector of one of these policies cannot be read: {policies}",
    "indeterminate.istio.mode-unknown": "the mode of mutual TLS is unset wrongly, unknown or undefined in: {policies}",
    "indeterminate.istio.sidecar-tls": "TLS that {policy} sets on the listener cannot be judged",
}
_LINKERD = {
    "linkerd.port-skipped": "port {port} bypasses the proxy's inbound redirection",
    "linkerd.opaque-port": (
        "port {port} is opaque: the proxy looks for no TLS on it, so that mesh clients come through the proxy's own port"
    ),
    "linkerd.probe-without-identity": "the kubelet's probe of {path} on port {port} is let in without an identity",
    "linkerd.nothing-granted": "{server} governs the port and no authorization grants access",
    "linkerd.grant-unauthenticated": "{policy} lets clients in without authentication under {server}",
    "linkerd.grant-tls-without-identity": "{policy} asks clients for TLS, not for an identity, under {server}",
    "linkerd.grant-identity": "every grant under {server} asks for a mesh identity ({policy})",
    "linkerd.identity-required": "an annotation requires a mesh identity on port {port}",
    "linkerd.default-of-pod": "no Server matches; the pod's default inbound policy is {policy}",
    "linkerd.default-of-cluster": "no Server matches; the cluster's default inbound policy is {policy}",
    "linkerd.default-of-proxy": "no Server matches; the proxy was started with the default inbound policy {policy}",
    "indeterminate.linkerd.port-list": "the list of ports that bypass the proxy cannot be read",
    "indeterminate.linkerd.server-unreadable": "the pod selector or the port of {server} cannot be read",
    "indeterminate.linkerd.oldest-unknown": (
        "these Servers match the same port and differ in effect, and which is the oldest is not recorded: {policies}"
    ),
    "indeterminate.linkerd.authentication-missing": (
        "{policy} names an authentication that is not in the evidence; whether it exists decides whether the policy counts"
    ),
    "indeterminate.linkerd.grant-unreadable": "what {policy} grants under {server} cannot be read",
    "indeterminate.linkerd.default-unknown": (
        "no Server matches and the cluster's default inbound policy is not in the evidence"
    ),
    "indeterminate.linkerd.default-unreadable": "the default inbound policy has a value that is not known",
}

_CLIENT = {
    "client.not-in-mesh": "{endpoint} is in no mesh, so nothing encrypts for it",
    "client.destination-not-in-mesh": "{endpoint} does not take mesh mTLS",
    "indeterminate.client.source": "whether a mesh carries the traffic of {endpoint} cannot be told",
    "indeterminate.client.destination": "whether {endpoint} takes mesh mTLS cannot be told",
    "istio.client-disable": "{rule} turns TLS off (a tls block without a mode does, too)",
    "istio.client-istio-mutual": "{rule} makes clients use mesh mTLS",
    "istio.client-credential-dropped": (
        "{rule} has a credentialName and no workloadSelector: a sidecar drops the TLS settings and sends plaintext"
    ),
    "istio.client-unverified": "{rule} makes clients use TLS without verifying the server (insecureSkipVerify)",
    "istio.client-tls": "{rule} makes clients use TLS {mode}, verified against a certificate authority, not mesh mTLS",
    "istio.client-tls-dropped": "a port entry of {rule} sets no tls and so drops the rule's, and automatic mTLS is off",
    "istio.client-auto-mtls": "automatic mTLS: {endpoint} is known to take it",
    "istio.client-auto-mtls-off": "automatic mTLS is turned off in MeshConfig",
    "istio.client-namespace-disabled": "mutual TLS is disabled for the namespace of {endpoint}, so clients do not use it",
    "istio.client-port-disabled": "mutual TLS is disabled on the port, so clients do not use it",
    "istio.client-headless": (
        "{endpoint} does not take mTLS, and for a headless or PASSTHROUGH service that turns it off for all of {service}"
    ),
    "istio.client-hbone": "the connection to {endpoint} is tunnelled (HBONE) under mesh mTLS",
    "istio.client-no-hbone": "the sidecar of {endpoint} takes no tunnel (HBONE), so ztunnel passes on what the client sends",
    "istio.client-passthrough": "no Service leads to this port of {endpoint}; the sidecar passes the connection on as it is",
    "istio.client-host-not-imported": "{policy} hides the service from the client's sidecar, which passes it on as it is",
    "indeterminate.istio.client-host-not-imported": (
        "{policy} hides the service from the client's sidecar, or another one does; what it then does cannot be told"
    ),
    "istio.client-not-captured": "the outbound connection of {endpoint} bypasses its sidecar",
    "istio.client-no-meshed-service": "the host of {rule} names no service of a meshed workload",
    "indeterminate.istio.client-tls": "the TLS settings of {rule} cannot be read, or have a mode that is not known",
    "indeterminate.istio.client-tunnel": (
        "{rule} tunnels TCP through a proxy to another host, and what protects it on the way can't be told"
    ),
    "indeterminate.istio.client-subset": "{rule} sends plaintext to a subset; whether traffic is routed to it is not known",
    "indeterminate.istio.client-oldest": (
        "{rule} may weaken clients; other rules compete with it, and which is the oldest is not recorded"
    ),
    "indeterminate.istio.client-namespace-mode": "the mutual TLS mode of the namespace of {endpoint} cannot be told",
    "indeterminate.istio.client-headless": "whether {endpoint}, one of {service}, takes mTLS cannot be told",
    "indeterminate.istio.client-hbone": "whether the connection to {endpoint} is tunnelled (HBONE) cannot be told",
    "indeterminate.istio.client-no-service": (
        "no Service leads to this port of {endpoint}, and the mesh lets sidecars connect to registered services only"
    ),
    "indeterminate.istio.client-capture": "annotations of {endpoint} send some addresses past its sidecar",
    "linkerd.client-mtls": "Linkerd's proxies speak mTLS to {endpoint}",
    "linkerd.client-port-skipped": "a proxy on the way to {endpoint} skips the port",
    "linkerd.client-other-control-plane": "{endpoint} does not carry this control plane's label",
    "indeterminate.linkerd.client-capture": "annotations of {endpoint} send some addresses past its proxy",
}

CAUSES: dict[str, str] = {
    **DATA_PLANE_REASONS,
    **_COMBINED,
    **_MESH,
    **_ISTIO,
    **_LINKERD,
    **_CLIENT,
    **EGRESS_REASONS,
    **CNI_REASONS,
    **ENTRY_REASONS,
    **CERTIFICATE_REASONS,
}
"""Every cause, by code."""
