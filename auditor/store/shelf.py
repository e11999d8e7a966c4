"""The little that a store needs of the place where it keeps its runs, and the folder as such a place."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from auditor.model.run_record import RECORD
from auditor.model.user_error import ExitCode, UserError

PARTIAL = ".partial-"
"""What the name of a run's folder starts with until it is whole."""

MAX_READ = 1024 * 1024 * 1024


class Shelf(Protocol):
    """Folders of files, one folder a run. Every method raises ShelfError when the place can't be used."""

    def check(self) -> None:
        """Prove that it can be written, before the long work starts."""

    def runs(self) -> list[str]:
        """The names of all folders, whole or not, ours or not."""

    def has_record(self, run: str) -> bool:
        """Whether the folder holds a run's record."""

    def read(self, run: str, file: str) -> bytes:
        """One file. FileNotFoundError when it isn't there."""

    def put(self, run: str, folder: Path) -> None:
        """Take over a run's files; its record last, or all at once."""

    def add(self, run: str, file: str, content: bytes) -> None:
        """Put a file beside those of a run that is there, whole or not at all."""

    def delete(self, run: str, files: Iterable[str]) -> None:
        """Delete these files in this order, and nothing else."""


class ShelfError(UserError):
    """The place can't be used; exit code 4."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.OUTPUT_NOT_WRITTEN)


class Folder:
    """A folder on a file system: runs are written beside their final name and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        """Makes the folder when it isn't there."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._root, prefix=".auditor-"):
                pass
        except OSError as error:
            raise self._failed(error) from None

    def runs(self) -> list[str]:
        """Links to folders elsewhere don't count."""
        try:
            with os.scandir(self._root) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            raise self._failed(error) from None

    def has_record(self, run: str) -> bool:
        """A folder under a temporary name has none that counts."""
        return not run.startswith(PARTIAL) and (self._root / run / RECORD).is_file()

    def read(self, run: str, file: str) -> bytes:
        """Raises FileNotFoundError, ShelfError."""
        path = self._root / run / file
        try:
            if path.stat().st_size > MAX_READ:
                raise ShelfError(f"{path}: larger than {MAX_READ // 1024 // 1024} MiB")
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._failed(error) from None

    def put(self, run: str, folder: Path) -> None:
        """Copied under a temporary name, flushed to the disk, renamed: all at once."""
        temporary, final = self._root / f"{PARTIAL}{run}", self._root / run
        self._begin(temporary, final)
        try:
            for path in sorted(folder.iterdir(), key=lambda path: (path.name == RECORD, path.name)):
                _copy(path, temporary / path.name)
            _flush(temporary)
            temporary.rename(final)
            _flush(self._root)
        except OSError as error:
            _remove(temporary, [path.name for path in folder.iterdir()])
            raise self._failed(error) from None

    def _begin(self, temporary: Path, final: Path) -> None:
        """Make the folder. One that is there is another process' at work: its files aren't ours to remove."""
        try:
            if final.exists():
                raise FileExistsError
            temporary.mkdir(mode=0o755, parents=True)
        except FileExistsError:
            raise ShelfError(f"{final}: there is a run of this name already") from None
        except OSError as error:
            raise self._failed(error) from None

    def add(self, run: str, file: str, content: bytes) -> None:
        """Written under a temporary name beside the runs and renamed."""
        try:
            temporary = self._root / f".auditor-{run}-{file}"
            temporary.write_bytes(content)
            temporary.chmod(0o644)
            temporary.rename(self._root / run / file)
        except OSError as error:
            raise self._failed(error) from None

    def delete(self, run: str, files: Iterable[str]) -> None:
        """The folder goes too when nothing else is in it."""
        try:
            for name in files:
                (self._root / run / name).unlink(missing_ok=True)
            with suppress(OSError):
                (self._root / run).rmdir()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> ShelfError:
        return ShelfError(f"{self._root}: {error.strerror or type(error).__name__}")


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
    target.chmod(0o644)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path, names: Iterable[str]) -> None:
    with suppress(OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
