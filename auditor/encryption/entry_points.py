"""Ways into the cluster from outside: one row per (object, host, listener), and what is exposed at layer 4."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from auditor.encryption.entry import east_west
from auditor.encryption.entry.aws_alb import AwsAlb
from auditor.encryption.entry.azure_agic import judge_agic
from auditor.encryption.entry.contour import http_proxies, judge_contour
from auditor.encryption.entry.entry_point import (
    BackendHop,
    ClientAuthentication,
    EntryPoint,
    EntryTls,
    Exposure,
    Plaintext,
    Target,
    TlsMode,
    Way,
)
from auditor.encryption.entry.gateway_api import GatewayApi
from auditor.encryption.entry.gce import judge_gce
from auditor.encryption.entry.haproxy import HaproxyIngress, judge_haproxytech
from auditor.encryption.entry.ingress import Judge, entry_rows, unknown_controller, view_ingress
from auditor.encryption.entry.ingress_class import resolve_class
from auditor.encryption.entry.istio_gateway import IstioGateways
from auditor.encryption.entry.kong import judge_kong
from auditor.encryption.entry.layer4 import endpoint_exposures, service_exposures, service_rows
from auditor.encryption.entry.nginx import Nginx, with_aliases
from auditor.encryption.entry.openshift_route import routes
from auditor.encryption.entry.sources import Sources
from auditor.encryption.entry.support import notices_of
from auditor.encryption.entry.traefik import Traefik
from auditor.encryption.entry.traefik_routes import TraefikRoutes
from auditor.encryption.entry_reasons import CNI_REASONS, cause
from auditor.encryption.verdicts import PortProtection
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.kinds import INGRESS, INGRESS_CLASS, KNOWN_KINDS, SERVICE, KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import Protection, Tri

__all__ = [
    "READS",
    "BackendHop",
    "ClientAuthentication",
    "EntryPoint",
    "EntryTls",
    "Exposure",
    "Plaintext",
    "Target",
    "TlsMode",
    "Way",
    "entry_points",
    "exposures",
    "with_backend_protection",
]

_GATEWAY_API = "gateway.networking.k8s.io"
READS: tuple[KindKey, ...] = (
    INGRESS,
    INGRESS_CLASS,
    SERVICE,
    *(KindKey("traefik.io", k) for k in ("IngressRoute", "IngressRouteTCP", "Middleware", "TLSOption")),
    KindKey("traefik.io", "ServersTransport"),
    KindKey("projectcontour.io", "HTTPProxy"),
    KindKey("route.openshift.io", "Route"),
    KindKey("operator.openshift.io", "IngressController"),
    KindKey("networking.gke.io", "FrontendConfig"),
    KindKey("elbv2.k8s.aws", "IngressClassParams"),
    *(KindKey("networking.istio.io", k) for k in ("Gateway", "VirtualService", "EnvoyFilter")),
    *(KindKey(_GATEWAY_API, k) for k in ("Gateway", "GatewayClass", "ListenerSet", "BackendTLSPolicy")),
    KindKey(_GATEWAY_API, "ReferenceGrant"),
    *(KindKey(_GATEWAY_API, k) for k in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")),
)
"""The kinds that the rows are made of or decided by, beside ConfigMaps by name and the controllers' pods."""

Protect = Callable[[Endpoint, int, str], PortProtection]
"""`Encryption.port`: what protects a container port."""


def entry_points(cluster: Cluster, services: Services) -> tuple[EntryPoint, ...]:
    """Every way in, sorted by object, host, port and listener. Broken objects give rows too, never an error."""
    sources = Sources(cluster, services)
    traefik = Traefik(sources)
    rows = [
        *_ingress_rows(sources, traefik),
        *TraefikRoutes(sources, traefik).rows(),
        *http_proxies(sources),
        *routes(sources),
        *GatewayApi(sources).rows(),
        *IstioGateways(sources).rows(),
        *service_rows(sources),
    ]
    unknown = _of_unknown_versions(cluster)
    found = (_as_known(_with_support(sources, row), unknown) for row in rows)
    return tuple(sorted(found, key=lambda row: (row.object, row.host, row.port or 0, row.listener)))


def _of_unknown_versions(cluster: Cluster) -> dict[str, KubeObject]:
    """Objects of API versions that no engine here was written for, by evidence id."""
    return {
        obj.evidence_id: obj
        for key in READS
        for obj in cluster.all(key)
        if obj.version not in KNOWN_KINDS[key].versions
    }


def _as_known(row: EntryPoint, unknown: dict[str, KubeObject]) -> EntryPoint:
    """The row, or nothing but its place where it rests on an object whose version isn't known."""
    strange = next((unknown[item] for item in row.evidence if item in unknown), None) if unknown else None
    if strange is None:
        return row
    why = cause("indeterminate.entry.api-version", object=strange.id, version=strange.version[:80])
    return replace(
        row,
        plaintext=Plaintext.INDETERMINATE,
        tls=EntryTls(TlsMode.INDETERMINATE),
        client_authentication=ClientAuthentication.INDETERMINATE,
        backend=BackendHop.INDETERMINATE,
        hsts=Tri.UNKNOWN,
        causes=(why,),
    )


def _with_support(sources: Sources, row: EntryPoint) -> EntryPoint:
    """The row with the controller's releases and what is known of the end of its support."""
    if row.controller is None or row.kind == SERVICE.kind:
        return row
    programs = sources.programs.get(row.controller, ())
    versions = tuple(sorted({p.version for p in programs if p.version}))
    return replace(row, versions=versions, notices=(*row.notices, *notices_of(row.controller, versions)))


def exposures(cluster: Cluster, services: Services, endpoints: Sequence[Endpoint]) -> tuple[Exposure, ...]:
    """Every port open to the outside at layer 4: load balancers, node ports, externalIPs, hostPort, hostNetwork."""
    sources = Sources(cluster, services)
    rows = [*service_exposures(sources), *endpoint_exposures(endpoints)]
    return tuple(sorted(rows, key=lambda row: (row.object, row.port, row.protocol, row.way)))


def with_backend_protection(rows: Sequence[EntryPoint], protect: Protect) -> tuple[EntryPoint, ...]:
    """The rows, with plaintext of those that hand the connection on as the pods behind them decide.

    What nodes encrypt among themselves does not reach a client outside, so only the pods' own protection counts. Rows
    that lead to an ingress controller stay as they are: its listeners have rows of their own.
    """
    return tuple(_resolved(row, protect) for row in rows)


def _resolved(row: EntryPoint, protect: Protect) -> EntryPoint:
    if row.between_networks:
        return east_west.resolved(row, protect)
    if row.backend is not BackendHop.PASSTHROUGH or row.controller is not None or row.tls is not None:
        return row
    found = [protect(b.endpoint, b.target_port, b.protocol) for b in row.destinations]
    if not found:
        return row
    label = next((w for w in _WORST_FIRST if any(p.mesh_label is w for p in found)), Protection.INDETERMINATE)
    accepted = {protection.mesh_record.plaintext_accepted for protection in found}
    closed = Plaintext.CLOSED if accepted == {Tri.NO} else Plaintext.INDETERMINATE
    return replace(
        row,
        plaintext=Plaintext.OPEN if Tri.YES in accepted else closed,
        client_authentication=_CLIENT.get(label, ClientAuthentication.INDETERMINATE),
        causes=tuple(dict.fromkeys(c for p in found for c in p.causes if c.code not in CNI_REASONS)),
        evidence=tuple(dict.fromkeys((*row.evidence, *(e for p in found for e in p.evidence)))),
        handed_on=label,
    )


_WORST_FIRST = (
    Protection.PLAINTEXT,
    Protection.NODE_ENCRYPTED_UNAUTHENTICATED,
    Protection.OPPORTUNISTIC,
    Protection.INDETERMINATE,
    Protection.PLAINTEXT_REJECTED_BY_AUTHZ,
    Protection.TLS_SERVER_ONLY,
    Protection.ENFORCED_MTLS,
    Protection.DENIED,
)
_CLIENT = {
    Protection.PLAINTEXT: ClientAuthentication.NONE,
    Protection.OPPORTUNISTIC: ClientAuthentication.OPTIONAL,
    Protection.TLS_SERVER_ONLY: ClientAuthentication.NONE,
    Protection.ENFORCED_MTLS: ClientAuthentication.REQUIRED,
    Protection.PLAINTEXT_REJECTED_BY_AUTHZ: ClientAuthentication.REQUIRED,
}


def _ingress_rows(sources: Sources, traefik: Traefik) -> Iterator[EntryPoint]:
    views = [view_ingress(obj, resolve_class(sources, obj)) for obj in sources.cluster.all(INGRESS)]
    views = [with_aliases(v) if v.ingress_class.controller == "ingress-nginx" else v for v in views]
    nginx = Nginx([view for view in views if view.ingress_class.controller == "ingress-nginx"])
    community = HaproxyIngress([v for v in views if v.ingress_class.controller == "haproxy-ingress"])
    alb = AwsAlb(sources, [view for view in views if view.ingress_class.controller == "aws-alb"])
    judges: dict[str | None, Judge] = {
        "ingress-nginx": nginx.judge,
        "traefik": traefik.judge,
        "haproxytech": judge_haproxytech,
        "haproxy-ingress": community.judge,
        "contour": judge_contour,
        "kong": judge_kong,
        "aws-alb": alb.judge,
        "gce": judge_gce,
        "azure-agic": judge_agic,
    }
    for view in views:
        yield from entry_rows(sources, view, judges.get(view.ingress_class.controller, unknown_controller))
