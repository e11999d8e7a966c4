"""How long collection waits: for a server that is silent, slow or down in one group, for credentials, for its own pace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

from auditor.collect.live.pace import Pace
from auditor.model.evidence import Completeness
from auditor.model.kinds import NETWORK_POLICY, POD, SERVICE, kind_key
from tests.collect.live.api_server import ApiServer, Resource, reset, serving, status
from tests.collect.live.test_collection import Cluster, pod, state

ISTIO = [kind_key("networking.istio.io", kind) for kind in ("DestinationRule", "Gateway", "VirtualService")]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    resources = {
        ("", "v1", "pods"): Resource("Pod", objects=[pod("a")]),
        ("", "v1", "services"): Resource("Service", objects=[pod("web")]),
        ("networking.k8s.io", "v1", "networkpolicies"): Resource("NetworkPolicy"),
        **{(key.group, "v1", f"{key.kind.lower()}s"): Resource(key.kind) for key in ISTIO},
    }
    with serving(ApiServer(resources=resources)) as server:
        yield Cluster(server, server.kubeconfig(tmp_path / "kubeconfig"))


def test_a_burst_is_free_and_then_requests_are_paced() -> None:
    slept: list[float] = []
    pace = Pace(lambda: sum(slept), slept.append, burst=3, rate=10)
    for _ in range(3):
        pace.wait()
    assert slept == []
    for _ in range(20):
        pace.wait()
    assert sum(slept) == pytest.approx(2.0)


def test_time_that_passes_pays_for_requests() -> None:
    slept: list[float] = []
    now = [0.0]
    pace = Pace(lambda: now[0], slept.append, burst=2, rate=10)
    for _ in range(10):
        pace.wait()
        now[0] += 0.1
    assert slept == []


def test_a_server_that_has_never_answered_is_given_up_soon(cluster: Cluster) -> None:
    cluster.server.faults["/api"] = [reset] * 9
    with pytest.raises(Exception, match="asked 3 times"):
        cluster.collect(kinds=[POD])
    assert cluster.slept == [0.5, 1.0]


def test_a_server_that_has_answered_is_waited_for_while_it_may_restart(cluster: Cluster) -> None:
    cluster.server.faults["/api/v1/pods"] = [reset] * 6
    found = cluster.collect(kinds=[POD])
    assert state(found) is Completeness.COMPLETE
    assert cluster.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_group_that_is_down_is_waited_for_once(cluster: Cluster) -> None:
    for key in ISTIO:
        path = f"/apis/{key.group}/v1/{key.kind.lower()}s"
        cluster.server.faults[path] = [status(503, "unavailable")] * 9
    found = cluster.collect(kinds=[*ISTIO, NETWORK_POLICY])
    assert {state(found, key) for key in ISTIO} == {Completeness.PARTIAL}
    assert state(found, NETWORK_POLICY) is Completeness.COMPLETE
    assert cluster.slept == [0.5, 1.0, 2.0, 4.0, 0.5, 0.5]


def test_credentials_that_run_out_for_good_leave_what_was_collected(cluster: Cluster) -> None:
    cluster.server.faults["/api/v1/services"] = [status(401)] * 9
    found = cluster.collect(kinds=[POD, SERVICE])
    assert (state(found, POD), state(found, SERVICE)) == (Completeness.COMPLETE, Completeness.PARTIAL)
    assert found.snapshot.completeness(SERVICE).cause == "the API server doesn't accept the credentials (401)"
    assert [path for path in cluster.server.seen if path.startswith("/api/v1/services")][2:] == []
