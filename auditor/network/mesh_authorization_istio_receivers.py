"""What an AuthorizationPolicy can do at a receiver: sidecar or ztunnel, on captured ports (connectivity.md 32, 33)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.inventory.data_plane import observe_istio_ambient, observe_istio_sidecar
from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, Tri
from auditor.network.mesh_authorization_istio_rules import IstioMatch
from auditor.network.ports import HIGHEST, LOWEST, Range
from auditor.network.reasons import cause
from auditor.network.representation import Action

_OWN_PORTS, _STATUS_PORT = "15021,15090", "15020"
"""Health and metrics of the sidecar itself: never captured while all ports are (encryption.md 1a)."""
_OPAQUE = ("tcp", "tls", "https", "mongo", "mysql", "redis")


@dataclass(frozen=True, slots=True)
class Receiver:
    """What of a receiver changes how a policy works there."""

    ambient: bool
    doubtful: bool
    opaque: tuple[int, ...]
    """Ports that Services declare as something other than HTTP."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a match does on some TCP ports."""

    action: Action
    ports: tuple[Range, ...]
    condition: Cause | None = None
    unsure: Cause | None = None


def effects_at_sidecar(action: str, match: IstioMatch, receiver: Receiver, provider: str) -> Iterator[Effect]:
    """On ports that are not HTTP an ALLOW that asks for requests never matches, a DENY matches whatever they are (32)."""
    request = cause("conditional.l7", detail="attributes of the request")
    if action == "CUSTOM":
        yield Effect(Action.LIMIT, match.ports, cause("conditional.external-authorizer", provider=provider))
    elif not match.request:
        yield Effect(Action.DENY if action == "DENY" else Action.ALLOW, match.ports)
    elif action == "ALLOW":
        yield Effect(Action.ALLOW, _without(match.ports, receiver.opaque), request)
    else:
        yield Effect(Action.LIMIT, _without(match.ports, receiver.opaque), request)
        opaque = tuple((p, p) for p in receiver.opaque if any(low <= p <= high for low, high in match.ports))
        yield Effect(Action.DENY, opaque)


def effects_at_ztunnel(action: str, match: IstioMatch) -> Iterator[Effect]:
    """ztunnel drops ALLOW rules about requests and knows no CUSTOM; with such DENY rules releases differ (1d)."""
    if action == "DENY" and match.request:
        yield Effect(Action.DENY, match.ports, unsure=cause("indeterminate.ztunnel-request"))
    elif action != "CUSTOM" and not match.request:
        yield Effect(Action.DENY if action == "DENY" else Action.ALLOW, match.ports)


def _without(ranges: Iterable[Range], ports: Iterable[int]) -> tuple[Range, ...]:
    left = list(ranges)
    for port in ports:
        left = [
            part
            for low, high in left
            for part in ((low, min(high, port - 1)), (max(low, port + 1), high))
            if part[0] <= part[1]
        ]
    return tuple(left)


def is_ambient(endpoint: Endpoint) -> bool:
    """Behind ztunnel for certain; where nobody can tell, the policy is read as a sidecar reads it."""
    return (
        observe_istio_sidecar(endpoint).present is not Tri.YES
        and observe_istio_ambient(endpoint).present is Tri.YES
    )


def opaque_ports(declared: Iterable[tuple[int, str]]) -> tuple[int, ...]:
    """Ports that every Service before them declares as not HTTP, by application protocol or by the port's name."""
    by_port: dict[int, set[bool]] = {}
    for port, name in declared:
        by_port.setdefault(port, set()).add(name.lower().partition("-")[0] in _OPAQUE)
    return tuple(sorted(port for port, opaque in by_port.items() if opaque == {True}))


def bypassed_ports(endpoint: Endpoint) -> tuple[Range, ...]:
    """TCP ports of which the pod's annotations keep the proxy away (encryption.md 1a)."""
    notes = endpoint.annotations
    if is_ambient(endpoint):
        return ((LOWEST, HIGHEST),) if notes.get("ambient.istio.io/bypass-inbound-capture") == "true" else ()
    if notes.get("sidecar.istio.io/interceptionMode") == "NONE":
        return ((LOWEST, HIGHEST),)
    include = notes.get("traffic.sidecar.istio.io/includeInboundPorts", "*").strip()
    if include != "*":
        return _without(((LOWEST, HIGHEST),), _listed(include))
    status = notes.get("status.sidecar.istio.io/port", _STATUS_PORT)
    excluded = _listed(
        f"{_OWN_PORTS},{status},{notes.get('traffic.sidecar.istio.io/excludeInboundPorts', '')}"
    )
    return tuple((port, port) for port in sorted(excluded))


def _listed(text: str) -> set[int]:
    numbers = (part.strip() for part in text.split(",")[:1000])
    return {
        int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) < 6 and LOWEST <= int(n) <= HIGHEST
    }
