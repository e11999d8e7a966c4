"""Coverage of the decision table: every row has a case, and every case belongs to a row."""

import pytest

from tests.encryption.semantics import (
    test_authorization_rows,
    test_client_rows,
    test_gateway_rows,
    test_inbound_rows,
    test_linkerd_rows,
    test_membership_rows,
    test_mistake_rows,
    test_network_plugin_rows,
)
from tests.encryption.semantics.rows import ROWS, RowCase

CASES: list[RowCase] = [
    case
    for module in (
        test_authorization_rows,
        test_client_rows,
        test_gateway_rows,
        test_inbound_rows,
        test_linkerd_rows,
        test_membership_rows,
        test_mistake_rows,
        test_network_plugin_rows,
    )
    for case in module.CASES
]


@pytest.mark.parametrize("row", list(ROWS))
def test_a_row_has_a_case(row: str) -> None:
    assert any(case.row == row for case in CASES)


def test_every_case_is_of_a_row_and_named_once() -> None:
    names = [(case.row, case.name) for case in CASES]
    assert {row for row, _ in names} <= set(ROWS)
    assert len(names) == len(set(names))
