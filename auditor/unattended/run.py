"""One unattended run from end to end. What was stored outlives every failure after."""

from auditor.audit import controls_of_kinds
from auditor.publish.channels import open_channels
from auditor.store.runs import RunStore
from auditor.store.shelf import ShelfError
from auditor.unattended.deliveries import attempt, notify, open_showings, tell_failure
from auditor.unattended.evidence import store_run
from auditor.unattended.request import RunOutcome, RunRequest


def check_run(request: RunRequest) -> None:
    """Read every file that the configuration names, and connect to nothing. Raises UserError."""
    request.store()
    request.require_input()
    open_channels(request.config.notify, request.folder, request.now, request.sleep)
    open_showings(request)
    request.scope_text()
    controls_of_kinds(request.config.collect.frameworks, request.controls())


def run_unattended(request: RunRequest) -> RunOutcome:
    """Do all of it. Raises UserError when nothing could be stored: exit code 2 or 4."""
    store = request.store()
    channels = open_channels(request.config.notify, request.folder, request.now, request.sleep)
    showings = open_showings(request)
    try:
        stored = store_run(request, store)
    except (Exception, KeyboardInterrupt) as error:
        tell_failure(request, channels, error)
        raise
    outcome = RunOutcome(stored.record)
    for showing in showings:
        outcome.undelivered += attempt(f"{showing.name}: not published", showing.show, stored, store)
    notify(request, channels, outcome, stored.comparison, store)
    _prune(request, store, outcome)
    return outcome


def _prune(request: RunRequest, store: RunStore, outcome: RunOutcome) -> None:
    keep = request.config.store.keep
    try:
        gone = store.prune(outcome.record, keep) if keep is not None else []
        gone += store.prune_left_over(request.config.name, request.now())
    except ShelfError as error:
        outcome.undelivered.append(f"old runs could not be deleted: {error}")
        return
    for run in gone:
        request.remark(f"deleted {run}")
