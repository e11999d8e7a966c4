"""One pair at a time: its port masks, the causes behind them, the deciding rules, and the chain that explains a port."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.inventory.endpoints import Endpoint
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.addresses import External
from auditor.network.judgement import Basis, Judge
from auditor.network.pairs import Masks, join_masks
from auditor.network.reach import Decision, LayerDecision
from auditor.network.reasons import cause
from auditor.network.representation import BOTH, Action, Direction
from auditor.network.trace import Event, layer_decisions, walk
from auditor.network.universe import Universe

MaskCause = tuple[int, Cause]
_REACH = (Reach.ALLOWED, Reach.CONDITIONAL, Reach.INDETERMINATE, Reach.DECLARED_NOT_ENFORCED)
_UNDECIDED = cause("indeterminate.undecided")


@dataclass(slots=True)
class Decider:
    """Point queries over judged classes."""

    universe: Universe
    judge: Judge

    @property
    def _full(self) -> int:
        return self.judge.datapath.table.full

    def masks(self, source: int, destination: int, basis: Basis) -> Masks:
        """The port masks of a pair, with the exceptions for a pod itself and its own node."""
        near = self._near(source, destination)
        if near is not None and near.code != "indeterminate.node-placement":
            return self._full, 0, 0, 0
        sides = [
            tuple(part.at(peer) for part in self.judge.of(subject, direction, basis).parts)
            for direction, subject, peer in _ends(source, destination)
        ]
        joined = join_masks(_four(sides[0]), _four(sides[1]))
        if near is None:
            return joined
        known = joined[0] | joined[1] | joined[2] | joined[3]
        return joined[0], joined[1], joined[2] | (self._full & ~known), joined[3]

    def _near(self, source: int, destination: int) -> Cause | None:
        """Why policy does not, or may not, apply between the two at all."""
        peer = self.universe.peers[destination]
        if source == destination:
            alone = not isinstance(peer, Endpoint) or len(peer.pods) <= 1 or peer.host_network
            return cause("self") if alone else None
        match = self.universe.own_node(destination)
        if match.must >> source & 1:
            return cause("own-node", node=self._shared_node(source, destination))
        return cause("indeterminate.node-placement") if match.may >> source & 1 else None

    def _shared_node(self, source: int, destination: int) -> str:
        names = [
            peer.node_names if isinstance(peer, Endpoint) else {getattr(peer, "name", "")}
            for peer in (self.universe.peers[source], self.universe.peers[destination])
        ]
        return ", ".join(sorted(set(names[0]) & set(names[1])))

    def causes(
        self, source: int, destination: int, masks: Masks, basis: Basis
    ) -> tuple[list[MaskCause], list[MaskCause]]:
        """Why ports are conditional, and why they are indeterminate: each port once, the first cause that covers it."""
        notes = [
            (cells.at(peer), why)
            for direction, subject, peer in _ends(source, destination)
            for cells, why in self.judge.of(subject, direction, basis).notes
        ]
        near = self._near(source, destination)
        placement = [(self._full, near)] if near is not None else []
        unknown = [(m, why) for m, why in notes if why.code.startswith("indeterminate.")]
        limited = [(m, why) for m, why in notes if not why.code.startswith("indeterminate.")]
        return (
            list(_attribute(masks[1], limited, _UNDECIDED)),
            list(_attribute(masks[2], [*unknown, *placement, *limited], _UNDECIDED)),
        )

    def witness(self, source: int, destination: int, masks: Masks) -> tuple[RuleRef, ...]:
        """The rules that let the open ports through."""
        near = self._near(source, destination)
        if near is not None and near.code != "indeterminate.node-placement":
            return ()
        mask = masks[0] | masks[1] | masks[2] | masks[3]
        found = [
            event.rule.ref
            for direction, subject, peer in _ends(source, destination)
            for event in self._events(direction, subject, peer, mask, enforced=True)
            if event.rule is not None and event.rule.action is not Action.PASS
        ]
        return tuple(sorted(set(found)))

    def _events(
        self, direction: Direction, subject: int, peer: int, mask: int, enforced: bool
    ) -> list[Event]:
        datapath = self.judge.datapath
        steps = datapath.steps_for(datapath.class_of(subject, direction), direction)
        enforcement = self.judge.enforcement if enforced else None
        return list(walk(datapath, steps, subject, peer, mask, enforcement))

    def decide(self, source: int, destination: int, port: int, protocol: str) -> Decision:
        """The answer for one port."""
        atom = self.judge.datapath.table.atom(port, protocol)
        near = self._near(source, destination)
        chain = tuple(self._chain(source, destination, atom, near, protocol))
        verdicts = [
            self._verdict(source, destination, atom, basis) for basis in (Basis.ENFORCED, Basis.DECLARED)
        ]
        why = self._why(source, destination, atom, verdicts[0], chain, near, protocol)
        return Decision(verdicts[0], verdicts[1], why, chain)

    def _verdict(self, source: int, destination: int, atom: int, basis: Basis) -> Reach:
        masks = self.masks(source, destination, basis)
        if not atom:
            return _unnamed_protocol(masks, self._full)
        return next((reach for mask, reach in zip(masks, _REACH, strict=True) if mask & atom), Reach.DENIED)

    def _why(
        self,
        source: int,
        destination: int,
        atom: int,
        verdict: Reach,
        chain: Sequence[LayerDecision],
        near: Cause | None,
        protocol: str,
    ) -> Cause:
        if near is not None and verdict is not Reach.DENIED:
            return near
        if not atom and verdict is Reach.INDETERMINATE:
            return cause("indeterminate.protocol-undefined", protocol=protocol)
        if verdict in (Reach.INDETERMINATE, Reach.CONDITIONAL):
            masks = self.masks(source, destination, Basis.ENFORCED)
            limited, unknown = self.causes(source, destination, masks, Basis.ENFORCED)
            found = unknown if verdict is Reach.INDETERMINATE else limited
            return next((why for mask, why in found if mask & atom), _UNDECIDED)
        deciding = [entry for entry in chain if entry.verdict is verdict and entry.rules]
        return deciding[-1].why if deciding else cause("default-allow")

    def _chain(
        self, source: int, destination: int, atom: int, near: Cause | None, protocol: str
    ) -> Iterator[LayerDecision]:
        if near is not None:
            verdict = Reach.INDETERMINATE if near.code.startswith("indeterminate.") else Reach.ALLOWED
            yield LayerDecision("kubernetes", Direction.INGRESS, verdict, (), near)
            if verdict is Reach.ALLOWED:
                return
        datapath = self.judge.datapath
        for direction, subject, peer in _ends(source, destination):
            if not self.universe.pods >> subject & 1:
                yield LayerDecision("kubernetes", direction, Reach.ALLOWED, (), self._no_subject(subject))
                continue
            steps = datapath.steps_for(datapath.class_of(subject, direction), direction)
            layers = list(dict.fromkeys(step.policy.layer for step in datapath.steps[direction]))
            events = self._events(direction, subject, peer, atom or self._full, enforced=True)
            told = layer_decisions(events, steps, layers, direction, self.judge.enforcement, subject)
            parts = self.judge.of(subject, direction, Basis.ENFORCED).parts
            if (
                not atom
                and _unnamed_protocol(_four([p.at(peer) for p in parts]), self._full) is Reach.INDETERMINATE
            ):
                told = [_undefined(entry, protocol) for entry in told]
            yield from told

    def _no_subject(self, position: int) -> Cause:
        peer = self.universe.peers[position]
        if isinstance(peer, Endpoint):
            return cause("host-network", endpoint=peer.id)
        why = "it is outside the cluster" if isinstance(peer, External) else "it is a node"
        return cause("no-subject", peer=peer.id, why=why)


def _ends(source: int, destination: int) -> tuple[tuple[Direction, int, int], ...]:
    """(direction, subject, peer): the source's egress, then the destination's ingress."""
    ingress, egress = BOTH
    return (egress, source, destination), (ingress, destination, source)


def _four(masks: Sequence[int]) -> Masks:
    return masks[0], masks[1], masks[2], masks[3]


def _undefined(entry: LayerDecision, protocol: str) -> LayerDecision:
    """What rules about other protocols decide says nothing of this one."""
    if not entry.rules:
        return entry
    why = cause("indeterminate.protocol-undefined", protocol=protocol)
    return replace(entry, verdict=Reach.INDETERMINATE, why=why)


def _unnamed_protocol(masks: Masks, full: int) -> Reach:
    """A protocol that no rule names: with no restriction it passes; NetworkPolicy leaves the rest undefined."""
    for mask, reach in zip(masks, _REACH, strict=True):
        if mask == full:
            return reach
    return Reach.INDETERMINATE


def _attribute(mask: int, notes: Sequence[MaskCause], otherwise: Cause) -> Iterator[MaskCause]:
    for covered, why in notes:
        if both := mask & covered:
            yield both, why
            mask &= ~both
    if mask:
        yield mask, otherwise
