"""Every NetworkPolicy case of the reference data: all connections exactly as expected."""

from pathlib import Path

import pytest

from tests.network.reference_cases import VARIABLE, case_folders, compare

_FOLDERS = case_folders()


@pytest.mark.skipif(not _FOLDERS, reason=f"{VARIABLE} does not name the reference data")
@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_connections_are_exactly_those_expected(folder: Path) -> None:
    assert compare(folder).differences == []


def test_agreement_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    if not _FOLDERS:
        pytest.skip(f"{VARIABLE} does not name the reference data")
    agree = sum(not compare(folder).differences for folder in _FOLDERS)
    with capsys.disabled():
        print(f"\nconnectivity cases: {agree} agree, {len(_FOLDERS) - agree} disagree, 0 cannot be expressed")
    assert agree == len(_FOLDERS)
