"""Encryption records: the values of the layers, how they combine and which label follows from a record.

The fields speak of every connection to the port: yes or no for all of them, unknown where the evidence cannot tell or
where it depends on the client (OPPORTUNISTIC). The combination is field by field, so the order is the product order;
DENIED and INDETERMINATE stand outside it.
"""

from auditor.model.verdict import EncryptionRecord, Protection, Tri, all_of, any_of

_YES, _NO, _UNKNOWN = Tri.YES, Tri.NO, Tri.UNKNOWN

PLAINTEXT = EncryptionRecord(_YES, _NO, _NO, _NO, _NO)
OPPORTUNISTIC = EncryptionRecord(_YES, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)
REJECTED_BY_AUTHZ = EncryptionRecord(_YES, _UNKNOWN, _UNKNOWN, _UNKNOWN, _YES)
SERVER_ONLY = EncryptionRecord(_NO, _YES, _YES, _YES, _NO)
MUTUAL = EncryptionRecord(_NO, _YES, _YES, _YES, _YES)
DENIED = EncryptionRecord(_NO, _NO, _NO, _NO, _NO)
"""Nothing is accepted, so nothing is sent: plaintext is refused and there is no connection to encrypt."""
INDETERMINATE = EncryptionRecord(_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)


def label(record: EncryptionRecord) -> Protection:
    """The name of a record."""
    if record == DENIED:
        return Protection.DENIED
    if record.plaintext_accepted is Tri.NO:
        return _label_without_plaintext(record)
    if record.plaintext_accepted is Tri.UNKNOWN:
        return Protection.INDETERMINATE
    if record.client_authenticated is Tri.YES:
        return Protection.PLAINTEXT_REJECTED_BY_AUTHZ
    if record.cross_node_encrypted is Tri.YES:
        return Protection.NODE_ENCRYPTED_UNAUTHENTICATED
    if record.client_authenticated is Tri.UNKNOWN:
        return Protection.OPPORTUNISTIC
    return Protection.PLAINTEXT if record.cross_node_encrypted is Tri.NO else Protection.INDETERMINATE


def _label_without_plaintext(record: EncryptionRecord) -> Protection:
    encrypted = all_of((record.cross_node_encrypted, record.same_node_encrypted, record.server_authenticated))
    if encrypted is not Tri.YES or record.client_authenticated is Tri.UNKNOWN:
        return Protection.INDETERMINATE
    mutual = record.client_authenticated is Tri.YES
    return Protection.ENFORCED_MTLS if mutual else Protection.TLS_SERVER_ONLY


def combine(workload: EncryptionRecord, cross_node: Tri, same_node: Tri) -> EncryptionRecord:
    """A workload's record with what the nodes encrypt below it. Nodes authenticate themselves, not workloads."""
    if workload == DENIED:
        return workload
    return EncryptionRecord(
        plaintext_accepted=workload.plaintext_accepted,
        cross_node_encrypted=any_of((workload.cross_node_encrypted, cross_node)),
        same_node_encrypted=any_of((workload.same_node_encrypted, same_node)),
        server_authenticated=workload.server_authenticated,
        client_authenticated=workload.client_authenticated,
    )
