"""Discovery: every module below this package whose name ends a check's id in snake_case holds one check."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

import auditor.checks
from auditor.checks.definition import Check


@cache
def all_checks() -> Mapping[str, Check]:
    """Every check by id, sorted. Raises ValueError when a module in an area holds none, or the name differs."""
    found: dict[str, Check] = {}
    prefix = auditor.checks.__name__ + "."
    for area in pkgutil.iter_modules(auditor.checks.__path__, prefix):
        if not area.ispkg:
            continue
        package = importlib.import_module(area.name)
        for module in pkgutil.iter_modules(package.__path__, area.name + "."):
            declared = _check_in(module.name)
            if declared.id in found:
                raise ValueError(f"check {declared.id} is declared twice")
            found[declared.id] = declared
    return dict(sorted(found.items()))


def _check_in(module_name: str) -> Check:
    module = importlib.import_module(module_name)
    declared = [value for value in vars(module).values() if isinstance(value, Check)]
    expected = module_name.rpartition(".")[2].replace("_", "-")
    if len(declared) != 1 or declared[0].id != expected:
        raise ValueError(f"{module_name}: expected exactly one check, named {expected}")
    return declared[0]
