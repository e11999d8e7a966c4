"""Values of the engines. Unknown is a value (contracts: verdicts; encryption and entry points)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from auditor.model.outcome import Outcome


class Reach(StrEnum):
    """Whether one endpoint can reach another on a port."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CONDITIONAL = "conditional"
    INDETERMINATE = "indeterminate"
    DECLARED_NOT_ENFORCED = "declared-not-enforced"


ISOLATION_OUTCOME: dict[Reach, Outcome] = {
    Reach.ALLOWED: Outcome.FAIL,
    Reach.CONDITIONAL: Outcome.FAIL,
    Reach.DECLARED_NOT_ENFORCED: Outcome.FAIL,
    Reach.INDETERMINATE: Outcome.NOT_EVALUATED,
    Reach.DENIED: Outcome.PASS,
}
"""Verdict to outcome for isolation, before approved flows are considered."""


class Tri(StrEnum):
    """Yes, no or unknown."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def all_of(values: Iterable[Tri]) -> Tri:
    """Yes when all are yes, no when one is no, else unknown."""
    present = set(values)
    if Tri.NO in present:
        return Tri.NO
    return Tri.UNKNOWN if Tri.UNKNOWN in present else Tri.YES


def any_of(values: Iterable[Tri]) -> Tri:
    """Yes when one is yes, no when all are no, else unknown."""
    present = set(values)
    if Tri.YES in present:
        return Tri.YES
    return Tri.UNKNOWN if Tri.UNKNOWN in present else Tri.NO


class Protection(StrEnum):
    """Labels derived from an encryption record; no total order."""

    PLAINTEXT = "PLAINTEXT"
    OPPORTUNISTIC = "OPPORTUNISTIC"
    PLAINTEXT_REJECTED_BY_AUTHZ = "PLAINTEXT_REJECTED_BY_AUTHZ"
    NODE_ENCRYPTED_UNAUTHENTICATED = "NODE_ENCRYPTED_UNAUTHENTICATED"
    TLS_SERVER_ONLY = "TLS_SERVER_ONLY"
    ENFORCED_MTLS = "ENFORCED_MTLS"
    DENIED = "DENIED"
    INDETERMINATE = "INDETERMINATE"


@dataclass(frozen=True, slots=True)
class EncryptionRecord:
    """What protects one (pod, port, protocol); a control states the fields that it needs."""

    plaintext_accepted: Tri
    cross_node_encrypted: Tri
    same_node_encrypted: Tri
    server_authenticated: Tri
    client_authenticated: Tri


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """A reason code from a closed list with its parameters, as sorted pairs of text."""

    code: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class RuleRef:
    """The rule that decided: the object's id as text, the path inside it (`ingress[1].from[0]`) and its evidence."""

    object: str
    rule: str
    evidence_id: str
