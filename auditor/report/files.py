"""Writing reports: each file whole or not at all, and nothing already written is touched before all are complete."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from auditor.model.user_error import ExitCode, UserError


def prepare_folder(folder: Path) -> None:
    """Make the output folder and prove that it can be written, before the long work starts.

    Raises UserError with exit code 4.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".auditor-"):
            pass
    except OSError as error:
        raise _not_written(folder, error) from None


def write_files(folder: Path, contents: Mapping[str, bytes | Iterable[bytes]]) -> list[Path]:
    """Write all files under temporary names, flush them to the disk, then rename them into place.

    Raises UserError with exit code 4 (a full disk, say); files of an earlier run are then as they were.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for name, content in contents.items():
            written.append((_write_temporary(folder, name, content), folder / name))
        for temporary, final in written:
            temporary.replace(final)
    except OSError as error:
        raise _not_written(folder, error) from None
    finally:
        for temporary, _ in written:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return [final for _, final in written]


def _write_temporary(folder: Path, name: str, content: bytes | Iterable[bytes]) -> Path:
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return Path(temporary)


def _not_written(folder: Path, error: OSError) -> UserError:
    what = error.strerror or type(error).__name__
    return UserError(f"{folder}: the output can't be written: {what}", ExitCode.OUTPUT_NOT_WRITTEN)
