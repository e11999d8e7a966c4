"""Notifications: made from a stored run, and written as JSON, for Slack and as mail. Nothing that a cluster names acts.

Slack's `text` escapes `&`, `<` and `>` and breaks every `@`, and blocks are plain text without emoji: no link, mention or
markup comes of a hostile name (Slack, "Formatting text for app surfaces"). Mail is plain text.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from auditor.model.comparison import Comparison
from auditor.model.notification import Event, Notification, NotifiedFailure
from auditor.model.outcome import Outcome
from auditor.model.run_record import IncompleteKind, RunRecord
from auditor.report.connectivity_json import render_record
from auditor.report.display import displayable

MAX_SIZE = 64 * 1024
"""Of the JSON, in bytes."""

_MAX_FAILURES, _MAX_KINDS = 20, 20
_MAX_TEXT, _MAX_CAUSE = 300, 600
_MAX_SLACK_HEADER, _MAX_SLACK_SECTION = 150, 2900
_ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def notification_of_run(
    record: RunRecord, comparison: Comparison, wanted: Sequence[Event], stored_at: str
) -> Notification | None:
    """What a stored run has to tell, None when nothing of `wanted` happened."""
    happened = {"new-failures": bool(comparison.new_failures), "incomplete": not record.complete}
    events = [event for event in wanted if happened[event]]
    if not events:
        return None
    kinds = [_cut_kind(kind) for kind in record.incomplete_kinds[:_MAX_KINDS]]
    made = Notification(
        events=sorted(set(events)),
        name=record.name,
        run=record.run,
        stored_at=stored_at,
        time=record.finished_at,
        cluster=_line(record.cluster) if record.cluster else None,
        cluster_uid=_line(record.cluster_uid) if record.cluster_uid else None,
        complete=record.complete,
        cause="",
        compared_with=record.compared_with,
        outcomes=record.outcomes,
        new_failures=record.new_failures,
        resolved=record.resolved,
        untold=record.untold,
        failures=[],
        failures_left_out=record.new_failures,
        incomplete_kinds=kinds,
        incomplete_kinds_left_out=len(record.incomplete_kinds) - len(kinds),
    )
    return _with_failures(made, comparison)


def _with_failures(made: Notification, comparison: Comparison) -> Notification:
    """As many as fit."""
    failures = [
        NotifiedFailure(
            control=_line(entry.control),
            title=_line(entry.title),
            severity=entry.severity,
            subject=_line(entry.subject),
            namespace=_line(entry.namespace),
            message=_line(entry.message),
        )
        for entry in comparison.new_failures[:_MAX_FAILURES]
    ]
    while True:
        left_out = len(comparison.new_failures) - len(failures)
        whole = made.model_copy(update={"failures": failures, "failures_left_out": left_out})
        if not failures or len(render_record(whole)) <= MAX_SIZE:
            return whole
        failures = failures[:-1]


def notification_of_failure(name: str, time: str, cause: str) -> Notification:
    """A run that stored nothing, and why."""
    return Notification(
        events=["incomplete"],
        name=name,
        run=None,
        stored_at=None,
        time=time,
        cluster=None,
        cluster_uid=None,
        complete=False,
        cause=_line(cause, _MAX_CAUSE),
        compared_with=None,
        outcomes={},
        new_failures=0,
        resolved=0,
        untold=0,
        failures=[],
        failures_left_out=0,
        incomplete_kinds=[],
        incomplete_kinds_left_out=0,
    )


def _cut_kind(kind: IncompleteKind) -> IncompleteKind:
    return IncompleteKind(
        kind=_line(kind.kind), completeness=_line(kind.completeness), cause=_line(kind.cause)
    )


def _line(text: str, limit: int = _MAX_TEXT) -> str:
    return " ".join(displayable(text, limit).split())


def render_webhook(notification: Notification) -> bytes:
    """JSON as `auditor schema notification` describes it."""
    return render_record(notification)


def subject_line(notification: Notification) -> str:
    """One line: what happened, where."""
    where = notification.cluster or "a cluster without a name"
    if notification.run is None:
        return f"auditor {notification.name}: the run failed, no evidence was stored"
    told = []
    if "new-failures" in notification.events:
        told.append(f"{notification.new_failures} new failures")
    if "incomplete" in notification.events:
        told.append("evidence incomplete")
    return f"auditor {notification.name}: {', '.join(told)} in {where}"


def summary_lines(notification: Notification) -> list[str]:
    """What there is to know before the lists."""
    if notification.run is None:
        return [f"Cause: {notification.cause}"]
    counts = ", ".join(
        f"{notification.outcomes[outcome]} {outcome}"
        for outcome in Outcome
        if notification.outcomes.get(outcome)
    )
    against = notification.compared_with or "nothing: this is the first run"
    return [
        f"Stored at {notification.stored_at}",
        f"Findings: {counts or 'none'}",
        f"Compared with {against}: {notification.new_failures} new failures, {notification.resolved} resolved, "
        f"{notification.untold} that can't be told now",
    ]


def failure_lines(notification: Notification) -> list[str]:
    """One line each, and how many were left out."""
    lines = [
        f"[{entry.severity}] {entry.control}: {entry.subject}: {entry.message}"
        for entry in notification.failures
    ]
    if notification.failures_left_out:
        lines.append(f"and {notification.failures_left_out} more")
    return lines


def kind_lines(notification: Notification) -> list[str]:
    """Kinds that weren't collected completely, one line each."""
    lines = [
        f"{kind.kind}: {kind.completeness}: {kind.cause or 'no cause recorded'}"
        for kind in notification.incomplete_kinds
    ]
    if notification.incomplete_kinds_left_out:
        lines.append(f"and {notification.incomplete_kinds_left_out} more")
    return lines


def render_mail(notification: Notification) -> str:
    """The body, plain text."""
    parts = [summary_lines(notification)]
    if notification.failures:
        parts.append(["New failures:", *(f"- {line}" for line in failure_lines(notification))])
    if notification.incomplete_kinds:
        parts.append(["Not collected completely:", *(f"- {line}" for line in kind_lines(notification))])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def render_slack(notification: Notification) -> bytes:
    """The JSON of an incoming webhook: `text` for clients that know no blocks, and plain-text blocks."""
    sections = [("", summary_lines(notification))]
    if notification.failures:
        sections.append(("New failures", failure_lines(notification)))
    if notification.incomplete_kinds:
        sections.append(("Not collected completely", kind_lines(notification)))
    subject = subject_line(notification)
    texts = ["\n".join(filter(None, [headline, *lines])) for headline, lines in sections]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(subject, _MAX_SLACK_HEADER)}]
    blocks += [{"type": "section", "text": _plain(text, _MAX_SLACK_SECTION)} for text in texts]
    told = "\n\n".join(_cut(text, _MAX_SLACK_SECTION) for text in [subject, *texts])
    message = {"text": _escaped(told), "mrkdwn": False, "unfurl_links": False, "blocks": blocks}
    return orjson.dumps(message, option=orjson.OPT_SORT_KEYS)


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, limit), "emoji": False}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _escaped(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", f"@{_ZERO_WIDTH_SPACE}")
