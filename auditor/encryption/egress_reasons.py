"""The closed list of causes behind ways out of the cluster, with the English sentence of each."""

EGRESS_REASONS: dict[str, str] = {
    "egress.plain-protocol": "{entry} declares the port as {protocol} and nothing on the way adds TLS",
    "egress.application-tls": (
        "{entry} declares the port as {protocol}: the application has to speak TLS itself, and to verify the server"
    ),
    "egress.application": "{entry} declares the port as {protocol}: what the application sends is passed on as it is",
    "egress.plain-protocol-of-port": "port {port} carries {protocol}, and without TLS that is plaintext",
    "egress.application-tls-of-port": "port {port} carries {protocol}: the application has to speak TLS itself",
    "egress.application-of-port": "what the application sends to port {port} ({protocol}) is passed on as it is",
    "egress.tls-in-tls": "port {port} carries TLS of the application already, which is wrapped once more",
    "egress.automatic-mtls": "all endpoints of {entry} say that they take mesh mTLS, so clients use it",
    "egress.internal-without-mtls": (
        "{entry} is inside the mesh, but some of its endpoints don't say that they take mesh mTLS, or it is turned off"
    ),
    "egress.ambient-without-waypoint": (
        "ztunnel doesn't look at DestinationRules: without a waypoint {host} gets what the application sends"
    ),
    "egress.ambient-passes-on": "ztunnel passes on what it doesn't know, whatever outboundTrafficPolicy says",
    "egress.no-proxy": "no mesh carries its traffic, so it leaves as the application sends it",
    "egress.passed-on": "the sidecar passes on what isn't registered (ALLOW_ANY)",
    "egress.refused-by-proxy": "the sidecar refuses what isn't registered (REGISTRY_ONLY)",
    "egress.some-ports-not-captured": (
        "the proxy refuses what isn't registered, but some ports or addresses are sent past it"
    ),
    "egress.gateway-server": "the gateway's server ({protocol}, TLS mode {mode}) takes it",
    "egress.gateway-refuses": "the gateway's server ({protocol}, TLS mode {mode}) refuses what the client's proxy sends",
    "egress.answered-by-proxy": "the routes for {host} only redirect or answer, so nothing leaves",
    "egress.mesh-network": (
        "endpoints in the network {network} are reached through its gateway under the client's mesh mTLS, or not at all; "
        "what they accept beside it is in the evidence of their own cluster"
    ),
    "indeterminate.egress.mesh-network": (
        "what is sent to the gateway of the network {network} can't be told: the client is an ambient one, or automatic "
        "mTLS isn't known to be on"
    ),
    "egress.linkerd-no-network": "no EgressNetwork is for the client's namespace, so what leaves is passed on as it is",
    "egress.linkerd-outside-networks": (
        "what leaves to addresses that no EgressNetwork is for is passed on as the application sends it"
    ),
    "egress.not-tcp": "policy lets it send to {network} by other protocols than TCP too, which no mesh carries",
    "egress.other-routes": (
        "routes for the same clients end at different addresses, and what goes along each of them isn't told apart"
    ),
    "indeterminate.egress.gateway-client": "{endpoint} is a gateway; what it sends to {network} of its own isn't followed",
    "egress.linkerd-allow": "{network} lets everything through, as the application sends it",
    "egress.linkerd-deny": (
        "{network} refuses what no route describes, apart from ports that the proxy skips by default (4567, 4568)"
    ),
    "egress.linkerd-http-route": "{route} describes plain HTTP, which leaves as it is",
    "egress.linkerd-tls-route": "{route} lets through TLS of the application's own, by server name",
    "egress.linkerd-tcp-route": "{route} lets TCP through as the application sends it",
    "egress.linkerd-gateway-identity": (
        "{service} is mirrored from another cluster, and its gateway's identity is known: Linkerd's proxies use mTLS"
    ),
    "istio.waypoint": "the traffic goes through the waypoint {waypoint}, tunnelled under mesh mTLS",
    "istio.waypoint-missing": "labels ask for the waypoint {waypoint}, which isn't there",
    "istio.waypoint-not-for-it": "labels ask for the waypoint {waypoint}, which doesn't take this traffic",
    "indeterminate.istio.waypoint-unknown": (
        "labels ask for the waypoint {waypoint}, which isn't in the evidence, or has a class that is not known"
    ),
    "indeterminate.egress.waypoint": "whether traffic to {host} goes through a waypoint, where rules hold, can't be told",
    "indeterminate.egress.ambient-internal": "whether the endpoints of {host} take the tunnel (HBONE) can't be told",
    "indeterminate.egress.waypoint-route": (
        "a VirtualService is about {host}; whether, and how, a waypoint follows it can't be told"
    ),
    "indeterminate.egress.no-route": "a VirtualService is about {host}, but no route of it that can be followed leads on",
    "indeterminate.egress.oldest-unknown": (
        "VirtualServices for {host} compete and differ in effect, and which is the oldest is not recorded"
    ),
    "indeterminate.egress.unregistered-target": "a route leads to {host}, which nothing registers for its client",
    "indeterminate.egress.gateway-api-route": "{route} is attached to the entry, and where it leads is not followed",
    "indeterminate.egress.internal-endpoints": "whether the endpoints of {entry} take mesh mTLS can't be told",
    "indeterminate.egress.other-network": (
        "endpoints of {entry} are in a network of the mesh, whose gateway takes mesh mTLS only, and without rules for it "
        "none is sent to destinations outside the mesh"
    ),
    "indeterminate.egress.no-gateway-server": "no Gateway gives the pods of {endpoint} a server for the host and port",
    "indeterminate.egress.gateway-server": (
        "the gateway's server ({protocol}, TLS mode {mode}) doesn't fit what the client's proxy sends, or can't be read"
    ),
    "indeterminate.egress.outbound-policy": "outboundTrafficPolicy can't be read, or sends traffic to a proxy of its own",
    "indeterminate.egress.sidecars-compete": (
        "{policy} and other Sidecars compete, and which is the oldest is not recorded"
    ),
    "indeterminate.egress.linkerd-policy": "the trafficPolicy of {network} can't be read",
    "indeterminate.egress.linkerd-backend": "{route} sends the traffic elsewhere than out, which is not followed",
    "indeterminate.egress.linkerd-mirror": (
        "{service} is mirrored from another cluster; whether the other side has an identity is not in the evidence"
    ),
}
"""Every cause of this part, by code."""
