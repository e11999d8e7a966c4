"""Every policy-layers case of the reference data, with each disagreement argued and tried.

An argument says what the analyser reads otherwise than the specification; changing the manifests so that the specification
too reads them that way must make the whole case agree.
"""

import ipaddress
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.network.reference_policy_layers import VARIABLE, Change, case_folders, compare

Objects = list[dict[str, Any]]


class Argument(NamedTuple):
    """Why we differ in a case: in how many pairs, why we think we are right, where that is written, and the trial."""

    pairs: int
    because: str
    source: str
    change: Change


def _policies(objects: Objects) -> Objects:
    return [raw for raw in objects if raw["kind"].endswith("NetworkPolicy")]


def _order_as_in_the_file(objects: Objects) -> None:
    for number, raw in enumerate(_policies(objects)):
        raw["spec"]["order"] = number


def _let_profiles_allow(objects: Objects) -> None:
    for raw in objects:
        if raw["kind"] == "Profile":
            raw["spec"] = {**raw["spec"], "ingress": [{"action": "Allow"}], "egress": [{"action": "Allow"}]}


def _mask_blocks(objects: Objects) -> None:
    for raw in _policies(objects):
        for rule in raw["spec"]["egress"]:
            side = rule.get("destination") or {}
            if "nets" in side:
                side["nets"] = [str(ipaddress.ip_network(net, strict=False)) for net in side["nets"]]


def _mask_and_order(objects: Objects) -> None:
    _mask_blocks(objects)
    _order_as_in_the_file(objects)


def _split_global(objects: Objects) -> None:
    for raw in _policies(objects):
        raw["spec"]["egress"] = [
            {**rule, "destination": {**rule["destination"], "namespaceSelector": selector}}
            for rule in raw["spec"]["egress"]
            for selector in rule["destination"]["namespaceSelector"].split(" || ")
        ]


_BY_NAME = Argument(
    735,
    "six policies without an order: they go by name, so that enable-all-connections comes first and allows everything; "
    "the analyser takes them in the order of the file",
    "felix/calc/policy_sorter.go PolKVLess; docs, NetworkPolicy, order: 'alphanumerical order based on the Policy Name'",
    _order_as_in_the_file,
)
_PROFILE = Argument(
    4248,
    "no policy selects these endpoints, and both of their profiles deny; the analyser allows what no policy selects without "
    "looking at profiles",
    "docs, Profile: rules apply when no policy decides, an endpoint is denied what they don't allow; connectivity.md 27",
    _let_profiles_allow,
)
_HOST_BITS = Argument(
    648,
    "an address block with host bits: Calico's validation refuses the object, an API server without it does not, so what is "
    "in force cannot be told; the analyser masks it",
    "libcalico-go/lib/validator/v3/validator.go validateIPNetwork ('strictly masked')",
    _mask_blocks,
)
_BOTH = _HOST_BITS._replace(
    because=f"{_HOST_BITS.because}; and two policies without an order go by name, the analyser takes the file's",
    source=f"{_HOST_BITS.source}; {_BY_NAME.source}",
    change=_mask_and_order,
)
_GLOBAL = Argument(
    418,
    "namespaceSelector `global() || all()`: global() must stand alone, Calico's validation refuses the object; the analyser "
    "evaluates it",
    "libcalico-go/lib/validator/v3/validator.go validateEntityRule (globalSelectorOnly)",
    _split_global,
)

ARGUED: dict[str, Argument] = {
    "calico--calico-demo--interferes--np-interfere1": _PROFILE._replace(pairs=4539),
    "calico--testcase15-ports--testcase15--equiv-games1": _BY_NAME,
    "calico--testcase15-ports--testcase15-with-ingress--equiv-games1": _BY_NAME._replace(pairs=680),
    "calico--testcase17-sanity--testcase17--np_conflict1": _BOTH,
    "calico--testcase17-sanity--testcase17--np_various-containment1": _HOST_BITS._replace(pairs=396),
    "calico--testcase19-profiles--testcase19--np6_cnc-ntsgin-2nd-profiles-within-namespace": _PROFILE,
    "calico--testcase19-profiles--testcase19--np9-0-cnc-fe-between-namespaces-missing-one-label-to-apply": _PROFILE,
    "calico--testcase24-selector-expression--testcase24--np_a": _GLOBAL,
}
_FOLDERS = case_folders()
_reference_data = pytest.mark.skipif(not _FOLDERS, reason=f"{VARIABLE} does not name the reference data")


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    """Counts of pairs over all cases."""
    return Counter()


@_reference_data
@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
def test_we_agree_or_say_why_not(folder: Path, counts: Counter[str]) -> None:
    result = compare(folder)
    argument = ARGUED.get(folder.name)
    counts["cases"] += 1
    counts["cases that disagree, argued"] += bool(result.differences)
    counts["pairs that agree"] += result.agree
    counts["pairs that disagree, argued"] += len(result.differences)
    for reason, number in result.other_model.items():
        counts[f"pairs of another model: {reason}"] += number
    for reason, number in result.inexpressible.items():
        counts[f"pairs that cannot be expressed: {reason}"] += number
    if argument is None:
        assert result.differences[:20] == []
    else:
        assert len(result.differences) == argument.pairs, argument.because


@_reference_data
@pytest.mark.parametrize("folder", [f for f in _FOLDERS if f.name in ARGUED], ids=lambda folder: folder.name)
def test_read_as_the_analyser_reads_it_an_argued_case_agrees(folder: Path) -> None:
    assert compare(folder, ARGUED[folder.name].change).differences[:20] == []


@_reference_data
def test_the_counts_are_told(counts: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\npolicy-layers cases:")
        for what, number in sorted(counts.items()):
            print(f"  {what}: {number}")
    assert set(ARGUED) <= {folder.name for folder in _FOLDERS}
