"""Objects on their way into a bundle: on disk page by page, so that memory doesn't grow with the cluster."""

import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from auditor.collect.bundle import Part, list_bytes, not_written, page_folder, pages_by_version
from auditor.model.evidence import Completeness
from auditor.model.kinds import KindKey
from auditor.model.objects import KubeObject

_QUICK = 1
"""zlib's fastest level: an eighth of the size, and the bundle is compressed anew."""


@dataclass(frozen=True, slots=True)
class _Page:
    """One file of the bundle to be: its kind and folder, and where it lies in the spool."""

    key: KindKey
    folder: str
    offset: int
    length: int


@dataclass(slots=True)
class BundleSpool:
    """A Store that keeps pages in a nameless file in `folder`, which vanishes with the process however it ends.

    Pages stay in the order in which they come, which for lists is the API server's; within a page objects are sorted.
    Raises UserError with exit code 4 when the disk doesn't take them.
    """

    folder: Path
    count: int = field(default=0, init=False)
    _file: IO[bytes] = field(init=False)
    _pages: list[_Page] = field(default_factory=list, init=False)
    _counts: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
        except OSError as error:
            raise not_written(self.folder, error) from None

    def __enter__(self) -> "BundleSpool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def mark(self) -> int:
        """The number of pages."""
        return len(self._pages)

    def add(self, objects: Sequence[KubeObject]) -> None:
        """Write the objects of a page of a list."""
        try:
            for (key, version), page in pages_by_version(objects):
                content = zlib.compress(list_bytes([obj.body for obj in page]), _QUICK)
                offset = self._file.seek(0, os.SEEK_END)
                self._file.write(content)
                self._pages.append(_Page(key, page_folder(key, version), offset, len(content)))
                self._counts.append(len(page))
                self.count += len(page)
        except OSError as error:
            raise not_written(self.folder, error) from None

    def roll_back(self, mark: int) -> None:
        """Drop the pages since, and give their room back."""
        if mark < len(self._pages):
            self._file.truncate(self._pages[mark].offset)
            self.count -= sum(self._counts[mark:])
            del self._pages[mark:]
            del self._counts[mark:]

    def parts(self, state_of: Callable[[KindKey], Completeness]) -> Iterator[Part]:
        """The files with objects, each as complete as its kind is."""
        numbers: Counter[str] = Counter()
        for page in self._pages:
            numbers[page.folder] += 1
            name = f"{page.folder}/{numbers[page.folder]:04}.json"
            yield Part(name, _Content(self._file, page), state_of(page.key))


@dataclass(frozen=True, slots=True)
class _Content:
    """The bytes of a page, read when they are asked for."""

    file: IO[bytes]
    page: _Page

    def __call__(self) -> bytes:
        self.file.seek(self.page.offset)
        return zlib.decompress(self.file.read(self.page.length))
