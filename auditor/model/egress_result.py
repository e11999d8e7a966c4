"""What `auditor egress` writes."""

from typing import Annotated, Literal

from pydantic import Field

from auditor.model.encryption_result import ReasonRow, RecordRow, Verdict
from auditor.model.result import Record

SentName = Literal[
    "plaintext",
    "indeterminate",
    "application",
    "application-tls",
    "tls-unverified",
    "tls",
    "mutual-tls",
    "mesh-mtls",
    "nothing",
]


class HopRow(Record):
    """One hop of a way out. `source` and `target` are ids of endpoints or gateways, `outside` beyond the cluster.

    `sent` is what is on the wire: `application` is what the application sends, as it is, `application-tls` the same where
    a rule declares or demands that it is TLS; `nothing` is refused. `verdict` is the label of `record`.
    """

    source: str
    target: str
    sent: SentName
    verdict: Verdict
    record: RecordRow


class EgressRow(Record):
    """A way out of the cluster, for the clients that fare alike on it.

    `object` registers the destination, or decides what becomes of those that nothing registers (null where nothing does);
    `host` is `*` for these. `port` null is any, `protocol` the declared one. `sources` are the first clients by id,
    `source_count` counts all. `sent`, `verdict` and `record` are of all hops together: the worst on the way.
    """

    object: str | None
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None
    protocol: str
    location: Literal["external", "internal", "remote-cluster", "any"]
    sources: list[str]
    source_count: int
    hops: list[HopRow]
    sent: SentName
    verdict: Verdict
    record: RecordRow
    reasons: list[ReasonRow]
    evidence: list[str]


class EgressResult(Record):
    """One row for each destination and each class of clients that fare alike, sorted by object, host and port."""

    format_version: Literal[1] = 1
    rows: list[EgressRow]
