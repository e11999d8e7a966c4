"""Reading the fields of policies that may be anything: what is wrong is said, with the field's path."""

from collections.abc import Mapping
from typing import Any

from auditor.inventory.selectors import SelectorError


class FieldProblem(ValueError):
    """A field that the API server would refuse: its path, what was expected, and a code of `reasons.py`."""

    def __init__(self, field: str, expected: str, code: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field, self.expected, self.code = field, expected, code

    @classmethod
    def of_selector(cls, problem: SelectorError) -> "FieldProblem":
        """From a selector's error, which names its field."""
        field, _, expected = str(problem).partition(": ")
        return cls(field, expected, "invalid.selector")


def mapping_field(raw: Any, where: str) -> Mapping[str, Any]:
    """A mapping; null is an empty one, as the API server decodes it. Raises FieldProblem."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise FieldProblem(where, "expected a mapping", "invalid.rule")
    return raw


def list_field(raw: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """The list under a name, empty where it is missing or null. Raises FieldProblem."""
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise FieldProblem(f"{where}.{name}", "expected a list", "invalid.rule")
    return value
