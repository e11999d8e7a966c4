"""Rules that change nothing are what they are called: without them everyone reaches the same, in every policy system."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.network.connectivity import Basis, Connectivity
from auditor.network.ports import NOTHING, PortSet
from auditor.network.rule_flaw import Flaw
from auditor.network.rule_quality import rule_flaws
from tests.network.building import Raw, connect, labels, read
from tests.network.generated import clusters
from tests.network.proof import examples
from tests.network.test_calico_against_reference import calico_clusters
from tests.network.test_cilium_against_reference import cilium_clusters
from tests.network.test_mixtures_against_reference import CALICO_AGENTS, CILIUM_AGENTS, mixed_clusters

WITHOUT_EFFECT = (Flaw.REDUNDANT, Flaw.SHADOWED, Flaw.MATCHES_NOTHING)
NOBODY = labels(no="such")
_CIDR = re.compile(r"^[0-9a-f.:]+/\d+$")


def pruned(objects: list[Raw], flaws: Mapping[str, Any]) -> tuple[list[Raw], int]:
    """The objects without the rules and peers that are said to change nothing, and how many those were.

    Rules are emptied, not removed, so that each policy goes on isolating in the same directions.
    """
    left, count = copy.deepcopy(objects), 0
    for raw in left:
        listed = flaws.get(str(read(raw).id), ())
        for flaw in sorted(listed, key=lambda flaw: (len(flaw.path.split(".")), flaw.path), reverse=True):
            if flaw.kind is Flaw.REDUNDANT_PEER or (
                flaw.kind is Flaw.MATCHES_NOTHING and _is_peer(flaw.path)
            ):
                holder, index = _place(raw, flaw.path)
                del holder[index]
                count += 1
            elif flaw.kind in WITHOUT_EFFECT:
                holder, index = _place(raw, flaw.path)
                holder[index] = _emptied(raw, flaw.path, holder[index])
                count += 1
    return left, count


def _is_peer(path: str) -> bool:
    return path.endswith("]") and path.rpartition(".")[2].startswith(("from[", "to["))


def _place(raw: Raw, path: str) -> tuple[list[Any], int]:
    found: Any = raw if path.startswith("specs[") else raw["spec"]
    steps = re.findall(r"([A-Za-z]+)|\[(\d+)\]", path)
    for name, index in steps[:-1]:
        found = found[name] if name else found[int(index)]
    return found, int(steps[-1][1])


def _emptied(raw: Raw, path: str, rule: Raw) -> Raw:
    """A rule that matches nobody, in the words of its system."""
    egress = "egress" in path
    group = raw["apiVersion"].partition("/")[0]
    if group in ("projectcalico.org", "crd.projectcalico.org"):
        return {"action": "Log"}
    if group == "cilium.io":
        return {"toEndpoints" if egress else "fromEndpoints": [NOBODY]}
    if group == "policy.networking.k8s.io":
        return {"action": rule["action"], "to" if egress else "from": [{"namespaces": NOBODY}]}
    return {"to" if egress else "from": [{"podSelector": NOBODY}]}


def _blocks(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _CIDR.match(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _blocks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _blocks(inner)


def reached(network: Connectivity) -> dict[Any, tuple[PortSet, ...]]:
    return {
        (basis, c.source.id, c.destination.id): (
            c.allowed,
            c.declared_not_enforced,
            reduce(PortSet.__or__, (ports for ports, _ in c.conditional), NOTHING),
            reduce(PortSet.__or__, (ports for ports, _ in c.indeterminate), NOTHING),
        )
        for basis in Basis
        for destination in network.universe.peers
        for c in network.into(destination, basis=basis)
    }


SYSTEMS: dict[str, st.SearchStrategy[list[Raw]]] = {
    "NetworkPolicy": clusters(),
    "cluster-wide policies": clusters(admin=True),
    "Calico": calico_clusters(),
    "Calico with NetworkPolicy": calico_clusters(kubernetes=True),
    "Cilium": cilium_clusters(),
    "Cilium with NetworkPolicy": cilium_clusters(kubernetes=True),
    "mixtures with Calico": st.sampled_from(sorted(CALICO_AGENTS)).flatmap(mixed_clusters),
    "mixtures with Cilium": st.sampled_from(sorted(CILIUM_AGENTS)).flatmap(mixed_clusters),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_without_all_that_changes_nothing_everyone_reaches_the_same(system: str) -> None:
    total = 0

    @given(SYSTEMS[system])
    @examples(40)
    def check(objects: list[Raw]) -> None:
        nonlocal total
        # Blocks stay named, so that addresses outside are told apart as before.
        named = [(f"net-{i}", [block]) for i, block in enumerate(sorted({*_blocks(objects)}))]
        network = connect(objects, named)
        assert network.services is not None
        flaws = rule_flaws(network, network.services, lambda *_: True)
        left, count = pruned(objects, flaws)
        total += count
        if count:
            after, before = reached(connect(left, named)), reached(network)
            assert after == before, json.dumps({k: [str(x) for x in v] for k, v in flaws.items() if v})

    check()
    assert total > 10, "the generated clusters hold too few such rules to prove anything"
