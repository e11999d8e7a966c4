"""Objects with values of the wrong shape anywhere never break the engine: they become problems or change nothing."""

import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.network.connectivity import Connectivity
from tests.network import (
    test_calico,
    test_cilium,
    test_mesh_authorization_istio,
    test_mesh_authorization_linkerd,
)
from tests.network.building import Raw

_EXAMPLES = int(os.environ.get("AUDITOR_EXAMPLES", "300"))
_MODULES = (test_calico, test_cilium, test_mesh_authorization_istio, test_mesh_authorization_linkerd)
_CASES = [(module, case[1]) for module in _MODULES for case in module.CASES if case[1]]
_WEIRD: tuple[Any, ...] = (
    *(None, 0, -1, True, "", [], {}, [None], ["x", 1], {"a": None}, "\x00", 1e309, float("nan"), "9" * 300),
    *(
        [[[]]],
        {"matchLabels": []},
        {"matchLabels": {"a": 1}},
        10**30,
        "٣",
        "²",
        "0x10",
        "10.0.0.1/8",
        "::/129",
    ),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _damage(raw: Raw, path: tuple[Any, ...], weird: Any) -> None:
    place: Any = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = copy.deepcopy(weird)


@given(st.sampled_from(_CASES), st.data())
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize="AUDITOR_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_a_value_of_the_wrong_shape_breaks_nothing(case: tuple[Any, list[Raw]], data: st.DataObject) -> None:
    module, objects = case
    damaged = copy.deepcopy(objects)
    chosen = data.draw(st.sampled_from(damaged))
    paths = [path for path in _paths(chosen) if path[0] in ("spec", "specs", "data")]
    if paths:
        _damage(chosen, data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(_WEIRD)))
    engine: Connectivity = module.cluster(*damaged)
    assert all(problem.object and problem.expected for problem in engine.policy_problems)
    assert list(engine.matrix())
