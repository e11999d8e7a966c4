"""The three sample clusters give exactly what was worked out by hand for them, framework by framework."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.audit import AuditRequest, evaluate
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult

ROOT = Path(__file__).parents[2]
SAMPLES = ("payments-istio", "clinic-linkerd", "legacy-flannel")
FRAMEWORKS = ("pci-dss-4.0.1", "hipaa", "gdpr")
NOTABLE = {Outcome.FAIL, Outcome.ERROR, Outcome.NOT_EVALUATED, Outcome.MANUAL}


@cache
def result(sample: str) -> AuditResult:
    folder = ROOT / "samples" / "clusters" / sample
    at = datetime(2026, 9, 30, 3, 0, tzinfo=UTC)
    request = AuditRequest(sources=[str(folder)], out=Path("unused"), scope=folder / "scope.yaml", at=at)
    return evaluate(request)


@cache
def by_hand(sample: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / f"{sample}.yaml").read_text())
    return loaded


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_everything_notable_is_on_the_list_made_by_hand(sample: str, framework: str) -> None:
    found = {
        (f.control, f.subject, str(f.outcome))
        for f in result(sample).findings
        if f.outcome in NOTABLE and framework in f.frameworks
    }
    wanted = {
        (f["control"], f["subject"], f["outcome"])
        for f in by_hand(sample)["findings"]
        if f["outcome"] in NOTABLE and framework in f["frameworks"]
    }
    assert found == wanted


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_number_of_passes_is_as_counted_by_hand(sample: str) -> None:
    for control, counts in by_hand(sample)["pass_counts"].items():
        for framework, count in counts.items():
            passes = {
                f.subject
                for f in result(sample).findings
                if f.control == control and framework in f.frameworks and f.outcome is Outcome.PASS
            }
            assert (control, framework, len(passes)) == (control, framework, count)


@pytest.mark.parametrize("sample", SAMPLES)
def test_subjects_that_a_naive_reading_would_fail_pass(sample: str) -> None:
    passed = {(f.control, f.subject) for f in result(sample).findings if f.outcome is Outcome.PASS}
    assert {
        (entry["control"], entry["subject"]) for entry in by_hand(sample)["passes_worth_naming"]
    } <= passed


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_excluded_is_excluded_for_the_reason_given_by_hand(sample: str) -> None:
    excluded = {(p.control, e.subject): e.reason for p in result(sample).populations for e in p.excluded}
    for entry in by_hand(sample)["excluded"]:
        for control in entry["control"]:
            assert {s: excluded.get((control, s)) for s in entry["subjects"]} == dict.fromkeys(
                entry["subjects"], entry["reason"]
            )


@pytest.mark.parametrize("sample", SAMPLES)
def test_populations_add_up(sample: str) -> None:
    for population in result(sample).populations:
        assert population.listed == population.evaluated + len(population.excluded)


@pytest.mark.parametrize("sample", SAMPLES)
def test_counts_are_those_of_the_lists_that_they_count(sample: str) -> None:
    told = result(sample)
    for control in told.controls:
        found = Counter(finding.outcome for finding in told.findings if finding.control == control.id)
        assert {outcome: count for outcome, count in control.counts.items() if count} == found
    for framework in told.frameworks:
        statuses = Counter(entry.status for entry in told.requirements if entry.framework == framework.id)
        assert {status: count for status, count in framework.counts.items() if count} == statuses
    approvals = Counter(flow.standing for flow in told.flow_register.flows)
    assert {name: count for name, count in told.flow_register.counts.items() if count} == approvals


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_complete_and_every_finding_about_a_subject_has_evidence(sample: str) -> None:
    known = {item.id for item in result(sample).evidence}
    assert result(sample).run.complete
    for finding in result(sample).findings:
        assert set(finding.evidence) <= known
        assert finding.evidence or finding.outcome is Outcome.NOT_APPLICABLE, finding.message


@pytest.mark.parametrize("sample", SAMPLES)
def test_isolation_findings_list_the_flows_worked_out_by_hand(sample: str) -> None:
    found = {
        f.subject: f.parameters for f in result(sample).findings if f.control == "scoped-namespace-isolation"
    }
    for entry in by_hand(sample)["findings"]:
        for flow in entry.get("flows", []) if entry["control"] == "scoped-namespace-isolation" else []:
            listed = found[entry["subject"]]["flows"]
            assert any(flow["source"] in f["sources"] for f in listed), flow
            ports = {
                p for f in listed if flow["source"] in f["sources"] for e in f["ports"] for p in e["ports"][0]
            }
            assert flow["ports"] == "all" or set(flow["ports"]) <= ports or (1 in ports and 65535 in ports)


def test_every_parameter_that_a_sentence_names_is_there() -> None:
    messages = [f.message + f.remedy for sample in SAMPLES for f in result(sample).findings]
    assert [message for message in messages if "{" in message.replace("{}", "")] == []


def test_the_generated_part_of_the_samples_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "samples/make_clusters.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
