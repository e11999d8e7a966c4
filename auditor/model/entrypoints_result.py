"""What `auditor entrypoints` writes (contracts, encryption and entry points)."""

from typing import Literal

from auditor.model.encryption_result import ReasonRow, Verdict
from auditor.model.result import Record


class TlsRow(Record):
    """TLS at a listener. `minimum_version` is None where nothing that was read says it; `certificate` names its place.

    `policy` is what is set of cipher suites: a list, or the name of a policy.
    """

    mode: Literal["terminate", "passthrough", "indeterminate"]
    minimum_version: str | None
    certificate: str | None
    policy: str | None = None


class EntryPointRow(Record):
    """One way in: what an object serves for a host on a listener. `host` is `*` where any host will do.

    `port` is the one outside, None where it isn't known. `tls` is None where none is served. `verdict` is about the hop
    from the client to the listener, `backend` about the one behind it. `hsts`: whether the listener's own configuration adds
    Strict-Transport-Security; an application may still send it by itself.
    """

    object: str
    controller: str | None
    host: str
    port: int | None
    plaintext: Literal["open", "redirected", "closed", "indeterminate"]
    tls: TlsRow | None
    client_authentication: Literal["required", "optional", "none", "indeterminate"]
    backend: Literal["plaintext", "encrypted", "verified", "passthrough", "mesh", "indeterminate"]
    hsts: Literal["yes", "no", "unknown"] = "unknown"
    verdict: Verdict
    reasons: list[ReasonRow]


class EntryPointsResult(Record):
    """One row for each object, host and listener, sorted."""

    format_version: Literal[1] = 1
    rows: list[EntryPointRow]
