"""In which networks of the scope file addresses outside lie. Answers worked out by hand."""

from ipaddress import ip_network
from typing import Any

import pytest

from auditor.checks.outside_networks import OutsideNetworks, are_trusted
from auditor.model.scope import ExternalNetwork, Scope

OFFICE = {"name": "office", "cidrs": ["10.50.0.0/16"], "trust": "trusted"}
GUESTS = {"name": "guests", "cidrs": ["10.50.8.0/24"], "trust": "wireless"}
WORLD = {"name": "world", "cidrs": ["0.0.0.0/0"], "trust": "untrusted"}
SAME = {"name": "same", "cidrs": ["10.50.0.0/16"], "trust": "third-party"}

CASES: list[tuple[str, list[Any], list[str], list[str], bool]] = [
    ("no network is named", [], ["198.51.100.7/32"], ["internet"], False),
    ("private addresses that no network names", [OFFICE], ["10.60.0.1/32"], ["private addresses"], False),
    ("inside", [OFFICE], ["10.50.3.1/32", "10.50.4.0/24"], ["office (trusted)"], True),
    (
        "partly outside",
        [OFFICE],
        ["10.50.3.1/32", "10.51.0.1/32"],
        ["office (trusted)", "private addresses"],
        False,
    ),
    (
        "a block that reaches beyond",
        [OFFICE],
        ["10.48.0.0/14"],
        ["office (trusted)", "private addresses"],
        False,
    ),
    (
        "a wireless part of a trusted network",
        [OFFICE, GUESTS],
        ["10.50.8.9/32"],
        ["guests (wireless)"],
        False,
    ),
    (
        "a block that holds that part",
        [OFFICE, GUESTS],
        ["10.50.0.0/16"],
        ["guests (wireless)", "office (trusted)"],
        False,
    ),
    ("the most specific counts", [WORLD, OFFICE], ["10.50.3.1/32"], ["office (trusted)"], True),
    ("of equals the least trusted", [OFFICE, SAME], ["10.50.3.1/32"], ["same (third-party)"], False),
    ("the other family", [OFFICE], ["2001:db8::1/128"], ["internet"], False),
]


@pytest.mark.parametrize(
    ("case", "networks", "addresses", "places", "trusted"), CASES, ids=[c[0] for c in CASES]
)
def test_where_addresses_lie(
    case: str, networks: list[Any], addresses: list[str], places: list[str], trusted: bool
) -> None:
    scope = Scope(external_networks=[ExternalNetwork(**network) for network in networks])
    found = OutsideNetworks(scope).of_addresses(tuple(ip_network(text) for text in addresses))
    assert (sorted(map(str, found)), are_trusted(found)) == (places, trusted)


def test_addresses_that_are_not_known_are_the_internet() -> None:
    assert [str(place) for place in OutsideNetworks(None).of_addresses(None)] == ["internet"]
