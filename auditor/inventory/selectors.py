"""Kubernetes label selectors (apimachinery labels.Requirement.Matches)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]


class SelectorError(ValueError):
    """A selector that the API server would refuse; says the field and what was expected."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement. In and Exists need the key; NotIn and DoesNotExist match a missing key."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Whether a label set meets the requirement."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        return (value is not None) == (self.operator == "Exists")


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector in canonical form: equal selectors compare equal. No requirement matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether a label set meets every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def is_empty(self) -> bool:
        """An empty selector matches everything."""
        return not self.requirements

    def __str__(self) -> str:
        return ", ".join(_text(requirement) for requirement in self.requirements) or "(everything)"


EVERYTHING = Selector()


def parse_selector(raw: Any, where: str = "selector") -> Selector:
    """Parse a `LabelSelector`; None and `{}` match everything.

    Raises SelectorError, naming the field under `where`, for shapes and operators the API server refuses.
    """
    if raw is None:
        return EVERYTHING
    if not isinstance(raw, Mapping):
        raise SelectorError(f"{where}: expected a label selector")
    if unknown := sorted(set(map(str, raw)) - {"matchLabels", "matchExpressions"}):
        raise SelectorError(f"{where}.{unknown[0]}: expected matchLabels or matchExpressions")
    found = {
        *_from_labels(raw.get("matchLabels"), where),
        *_from_expressions(raw.get("matchExpressions"), where),
    }
    return Selector(tuple(sorted(found, key=_order)))


def from_labels(labels: Labels) -> Selector:
    """The selector that asks for exactly these labels, as `Service.spec.selector` does."""
    return Selector(tuple(sorted(_from_labels(labels, "selector"), key=_order)))


def _from_labels(raw: Any, where: str) -> Iterable[Requirement]:
    if raw is None:
        return
    if not isinstance(raw, Mapping):
        raise SelectorError(f"{where}.matchLabels: expected a mapping of labels")
    for key, value in raw.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise SelectorError(f"{where}.matchLabels.{key}: expected text")
        yield Requirement(key, "In", frozenset({value}))


def _from_expressions(raw: Any, where: str) -> Iterable[Requirement]:
    if raw is None:
        return
    if not isinstance(raw, list):
        raise SelectorError(f"{where}.matchExpressions: expected a list")
    for index, entry in enumerate(raw):
        yield _expression(entry, f"{where}.matchExpressions[{index}]")


def _expression(raw: Any, where: str) -> Requirement:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("key"), str):
        raise SelectorError(f"{where}.key: expected a label key")
    operator, values = raw.get("operator"), raw.get("values") or []
    if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        raise SelectorError(f"{where}.operator: expected In, NotIn, Exists or DoesNotExist")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise SelectorError(f"{where}.values: expected a list of text")
    if bool(values) != (operator in ("In", "NotIn")):
        raise SelectorError(f"{where}.values: In and NotIn need values, Exists and DoesNotExist take none")
    return Requirement(raw["key"], operator, frozenset(values))


def _order(requirement: Requirement) -> tuple[str, str, tuple[str, ...]]:
    return requirement.key, requirement.operator, tuple(sorted(requirement.values))


def _text(requirement: Requirement) -> str:
    values = sorted(requirement.values)
    if requirement.operator == "In" and len(values) == 1:
        return f"{requirement.key}={values[0]}"
    if requirement.operator in ("In", "NotIn"):
        return f"{requirement.key} {requirement.operator} ({', '.join(values)})"
    return f"{requirement.key} {requirement.operator}"
