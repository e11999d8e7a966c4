"""One TLS handshake with a host that the operator named, to see which certificate it serves. Nothing else is sent.

The certificate is taken as it is served, trusted or not (RFC 8446 4.4.2; server name as RFC 6066 3); whether it verifies
against this machine's trust store is asked in a second handshake.
"""

import hashlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from auditor.encryption.certificate_facts import problems_of, stamp
from auditor.encryption.certificate_parsing import ParsedCertificate, is_available, parse_chain
from auditor.encryption.certificate_reasons import said
from auditor.model.user_error import UserError
from auditor.model.verdict import Cause

TIMEOUT = 5.0
"""Seconds for each of the two handshakes."""
_ALERT = 0.5
"""Seconds to wait for an alert after the handshake."""
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")
MAX_TARGETS = 100
_TARGET = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})")
_MAX_ERROR = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A host name or address, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a host served. `error` says why there is no answer; `trusted` None where it could not be asked.

    `asks_for_client`: whether the host refused the connection for want of a client certificate; None where it kept silent.
    """

    target: Target
    error: str | None = None
    trusted: bool | None = None
    protocol: str | None = None
    cipher: str | None = None
    der: bytes = b""
    asks_for_client: bool | None = None


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """The certificate of a handshake, looked into. Fields as of `CertificateFact`."""

    subject: str | None = None
    issuer: str | None = None
    names: tuple[str, ...] = ()
    name_count: int = 0
    key: str | None = None
    signature: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    problems: tuple[Cause, ...] = ()


def parse_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """`HOST:PORT` or `[ADDRESS]:PORT`, in order, each once. Raises UserError."""
    targets = tuple(dict.fromkeys(map(_target, texts)))
    if len(targets) > MAX_TARGETS:
        raise UserError(f"--probe-tls: expected at most {MAX_TARGETS} hosts (got {len(targets)})")
    return targets


def _target(text: str) -> Target:
    found = _TARGET.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise UserError(f"--probe-tls: expected HOST:PORT as portal.example:443 (got {text!r})")
    return Target(found[1] or found[2], int(found[3]))


def shake_hands(target: Target, timeout: float = TIMEOUT) -> Handshake:
    """Connect, shake hands twice at most, and hang up. Never raises for what the host does."""
    try:
        with _connect(target, _context(verify=False), timeout) as connection:
            der = connection.getpeercert(binary_form=True) or b""
            cipher = connection.cipher()
            protocol = connection.version()
            refused = _is_refused(connection)
    except (OSError, ValueError) as error:
        return Handshake(target, error=_told(error), asks_for_client=_wants_certificate(error))
    return Handshake(
        target,
        trusted=_is_trusted(target, timeout),
        protocol=protocol,
        cipher=cipher[0] if cipher else None,
        der=der,
        asks_for_client=refused,
    )


def _is_refused(connection: ssl.SSLSocket) -> bool | None:
    """In TLS 1.3 a host refuses a client without a certificate after the handshake (RFC 8446 4.4.2.4), by an alert."""
    connection.settimeout(_ALERT)
    try:
        connection.recv(1)
    except (OSError, ValueError) as error:
        return _wants_certificate(error)
    return None


def _wants_certificate(error: Exception) -> bool | None:
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    return True if "CERTIFICATE_REQUIRED" in reason.upper() else None


def _is_trusted(target: Target, timeout: float) -> bool | None:
    try:
        with _connect(target, _context(verify=True), timeout):
            return True
    except ssl.SSLCertVerificationError:
        return False
    except (OSError, ValueError):
        return None


def _connect(target: Target, context: ssl.SSLContext, timeout: float) -> ssl.SSLSocket:
    plain = socket.create_connection((target.host, target.port), timeout=timeout)
    try:
        return context.wrap_socket(plain, server_hostname=target.host)
    except BaseException:
        plain.close()
        raise


def _context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        # Seeing what is served is the point: an expired or unknown certificate has to be told, not refused.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        # Nor are old versions, ciphers and keys refused: level 0 lets OpenSSL take them.
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _told(error: Exception) -> str:
    text = (
        error.reason
        if isinstance(error, ssl.SSLError) and error.reason
        else getattr(error, "strerror", "") or str(error)
    )
    return f"{type(error).__name__}: {text}"[:_MAX_ERROR]


def served_certificate(handshake: Handshake, now: datetime) -> ServedCertificate:
    """What the certificate says, and what is wrong with it at a time; empty where there was no answer."""
    if handshake.error is not None:
        return ServedCertificate()
    if not is_available():
        return ServedCertificate(problems=(said("indeterminate.certificate.library-missing"),))
    chain, _ = parse_chain(ssl.DER_cert_to_PEM_cert(handshake.der)) if handshake.der else ((), False)
    if not chain:
        return ServedCertificate(
            problems=(said("indeterminate.certificate.unreadable", place="the handshake"),)
        )
    leaf = chain[0]
    return ServedCertificate(
        subject=leaf.subject,
        issuer=leaf.issuer,
        names=leaf.names,
        name_count=leaf.name_count,
        key=leaf.key,
        signature=leaf.signature,
        not_before=stamp(leaf.not_before),
        not_after=stamp(leaf.not_after),
        problems=(*problems_of(leaf, now), *_uncovered(handshake.target.host, leaf), *_outdated(handshake)),
    )


def _outdated(handshake: Handshake) -> tuple[Cause, ...]:
    old = handshake.protocol in _OLD
    return (said("certificate.old-protocol", protocol=handshake.protocol),) if old else ()


def _uncovered(host: str, leaf: ParsedCertificate) -> tuple[Cause, ...]:
    wanted = str(ipaddress.ip_address(host)) if _is_address(host) else host.lower()
    first, _, rest = wanted.partition(".")
    named = wanted in leaf.every_name or (bool(first) and f"*.{rest}" in leaf.every_name)
    if named or leaf.name_count > max(len(leaf.names), len(leaf.every_name)):
        return ()
    return (said("certificate.host-not-covered", host=host),)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def fingerprint(handshake: Handshake) -> str | None:
    """SHA-256 of the certificate as served, in hexadecimal."""
    return hashlib.sha256(handshake.der).hexdigest() if handshake.der else None
