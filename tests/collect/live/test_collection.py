"""Collection over HTTP from a small API server: every fault ends in complete evidence or in a gap with its cause."""

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from auditor.collect.bundle import write_bundle
from auditor.collect.live.collection import LiveCollection, collect_live
from auditor.collect.live.connection import KubernetesConnection
from auditor.collect.sources import read_sources
from auditor.model.evidence import Completeness
from auditor.model.kinds import CONFIG_MAP, KNOWN_KINDS, NAMESPACE, NETWORK_POLICY, POD, SERVICE, kind_key
from auditor.model.user_error import UserError
from tests.collect.live.api_server import (
    ApiServer,
    Fault,
    Resource,
    cut_in_the_middle,
    reset,
    serving,
    slow,
    status,
    truncated_json,
    web_page,
)

NOW = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)
GATEWAY = kind_key("networking.istio.io", "Gateway")
TIER = kind_key("projectcalico.org", "Tier")
MIDDLEWARE = kind_key("traefik.io", "Middleware")
PODS = "/api/v1/pods"


def pod(name: str, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "managedFields": [{}]}, "spec": spec}


@dataclass
class Cluster:
    """The server, the kubeconfig for it, and how long collection slept."""

    server: ApiServer
    kubeconfig: str
    slept: list[float] = field(default_factory=list)

    def collect(self, read_timeout: float = 20, **options: Any) -> LiveCollection:
        connection = KubernetesConnection(kubeconfig=self.kubeconfig, read_timeout=read_timeout)
        return collect_live(connection, now=NOW, sleep=self.slept.append, **options)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    server = ApiServer(
        resources={
            ("", "v1", "pods"): Resource("Pod", objects=[pod(f"p{n:04}") for n in range(1203)]),
            ("", "v1", "services"): Resource("Service", objects=[pod("web"), pod("db", "data")]),
            ("", "v1", "namespaces"): Resource(
                "Namespace", namespaced=False, objects=[{"metadata": {"name": "shop"}}]
            ),
            ("networking.k8s.io", "v1", "networkpolicies"): Resource("NetworkPolicy"),
        },
        objects={"/api/v1/namespaces/kube-system": {"metadata": {"uid": "1a2b"}}},
    )
    with serving(server):
        yield Cluster(server, server.kubeconfig(tmp_path / "kubeconfig"))


def state(found: LiveCollection, kind: Any = POD) -> Completeness:
    return found.snapshot.completeness(kind).state


def test_everything_that_is_served_is_read_page_by_page(cluster: Cluster) -> None:
    pages: list[tuple[str, int, int]] = []
    found = cluster.collect(on_page=lambda path, items, number: pages.append((path, items, number)))
    assert [entry for entry in pages if entry[0] == PODS] == [
        (PODS, 500, 1),
        (PODS, 1000, 2),
        (PODS, 1203, 3),
    ]
    assert len(found.snapshot.objects) == 1206
    assert found.snapshot.objects[-1].body["kind"] == "Service"
    assert {state(found, kind) for kind in (POD, SERVICE, NAMESPACE, NETWORK_POLICY)} == {
        Completeness.COMPLETE
    }
    assert found.snapshot.cluster.uid == "1a2b"
    assert (found.snapshot.cluster.name, found.snapshot.collected_by) == ("test", "jo")
    assert found.snapshot.collected_at == "2026-09-30T02:00:00Z"
    record = next(entry for entry in found.requests if entry.kind == "Pod")
    assert (record.resource_version, record.items, record.command) == ("4711", 1203, "GET /api/v1/pods")


def test_a_kind_that_is_not_served_is_not_installed(cluster: Cluster) -> None:
    found = cluster.collect()
    assert state(found, GATEWAY) is Completeness.NOT_INSTALLED


def test_older_servers_tell_group_by_group(cluster: Cluster) -> None:
    cluster.server.aggregated = False
    found = cluster.collect()
    assert state(found, NETWORK_POLICY) is Completeness.COMPLETE
    assert state(found, GATEWAY) is Completeness.NOT_INSTALLED
    assert len(found.snapshot.objects) == 1206


def test_only_gets_and_never_secrets_or_all_config_maps(cluster: Cluster) -> None:
    cluster.server.resources[("", "v1", "secrets")] = Resource("Secret", objects=[pod("s")])
    cluster.server.resources[("", "v1", "configmaps")] = Resource("ConfigMap", objects=[pod("s")])
    cluster.collect()
    assert not [path for path in cluster.server.seen if "secrets" in path]
    assert not [path for path in cluster.server.seen if path.startswith("/api/v1/configmaps")]


def test_secrets_in_pods_are_dropped_on_arrival(cluster: Cluster) -> None:
    container = {"name": "app", "env": [{"name": "PASSWORD", "value": "s3cr3t"}]}
    cluster.server.resources[("", "v1", "pods")].objects = [pod("a", containers=[container])]
    found = cluster.collect()
    assert "s3cr3t" not in str([obj.body for obj in found.snapshot.objects])
    reasons = {entry.reason for entry in found.snapshot.redactions if entry.object.kind == "Pod"}
    assert reasons == {"environment variables that are not evidence", "the API server's bookkeeping"}


MENDED: list[tuple[str, list[Fault | None], list[float]]] = [
    ("a connection that is cut in the middle of a page", [None, cut_in_the_middle], [0.5]),
    ("a reset", [reset], [0.5]),
    ("JSON that breaks off", [truncated_json], [0.5]),
    ("a web page", [web_page, web_page], [0.5, 1.0]),
    ("an internal error", [status(500)], [0.5]),
    ("a server that is not ready", [status(503), status(503), status(502)], [0.5, 1.0, 2.0]),
    ("too many requests", [status(429, Retry_After="7")], [7.0]),
    ("a wait longer than bearable", [status(429, Retry_After="86400")], [30.0]),
    ("a wait that is no number", [status(429, Retry_After="soon")], [0.5]),
    (
        "a wait until a date",
        [status(503, Retry_After="Wed, 30 Sep 2026 02:00:09 GMT", Date="Wed, 30 Sep 2026 02:00:00 GMT")],
        [9.0],
    ),
    ("a list that expires", [None, status(410, "expired")], []),
]


@pytest.mark.parametrize(("faults", "slept"), [row[1:] for row in MENDED], ids=[row[0] for row in MENDED])
def test_what_passes_ends_in_complete_evidence(
    cluster: Cluster, faults: list[Fault | None], slept: list[float]
) -> None:
    cluster.server.faults[PODS] = list(faults)
    found = cluster.collect(kinds=[POD])
    assert state(found) is Completeness.COMPLETE
    assert len(found.snapshot.objects) == 1203
    assert cluster.slept == slept


def test_a_list_that_was_started_over_is_told(cluster: Cluster) -> None:
    cluster.server.faults[PODS] = [None, status(410)]
    found = cluster.collect(kinds=[POD])
    assert found.notes == ("pods: the list expired and was started over 1 time",)


LASTING: list[tuple[str, list[Fault | None], Completeness, str]] = [
    (
        "forbidden",
        [status(403, 'pods is forbidden: User "jo" cannot list')],
        Completeness.FORBIDDEN,
        "403: pods is forbidden",
    ),
    ("a kind that went away", [status(404)], Completeness.NOT_INSTALLED, "404"),
    ("a request that is refused", [status(400, "bad")], Completeness.PARTIAL, "400: bad"),
    (
        "an internal error each time",
        [status(500, "conversion webhook failed")] * 9,
        Completeness.PARTIAL,
        "500: conversion webhook failed (asked 5 times)",
    ),
    ("cut each time", [cut_in_the_middle] * 9, Completeness.PARTIAL, "asked 7 times"),
    (
        "a web page each time",
        [web_page] * 9,
        Completeness.PARTIAL,
        "expected application/json (got text/html)",
    ),
    ("forbidden from the second page on", [None, status(403, "gone")], Completeness.FORBIDDEN, "403: gone"),
    ("a list that always expires", [status(410)] * 9, Completeness.PARTIAL, "410: the list expired 4 times"),
    (
        "a redirect",
        [status(302, "elsewhere", Location="http://127.0.0.1:1/")],
        Completeness.PARTIAL,
        "302: elsewhere",
    ),
    (
        "items that are no list",
        [lambda handler: handler.json({"items": {}})],
        Completeness.PARTIAL,
        "expected a list of items",
    ),
    (
        "an empty object",
        [lambda handler: handler.json({})],
        Completeness.PARTIAL,
        "expected a list: the answer has no items",
    ),
    (
        "one page for ever",
        [lambda handler: handler.json({"items": [], "metadata": {"continue": "x"}})] * 9,
        Completeness.PARTIAL,
        "the same page again",
    ),
    (
        "an object without a name",
        [lambda handler: handler.json({"items": [{"metadata": {}}]})],
        Completeness.PARTIAL,
        "metadata.name: expected a name",
    ),
]


@pytest.mark.parametrize(
    ("faults", "expected", "cause"), [row[1:] for row in LASTING], ids=[row[0] for row in LASTING]
)
@pytest.mark.parametrize("aggregated", [True, False])
def test_what_lasts_is_a_gap_with_its_cause_and_the_rest_goes_on(
    cluster: Cluster, faults: list[Fault | None], expected: Completeness, cause: str, aggregated: bool
) -> None:
    cluster.server.aggregated = aggregated
    cluster.server.faults[PODS] = list(faults)
    found = cluster.collect()
    gap = found.snapshot.completeness(POD)
    assert gap.state is expected
    assert cause in gap.cause
    assert found.snapshot.objects
    assert state(found, SERVICE) is Completeness.COMPLETE


def test_a_slow_answer_is_given_up(cluster: Cluster) -> None:
    release = threading.Event()
    cluster.server.faults[PODS] = [slow(release)] * 9
    found = cluster.collect(read_timeout=0.1, kinds=[POD])
    release.set()
    assert state(found) is Completeness.PARTIAL
    assert "timed out" in found.snapshot.completeness(POD).cause


def test_a_group_whose_server_is_down_is_partial_and_not_absent(cluster: Cluster) -> None:
    cluster.server.stale.add("networking.istio.io")
    found = cluster.collect()
    assert state(found, GATEWAY) is Completeness.PARTIAL
    assert "doesn't answer" in found.snapshot.completeness(GATEWAY).cause


def test_an_old_server_with_a_group_that_is_down(cluster: Cluster) -> None:
    cluster.server.aggregated = False
    cluster.server.stale.add("networking.istio.io")
    cluster.server.faults["/apis/networking.istio.io/v1"] = [status(503, "unavailable")] * 9
    found = cluster.collect()
    assert state(found, GATEWAY) is Completeness.PARTIAL
    assert "503: unavailable" in found.snapshot.completeness(GATEWAY).cause


def test_a_kind_in_a_version_that_is_not_understood_is_partial(cluster: Cluster) -> None:
    cluster.server.resources[("networking.istio.io", "v9", "gateways")] = Resource("Gateway")
    found = cluster.collect(kinds=[GATEWAY])
    assert state(found, GATEWAY) is Completeness.PARTIAL
    assert "served in other versions than v1" in found.snapshot.completeness(GATEWAY).cause


def test_calicos_stored_objects_are_read_when_its_own_api_is_not_served(cluster: Cluster) -> None:
    tier = {"metadata": {"name": "platform"}}
    cluster.server.resources[("crd.projectcalico.org", "v1", "tiers")] = Resource("Tier", False, [tier])
    found = cluster.collect(kinds=[TIER])
    assert [obj.key for obj in found.snapshot.objects] == [TIER]
    assert state(found, TIER) is Completeness.COMPLETE


def test_both_of_traefiks_groups_are_read(cluster: Cluster) -> None:
    for group, name in (("traefik.io", "a"), ("traefik.containo.us", "b")):
        cluster.server.resources[(group, "v1alpha1", "middlewares")] = Resource(
            "Middleware", objects=[pod(name)]
        )
    found = cluster.collect(kinds=[MIDDLEWARE])
    assert [obj.name for obj in found.snapshot.objects] == ["a", "b"]


def test_a_chosen_namespace_that_is_not_there_is_told(cluster: Cluster) -> None:
    """Its lists are empty and succeed: a name mistyped would look like a namespace without anything."""
    found = cluster.collect(namespaces=["shop", "shpo"], kinds=[SERVICE, NAMESPACE])
    assert found.notes == ("namespace shpo: the cluster has none of this name",)
    assert cluster.collect(namespaces=["shpo"], kinds=[SERVICE]).notes == ()


def test_chosen_namespaces_are_claimed_alone(cluster: Cluster) -> None:
    found = cluster.collect(namespaces=["data"], kinds=[SERVICE, NAMESPACE])
    assert [obj.name for obj in found.snapshot.objects] == ["shop", "db"]
    assert found.snapshot.completeness(SERVICE, "data").state is Completeness.COMPLETE
    assert state(found, SERVICE) is Completeness.PARTIAL
    assert state(found, NAMESPACE) is Completeness.COMPLETE
    assert not [path for path in cluster.server.seen if path.startswith("/api/v1/services")]


class TestConfigMaps:
    PATH = "/api/v1/namespaces/kube-system/configmaps/cilium-config"

    def test_they_are_read_by_name(self, cluster: Cluster) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        }
        cluster.server.objects[self.PATH] = {**config, "data": {"enable-policy": "default"}}
        found = cluster.collect(kinds=[CONFIG_MAP])
        (obj,) = found.snapshot.objects
        assert obj.body["data"] == {"enable-policy": "default"}
        assert (
            found.snapshot.completeness(CONFIG_MAP, "kube-system", "cilium-config").state
            is Completeness.COMPLETE
        )

    def test_one_that_is_not_there_is_an_answer(self, cluster: Cluster) -> None:
        found = cluster.collect(kinds=[CONFIG_MAP])
        assert (
            found.snapshot.completeness(CONFIG_MAP, "kube-system", "cilium-config").state
            is Completeness.COMPLETE
        )
        assert state(found, CONFIG_MAP) is Completeness.PARTIAL

    def test_one_that_is_forbidden_is_not_claimed(self, cluster: Cluster) -> None:
        cluster.server.faults[self.PATH] = [status(403, "no")]
        found = cluster.collect(kinds=[CONFIG_MAP])
        assert (
            found.snapshot.completeness(CONFIG_MAP, "kube-system", "cilium-config").state
            is Completeness.PARTIAL
        )
        assert found.notes == (f"{self.PATH}: 403: no",)

    def test_what_a_controller_is_told_to_read_is_asked_for_and_hostile_names_are_not(
        self, cluster: Cluster
    ) -> None:
        args = ["--configmap=$(POD_NAMESPACE)/settings", "--tcp-services-configmap=../../secrets"]
        cluster.server.resources[("", "v1", "pods")].objects = [
            pod("c", "edge", containers=[{"name": "c", "args": args}])
        ]
        cluster.collect()
        assert "/api/v1/namespaces/edge/configmaps/settings" in cluster.server.seen
        assert not [path for path in cluster.server.seen if ".." in path or "secrets" in path]


class TestCredentials:
    def test_an_expired_token_is_renewed(self, cluster: Cluster) -> None:
        cluster.server.faults[PODS] = [None, status(401)]
        found = cluster.collect(kinds=[POD])
        assert len(found.snapshot.objects) == 1203

    def test_credentials_that_are_not_accepted_stop_the_run(self, cluster: Cluster) -> None:
        cluster.server.token = "other"  # noqa: S105
        with pytest.raises(UserError, match="doesn't accept the credentials"):
            cluster.collect()

    def test_an_unknown_context_is_one_clear_line(self, cluster: Cluster) -> None:
        with pytest.raises(UserError, match=r"--context: expected one of test \(got 'prod'\)"):
            KubernetesConnection(kubeconfig=cluster.kubeconfig, context="prod")

    def test_a_missing_kubeconfig_is_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(UserError) as caught:
            KubernetesConnection(kubeconfig=str(tmp_path / "none"))
        assert len(str(caught.value).splitlines()) == 1

    def test_outside_a_cluster_there_is_no_service_account(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(UserError):
            KubernetesConnection(in_cluster=True)

    def test_a_server_that_is_not_there_stops_the_run(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.server.url = "http://127.0.0.1:1"
        cluster.kubeconfig = cluster.server.kubeconfig(tmp_path / "other")
        with pytest.raises(UserError, match="doesn't tell what it serves") as caught:
            cluster.collect()
        assert caught.value.exit_code == 2


def test_a_server_that_goes_away_is_not_waited_for_at_every_kind(cluster: Cluster) -> None:
    every = list(KNOWN_KINDS.values())
    for known in every:
        version = known.versions[0]
        root = f"/apis/{known.key.group}/{version}" if known.key.group else f"/api/{version}"
        cluster.server.resources[(known.key.group, version, known.plural)] = Resource(known.key.kind)
        cluster.server.faults[f"{root}/{known.plural}"] = [reset] * 9
    found = cluster.collect(kinds=[known.key for known in every if not known.by_name])
    assert {state(found, known.key) for known in every if not known.by_name} == {Completeness.PARTIAL}
    assert len(cluster.slept) == 2 * 6


def test_a_bundle_of_what_was_collected_reads_as_the_same_snapshot(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.collect(namespaces=["shop", "data"])
    write_bundle(tmp_path / "b.zip", found.snapshot, requests=found.requests)
    read = read_sources([str(tmp_path / "b.zip")], stdin=io.BytesIO())
    assert [(obj.id, obj.evidence_id) for obj in read.objects] == [
        (obj.id, obj.evidence_id) for obj in found.snapshot.objects
    ]
    assert read.claims == found.snapshot.claims
    assert read.gaps == found.snapshot.gaps
    assert read.redactions == found.snapshot.redactions
    assert (read.cluster, read.collected_at) == (found.snapshot.cluster, found.snapshot.collected_at)
