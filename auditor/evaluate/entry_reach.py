"""Ways in from outside, followed to the pods and held against policy (connectivity.md 34).

Behind an ingress controller or gateway the traffic comes from its pods. At layer 4 it comes from the client's address, or,
where the Service's traffic policy is Cluster, from another node that forwarded it (connectivity.md 6: source NAT).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.checks.context import Facts
from auditor.checks.entry_serving import OUTSIDE, controllers, serving
from auditor.encryption.entry_points import EntryPoint, Exposure, Way
from auditor.evaluate.connectivity_query import sentence
from auditor.inventory.endpoints import Endpoint
from auditor.model.connectivity_result import EntryRow
from auditor.model.kinds import SERVICE
from auditor.model.objects import text_at
from auditor.model.verdict import Cause, Reach, Tri
from auditor.network.addresses import AddressError, External, Network, contains, parse_network
from auditor.network.reach import Flows
from auditor.network.universe import Peer, Universe

_GOOGLE = tuple(parse_network(text) for text in ("130.211.0.0/22", "35.191.0.0/16"))
"""Google's front ends and health checks (cloud.google.com, firewall rules of load balancers)."""
_NEVER_ROUTED = tuple(
    parse_network(text) for text in ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")
)
"""Addresses that no load balancer has."""
_BEST_FIRST = (
    Reach.ALLOWED,
    Reach.DECLARED_NOT_ENFORCED,
    Reach.CONDITIONAL,
    Reach.INDETERMINATE,
    Reach.DENIED,
)


@dataclass(frozen=True, slots=True)
class _Reached:
    verdict: Reach
    via: tuple[str, ...]
    why: Cause | None


def reach_entries(facts: Facts) -> tuple[EntryRow, ...]:
    """One row for each way in and container port behind it, sorted."""
    known = controllers(facts)
    rows = [row for entry in facts.entry_points for row in _behind_controller(facts, entry, known)]
    rows += [row for exposure in facts.exposures for row in _at_layer_4(facts, exposure)]
    unique = {row.model_dump_json(): row for row in rows}
    return tuple(unique[key] for key in sorted(unique, key=lambda key: _place(unique[key])))


def _place(row: EntryRow) -> tuple[str, ...]:
    port = f"{row.outside_port or 0:05d}"
    return row.object, row.way, row.host or "", port, row.endpoint, f"{row.port:05d}", row.protocol


def _behind_controller(
    facts: Facts, entry: EntryPoint, known: Mapping[str, Sequence[Endpoint]]
) -> Iterator[EntryRow]:
    if entry.kind == SERVICE.kind:
        return
    sources = serving(facts, entry, known)
    for backend in entry.destinations:
        at = (backend.endpoint, backend.target_port, backend.protocol)
        outside = entry.controller in OUTSIDE
        found = _from_balancer(facts, entry, *at) if outside else _reach(facts, sources, *at)
        if not sources and not outside:
            found = _Reached(
                Reach.INDETERMINATE, (), _cause("indeterminate.entry-controller-unknown", entry.object)
            )
        yield _row(
            found,
            object=entry.object,
            way="controller",
            controller=entry.controller,
            host=entry.host,
            outside_port=entry.port,
            source_ranges=[],
            endpoint=backend.endpoint.id,
            port=backend.target_port,
            protocol=backend.protocol,
            evidence=sorted({*entry.evidence, backend.service.evidence_id, *backend.endpoint.evidence}),
        )


def _from_balancer(facts: Facts, entry: EntryPoint, endpoint: Endpoint, port: int, protocol: str) -> _Reached:
    """From a load balancer outside the cluster: a private address, one of Google's front ends, or a node that forwards.

    Which one isn't known, so an answer needs the same for all of them.
    """
    universe = facts.network.universe
    front = _GOOGLE if entry.controller == "gce" else ()
    sources: list[Peer] = [
        external
        for external in universe.externals
        if (external.is_private or _overlap(external, front))
        and not _overlap(external, _NEVER_ROUTED)
        and not _belongs_inside(universe, external)
    ]
    sources += [node for node in universe.nodes if node.name not in endpoint.node_names]
    if len(_verdicts(facts, sources, endpoint, port, protocol)) > 1:
        return _Reached(Reach.INDETERMINATE, (), _cause("indeterminate.entry-balancer-address", entry.object))
    return _reach(facts, sources, endpoint, port, protocol)


def _verdicts(
    facts: Facts, sources: Sequence[Peer], endpoint: Endpoint, port: int, protocol: str
) -> set[Reach]:
    """What the sources get, taken together; those that no flow names are denied."""
    found: set[Reach] = set()
    named: set[str] = set()
    for flows in facts.network.flows_into(endpoint, sources) if sources else ():
        found.add(_at_port(flows, port, protocol))
        named.update(source.id for source in flows.sources)
    return found | ({Reach.DENIED} if any(source.id not in named for source in sources) else set())


def _at_layer_4(facts: Facts, exposure: Exposure) -> Iterator[EntryRow]:
    for target in exposure.targets:
        sources = _outside(facts, exposure, target.endpoint)
        found = _reach(facts, sources, target.endpoint, target.port, exposure.protocol)
        if not sources:
            found = _Reached(Reach.DENIED, (), _cause("entry.no-source", exposure.object))
        yield _row(
            found,
            object=exposure.object,
            way=str(exposure.way),
            controller=exposure.controller,
            host=None,
            outside_port=exposure.port or None,
            source_ranges=list(exposure.source_ranges),
            endpoint=target.endpoint.id,
            port=target.port,
            protocol=exposure.protocol,
            evidence=sorted({*exposure.evidence, *target.endpoint.evidence}),
        )


def _outside(facts: Facts, exposure: Exposure, endpoint: Endpoint) -> list[Peer]:
    """Addresses outside that the way lets in, and other nodes where they may stand for the client."""
    universe = facts.network.universe
    ranges = [network for text in exposure.source_ranges if (network := _network(text)) is not None]
    inside_only = exposure.way is Way.LOAD_BALANCER and exposure.internal is Tri.YES
    found: list[Peer] = [
        external
        for external in universe.externals
        if (not ranges or _overlap(external, ranges))
        and (external.is_private or not inside_only)
        and not _belongs_inside(universe, external)
    ]
    if found and _forwarded(facts, exposure):
        found += [node for node in universe.nodes if node.name not in endpoint.node_names]
    return found


def _forwarded(facts: Facts, exposure: Exposure) -> bool:
    """Whether a node that doesn't run the pod may forward the connection under its own address."""
    if exposure.way in (Way.HOST_PORT, Way.HOST_NETWORK):
        return False
    namespace, _, rest = exposure.object.partition("/")
    service = facts.cluster.get(SERVICE, namespace, rest.partition("/")[2])
    return service is None or text_at(service.spec, "externalTrafficPolicy") != "Local"


def _network(text: str) -> Network | None:
    try:
        return parse_network(text)
    except AddressError:
        return None


def _overlap(external: External, ranges: Sequence[Network]) -> bool:
    parts = [parse_network(cidr) for cidr in external.cidrs]
    return any(contains(part, network) or contains(network, part) for part in parts for network in ranges)


def _belongs_inside(universe: Universe, external: External) -> bool:
    """Whether a range is nothing but addresses of pods and nodes, which are judged as those."""
    parts = [parse_network(cidr) for cidr in external.cidrs]
    return all(part.num_addresses == 1 and universe.addresses.holder(str(part[0])) for part in parts)


def _reach(facts: Facts, sources: Sequence[Peer], endpoint: Endpoint, port: int, protocol: str) -> _Reached:
    """The best that any source gets, and which sources get it."""
    others = [source for source in sources if source.id != endpoint.id]
    by_verdict: dict[Reach, list[Peer]] = {}
    for flows in facts.network.flows_into(endpoint, others) if others else ():
        by_verdict.setdefault(_at_port(flows, port, protocol), []).extend(flows.sources)
    best = next((reach for reach in _BEST_FIRST if reach in by_verdict), Reach.DENIED)
    peers = sorted(by_verdict.get(best, []), key=lambda peer: peer.id)
    witness = peers[0] if peers else next(iter(others), None)
    if witness is None:
        return _Reached(Reach.ALLOWED if sources else Reach.DENIED, (), None)
    decision = facts.network.allows(witness, endpoint, port, protocol)
    via = tuple(peer.id for peer in peers) if best is not Reach.DENIED else ()
    return _Reached(best, via, decision.cause)


def _at_port(flows: Flows, port: int, protocol: str) -> Reach:
    if flows.allowed.contains(port, protocol):
        return Reach.ALLOWED
    if flows.declared_not_enforced.contains(port, protocol):
        return Reach.DECLARED_NOT_ENFORCED
    if any(ports.contains(port, protocol) for ports, _ in flows.conditional):
        return Reach.CONDITIONAL
    unknown = any(ports.contains(port, protocol) for ports, _ in flows.indeterminate)
    return Reach.INDETERMINATE if unknown else Reach.DENIED


def _cause(code: str, object: str) -> Cause:
    return Cause(code, (("object", object),))


def _row(found: _Reached, **fields: object) -> EntryRow:
    why = found.why
    return EntryRow.model_validate(
        {
            **fields,
            "via": list(found.via),
            "verdict": found.verdict.value,
            "reason": why.code if why else "self",
            "message": sentence(why) if why else "",
        }
    )
