"""Limits of this report: what it can't show, whatever it shows."""

from dataclasses import dataclass

from auditor.report.draft import Draft
from auditor.report.wording import N_

TITLE = N_("Limits of this report")
NOT_KUBERNETES = "not a Kubernetes object"
"""Files beside the manifests (a scope file, a README's example) lack nothing; the appendix lists them."""


@dataclass(frozen=True, slots=True)
class LimitsView:
    """`stated` come with the result; the template adds those of every report."""

    stated: tuple[str, ...]
    complete: bool
    incomplete_kinds: tuple[str, ...]
    broken_inputs: tuple[tuple[str, str], ...]


def build(draft: Draft) -> LimitsView:
    """The view of the limits."""
    result = draft.result
    missing = [k for k in result.kinds if k.read and k.completeness not in ("complete", "not-installed")]
    return LimitsView(
        stated=tuple(result.limitations),
        complete=result.run.complete,
        incomplete_kinds=tuple(f"{kind.kind}.{kind.group}" if kind.group else kind.kind for kind in missing),
        broken_inputs=tuple(
            (entry.path, entry.problem)
            for entry in result.inputs
            if entry.problem and not entry.problem.startswith(NOT_KUBERNETES)
        ),
    )
