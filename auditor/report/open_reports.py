"""Findings as OpenReports objects: a Report in each namespace, ClusterReports for the rest.

The shape and the meaning of each result are those of the CRDs of openreports.io/v1alpha1: `error` is what could not be
evaluated, `warn` a requirement that isn't scored and not met, `skip` what was not selected for evaluation.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from auditor.model.kinds import KNOWN_KINDS
from auditor.model.objects import qualified_kind
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, ControlResult, FindingResult
from auditor.report.display import displayable
from auditor.report.role_yaml import render_manifests

API_VERSION = "openreports.io/v1alpha1"
RESULTS: Mapping[Outcome, str] = {
    Outcome.FAIL: "fail",
    Outcome.ERROR: "error",
    Outcome.NOT_EVALUATED: "error",
    Outcome.MANUAL: "warn",
    Outcome.PASS: "pass",
    Outcome.NOT_APPLICABLE: "skip",
}
"""NOT_EVALUATED is an error and no skip: nothing that lacks evidence may look as if it were left out on purpose."""

MAX_OBJECT = 900 * 1024
"""Of one object's JSON, in bytes: etcd takes 1.5 MiB with what the API server adds."""

MAX_OBJECTS = 4
"""In one namespace."""

MAX_TOTAL = 32 * 1024 * 1024
"""Of all objects together, so that a large cluster's findings don't fill etcd."""

_ORDER = tuple(RESULTS)
_MAX_TEXT, _MAX_LIST = 1000, 20
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.:]{0,251}[A-Za-z0-9])?")
_PORT = re.compile(r":\d{1,5}/[A-Za-z0-9]{1,8}$")


@dataclass(frozen=True, slots=True)
class OpenReports:
    """The objects, and one line for each namespace of which not all results fit."""

    manifests: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def labels_of(run: str) -> dict[str, str]:
    """By which our objects are known, and no other is touched."""
    return {"app.kubernetes.io/managed-by": "auditor", "app.kubernetes.io/instance": run}


def open_reports(result: AuditResult, run: str, outcomes: Sequence[Outcome] = _ORDER) -> OpenReports:
    """The objects of a run, sorted by namespace and number. Summaries count every finding, also those not listed."""
    by_namespace: dict[str, list[FindingResult]] = {}
    for finding in result.findings:
        known = finding.namespace if _NAMESPACE.fullmatch(finding.namespace) else ""
        by_namespace.setdefault(known, []).append(finding)
    budget = min(MAX_OBJECT * MAX_OBJECTS, MAX_TOTAL // max(1, len(by_namespace)))
    manifests, notes = [], []
    for namespace in sorted(by_namespace):
        part = _Place(result, run, namespace, frozenset(outcomes), budget)
        made, left_out = part.manifests(by_namespace[namespace])
        manifests += made
        if left_out:
            where = f"namespace {namespace}" if namespace else "the cluster"
            notes.append(
                f"OpenReports: {left_out} results of {where} are counted and not listed, for their size"
            )
    return OpenReports(tuple(manifests), tuple(notes))


def render_open_reports(result: AuditResult, run: str = "audit") -> bytes:
    """The objects as YAML documents that kubectl applies."""
    return render_manifests(open_reports(result, run).manifests).encode()


@dataclass(frozen=True, slots=True)
class _Place:
    result: AuditResult
    run: str
    namespace: str
    outcomes: frozenset[Outcome]
    budget: int

    def manifests(self, findings: Sequence[FindingResult]) -> tuple[list[dict[str, Any]], int]:
        """The objects, and how many results of `outcomes` did not fit; the most pressing come first."""
        controls = {control.id: control for control in self.result.controls}
        ordered = sorted(findings, key=lambda f: (_ORDER.index(f.outcome), f.control, f.subject, f.id))
        wanted = [finding for finding in ordered if finding.outcome in self.outcomes]
        pages, taken = _pages((_result(f, controls[f.control], self._time()) for f in wanted), self.budget)
        summaries = [Counter(RESULTS[f.outcome] for f in wanted[start:end]) for start, end in taken]
        listed = taken[-1][1] if taken else 0
        others = [f for f in ordered if f.outcome not in self.outcomes] + wanted[listed:]
        if not pages:
            pages, summaries = [[]], [Counter()]
        summaries[-1].update(RESULTS[f.outcome] for f in others)
        left_out = len(wanted) - listed
        last = len(pages) - 1
        made = [
            self._manifest(number, page, summaries[number], left_out if number == last else 0)
            for number, page in enumerate(pages)
        ]
        return made, left_out

    def _time(self) -> int:
        return int(datetime.fromisoformat(self.result.run.evaluated_at).timestamp())

    def _manifest(
        self, number: int, page: Sequence[Mapping[str, Any]], summary: Counter[str], left_out: int
    ) -> dict[str, Any]:
        name = f"auditor-{self.run}" + (f"-{number + 1}" if number else "")
        annotations = {"auditor/evaluated-at": self.result.run.evaluated_at}
        if left_out:
            annotations["auditor/results-left-out"] = str(left_out)
        metadata: dict[str, Any] = {"name": name, "labels": labels_of(self.run), "annotations": annotations}
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "Report" if self.namespace else "ClusterReport",
            "metadata": metadata,
            "source": "auditor",
        }
        if self.namespace:
            metadata["namespace"] = self.namespace
            body["scope"] = {"apiVersion": "v1", "kind": "Namespace", "name": self.namespace}
        if self.outcomes != frozenset(Outcome):
            kept = sorted({RESULTS[outcome] for outcome in self.outcomes})
            body["configuration"] = {"limits": {"statusFilter": kept}}
        counts = {name: summary[name] for name in ("pass", "fail", "warn", "error", "skip")}
        return {**body, "summary": counts, "results": list(page)}


def _pages(
    results: Iterable[dict[str, Any]], budget: int
) -> tuple[list[list[dict[str, Any]]], list[tuple[int, int]]]:
    """As many objects as fit, and which results are on each: first, and one after the last."""
    pages: list[list[dict[str, Any]]] = []
    taken: list[tuple[int, int]] = []
    size, total = 0, 0
    for number, entry in enumerate(results):
        length = len(orjson.dumps(entry)) + 1
        if total + length > budget:
            break
        if not pages or size + length > MAX_OBJECT:
            if len(pages) == MAX_OBJECTS:
                break
            pages.append([])
            taken.append((number, number))
            size = 0
        pages[-1].append(entry)
        taken[-1] = (taken[-1][0], number + 1)
        size += length
        total += length
    return pages, taken


def _result(finding: FindingResult, control: ControlResult, time: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "policy": control.id,
        "rule": finding.check,
        "category": ", ".join(finding.frameworks),
        "severity": control.severity,
        "result": RESULTS[finding.outcome],
        "scored": finding.outcome not in (Outcome.MANUAL, Outcome.NOT_APPLICABLE),
        "message": _text(finding.message),
        "timestamp": {"seconds": time, "nanos": 0},
        "properties": dict(_properties(finding, control)),
    }
    resource = resource_of(finding.subject)
    return {**found, "resources": [resource]} if resource else found


def _properties(finding: FindingResult, control: ControlResult) -> Iterator[tuple[str, str]]:
    yield "outcome", str(finding.outcome)
    yield "reason", finding.reason
    yield "subject", _text(finding.subject)
    requirements = sorted(
        f"{mapping.framework} {mapping.requirement}"
        for mapping in control.requirements
        if mapping.framework in finding.frameworks
    )
    if requirements:
        more = len(requirements) - _MAX_LIST
        yield "requirements", ", ".join(requirements[:_MAX_LIST]) + (f" and {more} more" if more > 0 else "")
    if finding.remedy:
        yield "remedy", _text(finding.remedy)
    yield "finding", finding.id


def _text(text: str) -> str:
    return displayable(text, _MAX_TEXT)


def resource_of(subject: str) -> dict[str, str] | None:
    """The object that a subject's id names (`namespace/Kind/name`, `/Kind.group/name`), None where it is none.

    A port, and the number of a part of a workload, are left out; `properties.subject` has them.
    """
    parts = _PORT.sub("", subject).split("/")
    if len(parts) != 3:
        return None
    namespace, kind, name = parts[0], parts[1], parts[2].partition("#")[0]
    if (namespace and not _NAMESPACE.fullmatch(namespace)) or not _NAME.fullmatch(name):
        return None
    keys = [key for key in KNOWN_KINDS if qualified_kind(key.group, key.kind) == kind]
    found = {"kind": kind.partition(".")[0], "name": name, **({"namespace": namespace} if namespace else {})}
    if len(keys) == 1:
        version = KNOWN_KINDS[keys[0]].versions[0]
        found["apiVersion"] = f"{keys[0].group}/{version}" if keys[0].group else version
    return found if found["kind"].isalnum() else None
