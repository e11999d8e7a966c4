"""What protects each port, as rows."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from difflib import get_close_matches

from auditor.checks.context import Facts
from auditor.encryption import cni
from auditor.encryption.injection import WEBHOOKS
from auditor.encryption.istio.inbound import READS as ISTIO
from auditor.encryption.linkerd.inbound import READS as LINKERD
from auditor.encryption.verdicts import PortProtection
from auditor.evaluate.reason_rows import reason_rows
from auditor.inventory.endpoints import Endpoint
from auditor.model.encryption_result import EncryptionResult, EncryptionRow, RecordRow
from auditor.model.kinds import NAMESPACE, POD, SERVICE, WORKLOAD_KINDS, KindKey
from auditor.model.user_error import UserError

READS: tuple[KindKey, ...] = (
    *(POD, *WORKLOAD_KINDS, NAMESPACE, SERVICE, WEBHOOKS),
    *ISTIO,
    *LINKERD,
    *cni.READS,
)
"""The kinds that make the rows or decide them."""

_CANDIDATES = 5


def build_encryption(facts: Facts, in_scope: Callable[[Endpoint], bool] | None = None) -> EncryptionResult:
    """Every declared port. With `in_scope` only those of endpoints in scope."""
    rows = (row for row in facts.encryption.rows() if in_scope is None or in_scope(row.endpoint))
    return _result((row, _own_name(row.endpoint)) for row in rows)


def encryption_of_pod(facts: Facts, name: str, ports: Iterable[tuple[int, str]] = ()) -> EncryptionResult:
    """The given ports of one pod (`namespace/name`) or endpoint (its id), declared or not; without any, those declared.

    Raises UserError, with candidates, for a name that the evidence doesn't have.
    """
    endpoint, pod = _find(facts, name)
    wanted = tuple(ports) or facts.services.ports_of(endpoint)
    return _result((facts.encryption.port(endpoint, number, protocol), pod) for number, protocol in wanted)


def _find(facts: Facts, name: str) -> tuple[Endpoint, str | None]:
    known: dict[str, tuple[Endpoint, str | None]] = {}
    for endpoint in facts.endpoints:
        known[endpoint.id] = endpoint, _own_name(endpoint)
        known.update({f"{pod.namespace}/{pod.name}": (endpoint, pod.name) for pod in endpoint.pods})
    if name in known:
        return known[name]
    close = get_close_matches(name, list(known), _CANDIDATES, 0.5)
    hint = f"; did you mean {', '.join(close)}" if close else ""
    raise UserError(f"--pod: no pod or endpoint {name!r} in the evidence{hint}")


def _own_name(endpoint: Endpoint) -> str | None:
    return endpoint.name if endpoint.kind == POD.kind else None


def _result(rows: Iterable[tuple[PortProtection, str | None]]) -> EncryptionResult:
    found = [_row(row, pod) for row, pod in rows]
    return EncryptionResult(rows=sorted(found, key=lambda row: (row.workload, row.port, row.protocol)))


def _row(row: PortProtection, pod: str | None) -> EncryptionRow:
    fields = {
        "namespace": row.endpoint.namespace,
        "workload": row.endpoint.id,
        "pod": pod,
        "port": row.port,
        "protocol": row.protocol,
        "verdict": row.label.value,
        "record": RecordRow.model_validate({name: tri.value for name, tri in asdict(row.record).items()}),
        "data_plane": row.data_plane,
        "mode": row.mode,
        "minimum_tls_version": row.minimum_tls,
        "covered_by": sorted(row.covered_by),
        "reasons": reason_rows(row.causes),
        "evidence": sorted(set(row.evidence)),
    }
    return EncryptionRow.model_validate(fields)
