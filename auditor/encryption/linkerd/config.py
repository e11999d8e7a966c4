"""Linkerd's cluster-wide settings: ConfigMap `linkerd-config`, key `values`; and what the running parts say."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.port_lists import PortList, parse_ports
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.model.kinds import CONFIG_MAP
from auditor.model.objects import JsonObject, KubeObject, list_at, mapping_at, text_at
from auditor.model.verdict import RuleRef

NAMESPACE = "linkerd"
EGRESS_NAMESPACE = "linkerd-egress"
CONTROL_PLANE = "linkerd.io/control-plane-ns"
COMPONENT = "linkerd.io/control-plane-component"
_DEFAULT_POLICY_FLAG = "--default-policy="
_DEFAULT_SKIPPED = "4567,4568"


@dataclass(frozen=True, slots=True)
class LinkerdConfig:
    """Cluster-wide settings; `egress_namespace` holds EgressNetworks for everybody.

    `default_policy` None: nothing in the evidence tells it, or several candidates differ.
    """

    namespace: str
    default_policy: str | None
    policy_source: RuleRef | None
    skip_inbound: PortList
    skip_outbound: PortList
    proxy_ports: frozenset[int]
    egress_namespace: str
    source: RuleRef | None


def read_linkerd_config(cluster: Cluster, endpoints: Sequence[Endpoint]) -> LinkerdConfig:
    """The settings of the control plane: what its policy controller was started with beats the ConfigMap."""
    found = [obj for obj in cluster.all(CONFIG_MAP) if obj.name == "linkerd-config"]
    chosen = next((obj for obj in found if obj.namespace == NAMESPACE), found[0] if found else None)
    values = read_mapping(mapping_at(chosen.body, "data").get("values")) if chosen else {}
    proxy = mapping_at(values or {}, "proxy")
    ports = mapping_at(proxy, "ports")
    source = RuleRef(str(chosen.id), "data.values", chosen.evidence_id) if chosen else None
    policy, policy_source = _default_policy(chosen, values, source, endpoints)
    init = mapping_at(values or {}, "proxyInit")
    control = {_port(ports, "admin", 4191), _port(ports, "control", 4190)}
    own = PortList(tuple((port, port) for port in sorted(control)))
    return LinkerdConfig(
        namespace=chosen.namespace if chosen else _control_plane_namespace(endpoints),
        default_policy=policy,
        policy_source=policy_source,
        skip_inbound=own | parse_ports(_ports(init, "ignoreInboundPorts")),
        skip_outbound=parse_ports(_ports(init, "ignoreOutboundPorts")),
        proxy_ports=frozenset(control | {_port(ports, "inbound", 4143), _port(ports, "outbound", 4140)}),
        egress_namespace=text_at(values or {}, "egress", "globalEgressNetworkNamespace") or EGRESS_NAMESPACE,
        source=source,
    )


def _default_policy(
    config: KubeObject | None,
    values: JsonObject | None,
    source: RuleRef | None,
    endpoints: Sequence[Endpoint],
) -> tuple[str | None, RuleRef | None]:
    started = {
        (argument.removeprefix(_DEFAULT_POLICY_FLAG), _rule_of(endpoint))
        for endpoint in endpoints
        if endpoint.labels.get(COMPONENT) == "destination"
        for container in endpoint.containers
        for argument in list_at(container, "args")
        if isinstance(argument, str) and argument.startswith(_DEFAULT_POLICY_FLAG)
    }
    if started:
        rules = dict(sorted(started, key=str))
        return next(iter(rules.items())) if len(rules) == 1 else (None, None)
    if config is None or values is None:
        return None, None
    return text_at(values, "proxy", "defaultInboundPolicy") or "all-unauthenticated", source


def _rule_of(endpoint: Endpoint) -> RuleRef | None:
    first = next(iter(endpoint.objects), None)
    return RuleRef(str(first.id), "spec.containers[policy].args", first.evidence_id) if first else None


def _control_plane_namespace(endpoints: Sequence[Endpoint]) -> str:
    named = (e.labels.get(CONTROL_PLANE) for e in endpoints if e.labels.get(COMPONENT))
    return next((namespace for namespace in named if namespace), NAMESPACE)


def _port(ports: JsonObject, name: str, default: int) -> int:
    value = ports.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _ports(init: JsonObject, name: str) -> str:
    value = init.get(name, _DEFAULT_SKIPPED)
    return str(value) if isinstance(value, str | int) else _DEFAULT_SKIPPED
