"""A file that people write, read strictly: every error names file, line, field and what was expected. Pure: text in."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from auditor.model.user_error import UserError

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]
_MAX_SIZE = 4 * 1024 * 1024
_MAX_ERRORS = 20
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Located(Generic[M]):
    """A parsed file that still knows on which line each field stands."""

    name: str
    value: M
    lines: Mapping[Path, int]

    def error(self, path: Path, expected: str) -> UserError:
        """An error about one field, found after parsing (an id that nothing defines, say)."""
        return UserError(_sentence(self.name, self.lines, path, expected))


def parse_strict(text: str, name: str, model: type[M]) -> Located[M]:
    """Parse one YAML document into a pydantic model. Timestamps stay text for pydantic to read.

    Raises UserError with one line an error, at most 20, for broken YAML, duplicate keys, aliases (a file that
    people write needs none, and they can hide size), unknown fields and values of the wrong kind.
    """
    if len(text) > _MAX_SIZE:
        raise UserError(f"{name}: larger than {_MAX_SIZE} characters")
    lines: dict[Path, int] = {}
    try:
        node = _compose(text, name)
        raw = _value(node, (), lines, name) if node is not None else None
    except yaml.YAMLError as error:
        raise UserError(f"{name}:{_problem_line(error)}: expected YAML: {_problem(error)}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{name}:1: expected a mapping of fields ({', '.join(model.model_fields)})")
    try:
        return Located(name, model.model_validate(raw), lines)
    except ValidationError as error:
        raise UserError("\n".join(_sentences(error, name, lines, model))) from None


def _compose(text: str, name: str) -> yaml.Node | None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise UserError(f"{name}: nested deeper than {_MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise UserError(f"{name}:{line}: aliases are not allowed here")
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader, in C where there is one, without timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, name)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), lines, name) for index, child in enumerate(node.value)]
    if node.tag == "tag:yaml.org,2002:int" and ":" in node.value:
        return node.value
    return _CONSTRUCTOR.construct_object(node)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        line = key_node.start_mark.line + 1
        if key in found:
            raise UserError(f"{name}:{line}: {_dotted((*path, key))}: given twice")
        lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), lines, name)
    return found


def _sentences(
    error: ValidationError, name: str, lines: Mapping[Path, int], model: type[BaseModel]
) -> list[str]:
    found = []
    for entry in error.errors(include_url=False)[:_MAX_ERRORS]:
        path = tuple(part for part in entry["loc"] if isinstance(part, (str, int)))
        expected = _expected(dict(entry), model)
        found.append(_sentence(name, lines, path, expected))
    return sorted(found)


_NEVER_SHOWN = frozenset({"url", "endpoint_url"})
"""Fields whose values may be secrets: an address often holds a token, and messages end in logs."""


def _expected(entry: dict[str, Any], model: type[BaseModel]) -> str:
    kind, message = entry["type"], str(entry["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        known = sorted(_field_names(model))
        close = get_close_matches(str(entry["loc"][-1]), known, 1)
        return "unknown field" + (f"; did you mean {close[0]}?" if close else "")
    if kind == "missing":
        return "required field is missing"
    message = message[:1].lower() + message[1:]
    given = None if entry["loc"] and entry["loc"][-1] in _NEVER_SHOWN else entry.get("input")
    shown = f" (got {str(given)[:60]!r})" if isinstance(given, (str, int, float, bool)) else ""
    return message + shown


def _field_names(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> set[str]:
    names: set[str] = set()
    for field_name, field in model.model_fields.items():
        names.add(field.alias or field_name)
        for inner in _models_in(field.annotation):
            if inner not in seen:
                names |= _field_names(inner, seen | {model, inner})
    return names


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _sentence(name: str, lines: Mapping[Path, int], path: Path, expected: str) -> str:
    known = path
    while known and known not in lines:
        known = known[:-1]
    where = f"{name}:{lines.get(known, 1)}"
    return f"{where}: {_dotted(path)}: {expected}" if path else f"{where}: {expected}"


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _problem_line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 1


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read")
