"""Controls, frameworks and requirements as the catalogue's YAML gives them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from auditor.model.scope import Line, Strict, Text

Automation = Literal["automated", "partial", "manual", "out-of-reach"]
Strength = Literal["full", "partial", "supporting"]
Entity = Literal["merchant", "service-provider", "multi-tenant"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80)]


class Translation(Strict):
    """The translatable texts of an entry, by field name."""

    title: str | None = None
    text: str | None = None


class Section(Strict):
    """A heading under which the report groups requirements."""

    id: Line
    title: Line


class Requirement(Strict):
    """One requirement of a framework that network evidence may bear on."""

    id: Line
    section: Line
    title: Line
    text: Text
    automation: Automation
    because: Text
    manual_steps: list[Text] = []
    entities: list[Entity] = []
    designation: Literal["required", "addressable", "standard"] | None = None
    superseded_by: Line | None = None
    note: Text | None = None
    translations: dict[str, Translation] = {}

    @model_validator(mode="after")
    def _manual_steps_are_said(self) -> Self:
        if self.automation != "automated" and not self.manual_steps:
            raise ValueError(
                f"automation {self.automation} needs manual_steps: what remains for the assessor"
            )
        return self


class Framework(Strict):
    """A framework: its requirements with our paraphrase or its quotation."""

    id: Line
    title: Line
    version: Line
    wording: Literal["paraphrase", "quotation"]
    source: Text
    data: Literal["cardholder-data", "phi", "personal-data"]
    sections: list[Section]
    requirements: list[Requirement]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        sections = {section.id for section in self.sections}
        for requirement in self.requirements:
            if requirement.id in seen:
                raise ValueError(f"requirement {requirement.id} is listed twice")
            if requirement.section not in sections:
                raise ValueError(
                    f"requirement {requirement.id} names section {requirement.section!r}, not listed"
                )
            seen.add(requirement.id)
        return self


class CheckUse(Strict):
    """A check that a control runs, with its parameters."""

    check: Slug
    parameters: dict[str, Any] = {}


class Mapping(Strict):
    """Why a control's evidence bears on a requirement, and how far."""

    framework: Line
    requirement: Line
    strength: Strength
    because: Text


class Control(Strict):
    """A control: what is asked, by which checks, for which requirements, with which honest limits."""

    id: Slug
    title: Line
    severity: Literal["high", "medium", "low", "info"]
    automation: Automation
    objective: Text
    why_it_matters: Text
    limitations: Annotated[list[Text], Field(min_length=1)]
    checks: Annotated[list[CheckUse], Field(min_length=1)]
    requirements: Annotated[list[Mapping], Field(min_length=1)]
    remediation: Text
    requires: list[Slug] = []
    translations: dict[str, Translation] = {}
