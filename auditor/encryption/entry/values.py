"""What is said of a way in (contracts: encryption and entry points)."""

from dataclasses import dataclass
from enum import StrEnum

from auditor.inventory.services import Backend
from auditor.model.verdict import Cause, Protection, RuleRef, Tri


class Plaintext(StrEnum):
    """What a host answers over plain HTTP, or a port to a plaintext client."""

    OPEN = "open"
    REDIRECTED = "redirected"
    CLOSED = "closed"
    INDETERMINATE = "indeterminate"


class ClientAuthentication(StrEnum):
    """Whether a client certificate is asked for, and whether a connection without one is refused."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"
    INDETERMINATE = "indeterminate"


class BackendHop(StrEnum):
    """What protects the way from the controller to the pods."""

    PLAINTEXT = "plaintext"
    RE_ENCRYPTED = "re-encrypted"
    VERIFIED = "verified"
    PASSTHROUGH = "passthrough"
    MESH = "mesh"
    INDETERMINATE = "indeterminate"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EntryTls:
    """The TLS that is served: `mode` in the controller's own words, minimum version as `1.2` (None: not known).

    `certificate` says where it comes from (`Secret shop/web-tls`, `default`), never what is in it.
    """

    mode: str
    minimum_version: str | None = None
    certificate: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EntryPoint:
    """One (object, host, listener). `host` `*` is any; `listener` tells several listeners of one object apart."""

    object: str
    namespace: str
    kind: str
    controller: str | None
    host: str
    port: int | None
    listener: str
    plaintext: Plaintext
    tls: EntryTls | None
    client_authentication: ClientAuthentication
    backend: BackendHop
    verdict: Protection
    causes: tuple[Cause, ...]
    chain: tuple[RuleRef, ...]
    evidence: tuple[str, ...]
    destinations: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """A way in at layer 4. `kind`: LoadBalancer, NodePort, externalIPs or hostPort.

    `ports` are those that are open outside, as `443/TCP`; `source_ranges` empty means every address; `internal` whether
    the load balancer has no public address.
    """

    object: str
    namespace: str
    kind: str
    ports: tuple[str, ...]
    source_ranges: tuple[str, ...]
    internal: Tri
    destinations: tuple[Backend, ...]
    endpoint_ids: tuple[str, ...]
    causes: tuple[Cause, ...]
    evidence: tuple[str, ...]
