"""What can be wrong with a rule of a network policy."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from auditor.inventory.endpoints import Endpoint


class Flaw(StrEnum):
    """What is wrong with a rule, the gravest first."""

    BLOCK_COVERS_PODS = "block-covers-pods"
    EVERY_NAMESPACE = "every-namespace"
    NEGATION = "negation-lets-in-the-rest"
    NO_PEERS = "ports-without-peers"
    EVERY_POD = "every-pod-of-the-namespace"
    DNS_CUT = "dns-cut"
    SHADOWED = "shadowed-rule"
    REDUNDANT = "redundant-rule"
    REDUNDANT_PEER = "redundant-peer"
    MATCHES_NOTHING = "rule-matches-nothing"
    TOO_MANY = "indeterminate.too-many-rules"


@dataclass(frozen=True, slots=True)
class RuleFlaw:
    """A flaw of the rule at `path` of a policy.

    `names`: the endpoints that it concerns, sorted; for a redundant or shadowed rule the rules that decide instead, as
    `object path`.
    """

    kind: Flaw
    path: str
    names: tuple[str, ...]


Reaches = Callable[[Endpoint, Endpoint, int, str], bool]
"""Whether the egress rules of a layer (its name) let one endpoint open a UDP port of another, or may do so."""
