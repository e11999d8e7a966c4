"""Says at the end of a run how much was proven, also when several processes ran it."""

from typing import Any

import pytest

from tests.network.proof import COUNTS

_KEY = "proof"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of several hands its counts over."""
    handed_over = getattr(session.config, "workeroutput", None)
    if handed_over is not None:
        handed_over[_KEY] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The process that prints takes them."""
    COUNTS.update(getattr(node, "workeroutput", {}).get(_KEY, {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The clusters and answers that were compared with the slow evaluators."""
    if COUNTS:
        told = ", ".join(f"{number} {what}" for what, number in sorted(COUNTS.items()))
        terminalreporter.write_line(f"proof against slow evaluators: {told}")
