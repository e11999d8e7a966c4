"""Hosts for which the scope file asks for client certificates refuse clients without one."""

from collections import Counter
from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.entries import (
    HTTP_ENTRIES,
    ISTIO_GATEWAY,
    about,
    entry_subject,
    evidence,
    is_proved,
    serves_host,
)
from auditor.encryption.entry_points import ClientAuthentication, EntryPoint, Plaintext
from auditor.model.finding import CLUSTER_SUBJECT, Read, Reason, Subject
from auditor.model.kinds import SERVICE
from auditor.model.outcome import Outcome

REASONS = (
    Reason("required", Outcome.PASS, "{subject} refuses clients without a certificate."),
    Reason(
        "not-required",
        Outcome.FAIL,
        "{subject} lets clients in without a certificate ({client_authentication}), which the scope file asks for.",
        remedy="Require and verify client certificates for this host at the controller that terminates TLS; 'optional' "
        "does not enforce.",
    ),
    Reason(
        "plain-http-beside-it",
        Outcome.FAIL,
        "{subject} answers plain HTTP, where no client certificate can be asked for.",
        remedy="Close plain HTTP for this host, or redirect it to HTTPS.",
    ),
    Reason(
        "host-not-found",
        Outcome.NOT_EVALUATED,
        "The scope file asks for client certificates on {host}; no entry point in the evidence serves it.",
        final=True,
    ),
    Reason(
        "indeterminate.client-authentication",
        Outcome.NOT_EVALUATED,
        "Whether {subject} requires client certificates can't be told: {causes}.",
    ),
    Reason(
        "not-asked-for",
        Outcome.NOT_APPLICABLE,
        "The scope file asks for client certificates on no host.",
        final=True,
    ),
)


@check(
    "client-certificates-required", reads=(*HTTP_ENTRIES, Read(ISTIO_GATEWAY, subjects=True)), reasons=REASONS
)
def client_certificates_required(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when every listener of a host in the scope file's client_authentication requires a client certificate.

    Fails when it is optional, absent, or plain HTTP is answered beside it. A host that nothing serves is not evaluated.
    Does not judge who issued the certificates that are trusted.
    """
    wanted = context.scope.client_authentication if context.scope else []
    if not wanted:
        yield Judgement("not-asked-for", CLUSTER_SUBJECT, listed=False)
    for entry in wanted:
        rows = [
            r for r in context.facts.entry_points if r.kind != SERVICE.kind and serves_host(r, entry.host)
        ]
        alike = Counter(row.subject for row in rows)
        for row in rows:
            yield Judgement(_code(row), entry_subject(row, alike), about(row), evidence(row))
        if not rows:
            yield Judgement("host-not-found", Subject(f"host {entry.host}"), {"host": entry.host})


def _code(row: EntryPoint) -> str:
    if row.plaintext is Plaintext.OPEN:
        return "plain-http-beside-it"
    known = row.client_authentication is not ClientAuthentication.INDETERMINATE
    if known and row.tls and row.client_authentication is not ClientAuthentication.REQUIRED:
        return "not-required"
    return "required" if known and is_proved(row) else "indeterminate.client-authentication"
