"""One question: may A connect to B on a port, and which rules decide, layer by layer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.checks.context import Facts
from auditor.evaluate.connectivity_levels import pod_network
from auditor.evaluate.connectivity_view import completeness, enforcement_rows
from auditor.evaluate.phrases import PHRASES
from auditor.inventory.endpoints import Endpoint
from auditor.model.connectivity_result import Answer, ChainRow, ElsewhereRow, QueryResult, Rule
from auditor.model.sentence import fill
from auditor.model.user_error import UserError
from auditor.model.verdict import Cause, Reach, RuleRef
from auditor.network.connectivity import Connectivity
from auditor.network.ports import ICMP_PROTOCOLS, PORT_PROTOCOLS
from auditor.network.reach import Decision, LayerDecision
from auditor.network.universe import Peer

_PORT = re.compile(r"([0-9]{1,5})(?:/(TCP|UDP|SCTP))?", re.IGNORECASE)
_ICMP = re.compile(r"(ICMP|ICMPv6)/([0-9]{1,3})(?:/([0-9]{1,3}))?", re.IGNORECASE)
_EXPECTED = "expected a port as 443/TCP, 53/UDP or 8080, or ICMP/8 (type) or ICMP/3/1 (type and code)"
_ANSWERS: dict[Reach, Answer] = {
    Reach.ALLOWED: "allowed",
    Reach.DENIED: "denied",
    Reach.CONDITIONAL: "conditional",
    Reach.INDETERMINATE: "indeterminate",
    Reach.DECLARED_NOT_ENFORCED: "allowed",
}
_ENDS = {"from": "--from", "to": "--to"}
_Decided = tuple[Peer, Peer, Decision]


@dataclass(frozen=True, slots=True)
class PortQuery:
    """A port and its protocol; for ICMP type * 256 + code."""

    number: int
    protocol: str

    def __str__(self) -> str:
        if self.protocol in ICMP_PROTOCOLS:
            return f"{self.protocol} type {self.number // 256} code {self.number % 256}"
        return f"{self.number}/{self.protocol}"


def parse_port(text: str) -> PortQuery:
    """`443/TCP`, `443`, `ICMP/8`, `ICMP/3/1`. Raises UserError."""
    if found := _PORT.fullmatch(text.strip()):
        number, protocol = int(found[1]), (found[2] or "TCP").upper()
        if 1 <= number <= 65535 and protocol in PORT_PROTOCOLS:
            return PortQuery(number, protocol)
    if found := _ICMP.fullmatch(text.strip()):
        kind, code = int(found[2]), int(found[3] or 0)
        protocol = "ICMPv6" if found[1].lower() == "icmpv6" else "ICMP"
        if kind <= 255 and code <= 255:
            return PortQuery(kind * 256 + code, protocol)
    raise UserError(f"--port: {_EXPECTED} (got {text!r})")


def answer_query(facts: Facts, source: str, destination: str, port: PortQuery) -> QueryResult:
    """The answer on both bases with its chain.

    Raises UserError for names that the evidence doesn't have, and where a name stands for pods that fare differently.
    """
    network = _network(facts, source, destination)
    ends = _candidates(facts, network, source, "from"), _candidates(facts, network, destination, "to")
    one, other, decision = _the_one(_decisions(network, *ends, port))
    return QueryResult(
        source=one.id,
        destination=other.id,
        port=port.number,
        protocol=port.protocol,
        declared=_answer(decision.declared),
        enforced=_answer(decision.verdict),
        verdict=decision.verdict.value,
        reason=decision.cause.code,
        message=sentence(decision.cause),
        elsewhere=_elsewhere(network, source, destination, (one, other, decision), port),
        chain=[_chain(entry) for entry in decision.chain],
        enforcement=list(enforcement_rows(network)),
        completeness=completeness(facts, network),
    )


def _network(facts: Facts, *names: str) -> Connectivity:
    """Workloads, unless a name is that of one pod among several of its workload: then every pod by itself."""
    pods = {
        f"{pod.namespace}/{pod.name}"
        for endpoint in facts.endpoints
        if len(endpoint.pods) > 1
        for pod in endpoint.pods
    }
    plain = {name.replace("/Pod/", "/") for name in names}
    return facts.network if pods.isdisjoint(plain) else pod_network(facts)


def _candidates(facts: Facts, network: Connectivity, text: str, end: str) -> Sequence[Peer]:
    """What a name stands for: one peer, or the pods or parts (`id#1`, `id#2`) of a workload."""
    try:
        return [network.resolve(text)]
    except LookupError as error:
        found = _of_workload(facts, network, text)
        if found:
            return found
        raise UserError(f"{_ENDS[end]}: {error.args[0]}") from None


def _of_workload(facts: Facts, network: Connectivity, text: str) -> Sequence[Endpoint]:
    """The parts of a workload; where the network is one of single pods, their pods."""
    parts = [
        endpoint
        for endpoint in facts.endpoints
        if text in (endpoint.id, endpoint.id.partition("#")[0], f"{endpoint.namespace}/{endpoint.name}")
    ]
    if network is facts.network:
        return parts
    names = {(pod.namespace, pod.name) for endpoint in parts for pod in endpoint.pods}
    return [
        endpoint
        for endpoint in network.universe.endpoints
        if any((pod.namespace, pod.name) in names for pod in endpoint.pods)
    ]


def _decisions(
    network: Connectivity, sources: Sequence[Peer], destinations: Sequence[Peer], port: PortQuery
) -> list[_Decided]:
    """The decision for every pair; of a pod with itself only where nothing else was asked."""
    found = [
        (one, other, network.allows(one, other, port.number, port.protocol))
        for one in sources
        for other in destinations
    ]
    return [entry for entry in found if entry[2].cause.code != "self"] or found


def _the_one(decided: Sequence[_Decided]) -> _Decided:
    """Any pair stands for all that decide alike. Raises UserError when they don't: never a union, never one of them."""
    kinds: dict[object, _Decided] = {}
    for entry in decided:
        kinds.setdefault((entry[2].declared, entry[2].verdict), entry)
    if len(kinds) > 1:
        told = ", ".join(f"{one.id} to {other.id} {d.verdict.value}" for one, other, d in kinds.values())
        raise UserError(
            f"--from, --to: there is no one answer for all of these pods: {told}; expected one of them"
        )
    return decided[0]


def _elsewhere(
    network: Connectivity, source: str, destination: str, answered: _Decided, port: PortQuery
) -> list[ElsewhereRow]:
    """For `internet`: the other public ranges that rules tell apart, where the answer differs there."""
    one, other, decision = answered
    public = [e for e in network.externals if not e.is_private]
    pairs: list[tuple[Peer, Peer]] = []
    if "internet" in (source, destination) and source != destination:
        pairs = [(e, other) if source == "internet" else (one, e) for e in public if e not in (one, other)]
    found = []
    for here, there in pairs:
        told = network.allows(here, there, port.number, port.protocol)
        if (told.declared, told.verdict) != (decision.declared, decision.verdict):
            answers = _answer(told.declared), _answer(told.verdict)
            found.append(
                ElsewhereRow(source=here.id, destination=there.id, declared=answers[0], enforced=answers[1])
            )
    return sorted(found, key=lambda row: (row.source, row.destination))


def _answer(reach: Reach) -> Answer:
    """What is open only because nothing enforces the denial is open."""
    return _ANSWERS[reach]


def _chain(entry: LayerDecision) -> ChainRow:
    return ChainRow(
        layer=entry.layer,
        direction=entry.direction.value,
        verdict=entry.verdict.value,
        rules=rule_rows(entry.rules),
        reason=entry.why.code,
        message=sentence(entry.why),
    )


def rule_rows(rules: Sequence[RuleRef]) -> list[Rule]:
    """Deciding rules as rows, each once, sorted."""
    return [Rule(object=r.object, rule=r.rule, evidence=r.evidence_id) for r in sorted(set(rules))]


def sentence(why: Cause) -> str:
    """The English sentence of a cause of either engine."""
    return fill(PHRASES.get(why.code, why.code), dict(why.parameters))
