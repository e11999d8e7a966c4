"""Control and framework files: the packaged ones, and those of the user."""

from collections.abc import Iterable
from pathlib import Path

import auditor
from auditor.catalog.catalogue import SourceText
from auditor.model.user_error import UserError

_MAX_SIZE = 4 * 1024 * 1024


def packaged_folder() -> Path:
    """Where the controls are: inside the installed package, or beside it in a checkout."""
    package = Path(auditor.__file__).parent
    installed = package / "_data" / "controls"
    return installed if installed.is_dir() else package.parent / "controls"


def packaged_controls() -> list[SourceText]:
    """The controls that come with the auditor."""
    return _texts(packaged_folder(), "controls")


def packaged_frameworks() -> list[SourceText]:
    """The frameworks that come with the auditor."""
    return _texts(packaged_folder() / "frameworks", "frameworks")


def user_controls(path: Path) -> list[SourceText]:
    """The user's own controls: one file, or the YAML files directly in a folder. Raises UserError when there is none."""
    found = [_read(path, str(path))] if path.is_file() else _texts(path, str(path))
    if not found:
        raise UserError(f"{path}: expected a control file, or a folder with .yaml files in it")
    return found


def read_text(path: Path) -> str:
    """A text file that a person wrote. Raises UserError when it can't be read, is too large or isn't UTF-8."""
    return _read(path, str(path)).text


def _texts(folder: Path, shown: str) -> list[SourceText]:
    return [_read(path, f"{shown}/{path.name}") for path in _yaml_files(folder)]


def _yaml_files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())


def _read(path: Path, name: str) -> SourceText:
    try:
        if path.stat().st_size > _MAX_SIZE:
            raise UserError(f"{name}: larger than {_MAX_SIZE} bytes")
        return SourceText(name, path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UserError(f"{name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: expected UTF-8 text") from None
