"""One HTML file: sections in order, styles inside, a Content-Security-Policy that allows nothing else."""

import base64
import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from auditor.model.result import AuditResult
from auditor.report import display, wording, zones
from auditor.report.draft import Draft, framework_short
from auditor.report.profile import SCREEN, Profile
from auditor.report.resources import template_folder
from auditor.report.sections import Entry
from auditor.report.translations import language_of

SECTIONS = (
    "summary",
    "scope",
    "diagram",
    "register",
    "certificates",
    "method",
    "limits",
    "frameworks",
    "controls",
    "findings",
    "gaps",
    "populations",
    "appendix",
)
"""The order of the sections; cover and contents stand before them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A section that is ready to be rendered."""

    name: str
    title: str
    view: Any

    @property
    def template(self) -> str:
        """Its template."""
        return f"sections/{self.name}.html.j2"


def render_html(
    result: AuditResult, *, templates: Path | None = None, translations: NullTranslations | None = None
) -> bytes:
    """The report as one UTF-8 HTML file without references to anything outside it."""
    return render_document(result, SCREEN, templates, translations).encode("utf-8", "replace")


def render_document(
    result: AuditResult, profile: Profile, templates: Path | None, translations: NullTranslations | None
) -> str:
    """The document for the screen or for paper. Raises jinja2.UndefinedError for a name that no view has."""
    environment = _environment(templates or template_folder(), profile.paged)
    said = translations or NullTranslations()
    environment.install_gettext_translations(said, newstyle=False)  # type: ignore[attr-defined]
    environment.globals["_"] = _speaker(said)
    draft = Draft(result, profile, translations)
    parts = [_part(name, draft) for name in SECTIONS]
    styles = [_text(environment, name) for name in _STYLES[profile.paged]]
    script = "" if profile.paged else _text(environment, "filter.js")
    return environment.get_template("report.html.j2").render(
        profile=profile,
        language=language_of(said),
        result=draft.result,
        cover=_module("cover").build(draft),
        contents=_module("contents").build([_entry(part) for part in parts]),
        parts=parts,
        styles=[Markup(style) for style in styles],  # noqa: S704 -- our own files
        script=Markup(script),  # noqa: S704 -- our own file
        policy=content_security_policy(styles, script),
    )


def _speaker(translations: NullTranslations) -> Callable[..., str]:
    """`_` of the templates. It gives plain text, so that words from a cluster are escaped like everything else.

    Jinja's own new-style gettext marks whatever it is given as safe, and would let markup through.
    """

    def say(message: str, **variables: object) -> str:
        said = translations.gettext(message) if message else ""
        return said % variables if variables else said

    return say


def content_security_policy(styles: list[str], script: str) -> str:
    """Nothing may be loaded; only the document's own styles and script, known by their hashes, take effect."""
    allowed = " ".join(f"'{_hash(style)}'" for style in styles) or "'none'"
    scripts = f"'{_hash(script)}'" if script else "'none'"
    return (
        f"default-src 'none'; style-src {allowed}; script-src {scripts}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


_STYLES = {False: ("report.css", "print.css"), True: ("report.css", "print.css", "paged.css")}


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str, draft: Draft) -> Part:
    module = _module(name)
    return Part(name, module.TITLE, module.build(draft))


def _entry(part: Part) -> Entry:
    children: Callable[[Any], tuple[Entry, ...]] | None = getattr(_module(part.name), "entries", None)
    return Entry(part.name, part.title, children(part.view) if children else ())


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"auditor.report.sections.{name}")


def _text(environment: Environment, name: str) -> str:
    loader = environment.loader
    return loader.get_source(environment, name)[0] if loader else ""


@cache
def _environment(templates: Path, paged: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "breakable": _plain_name if paged else display.breakable,
        "moment": display.moment,
        "number": "{:,}".format,
        "framework_short": framework_short,
        "paragraphs": _paragraphs,
    }
    environment.globals |= {
        "OUTCOMES": wording.OUTCOMES,
        "STATUSES": wording.STATUSES,
        "AUTOMATION": wording.AUTOMATION,
        "STRENGTHS": wording.STRENGTHS,
        "SEVERITIES": wording.SEVERITIES,
        "COMPLETENESS": wording.COMPLETENESS,
        "CLASS_WORDS": zones.CLASS_WORDS,
        "BAR_WIDTH": 520,
    }
    return environment


def _plain_name(text: object) -> Markup:
    """On paper names break where Pango breaks them: it knows `/` and `-`, and each `<wbr>` would cost a box."""
    return escape(display.bounded(text))


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]
