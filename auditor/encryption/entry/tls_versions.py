"""Minimum TLS versions, as each system writes them, to `1.0` ... `1.3` (`SSL` for what came before)."""

import re

from auditor.model.verdict import Tri

ORDER = ("SSL", "1.0", "1.1", "1.2", "1.3")

_NUMBERED = re.compile(r"(?:TLS|VersionTLS)?[ _]*v?_?1[._]?([0-3])?", re.IGNORECASE)
_OLD = re.compile(r"SSL", re.IGNORECASE)
_AWS = re.compile(r"ELBSecurityPolicy-(?:TLS-|TLS13-|FS-)?1-([0-3])-.+")


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


def aws_policy_minimum(policy: str) -> str | None:
    """The minimum version of one of AWS' predefined policies; the default, 2016-08, still takes TLS 1.0."""
    if policy in ("ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-2015-05", "ELBSecurityPolicy-FS-2018-06"):
        return "1.0"
    if policy.startswith("ELBSecurityPolicy-20") or policy == "ELBSecurityPolicy-TLS-1-0-2015-04":
        return "1.0"
    found = _AWS.fullmatch(policy)
    return f"1.{found[1]}" if found else None
