"""Records, labels and the combination of layers (contracts: encryption and entry points)."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import auditor.encryption
from auditor.encryption import record as records
from auditor.encryption.node_encryption import UNKNOWN_NODE_ENCRYPTION, NodeEncryption
from auditor.encryption.reasons import CAUSES
from auditor.model.verdict import EncryptionRecord, Protection, Tri
from tests.encryption.mesh_manifests import (
    NO_NODE_ENCRYPTION,
    PERMISSIVE,
    STRICT,
    WIREGUARD,
    Manifest,
    codes,
    judge,
    peer_authentication,
    pod,
    service,
    world,
)

P = Protection
YES, NO, UNKNOWN = Tri.YES, Tri.NO, Tri.UNKNOWN

LABELS = [
    ("plaintext accepted and nothing encrypts", (YES, NO, NO, NO, NO), P.PLAINTEXT),
    ("it depends on the client", (YES, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), P.OPPORTUNISTIC),
    (
        "plaintext reaches the port, only identities get further",
        (YES, UNKNOWN, UNKNOWN, UNKNOWN, YES),
        P.PLAINTEXT_REJECTED_BY_AUTHZ,
    ),
    ("nodes encrypt below a plaintext port", (YES, YES, NO, NO, NO), P.NODE_ENCRYPTED_UNAUTHENTICATED),
    (
        "nodes encrypt below an opportunistic port",
        (YES, YES, UNKNOWN, UNKNOWN, UNKNOWN),
        P.NODE_ENCRYPTED_UNAUTHENTICATED,
    ),
    ("what nodes encrypt is unknown", (YES, UNKNOWN, UNKNOWN, NO, NO), P.INDETERMINATE),
    ("TLS, clients unauthenticated", (NO, YES, YES, YES, NO), P.TLS_SERVER_ONLY),
    ("TLS, both authenticated", (NO, YES, YES, YES, YES), P.ENFORCED_MTLS),
    ("TLS, clients unknown", (NO, YES, YES, YES, UNKNOWN), P.INDETERMINATE),
    ("nothing is accepted", (NO, NO, NO, NO, NO), P.DENIED),
    ("nothing is known", (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), P.INDETERMINATE),
    ("only the nodes' part is known", (UNKNOWN, YES, NO, UNKNOWN, UNKNOWN), P.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "fields", "expected"), LABELS, ids=[case[0] for case in LABELS])
def test_the_label_follows_from_the_record(
    case: str, fields: tuple[Tri, Tri, Tri, Tri, Tri], expected: Protection
) -> None:
    assert records.label(EncryptionRecord(*fields)) is expected


TRI = st.sampled_from(Tri)
RECORD = st.builds(EncryptionRecord, TRI, TRI, TRI, TRI, TRI)


@settings(deadline=None)
@given(RECORD, TRI, TRI)
def test_layers_combine_field_by_field_and_unknown_stays_unknown(
    record: EncryptionRecord, cross: Tri, same: Tri
) -> None:
    combined = records.combine(record, cross, same)
    assert combined.plaintext_accepted is record.plaintext_accepted
    assert combined.client_authenticated is record.client_authenticated
    assert combined.server_authenticated is record.server_authenticated
    if record != records.DENIED:
        pairs = [
            (record.cross_node_encrypted, cross, combined.cross_node_encrypted),
            (record.same_node_encrypted, same, combined.same_node_encrypted),
        ]
        for own, below, together in pairs:
            assert (together is YES) == (YES in (own, below))
            assert (together is NO) == (own is NO and below is NO)


@settings(deadline=None)
@given(RECORD)
def test_an_indeterminate_record_never_gets_a_passing_label(record: EncryptionRecord) -> None:
    if record.plaintext_accepted is UNKNOWN:
        assert records.label(record) is P.INDETERMINATE


UNMESHED = pod(proxy=None)
STRICT_NAMESPACE = peer_authentication("ns", "shop", STRICT)
EXCEPTED = NodeEncryption("calico", YES, NO, mechanism="wireguard", except_nodes=frozenset({"n2"}))
HOSTS_TOO = NodeEncryption("calico", YES, NO, mechanism="wireguard", host_network=YES)
COMBINED = [
    ("unmeshed, WireGuard", [UNMESHED], WIREGUARD, P.NODE_ENCRYPTED_UNAUTHENTICATED, ("cilium-wireguard",)),
    ("unmeshed, nothing below", [UNMESHED], NO_NODE_ENCRYPTION, P.PLAINTEXT, ()),
    ("unmeshed, the CNI unknown", [UNMESHED], UNKNOWN_NODE_ENCRYPTION, P.INDETERMINATE, ()),
    ("unmeshed, a node takes no part", [UNMESHED], EXCEPTED, P.INDETERMINATE, ()),
    ("the node's network is not covered", [pod(proxy=None, hostNetwork=True)], WIREGUARD, P.PLAINTEXT, ()),
    (
        "the node's network is covered too",
        [pod(proxy=None, hostNetwork=True)],
        HOSTS_TOO,
        P.NODE_ENCRYPTED_UNAUTHENTICATED,
        ("calico-wireguard",),
    ),
    (
        "STRICT, the CNI unknown",
        [pod(), STRICT_NAMESPACE],
        UNKNOWN_NODE_ENCRYPTION,
        P.ENFORCED_MTLS,
        ("istio-sidecar",),
    ),
    (
        "STRICT and WireGuard",
        [pod(), STRICT_NAMESPACE],
        WIREGUARD,
        P.ENFORCED_MTLS,
        ("istio-sidecar", "cilium-wireguard"),
    ),
    ("PERMISSIVE, nothing below", [pod()], NO_NODE_ENCRYPTION, P.OPPORTUNISTIC, ("istio-sidecar",)),
    ("PERMISSIVE, the CNI unknown", [pod()], UNKNOWN_NODE_ENCRYPTION, P.OPPORTUNISTIC, ("istio-sidecar",)),
    (
        "PERMISSIVE and WireGuard",
        [pod()],
        WIREGUARD,
        P.NODE_ENCRYPTED_UNAUTHENTICATED,
        ("istio-sidecar", "cilium-wireguard"),
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "nodes", "expected", "layers"), COMBINED, ids=[case[0] for case in COMBINED]
)
def test_mesh_and_nodes_together(
    case: str, manifests: list[Manifest], nodes: NodeEncryption, expected: Protection, layers: tuple[str, ...]
) -> None:
    found = judge(*manifests, nodes=nodes)
    assert (found.label, found.covered_by) == (expected, layers)
    assert found.label is records.label(found.record)
    assert found.mesh_label is records.label(found.mesh_record)
    assert codes(found) <= set(CAUSES)


def test_plaintext_of_the_mesh_stays_visible_above_unknown_nodes() -> None:
    found = judge(UNMESHED, nodes=UNKNOWN_NODE_ENCRYPTION)
    assert found.mesh_label is P.PLAINTEXT
    assert found.record.plaintext_accepted is YES
    assert found.record.cross_node_encrypted is UNKNOWN


ENROLLED = NodeEncryption("cilium", NO, NO, mechanism="ztunnel", workload_mtls=frozenset({"shop"}))


def test_a_cni_that_carries_a_namespace_under_mutual_tls() -> None:
    assert (found := judge(UNMESHED, nodes=ENROLLED)).data_plane == "cilium-ztunnel"
    assert found.label is P.INDETERMINATE
    assert judge(UNMESHED, nodes=ENROLLED, protocol="UDP").label is P.PLAINTEXT
    assert judge(pod(proxy=None, hostNetwork=True), nodes=ENROLLED).label is P.PLAINTEXT


def test_rows_are_every_port_that_containers_or_services_declare() -> None:
    encryption, _ = world(
        pod(), service(port=443, target=9443), peer_authentication("ns", "shop", PERMISSIVE)
    )
    assert [row.subject for row in encryption.rows()] == ["shop/Pod/web:8080/TCP", "shop/Pod/web:9443/TCP"]


def test_every_verdict_points_to_evidence() -> None:
    encryption, _ = world(pod(), pod("other", proxy=None), STRICT_NAMESPACE)
    for row in encryption.rows():
        assert row.evidence
        assert row.causes


@pytest.mark.parametrize("code", sorted(CAUSES))
def test_sentences_fill_with_text_parameters(code: str) -> None:
    class Anything(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return "x"

    assert CAUSES[code].format_map(Anything())


MESH_SOURCES = sorted((Path(auditor.encryption.__file__).parent).rglob("*.py"))
CODE = re.compile(r'"((?:indeterminate\.)?(?:istio|linkerd|client|mesh|injection|combined)\.[a-z0-9.-]+)"')


@pytest.mark.parametrize("path", MESH_SOURCES, ids=lambda path: path.stem)
def test_every_cause_in_the_code_is_on_the_closed_list(path: Path) -> None:
    written = set(CODE.findall(path.read_text()))
    hosts = {code for code in written if code.endswith((".io", ".svc", ".local"))}
    assert written - hosts <= set(CAUSES)
