"""What a notification says: when there is one, how large it gets, and that no name from a cluster acts in it."""

import json

import jsonschema
import pytest

from auditor.model.notification import Notification
from auditor.model.run_record import IncompleteKind
from auditor.report.notification import (
    MAX_SIZE,
    notification_of_failure,
    notification_of_run,
    render_mail,
    render_slack,
    render_webhook,
    subject_line,
)
from auditor.schemas import json_schema
from tests.publish.conftest import comparison, failing, notification, record

PODS = IncompleteKind(kind="Pod", completeness="forbidden", cause="403: pods is forbidden")
HOSTILE = "<!channel> <https://evil.example|click> @here *b* `c` & <script>alert(1)</script>\r\nBcc: x@y.org"


def test_nothing_is_told_when_nothing_happened() -> None:
    assert notification_of_run(record(0), comparison(), ["new-failures", "incomplete"], "x") is None


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        (["new-failures", "incomplete"], ["incomplete", "new-failures"]),
        (["incomplete"], ["incomplete"]),
        ([], None),
    ],
)
def test_only_what_is_wanted_is_told(wanted: list[str], events: list[str] | None) -> None:
    found = notification_of_run(record(1, [PODS]), comparison(failing("a/Deployment/b")), wanted, "x")  # type: ignore[arg-type]
    assert (found.events if found else None) == events


@pytest.mark.parametrize(
    "made",
    [
        notification(failing("pay/Deployment/api"), incomplete=[PODS]),
        notification_of_failure("nightly", "2026-09-30T02:00:00Z", "the cluster can't be reached"),
        notification(failing(HOSTILE, HOSTILE)),
    ],
    ids=["a stored run", "a run that failed", "hostile names"],
)
def test_the_webhook_is_sent_what_the_published_schema_says(made: Notification) -> None:
    jsonschema.validate(json.loads(render_webhook(made)), json_schema("notification"))


def test_ten_thousand_failures_with_long_names_stay_small() -> None:
    name = "\N{GRINNING FACE}" * 5000
    made = notification(*(failing(f"{number}/{name}", name) for number in range(10_000)))
    assert len(render_webhook(made)) <= MAX_SIZE
    assert made.new_failures == len(made.failures) + made.failures_left_out == 10_000
    assert made.failures
    assert len(render_slack(made)) <= MAX_SIZE
    assert f"and {made.failures_left_out} more" in render_mail(made)


def test_slack_gets_no_markup_link_or_mention_from_a_name() -> None:
    """`&`, `<` and `>` are what Slack's own format is made of; a mention needs one of them, or a bare @ elsewhere."""
    message = json.loads(render_slack(notification(failing(HOSTILE, HOSTILE), cluster=HOSTILE)))
    assert "<" not in message["text"]
    assert ">" not in message["text"]
    assert "@here" not in message["text"]
    assert message["mrkdwn"] is False
    assert {block["text"]["type"] for block in message["blocks"]} == {"plain_text"}
    assert not any(block["text"]["emoji"] for block in message["blocks"])


def test_slack_limits_are_kept() -> None:
    """150 characters in a header, 3,000 in a section (Slack, Block Kit reference)."""
    made = notification(*(failing(f"ns/{'x' * 300}/{n}", "y" * 300) for n in range(50)), cluster="z" * 500)
    blocks = json.loads(render_slack(made))["blocks"]
    assert len(blocks[0]["text"]["text"]) <= 150
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)


def test_a_subject_is_one_line() -> None:
    made = notification(failing("a/Deployment/b"), incomplete=[PODS], cluster="prod\r\nBcc: x@y.org")
    assert subject_line(made) == ("auditor nightly: 1 new failures, evidence incomplete in prod Bcc: x@y.org")


def test_the_mail_says_what_is_new_and_what_is_missing() -> None:
    body = render_mail(notification(failing("pay/Deployment/api", "Nothing isolates it."), incomplete=[PODS]))
    assert "- [high] default-deny-ingress: pay/Deployment/api: Nothing isolates it." in body
    assert "- Pod: forbidden: 403: pods is forbidden" in body
    assert "Stored at s3://evidence/one/20260930T020000Z-nightly" in body


def test_a_run_that_stored_nothing_says_why() -> None:
    made = notification_of_failure("nightly", "2026-09-30T02:00:00Z", "https://api:6443 can't be reached")
    assert subject_line(made) == "auditor nightly: the run failed, no evidence was stored"
    assert "https://api:6443 can't be reached" in render_mail(made)
