"""One unattended run: collect, audit, store, compare, publish, tell, prune. What was stored outlives every failure after."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
    load_scope,
    read_snapshot,
    render,
    review_access,
)
from auditor.collect.bundle import write_bundle
from auditor.collect.catalogue_files import read_text
from auditor.collect.live.target import LiveTarget
from auditor.evaluate.comparison import Compared, compare
from auditor.model.comparison import Comparison
from auditor.model.kinds import KindKey
from auditor.model.notification import Notification
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, Record
from auditor.model.run_config import RunConfig
from auditor.model.run_record import RECORD, STARTED, IncompleteKind, RunRecord, RunStarted
from auditor.model.strict_yaml import Located, parse_strict
from auditor.model.user_error import ExitCode, UserError
from auditor.publish.channels import Channel, open_channels
from auditor.publish.delivery import DeliveryFailed
from auditor.report.connectivity_json import render_record
from auditor.report.json_report import read_json
from auditor.report.notification import notification_of_failure, notification_of_run
from auditor.store.runs import RunStore, open_store, run_folder, stored_files
from auditor.store.shelf import ShelfError

if TYPE_CHECKING:
    from auditor.collect.live.collection import LiveCollection
    from auditor.model.preflight_result import PreflightResult

EVIDENCE, COMPARISON, PREFLIGHT = "evidence.zip", "comparison.json", "preflight.json"
_MAX_TOLD = 10


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the command line gives beside the configuration: clock, waiting, and where remarks and progress go."""

    config: RunConfig
    folder: Path
    """The configuration's folder, which its paths are relative to."""
    command: Sequence[str]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    remark: Callable[[str], None]
    collect: "Callable[[LiveTarget, Iterable[KindKey]], LiveCollection]"
    stage: Callable[[str], AbstractContextManager[None]]

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.folder / name


@dataclass(slots=True)
class RunOutcome:
    """The stored record, and what could not be delivered, one line each."""

    record: RunRecord
    undelivered: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """What the evidence deserves; where that is 0 and something wasn't delivered, 4."""
        deserved = ExitCode(self.record.exit_code)
        undelivered = deserved is ExitCode.DONE and bool(self.undelivered)
        return ExitCode.OUTPUT_NOT_WRITTEN if undelivered else deserved


def load_run_config(path: Path) -> Located[RunConfig]:
    """The configuration, parsed strictly. Raises UserError with one line for each mistake."""
    return parse_strict(read_text(path), str(path), RunConfig)


def check_run(request: RunRequest) -> None:
    """Read every file that the configuration names, and connect to nothing. Raises UserError."""
    config = request.config
    open_store(config.store)
    open_channels(config.notify, request.folder, request.now, request.sleep)
    _scope_text(request)
    controls_of_kinds(config.collect.frameworks, [request.path(name) for name in config.controls])


def run_unattended(request: RunRequest) -> RunOutcome:
    """Do all of it. Raises UserError when nothing could be stored: exit code 2 or 4."""
    config = request.config
    store = open_store(config.store)
    channels = open_channels(config.notify, request.folder, request.now, request.sleep)
    try:
        outcome, comparison = _store_run(request, store)
    except Exception as error:
        _tell_failure(request, channels, error)
        raise
    _notify(request, channels, outcome, comparison)
    _prune(request, store, outcome)
    return outcome


def _store_run(request: RunRequest, store: RunStore) -> tuple[RunOutcome, Comparison]:
    config = request.config
    store.check()
    started = request.now()
    run = run_folder(config.name, started)
    with tempfile.TemporaryDirectory(prefix="auditor-run-") as scratch:
        folder = Path(scratch)
        _write(folder / STARTED, RunStarted(run=run, name=config.name, started_at=_text(started)))
        if config.collect.sources:
            _bundle_sources(request, folder)
        else:
            _collect(request, folder)
        result = _audit(request, folder)
        comparison = compare(_previous(request, store, run), Compared(run, result))
        _write(folder / COMPARISON, comparison)
        record = _record(request, run, started, result, comparison, folder)
        _write(folder / RECORD, record)
        store.put(run, folder)
    return RunOutcome(record), comparison


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, record: Record) -> None:
    path.write_bytes(render_record(record))


def _previous(request: RunRequest, store: RunStore, run: str) -> Compared | None:
    """The newest whole run before this one, with the failures that it could not tell of."""
    record = store.previous(request.config.name, run)
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
    write_bundle(folder / EVIDENCE, snapshot, scope_text=_scope_text(request))


def _collect(request: RunRequest, folder: Path) -> None:
    target = live_target(request)
    config = request.config
    controls = [request.path(name) for name in config.controls]
    kinds = controls_of_kinds(config.collect.frameworks, controls)
    scope_text = _scope_text(request)
    if config.preflight:
        with request.stage("Asking what the credentials allow"):
            preflight = review_access(target, kinds, config_maps_to_grant(()))
        _write(folder / PREFLIGHT, preflight)
        _tell_preflight(request, preflight)
    found = request.collect(target, kinds)
    write_bundle(folder / EVIDENCE, found.snapshot, requests=found.requests, scope_text=scope_text)


def live_target(request: RunRequest) -> LiveTarget:
    """The cluster that the configuration names."""
    collect = request.config.collect
    kubeconfig = str(request.path(collect.kubeconfig)) if collect.kubeconfig else None
    namespaces = tuple(sorted(set(collect.namespaces))) or None
    return LiveTarget(kubeconfig, collect.context, collect.in_cluster, namespaces)


def _scope_text(request: RunRequest) -> str | None:
    if request.config.scope is None:
        return None
    path = request.path(request.config.scope)
    load_scope(path)
    return read_text(path)


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
            controls=[request.path(name) for name in config.controls],
            at=request.now(),
            title=config.title,
            organisation=config.organisation,
            period=config.period,
            command=request.command,
        ),
        request.stage,
    )
    for name in sorted(config.formats):
        with request.stage(f"Writing {FILE_NAMES[name]}"):
            (folder / FILE_NAMES[name]).write_bytes(render(result, name))
    return result


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
        started_at=_text(started),
        finished_at=_text(request.now()),
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


def _notify(
    request: RunRequest, channels: Sequence[Channel], outcome: RunOutcome, comparison: Comparison
) -> None:
    place = f"{request.config.store.url.rstrip('/')}/{outcome.record.run}"
    notification = notification_of_run(outcome.record, comparison, request.config.notify.on, place)
    if notification is not None:
        outcome.undelivered += _send(channels, notification)


def _tell_failure(request: RunRequest, channels: Sequence[Channel], error: Exception) -> None:
    """Nothing could be stored: those who want to know of incomplete runs are told, whatever became of it."""
    if "incomplete" not in request.config.notify.on:
        return
    cause = str(error) if isinstance(error, UserError) else f"internal error: {type(error).__name__}"
    time = _text(request.now())
    for line in _send(channels, notification_of_failure(request.config.name, time, cause)):
        request.remark(line)


def _send(channels: Sequence[Channel], notification: Notification) -> list[str]:
    """What could not be delivered, one line each. One channel's failure keeps none of the others from being tried."""
    undelivered = []
    for channel in channels:
        try:
            channel.send(notification)
        except DeliveryFailed as error:
            undelivered.append(f"{channel.name} wasn't told: {error}")
        except Exception as error:  # the evidence is stored: nothing here may lose the run
            undelivered.append(f"{channel.name} wasn't told: internal error: {type(error).__name__}")
    return undelivered


def _prune(request: RunRequest, store: RunStore, outcome: RunOutcome) -> None:
    keep = request.config.store.keep
    try:
        gone = store.prune(request.config.name, keep) if keep is not None else []
        gone += store.prune_left_over(request.config.name, request.now())
    except ShelfError as error:
        outcome.undelivered.append(f"old runs could not be deleted: {error}")
        return
    for run in gone:
        request.remark(f"deleted {run}")
