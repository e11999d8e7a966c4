"""`auditor audit` and `auditor snapshot-script`."""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.live_options import (
    ContextOption,
    InClusterOption,
    KubeconfigOption,
    NamespaceOption,
    snapshot_of_cluster,
    target_without_sources,
    tell_left_open,
)
from auditor.cli.progress import progress
from auditor.model.user_error import UserError

if TYPE_CHECKING:
    from auditor.audit import AuditOutcome


class FrameworkName(StrEnum):
    """Frameworks that can be selected."""

    PCI = "pci-dss-4.0.1"
    HIPAA = "hipaa"
    GDPR = "gdpr"


class FailOn(StrEnum):
    """Outcomes that can make the run fail."""

    FAIL = "FAIL"
    ERROR = "ERROR"
    NOT_EVALUATED = "NOT_EVALUATED"
    MANUAL = "MANUAL"
    NOT_APPLICABLE = "NOT_APPLICABLE"


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE...]",
        help="Files, folders (recursive), bundles or '-' for standard input; without any, the live cluster of the "
        "current kubeconfig context.",
    ),
]
AssumeComplete = Annotated[
    str | None,
    typer.Option(
        "--assume-complete",
        metavar="NAME",
        help="NAME claims that SOURCE holds every object of each kind; the name is printed in the report.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("audit", epilog=_EXAMPLES)(audit)
    app.command("snapshot-script")(snapshot_script)


_EXAMPLES = """
Examples:\n
  auditor audit --context production --scope scope.yaml --out report\n
  auditor audit snapshot/ --scope scope.yaml --out report\n
  kubectl get networkpolicies,pods,namespaces -A -o json | auditor audit - --out report\n
  auditor audit snapshot/ --out report --framework hipaa --format json --fail-on FAIL
"""


def audit(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report files; made if needed.")],
    sources: Sources = None,
    framework: Annotated[
        list[FrameworkName] | None,
        typer.Option("--framework", "-f", help="Repeatable; all frameworks when left out."),
    ] = None,
    scope: Annotated[
        Path | None,
        typer.Option(help="scope.yaml: which namespaces hold which data, which flows are approved."),
    ] = None,
    controls: Annotated[
        list[Path] | None, typer.Option(help="A folder or file with your own controls; repeatable.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format", help="Comma-separated: html, pdf, json, csv (the flow register), open-reports."
        ),
    ] = "html,pdf,json,csv",
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option("--fail-on", help="Exit with 1 when a finding has this outcome; repeatable."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time of evaluation, RFC 3339; now when left out.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title on the cover.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Organisation on the cover.")] = None,
    period: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="2026-Q3, or FROM..TO as 2026-07-01..2026-09-30.")
    ] = None,
    assume_complete: AssumeComplete = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.prom", help="Write Prometheus metrics too, for node-exporter's textfile collector."
        ),
    ] = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")] = False,
) -> int:
    """Evaluate a cluster, live or from a snapshot, and write report.html, report.pdf, results.json and flow-register.csv."""
    from auditor.audit import AuditRequest, run_audit
    from auditor.model.outcome import Outcome

    target = target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete)
    frameworks = [entry.value for entry in FrameworkName if not framework or entry in framework]
    if target is not None:
        tell_left_open(target, frameworks, controls or (), quiet)
    request = AuditRequest(
        sources=sources or (),
        out=out,
        frameworks=frameworks,
        scope=scope,
        controls=controls or (),
        formats=_formats(format),
        fail_on=[Outcome(entry.value) for entry in fail_on or ()],
        at=parse_time(at) if at else None,
        title=title,
        organisation=organisation,
        period=period,
        assume_complete=assume_complete,
        command=["auditor", *sys.argv[1:]],
        metrics=metrics,
        collect=snapshot_of_cluster(target, quiet) if target is not None else None,
    )
    outcome = run_audit(request, progress(quiet))
    if not quiet:
        with suppress(SystemExit):  # rich leaves so when whoever reads standard output is gone
            _summarise(outcome)
    return int(outcome.exit_code)


def _summarise(outcome: "AuditOutcome") -> None:
    from auditor.report.terminal import print_summary

    print_summary(outcome.result, outcome.files)


def _formats(text: str) -> list[str]:
    from auditor.audit import ALL_FORMATS

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in ALL_FORMATS]
    if unknown or not names:
        raise UserError(
            f"--format: expected html, pdf, json, csv, open-reports, comma-separated (got {text!r})"
        )
    return names


def parse_time(text: str) -> datetime:
    """The time of `--at`, UTC where it names no zone. Raises UserError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--at: expected a time as 2026-09-30T02:00:00Z (got {text!r})") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def snapshot_script() -> None:
    """Print a shell script that collects a snapshot folder with kubectl, get and list only, no Secrets.

    Example: auditor snapshot-script > collect.sh && sh collect.sh snapshot
    """
    from auditor.collect.snapshot_script import snapshot_script as script

    sys.stdout.write(script())
