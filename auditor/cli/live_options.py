"""The options that name a live cluster, and reading either it or SOURCE."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.output import remark
from auditor.model.user_error import UserError

if TYPE_CHECKING:
    from auditor.collect.live.collection import CollectionRecord, LiveCollection
    from auditor.collect.live.lists import OnPage
    from auditor.collect.live.target import LiveTarget
    from auditor.model.evidence import Snapshot
    from auditor.model.kinds import KindKey

_PANEL = "Live cluster (without SOURCE)"

ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="The kubeconfig's context; the current one when left out.",
        rich_help_panel=_PANEL,
    ),
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="Instead of $KUBECONFIG or ~/.kube/config.",
        rich_help_panel=_PANEL,
    ),
]
InClusterOption = Annotated[
    bool,
    typer.Option(
        "--in-cluster", help="The cluster this runs in, as the pod's service account.", rich_help_panel=_PANEL
    ),
]
NamespaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        help="Only these namespaces; repeatable. What others could change isn't evaluated.",
        rich_help_panel=_PANEL,
    ),
]

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_namespaces(namespaces: Sequence[str]) -> tuple[str, ...]:
    """Sorted and distinct. Raises UserError for what can't be a namespace's name."""
    for name in namespaces:
        if not _NAMESPACE.fullmatch(name):
            raise UserError(f"--namespace: expected a namespace's name (got {name!r})")
    return tuple(sorted(set(namespaces)))


def live_target(
    context: str | None, kubeconfig: Path | None, in_cluster: bool, namespaces: Sequence[str] | None
) -> "LiveTarget":
    """The cluster that the options name. Raises UserError for options that exclude each other."""
    from auditor.collect.live.target import LiveTarget

    if in_cluster and (context is not None or kubeconfig is not None):
        raise UserError("--in-cluster excludes --context and --kubeconfig")
    if kubeconfig is not None and not kubeconfig.is_file():
        raise UserError(f"--kubeconfig: no such file: {kubeconfig}")
    chosen = check_namespaces(namespaces) if namespaces else None
    return LiveTarget(str(kubeconfig) if kubeconfig else None, context, in_cluster, chosen)


def target_without_sources(
    sources: Sequence[str] | None,
    context: str | None,
    kubeconfig: Path | None,
    in_cluster: bool,
    namespaces: Sequence[str] | None,
    assume_complete: str | None = None,
) -> "LiveTarget | None":
    """The live cluster, None when SOURCE is given. Raises UserError when both are."""
    if not sources:
        if assume_complete is not None:
            raise UserError("--assume-complete: of a live cluster it is known what was collected completely")
        return live_target(context, kubeconfig, in_cluster, namespaces)
    given = {
        "--context": context is not None,
        "--kubeconfig": kubeconfig is not None,
        "--in-cluster": in_cluster,
        "--namespace": bool(namespaces),
    }
    named = [name for name, is_given in given.items() if is_given]
    if named:
        raise UserError(f"{', '.join(named)}: a live cluster is read without SOURCE (got {sources[0]!r})")
    return None


def snapshot_of_cluster(target: "LiveTarget", quiet: bool) -> "Callable[[Iterable[KindKey]], Snapshot]":
    """Collects kinds from the cluster, telling on standard error what is going on and what is worth knowing."""
    return lambda kinds: collect_telling(target, kinds, quiet).snapshot


def collect_telling(target: "LiveTarget", kinds: "Iterable[KindKey]", quiet: bool) -> "LiveCollection":
    """The collection, its progress and its notes on standard error."""
    from auditor.audit import collect_cluster

    with _pages(quiet) as on_page:
        found = collect_cluster(target, kinds, on_page)
    _tell(target, found.snapshot, len(found.snapshot.objects), found, quiet)
    return found


def collect_bundle_telling(
    target: "LiveTarget", kinds: "Iterable[KindKey]", out: Path, scope_text: str | None, quiet: bool
) -> "CollectionRecord":
    """The same into a bundle, page by page."""
    from auditor.audit import collect_bundle

    with _pages(quiet) as on_page:
        found = collect_bundle(target, kinds, out, scope_text, on_page)
    _tell(target, found.outline, found.items, found, quiet)
    return found


def _tell(
    target: "LiveTarget",
    snapshot: "Snapshot",
    count: int,
    found: "LiveCollection | CollectionRecord",
    quiet: bool,
) -> None:
    for note in found.notes:
        remark(quiet, note)
    cluster = snapshot.cluster.name or "the cluster"
    remark(quiet, f"{count} objects collected from {cluster} in {found.sent} requests")
    if target.namespaces is not None:
        places = ", ".join(target.namespaces)
        remark(quiet, f"only of --namespace {places}: what objects elsewhere could change is NOT_EVALUATED")


def read_either(
    sources: Sequence[str] | None, target: "LiveTarget | None", assume_complete: str | None, quiet: bool
) -> "Snapshot":
    """SOURCE where it is given, else everything that any control needs from the live cluster. Raises UserError."""
    from auditor.audit import controls_of_kinds, read_snapshot
    from auditor.cli.progress import progress

    if sources or target is None:
        with progress(quiet)("Reading the input"):
            snapshot = read_snapshot(sources or (), assume_complete)
        for entry in snapshot.inputs:
            if entry.is_broken:
                remark(quiet, str(entry.located))
        return snapshot
    return collect_telling(target, controls_of_kinds(), quiet).snapshot


def tell_left_open(
    target: "LiveTarget", frameworks: Sequence[str], controls: Sequence[Path], quiet: bool
) -> None:
    """Which controls can't be answered for sure from some namespaces alone."""
    if target.namespaces is None:
        return
    from auditor.audit import controls_left_open

    names = ", ".join(controls_left_open(frameworks, controls))
    remark(quiet, f"--namespace: objects of other namespaces bear on {names}")


@contextmanager
def _pages(quiet: bool) -> "Iterator[OnPage | None]":
    """Kind, items and pages: a line that vanishes in a terminal, one line for each finished kind elsewhere."""
    if quiet:
        yield None
        return
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("Collecting …") as status:
            yield lambda path, items, pages: status.update(f"Collecting {_told(path, items, pages)}")
        return
    last: list[tuple[str, int, int]] = []

    def note(path: str, items: int, pages: int) -> None:
        if last and last[-1][0] != path:
            remark(quiet, _told(*last[-1]))
        last[:] = [(path, items, pages)]

    yield note
    if last:
        remark(quiet, _told(*last[-1]))


def _told(path: str, items: int, pages: int) -> str:
    return f"{path.removeprefix('/apis/').removeprefix('/api/')}: {items} items, {pages} pages"
