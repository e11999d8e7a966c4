"""Every entry point into scope that ends TLS is known to accept no version below the minimum."""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.entries import HTTP_ENTRIES, ISTIO_GATEWAY, about, every_entry, evidence
from auditor.encryption.entry.tls_versions import is_at_least
from auditor.encryption.entry_points import EntryPoint, TlsMode
from auditor.model.finding import Exclusion, Read, Reason
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri


class Parameters(BaseModel):
    """The oldest TLS version that may be accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_version: Literal["1.2", "1.3"] = "1.2"


REASONS = (
    Reason("current", Outcome.PASS, "{subject} accepts TLS {minimum_version} and later only."),
    Reason(
        "old-version",
        Outcome.FAIL,
        "{subject} accepts TLS {minimum_version}, which is older than {wanted}.",
        remedy="Raise the minimum where the controller keeps it: ssl-protocols, a TLSOption, minProtocolVersion, a security "
        "profile, or the load balancer's security policy.",
    ),
    Reason(
        "indeterminate.backend-ends-tls",
        Outcome.NOT_EVALUATED,
        "{subject} passes TLS on; the versions that the pods behind it accept are not in the evidence.",
        final=True,
    ),
    Reason(
        "indeterminate.version",
        Outcome.NOT_EVALUATED,
        "Which TLS versions {subject} accepts can't be told: {causes}.",
        final=True,
    ),
)


@check(
    "entry-tls-versions-current",
    reads=(*HTTP_ENTRIES, Read(ISTIO_GATEWAY, subjects=True)),
    reasons=REASONS,
    parameters=Parameters,
)
def entry_tls_versions_current(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when the configuration says, or a documented default means, that no TLS version below the minimum is accepted.

    Judges hosts of Ingresses and routes, Gateway listeners and load balancers that end TLS and lead into scope. Fails when
    an older version is known to be accepted, AWS' and Google's default policies among them. Not evaluated where nothing in
    the evidence says it, such as policies that live outside the cluster. Does not open a connection, and does not judge
    cipher suites, which it only tells.
    """
    for entry in every_entry(context):
        if not isinstance(entry, tuple):
            yield entry
            continue
        subject, row = entry
        if row.tls is None:
            yield Exclusion(subject.id, "ends-no-tls")
            continue
        told = {**about(row), "wanted": parameters.minimum_version, "policy": row.tls.policy or "not stated"}
        yield Judgement(_code(row, parameters.minimum_version), subject, told, evidence(row))


def _code(row: EntryPoint, wanted: str) -> str:
    if row.tls is not None and row.tls.mode is TlsMode.PASSTHROUGH:
        return "indeterminate.backend-ends-tls"
    enough = is_at_least(row.tls.minimum_version if row.tls else None, wanted)
    if enough is Tri.NO:
        return "old-version"
    return "current" if enough is Tri.YES and not row.assumptions else "indeterminate.version"
