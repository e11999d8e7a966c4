"""`auditor encryption`, `auditor entrypoints`, `auditor egress` and `auditor certificates`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from auditor.cli.audit_command import AssumeComplete, FrameworkName, Sources, parse_time
from auditor.cli.live_options import (
    ContextOption,
    InClusterOption,
    KubeconfigOption,
    NamespaceOption,
    read_either,
    target_without_sources,
)
from auditor.cli.output import Out, Quiet, emit, emit_parts, emit_record, prepare, remark
from auditor.cli.progress import progress
from auditor.model.user_error import ExitCode, UserError

if TYPE_CHECKING:
    from auditor.checks.context import Facts
    from auditor.collect.live.target import LiveTarget
    from auditor.model.certificates_result import ProbeRow
    from auditor.model.encryption_result import EncryptionResult
    from auditor.model.kinds import KindKey
    from auditor.report.answer_tables import AnswerTable


class RowFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[RowFormat, typer.Option("--format", help="How to write it.")]
_Result = TypeVar("_Result")
_PORT_PROTOCOLS = ("TCP", "UDP", "SCTP")

_EXAMPLES = """
Examples:\n
  auditor encryption snapshot/\n
  auditor encryption snapshot/ --format json --out encryption.json\n
  auditor encryption snapshot/ --pod shop/web-0 --port 9000/TCP\n
  auditor encryption snapshot/ --scope scope.yaml --only-in-scope --framework hipaa
"""
_CERTIFICATE_EXAMPLES = """
Examples:\n
  auditor certificates snapshot/ --at 2026-09-30T00:00:00Z\n
  auditor certificates snapshot/ --probe-tls portal.example:443 --format json
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("encryption", epilog=_EXAMPLES)(encryption)
    app.command("entrypoints")(entrypoints)
    app.command("egress")(egress)
    app.command("certificates", epilog=_CERTIFICATE_EXAMPLES)(certificates)


@dataclass(frozen=True, slots=True)
class _Request:
    """The options that the commands share."""

    sources: Sequence[str]
    format: RowFormat
    out: Path | None
    assume_complete: str | None
    quiet: bool
    live: "LiveTarget | None"
    at: datetime | None = None


def encryption(
    sources: Sources = None,
    format: FormatOption = RowFormat.TABLE,
    pod: Annotated[
        str | None, typer.Option("--pod", metavar="NS/NAME", help="One pod, or an endpoint by its id.")
    ] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", metavar="N[/PROTO]", help="A port of --pod, declared or not: 9000, 53/UDP."),
    ] = None,
    only_in_scope: Annotated[
        bool, typer.Option("--only-in-scope", help="Only ports of endpoints in scope; needs --scope.")
    ] = False,
    scope: Annotated[Path | None, typer.Option(help="scope.yaml: classes of namespaces.")] = None,
    framework: Annotated[
        list[FrameworkName] | None,
        typer.Option("--framework", "-f", help="Whose scope; repeatable; all frameworks when left out."),
    ] = None,
    out: Out = None,
    assume_complete: AssumeComplete = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """Show what really protects each port of each workload: plaintext, mTLS, encryption between nodes, and why."""
    from auditor.evaluate.encryption_view import READS
    from auditor.report.encryption_tables import encryption_table

    target = target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete)
    request = _Request(sources or (), format, out, assume_complete, quiet, target)
    number = _port(port) if port is not None else None
    if port is not None and pod is None:
        raise UserError("--port needs --pod NS/NAME")
    if only_in_scope and (scope is None or pod is not None):
        raise UserError("--only-in-scope needs --scope FILE, and no --pod")
    names = [entry.value for entry in FrameworkName if not framework or entry in framework]
    facts = _facts(request, scope)
    with progress(quiet)("Following encryption"):
        result = _protection(facts, pod, number, (scope, names) if scope and only_in_scope else None)
    table = encryption_table(result, full=format is RowFormat.CSV)
    return _write(request, facts, result, [table], READS)


def entrypoints(
    sources: Sources = None,
    format: FormatOption = RowFormat.TABLE,
    out: Out = None,
    assume_complete: AssumeComplete = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """Show each way in from outside: what is served in plaintext, which TLS, whether clients are authenticated."""
    from auditor.evaluate.entrypoints_view import READS, build_entrypoints
    from auditor.report.encryption_tables import entrypoints_table

    target = target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete)
    request = _Request(sources or (), format, out, assume_complete, quiet, target)
    return _list(request, "Following the ways in", build_entrypoints, entrypoints_table, READS)


def egress(
    sources: Sources = None,
    format: FormatOption = RowFormat.TABLE,
    out: Out = None,
    assume_complete: AssumeComplete = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """Show each way out through a mesh: what is on the wire to hosts outside, hop by hop, and what isn't registered."""
    from auditor.evaluate.egress_view import READS, build_egress
    from auditor.report.encryption_tables import egress_table

    target = target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete)
    request = _Request(sources or (), format, out, assume_complete, quiet, target)
    return _list(request, "Following the ways out", build_egress, egress_table, READS)


def certificates(
    sources: Sources = None,
    format: FormatOption = RowFormat.TABLE,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time of evaluation, RFC 3339; now when left out.")
    ] = None,
    probe_tls: Annotated[
        list[str] | None,
        typer.Option(
            "--probe-tls",
            metavar="HOST:PORT",
            help="Shake hands with this host to see its certificate; repeatable. Nothing is contacted without it.",
        ),
    ] = None,
    out: Out = None,
    assume_complete: AssumeComplete = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """List certificates without reading Secrets: cert-manager, Routes, the meshes' trust anchors, and the hosts served."""
    from auditor.collect.tls_probe import parse_targets
    from auditor.evaluate.certificates_view import READS, build_certificates
    from auditor.report.encryption_tables import certificates_table, hosts_table, probes_table

    targets = parse_targets(probe_tls or ())
    target = target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete)
    time = parse_time(at) if at else None
    request = _Request(sources or (), format, out, assume_complete, quiet, target, time)
    facts = _facts(request)
    with progress(quiet)("Shaking hands" if targets else "Reading certificates"):
        result = build_certificates(facts, _probes(targets, facts.now))
    tables = [certificates_table(result), hosts_table(result)]
    code = _write(
        request, facts, result, [*tables, probes_table(result)] if targets else tables, READS, result.probes
    )
    for row in result.probes:
        if row.error is not None:
            remark(quiet, f"--probe-tls {row.host}:{row.port}: {row.error}")
    return code


def _protection(
    facts: "Facts",
    pod: str | None,
    port: tuple[int, str] | None,
    scope: tuple[Path, list[str]] | None,
) -> "EncryptionResult":
    from auditor.evaluate.connectivity_scope import ScopeClasses
    from auditor.evaluate.encryption_view import build_encryption, encryption_of_pod
    from auditor.model.scope import ScopeConflict

    if pod is not None:
        return encryption_of_pod(facts, pod, [port] if port else [])
    if scope is None:
        return build_encryption(facts)
    try:
        return build_encryption(facts, ScopeClasses(facts, scope[1]).in_scope)
    except ScopeConflict as conflict:
        raise UserError(f"{scope[0]}: namespaces: {conflict}") from None


def _port(text: str) -> tuple[int, str]:
    number, _, protocol = text.strip().partition("/")
    name = (protocol or "TCP").upper()
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= 65535 and name in _PORT_PROTOCOLS):
        raise UserError(f"--port: expected 443, 443/TCP or 53/UDP (got {text!r})")
    return int(number), name


def _probes(targets: Iterable[Any], now: datetime) -> "list[ProbeRow]":
    from auditor.audit import probe_tls

    return [probe_tls(target, now) for target in targets]


def _facts(request: _Request, scope_file: Path | None = None) -> "Facts":
    from auditor.audit import load_scope
    from auditor.checks.context import Facts
    from auditor.evaluate.scope_fit import check_scope_fits

    prepare(request.out)
    scope = load_scope(scope_file)[0] if scope_file else None
    snapshot = read_either(request.sources, request.live, request.assume_complete, request.quiet)
    facts = Facts(snapshot, scope.value if scope else None, request.at or datetime.now(UTC))
    if scope is not None:
        check_scope_fits(scope, facts.cluster)
    return facts


def _list(
    request: _Request,
    saying: str,
    build: "Callable[[Facts], _Result]",
    table: "Callable[[_Result], AnswerTable]",
    kinds: "Iterable[KindKey]",
) -> int:
    """The whole of a command that makes one table of all that the evidence holds."""
    facts = _facts(request)
    with progress(request.quiet)(saying):
        result = build(facts)
    return _write(request, facts, result, [table(result)], kinds)


def _write(
    request: _Request,
    facts: "Facts",
    result: Any,
    tables: "list[AnswerTable]",
    kinds: "Iterable[KindKey]",
    probes: "Iterable[ProbeRow]" = (),
) -> int:
    """In the format asked for. Exit code 3 when evidence is missing, or a host gave no answer; said once."""
    from auditor.evaluate.evidence_gaps import incomplete_kinds
    from auditor.report.answer_tables import table_csv, table_parts

    missing = incomplete_kinds(facts.cluster, kinds)
    if request.format is RowFormat.JSON:
        emit_record(request.out, result)
    elif request.format is RowFormat.CSV:
        emit(request.out, table_csv(tables[0]))
    else:
        emit_parts(request.out, table_parts(tables, missing))
    if missing and not (request.format is RowFormat.TABLE and request.out is None):
        remark(request.quiet, f"the evidence isn't known to be complete for {', '.join(missing)}")
    silent = any(row.error is not None for row in probes)
    return int(ExitCode.EVIDENCE_INCOMPLETE if missing or silent else ExitCode.DONE)
