"""Who is granted what by Linkerd's policies: ServerAuthorization, AuthorizationPolicy and the authentications they name.

Source: linkerd2 policy-controller/k8s/index/src/inbound, encryption.md 2. Grants of a Server are alternatives; the
references inside one AuthorizationPolicy must all hold; one that names something missing is ignored whole.
"""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from auditor.inventory.cluster import Cluster
from auditor.inventory.data_plane import observe_linkerd_proxy
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.model.evidence import Completeness
from auditor.model.kinds import KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef, Tri
from auditor.network.addresses import Network
from auditor.network.bits import members
from auditor.network.fields import FieldProblem, list_field, mapping_field
from auditor.network.reasons import cause
from auditor.network.representation import NO_MATCH, Match
from auditor.network.universe import Universe

GROUP = "policy.linkerd.io"
SERVER = kind_key(GROUP, "Server")
SERVER_AUTHORIZATION = kind_key(GROUP, "ServerAuthorization")
AUTHORIZATION_POLICY = kind_key(GROUP, "AuthorizationPolicy")
MESH_TLS = kind_key(GROUP, "MeshTLSAuthentication")
NETWORK_AUTHENTICATION = kind_key(GROUP, "NetworkAuthentication")
ROUTES = (
    kind_key(GROUP, "HTTPRoute"),
    kind_key("gateway.networking.k8s.io", "HTTPRoute"),
    kind_key("gateway.networking.k8s.io", "GRPCRoute"),
)
_IDENTITY = cause("indeterminate.mesh-identity")
_ROUTE = cause("conditional.l7", detail="routes that have an authorization of their own")
_INFIX = ".serviceaccount.identity."
_DEFAULT_SUFFIX = f"{_INFIX}linkerd.cluster.local"


@dataclass(frozen=True, slots=True)
class Grant:
    """Peers that a policy lets in; `unsure` explains `may`, `condition` is for routes."""

    peers: Match
    ref: RuleRef
    unsure: Cause = _IDENTITY
    condition: Cause | None = None


class LinkerdClients:
    """Clients by what was observed of their proxy."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        seen = {Tri.YES: 0, Tri.UNKNOWN: 0, Tri.NO: 0}
        for position in members(universe.pods):
            endpoint = universe.endpoints[position]
            found = observe_linkerd_proxy(endpoint).present
            if found is Tri.YES and endpoint.annotations.get("config.linkerd.io/skip-outbound-ports"):
                found = Tri.UNKNOWN
            seen[found] |= 1 << position
        self.meshed = Match(seen[Tri.YES], seen[Tri.UNKNOWN])
        """Those whose connections carry an identity."""

    @property
    def everyone(self) -> Match:
        """All peers, with an identity or without."""
        return Match(self._universe.everything)

    def with_identity(self, pattern: str) -> Match:
        """Clients with an identity that matches: exact, `*.suffix`, or `*`."""
        if pattern == "*":
            return self.meshed

        def accepts(endpoint: Endpoint) -> bool:
            name = f"{endpoint.service_account}.{endpoint.namespace}"
            if pattern.startswith("*."):
                return f"{name}{_DEFAULT_SUFFIX}".endswith(pattern[1:])
            return pattern.partition(_INFIX)[0] == name and _INFIX in pattern

        found = Match(self._universe.where(("linkerd identity", pattern), accepts)) & self.meshed
        usual = pattern.startswith("*.") or pattern.endswith(_DEFAULT_SUFFIX)
        return found if usual else Match(0, found.any)

    def of_account(self, namespace: str, name: str | None) -> Match:
        """Clients of one service account, or of a whole namespace."""
        bits = self._universe.namespace(namespace)
        if name is not None:
            bits &= self._universe.where(("service account", name), lambda e: e.service_account == name)
        return Match(bits) & self.meshed


class LinkerdGrants:
    """Reads the grants. An object that the API server refuses becomes a problem, and its grant unsure."""

    def __init__(self, cluster: Cluster, universe: Universe, clients: LinkerdClients) -> None:
        self._cluster = cluster
        self._universe = universe
        self._clients = clients
        self.problems: list[tuple[KubeObject, FieldProblem]] = []
        """What was found wrong in the objects that grant, or in what they name."""

    def of_server(self, server: KubeObject) -> Iterator[Grant]:
        """Every grant for a Server but its accessPolicy."""
        for obj in self._cluster.in_namespace(SERVER_AUTHORIZATION, server.namespace):
            yield from self._read(
                obj, lambda o: iter([self._client(o)] if self._names_server(o, server) else [])
            )
        routes = self._routes_of(server)
        for obj in self._cluster.in_namespace(AUTHORIZATION_POLICY, server.namespace):
            target = mapping_at(obj.spec, "targetRef")
            kind, name = text_at(target, "kind"), text_at(target, "name")
            if (kind, name) in (("Server", server.name), ("Namespace", server.namespace)):
                yield from self._read(obj, lambda o: self._references(o, None))
            elif (kind, name) in routes:
                yield from self._read(obj, lambda o: self._references(o, _ROUTE))

    def _read(self, obj: KubeObject, read: Callable[[KubeObject], Iterator[Grant]]) -> list[Grant]:
        try:
            return list(read(obj))
        except FieldProblem as problem:
            self.problems.append((obj, problem))
            why = cause("indeterminate.invalid-policy", policy=str(obj.id), problem=str(problem))
            return [Grant(Match(0, self._universe.everything), _ref(obj, "spec"), why)]

    def _names_server(self, obj: KubeObject, server: KubeObject) -> bool:
        named = mapping_at(obj.spec, "server")
        if text_at(named, "name"):
            return text_at(named, "name") == server.name
        if named.get("selector") is None:
            raise FieldProblem("spec.server", "expected a name or a selector", "invalid.spec")
        try:
            return parse_selector(named["selector"], "spec.server.selector").matches(server.labels)
        except SelectorError as problem:
            raise FieldProblem.of_selector(problem) from None

    def _routes_of(self, server: KubeObject) -> set[tuple[str | None, str | None]]:
        return {
            (route.id.kind, route.name)
            for kind in ROUTES
            for route in self._cluster.in_namespace(kind, server.namespace)
            for parent in mappings_at(route.spec, "parentRefs")
            if parent.get("kind") == "Server" and parent.get("name") == server.name
        }

    def _client(self, obj: KubeObject) -> Grant:
        client = mapping_field(obj.spec.get("client"), "spec.client")
        tls = client.get("meshTLS")
        if client.get("unauthenticated") is True:
            peers = self._clients.everyone
        elif tls is None:
            raise FieldProblem("spec.client", "expected unauthenticated or meshTLS", "invalid.spec")
        elif mapping_at(tls).get("unauthenticatedTLS") is True:
            peers = self._clients.meshed
        else:
            peers = self._mesh_tls(mapping_field(tls, "spec.client.meshTLS"), obj.namespace)
        networks = list_field(client, "networks", "spec.client")
        if networks:
            peers = peers & self._networks(networks, "spec.client.networks")
        return Grant(peers, _ref(obj, "client"))

    def _mesh_tls(self, tls: JsonObject, namespace: str) -> Match:
        found = NO_MATCH
        for pattern in list_field(tls, "identities", "spec"):
            found = found | self._clients.with_identity(str(pattern))
        for account in mappings_at(tls, "serviceAccounts"):
            found = found | self._clients.of_account(
                text_at(account, "namespace") or namespace, text_at(account, "name") or ""
            )
        for reference in mappings_at(tls, "identityRefs"):
            place = text_at(reference, "namespace") or namespace
            name = text_at(reference, "name") or ""
            if reference.get("kind") == "Namespace":
                found = found | self._clients.of_account(name, None)
            else:
                found = found | self._clients.of_account(place, name)
        return found

    def _networks(self, entries: list[Any], where: str) -> Match:
        found = NO_MATCH
        for index, raw in enumerate(entries):
            entry, place = mapping_field(raw, f"{where}[{index}]"), f"{where}[{index}]"
            block = self._universe.within(_network(entry.get("cidr"), f"{place}.cidr"))
            for text in list_field(entry, "except", place):
                block = block.minus(self._universe.within(_network(text, f"{place}.except")))
            found = found | block
        return found

    def _references(self, obj: KubeObject, condition: Cause | None) -> Iterator[Grant]:
        peers, unsure = self._clients.everyone, _IDENTITY
        for index, reference in enumerate(list_field(obj.spec, "requiredAuthenticationRefs", "spec")):
            where = f"spec.requiredAuthenticationRefs[{index}]"
            found = self._authentication(obj, mapping_field(reference, where), where)
            if found is None:
                return
            peers = peers & found
        yield Grant(peers, _ref(obj, "requiredAuthenticationRefs"), unsure, condition)

    def _authentication(self, obj: KubeObject, reference: JsonObject, where: str) -> Match | None:
        """Whom a referenced authentication admits; None where it doesn't exist."""
        namespace = text_at(reference, "namespace") or obj.namespace
        name, kind = text_at(reference, "name") or "", text_at(reference, "kind") or ""
        if kind == "ServiceAccount":
            return self._clients.of_account(namespace, name)
        key = KindKey(GROUP, kind)
        if key not in (MESH_TLS, NETWORK_AUTHENTICATION):
            expected = "expected a MeshTLSAuthentication, NetworkAuthentication or ServiceAccount"
            raise FieldProblem(f"{where}.kind", expected, "invalid.reference")
        target = self._cluster.get(key, namespace, name)
        if target is None:
            expected = f"expected a {kind} that exists; {namespace}/{name} is not in the evidence"
            self.problems.append((obj, FieldProblem(where, expected, "invalid.reference")))
            complete = self._cluster.completeness(key, namespace).state is Completeness.COMPLETE
            return None if complete else Match(0, self._universe.everything)
        if key == NETWORK_AUTHENTICATION:
            return self._networks(list_field(target.spec, "networks", "spec"), "spec.networks")
        return self._mesh_tls(target.spec, target.namespace)


def _network(raw: Any, where: str) -> Network:
    try:
        return ipaddress.ip_network(raw if isinstance(raw, str) else "", strict=False)
    except ValueError:
        raise FieldProblem(where, "expected an address block such as 10.0.0.0/8", "invalid.cidr") from None


def _ref(obj: KubeObject, path: str) -> RuleRef:
    return RuleRef(str(obj.id), path, obj.evidence_id)
