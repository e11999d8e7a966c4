"""Whether something enforces each layer: the network agents of the cluster and what they are configured to do.

encryption.md 5, connectivity.md 15 and 35. Positive evidence is an agent that is ready on every node.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from auditor.model.verdict import Cause
from auditor.network.agents import Agent, find_agents, runs_flannel
from auditor.network.bits import from_members
from auditor.network.reasons import cause, sentence
from auditor.network.representation import NO_MATCH, Bits, Match
from auditor.network.support import NETWORK_LAYERS, Support
from auditor.network.universe import Universe


class Status(StrEnum):
    """The contract's three, and DOUBTED: an agent is there, but whether its version knows the layer is unknown.

    A doubted layer restricts nothing (connectivity.md 35); what it would open is indeterminate.
    """

    ENFORCED = "enforced"
    NOT_ENFORCED = "not-enforced"
    UNKNOWN = "unknown"
    DOUBTED = "doubted"


@dataclass(frozen=True, slots=True)
class LayerEnforcement:
    """What enforces a layer. `status` is `enforced`, `not-enforced` or `unknown`; `by` the agent, if any.

    `except_nodes`: nodes on which the agent is not ready; pods there are not protected. `evidence` are ids.
    """

    layer: str
    status: str
    by: str | None
    except_nodes: tuple[str, ...]
    evidence: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True)
class _Judged:
    status: Status
    report: LayerEnforcement
    exposed: Bits
    doubtful: Bits = 0


class Enforcement:
    """The enforcement of every layer, and per subject: a pod on a node without the agent is not protected."""

    def __init__(self, universe: Universe, layers: Sequence[str], in_data_plane: Mapping[str, Match]) -> None:
        self._universe = universe
        self._agents = find_agents(universe.cluster, [node.name for node in universe.nodes])
        self._layers: dict[str, _Judged] = {}
        for layer in layers:
            judged = (
                self._network(layer)
                if layer in NETWORK_LAYERS
                else _mesh(layer, in_data_plane.get(layer, NO_MATCH), universe)
            )
            self._layers[layer] = judged

    @property
    def report(self) -> tuple[LayerEnforcement, ...]:
        """One entry for each layer, in the layers' order."""
        return tuple(entry.report for entry in self._layers.values())

    @property
    def marked(self) -> tuple[Bits, ...]:
        """Subject sets whose enforcement differs from that of the others."""
        sets = (bits for entry in self._layers.values() for bits in (entry.exposed, entry.doubtful))
        return tuple(dict.fromkeys(bits for bits in sets if bits))

    def status(self, layer: str, subject: int) -> Status:
        """The enforcement of a layer for one subject."""
        entry = self._layers[layer]
        if entry.status is Status.ENFORCED and entry.exposed >> subject & 1:
            return Status.NOT_ENFORCED
        if entry.status is Status.ENFORCED and entry.doubtful >> subject & 1:
            return Status.UNKNOWN
        return entry.status

    def why(self, layer: str, subject: int) -> Cause:
        """Why a layer is not enforced for a subject."""
        entry = self._layers[layer]
        if layer not in NETWORK_LAYERS:
            return cause("not-enforced", layer=layer, why=sentence(cause("unenforced.no-data-plane")))
        if entry.status is Status.ENFORCED:
            nodes = ", ".join(entry.report.except_nodes)
            return cause("not-enforced-on-node", layer=layer, node=nodes)
        return cause("not-enforced", layer=layer, why=sentence(entry.report.cause))

    def unknown_cause(self, layer: str, subject: int) -> Cause:
        """Why it is unknown whether a layer is enforced."""
        entry = self._layers[layer]
        why = entry.report.cause
        if layer not in NETWORK_LAYERS:
            why = cause("unknown.data-plane")
        elif entry.status is Status.ENFORCED and self._agents.uncertain is not None:
            why = self._agents.uncertain
        return cause("indeterminate.enforcement-unknown", layer=layer, why=sentence(why))

    def _network(self, layer: str) -> _Judged:
        supporting = [(agent, agent.support(layer)) for agent in self._agents.found]
        able = [agent for agent, support in supporting if support.verdict is Support.YES]
        doubtful = [(agent, s) for agent, s in supporting if s.verdict is Support.UNKNOWN]
        refusing = [(agent, s) for agent, s in supporting if s.verdict is Support.NO]
        if able:
            return self._by_agents(layer, able)
        if doubtful:
            agent, support = doubtful[0]
            status = Status.DOUBTED if support.cause.code == "unknown.support" else Status.UNKNOWN
            return self._without(layer, status, support.cause, agent.name, agent.evidence)
        if refusing and not self._agents.uncertain:
            agent, support = refusing[0]
            return self._without(layer, Status.NOT_ENFORCED, support.cause, None, agent.evidence)
        unknown = self._agents.uncertain
        status = Status.UNKNOWN if unknown else Status.NOT_ENFORCED
        flannel = runs_flannel(self._universe.cluster)
        absent = cause("unenforced.flannel" if flannel else "unenforced.no-agent")
        return self._without(layer, status, unknown or absent, None, ())

    def _by_agents(self, layer: str, able: Sequence[Agent]) -> _Judged:
        """Several able agents complement each other node by node (a migration)."""
        names = ", ".join(agent.name for agent in able)
        evidence = tuple(sorted({entry for agent in able for entry in agent.evidence}))
        ready = {node for agent in able for node in agent.ready_nodes}
        nodes = [node.name for node in self._universe.nodes]
        if not ready:
            observed = any(agent.observed for agent in able)
            status = Status.NOT_ENFORCED if observed else Status.UNKNOWN
            return self._without(layer, status, cause("unknown.not-ready", agent=names), names, evidence)
        hidden = self._agents.hidden - ready
        missing = tuple(sorted(set(nodes) - ready - hidden))
        why = cause("unknown.not-ready" if missing else "enforced.agent", agent=names)
        said = Status.ENFORCED
        if hidden and not missing and self._agents.uncertain is not None:
            why, said = self._agents.uncertain, Status.UNKNOWN
        report = LayerEnforcement(layer, said.value, names, missing, evidence, why)
        exposed = self._on(missing)
        return _Judged(Status.ENFORCED, report, exposed, self._on(hidden) & ~exposed)

    def _on(self, nodes: Iterable[str]) -> Bits:
        """Endpoints with a pod on one of the nodes, and those of which no node is known."""
        wanted = set(nodes)
        if not wanted:
            return 0
        return from_members(
            i
            for i, endpoint in enumerate(self._universe.endpoints)
            if not endpoint.node_names or endpoint.node_names & wanted
        )

    @staticmethod
    def _without(
        layer: str, status: Status, why: Cause, by: str | None, evidence: tuple[str, ...]
    ) -> _Judged:
        said = Status.UNKNOWN if status is Status.DOUBTED else status
        return _Judged(status, LayerEnforcement(layer, said.value, by, (), evidence, why), 0)


def _mesh(layer: str, receivers: Match, universe: Universe) -> _Judged:
    """Proxies enforce mesh authorization, each at its own pod: nothing does where a pod has none (connectivity.md 33)."""
    status, code = Status.NOT_ENFORCED, "unenforced.no-data-plane"
    if receivers.any:
        status, code = Status.ENFORCED, "enforced.proxies"
    said = Status.UNKNOWN if receivers.may and not receivers.must else status
    why = cause("unknown.data-plane" if said is Status.UNKNOWN else code)
    by = layer.split("-", 1)[0] if said is Status.ENFORCED else None
    report = LayerEnforcement(layer, said.value, by, (), (), why)
    return _Judged(status, report, universe.everything & ~receivers.any, receivers.may)
