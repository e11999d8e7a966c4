"""What a Linkerd client puts on the wire: mTLS to pods of its own control plane, on ports that no proxy skips."""

from collections.abc import Iterator

from auditor.encryption.linkerd.config import CONTROL_PLANE, LinkerdConfig
from auditor.encryption.linkerd.data_plane import CONFIG_PREFIX, LinkerdDataPlane
from auditor.encryption.linkerd.inbound import LinkerdInbound, init_argument
from auditor.encryption.meshes import Meshes
from auditor.encryption.port_lists import PortList, parse_ports
from auditor.encryption.verdicts import Basis, Reasons, Wire
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Services
from auditor.model.verdict import Cause, Tri

_BY_DEFAULT = ((4567, 4567), (4568, 4568))


class LinkerdOutbound:
    """The client's side of Linkerd."""

    def __init__(
        self,
        services: Services,
        config: LinkerdConfig,
        data_plane: LinkerdDataPlane,
        inbound: LinkerdInbound,
        meshes: Meshes,
    ) -> None:
        self._services = services
        self._config = config
        self._data_plane = data_plane
        self._inbound = inbound
        self._meshes = meshes

    def wire(self, source: Endpoint, destination: Endpoint, port: int) -> tuple[Wire, Reasons]:
        """What a meshed source sends to a TCP port of the destination."""
        member = self._meshes.linkerd_member(destination)
        if member.present is Tri.UNKNOWN:
            return _because(Wire.INDETERMINATE, "indeterminate.client.destination", destination)
        if member.present is Tri.NO:
            return _because(Wire.PLAINTEXT, "client.destination-not-in-mesh", destination)
        if member.basis is Basis.OBSERVED and destination.labels.get(CONTROL_PLANE) != self._control_plane(
            source
        ):
            return _because(Wire.PLAINTEXT, "linkerd.client-other-control-plane", destination)
        inbound = self._inbound.skipped_inbound(
            destination, self._data_plane.annotations(destination, member.basis)
        )
        outbound = self._skipped_outbound(source)
        if port in inbound or any(called in outbound for called in self._called_ports(destination, port)):
            return _because(Wire.PLAINTEXT, "linkerd.client-port-skipped", destination)
        subnets = source.annotations.get(CONFIG_PREFIX + "skip-subnets")
        if subnets or inbound.unreadable or outbound.unreadable:
            return _because(Wire.INDETERMINATE, "indeterminate.linkerd.client-capture", source)
        return _because(Wire.MESH_MTLS, "linkerd.client-mtls", destination)

    def goes_past(self, source: Endpoint) -> bool:
        """Whether outbound traffic goes past the source's proxy, beyond the two ports that are skipped by default."""
        skipped = self._skipped_outbound(source)
        more = [ports for ports in skipped.ranges if ports not in _BY_DEFAULT]
        subnets = source.annotations.get(CONFIG_PREFIX + "skip-subnets")
        return bool(subnets or more or skipped.everything or skipped.unreadable)

    def _control_plane(self, source: Endpoint) -> str:
        return source.labels.get(CONTROL_PLANE) or self._config.namespace

    def _skipped_outbound(self, source: Endpoint) -> PortList:
        told = init_argument(source, "--outbound-ports-to-ignore")
        if told is not None:
            return parse_ports(told)
        basis = self._meshes.linkerd_member(source).basis
        asked = self._data_plane.annotations(source, basis).get(CONFIG_PREFIX + "skip-outbound-ports")
        return self._config.skip_outbound if asked is None else parse_ports(asked)

    def _called_ports(self, destination: Endpoint, port: int) -> Iterator[int]:
        """The ports that a client may connect to: the container's, and those of the Services before it."""
        yield port
        for backend in self._services.of_endpoint(destination):
            if backend.target_port == port and backend.protocol == "TCP":
                yield backend.service_port


def _because(wire: Wire, code: str, endpoint: Endpoint) -> tuple[Wire, Reasons]:
    return wire, Reasons((Cause(code, (("endpoint", endpoint.id),)),), (), endpoint.evidence)
