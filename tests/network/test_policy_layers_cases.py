"""Every policy-layers case of the reference data, with each disagreement argued."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.network.reference_policy_layers import VARIABLE, case_folders, compare


class Argument(NamedTuple):
    """Why we differ in a case: in how many pairs, why we think we are right, and where that is written."""

    pairs: int
    because: str
    source: str


_BY_NAME = Argument(
    735,
    "six policies without an order: they go by name, so that enable-all-connections comes first and allows everything; "
    "the analyser takes them in the order of the file",
    "felix/calc/policy_sorter.go PolKVLess; docs, NetworkPolicy, order: 'alphanumerical order based on the Policy Name'",
)
_PROFILE = Argument(
    4248,
    "no policy selects these endpoints, and both of their profiles deny; the analyser allows what no policy selects without "
    "looking at profiles",
    "docs, Profile: rules apply when no policy decides, an endpoint is denied what they don't allow; connectivity.md 27",
)
_HOST_BITS = Argument(
    648,
    "an address block with host bits: Calico's validation refuses the object, an API server without it does not, so what is "
    "in force cannot be told; the analyser masks it",
    "libcalico-go/lib/validator/v3/validator.go validateIPNetwork ('strictly masked')",
)
_GLOBAL = Argument(
    418,
    "namespaceSelector `global() || all()`: global() must stand alone, Calico's validation refuses the object; the analyser "
    "evaluates it",
    "libcalico-go/lib/validator/v3/validator.go validateEntityRule (globalSelectorOnly)",
)

ARGUED: dict[str, Argument] = {
    "calico--calico-demo--interferes--np-interfere1": _PROFILE._replace(pairs=4539),
    "calico--testcase15-ports--testcase15--equiv-games1": _BY_NAME,
    "calico--testcase15-ports--testcase15-with-ingress--equiv-games1": _BY_NAME._replace(pairs=680),
    "calico--testcase17-sanity--testcase17--np_conflict1": _HOST_BITS,
    "calico--testcase17-sanity--testcase17--np_various-containment1": _HOST_BITS._replace(pairs=396),
    "calico--testcase19-profiles--testcase19--np6_cnc-ntsgin-2nd-profiles-within-namespace": _PROFILE,
    "calico--testcase19-profiles--testcase19--np9-0-cnc-fe-between-namespaces-missing-one-label-to-apply": _PROFILE,
    "calico--testcase24-selector-expression--testcase24--np_a": _GLOBAL,
}
_FOLDERS = case_folders()


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    """Counts of pairs over all cases."""
    return Counter()


@pytest.mark.skipif(not _FOLDERS, reason=f"{VARIABLE} does not name the reference data")
@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_we_agree_or_say_why_not(folder: Path, counts: Counter[str]) -> None:
    result = compare(folder)
    argument = ARGUED.get(folder.name)
    counts["cases that agree"] += not result.differences
    counts["cases that disagree, argued"] += bool(result.differences)
    counts["pairs that agree"] += result.agree
    counts["pairs that disagree, argued"] += len(result.differences)
    for reason, number in result.other_model.items():
        counts[f"pairs of another model, not expressed: {reason}"] += number
    if argument is None:
        assert result.differences[:20] == []
    else:
        assert len(result.differences) == argument.pairs, argument.because


def test_the_counts_are_told(counts: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    if not _FOLDERS:
        pytest.skip(f"{VARIABLE} does not name the reference data")
    with capsys.disabled():
        print("\npolicy-layers cases:")
        for what, number in sorted(counts.items()):
            print(f"  {what}: {number}")
    assert set(ARGUED) <= {folder.name for folder in _FOLDERS}
