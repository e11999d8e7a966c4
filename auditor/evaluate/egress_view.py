"""The ways out of the cluster, as rows."""

from dataclasses import asdict
from typing import Any

from auditor.checks.context import Facts
from auditor.encryption import cni
from auditor.encryption.egress.values import Egress, Hop
from auditor.encryption.egress.ways import READS as EGRESS_READS
from auditor.encryption.injection import WEBHOOKS
from auditor.encryption.record import label
from auditor.evaluate.reason_rows import reason_rows
from auditor.model.egress_result import EgressResult, EgressRow
from auditor.model.kinds import POD, WORKLOAD_KINDS, KindKey
from auditor.model.verdict import EncryptionRecord

READS: tuple[KindKey, ...] = (POD, *WORKLOAD_KINDS, WEBHOOKS, *EGRESS_READS, *cni.READS)
"""The kinds that make the rows or decide them."""

_SHOWN = 20


def build_egress(facts: Facts) -> EgressResult:
    """Every way out that the engine has, in its order."""
    return EgressResult(rows=[_row(row) for row in facts.encryption.egress])


def _row(row: Egress) -> EgressRow:
    fields = {
        "object": row.object or None,
        "host": row.host,
        "port": row.port,
        "protocol": row.protocol,
        "location": row.location.value,
        "sources": [source.id for source in row.sources[:_SHOWN]],
        "source_count": len(row.sources),
        "hops": [_hop(hop) for hop in row.hops],
        "sent": row.sent.value,
        "verdict": row.label.value,
        "record": _record(row.record),
        "reasons": reason_rows(row.reasons.causes),
        "evidence": sorted(set(row.evidence)),
    }
    return EgressRow.model_validate(fields)


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "source": hop.origin,
        "target": hop.target,
        "sent": hop.sent.value,
        "verdict": label(hop.record).value,
        "record": _record(hop.record),
    }


def _record(record: EncryptionRecord) -> dict[str, str]:
    return {name: tri.value for name, tri in asdict(record).items()}
