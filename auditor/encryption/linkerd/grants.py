"""Who may connect under a Server: ServerAuthorizations, AuthorizationPolicies and accessPolicy as grants.

Follows policy-controller/k8s/index/src/inbound: grants are ORed, the references inside one AuthorizationPolicy are ANDed,
and a policy that names an authentication which isn't there is ignored whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from auditor.encryption.injection import KNOWN
from auditor.inventory.cluster import Cluster
from auditor.inventory.selectors import SelectorError, parse_selector
from auditor.model.kinds import KindKey, kind_key
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, RuleRef

_POLICY = "policy.linkerd.io"
_GATEWAY_API = "gateway.networking.k8s.io"
SERVER_AUTHORIZATION = kind_key(_POLICY, "ServerAuthorization")
AUTHORIZATION_POLICY = kind_key(_POLICY, "AuthorizationPolicy")
MESH_TLS_AUTHENTICATION = kind_key(_POLICY, "MeshTLSAuthentication")
NETWORK_AUTHENTICATION = kind_key(_POLICY, "NetworkAuthentication")
ROUTE_KINDS = (
    kind_key(_POLICY, "HTTPRoute"),
    kind_key(_GATEWAY_API, "HTTPRoute"),
    kind_key(_GATEWAY_API, "GRPCRoute"),
)
RouteId = tuple[str, str, str, str]


class Client(StrEnum):
    """Whom a grant lets in: anybody, TLS without an identity, TLS with one; or it cannot be told."""

    UNAUTHENTICATED = "unauthenticated"
    TLS_WITHOUT_IDENTITY = "tls-without-identity"
    IDENTITY = "identity"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant. `certain` false: whether it counts depends on an object that may be missing from the evidence."""

    client: Client
    rule: RuleRef
    certain: bool = True
    cause: Cause | None = None


ACCESS_POLICIES: Mapping[str, Client | None] = {
    "deny": None,
    "audit": Client.UNAUTHENTICATED,
    "all-unauthenticated": Client.UNAUTHENTICATED,
    "cluster-unauthenticated": Client.UNAUTHENTICATED,
    "all-authenticated": Client.IDENTITY,
    "cluster-authenticated": Client.IDENTITY,
}
"""Default and access policies: whom they let in, None for nobody."""


class Grants:
    """The grants of a cluster, looked up for one Server at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._server_authorizations = _by_namespace(cluster, SERVER_AUTHORIZATION)
        self._policies = _by_namespace(cluster, AUTHORIZATION_POLICY)
        self._routes: dict[tuple[str, str], list[RouteId]] = {}
        for kind in ROUTE_KINDS:
            for route in cluster.all(kind):
                for server in _parent_servers(route):
                    self._routes.setdefault((route.namespace, server), []).append(route.id)

    def routes(self, server: KubeObject) -> list[RouteId]:
        """The routes that are attached to a Server."""
        return self._routes.get((server.namespace, server.name), [])

    def of(self, server: KubeObject) -> list[Grant]:
        """Every grant for a Server, those for its routes included."""
        found = list(self._access_policy(server))
        for authorization in self._server_authorizations.get(server.namespace, ()):
            found.extend(_server_authorization(authorization, server))
        targets = self._targets(server)
        for policy in self._policies.get(server.namespace, ()):
            if _target(policy) is None or _target(policy) in targets:
                found.extend(self._policy(policy))
        return found

    def _targets(self, server: KubeObject) -> set[tuple[str, str, str]]:
        """What a policy may aim at to reach the Server, as (group, kind, name) in small letters but for the name."""
        targets = {
            (_POLICY, "server", server.name),
            ("", "namespace", server.namespace),
            ("core", "namespace", server.namespace),
        }
        return targets | {(group, kind.lower(), name) for group, kind, _, name in self.routes(server)}

    def _access_policy(self, server: KubeObject) -> Iterator[Grant]:
        asked = server.spec.get("accessPolicy")
        if asked is None:
            return
        rule = RuleRef(str(server.id), "spec.accessPolicy", server.evidence_id)
        known = isinstance(asked, str) and asked in ACCESS_POLICIES
        client = ACCESS_POLICIES[asked] if known else Client.UNKNOWN
        if client is not None:
            yield Grant(client, rule)

    def _policy(self, policy: KubeObject) -> Iterator[Grant]:
        rule = RuleRef(str(policy.id), "spec.requiredAuthenticationRefs", policy.evidence_id)
        raw = policy.spec.get("requiredAuthenticationRefs") or []
        listed = isinstance(raw, list) and all(isinstance(reference, Mapping) for reference in raw)
        if not listed or _target(policy) is None:
            yield Grant(Client.UNKNOWN, rule)
            return
        clients, certain = [], True
        for reference in list_at(policy.body, "spec", "requiredAuthenticationRefs"):
            kind = _authentication_kind(reference)
            if kind is None:
                yield Grant(Client.UNKNOWN, rule)
                return
            clients.append(_client_of(kind))
            present = self._is_present(kind, reference, policy.namespace)
            if present is False:
                return
            certain = certain and present is True
        client = Client.IDENTITY if Client.IDENTITY in clients else Client.UNAUTHENTICATED
        cause = (
            None
            if certain
            else Cause("indeterminate.linkerd.authentication-missing", (("policy", rule.object),))
        )
        yield Grant(client, rule, certain, cause)

    def _is_present(self, kind: KindKey, reference: JsonObject, own: str) -> bool | None:
        """Whether a referenced authentication exists; None where the evidence cannot tell. ServiceAccounts needn't."""
        if kind not in (MESH_TLS_AUTHENTICATION, NETWORK_AUTHENTICATION):
            return True
        namespace = text_at(reference, "namespace") or own
        found = self._cluster.get(kind, namespace, text_at(reference, "name") or "")
        if found is not None:
            named = (
                kind == NETWORK_AUTHENTICATION
                or found.spec.get("identities")
                or found.spec.get("identityRefs")
            )
            return True if named else None
        return False if self._cluster.completeness(kind, namespace).state in KNOWN else None


def _by_namespace(cluster: Cluster, kind: KindKey) -> dict[str, list[KubeObject]]:
    found: dict[str, list[KubeObject]] = {}
    for obj in cluster.all(kind):
        found.setdefault(obj.namespace, []).append(obj)
    return found


def _target(policy: KubeObject) -> tuple[str, str, str] | None:
    """What a policy aims at, None where that cannot be read."""
    reference = policy.spec.get("targetRef")
    if not isinstance(reference, Mapping):
        return None
    group, kind = text_at(reference, "group") or "", text_at(reference, "kind") or ""
    return group.lower(), kind.lower(), text_at(reference, "name") or ""


def _parent_servers(route: KubeObject) -> Iterator[str]:
    for parent in mappings_at(route.body, "spec", "parentRefs"):
        own = (text_at(parent, "namespace") or route.namespace) == route.namespace
        if own and text_at(parent, "group") == _POLICY and text_at(parent, "kind") == "Server":
            yield text_at(parent, "name") or ""


def _authentication_kind(reference: JsonObject) -> KindKey | None:
    group, kind = text_at(reference, "group") or "", text_at(reference, "kind") or ""
    if group.lower() in ("", "core") and kind.lower() == "serviceaccount":
        return KindKey("", "ServiceAccount")
    known = {key.kind.lower(): key for key in (MESH_TLS_AUTHENTICATION, NETWORK_AUTHENTICATION)}
    return known.get(kind.lower()) if group.lower() == _POLICY else None


def _client_of(kind: KindKey) -> Client:
    return Client.UNAUTHENTICATED if kind == NETWORK_AUTHENTICATION else Client.IDENTITY


def _server_authorization(authorization: KubeObject, server: KubeObject) -> Iterator[Grant]:
    rule = RuleRef(str(authorization.id), "spec.client", authorization.evidence_id)
    if not _selects_server(mapping_at(authorization.body, "spec", "server"), server):
        return
    client = mapping_at(authorization.body, "spec", "client")
    mesh_tls = mapping_at(client, "meshTLS")
    flags = (client.get("unauthenticated"), mesh_tls.get("unauthenticatedTLS"))
    shapes = (authorization.body.get("spec"), authorization.spec.get("client"), client.get("meshTLS"))
    if not all(isinstance(shape or {}, Mapping) for shape in shapes) or not all(
        flag is None or isinstance(flag, bool) for flag in flags
    ):
        yield Grant(Client.UNKNOWN, rule)
    elif flags[0]:
        yield Grant(Client.UNAUTHENTICATED, rule)
    elif flags[1]:
        yield Grant(Client.TLS_WITHOUT_IDENTITY, rule)
    elif mesh_tls.get("identities") or mesh_tls.get("serviceAccounts"):
        yield Grant(Client.IDENTITY, rule)


def _selects_server(selector: JsonObject, server: KubeObject) -> bool:
    """By name or by the Server's labels; a selector that cannot be read may select any."""
    name = text_at(selector, "name")
    if name:
        return name == server.name
    try:
        return parse_selector(selector.get("selector")).matches(server.labels)
    except SelectorError:
        return True
