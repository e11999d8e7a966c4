"""Linkerd's verdict on one container port: redirection, the Server that matches, or the default inbound policy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.encryption import record as records
from auditor.encryption.arguments import arguments_of
from auditor.encryption.label_index import LabelIndex
from auditor.encryption.linkerd.config import LinkerdConfig
from auditor.encryption.linkerd.data_plane import CONFIG_PREFIX, LinkerdDataPlane
from auditor.encryption.linkerd.grants import (
    ACCESS_POLICIES,
    AUTHORIZATION_POLICY,
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    ROUTE_KINDS,
    SERVER_AUTHORIZATION,
    Client,
    Grant,
    Grants,
)
from auditor.encryption.port_lists import PortList, parse_ports
from auditor.encryption.precedence import possible_winners
from auditor.encryption.verdicts import Basis, MeshVerdict, Reasons
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.selectors import Selector, SelectorError, parse_selector
from auditor.model.kinds import CONFIG_MAP, kind_key
from auditor.model.objects import JsonObject, KubeObject, mapping_at, mappings_at, text_at
from auditor.model.verdict import Cause, EncryptionRecord, RuleRef

SERVER = kind_key("policy.linkerd.io", "Server")
READS = (
    SERVER,
    SERVER_AUTHORIZATION,
    AUTHORIZATION_POLICY,
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    *ROUTE_KINDS,
    CONFIG_MAP,
)
"""The kinds that decide whether Linkerd's proxies accept plaintext (ConfigMap `linkerd-config` by name)."""

PROXY_CONTAINER = "linkerd-proxy"
_DEFAULT_POLICY = "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"
_RECORDS = {
    Client.UNAUTHENTICATED: records.OPPORTUNISTIC,
    Client.TLS_WITHOUT_IDENTITY: records.SERVER_ONLY,
    Client.IDENTITY: records.MUTUAL,
    Client.UNKNOWN: records.INDETERMINATE,
}
_STRICT = (records.MUTUAL, records.DENIED, records.SERVER_ONLY)
_WORST_FIRST = (Client.UNAUTHENTICATED, Client.UNKNOWN, Client.TLS_WITHOUT_IDENTITY, Client.IDENTITY)


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """A parsed Server. `selector` None cannot be read; `port` is a number or a container port's name."""

    obj: KubeObject
    selector: Selector | None
    port: int | str | None


class LinkerdInbound:
    """What Linkerd's proxy does with connections to a port."""

    def __init__(self, cluster: Cluster, config: LinkerdConfig, data_plane: LinkerdDataPlane) -> None:
        self._config = config
        self._data_plane = data_plane
        self._grants = Grants(cluster)
        grouped: dict[str, list[Server]] = {}
        for obj in cluster.all(SERVER):
            if (server := _parse(obj)) is not None:
                grouped.setdefault(obj.namespace, []).append(server)
        self._servers = {
            namespace: LabelIndex((_pairs(server.selector), server) for server in servers)
            for namespace, servers in grouped.items()
        }
        self._selected: dict[str, list[Server]] = {}
        self._by_server: dict[str, tuple[EncryptionRecord, str, Reasons]] = {}

    def verdict(self, endpoint: Endpoint, port: int, protocol: str, basis: Basis) -> MeshVerdict:
        """The verdict for an endpoint of which it is known that the proxy has its traffic."""
        if protocol != "TCP":
            cause = Cause("mesh.tcp-only", (("mesh", "Linkerd"), ("protocol", protocol)))
            return MeshVerdict(records.PLAINTEXT, None, Reasons((cause,)))
        annotations = self._data_plane.annotations(endpoint, basis)
        skipped = self.skipped_inbound(endpoint, annotations)
        if skipped.unreadable:
            return _with(records.INDETERMINATE, None, Cause("indeterminate.linkerd.port-list"), endpoint)
        if port in skipped:
            cause = Cause("linkerd.port-skipped", (("port", str(port)),))
            return _with(records.PLAINTEXT, None, cause, endpoint)
        verdict = self._by_policy(endpoint, annotations, port)
        if port not in parse_ports(annotations.get(CONFIG_PREFIX + "opaque-ports", "")):
            return verdict
        opaque = Cause("linkerd.opaque-port", (("port", str(port)),))
        return MeshVerdict(verdict.record, verdict.mode, verdict.reasons + Reasons((opaque,)))

    def _by_policy(self, endpoint: Endpoint, annotations: Mapping[str, str], port: int) -> MeshVerdict:
        servers = [server for server in self._servers_of(endpoint) if _has_port(server, endpoint, port)]
        if not servers:
            return self._default(endpoint, annotations, port)
        return self._by_servers(endpoint, port, servers)

    def is_proxy_port(self, port: int) -> bool:
        """Whether the port belongs to the proxy itself."""
        return port in self._config.proxy_ports

    def skipped_inbound(self, endpoint: Endpoint, annotations: Mapping[str, str]) -> PortList:
        """Inbound ports that bypass the proxy. What the init container was told beats what annotations ask for."""
        told = init_argument(endpoint, "--inbound-ports-to-ignore")
        if told is not None:
            return parse_ports(told)
        asked = annotations.get(CONFIG_PREFIX + "skip-inbound-ports")
        if asked is None:
            return self._config.skip_inbound
        own = PortList(
            tuple(
                (port, port) for port in sorted(self._config.proxy_ports) if port in self._config.skip_inbound
            )
        )
        return own | parse_ports(asked)

    def _servers_of(self, endpoint: Endpoint) -> list[Server]:
        if endpoint.id not in self._selected:
            index = self._servers.get(endpoint.namespace)
            self._selected[endpoint.id] = [
                server
                for server in (index.candidates(endpoint.labels) if index else ())
                if server.selector is None or server.selector.matches(endpoint.labels)
            ]
        return self._selected[endpoint.id]

    def _by_servers(self, endpoint: Endpoint, port: int, servers: Sequence[Server]) -> MeshVerdict:
        winners: Sequence[Server] = possible_winners(servers, lambda server: server.obj)
        unreadable = [server for server in servers if server.selector is None or server.port is None]
        if unreadable:
            rule = _rule(unreadable[0].obj, "spec")
            cause = Cause("indeterminate.linkerd.server-unreadable", (("server", rule.object),))
            return MeshVerdict(records.INDETERMINATE, None, Reasons((cause,), (rule,), (rule.evidence_id,)))
        verdicts = [self._of_server(server.obj) for server in winners]
        if len({record for record, _, _ in verdicts}) > 1:
            rules = tuple(_rule(server.obj, "spec") for server in winners)
            names = ", ".join(rule.object for rule in rules[:5])
            cause = Cause("indeterminate.linkerd.oldest-unknown", (("policies", names),))
            evidence = tuple(rule.evidence_id for rule in rules)
            return MeshVerdict(records.INDETERMINATE, None, Reasons((cause,), rules, evidence))
        record, mode, reasons = verdicts[0]
        routed = bool(self._grants.routes(winners[0].obj)) or record not in _STRICT
        probes = () if routed else tuple(_probe_causes(endpoint, port))
        return MeshVerdict(record, mode, reasons + Reasons(probes))

    def _of_server(self, server: KubeObject) -> tuple[EncryptionRecord, str, Reasons]:
        if str(server.id) not in self._by_server:
            self._by_server[str(server.id)] = self._judge_server(server)
        return self._by_server[str(server.id)]

    def _judge_server(self, server: KubeObject) -> tuple[EncryptionRecord, str, Reasons]:
        grants = self._grants.of(server)
        rules = (_rule(server, "spec"), *(grant.rule for grant in grants))
        evidence = tuple(dict.fromkeys(rule.evidence_id for rule in rules))
        named = (("server", rules[0].object),)
        outcomes = {_outcome([g for g in grants if g.certain]), _outcome(grants)}
        if len(outcomes) > 1:
            doubts = tuple(g.cause for g in grants if g.cause)
            return records.INDETERMINATE, "server", Reasons(doubts, rules, evidence)
        outcome = outcomes.pop()
        if outcome is None:
            return (
                records.DENIED,
                "server",
                Reasons((Cause("linkerd.nothing-granted", named),), rules, evidence),
            )
        decisive = next(grant for grant in grants if grant.client is outcome)
        parameters = (("policy", decisive.rule.object), *named)
        code = (
            "indeterminate.linkerd.grant-unreadable"
            if outcome is Client.UNKNOWN
            else f"linkerd.grant-{outcome}"
        )
        return _RECORDS[outcome], "server", Reasons((Cause(code, parameters),), rules, evidence)

    def _default(self, endpoint: Endpoint, annotations: Mapping[str, str], port: int) -> MeshVerdict:
        policy, reasons = self._default_policy(endpoint, annotations)
        if policy is None:
            return MeshVerdict(records.INDETERMINATE, None, reasons)
        client = ACCESS_POLICIES[policy]
        required = parse_ports(annotations.get(CONFIG_PREFIX + "proxy-require-identity-inbound-ports", ""))
        if port in required and policy not in ("deny", "audit"):
            cause = Cause("linkerd.identity-required", (("port", str(port)),))
            return MeshVerdict(records.MUTUAL, policy, reasons + Reasons((cause,)))
        record = records.DENIED if client is None else _RECORDS[client]
        probes = tuple(_probe_causes(endpoint, port)) if record in _STRICT else ()
        return MeshVerdict(record, policy, reasons + Reasons(probes))

    def _default_policy(
        self, endpoint: Endpoint, annotations: Mapping[str, str]
    ) -> tuple[str | None, Reasons]:
        """The pod's annotation, else the cluster's; without either in the evidence, what its proxy was given."""
        asked = annotations.get(CONFIG_PREFIX + "default-inbound-policy")
        if asked is not None:
            if asked in ACCESS_POLICIES:
                cause = Cause("linkerd.default-of-pod", (("policy", asked),))
                return asked, Reasons((cause,), (), endpoint.evidence)
            return None, Reasons((Cause("indeterminate.linkerd.default-unreadable"),), (), endpoint.evidence)
        default, source = self._config.default_policy, self._config.policy_source
        if default is not None and source is not None:
            code, reasons = "linkerd.default-of-cluster", Reasons((), (source,), (source.evidence_id,))
        else:
            default = _proxy_variable(endpoint, _DEFAULT_POLICY)
            code, reasons = "linkerd.default-of-proxy", Reasons((), (), endpoint.evidence)
        if default is None:
            return None, Reasons((Cause("indeterminate.linkerd.default-unknown"),))
        if default not in ACCESS_POLICIES:
            return None, reasons + Reasons((Cause("indeterminate.linkerd.default-unreadable"),))
        return default, reasons + Reasons((Cause(code, (("policy", default),)),))


def _parse(obj: KubeObject) -> Server | None:
    """None for a Server that selects external workloads."""
    spec = obj.spec
    if spec.get("externalWorkloadSelector") is not None and spec.get("podSelector") is None:
        return None
    port = spec.get("port")
    usable = port if isinstance(port, int | str) and not isinstance(port, bool) else None
    try:
        return Server(obj, parse_selector(spec.get("podSelector")), usable)
    except SelectorError:
        return Server(obj, None, usable)


def _pairs(selector: Selector | None) -> dict[str, str]:
    """The labels that a selector asks for by one value each."""
    requirements = selector.requirements if selector else ()
    return {r.key: next(iter(r.values)) for r in requirements if r.operator == "In" and len(r.values) == 1}


def _has_port(server: Server, endpoint: Endpoint, port: int) -> bool:
    if isinstance(server.port, str):
        return any(p.name == server.port and p.port == port and p.protocol == "TCP" for p in endpoint.ports)
    return server.port is None or server.port == port


def _outcome(grants: Sequence[Grant]) -> Client | None:
    clients = {grant.client for grant in grants}
    return next((client for client in _WORST_FIRST if client in clients), None)


def _rule(obj: KubeObject, path: str) -> RuleRef:
    return RuleRef(str(obj.id), path, obj.evidence_id)


def _with(record: EncryptionRecord, mode: str | None, cause: Cause, endpoint: Endpoint) -> MeshVerdict:
    return MeshVerdict(record, mode, Reasons((cause,), (), endpoint.evidence))


def _probe_causes(endpoint: Endpoint, port: int) -> Iterator[Cause]:
    """HTTP probes of the port: kubelet's requests to their paths are let in without an identity."""
    for container in endpoint.containers:
        if text_at(container, "name") == PROXY_CONTAINER:
            continue
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            get = mapping_at(container, probe, "httpGet")
            if get and _probe_port(container, get) == port:
                path = (text_at(get, "path") or "/")[:200]
                yield Cause("linkerd.probe-without-identity", (("path", path), ("port", str(port))))


def _probe_port(container: JsonObject, get: JsonObject) -> object:
    asked = get.get("port")
    if not isinstance(asked, str):
        return asked
    named = (p.get("containerPort") for p in mappings_at(container, "ports") if p.get("name") == asked)
    return next(named, None)


def _proxy_variable(endpoint: Endpoint, name: str) -> str | None:
    for container in mappings_at(endpoint.spec, "containers") + mappings_at(endpoint.spec, "initContainers"):
        if text_at(container, "name") == PROXY_CONTAINER:
            found = (text_at(e, "value") for e in mappings_at(container, "env") if e.get("name") == name)
            return next(found, None)
    return None


def init_argument(endpoint: Endpoint, flag: str) -> str | None:
    """The value that linkerd-init was given for a flag; None where there is no such container, or the flag isn't kept."""
    for container in mappings_at(endpoint.spec, "initContainers"):
        if text_at(container, "name") == "linkerd-init":
            return arguments_of(container).get(flag)
    return None
