"""Measure what flows into every port and how it is protected: `python -m benchmarks.flows [pods ...]`.

Prints, for each kind of cluster and size, the processor time of the flows into all declared ports, and how many there are.
Every pod is a workload of its own and may be a client of every other as far as policies let it: the clusters are those of
`benchmarks.connectivity` (a policy for every five pods, no mesh) and of `benchmarks.encryption` (no policy, a mesh).
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from auditor.checks.context import Facts
from auditor.model.evidence import Claim, Snapshot
from auditor.model.kinds import KNOWN_KINDS
from benchmarks import connectivity, encryption

_NOW = datetime(2026, 9, 30, tzinfo=UTC)


def _without_mesh(pods: int) -> Snapshot:
    claims = tuple(Claim(key, None, "", "generated", "generated") for key in KNOWN_KINDS)
    return Snapshot(tuple(connectivity.read(raw) for raw in connectivity.generate(pods)), claims)


def _istio(pods: int) -> Snapshot:
    return encryption.load(encryption.generate(pods, one_namespace=False, linkerd=False)).snapshot


def _linkerd(pods: int) -> Snapshot:
    return encryption.load(encryption.generate(pods, one_namespace=False, linkerd=True)).snapshot


_CLUSTERS: dict[str, Callable[[int], Snapshot]] = {
    "policies": _without_mesh,
    "istio": _istio,
    "linkerd": _linkerd,
}


def measure(kind: str, pods: int) -> None:
    """Print one line of figures."""
    facts = Facts(_CLUSTERS[kind](pods), None, _NOW)
    rows = facts.encryption.rows()
    classes = len({facts.encryption.client_class(endpoint) for endpoint in facts.endpoints})
    start = time.process_time()
    flows = sum(len(facts.incoming_flows.into(row)) for row in rows)
    spent = time.process_time() - start
    print(
        f"{kind:>8} {pods:6} pods  {len(rows)} ports, {classes} classes of clients, {flows} flows told"
        f"  {spent:6.2f} s  ({spent / pods * 1e6:.0f} us a pod)",
        flush=True,
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [1_000, 2_000]
    for name in _CLUSTERS:
        for size in numbers:
            measure(name, size)
