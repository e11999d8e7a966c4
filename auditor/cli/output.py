"""Where a command's answer goes: standard output, or a file written whole or not at all; remarks on standard error."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from auditor.model.user_error import ExitCode, UserError

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write to this file, whole or not at all, instead of standard output."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks on standard error.")]


def prepare(out: Path | None) -> None:
    """Prove that the file can be written, before the long work starts. Raises UserError with exit code 4."""
    if out is None:
        return
    from auditor.report.files import prepare_folder

    if out.is_dir():
        raise UserError(f"{out}: expected a file, this is a folder", ExitCode.OUTPUT_NOT_WRITTEN)
    prepare_folder(out.parent)


def emit(out: Path | None, content: bytes) -> None:
    """Write bytes."""
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    from auditor.report.files import write_files

    write_files(out.parent, {out.name: content})


def emit_chunks(out: Path | None, chunks: Iterable[bytes]) -> None:
    """Write bytes as they are made."""
    if out is None:
        sys.stdout.flush()
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    from auditor.report.files import write_files

    write_files(out.parent, {out.name: chunks})


def emit_parts(out: Path | None, parts: Iterable[Any]) -> None:
    """Write texts and tables, in a file as plain text."""
    from auditor.report.connectivity_table import parts_text, print_parts

    if out is None:
        print_parts(parts)
    else:
        emit(out, parts_text(parts))


def emit_record(out: Path | None, record: Any) -> None:
    """Write a result as canonical JSON."""
    from auditor.report.connectivity_json import render_record

    emit(out, render_record(record))


def remark(quiet: bool, text: str) -> None:
    """One line on standard error, unless quiet."""
    if not quiet:
        with suppress(OSError):  # nobody reads it any more: no reason to end, or to end otherwise
            print(f"auditor: {UserError(text)}", file=sys.stderr)
