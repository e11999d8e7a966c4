"""Requirement status: its own list, decided by full and partial mappings only (contracts, Requirement status)."""

from typing import Any

import pytest

from auditor.evaluate.requirements import MappedControl, decide
from auditor.model.control import Requirement
from auditor.model.outcome import Outcome


def requirement(**changes: Any) -> Requirement:
    fields = {"id": "1.1", "section": "1", "title": "t", "text": "t", "automation": "partial", "because": "b"}
    return Requirement.model_validate({**fields, "manual_steps": ["ask"], **changes})


def mapped(*entries: tuple[str, str]) -> list[MappedControl]:
    return [MappedControl(f"c{i}", strength, Outcome(o)) for i, (strength, o) in enumerate(entries)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("automation", "controls", "expected"),
    [
        ("partial", [("partial", "FAIL"), ("partial", "NOT_EVALUATED")], "deviation found"),
        ("partial", [("partial", "NOT_EVALUATED"), ("partial", "PASS")], "not tested"),
        ("partial", [("partial", "ERROR")], "not tested"),
        ("partial", [("partial", "PASS")], "evidence without deviation, manual steps open"),
        ("automated", [("full", "PASS")], "evidence without deviation"),
        ("automated", [("partial", "PASS")], "evidence without deviation, manual steps open"),
        (
            "automated",
            [("full", "MANUAL"), ("full", "PASS")],
            "evidence without deviation, manual steps open",
        ),
        ("partial", [("partial", "MANUAL")], "manual"),
        ("partial", [("partial", "MANUAL"), ("partial", "NOT_APPLICABLE")], "manual"),
        ("partial", [("partial", "NOT_APPLICABLE")], "not applicable to the evidence"),
        (
            "partial",
            [("partial", "NOT_APPLICABLE"), ("partial", "PASS")],
            "evidence without deviation, manual steps open",
        ),
        (
            "partial",
            [("supporting", "FAIL"), ("partial", "PASS")],
            "evidence without deviation, manual steps open",
        ),
        ("partial", [("supporting", "PASS")], "not tested"),
        ("partial", [], "not tested"),
        ("manual", [("supporting", "FAIL")], "manual"),
        ("out-of-reach", [], "manual"),
    ],
)
def test_the_status_follows_from_deciding_controls(
    automation: str, controls: list[tuple[str, str]], expected: str
) -> None:
    steps = [] if automation == "automated" else ["ask"]
    status, _ = decide(requirement(automation=automation, manual_steps=steps), mapped(*controls), "merchant")
    assert status == expected


def test_a_requirement_for_service_providers_does_not_apply_to_a_merchant() -> None:
    status, because = decide(
        requirement(entities=["service-provider"]), mapped(("partial", "FAIL")), "merchant"
    )
    assert status == "not applicable to the evidence"
    assert "service-provider" in because


def test_a_superseded_requirement_does_not_apply() -> None:
    status, because = decide(requirement(superseded_by="1.2"), mapped(("partial", "FAIL")), "merchant")
    assert (str(status), because) == ("not applicable to the evidence", "superseded by 1.2")


def test_no_status_and_no_reason_says_compliant_or_pass() -> None:
    for outcome in Outcome:
        for strength in ("full", "partial", "supporting"):
            told = " ".join(map(str, decide(requirement(), mapped((strength, outcome)), "merchant"))).lower()
            assert "complian" not in told
            assert "pass" not in told
