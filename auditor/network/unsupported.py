"""Policy systems that this version does not evaluate: whatever they could change cannot be told, never ignored."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.inventory.cluster import Cluster
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject
from auditor.model.verdict import RuleRef
from auditor.network.ports import EVERYTHING
from auditor.network.reasons import cause
from auditor.network.representation import (
    BOTH,
    Action,
    CompiledLayer,
    CompiledPolicy,
    Directed,
    Direction,
    PolicyEntry,
    PolicyProblem,
    Rule,
    Term,
    Tier,
)
from auditor.network.universe import Universe


@dataclass(frozen=True, slots=True)
class UnsupportedLayer:
    """A system whose objects are recognised and nothing more.

    `gate` "network": its rules could allow or deny anything before all others; any other gate only adds restrictions at
    the receiver.
    """

    name: str
    kinds: tuple[KindKey, ...]
    gate: str = "network"

    @property
    def names(self) -> tuple[str, ...]:
        """The enforcement ids: its own name."""
        return (self.name,)

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Every object becomes a problem; every pod it may select is unsure in both directions."""
        objects = [obj for kind in self.kinds for obj in cluster.all(kind)]
        return CompiledLayer(
            name=self.name,
            policies=tuple(self._policy(obj, universe) for obj in objects),
            problems=tuple(_problem(obj) for obj in objects),
            entries=tuple(self._entry(obj) for obj in objects),
            kinds=self.kinds,
        )

    def _policy(self, obj: KubeObject, universe: Universe) -> CompiledPolicy:
        why = cause("indeterminate.unsupported-layer", policy=str(obj.id))
        subjects = universe.namespace(obj.namespace) if obj.namespace else universe.pods
        term = Term(subjects, universe.everything, EVERYTHING, why)
        ref = RuleRef(str(obj.id), "spec", obj.evidence_id)
        network = self.gate == "network"
        actions: Sequence[Action] = (Action.DENY, Action.ALLOW) if network else (Action.DENY,)
        rules = tuple(Rule(action, (term,), ref) for action in actions)
        directions = BOTH if network else (Direction.INGRESS,)
        return CompiledPolicy(
            object=str(obj.id),
            evidence_id=obj.evidence_id,
            layer=self.name,
            tier=Tier(f"unsupported-{self.name}", float("-inf"), gate=self.gate),
            order=(0.0, str(obj.id)),
            directions={
                d: Directed(0, rules, isolates=False, may_select=subjects, why=why) for d in directions
            },
        )

    def _entry(self, obj: KubeObject) -> PolicyEntry:
        return PolicyEntry(str(obj.id), self.name, obj.evidence_id, 0, ())


def _problem(obj: KubeObject) -> PolicyProblem:
    expected = "expected a policy system that this version evaluates"
    return PolicyProblem(str(obj.id), "kind", expected, "unsupported.layer", obj.evidence_id)
