"""Linkerd's ways out: EgressNetworks with the routes attached to them, and Services mirrored from other clusters.

An EgressNetwork is for clients of its own namespace, one in the global egress namespace for all; the own namespace's come
first. Linkerd never originates TLS to the outside: what passes is what the application sends. `Deny` lets through only
what a route describes (reference, EgressNetwork).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.encryption.egress.values import Addresses, Sent, as_networks
from auditor.encryption.verdicts import Reasons
from auditor.inventory.cluster import Cluster
from auditor.model.kinds import ENDPOINT_SLICE, SERVICE, KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef

EGRESS_NETWORK = kind_key("policy.linkerd.io", "EgressNetwork")
_GATEWAY_API = "gateway.networking.k8s.io"
_ROUTES: tuple[tuple[KindKey, Sent], ...] = (
    (kind_key("policy.linkerd.io", "HTTPRoute"), Sent.PLAINTEXT),
    (kind_key(_GATEWAY_API, "HTTPRoute"), Sent.PLAINTEXT),
    (kind_key(_GATEWAY_API, "GRPCRoute"), Sent.PLAINTEXT),
    (kind_key(_GATEWAY_API, "TLSRoute"), Sent.APPLICATION_TLS),
    (kind_key(_GATEWAY_API, "TCPRoute"), Sent.APPLICATION),
)
READS = (EGRESS_NETWORK, *(kind for kind, _ in _ROUTES), SERVICE, ENDPOINT_SLICE)
"""The kinds that make Linkerd's ways out, or decide them."""

_MIRRORED = "mirror.linkerd.io/mirrored-service"
_REMOTE_DISCOVERY = "multicluster.linkerd.io/remote-discovery"
_IDENTITIES = ("mirror.linkerd.io/remote-gateway-identity", "mirror.linkerd.io/gateway-identity")
_SLICE_OF = "kubernetes.io/service-name"
_FROM_ROUTE = {
    Sent.PLAINTEXT: "egress.linkerd-http-route",
    Sent.APPLICATION_TLS: "egress.linkerd-tls-route",
    Sent.APPLICATION: "egress.linkerd-tcp-route",
}


@dataclass(frozen=True, slots=True)
class LinkerdWay:
    """A way out of Linkerd's clients: what `object` says of a host and a port (None is any)."""

    object: KubeObject | None
    host: str
    port: int | None
    protocol: str
    sent: Sent
    reasons: Reasons
    addresses: Addresses | None = None


class LinkerdEgress:
    """What Linkerd's proxies do with traffic that leaves the cluster."""

    def __init__(self, cluster: Cluster, global_namespace: str) -> None:
        self._global = global_namespace
        self._networks: dict[str, list[KubeObject]] = {}
        for obj in cluster.all(EGRESS_NETWORK):
            self._networks.setdefault(obj.namespace, []).append(obj)
        self._cluster = cluster

    def out_of(self, namespace: str) -> tuple[LinkerdWay, ...]:
        """The ways out of a namespace's clients, what is left to itself included."""
        networks = self._networks.get(namespace) or self._networks.get(self._global) or []
        found = tuple(way for network in networks for way in self._through(network))
        if any(_is_for_all(network) for network in networks):
            return found
        code = "egress.linkerd-outside-networks" if networks else "egress.linkerd-no-network"
        free = Reasons((Cause(code),), (), tuple(network.evidence_id for network in networks))
        return (*found, LinkerdWay(None, "*", None, "", Sent.APPLICATION, free))

    def _through(self, network: KubeObject) -> Iterator[LinkerdWay]:
        rule = RuleRef(str(network.id), "spec.trafficPolicy", network.evidence_id)
        named = (("network", rule.object),)
        policy = network.spec.get("trafficPolicy")
        known = {"Allow": Sent.APPLICATION, "Deny": Sent.NOTHING}
        sent = known.get(policy, Sent.INDETERMINATE) if isinstance(policy, str) else Sent.INDETERMINATE
        code = {
            Sent.APPLICATION: "egress.linkerd-allow",
            Sent.NOTHING: "egress.linkerd-deny",
            Sent.INDETERMINATE: "indeterminate.egress.linkerd-policy",
        }[sent]
        reasons = Reasons((Cause(code, named),), (rule,), (rule.evidence_id,))
        yield LinkerdWay(network, "*", None, "", sent, reasons, _addresses(network))
        for kind, carries in _ROUTES:
            for route in self._cluster.all(kind):
                yield from self._by_route(network, route, carries)

    def _by_route(self, network: KubeObject, route: KubeObject, carries: Sent) -> Iterator[LinkerdWay]:
        for parent in mappings_at(route.spec, "parentRefs"):
            if not _is_parent(parent, network, route.namespace):
                continue
            elsewhere = not all(
                _is_parent(target, network, route.namespace)
                for entry in mappings_at(route.spec, "rules")
                for target in mappings_at(entry, "backendRefs")
            )
            code = "indeterminate.egress.linkerd-backend" if elsewhere else _FROM_ROUTE[carries]
            rule = RuleRef(str(route.id), "spec", route.evidence_id)
            cause = Cause(code, (("route", rule.object),))
            reasons = Reasons((cause,), (rule,), (network.evidence_id, route.evidence_id))
            port = parent.get("port")
            number = port if isinstance(port, int) and not isinstance(port, bool) else None
            sent = Sent.INDETERMINATE if elsewhere else carries
            hosts = [host for host in list_at(route.spec, "hostnames") if isinstance(host, str)] or ["*"]
            for host in dict.fromkeys(hosts):
                protocol = route.id.kind.removesuffix("Route")
                yield LinkerdWay(route, host, number, protocol, sent, reasons, _addresses(network))


def _addresses(network: KubeObject) -> Addresses | None:
    """The blocks of an EgressNetwork, what is excepted from them included; None where it names none."""
    return as_networks(entry.get("cidr") for entry in mappings_at(network.spec, "networks"))


def _is_for_all(network: KubeObject) -> bool:
    """Whether it is for every address outside: it names no block, or all of IPv4 without exception."""
    blocks = mappings_at(network.spec, "networks")
    return not blocks or any(b.get("cidr") == "0.0.0.0/0" and not b.get("except") for b in blocks)


def mirrored_services(cluster: Cluster) -> Iterator[tuple[KubeObject, Sent, Reasons]]:
    """The Services that Linkerd mirrors from other clusters, with what its clients send to them."""
    identified = {
        (item.namespace, item.labels.get(_SLICE_OF, "")): item
        for item in cluster.all(ENDPOINT_SLICE)
        if any(item.annotations.get(name) for name in _IDENTITIES)
    }
    for service in cluster.all(SERVICE):
        if service.labels.get(_MIRRORED) != "true" and _REMOTE_DISCOVERY not in service.labels:
            continue
        known = identified.get((service.namespace, service.name))
        if known is not None:
            cause = Cause("egress.linkerd-gateway-identity", (("service", str(service.id)),))
            yield service, Sent.MESH_MTLS, Reasons((cause,), (), (service.evidence_id, known.evidence_id))
        else:
            cause = Cause("indeterminate.egress.linkerd-mirror", (("service", str(service.id)),))
            yield service, Sent.INDETERMINATE, Reasons((cause,), (), (service.evidence_id,))


def _is_parent(reference: JsonObject, network: KubeObject, own: str) -> bool:
    return (
        text_at(reference, "kind") == EGRESS_NETWORK.kind
        and (text_at(reference, "group") or "") == EGRESS_NETWORK.group
        and text_at(reference, "name") == network.name
        and (text_at(reference, "namespace") or own) == network.namespace
    )


def service_ports(service: KubeObject) -> list[int]:
    """The TCP ports of a Service."""
    listed = [e for e in mappings_at(service.spec, "ports") if (text_at(e, "protocol") or "TCP") == "TCP"]
    numbers = (mapping_at(entry).get("port") for entry in listed)
    return [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
