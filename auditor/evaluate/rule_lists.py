"""Bounds on the rules that one finding names: thousands of policies may bear on each of thousands of endpoints.

Each policy that is invalid, selects nothing or has no effect has a finding of its own; here only the repetition in the
findings about endpoints is cut, and the count of what was there is kept.
"""

from collections.abc import Mapping, Sequence

MOST_RULES = 1000
"""How many rules, policies or evidence ids one list of a finding holds."""

_RULE_LISTS = ("decided_by", "policies", "opened_by")


def bound_finding(
    parameters: Mapping[str, object], evidence: Sequence[str]
) -> tuple[dict[str, object], list[str]]:
    """A finding's parameters and evidence ids within bounds.

    A longer list keeps its first `MOST_RULES` entries and has `<name>_count` beside it; for the evidence that is the
    parameter `evidence_count`.
    """
    bounded = _bound(parameters) if _is_too_long(parameters) else dict(parameters)
    if len(evidence) > MOST_RULES:
        bounded["evidence_count"] = len(evidence)
    return bounded, list(evidence[:MOST_RULES])


def _is_too_long(value: object) -> bool:
    if isinstance(value, Mapping):
        named = (value.get(name) for name in _RULE_LISTS)
        return any(isinstance(rules, list | tuple) and len(rules) > MOST_RULES for rules in named) or any(
            _is_too_long(entry) for entry in value.values()
        )
    return isinstance(value, list | tuple) and any(_is_too_long(entry) for entry in value)


def _bound(value: Mapping[str, object]) -> dict[str, object]:
    bounded: dict[str, object] = {}
    for name, entry in value.items():
        bounded[name] = _bound_inside(entry)
        if name in _RULE_LISTS and isinstance(entry, list | tuple) and len(entry) > MOST_RULES:
            bounded |= {name: list(entry[:MOST_RULES]), f"{name}_count": len(entry)}
    return bounded


def _bound_inside(value: object) -> object:
    if isinstance(value, Mapping):
        return _bound(value)
    if isinstance(value, list | tuple):
        return [_bound_inside(entry) for entry in value]
    return value
