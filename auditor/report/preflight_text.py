"""The answer of `auditor preflight` for people."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from auditor.model.preflight_result import ExcessRow, PermissionRow, PreflightResult
from auditor.report.answer_tables import AnswerTable, table_parts

_FINDINGS = {
    "reads-secrets": "can read Secrets",
    "writes": "can change the cluster",
    "reaches-into-pods": "can reach into pods",
}
_MAX_CONTROLS = 6
_MAX_EXCESS = 40


def preflight_parts(result: PreflightResult) -> Iterator[RenderableType]:
    """What is missing with the controls it blinds, the manifests that grant it, and what is allowed beyond need."""
    open_rows = [row for row in result.permissions if row.allowed != "yes"]
    yield Text(
        f"{len(result.permissions) - len(open_rows)} of {len(result.permissions)} permissions that the selected "
        f"controls need are granted to {result.user or 'these credentials'}; kinds that the cluster doesn't "
        f"serve need none ({len(result.not_served)})."
    )
    yield from table_parts(list(_missing_tables(open_rows)))
    if result.fix:
        yield Text("These manifests grant what is missing (bind them with --service-account NS/NAME):")
        yield Text(result.fix)
    yield from _excess(result)


def _missing_tables(rows: list[PermissionRow]) -> Iterator[AnswerTable]:
    for state, headline in (
        ("no", "Missing; without it these controls are NOT_EVALUATED or say less:"),
        (
            "unknown",
            "The API server doesn't answer reviews of oneself; whether these are granted isn't known:",
        ),
    ):
        found = [row for row in rows if row.allowed == state]
        if found:
            columns = ("action", "where", "controls", "cause")
            yield AnswerTable(headline, columns, tuple(map(_line, found)))


def _line(row: PermissionRow) -> tuple[str, str, str, str]:
    more = len(row.controls) - _MAX_CONTROLS
    controls = ", ".join(row.controls[:_MAX_CONTROLS]) + (f" and {more} more" if more > 0 else "")
    return f"{row.verb} {_resource(row)}", _where(row.namespace, row.name), controls, row.cause


def _resource(row: PermissionRow | ExcessRow) -> str:
    return f"{row.resource}.{row.group}" if row.group else row.resource


def _where(namespace: str, name: str) -> str:
    return "/".join(part for part in (namespace or "all namespaces", name) if part)


def _excess(result: PreflightResult) -> Iterator[RenderableType]:
    for finding, told in _FINDINGS.items():
        rows = [row for row in result.excess if row.finding == finding]
        if rows:
            lines = tuple(
                (f"{row.verb} {_resource(row)}", _where(row.namespace, ", ".join(row.names)))
                for row in rows[:_MAX_EXCESS]
            )
            more = f" ({len(rows)} in all)" if len(rows) > _MAX_EXCESS else ""
            headline = (
                f"Finding about the audit itself: the credentials {told}; an audit needs none of it{more}."
            )
            yield from table_parts([AnswerTable(headline, ("action", "where"), lines)])
    if not result.excess:
        yield Text("No way to read Secrets, to change anything or to reach into pods was found.")
    if result.excess_known != "complete":
        yield Text(f"There may be more than that: {result.excess_cause}", style="yellow")
