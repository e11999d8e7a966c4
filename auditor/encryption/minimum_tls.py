"""The oldest TLS version that a mesh's mutual TLS takes, as far as it is known.

Istio's sidecars take no less than TLS 1.2, and 1.3 where `meshMTLS.minProtocolVersion` says so (pilot/pkg/security/authn);
ztunnel takes 1.3 alone unless it runs with `TLS12_ENABLED=true`; Linkerd's proxy offers 1.3 alone in its default build,
on rustls (linkerd2-proxy, linkerd/meshtls/rustls/src/creds.rs).
"""

from collections.abc import Iterable

from auditor.encryption.istio.mesh_config import MeshConfig
from auditor.encryption.verdicts import DataPlane
from auditor.inventory.endpoints import Endpoint
from auditor.model.objects import mappings_at
from auditor.model.verdict import Protection

LINKERD = "1.3"
_MESH = {None: "1.2", "": "1.2", "TLS_AUTO": "1.2", "TLSV1_2": "1.2", "TLSV1_3": "1.3"}
_WITH_TLS = (
    Protection.OPPORTUNISTIC,
    Protection.PLAINTEXT_REJECTED_BY_AUTHZ,
    Protection.TLS_SERVER_ONLY,
    Protection.ENFORCED_MTLS,
)


def ztunnel_minimum(endpoints: Iterable[Endpoint]) -> str:
    """ztunnel's oldest version: 1.3, or 1.2 where some ztunnel enables it or none is there to look at."""
    found = [endpoint for endpoint in endpoints if endpoint.labels.get("app") == "ztunnel"]
    enabled = any(
        entry.get("name") == "TLS12_ENABLED" and str(entry.get("value", "")).lower() != "false"
        for endpoint in found
        for container in endpoint.containers
        for entry in mappings_at(container, "env")
    )
    return "1.2" if enabled or not found else "1.3"


def minimum_tls(plane: DataPlane, label: Protection, config: MeshConfig, ztunnel: str) -> str | None:
    """The oldest version of the mesh's TLS on a port; None where the mesh has none, or it isn't known."""
    if label not in _WITH_TLS:
        return None
    if plane is DataPlane.ISTIO_SIDECAR:
        return _MESH.get(config.minimum_tls) if config.root_namespace is not None else None
    return {DataPlane.ISTIO_AMBIENT: ztunnel, DataPlane.LINKERD: LINKERD}.get(plane)
