"""What a run prints when it is done."""

import pytest

from auditor.model.outcome import Outcome
from auditor.report.terminal import print_summary
from tests.report.example import example, finding

ESCAPE = "\x1b"


def _printed(message: str, capsys: pytest.CaptureFixture[str], cluster: str = "shop") -> str:
    given = example([finding("default-deny-ingress", "shop/Pod/a", Outcome.FAIL, "open", message)])
    named = given.model_copy(update={"cluster": given.cluster.model_copy(update={"name": cluster})})
    print_summary(named, [])
    return capsys.readouterr().out


def test_a_long_sentence_says_that_it_was_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    told = " ".join(_printed("word " * 100, capsys).split())
    assert "word \N{HORIZONTAL ELLIPSIS} [shortened from 500 characters]" in told


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    told = _printed(f"Seen{ESCAPE}[2J of [red]all[/red].", capsys, cluster=f"shop{ESCAPE}]0;owned\a")
    assert ESCAPE not in told
    assert "[red]all[/red]" in told
