"""Metrics, alert rules and the dashboard, judged by Prometheus' own programs."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("prometheus_client", reason="the extra 'publish' isn't installed")

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult
from auditor.publish.delivery import Address, DeliveryFailed
from auditor.publish.metrics import push, write_text_file
from auditor.report.metrics import METRICS, ONLY_OF_STORED_RUNS, RunFacts, render_metrics
from tests.monitoring.conftest import ROOT, Prometheus
from tests.publish.conftest import record
from tests.report.example import example

MONITORING = ROOT / "deploy" / "monitoring"
HOSTILE = 'a"b\\c\nauditor_findings{control="x"} 99 \N{GRINNING FACE}'
Promtool = Callable[..., subprocess.CompletedProcess[str]]


def facts(name: str = "nightly", last_complete: str | None = "2026-09-30T02:01:00Z") -> RunFacts:
    return RunFacts(name, 3, last_complete, record(2))


def named(result: AuditResult, cluster: str) -> AuditResult:
    return result.model_copy(update={"cluster": result.cluster.model_copy(update={"name": cluster})})


def samples(text: bytes) -> dict[str, float]:
    """By name and labels as they are printed; for texts without hostile names."""
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_promtool_finds_nothing_to_mend(promtool: Promtool) -> None:
    done = promtool("check", "metrics", given=render_metrics(example(), facts()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_hostile_name_stays_one_label(promtool: Promtool) -> None:
    text = render_metrics(named(example(), HOSTILE), facts())
    assert promtool("check", "metrics", given=text).returncode == 0
    assert not [
        line for line in text.decode().splitlines() if line.endswith(" 99") or "} 99" in line.split('"')[0]
    ]


def test_every_metric_is_there_and_every_finding_is_counted() -> None:
    result = example()
    found = samples(render_metrics(result, facts()))
    assert {key.partition("{")[0] for key in found} == set(METRICS)
    for outcome in Outcome:
        counted = sum(
            v for k, v in found.items() if k.startswith("auditor_findings{") and f'outcome="{outcome}"' in k
        )
        assert counted == sum(finding.outcome is outcome for finding in result.findings)
    assert found['auditor_run_duration_seconds{run="nightly"}'] == 60
    assert found['auditor_last_run_timestamp_seconds{run="nightly"}'] == 1790733660
    assert found['auditor_run_exit_code{run="nightly"}'] == 3


def test_an_audit_that_is_not_stored_has_all_but_what_only_runs_have() -> None:
    found = samples(render_metrics(example(), RunFacts("audit", 0, "2026-09-30T02:01:00Z")))
    assert {key.partition("{")[0] for key in found} == set(METRICS) - ONLY_OF_STORED_RUNS


def test_no_complete_run_has_no_time() -> None:
    assert b"auditor_last_complete_run_timestamp_seconds" not in render_metrics(
        example(), facts(last_complete=None)
    )


def test_the_series_do_not_grow_with_the_cluster() -> None:
    result = example()
    more = result.model_copy(update={"findings": result.findings * 50, "evidence": result.evidence * 50})
    assert len(render_metrics(more, facts()).splitlines()) == len(
        render_metrics(result, facts()).splitlines()
    )


def test_the_text_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "textfile" / "auditor.prom"
    write_text_file(path, b"one 1\n")
    write_text_file(path, b"two 2\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["auditor.prom"]
    assert path.read_bytes() == b"two 2\n"
    assert path.stat().st_mode & 0o777 == 0o644
    (tmp_path / "file").write_text("")
    with pytest.raises(DeliveryFailed, match="can't be written"):
        write_text_file(tmp_path / "file" / "auditor.prom", b"")


def test_the_alert_rules_load_and_say_what_they_should(promtool: Promtool) -> None:
    checked = promtool("check", "rules", MONITORING / "auditor-alerts.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", Path(__file__).with_name("alerts_test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "auditor-alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load(Path(__file__).with_name("alerts_test.yaml").read_text())["tests"]
    fired = {a["alertname"] for test in tests for a in test["alert_rule_test"] if a["exp_alerts"]}
    assert fired == {rule["alert"] for rule in alerts()}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "auditor-dashboard.json").read_text())
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$run", ".*")


def test_dashboard_and_alerts_name_only_metrics_that_are_there() -> None:
    texts = [expression for _, expression in expressions()] + [rule["expr"] for rule in alerts()]
    told = {name for text in texts for name in re.findall(r"\bauditor_[a-z_]+", text)}
    assert told <= set(METRICS)
    shown = {name for _, text in expressions() for name in re.findall(r"\bauditor_[a-z_]+", text)}
    assert set(METRICS) - shown == {"auditor_last_run_timestamp_seconds"}


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


@pytest.fixture(scope="module")
def scraped(prometheus: Prometheus, pushgateway: str) -> Prometheus:
    """With what one incomplete run pushed."""
    result = example()
    text = render_metrics(named(result, HOSTILE), facts())
    push(Address(pushgateway), "auditor", "nightly", text, lambda _: None)
    prometheus.until('auditor_info{run="nightly"}')
    return prometheus


def test_prometheus_scrapes_from_the_pushgateway_what_was_pushed(scraped: Prometheus) -> None:
    for name in METRICS:
        assert scraped.query(f'{name}{{job="auditor", run="nightly"}}'), name
    (total,) = scraped.query('sum(auditor_findings{run="nightly", outcome="FAIL"})')
    assert float(total["value"][1]) == sum(f.outcome is Outcome.FAIL for f in example().findings)
    (info,) = scraped.query('auditor_info{run="nightly"}')
    assert info["metric"]["cluster"].startswith('a"b\\c')


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_panel_has_an_answer(scraped: Prometheus, title: str, expression: str) -> None:
    assert scraped.query(expression), title


def test_pushing_again_leaves_no_series_of_the_run_before(scraped: Prometheus, pushgateway: str) -> None:
    complete = render_metrics(example(), facts("other"))
    push(Address(pushgateway + "/"), "auditor", "other", complete, lambda _: None)
    last = 'auditor_last_complete_run_timestamp_seconds{run="other"}'
    scraped.until(last)
    push(
        Address(pushgateway),
        "auditor",
        "other",
        render_metrics(example(), facts("other", None)),
        lambda _: None,
    )
    scraped.until(f'auditor_info{{run="other"}} unless on (run) {last}')
    assert scraped.query('auditor_last_complete_run_timestamp_seconds{run="nightly"}')


def test_the_pushgateway_refuses_what_is_no_metric(pushgateway: str) -> None:
    with pytest.raises(DeliveryFailed, match="answered with status 400"):
        push(Address(pushgateway), "auditor", "x", b"not a metric", lambda _: None)


def test_the_documentation_names_every_metric_with_its_labels() -> None:
    text = (ROOT / "docs" / "publishing.md").read_text()
    rows = re.findall(r"^\| ((?:`auditor_[a-z_]+`(?:, )?)+) \| (.*?) ?\| ", text, re.MULTILINE)
    told = {
        name: tuple(re.findall(r"`([a-z]+)`", labels))
        for names, labels in rows
        for name in re.findall(r"`(auditor_[a-z_]+)`", names)
    }
    assert told == {name: labels for name, (_, labels) in METRICS.items()}
