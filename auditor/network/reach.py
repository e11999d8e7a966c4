"""What the engine answers with: decisions, connections, isolation, facts about policies."""

from collections.abc import Callable
from dataclasses import dataclass, field

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, Reach, RuleRef, Tri
from auditor.network.ports import PortSet
from auditor.network.representation import Direction
from auditor.network.universe import Peer

Because = tuple[tuple[PortSet, Cause], ...]


@dataclass(frozen=True, slots=True)
class LayerDecision:
    """What one layer says in one direction, by which rules and why (a code of `reasons.py`)."""

    layer: str
    direction: Direction
    verdict: Reach
    rules: tuple[RuleRef, ...]
    why: Cause


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one port: as far as it is enforced (`verdict`), and every layer at its word (`declared`).

    `chain` goes layer by layer, the source's egress first, then the destination's ingress.
    """

    verdict: Reach
    declared: Reach
    cause: Cause
    chain: tuple[LayerDecision, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """All ports between one peer and a group of others that fare alike. Ports in none of the sets are denied."""

    sources: tuple[Peer, ...]
    destinations: tuple[Peer, ...]
    allowed: PortSet
    conditional: Because
    indeterminate: Because
    declared_not_enforced: PortSet


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """All ports from one peer to another. Ports in none of the sets are denied."""

    source: Peer
    destination: Peer
    allowed: PortSet
    conditional: Because
    indeterminate: Because
    declared_not_enforced: PortSet
    witness: Callable[[], tuple[RuleRef, ...]] = field(repr=False)

    @property
    def decided_by(self) -> tuple[RuleRef, ...]:
        """The rules that let the ports through; empty where only defaults do. Computed when asked for."""
        return self.witness()

    @property
    def is_open(self) -> bool:
        """Whether anything is reachable, conditional or unknown."""
        return bool(self.allowed or self.conditional or self.indeterminate or self.declared_not_enforced)


@dataclass(frozen=True, slots=True, eq=False)
class Isolation:
    """Whether what no rule mentions is denied for an endpoint in one direction.

    `declared`: as the policies say. `effective`: as far as something enforces them (UNKNOWN if that cannot be told).
    `policies` select the endpoint in this direction; `opens` are their rules that let every peer of a family through
    (all pods, or all external addresses) on some port, `opens_entirely` on every port; `cause` says why `effective`
    isn't YES.
    """

    endpoint: Endpoint
    direction: Direction
    declared: Tri
    effective: Tri
    policies: tuple[RuleRef, ...]
    opens: tuple[RuleRef, ...]
    opens_entirely: tuple[RuleRef, ...]
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """One policy object: the endpoints it selects, and in which directions it says something.

    `dangling`: it selects nothing. `inert` says why it has no effect at all (staged, dry-run), else None.
    """

    object: str
    layer: str
    selected: tuple[str, ...]
    directions: tuple[Direction, ...]
    evidence_id: str
    inert: Cause | None = None

    @property
    def dangling(self) -> bool:
        """Whether it selects no endpoint of the evidence."""
        return not self.selected
