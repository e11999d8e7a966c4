"""The closed list of causes behind entry points and encryption between nodes: code to English sentence."""

from auditor.model.verdict import Cause

_CLASS = {
    "entry.class-by-name": (
        "the IngressClass {ingress_class} is not in the evidence; its controller is taken from the name's usual meaning"
    ),
    "entry.class-default": "it names no class, so the default IngressClass serves it",
    "entry.class-gke": "it names no class and carries annotations of GKE's Ingress controller",
    "indeterminate.entry.class-missing": "no IngressClass {ingress_class} exists, so no controller is known to serve it",
    "indeterminate.entry.class-unknown": "which controller serves the class {ingress_class} is not in the evidence",
    "indeterminate.entry.class-none": "it names no class and no default IngressClass is known",
    "indeterminate.entry.class-ambiguous": "it names no class and more than one IngressClass is the default",
    "indeterminate.entry.controller-unknown": "its controller {controller} is not known to this version",
}
_GENERAL = {
    "entry.no-tls": "no TLS is set for the host",
    "entry.redirect-default": "the controller redirects plain HTTP unless told otherwise",
    "entry.redirect-set": "plain HTTP is redirected to HTTPS",
    "entry.redirect-switched-off": "the redirect to HTTPS is switched off",
    "entry.client-authentication": "client certificates are set to {mode}",
    "indeterminate.entry.api-version": "{object} is of the version {version}, which is not known",
    "indeterminate.entry.annotation": "the value of {annotation} is not one that is known",
    "indeterminate.entry.policy-outside": (
        "the TLS versions are set by a policy outside the cluster ({policy}), which is not in the evidence"
    ),
    "indeterminate.entry.default-version": "nothing sets a minimum TLS version, and the default of its release is not known",
    "entry.passthrough": "TLS is passed on to the backend, which decides",
}
_NGINX = {
    "entry.nginx.retired": "ingress-nginx was retired in March 2026 and gets no more security fixes",
    "entry.support-ended": "{controller} {version} gets no more security fixes since {day}",
    "entry.nginx.forced-redirect": "a redirect to HTTPS is forced",
    "entry.nginx.no-host": "without a host name no certificate is looked up, so plain HTTP is not redirected",
    "entry.nginx.config-assumed": (
        "the controller's ConfigMap {config} is not in the evidence; its documented defaults are assumed"
    ),
    "entry.nginx.not-redirected": "the path {path} is left out of the redirect (no-tls-redirect-locations)",
    "indeterminate.entry.nginx.alias": (
        "plain HTTP for an alias is redirected only where the certificate covers it, which a Secret decides"
    ),
    "entry.nginx.snippet": "a snippet sets TLS directives, so the TLS versions are not known",
    "indeterminate.entry.nginx.client-differs": "Ingresses of the same host ask for client certificates differently",
    "indeterminate.entry.nginx.passthrough": (
        "TLS passthrough is asked for, and whether the controller was started with it is not in the evidence"
    ),
}
_TRAEFIK = {
    "entry.traefik.only-certificates": "spec.tls only loads certificates; no router or entry point has TLS",
    "entry.traefik.router-tls": "the router has TLS, so it answers no plain HTTP",
    "entry.traefik.plain-entry": "the router serves the host without TLS on the entry point {entry}",
    "entry.traefik.entry-redirects": "the entry point {entry} redirects to HTTPS",
    "entry.traefik.middleware-redirects": "a middleware redirects to HTTPS",
    "entry.traefik.no-entry-point": "none of its entry points exists or is reachable from outside",
    "indeterminate.entry.traefik.static-unknown": (
        "Traefik's entry points are not set by arguments in the evidence, or differ between its deployments"
    ),
    "indeterminate.entry.traefik.redirect-priority": (
        "the redirection of the entry point {entry} has a priority of its own, which the router may beat"
    ),
    "indeterminate.entry.traefik.middleware-unknown": (
        "whether a middleware redirects to HTTPS cannot be told: it is not in the evidence, or rewrites by pattern"
    ),
    "indeterminate.entry.traefik.tls-options": "the TLSOption that holds for it is not in the evidence, or is ambiguous",
}
_ISTIO = {
    "entry.istio.plain": "the server takes plaintext and does not redirect",
    "entry.istio.redirect": "the server redirects to HTTPS (httpsRedirect)",
    "entry.istio.mode": "the server's TLS mode is {mode}",
    "entry.istio.auto-passthrough": (
        "by the mesh's own server names every service of the mesh can be reached from other networks through it; only "
        "mesh mTLS is passed on, and each workload's own mode and authorization decide"
    ),
    "entry.istio.east-west-enforced": (
        "all {count} ports of workloads that it leads to refuse everything but mesh mTLS, which begins at the client"
    ),
    "entry.istio.east-west-network": "it is the way into the network {network} of the mesh for the others",
    "entry.istio.east-west-tunnel": (
        "the gateway takes tunnels (HBONE) under mesh mTLS only, in which a second one leads to the destination's ztunnel"
    ),
    "indeterminate.entry.istio.east-west-tunnel": (
        "the listener for tunnels between networks doesn't say ISTIO_MUTUAL, and who may open one can't be told"
    ),
    "indeterminate.entry.istio.east-west-missing": (
        "it leads to every workload of the mesh, and not all of these are in the evidence: {kinds}"
    ),
    "indeterminate.entry.istio.east-west-nothing": "no workload in a mesh is behind the names that it hands on",
    "indeterminate.entry.istio.east-west-not-enforced": (
        "{count} ports that it leads to don't enforce mesh mTLS themselves, and the gateway can't look inside: {ports}"
    ),
    "entry.istio.mode-unset": "the server's TLS has no mode, which means PASSTHROUGH; a credentialName is ignored",
    "entry.istio.skip-verify": "insecureSkipVerify: client certificates are not verified",
    "entry.istio.no-gateway-pods": "no pod in the evidence matches the Gateway's selector",
    "indeterminate.entry.istio.http3": "HTTP/3 on port {port} would not ask for a client certificate",
    "indeterminate.entry.istio.mode": "the TLS mode {mode} is not known",
    "indeterminate.entry.istio.no-tls-settings": "the server's protocol needs TLS settings and it has none",
    "indeterminate.entry.istio.envoy-filter": "{filter} patches listeners or filter chains of the gateway's pods",
}
_LAYER4 = {
    "entry.layer4.load-balancer-tls": "the load balancer ends TLS with its own certificate",
    "entry.layer4.bad-range": "a source range cannot be read: {range}",
    "indeterminate.entry.layer4": (
        "the connection is handed on as it is; what the pods behind it serve is what the client gets"
    ),
    "indeterminate.entry.layer4-controller": (
        "it leads to {controller}, whose listeners decide; see their own entry points"
    ),
    "indeterminate.entry.layer4-nothing": "no pod in the evidence is behind it",
}

_CONTROLLERS = {
    "entry.config-assumed": "the ConfigMap of {controller} is not in the evidence; its documented defaults are assumed",
    "entry.haproxy.host-not-listed": "spec.tls does not list the host, so no TLS is ended for it",
    "entry.haproxy.passthrough-plain": "plain HTTP is handed on to a port or paths of the backend",
    "entry.http-disallowed": "plain HTTP is disallowed",
    "entry.http-beside-https": "HTTPS is served, and plain HTTP beside it without a redirect",
    "entry.alb.https-only": "the load balancer listens on HTTPS only",
    "entry.alb.http-listener": "an HTTP listener serves it without a redirect",
    "entry.alb.spec-tls-alone": "spec.tls alone gives the load balancer no HTTPS listener; it listens on HTTP",
    "indeterminate.entry.alb.listeners": "the listeners asked for cannot be read, or their IngressClassParams are missing",
    "indeterminate.entry.alb.policies-differ": "Ingresses of its group ask for different security policies",
    "indeterminate.entry.aws.policy": "the security policy {policy} is not one that AWS publishes",
    "indeterminate.entry.alb.redirect-port": "the redirect goes to a port that no HTTPS listener of the group has",
    "indeterminate.entry.alb.action": "a custom action serves part of it, which may redirect",
    "indeterminate.entry.gce.frontend": "the FrontendConfig that may redirect is not in the evidence",
    "entry.gce.default-policy": "no SSL policy is named, so Google Cloud's default holds, which accepts TLS 1.0",
    "indeterminate.entry.agic.profile": "client authentication is set in the gateway's SSL profile {profile}",
    "entry.kong.protocols": "the route takes the protocols {protocols}",
    "entry.kong.https-only": "the route takes HTTPS only",
    "indeterminate.entry.kong.defaults": "Kong's defaults for plain HTTP are not verified",
    "indeterminate.entry.kong.versions": "Kong's TLS versions are set in the gateway, whose defaults are not verified",
    "indeterminate.entry.kong.client": "client authentication is set by Kong's plugins, which were not read",
    "entry.contour.permit-insecure": "a route permits plain HTTP (permitInsecure)",
    "entry.contour.tcp-proxy": "the host is proxied as TCP over TLS only",
    "indeterminate.entry.contour.include": "an included HTTPProxy is not in the evidence; its routes may permit plain HTTP",
    "entry.route.no-tls": "the Route has no tls, so it serves plain HTTP",
    "entry.route.insecure-none": "insecureEdgeTerminationPolicy is None, so plain HTTP is not served",
    "entry.route.insecure-allow": "insecureEdgeTerminationPolicy is Allow",
    "indeterminate.entry.route.unknown": "the Route's termination or insecureEdgeTerminationPolicy is not known",
    "indeterminate.entry.route.client": "client authentication is set on the IngressController, which was not read",
    "entry.traefik.tcp-plain": "the TCP route has no tls, so bytes are handed on as they come",
}
_GATEWAY = {
    "entry.gateway.terminates": "the listener ends TLS",
    "entry.gateway.references-not-observed": "no controller has reported whether its certificate can be resolved",
    "entry.gateway.plain": "a route is served without TLS by this listener",
    "entry.gateway.route-without-section": (
        "a route that names no sectionName attaches to this plain listener as well, without a redirect"
    ),
    "entry.gateway.redirects": "every route of the host redirects to HTTPS",
    "entry.gateway.no-route": "no route attaches to this listener, so it serves nothing",
    "entry.gateway.frontend": "client certificates are validated, mode {mode}",
    "indeterminate.entry.gateway.protocol": "the listener's protocol {protocol} is not known",
    "indeterminate.entry.gateway.mode": "the listener's TLS mode is not known",
    "indeterminate.entry.gateway.references": "the listener's certificate references are not resolved (ResolvedRefs)",
    "indeterminate.entry.gateway.routes-missing": (
        "whether a route attaches to this listener can't be told: routes may be missing"
    ),
    "entry.gateway.routes-assumed": "routes that attach to this listener may be missing from the evidence",
    "entry.gateway.backend-not-granted": (
        "no ReferenceGrant lets the route lead to {target} in another namespace, so nothing is sent there"
    ),
    "indeterminate.entry.gateway.backend-kind": "a route leads to a backend of the kind {kind}, which is not known",
    "entry.gateway.backend-tls": "BackendTLSPolicy {policy} has the hop to the backend encrypted and verified",
    "entry.gateway.backend-tls-not-observed": (
        "BackendTLSPolicy {policy} asks for an encrypted and verified hop; no controller has reported that it follows"
    ),
    "indeterminate.entry.gateway.not-granted": "no ReferenceGrant lets it refer to {target} in another namespace",
    "indeterminate.entry.gateway.grant-unknown": (
        "whether a ReferenceGrant lets it refer to {target} in another namespace is not in the evidence"
    ),
    "indeterminate.entry.gateway.no-certificate": "the listener is to end TLS and names no certificate",
    "indeterminate.entry.gateway.backend-tls-age": (
        "the BackendTLSPolicies {policies} compete and differ, and which one is the oldest isn't recorded"
    ),
    "indeterminate.entry.gateway.backend-tls-refused": (
        "the controller does not accept BackendTLSPolicy {policy} ({reason})"
    ),
    "indeterminate.entry.gateway.backend-tls-broken": (
        "BackendTLSPolicy {policy} names no host to check, or no authority that can be resolved"
    ),
    "indeterminate.entry.gateway.frontend": "the validation of client certificates has a form that is not known",
}

CNI_REASONS: dict[str, str] = {
    "cni.encrypts": "{cni} encrypts pod traffic between nodes with {mechanism}",
    "cni.plain": "{cni} is not set to encrypt pod traffic between nodes ({setting})",
    "cni.node-identities": "what it encrypts is authenticated between nodes, not between workloads",
    "cni.no-strict-mode": (
        "without strict mode for egress the first packets of a connection to a new pod may leave unencrypted"
    ),
    "cni.strict-egress": "strict mode drops unencrypted packets between IPv4 addresses of {range} before they leave a node",
    "cni.strict-egress-not-to-nodes": "strict mode lets unencrypted packets to addresses of nodes through",
    "cni.strict-egress-partly": (
        "strict mode does not cover {count} pods that have addresses outside {range} (IPv6 is never covered)"
    ),
    "cni.strict-egress-without-range": "strict mode for egress is asked for, and names no IPv4 range that can be read",
    "cni.strict-ingress": (
        "strict mode drops packets to pods that come unencrypted from pods of other nodes, after they crossed the wire"
    ),
    "cni.mutual-authentication": "Cilium's mutual authentication authenticates and does not encrypt",
    "cni.ztunnel": "Cilium's ztunnel carries TCP of enrolled namespaces under mutual TLS ({namespaces})",
    "cni.unmaintained": "Weave Net is no longer maintained",
    "cni.experimental": "flannel's IPsec backend is experimental",
    "cni.nodes-without-key": "these nodes publish no {cni} key: {nodes}",
    "cni.nodes-without-agent": "no ready {cni} agent was seen on these nodes: {nodes}",
    "cni.nodes-with-other-backend": "these nodes do not say that they use the backend {backend}: {nodes}",
    "indeterminate.cni.not-found": "no agent of a CNI that is known to this version is in the evidence",
    "indeterminate.cni.not-known": "whether {cni} encrypts between nodes is not known to this version",
    "indeterminate.cni.config-missing": "the ConfigMap {config}, which says whether {cni} encrypts, is not in the evidence",
    "indeterminate.cni.config-unreadable": "{setting} of {config} cannot be read",
    "indeterminate.cni.config-conflict": "{cni} is set to encrypt with both WireGuard and IPsec, which it does not support",
    "indeterminate.cni.strict-ingress-ipsec": "{cni} supports strict mode for ingress with WireGuard only, not with IPsec",
    "indeterminate.cni.node-config": "a CiliumNodeConfig gives some nodes other settings for encryption",
    "indeterminate.cni.agent-not-observed": "{cni} is set to encrypt, and no agent of it was seen running",
    "indeterminate.cni.nodes-unknown": "not every node is in the evidence, so that each takes part cannot be told",
    "indeterminate.cni.felix-missing": "Calico's FelixConfiguration is not in the evidence",
    "indeterminate.cni.address-families": "{cni} encrypts one IP version only, and which versions pods use is not known",
    "indeterminate.cni.trusted-subnets": "Weave Net does not encrypt to peers in its trusted subnets",
    "indeterminate.cni.password": "whether Weave Net has a password depends on an optional Secret",
    "indeterminate.cni.preshared-key": (
        "Antrea's IPsec uses a pre-shared key, and whether it is still the published default is in a Secret"
    ),
    "indeterminate.cni.ipsec-mode": "the mode of OVN-Kubernetes' IPsec is not one that is known",
    "indeterminate.cni.network-missing": "the cluster's Network (operator.openshift.io) is not in the evidence",
    "indeterminate.cni.backends-differ": "flannel's ConfigMap and what its nodes say of their backend differ",
    "indeterminate.cni.control-plane": "control-plane nodes opt out of encrypting their own traffic",
}
"""Why encryption between nodes is said to be there, absent or unknown."""

ENTRY_REASONS: dict[str, str] = {
    **_CLASS,
    **_GENERAL,
    **_NGINX,
    **_TRAEFIK,
    **_ISTIO,
    **_LAYER4,
    **_CONTROLLERS,
    **_GATEWAY,
}


def cause(code: str, **parameters: object) -> Cause:
    """A cause from the closed lists, its parameters as sorted text. Raises KeyError for a code that isn't listed."""
    if code not in ENTRY_REASONS and code not in CNI_REASONS:
        raise KeyError(code)
    return Cause(code, tuple(sorted((name, str(value)) for name, value in parameters.items())))
