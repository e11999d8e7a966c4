"""Findings that name very many rules are cut, counted, and otherwise left as they are."""

from auditor.evaluate.rule_lists import MOST_RULES, bound_finding


def _rules(count: int) -> list[dict[str, str]]:
    return [{"object": f"a/NetworkPolicy/p{number}", "rule": "spec"} for number in range(count)]


def test_short_lists_stay_as_they_are() -> None:
    parameters = {"decided_by": _rules(MOST_RULES), "flows": [{"decided_by": _rules(2)}], "port": 80}
    assert bound_finding(parameters, ["e1", "e2"]) == (parameters, ["e1", "e2"])


def test_a_longer_list_keeps_its_beginning_and_its_count() -> None:
    bounded, _ = bound_finding({"policies": ["p"] * (MOST_RULES + 7), "port": 80}, [])
    assert bounded == {"policies": ["p"] * MOST_RULES, "policies_count": MOST_RULES + 7, "port": 80}


def test_lists_inside_a_flow_are_cut_beside_their_own_count() -> None:
    bounded, _ = bound_finding({"flows": ({"decided_by": tuple(_rules(MOST_RULES + 1)), "to": "x"},)}, [])
    assert bounded == {
        "flows": [{"decided_by": _rules(MOST_RULES), "decided_by_count": MOST_RULES + 1, "to": "x"}]
    }


def test_other_lists_are_never_cut() -> None:
    peers = [f"a/Pod/{number}" for number in range(MOST_RULES + 5)]
    assert bound_finding({"peers": peers}, [])[0] == {"peers": peers}


def test_evidence_is_counted_where_it_is_cut() -> None:
    bounded, evidence = bound_finding({}, [f"{number:06}" for number in range(MOST_RULES + 3)])
    assert len(evidence) == MOST_RULES
    assert evidence[-1] == f"{MOST_RULES - 1:06}"
    assert bounded == {"evidence_count": MOST_RULES + 3}
