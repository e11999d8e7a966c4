"""What becomes of a stored run: metrics, OpenReports, notifications. Each is tried, whatever became of the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ParamSpec

from auditor.model.comparison import Comparison
from auditor.model.notification import Notification
from auditor.model.run_record import RunRecord
from auditor.model.user_error import UserError
from auditor.publish.channels import Channel, open_address
from auditor.publish.delivery import DeliveryFailed
from auditor.publish.metrics import push, write_text_file
from auditor.report.metrics import RunFacts, render_metrics
from auditor.report.notification import notification_of_failure, notification_of_run
from auditor.report.open_reports import open_reports
from auditor.store.runs import RunStore
from auditor.store.shelf import ShelfError
from auditor.unattended.request import RunOutcome, RunRequest, Stored, rfc3339

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Showing:
    """A place where results are shown. `show` raises DeliveryFailed."""

    name: str
    show: Callable[[Stored, RunStore], None]


def open_showings(request: RunRequest) -> list[Showing]:
    """The places that the configuration names. Raises UserError when a secret's file isn't there."""
    metrics = request.config.publish.metrics
    found = []
    if metrics.text_file is not None:
        path = request.path(metrics.text_file)
        found.append(Showing("the metrics' file", lambda s, store: write_text_file(path, _metrics(s, store))))
    if metrics.pushgateway is not None:
        address = open_address(metrics.pushgateway, request.folder, "publish.metrics.pushgateway")
        job = metrics.pushgateway.job
        found.append(
            Showing(
                "the Pushgateway",
                lambda s, store: push(address, job, s.record.name, _metrics(s, store), request.sleep),
            )
        )
    if request.config.publish.open_reports.enabled:
        found.append(Showing("OpenReports", lambda stored, _: _publish_reports(request, stored)))
    return found


def _publish_reports(request: RunRequest, stored: Stored) -> None:
    """Where only some namespaces are collected, Reports go to no other: the roles allow no more."""
    from auditor.publish.report_objects import ReportObjects, connect_reports

    target, name = request.target(), request.config.name
    made = open_reports(stored.result, name, request.config.publish.open_reports.outcomes)
    manifests = [entry for entry in made.manifests if _belongs(entry, target.namespaces)]
    if len(manifests) < len(made.manifests):
        request.remark("OpenReports: findings about namespaces that aren't collected are in the report only")
    objects = ReportObjects(connect_reports(target), name, target.namespaces, request.sleep)
    objects.publish(manifests, request.remark)
    for note in made.notes:
        request.remark(note)


def _belongs(manifest: Mapping[str, Any], namespaces: Sequence[str] | None) -> bool:
    namespace = manifest["metadata"].get("namespace")
    return namespace is None or namespaces is None or namespace in namespaces


def _metrics(stored: Stored, store: RunStore) -> bytes:
    complete = store.newest_complete(stored.record)
    last = complete.finished_at if complete else None
    return render_metrics(
        stored.result, RunFacts(stored.record.name, stored.record.exit_code, last, stored.record)
    )


SAME_TRY = timedelta(hours=1)
"""For so long after it was told that evidence is incomplete, a run that lacks the same for the same causes counts as another
try of the same, as a Job makes them, and isn't told."""


def notify(
    request: RunRequest,
    channels: Sequence[Channel],
    outcome: RunOutcome,
    comparison: Comparison,
    store: RunStore,
) -> None:
    """Tell whoever wants to know. What couldn't be told is told again by the next try."""
    record, wanted = outcome.record, request.config.notify.on
    told_at = _told_before(store, record)
    events = [event for event in wanted if event != "incomplete" or told_at is None]
    place = f"{request.config.store.url.rstrip('/')}/{record.run}"
    notification = notification_of_run(record, comparison, events, place)
    failed = _send(channels, notification) if notification is not None else []
    outcome.undelivered += failed
    if channels and not record.complete and "incomplete" in wanted and (told_at or not failed):
        note = "not noted that it was told"
        outcome.undelivered += attempt(note, store.note_told, record, told_at or record.finished_at)


def _told_before(store: RunStore, record: RunRecord) -> str | None:
    """When an earlier try told that the same evidence is missing."""
    try:
        earlier = store.previous(record.name, record.run, record.cluster_uid)
        told_at = store.told_at(earlier) if earlier is not None and not record.complete else None
    except ShelfError:
        return None
    if earlier is None or told_at is None or earlier.incomplete_kinds != record.incomplete_kinds:
        return None
    passed = datetime.fromisoformat(record.started_at) - datetime.fromisoformat(told_at)
    return told_at if passed < SAME_TRY else None


def tell_failure(request: RunRequest, channels: Sequence[Channel], error: BaseException) -> None:
    """Nothing could be stored: those who want to know of incomplete runs are told, whatever became of it."""
    cause = _cause(error)
    if isinstance(error, KeyboardInterrupt):
        request.remark(cause)
    if "incomplete" not in request.config.notify.on:
        return
    time = rfc3339(request.now())
    for line in _send(channels, notification_of_failure(request.config.name, time, cause)):
        request.remark(line)


def _cause(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "ended from outside (a deadline, an eviction) before anything was stored"
    return f"internal error: {type(error).__name__}"


def _send(channels: Sequence[Channel], notification: Notification) -> list[str]:
    """What could not be delivered, one line each. One channel's failure keeps none of the others from being tried."""
    return [
        line
        for channel in channels
        for line in attempt(f"{channel.name} wasn't told", channel.send, notification)
    ]


def attempt(failing: str, act: Callable[P, None], *arguments: P.args, **options: P.kwargs) -> list[str]:
    """What went wrong, as a line. The evidence is stored: nothing that fails here may lose the run."""
    try:
        act(*arguments, **options)
    except (DeliveryFailed, UserError) as error:
        return [f"{failing}: {error}"]
    except Exception as error:
        return [f"{failing}: internal error: {type(error).__name__}"]
    return []
