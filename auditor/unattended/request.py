"""What an unattended run is asked to do, and what came of it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.audit import load_scope
from auditor.collect.catalogue_files import read_text
from auditor.collect.live.target import LiveTarget
from auditor.model.comparison import Comparison
from auditor.model.kinds import KindKey
from auditor.model.result import AuditResult
from auditor.model.run_config import RunConfig
from auditor.model.run_record import RunRecord
from auditor.model.strict_yaml import Located, parse_strict
from auditor.model.user_error import ExitCode, UserError
from auditor.publish.channels import trusted_file
from auditor.store.runs import RunStore, open_store

if TYPE_CHECKING:
    from auditor.collect.live.collection import CollectionRecord


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the command line gives beside the configuration: clock, waiting, and where remarks and progress go."""

    config: RunConfig
    folder: Path
    """The configuration's folder, which its paths are relative to."""
    command: Sequence[str]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    remark: Callable[[str], None]
    collect: "Callable[[LiveTarget, Iterable[KindKey], Path, str | None], CollectionRecord]"
    """Writes kinds of a cluster to a bundle at a path, with the text of a scope file."""
    stage: Callable[[str], AbstractContextManager[None]]

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.folder / name

    def store(self) -> RunStore:
        """The store. Raises UserError when the bucket's library isn't installed."""
        config = self.config.store
        ca_file = trusted_file(self.path(config.ca_file)) if config.ca_file else None
        return open_store(config.model_copy(update={"ca_file": ca_file}))

    def target(self) -> LiveTarget:
        """The cluster that the configuration names."""
        collect = self.config.collect
        kubeconfig = str(self.path(collect.kubeconfig)) if collect.kubeconfig else None
        namespaces = tuple(sorted(set(collect.namespaces))) or None
        return LiveTarget(kubeconfig, collect.context, collect.in_cluster, namespaces)

    def scope_text(self) -> str | None:
        """The scope file's text, once it was seen to be one. Raises UserError."""
        if self.config.scope is None:
            return None
        path = self.path(self.config.scope)
        load_scope(path)
        return read_text(path)

    def require_input(self) -> None:
        """Raises UserError when the kubeconfig or a source isn't there."""
        collect = self.config.collect
        for name in filter(None, (collect.kubeconfig, *collect.sources)):
            if not self.path(name).exists():
                raise UserError(f"{self.path(name)}: no such file or folder")

    def controls(self) -> list[Path]:
        """Where the user's own controls are."""
        return [self.path(name) for name in self.config.controls]


@dataclass(slots=True)
class RunOutcome:
    """The stored record, and what could not be delivered, one line each."""

    record: RunRecord
    undelivered: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """What the evidence deserves; where that is 0 and something wasn't delivered, 4."""
        deserved = ExitCode(self.record.exit_code)
        undelivered = deserved is ExitCode.DONE and bool(self.undelivered)
        return ExitCode.OUTPUT_NOT_WRITTEN if undelivered else deserved


def load_run_config(path: Path) -> Located[RunConfig]:
    """The configuration, parsed strictly. Raises UserError with one line for each mistake."""
    return parse_strict(read_text(path), str(path), RunConfig)


@dataclass(frozen=True, slots=True)
class Stored:
    """A run whose evidence is safe."""

    record: RunRecord
    comparison: Comparison
    result: AuditResult


def rfc3339(time: datetime) -> str:
    """UTC, in seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
