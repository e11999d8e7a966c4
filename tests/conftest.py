"""Tables at the end of a run, and how pytest-xdist shares out the tests: those that start clusters or build an image stay
together in one worker."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/live/", "tests/deploy/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """What `--dist loadgroup` is for; its marks have no effect under pytest 9.2 (xdist 3.8 sets a field that is gone)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)

    return ByFolder(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables whose rows tests recorded as properties named by their heading: `first column | second …`."""
    tables: dict[str, list[str]] = {}
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, row in (
            getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ()
        ):
            if " | " in name:
                tables.setdefault(name, []).append(str(row))
    for heading, rows in tables.items():
        terminalreporter.write_line("\n".join(["", heading, *rows]))
