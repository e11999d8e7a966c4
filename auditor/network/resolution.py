"""From what a person writes to a peer: `namespace/pod`, an endpoint's id, an address, `internet`, a network's name."""

from difflib import get_close_matches

from auditor.network.addresses import contains, parse_address, parse_network
from auditor.network.universe import Peer, Universe

_CANDIDATES = 5


def resolve_peer(universe: Universe, text: str) -> Peer:
    """The peer that a text names. Raises LookupError, with candidates, when there is none or more than one."""
    if (position := universe.index.get(text, universe.index.get(f"/{text}"))) is not None:
        return universe.peers[position]
    if parse_address(text) is not None:
        return _by_address(universe, text)
    found = [*_by_pod(universe, text), *_by_prefix(universe, text), *_by_network(universe, text)]
    unique = {peer.id: peer for peer in found}
    if len(unique) == 1:
        return next(iter(unique.values()))
    if unique:
        raise LookupError(f"{text!r} may be any of: {', '.join(sorted(unique)[:_CANDIDATES])}")
    close = get_close_matches(text, list(universe.index), _CANDIDATES, 0.5)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    raise LookupError(f"nothing in the evidence is called {text!r}{hint}")


def _by_address(universe: Universe, text: str) -> Peer:
    holders = universe.addresses.holder(text)
    if holders:
        own_network = [p for p in holders if universe.pods >> p & 1]
        nodes = [p for p in holders if universe.hosts >> p & 1]
        return universe.peers[(own_network or nodes or holders)[0]]
    address = parse_network(f"{parse_address(text)}/{32 if '.' in text and ':' not in text else 128}")
    covering = [e for e in universe.externals if contains(e.block, address)]
    if not covering:
        raise LookupError(f"{text!r} is in no address range of the evidence")
    return max(covering, key=lambda external: external.block.prefixlen)


def _by_pod(universe: Universe, text: str) -> list[Peer]:
    namespace, _, name = text.partition("/")
    name = name.removeprefix("Pod/")
    return [
        endpoint
        for endpoint in universe.endpoints
        if endpoint.namespace == namespace and any(pod.name == name for pod in endpoint.pods)
    ]


def _by_prefix(universe: Universe, text: str) -> list[Peer]:
    """`namespace/name` of a workload, and a workload whose pods decide differently (`id#1`, `id#2`)."""
    namespace, _, name = text.partition("/")
    return [
        endpoint
        for endpoint in universe.endpoints
        if endpoint.id.partition("#")[0] == text
        or (endpoint.namespace == namespace and endpoint.name == name)
    ]


def _by_network(universe: Universe, text: str) -> list[Peer]:
    named = [e for e in universe.externals if text in e.networks or text in map(str, (e.block,))]
    if text == "internet":
        return [max((e for e in universe.externals if not e.is_private), key=_size)]
    return list(named)


def _size(external: Peer) -> int:
    block = getattr(external, "block", None)
    return block.num_addresses if block is not None and block.version == 4 else 0
