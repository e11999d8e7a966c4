"""OpenReports objects: valid under the CRDs, every finding counted, sizes bounded, and nothing hostile in them."""

import os
import re
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, FindingResult
from auditor.report import open_reports as made_by
from auditor.report.open_reports import OpenReports, open_reports, render_open_reports, resource_of
from tests.report.example import example, finding

CONTROL = "default-deny-ingress"
HOSTILE = "<script>alert(1)</script>\x00\x1b[2J\ud800\u202e{{ .Values }}\n- x: y"


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """By kind, from the CRDs, with unknown fields as errors: the API server would prune them."""
    data = os.environ.get("AUDITOR_REFERENCE_DATA")
    if not data:
        pytest.skip("skipped without AUDITOR_REFERENCE_DATA: the CRDs of OpenReports are there")
    found = {}
    for path in sorted(Path(data).glob("crds/openreports-v0.2.1/*.yaml")):
        crd = yaml.safe_load(path.read_text())
        schema = deepcopy(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        _close(schema)
        schema["properties"]["metadata"] = {"type": "object"}
        found[crd["spec"]["names"]["kind"]] = schema
    return found


def _close(schema: dict[str, Any]) -> None:
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    for inner in [
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]:
        if isinstance(inner, dict):
            _close(inner)


def check(schemas: dict[str, Any], made: OpenReports) -> None:
    assert made.manifests
    for manifest in made.manifests:
        jsonschema.validate(manifest, schemas[manifest["kind"]])
        assert len(orjson.dumps(manifest)) < 1024 * 1024


def in_namespace(
    namespace: str, number: int, outcome: Outcome = Outcome.FAIL, message: str = "no"
) -> FindingResult:
    subject = f"{namespace}/Deployment/d{number}" if namespace else f"/Node/n{number}"
    return finding(CONTROL, subject, outcome, "reason", message).model_copy(
        update={"namespace": namespace, "id": f"{number:016}"}
    )


def result_of(*findings: FindingResult) -> AuditResult:
    return example(list(findings))


def test_the_example_is_valid_under_the_crds(schemas: dict[str, Any]) -> None:
    check(schemas, open_reports(example(), "nightly"))


def test_hostile_text_is_valid_under_the_crds_and_shown_as_text(schemas: dict[str, Any]) -> None:
    texts = {"namespace": HOSTILE, "subject": HOSTILE, "message": HOSTILE, "remedy": HOSTILE}
    hostile = in_namespace("pay", 1).model_copy(update=texts)
    made = open_reports(result_of(hostile), "nightly")
    check(schemas, made)
    (report,) = made.manifests
    assert report["kind"] == "ClusterReport"
    (entry,) = report["results"]
    assert "resources" not in entry
    assert "\x00" not in entry["message"]
    assert list(yaml.safe_load_all(render_open_reports(result_of(hostile)))) == [
        {**report, "metadata": {**report["metadata"], **metadata("audit")}}
    ]


def metadata(run: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "auditor", "app.kubernetes.io/instance": run}
    return {"name": f"auditor-{run}", "labels": labels}


def test_one_report_a_namespace_and_a_cluster_report_for_the_rest() -> None:
    made = open_reports(
        result_of(in_namespace("shop", 1), in_namespace("pay", 2), in_namespace("", 3)), "nightly"
    )
    places = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in made.manifests]
    assert places == [
        ("ClusterReport", None, "auditor-nightly"),
        ("Report", "pay", "auditor-nightly"),
        ("Report", "shop", "auditor-nightly"),
    ]
    assert made.manifests[1]["scope"] == {"apiVersion": "v1", "kind": "Namespace", "name": "pay"}


MEANINGS = {
    "FAIL": ("fail", True),
    "PASS": ("pass", True),
    "NOT_EVALUATED": ("error", True),
    "ERROR": ("error", True),
    "MANUAL": ("warn", False),
    "NOT_APPLICABLE": ("skip", False),
}


@pytest.mark.parametrize(("outcome", "result", "scored"), [(k, *v) for k, v in MEANINGS.items()])
def test_what_each_outcome_becomes(outcome: str, result: str, scored: bool) -> None:
    (report,) = open_reports(result_of(in_namespace("pay", 1, Outcome(outcome))), "n").manifests
    (entry,) = report["results"]
    assert (entry["result"], entry["scored"], entry["properties"]["outcome"]) == (result, scored, outcome)
    assert report["summary"] == {**dict.fromkeys(("pass", "fail", "warn", "error", "skip"), 0), result: 1}


def test_a_result_names_control_resource_and_requirements() -> None:
    (report,) = open_reports(result_of(in_namespace("pay", 7)), "n").manifests
    (entry,) = report["results"]
    assert (entry["policy"], entry["severity"]) == (CONTROL, "high")
    assert entry["resources"] == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d7", "namespace": "pay"}
    ]
    assert "pci-dss-4.0.1 1.3.1" in entry["properties"]["requirements"]


SUBJECTS = {
    "pay/Deployment/api": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "namespace": "pay"},
    "pay/Deployment/api:8443/TCP": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "api",
        "namespace": "pay",
    },
    "pay/StatefulSet/db#2": {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": "db",
        "namespace": "pay",
    },
    "/Node/n1": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    "pay/Gateway.networking.istio.io/gw": {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "name": "gw",
        "namespace": "pay",
    },
    "pay/Rollout.argoproj.io/web": {"kind": "Rollout", "name": "web", "namespace": "pay"},
    "cluster": None,
    "mesh Istio": None,
    "a/b": None,
    "../../x": None,
}


@pytest.mark.parametrize(("subject", "resource"), SUBJECTS.items())
def test_the_object_of_a_subject(subject: str, resource: dict[str, str] | None) -> None:
    assert resource_of(subject) == resource


def counted(made: OpenReports) -> Counter[str]:
    total: Counter[str] = Counter()
    for manifest in made.manifests:
        total.update(manifest["summary"])
    return +total


def test_summaries_count_every_finding() -> None:
    result = example()
    expected = Counter(MEANINGS[f.outcome][0] for f in result.findings)
    assert counted(open_reports(result, "n")) == expected
    assert counted(open_reports(result, "n", [Outcome.FAIL])) == expected


def test_only_wanted_outcomes_are_listed_and_the_report_says_so() -> None:
    findings = [in_namespace("pay", 1), in_namespace("pay", 2, Outcome.PASS)]
    (report,) = open_reports(result_of(*findings), "n", [Outcome.FAIL, Outcome.ERROR]).manifests
    assert [entry["result"] for entry in report["results"]] == ["fail"]
    assert report["configuration"] == {"limits": {"statusFilter": ["error", "fail"]}}
    assert report["summary"]["pass"] == 1


def test_many_results_are_split_over_objects_the_most_pressing_first(schemas: dict[str, Any]) -> None:
    passed = [in_namespace("pay", n, Outcome.PASS, "y" * 900) for n in range(1500)]
    made = open_reports(result_of(*passed, in_namespace("pay", 9999)), "nightly")
    check(schemas, made)
    assert [m["metadata"]["name"] for m in made.manifests] == [
        "auditor-nightly",
        "auditor-nightly-2",
        "auditor-nightly-3",
    ]
    assert made.manifests[0]["results"][0]["result"] == "fail"
    assert sum(len(m["results"]) for m in made.manifests) == 1501
    assert (counted(made), made.notes) == (Counter({"pass": 1500, "fail": 1}), ())


def test_what_does_not_fit_is_counted_and_said_aloud(schemas: dict[str, Any]) -> None:
    passed = [in_namespace("pay", n, Outcome.PASS, "y" * 1000) for n in range(4000)]
    made = open_reports(result_of(*passed, in_namespace("pay", 9999)), "nightly")
    check(schemas, made)
    assert len(made.manifests) == made_by.MAX_OBJECTS
    listed = sum(len(m["results"]) for m in made.manifests)
    left_out = 4001 - listed
    assert left_out > 0
    assert made.notes == (
        f"OpenReports: {left_out} results of namespace pay are counted and not listed, for their size",
    )
    assert made.manifests[-1]["metadata"]["annotations"]["auditor/results-left-out"] == str(left_out)
    assert counted(made) == Counter({"pass": 4000, "fail": 1})


def test_a_large_cluster_does_not_fill_etcd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_by, "MAX_TOTAL", 1024 * 1024)
    findings = [in_namespace(f"ns{n % 20}", n, Outcome.PASS, "y" * 1000) for n in range(2000)]
    made = open_reports(result_of(*findings), "nightly")
    assert sum(len(orjson.dumps(m["results"])) for m in made.manifests) <= 1024 * 1024
    assert len(made.notes) == 20
    assert counted(made) == Counter({"pass": 2000})


def test_the_documentation_has_the_same_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text()
    rows = re.findall(r"^\| ([A-Z_]+) \| `([a-z]+)` \| (yes|no) \|", text, re.MULTILINE)
    assert {outcome: (result, scored == "yes") for outcome, result, scored in rows} == MEANINGS
