"""`auditor controls …`, `auditor schema`, `auditor version`."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor import __version__
from auditor.model.user_error import UserError

if TYPE_CHECKING:
    from auditor.model.control import Control


class Format(StrEnum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print it.")]
ControlsOption = Annotated[
    list[Path] | None, typer.Option("--controls", help="A folder or file with your own controls; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    controls = typer.Typer(help="List, show and check control definitions.", no_args_is_help=True)
    controls.command("list")(list_controls)
    controls.command("show")(show_control)
    controls.command("check")(check_controls)
    app.add_typer(controls, name="controls")
    app.command("schema")(schema)
    app.command("version")(version)


def list_controls(controls: ControlsOption = None, format: FormatOption = Format.TABLE) -> None:
    """List every control with its severity and the number of requirements it is mapped to."""
    from auditor.audit import load_controls

    found = [located.value for located in load_controls(controls or ()).controls.values()]
    if format is Format.JSON:
        _print_json([control.model_dump(mode="json") for control in found])
        return
    from auditor.report.terminal import print_controls

    print_controls(found)


def show_control(id: str, controls: ControlsOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show one control: objective, checks with their reasons, requirements, limitations, remediation."""
    from auditor.audit import load_controls
    from auditor.checks.registry import all_checks
    from auditor.report.terminal import print_control

    control = _named(id, [located.value for located in load_controls(controls or ()).controls.values()])
    if format is Format.JSON:
        _print_json(control.model_dump(mode="json"))
        return
    print_control(control, [all_checks()[use.check] for use in control.checks])


def _named(id: str, controls: "list[Control]") -> "Control":
    from difflib import get_close_matches

    for control in controls:
        if control.id == id:
            return control
    close = get_close_matches(id, [control.id for control in controls], 1)
    raise UserError(
        f"no control {id!r}" + (f"; did you mean {close[0]}?" if close else "; see 'auditor controls list'")
    )


def check_controls(path: Path) -> None:
    """Check your own controls: fields, ids, checks with their parameters, requirements.

    The built-in folder and copies of it can be checked too; only new ids can be added to an audit, though.
    """
    from auditor.audit import check_own_controls

    found = check_own_controls(path)
    valid = "control file is valid" if found.count == 1 else "control files are valid"
    print(f"{path}: {found.count} {valid}")
    if found.built_in:
        print(
            f"{len(found.built_in)} of them have the id of a built-in control ({_some(found.built_in)}). "
            "'auditor audit --controls' adds controls to the built-in ones: give an altered copy an id of its own."
        )


def _some(names: tuple[str, ...], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")


def schema(
    name: Annotated[str | None, typer.Argument(help="Leave it out to list the names.")] = None,
) -> None:
    """Print the JSON Schema of a file that is read or written."""
    from auditor.schemas import SCHEMAS, json_schema

    if name is None:
        for known, model in SCHEMAS.items():
            print(f"{known:<12} {(model.__doc__ or '').splitlines()[0]}")
        return
    if name not in SCHEMAS:
        raise UserError(f"no schema {name!r}; expected one of {', '.join(SCHEMAS)}")
    _print_json(json_schema(name))


def version() -> None:
    """Print the version."""
    print(f"auditor {__version__}")


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")
