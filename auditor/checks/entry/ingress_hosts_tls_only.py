"""Each host that leads into scope is served over TLS, and plain HTTP is closed or redirected."""

from collections.abc import Iterator

from auditor.checks.context import Context
from auditor.checks.definition import Judgement, NoParameters, Yielded, check
from auditor.checks.entries import HTTP_ENTRIES, about, evidence, has_old_tls, http_entries, is_proved
from auditor.encryption.entry_points import EntryPoint, Plaintext
from auditor.model.finding import Reason
from auditor.model.outcome import Outcome

REASONS = (
    Reason("tls-only", Outcome.PASS, "{subject} is served over TLS ({tls}); plain HTTP is {plaintext}."),
    Reason("redirects", Outcome.PASS, "{subject} only redirects plain HTTP to HTTPS."),
    Reason("nothing-served", Outcome.PASS, "{subject} serves neither TLS nor plain HTTP: {causes}."),
    Reason(
        "plain-http-open",
        Outcome.FAIL,
        "{subject} answers plain HTTP: {causes}.",
        final=True,
        remedy="Give the host a tls entry with a certificate for it, and redirect plain HTTP to HTTPS.",
    ),
    Reason(
        "old-tls",
        Outcome.FAIL,
        "{subject} accepts TLS {minimum_version}.",
        remedy="Set the minimum version to TLS 1.2 or 1.3.",
    ),
    Reason(
        "indeterminate.entry",
        Outcome.NOT_EVALUATED,
        "What {subject} serves can't be told: {causes}.",
    ),
)


@check("ingress-hosts-tls-only", reads=HTTP_ENTRIES, reasons=REASONS)
def ingress_hosts_tls_only(context: Context, _: NoParameters) -> Iterator[Yielded]:
    """Passes when the controller that serves the host terminates or passes on TLS, and closes or redirects plain HTTP.

    Fails when plain HTTP is answered, or TLS below 1.2 is known to be accepted. A `tls` section alone proves nothing for
    several controllers: each is judged by its own rules. Does not open a connection, and does not look into Secrets, so it
    says nothing about whether the certificate fits the host.
    """
    for entry in http_entries(context):
        if isinstance(entry, tuple):
            subject, row = entry
            yield Judgement(_code(row), subject, about(row), evidence(row))
        else:
            yield entry


def _code(row: EntryPoint) -> str:
    if row.plaintext is Plaintext.OPEN:
        return "plain-http-open"
    if has_old_tls(row):
        return "old-tls"
    if not is_proved(row):
        return "indeterminate.entry"
    if row.tls is None:
        return "redirects" if row.plaintext is Plaintext.REDIRECTED else "nothing-served"
    return "tls-only"
