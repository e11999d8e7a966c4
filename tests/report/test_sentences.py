"""Sentences of findings in another language."""

from gettext import NullTranslations

from auditor.evaluate.reasons import NO_SUBJECT
from auditor.model.outcome import Outcome
from auditor.report.sentences import Sentences
from tests.report.example import finding


class Shouted(NullTranslations):
    """A language that says everything in capitals, places excepted."""

    def gettext(self, message: str) -> str:
        return "".join(part if index % 2 else part.upper() for index, part in enumerate(_parts(message)))


def _parts(message: str) -> list[str]:
    """Text and places in turn."""
    parts, rest = [], message
    while "{" in rest:
        text, _, rest = rest.partition("{")
        place, _, rest = rest.partition("}")
        parts += [text, "{" + place + "}"]
    return [*parts, rest]


def test_without_translations_the_sentence_is_that_of_the_result() -> None:
    given = finding("c", "cluster", Outcome.NOT_APPLICABLE, "no-subject", "As it stands in results.json.")
    assert Sentences(None).message(given) == "As it stands in results.json."


def test_a_sentence_is_translated_before_it_is_filled() -> None:
    given = finding(
        "c",
        "ns/Deployment/web",
        Outcome.PASS,
        "isolated",
        "English.",
        check="scoped-endpoints-isolated",
    )
    assert Sentences(Shouted()).message(given) == "NOTHING OUT OF SCOPE MAY CONNECT TO ns/Deployment/web."


def test_reasons_of_the_runner_are_translated_too() -> None:
    given = finding("c", "cluster", Outcome.NOT_APPLICABLE, NO_SUBJECT.code, "English.")
    assert Sentences(Shouted()).message(given) == NO_SUBJECT.sentence.upper()


def test_causes_are_translated_by_code() -> None:
    cause = {"code": "not-selected"}
    assert Sentences(None).cause([cause]) == "no policy of this layer selects the pod in this direction"
    assert Sentences(Shouted()).cause([cause]).isupper()


def test_a_reason_that_nobody_knows_keeps_its_english_sentence() -> None:
    given = finding("c", "cluster", Outcome.PASS, "made-up", "English.")
    assert Sentences(Shouted()).message(given) == "English."
