"""Reading PEM certificates as hostile input: bounded, never raising. Needs the package cryptography."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

MAX_PEM = 16 * 1024 * 1024
MAX_CERTIFICATES = 100
MAX_NAMES = 100
MAX_SEARCHED = 200_000
_MAX_TEXT = 300
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_BEGIN = "-----BEGIN CERTIFICATE-----"
_WEAK_HASHES = ("md5", "sha1")


@dataclass(frozen=True, slots=True)
class ParsedCertificate:
    """What a certificate says. `names` are its subject alternative names, the first 100 of `name_count`; `every_name` up to
    200,000 of them, in lower case.

    `weak_key` None: its kind of key is not judged. `weak_signature` names the hash, None where it is good (a root's own
    signature is not relied on).
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    name_count: int
    key: str
    weak_key: bool | None
    signature: str
    weak_signature: str | None
    not_before: datetime
    not_after: datetime
    every_name: frozenset[str] = frozenset()


def is_available() -> bool:
    """Whether certificates can be read at all."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        return False
    return True


def parse_chain(pem: str) -> tuple[tuple[ParsedCertificate, ...], bool]:
    """The certificates of a PEM text in order, and whether all of it could be read. Call only where `is_available`."""
    if len(pem) > MAX_PEM:
        return (), False
    blocks = _BLOCK.findall(pem)
    parsed = [_parse(block) for block in blocks[:MAX_CERTIFICATES]]
    complete = bool(blocks) and None not in parsed and len(blocks) == pem.count(_BEGIN) <= MAX_CERTIFICATES
    return tuple(entry for entry in parsed if entry is not None), complete


def is_ordered(chain: Sequence[ParsedCertificate]) -> bool:
    """Whether each certificate is followed by its issuer."""
    return all(first.issuer == second.subject for first, second in pairwise(chain))


def _parse(block: str) -> ParsedCertificate | None:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _read(x509.load_pem_x509_certificate(block.encode("ascii")))
    except (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        x509.InvalidVersion,
    ):
        return None


def _read(certificate: "x509.Certificate") -> ParsedCertificate:
    names = list(_names(certificate))
    key, weak = _key(certificate)
    algorithm = certificate.signature_hash_algorithm
    hashed = algorithm.name if algorithm else "of the key's own kind"
    rooted = certificate.issuer == certificate.subject
    return ParsedCertificate(
        subject=_cut(certificate.subject.rfc4514_string()),
        issuer=_cut(certificate.issuer.rfc4514_string()),
        names=tuple(_cut(name) for name in names[:MAX_NAMES]),
        name_count=len(names),
        key=key,
        weak_key=weak,
        signature=hashed,
        weak_signature=hashed if hashed in _WEAK_HASHES and not rooted else None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        every_name=frozenset(_cut(name).lower() for name in names[:MAX_SEARCHED]),
    )


def _names(certificate: "x509.Certificate") -> Iterator[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    for name in extension.value:
        if isinstance(name, (x509.DNSName, x509.UniformResourceIdentifier)):
            yield name.value
        elif isinstance(name, x509.IPAddress):
            yield str(name.value)


def _key(certificate: "x509.Certificate") -> tuple[str, bool | None]:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}", key.key_size < 2048
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.key_size}", key.key_size < 256
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return type(key).__name__.removesuffix("PublicKey"), False
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}", True
    return type(key).__name__, None


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"
