"""Faults between the collector and a real API server: each ends in complete evidence or in a gap with its cause."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auditor.collect.live.collection import LiveCollection
from auditor.collect.live.lists import PAGE
from auditor.model.evidence import Completeness
from auditor.model.kinds import NAMESPACE, NETWORK_POLICY, SERVICE, KindKey, kind_key
from tests.live.cluster import Cluster
from tests.live.collecting import collect, run_auditor, state
from tests.live.proxies import (
    Fault,
    FaultProxy,
    closing,
    dripping,
    late,
    many,
    refused,
    reset_in_mid_body,
    truncated,
    web_page,
)

WHOLE, PARTIAL = Completeness.COMPLETE, Completeness.PARTIAL
SERVICES = 2 * PAGE + 34
PATH = "/api/v1/services"
KINDS = [NAMESPACE, SERVICE, NETWORK_POLICY]
OVERLOADED = refused(429, "too many requests", Retry_After="1")


@dataclass(frozen=True)
class Case:
    """Faults at the pages of the list of Services, and what is to come of it."""

    what: str
    faults: Sequence[Fault | None]
    ends: Completeness
    cause: str = ""
    """What the gap says, or the note where the list is whole."""
    waits: float | None = None
    """Seconds that the collector waits between requests in all."""


CASES = [
    Case("latency of 1 s a page", [late(1), late(1), late(1)], WHOLE, waits=0),
    Case("reset in the middle of page 2", [None, reset_in_mid_body], WHOLE, waits=0.5),
    Case("reset in mid-body each time", many(reset_in_mid_body), PARTIAL, "asked 7 times", 31.5),
    Case("410 Gone at page 3", [None, None, refused(410, "expired")], WHOLE, "started over 1 time", 0),
    Case("410 Gone each time", many(refused(410, "expired")), PARTIAL, "the list expired 4 times", 0),
    Case("429 with Retry-After: 1", [OVERLOADED, None, OVERLOADED], WHOLE, waits=2),
    Case("429 each time", many(OVERLOADED), PARTIAL, "429: too many requests", 1 + 1 + 2 + 4),
    Case("500 once", [None, refused(500, "etcd leader changed")], WHOLE, waits=0.5),
    Case("500 each time", many(refused(500, "etcd is down")), PARTIAL, "500: etcd is down", 7.5),
    Case("503 each time", many(refused(503, "unavailable")), PARTIAL, "503: unavailable", 7.5),
    Case("JSON truncated at page 2", [None, truncated], WHOLE, waits=0.5),
    Case("JSON truncated each time", many(truncated), PARTIAL, "expected whole JSON", 7.5),
    Case("a login page each time", many(web_page), PARTIAL, "got text/html", 7.5),
    Case("slow loris at page 2", [None, dripping(0.05)], WHOLE, waits=0.5),
    Case("slow loris each time", many(dripping(0.05)), PARTIAL, "no whole answer within 0.8 s", 31.5),
    Case("no answer for longer than bearable", [late(6)], WHOLE, waits=0.5),
]
"""An answer may take 0.8 s where bytes drip, 5 s elsewhere. Waits double from 0.5 s: 7.5 s for 5 attempts and 31.5 s
for 7."""


@pytest.fixture(scope="module")
def crowded(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with Services on three pages."""
    with Cluster(programs, tmp_path_factory.mktemp("crowded")) as started:
        started.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
        started.ok("POST", "/api/v1/namespaces/shop/pods", pod)
        bodies = ({"metadata": {"name": f"s{n:04}"}, "spec": {"clusterIP": "None"}} for n in range(SERVICES))
        started.create_all("/api/v1/namespaces/shop/services", bodies)
        yield started


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a row of the table that is printed at the end of the run."""
    return lambda row: record_property("fault | ends as | objects | waited | cause", row)


def through(proxy: FaultProxy, **options: Any) -> LiveCollection:
    """What is collected through the proxy."""
    kubeconfig = proxy.cluster.write_kubeconfig("through", {"token": proxy.cluster.token}, server=proxy.url)
    return collect(kubeconfig, KINDS, **options)


def count(found: LiveCollection, key: KindKey) -> int:
    """How many objects of a kind there are."""
    return sum(obj.key == key for obj in found.snapshot.objects)


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_a_fault_ends_in_complete_evidence_or_in_a_gap_with_its_cause(
    crowded: Cluster, told: Callable[[str], None], case: Case
) -> None:
    slept: list[float] = []
    drips = "loris" in case.what
    with FaultProxy(crowded, {PATH: list(case.faults)}).serving() as proxy:
        found = through(proxy, sleep=slept.append, answer_timeout=0.8 if drips else 5)
    gap = found.snapshot.completeness(SERVICE)
    services = count(found, SERVICE)
    cause = gap.cause or "; ".join(found.notes)
    told(f"{case.what} | {gap.state} | {services} | {sum(slept):g} s | {cause[:90]}")
    assert gap.state is case.ends
    assert services == (SERVICES + 1 if case.ends is WHOLE else 0)  # and the Service `kubernetes`
    assert case.cause in cause
    assert sum(slept) == case.waits
    assert (state(found), state(found, NETWORK_POLICY)) == (WHOLE, WHOLE)


def test_a_certificate_that_expires_in_mid_run(crowded: Cluster, told: Callable[[str], None]) -> None:
    def wait(path: str, items: int, pages: int) -> None:
        time.sleep(4 if (path, pages) == (PATH, 1) else 0)

    proxy = FaultProxy(crowded, {"*": many(closing)}, certificate_lasts=timedelta(seconds=3))
    slept: list[float] = []
    with proxy.serving():
        found = through(proxy, on_page=wait, sleep=slept.append)
    gap = found.snapshot.completeness(SERVICE)
    told(f"a certificate that expires | {gap.state} | 0 | {sum(slept):g} s | {gap.cause[:90]}")
    assert (gap.state, count(found, SERVICE)) == (PARTIAL, 0)
    assert "certificate has expired" in gap.cause
    assert sum(slept) == 0
    assert state(found) is WHOLE


def test_an_audit_says_what_a_fault_leaves_open_and_why(crowded: Cluster, tmp_path: Path) -> None:
    path = "/apis/networking.k8s.io/v1/networkpolicies"
    with FaultProxy(crowded, {path: many(refused(500, "etcd is down"))}).serving() as proxy:
        kubeconfig = crowded.write_kubeconfig("audited", {"token": crowded.token}, server=proxy.url)
        out = ("--out", str(tmp_path), "--format", "json", "--framework", "pci-dss-4.0.1")
        done = run_auditor("audit", "--kubeconfig", str(kubeconfig), *out)
    findings = orjson_findings(tmp_path / "results.json")
    open_ = [f for f in findings if f["outcome"] == "NOT_EVALUATED" and "etcd is down" in f["message"]]
    assert done.returncode == 3
    assert "default-deny-ingress" in {finding["control"] for finding in open_}
    assert not [f for f in findings if f["control"].startswith("default-deny") and f["outcome"] == "PASS"]


def orjson_findings(path: Path) -> list[dict[str, Any]]:
    """The findings of a results.json."""
    import orjson

    found: list[dict[str, Any]] = orjson.loads(path.read_bytes())["findings"]
    return found


TIER = kind_key("projectcalico.org", "Tier")
GATEWAY = kind_key("gateway.networking.k8s.io", "Gateway")


class TestGroups:
    def test_one_whose_server_is_down_is_partial_and_the_rest_goes_on(
        self, cluster: Cluster, told: Callable[[str], None]
    ) -> None:
        service = {"namespace": "default", "name": "calico-api"}
        spec = {"group": "projectcalico.org", "version": "v3", "service": service}
        priorities = {"groupPriorityMinimum": 1000, "versionPriority": 10, "insecureSkipTLSVerify": True}
        kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
        metadata = {"name": "v3.projectcalico.org"}
        services = "/apis/apiregistration.k8s.io/v1/apiservices"
        cluster.ok("POST", services, {**kind, "metadata": metadata, "spec": {**spec, **priorities}})
        try:
            until(cluster, lambda groups: "projectcalico.org" in groups)
            found = collect(cluster.kubeconfig, [NAMESPACE, TIER])
        finally:
            cluster.ok("DELETE", f"{services}/v3.projectcalico.org")
            until(cluster, lambda groups: "projectcalico.org" not in groups)
        gap = found.snapshot.completeness(TIER)
        told(f"an API group whose server is down | {gap.state} | 0 | | {gap.cause[:90]}")
        assert (gap.state, state(found)) == (PARTIAL, WHOLE)
        assert "doesn't answer" in gap.cause

    def test_a_kind_whose_conversion_webhook_fails_is_partial(
        self, programs: Path, tmp_path: Path, told: Callable[[str], None]
    ) -> None:
        with Cluster(programs, tmp_path) as cluster:
            definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            definition = two_versions(stored="v1beta1")
            cluster.ok("POST", definitions, definition)
            objects = "/apis/gateway.networking.k8s.io/v1beta1/gateways"
            until(cluster, lambda groups: "gateway.networking.k8s.io" in groups)
            create_when_served(cluster, objects.replace("/gateways", "/namespaces/default/gateways"))
            current = cluster.ok("GET", f"{definitions}/gateways.gateway.networking.k8s.io")
            current["spec"]["conversion"] = {
                "strategy": "Webhook",
                "webhook": {
                    "conversionReviewVersions": ["v1"],
                    "clientConfig": {"url": "https://127.0.0.1:1/convert"},
                },
            }
            cluster.ok("PUT", f"{definitions}/gateways.gateway.networking.k8s.io", current)
            v1 = "/apis/gateway.networking.k8s.io/v1/gateways"
            end = time.monotonic() + 20
            while cluster.request("GET", f"{v1}?limit=1")[0] != 500 and time.monotonic() < end:
                time.sleep(0.2)
            slept: list[float] = []
            found = collect(cluster.kubeconfig, [NAMESPACE, GATEWAY], sleep=slept.append)
        gap = found.snapshot.completeness(GATEWAY)
        told(f"a conversion webhook that fails | {gap.state} | 0 | {sum(slept):g} s | {gap.cause[:90]}")
        assert (gap.state, state(found)) == (PARTIAL, WHOLE)
        assert "conversion webhook for" in gap.cause


def two_versions(stored: str) -> dict[str, Any]:
    """A CustomResourceDefinition of Gateways in v1 and v1beta1."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": True, "storage": name == stored, "schema": schema}
        for name in ("v1", "v1beta1")
    ]
    names = {"kind": "Gateway", "plural": "gateways"}
    group = "gateway.networking.k8s.io"
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/1"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gateways.{group}", "annotations": approved},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions},
    }


def create_when_served(cluster: Cluster, path: str) -> None:
    """Create a Gateway as soon as its kind is served."""
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "Gateway",
        "metadata": {"name": "edge"},
    }
    end = time.monotonic() + 20
    while (status := cluster.request("POST", path, body)[0]) not in (201, 409):
        assert time.monotonic() < end, status
        time.sleep(0.2)


def until(cluster: Cluster, true: Any) -> None:
    """Wait until something holds of the names of the API groups."""
    end = time.monotonic() + 30
    while not true({group["name"] for group in cluster.ok("GET", "/apis")["groups"]}):
        assert time.monotonic() < end
        time.sleep(0.2)
