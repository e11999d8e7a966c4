"""The form into which every policy system compiles: terms over peer bits and port sets, ordered rules, tiers, gates.

Peers are bits of an integer over one universe (endpoints, nodes, disjoint external ranges; see `universe.py`). A
policy applies to *subjects* (the pods it selects) in a direction; the *peer* is the other end: the source for ingress,
the destination for egress. Ports are always those of the destination.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from auditor.model.kinds import KindKey
from auditor.model.verdict import Cause, RuleRef
from auditor.network.ports import PortSet

Bits = int
"""A set of peers: bit i stands for peer i of the universe."""

SortKey = tuple[float | str, ...]


class Direction(StrEnum):
    """Seen from the subject."""

    INGRESS = "ingress"
    EGRESS = "egress"


BOTH = (Direction.INGRESS, Direction.EGRESS)


class Action(StrEnum):
    """What a matching rule does.

    ALLOW and DENY end the evaluation of the gate, PASS leaves the tier, LOG does nothing. LIMIT goes on, but whatever is
    allowed later is conditional (a request-level deny, an external authorizer): it needs a `condition`.
    """

    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"  # noqa: S105 -- the action's name, not a password
    LOG = "log"
    LIMIT = "limit"


class Match(NamedTuple):
    """Peers that match for certain, and those of which the evidence cannot tell. The two are disjoint."""

    must: Bits
    may: Bits = 0

    @property
    def any(self) -> Bits:
        """Certain or possible."""
        return self.must | self.may

    def __and__(self, other: "Match") -> "Match":
        must = self.must & other.must
        return Match(must, self.any & other.any & ~must)

    def __or__(self, other: object) -> "Match":
        if not isinstance(other, Match):
            return NotImplemented
        must = self.must | other.must
        return Match(must, (self.may | other.may) & ~must)

    def minus(self, other: "Match") -> "Match":
        """What matches self and not other."""
        must = self.must & ~other.any
        return Match(must, self.any & ~other.must & ~must)


NO_MATCH = Match(0)


@dataclass(frozen=True, slots=True)
class Term:
    """A product of subjects, peers and ports. `unsure`: it may or may not match (unknown labels or addresses)."""

    subjects: Bits
    peers: Bits
    ports: PortSet
    unsure: Cause | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a policy: it matches where any of its terms does.

    `condition` on an ALLOW makes it conditional (L7, FQDN); on LIMIT it says what limits.
    """

    action: Action
    terms: tuple[Term, ...]
    ref: RuleRef
    condition: Cause | None = None


@dataclass(frozen=True, slots=True)
class Directed:
    """What a policy does in one direction: the subjects it selects, and its rules in their order.

    `isolates`: being selected counts for the end of the tier (NetworkPolicy's isolation, Cilium's default deny, Calico's
    end-of-tier action). `may_select`: subjects of which it is unknown whether the policy selects them, `why` says it.
    """

    selects: Bits
    rules: tuple[Rule, ...]
    isolates: bool = True
    may_select: Bits = 0
    why: Cause | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a gate. Tiers run by `order`; policies in them by their own.

    `end` (DENY or PASS) applies to subjects that an isolating policy of the tier selects, where no rule decided; others
    pass on. `ambiguous`: among policies of equal order any may come first (ANP priorities); else ties have been
    broken by the sort key. What passes the last tier of a gate is allowed. Gates are ANDed.
    """

    name: str
    order: float
    end: Action = Action.PASS
    ambiguous: bool = False
    gate: str = "network"


ADMIN_TIER = Tier("kube-admin", 1_000, Action.PASS, ambiguous=True)
DEFAULT_TIER = Tier("default", 1_000_000, Action.DENY)
BASELINE_TIER = Tier("kube-baseline", 10_000_000, Action.PASS, ambiguous=True)
KUBERNETES_POLICY_ORDER = 1_000.0
"""The order that a Kubernetes NetworkPolicy has in the default tier (Calico's conversion)."""


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy, or a part of one (a system may place its deny and allow rules apart).

    `layer` is the id under which enforcement is judged. `order` sorts within the tier, lowest first; policies of an
    ambiguous tier with equal first element are unordered among themselves, unless all of them are `sorted_by_name`.
    """

    object: str
    evidence_id: str
    layer: str
    tier: Tier
    order: SortKey
    directions: Mapping[Direction, Directed]
    sorted_by_name: bool = False


@dataclass(frozen=True, slots=True, order=True)
class PolicyProblem:
    """A policy, or a part of it, that its API server would refuse or that this version cannot read.

    `expected` is one sentence about the field; `code` is from the closed list in `reasons.py`.
    """

    object: str
    field: str
    expected: str
    code: str
    evidence_id: str


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """One policy object and whom it selects, for reports. `inert` says why it has no effect at all, else None."""

    object: str
    layer: str
    evidence_id: str
    selected: Bits
    directions: tuple[Direction, ...]
    inert: Cause | None = None


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """What one object of a layer compiles to, where that depends on nothing but the object, the universe and a context."""

    policies: tuple[CompiledPolicy, ...] = ()
    entries: tuple[PolicyEntry, ...] = ()
    problems: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledLayer:
    """Everything one policy system has to say.

    `tiers` replace equally named ones of the same gate (Calico reads their order and default action). `entries` has
    one for each policy object, inert and invalid ones included. `data_plane` of a mesh layer: the receivers at which a
    proxy enforces it; `may` where that is unknown, nothing enforces it elsewhere. `protocols` are those beside TCP, UDP and
    SCTP that the system defines even where no rule names them.
    """

    name: str
    policies: tuple[CompiledPolicy, ...] = ()
    tiers: tuple[Tier, ...] = ()
    problems: tuple[PolicyProblem, ...] = ()
    entries: tuple[PolicyEntry, ...] = ()
    kinds: tuple[KindKey, ...] = field(default=())
    data_plane: Match | None = None
    protocols: tuple[str, ...] = ()
