"""The values of the ways in: what a listener serves to whom, and what happens behind it."""

from dataclasses import dataclass
from enum import StrEnum

from auditor.encryption import record as records
from auditor.inventory.endpoints import Endpoint
from auditor.inventory.services import Backend
from auditor.model.verdict import Cause, EncryptionRecord, Protection, Tri


class Plaintext(StrEnum):
    """What plain HTTP or TCP gets."""

    OPEN = "open"
    REDIRECTED = "redirected"
    CLOSED = "closed"
    INDETERMINATE = "indeterminate"


class ClientAuthentication(StrEnum):
    """Whether the client needs a certificate that is verified. Optional is not enforced."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"
    INDETERMINATE = "indeterminate"


class TlsMode(StrEnum):
    """Who ends TLS: the listener, or the backend."""

    TERMINATE = "terminate"
    PASSTHROUGH = "passthrough"
    INDETERMINATE = "indeterminate"


class BackendHop(StrEnum):
    """The hop from the listener to the pods behind it, as the listener's configuration says.

    `encrypted` is TLS whose server is not verified; `mesh` is left to the mesh the listener itself is in.
    """

    PLAINTEXT = "plaintext"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"
    PASSTHROUGH = "passthrough"
    MESH = "mesh"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class EntryTls:
    """TLS at a listener. `minimum_version` is `1.0` to `1.3`, None where nothing that was read says it.

    `certificate` names where the certificate comes from, never its content; `policy` a cipher policy by name.
    """

    mode: TlsMode
    minimum_version: str | None = None
    certificate: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EntryPoint:
    """One way in: (object, host, listener).

    `object` is the id of the Ingress, Route, Gateway, Service, ...; `host` is `*` where any host will do. `listener` is
    `""` where a controller's own ports serve every object; `port` is the one outside, None where it isn't known.
    `plaintext` speaks of the same host on the controller's plain port, or of this listener where there is one.
    `assumptions`: documented defaults that a configuration which is not in the evidence could change, so that plaintext
    other than open and client authentication are not proved. `notices` are facts worth telling that decide nothing
    (a retired controller). `destinations` are the pods behind it.
    """

    object: str
    namespace: str
    kind: str
    controller: str | None
    host: str
    listener: str
    port: int | None
    protocol: str
    plaintext: Plaintext
    tls: EntryTls | None
    client_authentication: ClientAuthentication
    backend: BackendHop
    hsts: Tri = Tri.UNKNOWN
    causes: tuple[Cause, ...] = ()
    assumptions: tuple[Cause, ...] = ()
    notices: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()
    destinations: tuple[Backend, ...] = ()
    versions: tuple[str, ...] = ()
    """The releases of the controller that run, as far as the images' tags tell."""
    between_networks: bool = False
    """It hands mesh mTLS on to whatever workload of the mesh is named (AUTO_PASSTHROUGH)."""
    handed_on: Protection | None = None
    """What the pods behind a connection that is handed on serve; decides the verdict where it is known."""

    @property
    def subject(self) -> str:
        """The id as a subject: `namespace/Kind/name host`, with `:port` where a listener of its own serves it."""
        place = f":{self.port}" if self.listener and self.port is not None else ""
        return f"{self.object} {self.host}{place}"

    @property
    def record(self) -> EncryptionRecord:
        """What protects the hop from the client to the listener."""
        return _record(self.plaintext, self.tls, self.client_authentication)

    @property
    def verdict(self) -> Protection:
        """The label of that hop, saying no more than is proved: client authentication that isn't known counts as none.

        DENIED: nothing but a redirect, or nothing at all, is served.
        """
        return self.handed_on or records.label(self.record)


class Way(StrEnum):
    """How pods are exposed at layer 4."""

    LOAD_BALANCER = "load-balancer"
    NODE_PORT = "node-port"
    EXTERNAL_IP = "external-ip"
    HOST_PORT = "host-port"
    HOST_NETWORK = "host-network"


@dataclass(frozen=True, slots=True)
class Target:
    """A container port that is exposed."""

    endpoint: Endpoint
    port: int


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """One port that is open to the outside of the cluster at layer 4.

    `object` is the Service's id or the endpoint's. `internal`: whether the load balancer is kept inside the provider's
    network. `source_ranges` are the CIDRs let in, empty when nothing restricts them. `addresses` are those it is known to
    answer on. `controller` names the ingress controller or gateway behind it, whose listeners decide what is served.
    """

    object: str
    namespace: str
    way: Way
    port: int
    protocol: str
    internal: Tri
    source_ranges: tuple[str, ...]
    addresses: tuple[str, ...]
    controller: str | None
    targets: tuple[Target, ...]
    causes: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The id as a subject: `namespace/Kind/name:port/PROTOCOL way`."""
        return f"{self.object}:{self.port}/{self.protocol} {self.way}"


_UNKNOWN_TLS = (TlsMode.INDETERMINATE, TlsMode.PASSTHROUGH)


def _record(plaintext: Plaintext, tls: EntryTls | None, client: ClientAuthentication) -> EncryptionRecord:
    if plaintext is Plaintext.OPEN:
        return records.OPPORTUNISTIC if tls else records.PLAINTEXT
    if plaintext is Plaintext.INDETERMINATE:
        return records.INDETERMINATE
    if tls is None:
        return records.DENIED
    if tls.mode in _UNKNOWN_TLS:
        return EncryptionRecord(Tri.NO, Tri.UNKNOWN, Tri.UNKNOWN, Tri.UNKNOWN, Tri.UNKNOWN)
    return records.MUTUAL if client is ClientAuthentication.REQUIRED else records.SERVER_ONLY
