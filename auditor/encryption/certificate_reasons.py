"""The closed list of what may be said of a certificate: code to English sentence."""

from auditor.model.verdict import Cause

CERTIFICATE_REASONS: dict[str, str] = {
    "certificate.expired": "it expired on {date}",
    "certificate.not-yet-valid": "it is not valid before {date}",
    "certificate.expires-soon": "it expires on {date}",
    "certificate.renewal-overdue": "it was to be renewed on {date}",
    "certificate.not-ready": "cert-manager does not report it as ready",
    "certificate.weak-key": "its key, {key}, is shorter than RSA 2048 or EC 256 bits",
    "certificate.weak-signature": "it is signed with {algorithm}",
    "certificate.issuer-expired": "{subject}, which stands above it in the chain, is valid from {span} only",
    "certificate.issuer-weak": "{subject}, which stands above it in the chain, can't be relied on ({weak})",
    "certificate.old-protocol": "nothing newer than {protocol} was agreed on, so the host may know no newer version",
    "certificate.chain-order": "the chain does not go from the leaf to its issuers, one by one",
    "certificate.host-not-covered": "no name of the certificate covers {host}",
    "certificate.names-cut": "only the first of its names are listed (names in all: {count})",
    "indeterminate.certificate.unreadable": "what stands in {place} cannot be read as a certificate",
    "indeterminate.certificate.library-missing": (
        "the certificate was not looked into: the package cryptography is missing"
    ),
    "indeterminate.certificate.not-issued": "only the request for it is in the evidence, not what was issued",
    "indeterminate.certificate.key-unknown": "its kind of key is not one that is judged",
    "indeterminate.certificate.names-cut": (
        "none of its names that were kept covers {host} (names in all: {count})"
    ),
    "indeterminate.certificate.anchor-not-seen": "the trust anchors of {mesh} are not in the evidence",
    "indeterminate.certificate.not-described": "nothing in the evidence describes {certificate}; Secrets are not read",
}


def said(code: str, **parameters: object) -> Cause:
    """A cause from the list, its parameters as sorted text. Raises KeyError for a code that isn't listed."""
    if code not in CERTIFICATE_REASONS:
        raise KeyError(code)
    return Cause(code, tuple(sorted((name, str(value)) for name, value in parameters.items())))
