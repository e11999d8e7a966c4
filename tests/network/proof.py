"""The engine against slow evaluators on generated clusters: how many, which answers, and the comparison itself.

`make test` takes a few dozen clusters for each layer and mixture, always the same; AUDITOR_EXAMPLES sets how many, and then
they are drawn anew (`make proof` takes a thousand for each).
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product

from hypothesis import HealthCheck, settings

from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.connectivity import Basis, Connectivity
from auditor.network.universe import Host, Peer
from tests.network.reference import Party

VARIABLE = "AUDITOR_EXAMPLES"
ALLOW, LIMITED, MAYBE, UNENFORCED, DENY = "allow", "limited", "maybe", "unenforced", "deny"
"""An answer: allowed, conditional, indeterminate, denied but by nothing that is enforced, denied."""

COUNTS: Counter[str] = Counter()
"""Clusters and answers compared, for the summary at the end of the run."""

Answers = Callable[[Peer, Party, Peer, Party, int, str], str]
_IDLE = frozenset({"100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "172.16.0.0/12"})
"""Ranges that no generated policy names: they fare as the internet does."""


def examples(usual: int, share: int = 1) -> settings:
    """Settings of a proof: `usual` clusters, the same in every run, or as many as the environment asks for.

    `share`: of what is asked for, where several tests prove a thing together.
    """
    asked = os.environ.get(VARIABLE)
    return settings(
        max_examples=max(1, int(asked) // share) if asked else usual,
        deadline=None,
        derandomize=not asked,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def points(ports: Sequence[int], *protocols: str) -> list[tuple[int, str]]:
    """Every port with every protocol."""
    return list(product(ports, protocols))


def party(peer: Peer) -> Party:
    """A peer as the slow evaluators see it."""
    if isinstance(peer, Endpoint):
        ports = tuple((p.name, p.protocol, p.port) for p in peer.ports)
        on = next(iter(peer.node_names))
        return Party(
            peer.addresses[0],
            peer.namespace,
            peer.labels,
            ports,
            on,
            peer.host_network,
            account=peer.service_account,
        )
    if isinstance(peer, Host):
        return Party(peer.addresses[0], node=peer.name, is_node=True)
    return Party(peer.cidrs[0].partition("/")[0])


def pairs(connectivity: Connectivity) -> Iterator[tuple[Peer, Party, Peer, Party]]:
    """Every pair but those of two addresses outside; the agents' own pods and idle ranges are left out."""
    parties = [
        (peer, party(peer))
        for peer in connectivity.universe.peers
        if not (isinstance(peer, Endpoint) and peer.namespace in ("kube-system", "linkerd"))
        and not (isinstance(peer, External) and peer.id in _IDLE)
    ]
    for (source, one), (destination, other) in product(parties, parties):
        if not (isinstance(source, External) and isinstance(destination, External)):
            yield source, one, destination, other


def compare(
    connectivity: Connectivity,
    expected: Answers,
    chosen: Sequence[tuple[int, str]],
    basis: Basis = Basis.DECLARED,
) -> None:
    """Assert that every pair has the expected answer at each of the chosen ports."""
    COUNTS["clusters"] += 1
    for source, one, destination, other in pairs(connectivity):
        found = connectivity.connection(source, destination, basis)
        parts = (
            (ALLOW, [found.allowed]),
            (LIMITED, [ports for ports, _ in found.conditional]),
            (MAYBE, [ports for ports, _ in found.indeterminate]),
            (UNENFORCED, [found.declared_not_enforced]),
        )
        for port, protocol in chosen:
            ours = next((name for name, sets in parts if any(s.contains(port, protocol) for s in sets)), DENY)
            theirs = expected(source, one, destination, other, port, protocol)
            COUNTS["answers"] += 1
            COUNTS[f"answers {theirs}"] += 1
            assert ours == theirs, (source.id, destination.id, port, protocol)
