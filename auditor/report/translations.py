"""Translations of the report, from compiled gettext catalogues. English is the source and needs none."""

from gettext import NullTranslations
from pathlib import Path

from auditor.report.resources import locale_folder

DOMAIN = "auditor"


def load_translations(language: str, folder: Path | None = None) -> NullTranslations:
    """The catalogue of a language (`zh_Hant`), or English where there is none.

    Reads `<folder>/<language>/LC_MESSAGES/auditor.mo`. The result knows its language as `info()["language"]`.
    """
    from babel.support import Translations

    return Translations.load(folder or locale_folder(), [language], DOMAIN)


def language_of(translations: NullTranslations) -> str:
    """The language as HTML's `lang` spells it: `en` for the source."""
    return translations.info().get("language", "en").replace("_", "-") or "en"
