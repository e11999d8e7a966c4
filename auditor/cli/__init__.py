"""The command line: parse, call, exit code. Heavy imports happen inside the commands that need them."""

from auditor.cli.app import main

__all__ = ["main"]
