"""Translations of the report, from compiled gettext catalogues. English is the source and needs none."""

from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path

from auditor.evaluate.phrases import PHRASES
from auditor.report.resources import locale_folder

DOMAIN = "auditor"


def load_translations(language: str, folder: Path | None = None) -> NullTranslations:
    """The catalogue of a language (`zh_Hant`), or English where there is none.

    Reads `<folder>/<language>/LC_MESSAGES/auditor.mo`. The result knows its language as `info()["language"]`.
    """
    from babel.support import Translations

    return Translations.load(folder or locale_folder(), [language], DOMAIN)


def extract_phrases(*_: object, **__: object) -> Iterator[tuple[int, str, str, list[str]]]:
    """For Babel: the phrases of causes, which are values of dictionaries and not arguments of a marked call.

    The order of an entry is Babel's: line, function, message, comments.
    """
    for code, phrase in sorted(PHRASES.items()):
        yield 0, "", phrase, [code]


def language_of(translations: NullTranslations) -> str:
    """The language as HTML's `lang` spells it: `en` for the source."""
    return translations.info().get("language", "en").replace("_", "-") or "en"
