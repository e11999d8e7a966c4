"""The PDF: the same views on A4, as PDF/A-3a and PDF/UA-1, byte for byte the same for the same result."""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from gettext import NullTranslations
from pathlib import Path

from auditor.model.result import AuditResult
from auditor.report.html import render_document
from auditor.report.profile import PAPER

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_ROUNDS = 3
_EPOCH = "SOURCE_DATE_EPOCH"


class PdfError(RuntimeError):
    """WeasyPrint reported something that must not reach a reader."""


def render_pdf(
    result: AuditResult, *, templates: Path | None = None, translations: NullTranslations | None = None
) -> bytes:
    """The report as a PDF. Raises PdfError when WeasyPrint logs an error.

    Characters that no installed font has are shown as U+FFFD, since an archival PDF may not hold them.
    """
    document = render_document(result, PAPER, templates, translations)
    with _fixed_clock(result.run.evaluated_at):
        for _ in range(_MAX_ROUNDS):
            content, missing = _written(document)
            if not missing:
                return content
            document = document.translate({ord(char): _REPLACEMENT for char in missing})
    raise PdfError(f"no installed font has these characters: {sorted(missing)!r}")


def _written(document: str) -> tuple[bytes, set[str]]:
    """The PDF, and the characters for which no font has a glyph. WeasyPrint is heavy, so it is imported here."""
    from weasyprint import HTML

    from auditor.report.pdf_tags import completed_tags, keep_one_annotation, repair

    with _watched_log() as log, completed_tags(), _uncollected():
        rendered = HTML(string=document, url_fetcher=_refuse).render(pdf_variant="pdf/a-3a")
        keep_one_annotation(rendered)
        content = rendered.write_pdf(finisher=repair, pdf_variant="pdf/a-3a")
    if log.errors:
        raise PdfError("; ".join(log.errors[:5]))
    return content or b"", log.missing


def _refuse(url: str, *_: object, **__: object) -> dict[str, object]:
    """The document holds everything; nothing may be fetched."""
    raise PdfError(f"the report refers to {url[:200]}")


class _Log(logging.Handler):
    """Collects WeasyPrint's errors and the characters it found no glyph for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []
        self.missing: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Sort a record."""
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())
        elif str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            self.missing.add(str(record.args[0]))


@contextmanager
def _watched_log() -> Iterator[_Log]:
    logger, handler = logging.getLogger("weasyprint"), _Log()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection for a while: the boxes all live to the end, and looking through them costs a fifth."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _fixed_clock(evaluated_at: str) -> Iterator[None]:
    """Font subsets carry a time; it is that of the evaluation."""
    before = os.environ.get(_EPOCH)
    os.environ[_EPOCH] = str(int(datetime.fromisoformat(evaluated_at).timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EPOCH]
        else:
            os.environ[_EPOCH] = before
