"""Gateways between the networks of one Istio mesh: what crosses them is mesh mTLS that began at the client.

AUTO_PASSTHROUGH hands TLS on by the mesh's own server names, only with Istio's ALPN and only to endpoints that clients
would send mTLS to (pilot/pkg/networking/core/gateway.go; pilot/pkg/xds/endpoints, EndpointsWithMTLSFilter). The gateway
can't look inside, so that the mode of each workload behind it decides. Ambient's gateways (class `istio-east-west`) end an
outer tunnel (HBONE) under mesh mTLS; the inner one goes on to the destination's ztunnel.
"""

from collections.abc import Callable
from dataclasses import replace

from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Plaintext,
    TlsMode,
)
from auditor.encryption.entry.gateway_routes import Listener
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry_reasons import CNI_REASONS, cause
from auditor.encryption.verdicts import DataPlane, PortProtection
from auditor.inventory.data_plane import is_istio_gateway
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend
from auditor.model.kinds import POD, SERVICE, KindKey
from auditor.model.objects import KubeObject, mapping_at, text_at
from auditor.model.verdict import Cause, Protection

CLASS = "istio-east-west"
HBONE = "HBONE"
NETWORK = "topology.istio.io/network"
_GATEWAY_PORT = "networking.istio.io/gatewayPort"
_LISTENER_OPTION = "gateway.istio.io/listener-protocol"
_MODE_OPTION = "gateway.istio.io/tls-terminate-mode"
_SUFFIX = ".svc.cluster.local"
_DECIDING = (SERVICE, POD, KindKey("security.istio.io", "PeerAuthentication"))
_SHUT = (Protection.ENFORCED_MTLS, Protection.DENIED)
_SHOWN = 5

Protect = Callable[[Endpoint, int, str], PortProtection]


def between_networks(sources: Sources, row: EntryPoint, gateway: KubeObject) -> EntryPoint:
    """The row of a server in AUTO_PASSTHROUGH, with every Service's endpoints that its host covers; left open where some
    may be missing from the evidence."""
    missing = [str(key) for key in _DECIDING if not sources.complete(key.group, key.kind)]
    if missing:
        why = cause("indeterminate.entry.istio.east-west-missing", kinds=", ".join(missing))
        return replace(row, causes=(*row.causes, why))
    found = (b for b in sources.every_backend if b.protocol == "TCP" and _covers(row.host, b))
    return replace(
        row, destinations=tuple(found), between_networks=True, notices=(*row.notices, *_network(gateway))
    )


def resolved(row: EntryPoint, protect: Protect) -> EntryPoint:
    """mTLS of both ends where every workload behind it that takes mesh mTLS refuses everything else; else open."""
    ports = dict.fromkeys((b.endpoint, b.target_port) for b in row.destinations)
    found = [protect(endpoint, port, "TCP") for endpoint, port in ports if not is_istio_gateway(endpoint)]
    meshed = [each for each in found if each.data_plane != DataPlane.NONE.value]
    loose = [each for each in meshed if each.mesh_label not in _SHUT]
    evidence = tuple(dict.fromkeys((*row.evidence, *(e for each in meshed for e in each.evidence))))
    if not meshed:
        return replace(row, causes=(*row.causes, cause("indeterminate.entry.istio.east-west-nothing")))
    if loose:
        names = ", ".join(each.subject for each in loose[:_SHOWN])
        why = cause("indeterminate.entry.istio.east-west-not-enforced", count=len(loose), ports=names)
        causes = dict.fromkeys(c for each in loose[:_SHOWN] for c in each.causes if c.code not in CNI_REASONS)
        return replace(row, causes=(*row.causes, why, *causes), evidence=evidence)
    return replace(
        row,
        client_authentication=ClientAuthentication.REQUIRED,
        causes=(*row.causes, cause("entry.istio.east-west-enforced", count=len(meshed))),
        evidence=evidence,
        handed_on=Protection.ENFORCED_MTLS,
    )


def is_auto_passthrough(listener: Listener) -> bool:
    """Whether Istio serves a TLS listener of the Gateway API in AUTO_PASSTHROUGH: it is told so by an option, or the
    Gateway has a network and this is its port for others (kube gateway conversion, IsAutoPassthrough)."""
    tls = mapping_at(listener.spec, "tls")
    if text_at(tls, "mode") != "Passthrough":
        return False
    if mapping_at(tls, "options").get(_LISTENER_OPTION) == "auto-passthrough":
        return True
    labels = listener.gateway.labels
    return NETWORK in labels and str(listener.port) == labels.get(_GATEWAY_PORT, "15443")


def tunnel_row(
    listener: Listener, controller: str | None, evidence: tuple[str, ...], minimum: str | None
) -> EntryPoint:
    """The row of an HBONE listener of the class `istio-east-west`."""
    tls = mapping_at(listener.spec, "tls")
    mutual = mapping_at(tls, "options").get(_MODE_OPTION) == "ISTIO_MUTUAL"
    ends = mutual and (text_at(tls, "mode") or "Terminate") == "Terminate"
    code = "entry.istio.east-west-tunnel" if ends else "indeterminate.entry.istio.east-west-tunnel"
    return EntryPoint(
        object=str(listener.parent.id),
        namespace=listener.parent.namespace,
        kind=listener.parent.id.kind,
        controller=controller or "istio",
        host=listener.hostname or "*",
        listener=listener.name,
        port=listener.port,
        protocol="TCP",
        plaintext=Plaintext.CLOSED if ends else Plaintext.INDETERMINATE,
        tls=EntryTls(TlsMode.TERMINATE, minimum, "the mesh's workload certificate")
        if ends
        else EntryTls(TlsMode.INDETERMINATE),
        client_authentication=ClientAuthentication.REQUIRED if ends else ClientAuthentication.INDETERMINATE,
        backend=BackendHop.MESH if ends else BackendHop.INDETERMINATE,
        causes=(cause(code),),
        notices=_network(listener.gateway),
        evidence=evidence,
    )


def _network(gateway: KubeObject) -> tuple[Cause, ...]:
    name = gateway.labels.get(NETWORK)
    return (cause("entry.istio.east-west-network", network=name[:80]),) if name else ()


def _covers(host: str, backend: Backend) -> bool:
    full = f"{backend.service.name}.{backend.service.namespace}{_SUFFIX}"
    return host in ("*", full) or (host.startswith("*.") and full.endswith(host[1:]))
