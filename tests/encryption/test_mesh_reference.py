"""Real manifests: Linkerd's rendered charts and injected pods, and Istio's samples. Their verdicts, explained."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.encryption.egress.values import Sent
from auditor.encryption.protection import Encryption
from auditor.encryption.verdicts import PortProtection
from auditor.inventory.cluster import Cluster
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from auditor.model.objects import ObjectId
from auditor.model.verdict import Tri
from tests.encryption.mesh_manifests import Manifest, assert_explained, pod
from tests.objects import complete_claims, kube, snapshot

DATA = os.environ.get("AUDITOR_REFERENCE_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="AUDITOR_REFERENCE_DATA does not name the reference data's folder"
)
MANIFESTS = Path(DATA or "") / "real-manifests"


def objects_of(path: Path) -> dict[ObjectId, Any]:
    found = {}
    for document in yaml.safe_load_all(path.read_text()):
        for body in document["items"] if (document or {}).get("kind") == "List" else [document]:
            if body and "name" in body.get("metadata", {}):
                body["metadata"] = {
                    key: value for key, value in body["metadata"].items() if value is not None
                }
                obj = kube(body)
                found[obj.id] = obj
    return found


def load(*names: str, client: Manifest | None = None) -> Encryption:
    objects = {}
    for name in names:
        objects.update(objects_of(MANIFESTS / name))
    if client is not None:
        seen = kube(client)
        objects[seen.id] = seen
    cluster = Cluster(snapshot(objects.values(), complete_claims()))
    endpoints = list_endpoints(cluster)
    return Encryption(cluster, endpoints, Services(cluster, endpoints))


def application_rows(encryption: Encryption) -> dict[str, PortProtection]:
    return {row.subject: row for row in encryption.rows() if not row.proxy_port}


INJECTED = [
    (
        "inject_contour.yaml",
        {"heptio-contour/Deployment/contour:8080/TCP", "heptio-contour/Deployment/contour:8443/TCP"},
    ),
    (
        "inject_emojivoto_already_injected.yaml",
        {f"emojivoto/Deployment/web{number}:80/TCP" for number in range(1, 5)},
    ),
    ("inject_emojivoto_deployment.yaml", {"emojivoto/Deployment/web:80/TCP"}),
    ("inject_emojivoto_deployment_native_sidecar.yaml", {"emojivoto/Deployment/web:80/TCP"}),
    ("inject_emojivoto_deployment_opaque_ports.yaml", {"emojivoto/Deployment/web:80/TCP"}),
    (
        "inject_emojivoto_list.yaml",
        {"emojivoto/Deployment/emoji:8080/TCP", "emojivoto/Deployment/web:80/TCP"},
    ),
    ("inject_emojivoto_statefulset.yaml", {"emojivoto/StatefulSet/web:80/TCP"}),
]


@pytest.mark.parametrize(("name", "expected"), INJECTED, ids=[case[0] for case in INJECTED])
def test_injected_is_not_strict(name: str, expected: set[str]) -> None:
    """The proxies were injected with the default inbound policy all-unauthenticated: plaintext is let in."""
    rows = application_rows(load(f"linkerd/injected/{name}"))
    assert set(rows) == expected
    for row in rows.values():
        assert (row.data_plane, row.label, row.mode) == ("linkerd", "OPPORTUNISTIC", "all-unauthenticated")
        assert "linkerd.default-of-proxy" in {cause.code for cause in row.causes}


@pytest.mark.parametrize(
    "name",
    [
        "inject_emojivoto_deployment_hostNetwork_true.input.yaml",
        "inject_emojivoto_deployment_injectDisabled.input.yaml",
    ],
)
def test_what_must_not_be_injected_stays_outside_under_the_real_webhook(name: str) -> None:
    rows = application_rows(load("linkerd/control-plane.yaml", f"linkerd/injected/{name}"))
    row = rows["emojivoto/Deployment/web:9100/TCP"]
    assert (row.data_plane, row.mesh_label) == ("none", "PLAINTEXT")


def test_the_real_control_plane_tells_the_clusters_default() -> None:
    encryption = load("linkerd/control-plane.yaml", "linkerd/injected/inject_emojivoto_deployment.yaml")
    assert encryption.meshes.linkerd is Tri.YES
    rows = application_rows(encryption)
    assert "linkerd.default-of-cluster" in {c.code for c in rows["emojivoto/Deployment/web:80/TCP"].causes}
    assert encryption.membership(
        rows["linkerd-dev/Deployment/linkerd-identity:8080/TCP"].endpoint
    ).control_plane


def test_the_real_list_of_ignored_ports_bypasses_the_proxy() -> None:
    encryption = load("linkerd/injected/inject_emojivoto_deployment.yaml")
    endpoint = next(iter(application_rows(encryption).values())).endpoint
    bypassed = [
        port for port in (80, 4190, 4191, 4567, 4568) if not encryption.port(endpoint, port, "TCP").mode
    ]
    assert bypassed == [4190, 4191, 4567, 4568]


@pytest.mark.parametrize("folder", ["linkerd", "bookinfo", "istio-addons", "emojivoto", "online-boutique"])
def test_every_real_manifest_is_judged_and_explained(folder: str) -> None:
    for path in sorted((MANIFESTS / folder).rglob("*.yaml")):
        encryption = load(str(path.relative_to(MANIFESTS)))
        for row in encryption.rows():
            assert row.causes, (path, row.subject)
            assert_explained(row.causes)
        for rule in encryption.client_rules():
            assert_explained(rule.causes)
        for way in encryption.egress:
            assert way.reasons.causes or not way.sources, (path, way.subject)
            assert_explained(way.reasons.causes)


OUT = [
    ("bookinfo/networking/egress-rule-google-apis.yaml", "www.googleapis.com", 80, Sent.TLS),
    ("bookinfo/networking/egress-rule-google-apis.yaml", "www.googleapis.com", 443, Sent.TLS),
    ("online-boutique/istio-manifests.yaml", "accounts.google.com", 80, Sent.PLAINTEXT),
    ("online-boutique/istio-manifests.yaml", "accounts.google.com", 443, Sent.APPLICATION_TLS),
    ("online-boutique/istio-manifests.yaml", "*.googleapis.com", 80, Sent.PLAINTEXT),
    ("online-boutique/istio-manifests.yaml", "*.googleapis.com", 443, Sent.APPLICATION_TLS),
    ("online-boutique/istio-manifests.yaml", "metadata.google.internal", 80, Sent.PLAINTEXT),
]


@pytest.mark.parametrize(("name", "host", "port", "sent"), OUT)
def test_what_a_sidecar_sends_out_under_real_manifests(name: str, host: str, port: int, sent: Sent) -> None:
    """bookinfo leads 80 to 443, where its rule originates TLS (around the application's own, for who calls 443);
    online-boutique only registers hosts, so that plain HTTP leaves as it is."""
    encryption = load(name, client=pod("client", "default"))
    [found] = [way for way in encryption.egress if (way.host, way.port) == (host, port)]
    assert (found.sent, [client.id for client in found.sources]) == (sent, ["default/Pod/client"])
