"""Contents: links on the screen, page numbers on paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.report.sections import Entry
from auditor.report.wording import N_

TITLE = N_("Contents")


@dataclass(frozen=True, slots=True)
class ContentsView:
    """The sections in order, with their sub-entries."""

    entries: tuple[Entry, ...]


def build(entries: Sequence[Entry]) -> ContentsView:
    """The view of the contents, from what the other sections say of themselves."""
    return ContentsView(tuple(entries))
