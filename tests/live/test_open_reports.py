"""OpenReports objects in a real API server, under the roles that `auditor rbac --open-reports` prints."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.collect.live.target import LiveTarget
from auditor.evaluate.permissions import ServiceAccountName, open_reports_roles
from auditor.model.outcome import Outcome
from auditor.publish.delivery import DeliveryFailed
from auditor.publish.report_objects import ReportObjects, connect_reports, path_of
from auditor.report.open_reports import open_reports
from tests.live.cluster import Cluster
from tests.report.example import example, finding

API = "/apis/openreports.io/v1alpha1"
PLACE = "reporting"


def test_without_the_crds_one_line_says_so(cluster: Cluster) -> None:
    """The first test of this module: later ones install them."""
    connection = connect_reports(LiveTarget(str(cluster.kubeconfig)))
    with pytest.raises(DeliveryFailed, match="install its CRDs"):
        ReportObjects(connection, "n", None, lambda _: None).publish([], lambda _: None)


@pytest.fixture(scope="module")
def crds(cluster: Cluster) -> Iterator[None]:
    """The CRDs of OpenReports, and two namespaces."""
    data = os.environ.get("AUDITOR_REFERENCE_DATA")
    if not data:
        pytest.skip("skipped without AUDITOR_REFERENCE_DATA: the CRDs of OpenReports are there")
    for path in sorted(Path(data).glob("crds/openreports-v0.2.1/*.yaml")):
        cluster.kubectl("apply", "--server-side", "-f", str(path))
    for plural in ("reports", "clusterreports"):
        cluster.kubectl(
            "wait", "--for=condition=Established", f"crd/{plural}.openreports.io", "--timeout=30s"
        )
    for name in (PLACE, "or-pay", "or-shop"):
        cluster.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield
    for name in (PLACE, "or-pay", "or-shop"):
        cluster.ok("DELETE", f"/api/v1/namespaces/{name}")
    for path in sorted(Path(data).glob("crds/openreports-v0.2.1/*.yaml")):
        cluster.kubectl("delete", "-f", str(path), "--wait=true")


@dataclass
class Publisher:
    """A service account with just the printed roles, and publishing as it."""

    cluster: Cluster
    account: str
    kubeconfig: Path

    def grant(self, without: str = "") -> None:
        roles = open_reports_roles(
            name=f"{self.account}-open-reports", account=ServiceAccountName(PLACE, self.account)
        )
        for role in roles:
            for rule in role.get("rules", []):
                rule["verbs"] = [verb for verb in rule["verbs"] if verb != without]
        self.cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(roles))

    def publish(self, manifests: Any, run: str = "nightly") -> list[str]:
        remarks: list[str] = []
        connection = connect_reports(LiveTarget(str(self.kubeconfig)))
        ReportObjects(connection, run, None, lambda _: None).publish(manifests, remarks.append)
        return remarks

    def stored(self, run: str = "nightly") -> dict[tuple[str, str], Any]:
        """By namespace and name."""
        found = {}
        for plural in ("reports", "clusterreports"):
            listed = self.cluster.ok("GET", f"{API}/{plural}?labelSelector=app.kubernetes.io/instance={run}")
            for entry in listed["items"]:
                found[entry["metadata"].get("namespace", ""), entry["metadata"]["name"]] = entry
        return found


@pytest.fixture
def publisher(cluster: Cluster, crds: None, request: pytest.FixtureRequest) -> Iterator[Publisher]:
    account = f"p{abs(hash(request.node.name)) % 10**8}"
    cluster.ok("POST", f"/api/v1/namespaces/{PLACE}/serviceaccounts", {"metadata": {"name": account}})
    token = cluster.service_account_token(PLACE, account)
    made = Publisher(cluster, account, cluster.write_kubeconfig(account, {"token": token}))
    made.grant()
    yield made
    for namespace in ("or-pay", "or-shop"):
        cluster.ok("DELETE", f"{API}/namespaces/{namespace}/reports")
    cluster.ok("DELETE", f"{API}/clusterreports")


def manifests(*namespaces: str, run: str = "nightly") -> list[dict[str, Any]]:
    findings = [
        finding(
            "default-deny-ingress",
            f"{n}/Deployment/api" if n else "/Node/n1",
            Outcome.FAIL,
            "reason",
            "It fails.",
        ).model_copy(update={"namespace": n})
        for n in namespaces
    ]
    return list(open_reports(example(findings), run).manifests)


def test_the_printed_roles_suffice_and_nothing_is_lost_on_the_way(publisher: Publisher) -> None:
    made = manifests("", "or-pay", "or-shop")
    assert publisher.publish(made) == []
    stored = publisher.stored()
    assert set(stored) == {
        ("", "auditor-nightly"),
        ("or-pay", "auditor-nightly"),
        ("or-shop", "auditor-nightly"),
    }
    for manifest in made:
        kept = stored[manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]]
        assert {k: kept[k] for k in manifest if k != "metadata"} == {
            k: v for k, v in manifest.items() if k != "metadata"
        }


@pytest.mark.parametrize("verb", ["create", "delete", "get", "list", "patch"])
def test_no_verb_of_the_roles_is_to_spare(publisher: Publisher, verb: str) -> None:
    publisher.publish(manifests("or-pay"))
    publisher.grant(without=verb)
    _until_refused(publisher, verb)


def _until_refused(publisher: Publisher, verb: str) -> None:
    """The API server's authorizer sees a change of roles a moment later."""
    deadline = time.monotonic() + 10
    told = ""
    while not told and time.monotonic() < deadline:
        try:
            publisher.publish(manifests("or-pay"))  # patches what is there
            publisher.publish(manifests("or-shop"))  # creates, and deletes the other one
        except DeliveryFailed as error:
            told = str(error)
    assert "status 403" in told, f"{verb} isn't needed"


def test_what_a_run_no_longer_finds_is_deleted(publisher: Publisher) -> None:
    publisher.publish(manifests("", "or-pay", "or-shop"))
    publisher.publish(manifests("or-shop"))
    assert set(publisher.stored()) == {("or-shop", "auditor-nightly")}


def test_publishing_again_replaces_results(publisher: Publisher) -> None:
    publisher.publish(manifests("or-pay"))
    first = publisher.stored()["or-pay", "auditor-nightly"]
    again = manifests("or-pay")
    again[0]["results"] = []
    publisher.publish(again)
    second = publisher.stored()["or-pay", "auditor-nightly"]
    assert second.get("results", []) == []
    assert second["metadata"]["uid"] == first["metadata"]["uid"]


def test_runs_do_not_touch_each_other(publisher: Publisher) -> None:
    publisher.publish(manifests("or-pay", run="nightly"))
    publisher.publish(manifests("or-pay", run="weekly"), run="weekly")
    publisher.publish([], run="weekly")
    assert set(publisher.stored()) == {("or-pay", "auditor-nightly")}
    assert publisher.stored("weekly") == {}


def test_what_is_not_ours_stays_as_it_is(publisher: Publisher) -> None:
    """One with our name, and one of another tool with another."""
    path = f"{API}/namespaces/or-pay/reports"
    for name, source in (("auditor-nightly", "somebody"), ("other", "kyverno")):
        body = {"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": {"name": name}}
        publisher.cluster.ok("POST", path, {**body, "source": source})
    (manifest,) = manifests("or-pay")
    assert publisher.publish([manifest]) == [
        f"OpenReports: {path_of(manifest)} isn't ours and stays as it is"
    ]
    publisher.publish([])
    sources = {e["metadata"]["name"]: e["source"] for e in publisher.cluster.ok("GET", path)["items"]}
    assert sources == {"auditor-nightly": "somebody", "other": "kyverno"}


def test_a_namespace_that_is_gone_is_told_and_the_rest_goes_on(publisher: Publisher) -> None:
    told = publisher.publish(manifests("or-gone", "or-pay"))
    assert told == [f"OpenReports: {API}/namespaces/or-gone/reports/auditor-nightly: the namespace is gone"]
    assert set(publisher.stored()) == {("or-pay", "auditor-nightly")}


def test_the_largest_object_is_taken(publisher: Publisher) -> None:
    findings = [
        finding(
            "default-deny-ingress", f"or-pay/Deployment/d{n}", Outcome.FAIL, "reason", "y" * 1000
        ).model_copy(update={"namespace": "or-pay", "id": f"{n:016}"})
        for n in range(2500)
    ]
    made = open_reports(example(findings), "nightly").manifests
    assert len(made) == 4
    assert publisher.publish(made) == []
    assert sum(len(entry["results"]) for entry in publisher.stored().values()) == sum(
        len(m["results"]) for m in made
    )


def test_more_objects_than_a_page_are_all_found(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.publish.report_objects._PAGE", 1)
    publisher.publish(manifests("", "or-pay", "or-shop"))
    publisher.publish([])
    assert publisher.stored() == {}


def test_the_connection_writes_nothing_but_reports(cluster: Cluster) -> None:
    connection = connect_reports(LiveTarget(str(cluster.kubeconfig)))
    for path in (
        "/api/v1/namespaces/kube-system",
        f"{API}/namespaces/x",
        "/apis/apps/v1/deployments/reports/x",
    ):
        with pytest.raises(ValueError, match="not an OpenReports object"):
            connection.apply(path, {})
        with pytest.raises(ValueError, match="not an OpenReports object"):
            connection.delete(path, "u")


def test_an_unattended_run_publishes_them(publisher: Publisher, tmp_path: Path) -> None:
    """The whole command, as a service account with the printed roles, against the real API server."""
    account = f"{PLACE}/{publisher.account}"
    command = [sys.executable, "-m", "auditor"]
    printed = subprocess.check_output(
        [*command, "rbac", "--open-reports", "--service-account", account, "--name", publisher.account],
        text=True,
    )
    publisher.cluster.kubectl("apply", "-f", "-", given=printed)
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "nightly",
                "collect": {"kubeconfig": str(publisher.kubeconfig)},
                "store": {"url": f"file://{tmp_path}/store"},
                "formats": ["json", "open-reports"],
                "publish": {
                    "open_reports": {"enabled": True, "outcomes": ["FAIL", "ERROR", "NOT_EVALUATED"]}
                },
            }
        )
    )
    done = subprocess.run(
        [*command, "run", "--config", tmp_path / "run.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "preflight:" not in done.stderr
    (run,) = (tmp_path / "store").iterdir()
    assert {"preflight.json", "open-reports.yaml", "evidence.zip"} <= {path.name for path in run.iterdir()}
    written = list(yaml.safe_load_all((run / "open-reports.yaml").read_text()))
    assert {(m["metadata"].get("namespace", ""), m["metadata"]["name"]) for m in written} == set(
        publisher.stored()
    )
