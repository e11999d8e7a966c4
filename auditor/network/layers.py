"""What a policy system must offer to be part of the data path."""

from typing import Protocol

from auditor.inventory.cluster import Cluster
from auditor.model.kinds import KindKey
from auditor.network.representation import CompiledLayer
from auditor.network.universe import Universe


class Layer(Protocol):
    """A policy system: the kinds it reads, and how its objects compile to rules over the universe.

    One system may give policies of several layer names (ANP and BANP): `names` lists the ids under which their
    enforcement is judged.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Enforcement ids."""
        ...

    @property
    def kinds(self) -> tuple[KindKey, ...]:
        """The kinds it reads."""
        ...

    @property
    def reads(self) -> tuple[KindKey, ...]:
        """The kinds its compilation looks at, beside the endpoints and what the universe holds."""
        ...

    def compile(self, cluster: Cluster, universe: Universe) -> CompiledLayer:
        """Compile every object of its kinds. Bad objects never raise: they become `problems`, and their effect unsure."""
        ...
