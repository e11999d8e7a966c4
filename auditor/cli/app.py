"""The Typer application, and what happens to errors."""

import gc
import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated, Any

import typer

from auditor.cli import (
    audit_command,
    catalogue_commands,
    connectivity_command,
    encryption_command,
    live_commands,
    run_commands,
)

EPILOGUE = """
Exit codes: 0 done · 1 an outcome of --fail-on was found · 2 wrong use, or nothing usable in the input ·
3 evidence incomplete and --fail-on not met · 4 output not written · 70 internal error · 130 interrupted.
1 beats 70, 70 beats 3.
"""

app = typer.Typer(
    name="auditor",
    help="Audit evidence for PCI DSS 4.0.1, the HIPAA Security Rule and the GDPR from the real state of a Kubernetes "
    "cluster's network controls.\n\n"
    "Start with: auditor snapshot-script > collect.sh · sh collect.sh snapshot · "
    "auditor audit snapshot --scope scope.yaml --out report",
    epilog=EPILOGUE,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an internal error.", envvar="AUDITOR_DEBUG")
    ] = False,
) -> None:
    _STATE["debug"] = debug


_STATE: dict[str, Any] = {"debug": False}

audit_command.register(app)
connectivity_command.register(app)
encryption_command.register(app)
live_commands.register(app)
run_commands.register(app)
catalogue_commands.register(app)


_COLLECT_GARBAGE = (200_000, 20, 20)
"""An audit makes millions of objects that stay, and few cycles: at Python's own thresholds looking for those takes a fifth
of the time."""


def main() -> None:
    """Run the command line and leave with an exit code of the contract."""
    gc.set_threshold(*_COLLECT_GARBAGE)
    if sys.stderr is None:  # closed by whoever started it
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    from auditor.model.user_error import ExitCode, UserError

    try:
        code = app(args=arguments, prog_name="auditor", standalone_mode=False)
        return int(code or 0)
    except UserError as error:
        _tell(str(error))
        return int(error.exit_code)
    except (KeyboardInterrupt, EOFError):
        _tell("interrupted")
        return int(ExitCode.INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # rich turns a broken pipe into the latter
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except Exception as error:
        return _other(error)


def _other(error: Exception) -> int:
    from auditor.model.user_error import ExitCode

    if type(error).__name__ == "Abort":
        _tell("interrupted")
        return int(ExitCode.INTERRUPTED)
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):
        _tell(f"{error.format_message()} (see 'auditor --help')")
        return int(ExitCode.WRONG_USE)
    if _STATE["debug"]:
        with suppress(OSError):
            traceback.print_exception(error)
        return int(ExitCode.INTERNAL_ERROR)
    _tell(f"internal error: {type(error).__name__}: {error} (run with --debug for the traceback)")
    return int(ExitCode.INTERNAL_ERROR)


def _tell(message: str) -> None:
    with suppress(OSError):  # nobody reads it any more: the exit code still tells
        for line in message.splitlines():
            print(f"auditor: {line}", file=sys.stderr)
