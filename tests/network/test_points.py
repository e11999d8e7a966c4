"""Every point at which reachability engines go wrong has a named case.

That is a test `test_<number>_…`, or a row of a table whose id begins with the number. The numbers are those that the
engine's own docstrings cite as connectivity.md; what each is about is said here.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import tests

POINTS = {
    1: "without a policy everything is allowed; a podSelector alone is the policy's own namespace",
    2: "an empty podSelector is every pod of the namespace; policies select pods, never Services",
    3: "no rules deny, an empty rule and an empty list of peers allow all, an empty peer is invalid",
    4: "selectors inside a peer are ANDed, peers are ORed",
    5: "policyTypes that are not written",
    6: "address blocks and pods; exceptions narrow their own peer",
    7: "ports: by name and protocol, without protocol, without port, endPort; one protocol isolates all",
    8: "pods with hostNetwork are not selected",
    9: "finished pods are neither subjects nor peers",
    10: "a pod reaches itself, and its node reaches it",
    11: "the namespace's name is a label",
    12: "NotIn and DoesNotExist match a missing key",
    13: "egress and ingress must both allow; a denied egress denies DNS",
    14: "policies add up, in any order",
    15: "nothing holds that no agent enforces",
    16: "lower priority first, then the rules' order; equal priorities are indeterminate",
    17: "Pass leads to NetworkPolicy, whose selection keeps the baseline away",
    18: "Accept, tiers and protocols of v1alpha2; an unknown peer fails closed",
    19: "networks cover pods; hostNetwork pods are neither subjects nor peers",
    20: "Cilium's enforcement mode and enableDefaultDeny",
    21: "Cilium's deny beats every allow and isolates",
    22: "Cilium's endpoints: none, any, own namespace, other namespaces",
    23: "Cilium's entities",
    24: "names and requests are conditions; requirements are gone",
    25: "Calico's types that are not written",
    26: "Calico's tiers, their order and end, Pass and Log",
    27: "Calico's profiles",
    28: "Calico's selectors, and what a negation includes",
    29: "Calico's service accounts, namespaces and global(); what is staged or about host endpoints",
    30: "CUSTOM, DENY, ALLOW; AUDIT and dry-run; an ALLOW without rules",
    31: "the root namespace, selectors and targetRefs",
    32: "attributes of requests on ports that are not HTTP",
    33: "no proxy, UDP, plaintext and identities",
    34: "ways in from outside, intersected with policy",
    35: "only the active agent's kinds are enforced, each in some versions; meshes are ANDed",
    36: "NetworkPolicy in Calico's default tier; order and end that are not written; older names of tiers",
    37: "Cilium adds the allows of both systems up, a deny of either wins",
}
_NUMBER = re.compile(r"(?:test_)?(\d{1,2})(?=[ :_])")


def _modules() -> Iterator[ModuleType]:
    for package in ("network", "connectivity"):
        for found in pkgutil.iter_modules([f"{tests.__path__[0]}/{package}"]):
            if found.name.startswith("test_"):
                yield importlib.import_module(f"tests.{package}.{found.name}")


def _names(module: ModuleType) -> Iterator[str]:
    """Names of the module's tests, and the ids of their rows."""
    for name, function in vars(module).items():
        if name.startswith("test_"):
            yield name
            for mark in getattr(function, "pytestmark", []):
                ids = mark.kwargs.get("ids")
                yield from map(str, ids if isinstance(ids, list) else ())


@pytest.fixture(scope="module")
def cases() -> dict[int, list[str]]:
    """The named cases of each point."""
    found: dict[int, list[str]] = {number: [] for number in POINTS}
    for module in _modules():
        for name in _names(module):
            if (number := _NUMBER.match(name)) and int(number[1]) in found:
                found[int(number[1])].append(f"{module.__name__}: {name}")
    return found


@pytest.mark.parametrize("number", POINTS, ids=lambda number: f"point {number}")
def test_every_point_has_a_named_case(number: int, cases: dict[int, list[str]]) -> None:
    assert cases[number], POINTS[number]
