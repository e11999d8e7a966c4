"""Port sets and address ranges: exact, canonical, printable."""

import ipaddress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from auditor.network.addresses import ROOTS, disjoint_externals, parse_network
from auditor.network.bits import from_members, members
from auditor.network.ports import EVERYTHING, NOTHING, PortSet, PortTable

_ranges = st.tuples(st.integers(1, 65535), st.integers(0, 300)).map(lambda r: (r[0], min(65535, r[0] + r[1])))
_sets = st.dictionaries(st.sampled_from(("TCP", "UDP", "ICMP")), st.lists(_ranges, max_size=4)).map(
    PortSet.of
)


def test_ranges_are_merged_and_sorted() -> None:
    assert PortSet.of({"TCP": [(80, 90), (443, 443), (91, 95), (85, 99)]}).ranges == (
        ("TCP", ((80, 99), (443, 443))),
    )


def test_json_is_that_of_the_contract() -> None:
    assert PortSet.single("TCP", 443).as_json() == [{"protocol": "TCP", "ports": [[443, 443]]}]
    assert PortSet.icmp("ICMP", 8, 0).as_json() == [{"protocol": "ICMP", "ports": [], "icmp": [[8, 0]]}]
    assert PortSet.whole("ICMP").as_json() == [{"protocol": "ICMP", "ports": []}]


@given(_sets, _sets)
def test_union_contains_both(one: PortSet, other: PortSet) -> None:
    joined = one | other
    for protocol in ("TCP", "UDP", "ICMP"):
        for low, high in (*one.of_protocol(protocol), *other.of_protocol(protocol)):
            assert joined.contains(low, protocol)
            assert joined.contains(high, protocol)
    assert one | NOTHING == one
    assert one | EVERYTHING == EVERYTHING


@given(st.lists(_sets, max_size=5))
def test_masks_round_trip(sets: list[PortSet]) -> None:
    table = PortTable(sets)
    for ports in sets:
        assert table.ports(table.mask(ports)) == ports
    for one in sets:
        for other in sets:
            assert table.mask(one) | table.mask(other) == table.mask(one | other)


@given(st.sets(st.integers(0, 5000)))
def test_bits_round_trip(positions: set[int]) -> None:
    assert list(members(from_members(positions))) == sorted(positions)


@given(
    st.lists(
        st.builds(
            lambda a, p: ipaddress.ip_network((a, p), strict=False),
            st.integers(0, 2**32 - 1),
            st.integers(0, 32),
        ),
        max_size=8,
    )
)
def test_externals_partition_all_addresses(blocks: list[ipaddress.IPv4Network]) -> None:
    externals = disjoint_externals([*blocks, ROOTS[0]], [])
    cidrs = [ipaddress.ip_network(cidr) for external in externals for cidr in external.cidrs]
    assert sum(cidr.num_addresses for cidr in cidrs) == 2**32
    ordered = sorted(cidrs, key=lambda cidr: int(cidr.network_address))
    assert all(not a.overlaps(b) for a, b in pairwise(ordered))
    for external in externals:
        for block in blocks:
            inside = {ipaddress.ip_network(cidr).subnet_of(block) for cidr in external.cidrs}
            assert len(inside) == 1


def test_a_scope_network_gives_its_name() -> None:
    named = [("partner", [parse_network("203.0.113.0/24")])]
    assert [e.id for e in disjoint_externals([ROOTS[0]], named)] == ["internet", "partner"]


def test_the_intervals_that_a_set_touches_hold_each_of_its_ports() -> None:
    table = PortTable([PortSet.single("TCP", 80, 90), PortSet.single("TCP", 443)])
    touched = table.touching(PortSet.single("TCP", 85, 100) | PortSet.single("ICMP", 8))
    assert table.ports(touched) == PortSet.single("TCP", 80, 442)
    assert table.touching(PortSet.single("UDP", 53)) == table.mask(PortSet.whole("UDP"))
