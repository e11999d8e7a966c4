"""What `auditor preflight` writes."""

from typing import Literal

from auditor.model.result import Record


class PermissionRow(Record):
    """One action that collection takes. `namespace` empty means all, `name` empty all objects.

    `allowed` is unknown when the API server doesn't answer reviews. `controls` are blinded without it.
    """

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    allowed: Literal["yes", "no", "unknown"]
    cause: str
    controls: list[str]


class ExcessRow(Record):
    """Something that the credentials may do and an audit doesn't need. `names` empty means all objects."""

    verb: str
    group: str
    resource: str
    namespace: str
    names: list[str]
    finding: Literal["reads-secrets", "writes", "reaches-into-pods"]


class PreflightResult(Record):
    """What is allowed, what is missing and the manifests that grant it, and what is allowed beyond need.

    `excess_known` says whether `excess` is all there is: partial when the API server doesn't list every rule.
    """

    format_version: Literal[1] = 1
    cluster: str | None
    user: str | None
    namespaces: list[str] | None
    permissions: list[PermissionRow]
    not_served: list[str]
    excess: list[ExcessRow]
    excess_known: Literal["complete", "partial", "unknown"]
    excess_cause: str
    fix: str
