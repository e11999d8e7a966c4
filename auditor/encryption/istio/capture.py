"""Does the sidecar's inbound redirection take a port (istio-iptables; the injection template's annotations)?"""

from dataclasses import dataclass
from functools import lru_cache

from auditor.encryption.arguments import arguments_of
from auditor.encryption.embedded_yaml import read_mapping
from auditor.encryption.istio.injector_config import InjectorConfig
from auditor.encryption.istio.mesh_config import MeshConfig
from auditor.encryption.port_lists import parse_ports
from auditor.encryption.verdicts import Reasons
from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import mappings_at, text_at
from auditor.model.verdict import Cause, Tri

_TRAFFIC = "traffic.sidecar.istio.io/"
MODE = "sidecar.istio.io/interceptionMode"
STATUS_PORT = "status.sidecar.istio.io/port"
PROXY_CONFIG = "proxy.istio.io/config"
BYPASS_AMBIENT = "ambient.istio.io/bypass-inbound-capture"
ALWAYS_EXCLUDED = (15090, 15021)
_INTERNAL_PORTS = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
_INIT_CONTAINERS = ("istio-init", "istio-validation")


@dataclass(frozen=True, slots=True)
class Redirection:
    """The inbound redirection as it was set up: `observed` from the init container, else from annotations."""

    mode: str | None
    include: str
    exclude: str
    status_port: str
    observed: bool


def is_proxy_port(port: int, redirection: Redirection) -> bool:
    """Whether a port is one that Istio's proxy itself listens on (metrics, health, redirection)."""
    return port in _INTERNAL_PORTS or str(port) == redirection.status_port


def read_redirection(endpoint: Endpoint, mesh: MeshConfig, injector: InjectorConfig) -> Redirection:
    """The redirection of an endpoint's pods. What the init container was told beats what annotations ask for."""
    annotations = endpoint.annotations
    own = read_mapping(annotations[PROXY_CONFIG]) if PROXY_CONFIG in annotations else {}
    default_mode = mesh.interception_mode if own is not None else None
    mode = annotations.get(MODE) or text_at(own, "interceptionMode") or default_mode
    include = annotations.get(_TRAFFIC + "includeInboundPorts", injector.include_inbound)
    exclude = annotations.get(_TRAFFIC + "excludeInboundPorts", injector.exclude_inbound)
    status_port = annotations.get(STATUS_PORT, injector.status_port)
    arguments = _init_arguments(endpoint)
    if not arguments:
        return Redirection(mode, include, exclude, status_port, observed=False)
    return Redirection(
        mode=arguments.get("-m") or arguments.get("--istio-inbound-interception-mode") or mode,
        include=_first(arguments, "-b", "--istio-inbound-ports", default=include),
        exclude=_first(arguments, "-d", "--istio-local-exclude-ports", default=exclude),
        status_port=status_port,
        observed=True,
    )


@dataclass(frozen=True, slots=True)
class OutboundRedirection:
    """Which outbound TCP the sidecar doesn't see: ports, and address ranges other than the default (everything)."""

    mode: str | None
    exclude_ports: str
    include_ranges: str
    exclude_ranges: str


def read_outbound(endpoint: Endpoint, mesh: MeshConfig, injector: InjectorConfig) -> OutboundRedirection:
    """The outbound redirection: what the init container was told, else annotations, else the injector's values."""
    annotations, arguments = endpoint.annotations, _init_arguments(endpoint)
    exclude_ports = annotations.get(_TRAFFIC + "excludeOutboundPorts", injector.exclude_outbound)
    include = annotations.get(_TRAFFIC + "includeOutboundIPRanges", injector.include_ranges)
    exclude = annotations.get(_TRAFFIC + "excludeOutboundIPRanges", injector.exclude_ranges)
    return OutboundRedirection(
        mode=read_redirection(endpoint, mesh, injector).mode,
        exclude_ports=_first(arguments, "-o", "--istio-local-outbound-ports-exclude", default=exclude_ports),
        include_ranges=_first(arguments, "-i", "--istio-service-cidr", default=include),
        exclude_ranges=_first(arguments, "-x", "--istio-service-exclude-cidr", default=exclude),
    )


def captured(endpoint: Endpoint, redirection: Redirection, port: int) -> tuple[Tri, Reasons]:
    """Whether inbound TCP to the port goes through the sidecar."""
    named = (("port", str(port)),)
    if endpoint.host_network:
        return Tri.NO, Reasons((Cause("data-plane.host-network"),), (), endpoint.evidence)
    if redirection.mode == "NONE":
        return Tri.NO, Reasons((Cause("istio.interception-none"),), (), endpoint.evidence)
    if redirection.mode not in ("REDIRECT", "TPROXY"):
        return Tri.UNKNOWN, Reasons((Cause("indeterminate.istio.interception-mode"),), (), endpoint.evidence)
    if port in ALWAYS_EXCLUDED or str(port) == redirection.status_port:
        return Tri.NO, Reasons((Cause("istio.proxy-port", named),), (), endpoint.evidence)
    include, exclude = _ports(redirection.include), _ports(redirection.exclude)
    if include.unreadable or exclude.unreadable:
        return Tri.UNKNOWN, Reasons((Cause("indeterminate.istio.port-list"),), (), endpoint.evidence)
    if not include.everything:
        if port in include:
            return Tri.YES, Reasons()
        return Tri.NO, Reasons((Cause("istio.port-not-included", named),), (), endpoint.evidence)
    if port in exclude:
        return Tri.NO, Reasons((Cause("istio.port-excluded", named),), (), endpoint.evidence)
    return Tri.YES, Reasons()


_ports = lru_cache(maxsize=1024)(parse_ports)


def _first(arguments: dict[str, str], *names: str, default: str) -> str:
    return next((arguments[name] for name in names if name in arguments), default)


def _init_arguments(endpoint: Endpoint) -> dict[str, str]:
    """`flag: value` of the container that sets up iptables; empty where there is none or its arguments are not kept."""
    for container in mappings_at(endpoint.spec, "initContainers"):
        if text_at(container, "name") in _INIT_CONTAINERS:
            return arguments_of(container)
    return {}
