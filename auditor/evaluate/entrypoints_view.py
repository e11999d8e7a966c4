"""The ways in from outside, as rows."""

from auditor.checks.context import Facts
from auditor.encryption.entry_points import READS as ENTRY_READS
from auditor.encryption.entry_points import EntryPoint
from auditor.evaluate.reason_rows import reason_rows
from auditor.model.entrypoints_result import EntryPointRow, EntryPointsResult, TlsRow
from auditor.model.kinds import POD, KindKey

READS: tuple[KindKey, ...] = (*ENTRY_READS, POD)
"""The kinds that make the rows or decide them."""

_MAX_POLICY = 2000


def build_entrypoints(facts: Facts) -> EntryPointsResult:
    """Every row that the engine has, in its order: by object, host, port and listener."""
    return EntryPointsResult(rows=[_row(row) for row in facts.entry_points])


def _row(row: EntryPoint) -> EntryPointRow:
    fields = {
        "object": row.object,
        "controller": row.controller,
        "host": row.host,
        "port": row.port,
        "plaintext": row.plaintext.value,
        "tls": _tls(row),
        "client_authentication": row.client_authentication.value,
        "backend": row.backend.value,
        "hsts": row.hsts.value,
        "verdict": row.verdict.value,
        "reasons": reason_rows((*row.causes, *row.assumptions, *row.notices)),
    }
    return EntryPointRow.model_validate(fields)


def _tls(row: EntryPoint) -> TlsRow | None:
    if row.tls is None:
        return None
    return TlsRow.model_validate(
        {
            "mode": row.tls.mode.value,
            "minimum_version": row.tls.minimum_version,
            "certificate": row.tls.certificate,
            "policy": row.tls.policy[:_MAX_POLICY] if row.tls.policy else None,
        }
    )
