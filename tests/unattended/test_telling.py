"""Who is told of a run, and what becomes of a run when nobody can be told."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from auditor.model.user_error import ExitCode, UserError
from tests.publish.conftest import Receiver, receiving
from tests.unattended.conftest import Nightly
from tests.unattended.test_runs import drop_policies, forget_claim


@pytest.fixture
def told(nightly: Nightly) -> Iterator[Receiver]:
    with receiving() as receiver:
        (nightly.folder / "hook").write_text(receiver.url)
        nightly.config["notify"] = {"webhook": {"url_file": "hook"}}
        yield receiver


def test_new_failures_are_told_once(nightly: Nightly, told: Receiver) -> None:
    nightly.run()
    drop_policies(nightly, "records")
    second = nightly.run()
    nightly.run()
    bodies = [json.loads(body) for body in told.bodies]
    assert [body["run"] for body in bodies] == ["20260930T020000Z-nightly", second.record.run]
    assert bodies[1]["events"] == ["new-failures"]
    assert bodies[1]["new_failures"] == second.record.new_failures > 0
    assert bodies[1]["stored_at"] == f"file://{nightly.store}/{second.record.run}"


def test_incomplete_evidence_is_told_every_time(nightly: Nightly, told: Receiver) -> None:
    nightly.run()
    forget_claim(nightly, "", "services")
    runs = [nightly.run().record.run for _ in range(2)]
    bodies = [json.loads(body) for body in told.bodies[1:]]
    assert [body["run"] for body in bodies] == runs
    assert bodies[0]["events"] == ["incomplete"]
    assert [kind["kind"] for kind in bodies[0]["incomplete_kinds"]] == ["Service"]


def minutes_later(nightly: Nightly, minutes: int) -> str:
    """Another run, so long after the last one."""
    nightly.time += timedelta(minutes=minutes) - timedelta(days=1)
    return nightly.run().record.run


def test_tries_that_lack_the_same_are_told_once(nightly: Nightly, told: Receiver) -> None:
    nightly.run()
    forget_claim(nightly, "", "services")
    first = nightly.run().record.run
    tries = [minutes_later(nightly, 1), minutes_later(nightly, 40)]
    after_an_hour = minutes_later(nightly, 20)
    assert [json.loads(body)["run"] for body in told.bodies[1:]] == [first, after_an_hour]
    assert all((nightly.store / run / "run.json").is_file() for run in tries)


def test_a_try_that_lacks_something_else_is_told(nightly: Nightly, told: Receiver) -> None:
    nightly.run()
    forget_claim(nightly, "", "services")
    first = nightly.run().record.run
    forget_claim(nightly, "networking.k8s.io", "ingresses")
    assert [json.loads(body)["run"] for body in told.bodies[1:]] == [first]
    second = minutes_later(nightly, 1)
    assert json.loads(told.bodies[-1])["run"] == second


def test_what_could_not_be_told_is_told_by_the_next_try(nightly: Nightly, told: Receiver) -> None:
    nightly.run()
    forget_claim(nightly, "", "services")
    told.answers = [(404, {})]
    nightly.run()
    told.answers = []
    second = minutes_later(nightly, 1)
    assert json.loads(told.bodies[-1])["run"] == second


def test_a_run_that_was_told_of_is_deleted_whole(nightly: Nightly, told: Receiver) -> None:
    nightly.config["store"]["keep"] = 1
    forget_claim(nightly, "", "services")
    first = nightly.run().record.run
    assert (nightly.store / first / "told.json").is_file()
    nightly.run()
    assert not (nightly.store / first).exists()


def test_a_run_that_fails_altogether_is_told_with_its_cause(nightly: Nightly, told: Receiver) -> None:
    nightly.config["collect"]["sources"] = ["not-there"]
    with pytest.raises(UserError):
        nightly.run()
    body = json.loads(told.bodies[0])
    assert (body["events"], body["run"], body["stored_at"]) == (["incomplete"], None, None)
    assert "not-there" in body["cause"]


def test_evidence_outlives_a_receiver_that_fails(nightly: Nightly, told: Receiver) -> None:
    told.answers = [(500, {})]
    outcome = nightly.run()
    assert outcome.undelivered == ["webhook wasn't told: answered with status 500, 4 times"]
    assert outcome.exit_code is ExitCode.OUTPUT_NOT_WRITTEN
    assert (nightly.store / outcome.record.run / "run.json").is_file()


def test_what_the_evidence_deserves_beats_a_failed_delivery(nightly: Nightly, told: Receiver) -> None:
    told.answers = [(500, {})]
    nightly.config["fail_on"] = ["FAIL"]
    assert nightly.run().exit_code is ExitCode.FAIL_ON_MET


def test_one_failing_receiver_keeps_no_other_from_being_told(nightly: Nightly, told: Receiver) -> None:
    with receiving() as other:
        told.answers = [(404, {})]
        nightly.config["notify"]["slack"] = {"url": other.url}
        outcome = nightly.run()
        assert len(other.bodies) == 1
    assert outcome.undelivered == ["webhook wasn't told: answered with status 404"]


def test_a_secret_that_is_not_there_is_found_before_the_long_work(nightly: Nightly, told: Receiver) -> None:
    (nightly.folder / "hook").unlink()
    with pytest.raises(UserError, match="hook: can't be read") as raised:
        nightly.run()
    assert raised.value.exit_code is ExitCode.WRONG_USE
    assert not nightly.store.exists()


def test_metrics_go_to_a_file_and_a_pushgateway(nightly: Nightly, told: Receiver) -> None:
    pushing = {"url": told.url, "job": "evidence"}
    nightly.config["publish"] = {"metrics": {"text_file": "textfile/auditor.prom", "pushgateway": pushing}}
    nightly.config["notify"]["on"] = []
    nightly.run()
    text = (nightly.folder / "textfile" / "auditor.prom").read_bytes()
    assert told.bodies == [text]
    assert told.methods == ["PUT"]
    assert b'auditor_evidence_complete{run="nightly"} 1.0' in text


def test_the_age_of_complete_evidence_is_that_of_the_last_complete_run(nightly: Nightly) -> None:
    nightly.config["publish"] = {"metrics": {"text_file": "auditor.prom"}}
    seen = []
    for resource in ("", "services"):
        forget_claim(nightly, "", resource)
        nightly.run()
        text = (nightly.folder / "auditor.prom").read_text()
        seen.append(
            [
                re.search(rf"^auditor_{name}_timestamp_seconds.* (\S+)$", text, re.M)[1]
                for name in ("last_run", "last_complete_run")
            ]  # type: ignore[index]
        )
    assert seen[0][0] == seen[0][1] == seen[1][1]
    assert float(seen[1][0]) - float(seen[1][1]) == 86400


def test_a_pushgateway_that_is_away_is_told_and_the_evidence_stays(nightly: Nightly, told: Receiver) -> None:
    told.answers = [(503, {})]
    nightly.config["publish"] = {"metrics": {"pushgateway": {"url": told.url}}}
    nightly.config["notify"]["on"] = []
    outcome = nightly.run()
    assert outcome.undelivered == ["the Pushgateway: not published: answered with status 503, 4 times"]
    assert outcome.exit_code is ExitCode.OUTPUT_NOT_WRITTEN
