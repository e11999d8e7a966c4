"""An error that the user can mend: one line each, its own exit code, nothing already written is touched."""

from enum import IntEnum

_MAX_LENGTH = 600


class ExitCode(IntEnum):
    """Exit codes (contracts, Exit codes)."""

    DONE = 0
    FAIL_ON_MET = 1
    WRONG_USE = 2
    EVIDENCE_INCOMPLETE = 3
    OUTPUT_NOT_WRITTEN = 4
    INTERNAL_ERROR = 70
    INTERRUPTED = 130


class UserError(Exception):
    """Wrong use or unusable input. `str()` is one line per problem, without control characters."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WRONG_USE) -> None:
        super().__init__("\n".join(_printable(line) for line in message.splitlines()))
        self.exit_code = exit_code


def _printable(line: str) -> str:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return shown if len(shown) <= _MAX_LENGTH else shown[: _MAX_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
