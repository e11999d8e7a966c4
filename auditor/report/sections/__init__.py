"""The sections of the report.

Each module builds a frozen view from the draft (`build`); the template of the same name in `report_templates/sections`
only loops over it. `TITLE` is its heading, `entries(view)` its sub-entries in the contents, if it has any.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A line in the contents: where it leads, its words, and for a finding its number and how it ended."""

    anchor: str
    title: str
    children: tuple["Entry", ...] = ()
    number: int | None = None
    ending: str = ""
