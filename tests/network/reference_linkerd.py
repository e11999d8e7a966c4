"""A slow evaluator of Linkerd's inbound policy, straight from its reference: one connection at a time, on raw objects.

linkerd.io: Authorization Policy (Server, ServerAuthorization, AuthorizationPolicy, MeshTLSAuthentication,
NetworkAuthentication, default policies, the order of Servers that overlap).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.network.reference import ALLOW, DENY, Party, Raw

LIMITED = "limited"
CLUSTER_NETWORKS = ("10.0.0.0/8",)
DEFAULT = "config.linkerd.io/default-inbound-policy"
SKIPPED = "config.linkerd.io/skip-inbound-ports"
IDENTIFIED = "config.linkerd.io/proxy-require-identity-inbound-ports"
_ALWAYS_SKIPPED = (4190, 4191, 4567, 4568)


@dataclass(frozen=True)
class Connection:
    """A TCP connection to a receiver that runs the proxy; `identity` is the client's (namespace, account) over mTLS."""

    objects: tuple[Raw, ...]
    source: Party
    identity: tuple[str, str] | None
    receiver: Party
    notes: Mapping[str, str]
    port: int

    def of_kind(self, kind: str) -> Iterator[Raw]:
        """The objects of one of Linkerd's kinds in the receiver's namespace."""
        return (o for o in self.objects if _is(o, kind) and _space(o) == self.receiver.space)


def outcome(connection: Connection, default: str) -> str:
    """What the receiver's proxy does; `default` is the cluster's default inbound policy, "" without a say."""
    skipped = {int(port) for port in connection.notes.get(SKIPPED, "").split(",") if port}
    if connection.port in (*_ALWAYS_SKIPPED, *skipped):
        return ALLOW
    servers = [s for s in connection.of_kind("Server") if _serves(s, connection)]
    if servers:
        oldest = min(servers, key=lambda s: (s["metadata"]["creationTimestamp"], s["metadata"]["name"]))
        return _by_server(connection, oldest)
    policy = connection.notes.get(DEFAULT, default)
    if policy == "":
        return ALLOW
    identified = {int(port) for port in connection.notes.get(IDENTIFIED, "").split(",") if port}
    if policy != "deny" and connection.port in identified:
        return ALLOW if connection.identity else DENY
    return ALLOW if _admits(policy, connection) else DENY


def _is(obj: Raw, kind: str) -> bool:
    return bool(obj["kind"] == kind and obj["apiVersion"].startswith("policy.linkerd.io/"))


def _space(obj: Raw) -> str:
    return str(obj["metadata"].get("namespace", "default"))


def _serves(server: Raw, connection: Connection) -> bool:
    spec, receiver = server["spec"], connection.receiver
    wanted = spec["podSelector"].get("matchLabels") or {}
    if any(receiver.labels.get(key) != value for key, value in wanted.items()):
        return False
    if isinstance(spec["port"], int):
        return bool(spec["port"] == connection.port)
    return (spec["port"], "TCP", connection.port) in receiver.ports


def _by_server(connection: Connection, server: Raw) -> str:
    name, labels = server["metadata"]["name"], server["metadata"].get("labels") or {}
    granted = [_admits(server["spec"].get("accessPolicy", "deny"), connection)]
    for grant in connection.of_kind("ServerAuthorization"):
        named = grant["spec"]["server"]
        wanted = (named.get("selector") or {}).get("matchLabels", {"": ""})
        if named.get("name") == name or all(labels.get(k) == v for k, v in wanted.items()):
            granted.append(_is_client(connection, grant["spec"]["client"], _space(grant)))
    routes = {
        route["metadata"]["name"]
        for route in connection.of_kind("HTTPRoute")
        if any(parent["name"] == name for parent in route["spec"]["parentRefs"])
    }
    by_route = []
    for policy in connection.of_kind("AuthorizationPolicy"):
        target = policy["spec"]["targetRef"]
        if target["kind"] == "Namespace" or (target["kind"], target["name"]) == ("Server", name):
            granted.append(_authenticated(connection, policy))
        elif target["kind"] == "HTTPRoute" and target["name"] in routes:
            by_route.append(_authenticated(connection, policy))
    if any(granted):
        return ALLOW
    return LIMITED if any(by_route) else DENY


def _admits(policy: str, connection: Connection) -> bool:
    near = not policy.startswith("cluster-") or _within(connection.source, CLUSTER_NETWORKS)
    known = not policy.endswith("-authenticated") or connection.identity is not None
    return policy != "deny" and near and known


def _is_client(connection: Connection, client: Raw, space: str) -> bool:
    networks = client.get("networks")
    if networks and not _in_networks(connection.source, networks):
        return False
    if client.get("unauthenticated"):
        return True
    tls = client["meshTLS"]
    if tls.get("unauthenticatedTLS"):
        return connection.identity is not None
    accounts = [(a.get("namespace", space), a["name"]) for a in tls.get("serviceAccounts", [])]
    return _has_identity(connection, tls.get("identities", [])) or connection.identity in accounts


def _authenticated(connection: Connection, policy: Raw) -> bool:
    """Every reference must hold; one that names something missing makes the whole policy void."""
    found = [
        _reference(connection, ref, _space(policy)) for ref in policy["spec"]["requiredAuthenticationRefs"]
    ]
    return all(found)


def _reference(connection: Connection, reference: Raw, space: str) -> bool:
    place = reference.get("namespace", space)
    if reference["kind"] == "ServiceAccount":
        return connection.identity == (place, reference["name"])
    for obj in connection.objects:
        if (obj["kind"], _space(obj), obj["metadata"]["name"]) == (
            reference["kind"],
            place,
            reference["name"],
        ):
            if obj["kind"] == "NetworkAuthentication":
                return _in_networks(connection.source, obj["spec"]["networks"])
            return _mesh_tls(connection, obj["spec"], place)
    return False


def _mesh_tls(connection: Connection, spec: Raw, space: str) -> bool:
    if _has_identity(connection, spec.get("identities", [])):
        return True
    for reference in spec.get("identityRefs", []):
        if reference["kind"] == "Namespace":
            if connection.identity and connection.identity[0] == reference["name"]:
                return True
        elif connection.identity == (reference.get("namespace", space), reference["name"]):
            return True
    return False


def _has_identity(connection: Connection, patterns: Iterable[str]) -> bool:
    if connection.identity is None:
        return False
    space, account = connection.identity
    name = f"{account}.{space}.serviceaccount.identity.linkerd.cluster.local"
    return any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        for pattern in patterns
    )


def _in_networks(party: Party, networks: Iterable[Mapping[str, Any]]) -> bool:
    return any(_within(party, [n["cidr"]]) and not _within(party, n.get("except", [])) for n in networks)


def _within(party: Party, blocks: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(party.address) in ipaddress.ip_network(block) for block in blocks)
