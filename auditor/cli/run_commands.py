"""`auditor run` and `auditor compare`."""

import signal
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.live_options import collect_bundle_telling
from auditor.cli.output import Out, Quiet, emit_parts, emit_record, prepare, remark
from auditor.cli.progress import progress
from auditor.model.user_error import ExitCode, UserError

if TYPE_CHECKING:
    from auditor.model.comparison import Comparison
    from auditor.model.result import AuditResult
    from auditor.unattended.request import RunOutcome


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"


_RUN_EXAMPLES = """
Examples:\n
  auditor run --config run.yaml\n
  auditor run --config run.yaml --check      only reads the configuration and the files that it names\n
  auditor schema run                         the configuration's JSON Schema
"""
_COMPARE_EXAMPLES = """
Examples:\n
  auditor compare june/results.json september/results.json\n
  auditor compare old.json new.json --format json --out changes.json
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("run", epilog=_RUN_EXAMPLES)(run)
    app.command("compare", epilog=_COMPARE_EXAMPLES)(compare)


def run(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="FILE", help="run.yaml; 'auditor schema run' describes it."),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Read the configuration and the files that it names; nothing else."),
    ] = False,
    quiet: Quiet = False,
) -> int:
    """One unattended run: collect, audit, store the evidence, compare with the run before, publish, tell.

    The exit code is that of the audit; 4 when it would be 0 and something wasn't delivered. Without stored evidence it
    is 2, 4 or 70.
    """
    from auditor.unattended.request import RunRequest, load_run_config
    from auditor.unattended.run import check_run, run_unattended

    request = RunRequest(
        config=load_run_config(config).value,
        folder=config.parent,
        command=["auditor", *sys.argv[1:]],
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
        remark=lambda text: remark(quiet, text),
        collect=lambda target, kinds, out, scope: collect_bundle_telling(target, kinds, out, scope, quiet),
        stage=progress(quiet),
    )
    if check:
        check_run(request)
        remark(quiet, f"{config}: can be used")
        return int(ExitCode.DONE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcome = run_unattended(request)
    _tell(outcome, quiet)
    return int(outcome.exit_code)


def _tell(outcome: "RunOutcome", quiet: bool) -> None:
    """One line of summary; what wasn't delivered is told even when quiet."""
    record = outcome.record
    counts = ", ".join(f"{count} {name}" for name, count in record.outcomes.items() if count)
    against = f"since {record.compared_with}" if record.compared_with else "(nothing to compare with)"
    complete = "complete" if record.complete else "incomplete"
    told = f"evidence {complete}; {counts}; {record.new_failures} new failures {against}"
    remark(quiet, f"stored {record.run}: {told}, {record.resolved} resolved")
    for line in outcome.undelivered:
        remark(False, line)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The results.json of an earlier audit.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="That of a later one.")],
    format: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    out: Out = None,
) -> None:
    """What changed between two audits: new failures, resolved ones, those that can't be told now, other changes."""
    from auditor.evaluate.comparison import Compared, compare

    prepare(out)
    results = [Compared(str(path), _read(path)) for path in (old, new)]
    found = compare(results[0], results[1])
    if format is Format.JSON:
        emit_record(out, found)
    else:
        _write_table(found, out)


def _read(path: Path) -> "AuditResult":
    from pydantic import ValidationError

    from auditor.report.json_report import read_json

    try:
        return read_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or type(error).__name__}") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(
            f"{path}: expected the results.json of an audit: {place or 'not an object'}"
        ) from None
    except ValueError:
        raise UserError(f"{path}: expected the results.json of an audit: not JSON") from None


def _write_table(found: "Comparison", out: Path | None) -> None:
    from auditor.report.comparison_text import comparison_parts

    emit_parts(out, comparison_parts(found))
