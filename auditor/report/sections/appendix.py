"""Evidence appendix: kinds with their completeness and requests, files with hashes, objects, what was redacted."""

from dataclasses import dataclass

from auditor.evaluate.permissions import ENGINE_KINDS
from auditor.model import result as r
from auditor.model.kinds import KindKey
from auditor.report.draft import Draft
from auditor.report.profile import Shortened, shorten
from auditor.report.sections.cover import inputs_hash
from auditor.report.wording import N_

TITLE = N_("Evidence")


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind by name, with what is known of its completeness."""

    name: str
    entry: r.KindEvidence


@dataclass(frozen=True, slots=True)
class AppendixView:
    """`read` are the kinds that a selected control reads, `settings` those that the engines read beside them for all
    controls; `other` were in the input and nothing reads them."""

    read: tuple[KindRow, ...]
    settings: tuple[KindRow, ...]
    other: Shortened[KindRow]
    empty: tuple[KindRow, ...]
    inputs: Shortened[r.Input]
    inputs_hash: str
    bytes: int
    evidence: Shortened[r.EvidenceItem]
    redactions: Shortened[r.RedactionResult]


def build(draft: Draft) -> AppendixView:
    """The appendix's view."""
    result, profile = draft.result, draft.profile
    read = [_kind(kind) for kind in result.kinds if kind.read]
    unread = [_kind(kind) for kind in result.kinds if not kind.read]
    plain = [row for row in read if profile.paged and not row.entry.objects and _nothing_missing(row)]
    told = {id for group in draft.deviations for finding in group.findings for id in finding.evidence}
    ordered = sorted(result.evidence, key=lambda item: item.id not in told)
    return AppendixView(
        read=tuple(row for row in read if row not in plain),
        empty=tuple(plain),
        settings=tuple(row for row in unread if _is_setting(row)),
        other=shorten([row for row in unread if not _is_setting(row)], profile.input_rows),
        inputs=shorten(result.inputs, profile.input_rows),
        inputs_hash=inputs_hash(result.inputs),
        bytes=sum(entry.size for entry in result.inputs),
        evidence=shorten(ordered, profile.evidence_rows),
        redactions=shorten(result.redactions, profile.redaction_rows),
    )


def _kind(kind: r.KindEvidence) -> KindRow:
    return KindRow(kind.resource or (f"{kind.kind}.{kind.group}" if kind.group else kind.kind), kind)


def _is_setting(row: KindRow) -> bool:
    return KindKey(row.entry.group, row.entry.kind) in ENGINE_KINDS


def _nothing_missing(row: KindRow) -> bool:
    return row.entry.completeness in ("complete", "not-installed")
