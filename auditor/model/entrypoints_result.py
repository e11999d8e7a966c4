"""What `auditor entrypoints` writes (contracts, encryption and entry points)."""

from typing import Literal

from auditor.model.encryption_result import ReasonRow, Verdict
from auditor.model.result import Record


class TlsRow(Record):
    """TLS at a listener. `minimum_version` is None where nothing that was read says it; `certificate` names its place."""

    mode: Literal["terminate", "passthrough", "indeterminate"]
    minimum_version: str | None
    certificate: str | None


class EntryPointRow(Record):
    """One way in: what an object serves for a host on a listener. `host` is `*` where any host will do.

    `port` is the one outside, None where it isn't known. `tls` is None where none is served. `verdict` is about the hop
    from the client to the listener, `backend` about the one behind it.
    """

    object: str
    controller: str | None
    host: str
    port: int | None
    plaintext: Literal["open", "redirected", "closed", "indeterminate"]
    tls: TlsRow | None
    client_authentication: Literal["required", "optional", "none", "indeterminate"]
    backend: Literal["plaintext", "encrypted", "verified", "passthrough", "mesh", "indeterminate"]
    verdict: Verdict
    reasons: list[ReasonRow]


class EntryPointsResult(Record):
    """One row for each object, host and listener, sorted."""

    format_version: Literal[1] = 1
    rows: list[EntryPointRow]
