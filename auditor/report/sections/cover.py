"""Cover: which cluster, when, by whom, how many requirements deviate, and what this is not."""

import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.model import result as r
from auditor.report.bars import Bar, draw_bar
from auditor.report.draft import Draft, framework_name
from auditor.report.wording import ENTITIES, N_

TITLE = N_("Cover")


@dataclass(frozen=True, slots=True)
class FrameworkNumbers:
    """A framework's requirements by status."""

    name: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class CoverView:
    """What the cover prints; None is printed as "not recorded"."""

    title: str
    scope: r.ScopeResult
    cluster: r.ClusterResult
    run: r.Run
    tool: str
    command: str
    entity: str
    frameworks: tuple[FrameworkNumbers, ...]
    objects: int
    kinds: int
    incomplete: int
    inputs: int
    inputs_hash: str


def build(draft: Draft) -> CoverView:
    """The cover's view."""
    result = draft.result
    read = [kind for kind in result.kinds if kind.read]
    return CoverView(
        title=result.title,
        scope=result.scope,
        cluster=result.cluster,
        run=result.run,
        tool=f"{result.tool.name} {result.tool.version}",
        command=shlex.join(result.tool.command),
        entity=ENTITIES[result.scope.entity],
        frameworks=tuple(
            FrameworkNumbers(framework_name(framework), draw_bar(f"cover-{framework.id}", framework.counts))
            for framework in result.frameworks
        ),
        objects=sum(kind.objects for kind in result.kinds),
        kinds=len(read),
        incomplete=sum(kind.completeness not in ("complete", "not-installed") for kind in read),
        inputs=len(result.inputs),
        inputs_hash=inputs_hash(result.inputs),
    )


def inputs_hash(inputs: Iterable[r.Input]) -> str:
    """One sha256 over all input files: of the lines `sha256, two spaces, path, newline`, sorted by path.

    It is what `sha256sum` prints for the files, sorted, hashed again, so that anybody can work it out.
    """
    lines = [f"{entry.sha256}  {entry.path}\n" for entry in sorted(inputs, key=lambda entry: entry.path)]
    return hashlib.sha256("".join(lines).encode("utf-8", "replace")).hexdigest()
