"""Parameters of findings as rows."""

from auditor.model.outcome import Outcome
from auditor.report.flows import FlowRow, RuleRow, details, flow_rows, port_words, rule_rows
from tests.report.example import finding

POLICY = {"object": "card-vault/NetworkPolicy/vault-db", "rule": "ingress[0]"}


def _with(**parameters: object):
    return finding(
        "c", "card-vault/StatefulSet/vault-db", Outcome.FAIL, "r", "On 5432.", parameters=parameters
    )


def test_a_flow_names_its_source_and_the_subject_is_the_other_side() -> None:
    flow = {
        "source": "analytics/Deployment/etl",
        "protocol": "TCP",
        "ports": [[5432, 5432]],
        "verdict": "allowed",
        "decided_by": [POLICY],
    }
    assert flow_rows(_with(flows=[flow])) == [
        FlowRow(
            ("analytics/Deployment/etl",),
            ("card-vault/StatefulSet/vault-db",),
            "5432/TCP",
            "allowed",
            (RuleRow("card-vault/NetworkPolicy/vault-db", "ingress[0]"),),
        )
    ]


def test_many_sources_with_ports_by_protocol() -> None:
    flow = {
        "sources": ["a/Pod/x", "b/Pod/y"],
        "ports": [{"protocol": "UDP", "ports": [[53, 53], [8000, 8080]]}],
    }
    (row,) = flow_rows(_with(flows=[flow]))
    assert row.sources == ("a/Pod/x", "b/Pod/y")
    assert row.services == "53, 8000–8080/UDP"


def test_an_egress_flow_names_its_destination() -> None:
    (row,) = flow_rows(_with(flows=[{"destination": "internet", "ports": [[1, 65535]], "protocol": "TCP"}]))
    assert (row.sources, row.destinations, row.services) == (
        ("card-vault/StatefulSet/vault-db",),
        ("internet",),
        "all ports/TCP",
    )


def test_shapes_that_are_not_known_are_told_not_dropped() -> None:
    assert flow_rows(_with(flows="none")) == []
    (row,) = flow_rows(_with(flows=[{"ports": "named", "verdict": "odd"}]))
    assert (row.services, row.verdict) == ("named", "odd")


def test_deciding_rules() -> None:
    assert rule_rows(_with(decided_by=[POLICY, "junk"])) == [RuleRow(POLICY["object"], "ingress[0]")]


def test_details_leave_out_what_the_sentence_says() -> None:
    found = details(_with(port=5432, mode="PERMISSIVE", covered_by=["x", "y"], empty=[]), str)
    assert [(entry.name, entry.value) for entry in found] == [
        ("covered by", "['x', 'y']"),
        ("mode", "PERMISSIVE"),
    ]


def test_port_words() -> None:
    assert port_words([(443, 443), (8000, 8080)]) == "443, 8000–8080"
    assert port_words([(1, 65535)]) == "all ports"


def test_what_is_approved_or_needs_no_approval_does_not_deviate() -> None:
    approved, connected, open_ = flow_rows(
        _with(flows=[{"approved_by": ["AF-1"]}, {"approved_by": [], "outside": False}, {"approved_by": []}])
    )
    assert (approved.approved_by, approved.deviates) == (("AF-1",), False)
    assert (connected.deviates, open_.deviates) == (False, True)
