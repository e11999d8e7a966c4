"""Findings about very many ports of one endpoint are told as one, with every port named and counted."""

from auditor.evaluate.port_joining import MOST_PORTS, join_ports
from auditor.model.finding import Finding, Subject
from auditor.model.outcome import Outcome


def about(port: int, reason: str = "plaintext", pod: str = "many", protocol: str = "TCP") -> Finding:
    subject = Subject(f"shop/Pod/{pod}:{port}/{protocol}", "shop")
    return Finding("control", "check", subject, Outcome.FAIL, reason, {"port": port}, (f"e{port % 2}",))


def test_few_stand_by_themselves() -> None:
    few = [about(port) for port in range(1, MOST_PORTS + 1)]
    assert join_ports(few) == few


def test_many_become_one_that_names_and_counts_them() -> None:
    ports = [*range(1, 151), 9000]
    (found,) = join_ports([about(port) for port in reversed(ports)])
    assert found.subject == Subject("shop/Pod/many:1-150,9000/TCP", "shop")
    assert found.parameters["ports"] == [{"protocol": "TCP", "ports": [[1, 150], [9000, 9000]]}]
    assert found.parameters["port_count"] == 151
    assert (found.outcome, found.reason, found.parameters["port"]) == (Outcome.FAIL, "plaintext", 1)
    assert found.evidence == ("e0", "e1")


def test_very_many_ranges_are_counted_in_the_name_and_complete_in_the_parameters() -> None:
    (found,) = join_ports([about(port) for port in range(1, 601, 2)])
    assert found.subject.id == "shop/Pod/many:1,3,5,7,+296/TCP"
    assert len(found.parameters["ports"][0]["ports"]) == 300


def test_other_reasons_endpoints_and_protocols_stay_apart() -> None:
    many = [about(port) for port in range(1, 201)]
    others = [about(1, "other"), about(1, pod="web"), about(1, protocol="UDP")]
    found = join_ports([others[0], *many, *others[1:]])
    assert [entry.subject.id for entry in found] == [
        "shop/Pod/many:1/TCP",
        "shop/Pod/many:1-200/TCP",
        "shop/Pod/web:1/TCP",
        "shop/Pod/many:1/UDP",
    ]
