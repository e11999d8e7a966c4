"""Stored runs: names that sort by time, records, the previous run, and pruning of nothing but what was written here."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from auditor.model.run_config import StoreConfig
from auditor.model.run_record import (
    RECORD,
    RUN_FILES,
    STARTED,
    TOLD,
    RunRecord,
    RunStarted,
    RunTold,
    StoredFile,
)
from auditor.store.shelf import PARTIAL, Folder, Shelf, ShelfError

_TIME = "%Y%m%dT%H%M%SZ"
_RUN = re.compile(r"(?P<time>\d{8}T\d{6}Z)-(?P<name>[a-z0-9](?:[-a-z0-9]{0,50}[a-z0-9])?)")
LEFT_OVER_AFTER = timedelta(hours=24)
"""How old a run without a record must be to count as left over, and not as another one that is being written."""


def run_folder(name: str, started: datetime) -> str:
    """The name of a run's folder: UTC time, then the run's name, so that names sort by time."""
    return f"{started.astimezone(UTC).strftime(_TIME)}-{name}"


def open_store(config: StoreConfig) -> "RunStore":
    """The store of a configuration. Raises UserError when the bucket's library isn't installed."""
    if config.url.startswith("s3:"):
        from auditor.store.bucket import open_bucket

        return RunStore(open_bucket(config))
    from urllib.parse import unquote, urlsplit

    return RunStore(Folder(Path(unquote(urlsplit(config.url).path))))


@dataclass(frozen=True, slots=True)
class RunStore:
    """The runs on a shelf."""

    shelf: Shelf

    def check(self) -> None:
        """Prove that runs can be stored. Raises UserError with exit code 4."""
        self.shelf.check()

    def whole_runs(self, name: str) -> list[RunRecord]:
        """The records of the runs of this name that are whole and were written by the auditor, oldest first."""
        records = (self._record(run, name) for run in self._named(name) if self.shelf.has_record(run))
        return [record for record in records if record is not None]

    def previous(self, name: str, before: str, cluster_uid: str | None = None) -> RunRecord | None:
        """The newest whole run before this one, of the same cluster as far as both are known."""
        earlier = (run for run in reversed(self._named(name)) if run < before)
        return next(self._about(cluster_uid, name, earlier), None)

    def newest_complete(self, last: RunRecord) -> RunRecord | None:
        """The newest whole run of this one's name and cluster with complete evidence, up to this one.

        Runs of a clock that was ahead would hide how old the evidence is.
        """
        until = (run for run in reversed(self._named(last.name)) if run <= last.run)
        found = self._about(last.cluster_uid, last.name, until)
        return next((record for record in found if record.complete), None)

    def _about(self, cluster_uid: str | None, name: str, runs: Iterable[str]) -> Iterator[RunRecord]:
        for run in runs:
            record = self._record(run, name) if self.shelf.has_record(run) else None
            if record is not None and (
                None in (cluster_uid, record.cluster_uid) or record.cluster_uid == cluster_uid
            ):
                yield record

    def read(self, record: RunRecord, file: str) -> bytes:
        """A file of a stored run. Raises ShelfError when it is missing or isn't what was stored."""
        listed = next((entry for entry in record.files if entry.name == file), None)
        try:
            content = self.shelf.read(record.run, file) if listed else None
        except FileNotFoundError:
            content = None
        if listed is None or content is None:
            raise ShelfError(f"{record.run}: has no {file}")
        if hashlib.sha256(content).hexdigest() != listed.sha256:
            raise ShelfError(f"{record.run}: {file} was changed since it was stored")
        return content

    def told_at(self, record: RunRecord) -> str | None:
        """When it was told that this run's evidence is incomplete; None where it wasn't. Raises ShelfError."""
        try:
            return RunTold.model_validate_json(self.shelf.read(record.run, TOLD)).told_at
        except (FileNotFoundError, ValidationError):
            return None

    def note_told(self, record: RunRecord, told_at: str) -> None:
        """Remember it. Raises ShelfError."""
        self.shelf.add(record.run, TOLD, RunTold(told_at=told_at).model_dump_json().encode())

    def put(self, run: str, folder: Path) -> None:
        """Store a run's folder under its name. Raises ShelfError."""
        self.shelf.put(run, folder)

    def prune(self, last: RunRecord, keep: int) -> list[str]:
        """Delete the oldest runs of this one's name and cluster beyond `keep`; which they were.

        Never this run, which isn't the newest where a clock went back, nor the newest with complete evidence. Only files
        that a record names, and that a run may have, are deleted. Raises ShelfError.
        """
        records = [entry for entry in self.whole_runs(last.name) if entry.cluster_uid == last.cluster_uid]
        complete = [record.run for record in records if record.complete][-1:]
        gone = [record for record in records[:-keep] if record.run not in (*complete, last.run)]
        for record in gone:
            ours = {entry.name for entry in record.files} & set(RUN_FILES) | {TOLD}
            self.shelf.delete(record.run, [RECORD, *sorted(ours - {STARTED}), STARTED])
        return [record.run for record in gone]

    def prune_left_over(self, name: str, now: datetime) -> list[str]:
        """Delete what runs of this name left that were killed, a day later; which they were. Raises ShelfError."""
        gone = []
        for run in self.shelf.runs():
            match = _RUN.fullmatch(run.removeprefix(PARTIAL))
            if not match or match["name"] != name or self.shelf.has_record(run):
                continue
            if _time(match["time"]) <= now - LEFT_OVER_AFTER and self._started(run, name):
                self.shelf.delete(run, [RECORD, *(file for file in RUN_FILES if file != STARTED), STARTED])
                gone.append(run)
        return gone

    def _named(self, name: str) -> list[str]:
        matches = ((run, _RUN.fullmatch(run)) for run in self.shelf.runs())
        return sorted(run for run, match in matches if match and match["name"] == name)

    def _record(self, run: str, name: str) -> RunRecord | None:
        try:
            record = RunRecord.model_validate_json(self.shelf.read(run, RECORD))
        except (FileNotFoundError, ValidationError):
            return None
        return record if (record.run, record.name) == (run, name) else None

    def _started(self, run: str, name: str) -> bool:
        try:
            started = RunStarted.model_validate_json(self.shelf.read(run, STARTED))
        except (FileNotFoundError, ValidationError):
            return False
        return started.name == name and started.run == run.removeprefix(PARTIAL)


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def stored_files(folder: Path) -> list[StoredFile]:
    """Name, size and sha256 of every file, sorted by name."""
    return [_stored(path) for path in sorted(folder.iterdir())]


def _stored(path: Path) -> StoredFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredFile(name=path.name, size=path.stat().st_size, sha256=digest)
