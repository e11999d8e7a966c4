"""A spinner on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


def progress(quiet: bool) -> Callable[[str], AbstractContextManager[None]]:
    """A spinner on standard error that vanishes; nothing when quiet or when standard error isn't a terminal."""

    @contextmanager
    def stage(what: str) -> Iterator[None]:
        if quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status(f"{what} …"):
            yield

    return stage
