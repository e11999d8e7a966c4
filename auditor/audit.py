"""The use cases: collect, evaluate, render, write. The only place where the rooms meet."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auditor import __version__
from auditor.catalog.catalogue import FRAMEWORK_ORDER, Catalogue, load_catalogue
from auditor.checks.context import Facts
from auditor.checks.registry import all_checks
from auditor.collect.catalogue_files import packaged_controls, packaged_frameworks, read_text, user_controls
from auditor.collect.sources import read_sources
from auditor.evaluate.assessment import assess, bind_checks
from auditor.evaluate.permissions import (
    ServiceAccountName,
    controls_across_namespaces,
    controls_by_kind,
)
from auditor.evaluate.results import Particulars, build_result
from auditor.evaluate.scope_fit import check_scope_fits
from auditor.model.control import Control
from auditor.model.kinds import KindKey
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, Tool
from auditor.model.scope import Scope, ScopeConflict
from auditor.model.strict_yaml import Located, parse_strict
from auditor.model.user_error import ExitCode, UserError
from auditor.period import parse_period
from auditor.report.files import prepare_folder, write_files

if TYPE_CHECKING:
    from auditor.collect.live.collection import CollectionRecord, LiveCollection
    from auditor.collect.live.lists import OnPage
    from auditor.collect.live.target import LiveTarget
    from auditor.collect.tls_probe import Target
    from auditor.model.certificates_result import ProbeRow
    from auditor.model.evidence import Snapshot
    from auditor.model.preflight_result import PreflightResult

FORMATS = ("html", "pdf", "json", "csv")
"""What is written when nothing else is asked for."""

ALL_FORMATS = (*FORMATS, "open-reports")
FILE_NAMES = {
    "html": "report.html",
    "pdf": "report.pdf",
    "json": "results.json",
    "csv": "flow-register.csv",
    "open-reports": "open-reports.yaml",
}

CollectKinds = Callable[[Iterable[KindKey]], "Snapshot"]
"""Gives a snapshot of these kinds."""

Stage = Callable[[str], AbstractContextManager[None]]
"""Told what is going on, for progress: `with stage("Reading"): ...`."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """One run of the main job, as the command line gives it."""

    sources: Sequence[str]
    out: Path
    frameworks: Sequence[str] = FRAMEWORK_ORDER
    scope: Path | None = None
    controls: Sequence[Path] = ()
    formats: Sequence[str] = FORMATS
    fail_on: Sequence[Outcome] = ()
    at: datetime | None = None
    title: str | None = None
    organisation: str | None = None
    period: str | None = None
    assume_complete: str | None = None
    command: Sequence[str] = ()
    metrics: Path | None = None
    """Where Prometheus metrics are written beside the report, if they are."""
    collect: "CollectKinds | None" = None
    """How the kinds that the controls read are collected, where there are no sources: from a live cluster."""


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What a run gave: the result, the files written, and the exit code it deserves."""

    result: AuditResult
    files: list[Path] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.DONE


def _quiet(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class CheckedControls:
    """How many control files are valid, and the ids among them that built-in controls have."""

    count: int
    built_in: tuple[str, ...]


def load_controls(folders: Sequence[Path] = ()) -> Catalogue:
    """The packaged catalogue and the user's own controls. Raises UserError."""
    own = [text for folder in folders for text in user_controls(folder)]
    return load_catalogue([*packaged_controls(), *own], packaged_frameworks())


def check_own_controls(path: Path) -> CheckedControls:
    """The user's control files, checked as if they stood in the place of the packaged ones with their ids.

    So the packaged folder and copies of it can be checked too. Raises UserError, one line an error.
    """
    own = user_controls(path)
    bind_checks(load_catalogue(own, packaged_frameworks(), packaged_controls()), all_checks())
    ids = {parse_strict(text.text, text.name, Control).value.id for text in own}
    return CheckedControls(len(own), tuple(sorted(ids & load_controls().controls.keys())))


def load_scope(path: Path) -> tuple[Located[Scope], str]:
    """The scope file, parsed, and the sha256 of its text. Raises UserError."""
    text = read_text(path)
    return parse_strict(text, str(path), Scope), hashlib.sha256(text.encode()).hexdigest()


def read_snapshot(sources: Sequence[str], assume_complete: str | None) -> "Snapshot":
    """Everything that the sources hold. Raises UserError when nothing is usable."""
    return read_sources(sources, assume_complete=assume_complete, stdin=sys.stdin.buffer)


def controls_of_kinds(
    frameworks: Sequence[str] = FRAMEWORK_ORDER, controls: Sequence[Path] = ()
) -> Mapping[KindKey, tuple[str, ...]]:
    """The kinds that the selected controls need, each with their ids. Raises UserError."""
    catalogue = load_controls(controls)
    return controls_by_kind(catalogue, bind_checks(catalogue, all_checks()), frameworks)


def controls_left_open(frameworks: Sequence[str], controls: Sequence[Path] = ()) -> tuple[str, ...]:
    """The selected controls that namespaces which aren't collected bear on. Raises UserError."""
    catalogue = load_controls(controls)
    return controls_across_namespaces(catalogue, bind_checks(catalogue, all_checks()), frameworks)


def config_maps_to_grant(
    sources: Sequence[str], named: Iterable[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Namespace and name of each ConfigMap that is collected: those always asked for, those named, and those that
    controllers in an earlier state of the cluster are told to read."""
    from auditor.collect.config_maps import names_to_collect

    objects = read_snapshot(sources, None).objects if sources else ()
    return sorted({*names_to_collect(objects), *named})


def collect_cluster(
    target: "LiveTarget", kinds: Iterable[KindKey], on_page: "OnPage | None" = None
) -> "LiveCollection":
    """Read kinds from a running cluster. Raises UserError when it can't be reached."""
    from auditor.collect.live.collection import collect_live
    from auditor.collect.live.target import connect

    return collect_live(
        connect(target),
        now=datetime.now(UTC),
        sleep=time.sleep,
        kinds=kinds,
        namespaces=target.namespaces,
        on_page=on_page,
    )


def collect_bundle(
    target: "LiveTarget",
    kinds: Iterable[KindKey],
    out: Path,
    scope_text: str | None = None,
    on_page: "OnPage | None" = None,
) -> "CollectionRecord":
    """Read kinds from a running cluster into a bundle, page by page, whole or not at all. Raises UserError."""
    from auditor.collect.bundle import index_parts, write_parts
    from auditor.collect.bundle_spool import BundleSpool
    from auditor.collect.live.collection import collect_into
    from auditor.collect.live.target import connect

    with BundleSpool(out.absolute().parent) as spool:
        record = collect_into(
            spool,
            connect(target),
            now=datetime.now(UTC),
            sleep=time.sleep,
            kinds=kinds,
            namespaces=target.namespaces,
            on_page=on_page,
        )
        parts = spool.parts(lambda key: record.outline.completeness(key).state)
        write_parts(out, [*parts, *index_parts(record.outline, record.requests, scope_text)])
    return record


def review_access(
    target: "LiveTarget",
    controls: Mapping[KindKey, Sequence[str]],
    config_maps: Sequence[tuple[str, str]],
    account: ServiceAccountName | None = None,
) -> "PreflightResult":
    """Whether the credentials suffice for these kinds, and what they allow beyond. Raises UserError."""
    from auditor.collect.live.access import Reviewer
    from auditor.collect.live.requests import Requester
    from auditor.collect.live.target import connect
    from auditor.preflight import run_reviews

    connection = connect(target)
    reviewer = Reviewer(connection, Requester(connection, time.sleep))
    return run_reviews(reviewer, controls, config_maps, namespaces=target.namespaces, account=account)


def probe_tls(target: "Target", now: datetime) -> "ProbeRow":
    """One live handshake, only with a host that the operator named, as a row of the inventory."""
    from auditor.collect.tls_probe import fingerprint, served_certificate, shake_hands
    from auditor.evaluate.reason_rows import reason_rows
    from auditor.model.certificates_result import ProbeRow

    found = shake_hands(target)
    served = served_certificate(found, now)
    trusted = {True: "yes", False: "no", None: "unknown"}[found.trusted]
    fields = {
        **{name: getattr(served, name) for name in type(served).__slots__},
        "host": target.host,
        "port": target.port,
        "error": found.error,
        "trusted": trusted,
        "client_certificate": "yes" if found.asks_for_client else "unknown",
        "protocol": found.protocol,
        "cipher": found.cipher,
        "sha256": fingerprint(found),
        "names": list(served.names),
        "problems": reason_rows(served.problems),
    }
    return ProbeRow.model_validate(fields)


def run_audit(request: AuditRequest, stage: Stage = _quiet) -> AuditOutcome:
    """Read, evaluate, render and write. Raises UserError with the exit code of what went wrong."""
    prepare_folder(request.out)
    if request.metrics is not None:
        prepare_folder(request.metrics.parent)
    result = evaluate(request, stage)
    contents: dict[str, bytes | Iterable[bytes]] = {}
    for name in ALL_FORMATS:
        if name == "json" and name in request.formats:
            contents[FILE_NAMES[name]] = json_parts(result, stage)
        elif name in request.formats:
            with stage(f"Writing {FILE_NAMES[name]}"):
                contents[FILE_NAMES[name]] = render(result, name)
    code = exit_code(result, request.fail_on)
    metrics = _metrics(result, code) if request.metrics is not None else b""
    files = write_files(request.out, contents)
    if request.metrics is not None:
        files += write_files(request.metrics.parent, {request.metrics.name: metrics})
    return AuditOutcome(result, files, code)


def _metrics(result: AuditResult, code: ExitCode) -> bytes:
    from auditor.report.metrics import RunFacts, render_metrics

    ended = result.run.evaluated_at
    return render_metrics(result, RunFacts("audit", int(code), ended if result.run.complete else None))


def evaluate(request: AuditRequest, stage: Stage = _quiet) -> AuditResult:
    """The result alone, nothing written. Raises UserError."""
    catalogue = load_controls(request.controls)
    uses = bind_checks(catalogue, all_checks())
    scope, scope_sha256 = load_scope(request.scope) if request.scope else (None, None)
    period = request.period or (scope.value.period if scope else None)
    now = request.at or datetime.now(UTC)
    if request.collect is not None:
        snapshot = request.collect(controls_by_kind(catalogue, uses, request.frameworks))
    else:
        with stage("Reading the input"):
            snapshot = read_snapshot(request.sources, request.assume_complete)
    facts = Facts(snapshot, scope.value if scope else None, now)
    if scope:
        check_scope_fits(scope, facts.cluster)
    entity = scope.value.entity if scope else "merchant"
    with stage("Evaluating controls"):
        try:
            assessment = assess(facts, catalogue, uses, list(request.frameworks), entity)
        except ScopeConflict as conflict:
            raise UserError(f"{request.scope}: namespaces: {conflict}") from None
    particulars = Particulars(
        title=request.title or "Network controls evidence report",
        tool=Tool(name="auditor", version=__version__, command=list(request.command)),
        evaluated_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        period=parse_period(period) if period else None,
        organisation=request.organisation,
        assume_complete=request.assume_complete,
        scope_file=request.scope.name if request.scope else None,
        scope_sha256=scope_sha256,
        frameworks=tuple(request.frameworks),
    )
    return build_result(facts, catalogue, uses, assessment, particulars)


def json_parts(result: AuditResult, stage: Stage = _quiet) -> Iterator[bytes]:
    """results.json piece by piece, as it is written: it may be hundreds of MB."""
    from auditor.report.json_report import json_parts as parts

    with stage(f"Writing {FILE_NAMES['json']}"):
        yield from parts(result)


def render(result: AuditResult, name: str) -> bytes:
    """One format of the result. Renderers are imported when they are used: WeasyPrint is heavy."""
    if name == "json":
        from auditor.report.json_report import render_json

        return render_json(result)
    if name == "html":
        from auditor.report.html import render_html

        return render_html(result)
    if name == "csv":
        from auditor.report.register_csv import render_csv

        return render_csv(result)
    if name == "open-reports":
        from auditor.report.open_reports import render_open_reports

        return render_open_reports(result)
    from auditor.report.pdf import render_pdf

    return render_pdf(result)


def exit_code(result: AuditResult, fail_on: Sequence[Outcome]) -> ExitCode:
    """1 when an outcome of `fail_on` was found, else 70 after an internal error, else 3 for incomplete evidence."""
    found = {finding.outcome for finding in result.findings}
    if found & set(fail_on):
        return ExitCode.FAIL_ON_MET
    if Outcome.ERROR in found:
        return ExitCode.INTERNAL_ERROR
    return ExitCode.DONE if result.run.complete else ExitCode.EVIDENCE_INCOMPLETE
