"""Minimum TLS versions, as each system writes them, to `1.0` ... `1.3` (`SSL` for what came before)."""

import re
from itertools import pairwise

from auditor.model.verdict import Tri

ORDER = ("SSL", "1.0", "1.1", "1.2", "1.3")

_NUMBERED = re.compile(r"(?:TLS|VersionTLS)?[ _]*v?_?1[._]?([0-3])?", re.IGNORECASE)
_OLD = re.compile(r"SSL", re.IGNORECASE)


def minimum_of(protocols: str) -> str | None:
    """The lowest of a list such as `TLSv1.2 TLSv1.3`; None where one of its words isn't known."""
    found = [version_of(word) for word in protocols.replace(",", " ").split()]
    if not found or None in found:
        return None
    return min((version for version in found if version), key=ORDER.index)


def is_at_least(version: str | None, wanted: str) -> Tri:
    """Whether a minimum version is no older than the wanted one."""
    if version not in ORDER:
        return Tri.UNKNOWN
    return Tri.YES if ORDER.index(version) >= ORDER.index(wanted) else Tri.NO


def version_of(text: str) -> str | None:
    """One version: `TLSv1`, `TLSv1.2`, `TLSV1_2`, `VersionTLS12`, `1.3`, `SSLv3`; None for anything else."""
    if _OLD.match(text):
        return "SSL"
    found = _NUMBERED.fullmatch(text.strip())
    return f"1.{found[1] or '0'}" if found else None


_NO = re.compile(r"no-(?:ssl|tls)v(3|10|11|12|13)", re.IGNORECASE)
_FORCE = re.compile(r"force-(?:ssl|tls)v(3|10|11|12|13)", re.IGNORECASE)
_SHORT = {"3": "SSL", "10": "1.0", "11": "1.1", "12": "1.2", "13": "1.3"}


def minimum_of_haproxy(options: str) -> str | None:
    """The lowest version that HAProxy's bind options leave: `ssl-min-ver TLSv1.2`, `force-tlsv12`, `no-tlsv10 ...`.

    None where they say nothing of versions (HAProxy's own default then depends on its release).
    """
    words = options.split()
    for word, value in pairwise(words):
        if word.lower() == "ssl-min-ver":
            return version_of(value)
    forced = [_SHORT[m[1]] for word in words if (m := _FORCE.fullmatch(word))]
    if forced:
        return min(forced, key=ORDER.index)
    barred = {_SHORT[m[1]] for word in words if (m := _NO.fullmatch(word))}
    return next((v for v in ORDER if v not in barred), None) if barred else None
