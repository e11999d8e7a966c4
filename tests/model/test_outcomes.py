"""Outcomes add up as the contract says: FAIL > ERROR > NOT_EVALUATED > MANUAL > PASS > NOT_APPLICABLE."""

from itertools import product

import pytest

from auditor.model.outcome import Outcome, aggregate
from auditor.model.verdict import ISOLATION_OUTCOME, Reach, Tri, all_of, any_of

ORDER = ["FAIL", "ERROR", "NOT_EVALUATED", "MANUAL", "PASS", "NOT_APPLICABLE"]


@pytest.mark.parametrize(("first", "second"), list(product(ORDER, ORDER)))
def test_the_earlier_of_two_outcomes_in_the_contract_wins(first: str, second: str) -> None:
    expected = min(first, second, key=ORDER.index)
    assert aggregate([Outcome(first), Outcome(second)]) == expected


def test_nothing_at_all_is_an_error_and_never_a_pass() -> None:
    assert aggregate([]) is Outcome.ERROR


@pytest.mark.parametrize(
    ("reach", "outcome"),
    [
        ("allowed", "FAIL"),
        ("conditional", "FAIL"),
        ("declared-not-enforced", "FAIL"),
        ("indeterminate", "NOT_EVALUATED"),
        ("denied", "PASS"),
    ],
)
def test_verdicts_become_outcomes_by_the_contracts_table(reach: str, outcome: str) -> None:
    assert ISOLATION_OUTCOME[Reach(reach)] == outcome


@pytest.mark.parametrize(
    ("values", "all_", "any_"),
    [
        ("yy", "yes", "yes"),
        ("yn", "no", "yes"),
        ("yu", "unknown", "yes"),
        ("nu", "no", "unknown"),
        ("nn", "no", "no"),
    ],
)
def test_three_valued_logic_keeps_unknown(values: str, all_: str, any_: str) -> None:
    names = {"y": Tri.YES, "n": Tri.NO, "u": Tri.UNKNOWN}
    given = [names[value] for value in values]
    assert (all_of(given), any_of(given)) == (all_, any_)
