"""Sentences are filled when they are rendered, with causes as sentences of their own."""

from auditor.model.sentence import fill


def test_parameters_take_their_places() -> None:
    assert fill("{subject} accepts {port}", {"subject": "a/Pod/b", "port": 80}) == "a/Pod/b accepts 80"


def test_a_missing_parameter_stays_visible() -> None:
    assert fill("{a} and {b}", {"a": 1}) == "1 and {b}"


def test_lists_are_shortened_and_say_so() -> None:
    assert fill("{names}", {"names": [f"n{i}" for i in range(9)]}).endswith("n5 and 3 more")


def test_causes_are_looked_up_and_filled() -> None:
    phrases = {"mode": "the mode is {mode}"}
    assert fill("because {causes}", {"causes": [{"code": "mode", "mode": "STRICT"}]}, phrases) == (
        "because the mode is STRICT"
    )


def test_a_cause_without_a_sentence_shows_its_code() -> None:
    assert fill("{causes}", {"causes": [{"code": "indeterminate.x"}]}) == "indeterminate.x"


def test_attribute_access_in_a_sentence_reads_nothing() -> None:
    assert "object" not in fill("{a.__class__.__mro__}", {"a": 1})
