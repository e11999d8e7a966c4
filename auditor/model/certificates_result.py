"""What `auditor certificates` writes: the inventory, the hosts it serves, and live handshakes that were asked for."""

from typing import Annotated, Literal

from pydantic import Field

from auditor.model.encryption_result import ReasonRow, YesNo
from auditor.model.record import Record


class CertificateRow(Record):
    """One certificate, as far as the evidence describes it; Secrets are never read.

    `place` is the field of the object that it stands in, `secret` where it is kept. `observed`: the certificate itself was
    read, not only the request for it. Times are UTC in RFC 3339. `names` are the first 100 of `name_count`.
    """

    object: str
    namespace: str
    use: Literal["server", "issuer", "trust-anchor", "backend-ca"]
    place: str
    secret: str | None
    observed: bool
    subject: str | None
    issuer: str | None
    names: list[str]
    name_count: int
    key: str | None
    signature: str | None
    not_before: str | None
    not_after: str | None
    renewal: str | None
    problems: list[ReasonRow]
    evidence: list[str]


class HostRow(Record):
    """Whether the certificate of an entry point that ends TLS covers its host. `certificate` is the object's id."""

    object: str
    host: str
    port: int | None
    named: str | None
    certificate: str | None
    covered: YesNo
    reasons: list[ReasonRow]
    evidence: list[str]


class ProbeRow(Record):
    """A handshake with a host that the operator named: what it served, or why there is no answer (`error`).

    `trusted`: whether the chain and the host's name verify against this machine's trust store. `client_certificate`: yes
    where the host refused the connection for want of one, unknown where it kept silent.
    """

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    error: str | None
    trusted: YesNo
    client_certificate: YesNo = "unknown"
    protocol: str | None
    cipher: str | None
    sha256: str | None
    subject: str | None
    issuer: str | None
    names: list[str]
    name_count: int
    key: str | None
    signature: str | None
    not_before: str | None
    not_after: str | None
    problems: list[ReasonRow]


class CertificatesResult(Record):
    """The inventory at a time; rows sorted by object and place, hosts by object and host, probes as they were asked for."""

    format_version: Literal[1] = 1
    evaluated_at: str
    rows: list[CertificateRow]
    hosts: list[HostRow]
    probes: list[ProbeRow]
