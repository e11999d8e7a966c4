"""The evidence of an unattended run: collected, evaluated from its bundle, compared, and stored whole or not at all."""

import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auditor import __version__
from auditor.audit import (
    FILE_NAMES,
    AuditRequest,
    config_maps_to_grant,
    controls_of_kinds,
    evaluate,
    exit_code,
    json_parts,
    read_snapshot,
    render,
    review_access,
)
from auditor.collect.bundle import write_bundle
from auditor.evaluate.comparison import Compared, compare
from auditor.model.comparison import Comparison
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, Record
from auditor.model.run_record import RECORD, STARTED, IncompleteKind, RunRecord, RunStarted
from auditor.report.connectivity_json import render_record
from auditor.report.json_report import read_json
from auditor.report.open_reports import render_open_reports
from auditor.store.runs import RunStore, run_folder, stored_files
from auditor.store.shelf import ShelfError
from auditor.unattended.request import RunRequest, Stored, rfc3339

if TYPE_CHECKING:
    from auditor.model.preflight_result import PreflightResult

EVIDENCE, COMPARISON, PREFLIGHT = "evidence.zip", "comparison.json", "preflight.json"
_MAX_TOLD = 10


def store_run(request: RunRequest, store: RunStore) -> Stored:
    """Collect or read, evaluate the bundle, compare, and store all of it. Raises UserError: nothing was stored then."""
    config = request.config
    store.check()
    started = request.now()
    run = run_folder(config.name, started)
    with tempfile.TemporaryDirectory(prefix="auditor-run-") as scratch:
        folder = Path(scratch)
        _write(folder / STARTED, RunStarted(run=run, name=config.name, started_at=rfc3339(started)))
        if config.collect.sources:
            _bundle_sources(request, folder)
        else:
            _collect(request, folder)
        result = _audit(request, folder)
        comparison = compare(_previous(request, store, run, result.cluster.uid), Compared(run, result))
        _write(folder / COMPARISON, comparison)
        record = _record(request, run, started, result, comparison, folder)
        _write(folder / RECORD, record)
        store.put(run, folder)
    return Stored(record, comparison, result)


def _write(path: Path, record: Record) -> None:
    path.write_bytes(render_record(record))


def _previous(request: RunRequest, store: RunStore, run: str, cluster_uid: str | None) -> Compared | None:
    """The newest whole run before this one, with the failures that it could not tell of.

    Whatever is wrong with runs that are stored already keeps this one from being compared, not from being stored.
    """
    try:
        record = store.previous(request.config.name, run, cluster_uid)
    except ShelfError as error:
        request.remark(f"not compared with any run: {error}")
        return None
    if record is None:
        return None
    try:
        result = read_json(store.read(record, FILE_NAMES["json"]))
        carried = Comparison.model_validate_json(store.read(record, COMPARISON)).untold
    except (ShelfError, ValueError) as error:
        request.remark(f"not compared with {record.run}: {str(error).splitlines()[0]}")
        return None
    return Compared(record.run, result, tuple(carried))


def _bundle_sources(request: RunRequest, folder: Path) -> None:
    collect = request.config.collect
    sources = [str(request.path(name)) for name in collect.sources]
    with request.stage("Reading the input"):
        snapshot = read_snapshot(sources, collect.assume_complete)
    write_bundle(folder / EVIDENCE, snapshot, scope_text=request.scope_text())


def _collect(request: RunRequest, folder: Path) -> None:
    target = request.target()
    config = request.config
    kinds = controls_of_kinds(config.collect.frameworks, request.controls())
    scope_text = request.scope_text()
    if config.preflight:
        with request.stage("Asking what the credentials allow"):
            preflight = review_access(target, kinds, config_maps_to_grant(()))
        _write(folder / PREFLIGHT, preflight)
        _tell_preflight(request, preflight)
    request.collect(target, kinds, folder / EVIDENCE, scope_text)


def _tell_preflight(request: RunRequest, preflight: "PreflightResult") -> None:
    missing = [row for row in preflight.permissions if row.allowed != "yes"]
    for row in missing[:_MAX_TOLD]:
        where = f" in {row.namespace}" if row.namespace else ""
        name = f" {row.name}" if row.name else ""
        answer = "isn't granted" if row.allowed == "no" else "can't be told"
        action = f"{row.verb} {row.resource}{'.' if row.group else ''}{row.group}{name}{where}"
        request.remark(f"preflight: {action} {answer}; it bears on {', '.join(row.controls[:_MAX_TOLD])}")
    if len(missing) > _MAX_TOLD:
        request.remark(f"preflight: {len(missing) - _MAX_TOLD} more are missing: see {PREFLIGHT}")
    for finding in sorted({row.finding for row in preflight.excess}):
        request.remark(f"preflight: the credentials allow more than an audit needs: {finding}")


def _audit(request: RunRequest, folder: Path) -> AuditResult:
    """Evaluate the bundle that is stored, so that whoever has it can do the same again; render every format."""
    config = request.config
    result = evaluate(
        AuditRequest(
            sources=[str(folder / EVIDENCE)],
            out=folder,
            frameworks=config.collect.frameworks,
            scope=request.path(config.scope) if config.scope else None,
            controls=request.controls(),
            at=request.now(),
            title=config.title,
            organisation=config.organisation,
            period=config.period,
            command=request.command,
        ),
        request.stage,
    )
    for name in sorted(config.formats):
        with request.stage(f"Writing {FILE_NAMES[name]}"), (folder / FILE_NAMES[name]).open("wb") as file:
            file.writelines(_rendered(request, result, name))
    return result


def _rendered(request: RunRequest, result: AuditResult, name: str) -> Iterable[bytes]:
    """As the audit renders it; OpenReports objects under the run's name, as they are published."""
    if name == "open-reports":
        return [render_open_reports(result, request.config.name)]
    return json_parts(result) if name == "json" else [render(result, name)]


def _record(
    request: RunRequest,
    run: str,
    started: datetime,
    result: AuditResult,
    comparison: Comparison,
    folder: Path,
) -> RunRecord:
    outcomes = [finding.outcome for finding in result.findings]
    return RunRecord(
        version=__version__,
        run=run,
        name=request.config.name,
        started_at=rfc3339(started),
        finished_at=rfc3339(request.now()),
        cluster=result.cluster.name,
        cluster_uid=result.cluster.uid,
        frameworks=result.run.frameworks,
        scope_sha256=result.scope.sha256,
        complete=result.run.complete,
        incomplete_kinds=incomplete_kinds(result),
        outcomes={outcome: outcomes.count(outcome) for outcome in Outcome},
        exit_code=int(exit_code(result, request.config.fail_on)),
        compared_with=comparison.old.name if comparison.old else None,
        new_failures=len(comparison.new_failures),
        resolved=len(comparison.resolved),
        untold=len(comparison.untold),
        files=stored_files(folder),
    )


def incomplete_kinds(result: AuditResult) -> list[IncompleteKind]:
    """Kinds that controls read, of which something is missing."""
    return [
        IncompleteKind(
            kind=f"{kind.kind}.{kind.group}" if kind.group else kind.kind,
            completeness=kind.completeness,
            cause=kind.cause,
        )
        for kind in result.kinds
        if kind.read and kind.completeness not in ("complete", "not-installed")
    ]
