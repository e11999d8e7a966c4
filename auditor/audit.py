"""The use cases: collect, evaluate, render, write. The only place where the rooms meet."""

import hashlib
import sys
from collections.abc import Callable, Sequence
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
from auditor.evaluate.results import Particulars, build_result
from auditor.evaluate.scope_fit import check_scope_fits
from auditor.model.outcome import Outcome
from auditor.model.result import AuditResult, Tool
from auditor.model.scope import Scope, ScopeConflict
from auditor.model.strict_yaml import Located, parse_strict
from auditor.model.user_error import ExitCode, UserError
from auditor.period import parse_period
from auditor.report.files import prepare_folder, write_files

if TYPE_CHECKING:
    from auditor.collect.tls_probe import Target
    from auditor.model.certificates_result import ProbeRow
    from auditor.model.evidence import Snapshot

FORMATS = ("html", "pdf", "json")
FILE_NAMES = {"html": "report.html", "pdf": "report.pdf", "json": "results.json"}

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


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What a run gave: the result, the files written, and the exit code it deserves."""

    result: AuditResult
    files: list[Path] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.DONE


def _quiet(_: str) -> AbstractContextManager[None]:
    return nullcontext()


def load_controls(folders: Sequence[Path] = ()) -> Catalogue:
    """The packaged catalogue and the user's own controls. Raises UserError."""
    own = [text for folder in folders for text in user_controls(folder)]
    return load_catalogue([*packaged_controls(), *own], packaged_frameworks())


def load_scope(path: Path) -> tuple[Located[Scope], str]:
    """The scope file, parsed, and the sha256 of its text. Raises UserError."""
    text = read_text(path)
    return parse_strict(text, str(path), Scope), hashlib.sha256(text.encode()).hexdigest()


def read_snapshot(sources: Sequence[str], assume_complete: str | None) -> "Snapshot":
    """Everything that the sources hold. Raises UserError when nothing is usable."""
    return read_sources(sources, assume_complete=assume_complete, stdin=sys.stdin.buffer)


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
    result = evaluate(request, stage)
    contents = {}
    for name in FORMATS:
        if name in request.formats:
            with stage(f"Writing {FILE_NAMES[name]}"):
                contents[FILE_NAMES[name]] = render(result, name)
    files = write_files(request.out, contents)
    return AuditOutcome(result, files, exit_code(result, request.fail_on))


def evaluate(request: AuditRequest, stage: Stage = _quiet) -> AuditResult:
    """The result alone, nothing written. Raises UserError."""
    catalogue = load_controls(request.controls)
    uses = bind_checks(catalogue, all_checks())
    scope, scope_sha256 = load_scope(request.scope) if request.scope else (None, None)
    period = request.period or (scope.value.period if scope else None)
    now = request.at or datetime.now(UTC)
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


def render(result: AuditResult, name: str) -> bytes:
    """One format of the result. Renderers are imported when they are used: WeasyPrint is heavy."""
    if name == "json":
        from auditor.report.json_report import render_json

        return render_json(result)
    if name == "html":
        from auditor.report.html import render_html

        return render_html(result)
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
