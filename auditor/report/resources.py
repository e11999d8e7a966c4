"""Where the report's templates and translations are: in a checkout, or inside the installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def template_folder() -> Path:
    """The folder with `report.html.j2`: `_data/report_templates` of the wheel, else the one beside the package."""
    installed = _PACKAGE / "_data" / "report_templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "report_templates"


def locale_folder() -> Path:
    """The folder with `<language>/LC_MESSAGES/auditor.mo`."""
    return Path(__file__).parent / "locale"
