"""Hosts through which administrators come in are served over current TLS only."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, Yielded, check
from auditor.checks.entries import (
    HTTP_ENTRIES,
    ISTIO_GATEWAY,
    about,
    entry_subject,
    evidence,
    is_proved,
    serves_host,
)
from auditor.encryption.entry.tls_versions import is_at_least
from auditor.encryption.entry_points import EntryPoint, Plaintext, TlsMode
from auditor.model.finding import CLUSTER_SUBJECT, Read, Reason, Subject
from auditor.model.kinds import SERVICE
from auditor.model.outcome import Outcome
from auditor.model.verdict import Tri


class Parameters(BaseModel):
    """The oldest TLS version that counts as strong cryptography."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_version: Literal["1.2", "1.3"] = "1.2"


REASONS = (
    Reason(
        "tls-only",
        Outcome.PASS,
        "{subject}, which administrators use, is served over TLS {minimum_version} and later; plain HTTP is {plaintext}.",
    ),
    Reason(
        "redirects", Outcome.PASS, "{subject}, which administrators use, only redirects plain HTTP to HTTPS."
    ),
    Reason(
        "nothing-served",
        Outcome.PASS,
        "{subject}, which administrators use, serves neither TLS nor plain HTTP: {causes}.",
    ),
    Reason(
        "plain-http-open",
        Outcome.FAIL,
        "{subject}, which administrators use, answers plain HTTP: {causes}.",
        final=True,
        remedy="Serve the host over TLS, and close plain HTTP for it or redirect it to HTTPS.",
    ),
    Reason(
        "old-tls",
        Outcome.FAIL,
        "{subject}, which administrators use, accepts TLS {minimum_version}, which is older than {wanted}.",
        remedy="Raise the minimum version where the controller keeps it; administrators' own clients are easily updated.",
    ),
    Reason(
        "host-not-found",
        Outcome.NOT_EVALUATED,
        "The scope file marks {host} as administrative; no entry point in the evidence serves it.",
        final=True,
    ),
    Reason(
        "indeterminate.backend-ends-tls",
        Outcome.NOT_EVALUATED,
        "{subject}, which administrators use, passes TLS on; the versions that the pods accept are not in the evidence.",
        final=True,
    ),
    Reason(
        "indeterminate.version",
        Outcome.NOT_EVALUATED,
        "Which TLS versions {subject}, which administrators use, accepts can't be told: {causes}.",
        final=True,
    ),
    Reason(
        "indeterminate.entry",
        Outcome.NOT_EVALUATED,
        "What {subject}, which administrators use, serves can't be told: {causes}.",
    ),
    Reason(
        "none-marked", Outcome.NOT_APPLICABLE, "The scope file marks no host as administrative.", final=True
    ),
)
_BY_SCOPE = tuple(
    replace(read, subjects=False, could_fail=True)
    for read in (*HTTP_ENTRIES, Read(ISTIO_GATEWAY, subjects=True))
)
"""The scope file makes the population; an object that is missing may serve one of its hosts in plaintext."""


@check("administrative-hosts-encrypted", reads=_BY_SCOPE, reasons=REASONS, parameters=Parameters)
def administrative_hosts_encrypted(context: Context, parameters: Parameters) -> Iterator[Yielded]:
    """Passes when every listener of a host in the scope file's administrative_access closes or redirects plain HTTP, and is
    known to accept no TLS version below the minimum.

    Fails when plain HTTP is answered or an older version is accepted. A host that nothing serves is not evaluated. Judges
    marked hosts whatever workloads they lead to; a listener for every host counts for each of them. Does not open a
    connection, and does not judge the hop behind the controller or how administrators log in.
    """
    wanted = [e.host for e in (context.scope.administrative_access if context.scope else []) if e.host]
    if not wanted:
        yield Judgement("none-marked", CLUSTER_SUBJECT, listed=False)
    rows = [row for row in context.facts.entry_points if row.kind != SERVICE.kind]
    alike = Counter(row.subject for row in rows)
    for row in rows:
        if any(serves_host(row, host) for host in wanted):
            said = {**about(row), "wanted": parameters.minimum_version}
            code = _code(row, parameters.minimum_version)
            yield Judgement(code, entry_subject(row, alike), said, evidence(row))
    for host in dict.fromkeys(wanted):
        if not any(serves_host(row, host) for row in rows):
            yield Judgement("host-not-found", Subject(f"host {host}"), {"host": host})


def _code(row: EntryPoint, wanted: str) -> str:
    if row.plaintext is Plaintext.OPEN:
        return "plain-http-open"
    enough = is_at_least(row.tls.minimum_version if row.tls else None, wanted)
    if enough is Tri.NO:
        return "old-tls"
    if not is_proved(row):
        return "indeterminate.entry"
    if row.tls is None:
        return "redirects" if row.plaintext is Plaintext.REDIRECTED else "nothing-served"
    if row.tls.mode is TlsMode.PASSTHROUGH:
        return "indeterminate.backend-ends-tls"
    return "tls-only" if enough is Tri.YES else "indeterminate.version"
