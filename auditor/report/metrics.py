"""Prometheus metrics of an audit, in the text format that scrapes, node-exporter and the Pushgateway read.

Names and units follow Prometheus' conventions: gauges, seconds, labels of bounded sets (controls, outcomes, kinds), so
that the number of series doesn't grow with the cluster.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult
from auditor.model.run_record import RunRecord
from auditor.model.user_error import UserError
from auditor.report.display import bounded

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "auditor_info": ("The auditor's version and the cluster's name; always 1.", ("version", "cluster")),
    "auditor_findings": ("Findings by control and outcome.", ("control", "severity", "outcome")),
    "auditor_requirements": ("Requirements of a framework by status.", ("framework", "status")),
    "auditor_requirement_status": (
        "The status that a requirement has now; always 1.",
        ("framework", "requirement", "status"),
    ),
    "auditor_collection_complete": (
        "Whether a kind that controls read was collected completely, or isn't installed (1), or not (0).",
        ("kind",),
    ),
    "auditor_collection_objects": ("Objects that were collected of a kind that controls read.", ("kind",)),
    "auditor_evidence_complete": (
        "Whether nothing that controls read is missing from the evidence (1 or 0).",
        (),
    ),
    "auditor_last_run_timestamp_seconds": ("When the last run that stored evidence ended.", ()),
    "auditor_last_complete_run_timestamp_seconds": (
        "When the last run with complete evidence ended; absent as long as there was none.",
        (),
    ),
    "auditor_run_duration_seconds": ("How long the last run took, until its evidence was stored.", ()),
    "auditor_run_exit_code": ("What the last run's evidence deserves: 0, 1, 3 or 70.", ()),
    "auditor_new_failures": ("Failures that were not there in the run before.", ()),
    "auditor_resolved_failures": ("Failures of the run before that are gone.", ()),
    "auditor_untold_failures": (
        "Failures of the run before that can't be told now, for want of evidence.",
        (),
    ),
}
"""Every metric: its help and its labels beside `run`, which all have."""

ONLY_OF_STORED_RUNS = frozenset(
    {
        "auditor_run_duration_seconds",
        "auditor_new_failures",
        "auditor_resolved_failures",
        "auditor_untold_failures",
    }
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a result doesn't know of its run. `record` is None for an audit that wasn't stored."""

    name: str
    exit_code: int
    last_complete: str | None
    """When the last run with complete evidence ended, RFC 3339."""
    record: RunRecord | None = None


def render_metrics(result: AuditResult, facts: RunFacts) -> bytes:
    """The same text for the same result. Raises UserError when the library isn't installed."""
    try:
        library: Any = importlib.import_module("prometheus_client")
    except ImportError:
        raise UserError("metrics need the extra 'publish': pip install 'auditor[publish]'") from None
    registry = library.CollectorRegistry()
    samples = [*_of_result(result), *_of_run(result, facts)]
    for name, (told, labels) in METRICS.items():
        found = sorted((values, value) for metric, values, value in samples if metric == name)
        if not found:
            continue
        gauge = library.Gauge(name, told, ("run", *labels), registry=registry)
        for values, value in found:
            gauge.labels(facts.name, *values).set(value)
    text: bytes = library.generate_latest(registry)
    return text


Sample = tuple[str, tuple[str, ...], float]


def _of_result(result: AuditResult) -> Iterable[Sample]:
    yield "auditor_info", (result.tool.version, bounded(result.cluster.name or "")), 1
    yield "auditor_evidence_complete", (), float(result.run.complete)
    for control in result.controls:
        for outcome in Outcome:
            labels = (control.id, control.severity, str(outcome))
            yield "auditor_findings", labels, control.counts.get(outcome, 0)
    for framework in result.frameworks:
        for status, count in framework.counts.items():
            yield "auditor_requirements", (framework.id, str(status)), count
    for entry in result.requirements:
        yield "auditor_requirement_status", (entry.framework, entry.id, str(entry.status)), 1
    yield from _of_kinds(result)


def _of_kinds(result: AuditResult) -> Iterable[Sample]:
    for kind in result.kinds:
        if kind.read:
            name = bounded(f"{kind.kind}.{kind.group}" if kind.group else kind.kind)
            complete = kind.completeness in ("complete", "not-installed")
            yield "auditor_collection_complete", (name,), float(complete)
            yield "auditor_collection_objects", (name,), kind.objects


def _of_run(result: AuditResult, facts: RunFacts) -> Iterable[Sample]:
    record = facts.record
    ended = record.finished_at if record else result.run.evaluated_at
    yield "auditor_last_run_timestamp_seconds", (), _seconds(ended)
    if facts.last_complete is not None:
        yield "auditor_last_complete_run_timestamp_seconds", (), _seconds(facts.last_complete)
    yield "auditor_run_exit_code", (), facts.exit_code
    if record is not None:
        yield "auditor_run_duration_seconds", (), _seconds(record.finished_at) - _seconds(record.started_at)
        yield "auditor_new_failures", (), record.new_failures
        yield "auditor_resolved_failures", (), record.resolved
        yield "auditor_untold_failures", (), record.untold


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
