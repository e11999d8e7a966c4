"""What a person sees in the terminal: the summary of a run, and the catalogue. Obeys NO_COLOR."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from auditor.checks.definition import Check
from auditor.model.control import Control
from auditor.model.outcome import Outcome, Status
from auditor.model.result import AuditResult, ControlResult, FindingResult
from auditor.report.display import displayable

_STYLE = {
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold magenta",
    Outcome.NOT_EVALUATED: "yellow",
    Outcome.MANUAL: "blue",
    Outcome.PASS: "green",
    Outcome.NOT_APPLICABLE: "dim",
}
_SHORT = {
    Status.DEVIATION: "deviation",
    Status.NOT_TESTED: "not tested",
    Status.MANUAL_OPEN: "steps open",
    Status.NO_DEVIATION: "none",
    Status.MANUAL: "manual",
    Status.NOT_APPLICABLE: "n/a",
}
_SEVERITIES = ("high", "medium", "low", "info")
_MAX_SHOWN = 5
_WIDEST = 24
_LONGEST = 240


def print_summary(result: AuditResult, files: Sequence[Path]) -> None:
    """Requirements by framework, controls by outcome, the first findings to act on, and the files' paths."""
    console = Console(highlight=False)
    cluster = displayable(result.cluster.name or "cluster not named in the input")
    collected = result.run.collected_at or "not recorded"
    console.print(f"[bold]{escape(cluster)}[/] · state of {escape(collected)} · {result.cluster.pods} pods")
    console.print(_frameworks(result))
    console.print(_controls(result))
    for finding in _first_to_act_on(result):
        message = escape(displayable(finding.message, _LONGEST))
        console.print(f"[bold red]FAIL[/] [bold]{finding.control}[/] {message}")
    if not result.run.complete:
        console.print("[yellow]The evidence is incomplete; what it leaves open is NOT_EVALUATED.[/]")
    for path in files:
        console.print(f"{path}", soft_wrap=True, markup=False)


def _frameworks(result: AuditResult) -> Table:
    table = _table("Requirements", *(_SHORT[status] for status in Status))
    for framework in result.frameworks:
        name = framework.title if len(framework.title) < _WIDEST else framework.id.upper()
        table.add_row(name, *(str(framework.counts[status]) for status in Status))
    return table


def _controls(result: AuditResult) -> Table:
    table = _table("Control", "outcome", "fail", "unknown", "pass", "excluded", left=2)
    excluded = {population.control: len(population.excluded) for population in result.populations}
    for control in sorted(result.controls, key=_urgency):
        style = _STYLE[control.outcome]
        numbers = [control.counts[o] for o in (Outcome.FAIL, Outcome.NOT_EVALUATED, Outcome.PASS)]
        cells = [str(number) for number in (*numbers, excluded.get(control.id, 0))]
        table.add_row(control.id, f"[{style}]{control.outcome}[/]", *cells)
    return table


def _urgency(control: ControlResult) -> tuple[int, int, str]:
    return list(_STYLE).index(control.outcome), _SEVERITIES.index(control.severity), control.id


def _first_to_act_on(result: AuditResult) -> list[FindingResult]:
    severity = {control.id: _SEVERITIES.index(control.severity) for control in result.controls}
    failed = [finding for finding in result.findings if finding.outcome is Outcome.FAIL]
    first_of_each: dict[str, FindingResult] = {}
    for finding in sorted(failed, key=lambda f: (severity[f.control], f.control, f.subject)):
        first_of_each.setdefault(finding.control, finding)
    return list(first_of_each.values())[:_MAX_SHOWN]


def print_controls(controls: Sequence[Control]) -> None:
    """One line a control."""
    table = _table("Control", "severity", "requirements", "title", left=4)
    table.columns[-1].no_wrap = False
    for control in controls:
        table.add_row(control.id, control.severity, str(len(control.requirements)), escape(control.title))
    Console(highlight=False).print(table)


def print_control(control: Control, checks: Sequence[Check]) -> None:
    """Everything that a control says of itself."""
    console = Console(highlight=False)
    console.print(
        f"[bold]{escape(control.title)}[/] ({control.id}, {control.severity}, {control.automation})"
    )
    console.print(escape(control.objective))
    for check in checks:
        console.print(f"\n[bold]Check[/] {check.id}")
        console.print(escape(_dedented(check.description)))
        table = _table("reason", "outcome", "sentence", left=3)
        for reason in check.reasons.values():
            table.add_row(reason.code, str(reason.outcome), escape(reason.sentence))
        console.print(table)
    console.print("\n[bold]Requirements[/]")
    for mapping in control.requirements:
        console.print(
            f"  {mapping.framework} {mapping.requirement} ({mapping.strength}): {escape(mapping.because)}"
        )
    console.print("\n[bold]Limitations[/]")
    for limitation in control.limitations:
        console.print(f"  - {escape(limitation)}")
    console.print(f"\n[bold]Remediation[/]\n{escape(control.remediation)}")


def _dedented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _table(first: str, *others: str, left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate((first, *others)):
        table.add_column(name, justify="left" if number < left else "right", no_wrap=number < left)
    return table
