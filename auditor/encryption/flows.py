"""One flow: what the client's side sends, meeting what the port accepts.

The client's wire and the port's record are judged apart; here they meet. Plaintext to a port that refuses it is a
connection that fails (DENIED), and a port that takes both is as good as what this client sends.
"""

from auditor.encryption import record as records
from auditor.encryption.verdicts import Wire
from auditor.model.verdict import EncryptionRecord, Protection, Tri

_TLS = {
    Wire.TLS: records.SERVER_ONLY,
    Wire.TLS_UNVERIFIED: EncryptionRecord(Tri.NO, Tri.YES, Tri.YES, Tri.NO, Tri.NO),
    Wire.MUTUAL_TLS: records.MUTUAL,
}
"""Ordinary TLS through a port that takes plaintext: the proxy passes it on to the application."""


def flow_record(wire: Wire, accepted: EncryptionRecord) -> EncryptionRecord:
    """The record of a flow, from what is sent and the mesh's record of the port."""
    label = records.label(accepted)
    if label in (Protection.DENIED, Protection.ENFORCED_MTLS):
        return _to_strict(wire, accepted)
    if label is Protection.INDETERMINATE:
        return records.INDETERMINATE
    if label is Protection.TLS_SERVER_ONLY:
        return records.DENIED if wire is Wire.PLAINTEXT else accepted
    if wire is Wire.MESH_MTLS:
        # A port that takes plaintext alone cannot answer mesh mTLS: the rules of the two ends contradict each other.
        return records.INDETERMINATE if accepted == records.PLAINTEXT else records.MUTUAL
    if wire is Wire.PLAINTEXT:
        rejected = label is Protection.PLAINTEXT_REJECTED_BY_AUTHZ
        return records.REJECTED_BY_AUTHZ if rejected else records.PLAINTEXT
    return _TLS.get(
        wire, records.OPPORTUNISTIC if accepted == records.OPPORTUNISTIC else records.INDETERMINATE
    )


def _to_strict(wire: Wire, accepted: EncryptionRecord) -> EncryptionRecord:
    """Whatever gets through is mutual TLS; what certainly isn't doesn't get through."""
    refused = wire in (Wire.PLAINTEXT, Wire.TLS, Wire.TLS_UNVERIFIED)
    return records.DENIED if refused else accepted
