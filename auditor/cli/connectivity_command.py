"""`auditor connectivity` and `auditor explain`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.audit_command import AssumeComplete, FrameworkName, Sources
from auditor.cli.live_options import (
    ContextOption,
    InClusterOption,
    KubeconfigOption,
    NamespaceOption,
    read_either,
    target_without_sources,
)
from auditor.cli.output import Out, Quiet, emit, emit_chunks, emit_parts, emit_record, prepare, remark
from auditor.cli.progress import progress
from auditor.model.user_error import ExitCode, UserError

if TYPE_CHECKING:
    from auditor.checks.context import Facts
    from auditor.collect.live.target import LiveTarget
    from auditor.evaluate.connectivity_scope import ScopeClasses
    from auditor.evaluate.connectivity_view import ConnectivityView, InScope
    from auditor.model.connectivity_result import ChangesResult, CompletenessResult
    from auditor.model.objects import KubeObject


class Format(StrEnum):
    """How connectivity is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    DOT = "dot"
    SVG = "svg"


class AnswerFormat(StrEnum):
    """How one answer is written."""

    TABLE = "table"
    JSON = "json"


class LevelName(StrEnum):
    """What counts as one endpoint."""

    POD = "pod"
    WORKLOAD = "workload"
    NAMESPACE = "namespace"


class BasisOption(StrEnum):
    """Which policies count."""

    DECLARED = "declared"
    ENFORCED = "enforced"


From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="A",
        help="namespace/pod, namespace/Kind/name, an address, 'internet', a network's name.",
    ),
]
To = Annotated[str | None, typer.Option("--to", metavar="B", help="As --from.")]
PortOption = Annotated[str | None, typer.Option("--port", metavar="PORT", help="443/TCP, 53/UDP, ICMP/8.")]
ScopeOption = Annotated[
    Path | None, typer.Option(help="scope.yaml: classes of namespaces, external networks.")
]

_EXAMPLES = """
Examples:\n
  auditor connectivity snapshot/\n
  auditor connectivity snapshot/ --format json --out connectivity.json\n
  auditor connectivity snapshot/ --from shop/Deployment/web --to internet --port 443/TCP\n
  auditor connectivity new/ --since old/\n
  auditor connectivity snapshot/ --with policy.yaml --without shop/NetworkPolicy/allow-all\n
  auditor connectivity snapshot/ --exposure --scope scope.yaml --only-in-scope
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("connectivity", epilog=_EXAMPLES)(connectivity)
    app.command("explain")(explain)


@dataclass(frozen=True, slots=True)
class _Request:
    """The options of a run."""

    sources: Sequence[str]
    since: Sequence[str]
    applied: Sequence[str]
    removed: Sequence[str]
    format: Format
    level: LevelName
    basis: BasisOption
    only_in_scope: bool
    scope: Path | None
    frameworks: Sequence[str]
    out: Path | None
    assume_complete: str | None
    quiet: bool
    live: "LiveTarget | None"


def connectivity(
    sources: Sources = None,
    format: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    level: Annotated[LevelName, typer.Option(help="What counts as one endpoint.")] = LevelName.WORKLOAD,
    basis: Annotated[
        BasisOption, typer.Option(help="Every policy at its word, or as far as something enforces it.")
    ] = BasisOption.DECLARED,
    from_: From = None,
    to: To = None,
    port: PortOption = None,
    exposure: Annotated[
        bool,
        typer.Option("--exposure", help="Which endpoints are unprotected, and the ways in from outside."),
    ] = False,
    since: Annotated[
        list[str] | None,
        typer.Option("--since", metavar="OLD", help="An earlier state: show what changed; repeatable."),
    ] = None,
    applied: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="FILE",
            help="What would change if the policies in FILE (or '-') were applied; repeatable.",
        ),
    ] = None,
    removed: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="ID",
            help="What would change if namespace/Kind/name were removed; repeatable.",
        ),
    ] = None,
    only_in_scope: Annotated[
        bool, typer.Option("--only-in-scope", help="Only connections of endpoints in scope; needs --scope.")
    ] = False,
    scope: ScopeOption = None,
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
    """Show who can connect to whom, on which ports, by which rules; or answer for one pair with --from, --to, --port."""
    request = _Request(
        sources=sources or (),
        live=target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete),
        since=since or (),
        applied=applied or (),
        removed=removed or (),
        format=format,
        level=level,
        basis=basis,
        only_in_scope=only_in_scope,
        scope=scope,
        frameworks=[entry.value for entry in FrameworkName if not framework or entry in framework],
        out=out,
        assume_complete=assume_complete,
        quiet=quiet,
    )
    asked = _asked(from_, to, port)
    _check(request, asked is not None, exposure)
    if asked is not None:
        return _answer(request, asked, in_sentences=False)
    if exposure:
        return _exposure(request)
    if request.applied or request.removed:
        return _what_if(request)
    return _changes(request) if request.since else _all(request)


def explain(
    sources: Sources = None,
    from_: From = None,
    to: To = None,
    port: PortOption = None,
    scope: ScopeOption = None,
    format: Annotated[AnswerFormat, typer.Option("--format", help="How to write it.")] = AnswerFormat.TABLE,
    out: Out = None,
    assume_complete: AssumeComplete = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    quiet: Quiet = False,
) -> int:
    """Explain in sentences whether A can connect to B on a port, and which rules decide."""
    asked = _asked(from_, to, port)
    if asked is None:
        raise UserError("explain: expected --from A --to B --port PORT")
    request = _Request(
        sources=sources or (),
        live=target_without_sources(sources, context, kubeconfig, in_cluster, namespace, assume_complete),
        since=(),
        applied=(),
        removed=(),
        format=Format(format.value),
        level=LevelName.WORKLOAD,
        basis=BasisOption.ENFORCED,
        only_in_scope=False,
        scope=scope,
        frameworks=(),
        out=out,
        assume_complete=assume_complete,
        quiet=quiet,
    )
    return _answer(request, asked, in_sentences=True)


def _asked(from_: str | None, to: str | None, port: str | None) -> tuple[str, str, str] | None:
    if from_ is None and to is None and port is None:
        return None
    if from_ is None or to is None or port is None:
        raise UserError("--from, --to and --port belong together: expected all three")
    return from_, to, port


def _check(request: _Request, asked: bool, exposure: bool) -> None:
    chosen = {
        "--from": asked,
        "--exposure": exposure,
        "--since": bool(request.since),
        "--with or --without": bool(request.applied or request.removed),
    }
    if sum(chosen.values()) > 1:
        raise UserError("--exposure, --since, --from and --with or --without exclude each other")
    special = next((name for name, given in chosen.items() if given), "")
    if "-" in request.applied and "-" in request.sources:
        raise UserError("--with -: SOURCE is standard input already; expected a file")
    if special and request.format not in (Format.TABLE, Format.JSON):
        raise UserError(f"--format {request.format}: with {special} expected table or json")
    if request.only_in_scope and request.scope is None:
        raise UserError("--only-in-scope needs --scope FILE")


# -- the five answers -----------------------------------------------------------------------------------------------


def _all(request: _Request) -> int:
    facts = _facts(request, request.sources)
    view = _view(request, facts)
    with progress(request.quiet)(f"Writing {request.format}"):
        _write_view(request, facts, view)
    return _finish(request, view.completeness)


def _write_view(request: _Request, facts: "Facts", view: "ConnectivityView") -> None:
    if request.format is Format.TABLE:
        from auditor.report.connectivity_table import connectivity_table

        emit_parts(request.out, connectivity_table(view))
    elif request.format is Format.JSON:
        from auditor.report.connectivity_json import connectivity_chunks

        emit_chunks(request.out, connectivity_chunks(view))
    elif request.format is Format.CSV:
        from auditor.report.connectivity_csv import csv_chunks

        emit_chunks(request.out, csv_chunks(view))
    else:
        emit(request.out, _picture(request, facts, view))


def _picture(request: _Request, facts: "Facts", view: "ConnectivityView") -> bytes:
    from auditor.report.connectivity_dot import render_dot
    from auditor.report.network_diagram import namespace_diagram
    from auditor.report.network_graph import build_graph

    classes = _classes(request, facts).namespaces if request.scope else {}
    if request.format is Format.DOT:
        return render_dot(build_graph(view, classes))
    return namespace_diagram(view, classes).encode(errors="replace")


def _changes(request: _Request) -> int:
    from auditor.evaluate.connectivity_changes import compare_views

    new = _view(request, _facts(request, request.sources))
    old = _view(request, _facts(request, request.since))
    return _tell_changes(request, compare_views(new, old))


def _what_if(request: _Request) -> int:
    from auditor.evaluate.what_if import Proposal, what_if
    from auditor.report.connectivity_words import cause_text

    applied = _applied(request)
    facts = _facts(request, request.sources)
    in_scope = (lambda facts: _classes(request, facts).in_scope) if request.only_in_scope else None
    with progress(request.quiet)("Evaluating policies"):
        proposal = Proposal(applied, request.removed)
        found = what_if(facts, proposal, request.level.value, request.basis.value, in_scope)
    if found.anew is not None:
        remark(request.quiet, f"both states were computed whole: {cause_text(found.anew)}")
    return _tell_changes(request, found.result)


def _applied(request: _Request) -> "Sequence[KubeObject]":
    """The objects of --with; unlike in SOURCE, none of them may be broken. Raises UserError."""
    from auditor.audit import read_snapshot
    from auditor.model.kinds import KNOWN_KINDS

    if not request.applied:
        return ()
    snapshot = read_snapshot(request.applied, None)
    broken = [entry.located for entry in snapshot.inputs if entry.problem]
    if broken:
        raise UserError(f"--with {broken[0]}")
    for obj in snapshot.objects:
        if obj.key not in KNOWN_KINDS:
            remark(request.quiet, f"--with: nothing reads {obj.id}, so it changes nothing")
    return snapshot.objects


def _tell_changes(request: _Request, result: "ChangesResult") -> int:
    if request.format is Format.JSON:
        emit_record(request.out, result)
    else:
        from auditor.report.connectivity_answers import changes_parts

        emit_parts(request.out, changes_parts(result))
    code = _finish(request, result.completeness)
    if result.completeness_before.kinds == result.completeness.kinds:
        return code
    return max(code, _finish(request, result.completeness_before))


def _answer(request: _Request, asked: tuple[str, str, str], in_sentences: bool) -> int:
    from auditor.evaluate.connectivity_query import answer_query, parse_port

    port = parse_port(asked[2])
    result = answer_query(_facts(request, request.sources), asked[0], asked[1], port)
    if request.format is Format.JSON:
        emit_record(request.out, result)
    else:
        from auditor.report.connectivity_answers import explain_parts, query_parts

        parts = explain_parts if in_sentences else query_parts
        emit_parts(request.out, parts(result, str(port)))
    return _finish(request, result.completeness)


def _exposure(request: _Request) -> int:
    from auditor.evaluate.exposure_view import build_exposure

    facts = _facts(request, request.sources)
    with progress(request.quiet)("Following the ways in"):
        result = build_exposure(facts, _in_scope(request, facts))
    if request.format is Format.JSON:
        emit_record(request.out, result)
    else:
        from auditor.report.connectivity_answers import exposure_parts

        emit_parts(request.out, exposure_parts(result))
    return _finish(request, result.completeness)


# -- input ------------------------------------------------------------------------------------------------------------


def _facts(request: _Request, sources: Sequence[str]) -> "Facts":
    from auditor.audit import load_scope
    from auditor.checks.context import Facts
    from auditor.evaluate.scope_fit import check_scope_fits

    prepare(request.out)
    scope = load_scope(request.scope)[0] if request.scope else None
    snapshot = read_either(sources, request.live, request.assume_complete, request.quiet)
    facts = Facts(snapshot, scope.value if scope else None, datetime.now(UTC))
    if scope is not None:
        check_scope_fits(scope, facts.cluster)
    return facts


def _view(request: _Request, facts: "Facts") -> "ConnectivityView":
    from auditor.evaluate.connectivity_view import build_view
    from auditor.report.network_diagram import MAX_NAMESPACES

    picture = request.format in (Format.DOT, Format.SVG)
    level = request.level
    if request.format is Format.SVG and len({e.namespace for e in facts.endpoints}) > MAX_NAMESPACES:
        level = LevelName.NAMESPACE
        remark(request.quiet, f"more than {MAX_NAMESPACES} namespaces: drawing namespaces, not workloads")
    with progress(request.quiet)("Evaluating policies"):
        return build_view(facts, level.value, request.basis.value, _in_scope(request, facts), picture)


def _in_scope(request: _Request, facts: "Facts") -> "InScope | None":
    return _classes(request, facts).in_scope if request.only_in_scope else None


def _classes(request: _Request, facts: "Facts") -> "ScopeClasses":
    from auditor.evaluate.connectivity_scope import ScopeClasses
    from auditor.model.scope import ScopeConflict

    try:
        return ScopeClasses(facts, request.frameworks)
    except ScopeConflict as conflict:
        raise UserError(f"{request.scope}: namespaces: {conflict}") from None


# -- output -----------------------------------------------------------------------------------------------------------


def _finish(request: _Request, completeness: "CompletenessResult") -> int:
    """Exit code 3 when evidence that reachability depends on is missing; said once, on standard error."""
    shown_already = request.format is Format.TABLE and request.out is None
    if not shown_already:
        for problem in completeness.problems:
            remark(request.quiet, f"{problem.object} {problem.field}: {problem.expected}")
    if completeness.complete:
        return int(ExitCode.DONE)
    missing = [k for k in completeness.kinds if k.state not in ("complete", "not-installed")]
    names = ", ".join(f"{k.kind}.{k.group}" if k.group else k.kind for k in missing)
    if not shown_already:
        remark(request.quiet, f"the evidence isn't known to be complete for {names}")
    return int(ExitCode.EVIDENCE_INCOMPLETE)
