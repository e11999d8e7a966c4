"""Properties of entry points and exposures: order, other namespaces, real manifests, hostile fields."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.encryption.certificates import certificates, host_certificates
from auditor.encryption.cni import node_encryption
from auditor.encryption.entry_points import EntryPoint, Plaintext, entry_points, exposures
from auditor.encryption.reasons import CAUSES
from auditor.inventory.endpoints import list_endpoints
from auditor.inventory.services import Services
from tests.encryption import test_entry_gateway_api as gateway_api
from tests.encryption import test_entry_istio_gateway as istio
from tests.encryption.entry_manifests import (
    WEB,
    Manifest,
    cluster_of,
    config_map,
    deployment,
    ingress,
    ingress_class,
    manifest,
    rows,
    service,
)
from tests.encryption.test_entry_traefik import TLS_ENTRY, TO_HTTPS

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NGINX = "nginx.ingress.kubernetes.io/"
CLUSTER: list[Manifest] = [
    *WEB,
    *TLS_ENTRY,
    TO_HTTPS,
    ingress_class("nginx", "k8s.io/ingress-nginx"),
    ingress_class("traefik", "traefik.io/ingress-controller"),
    ingress_class("alb", "ingress.k8s.aws/alb"),
    config_map("ingress-nginx", "ingress-nginx-controller", {"hsts": "false"}),
    ingress("a.example", name="a", tls=True),
    ingress("b.example", name="b", cls="traefik"),
    ingress("c.example", name="c", cls="alb", tls=True),
    *istio.gateway_pods(),
    istio.gateway(istio.server("HTTPS", istio.tls("MUTUAL"))),
    istio.virtual_service("v", ["shop.example"], ["istio-ingress/main"], "web"),
    gateway_api.CLASS,
    gateway_api.gateway(gateway_api.HTTP, gateway_api.HTTPS),
    gateway_api.route(hosts=["d.example"]),
    service("front", type="NodePort", selector={"app": "web"}),
]


def told(found: tuple[EntryPoint, ...]) -> list[tuple[Any, ...]]:
    return [
        (
            r.subject,
            r.listener,
            r.plaintext,
            r.tls,
            r.client_authentication,
            r.backend,
            r.verdict,
            r.causes,
            r.evidence,
        )
        for r in found
    ]


EXPECTED = told(rows(CLUSTER))


@SETTINGS
@given(st.permutations(CLUSTER))
def test_the_order_of_the_input_changes_nothing(objects: list[Manifest]) -> None:
    assert told(rows(objects)) == EXPECTED


@SETTINGS
@given(st.lists(st.sampled_from(["ingress", "service", "pod", "policy", "gateway", "option"]), max_size=6))
def test_an_unrelated_namespace_changes_no_verdict(kinds: list[str]) -> None:
    made: dict[str, Manifest] = {
        "ingress": ingress("other.example", name="o", tls=True, **{NGINX + "ssl-redirect": "false"}),
        "service": service("web", type="NodePort"),
        "pod": deployment("web", "nginx"),
        "policy": manifest("networking.k8s.io/v1", "NetworkPolicy", "deny", {"podSelector": {}}),
        "gateway": manifest("networking.istio.io/v1", "Gateway", "x", {"selector": {"no": "body"}}),
        "option": manifest("traefik.io/v1alpha1", "TLSOption", "strict", {}),
    }
    others = [
        body | {"metadata": body["metadata"] | {"namespace": "elsewhere"}}
        for body in map(made.get, set(kinds))
        if body
    ]
    found = rows([*CLUSTER, *others])
    assert told(tuple(row for row in found if row.namespace != "elsewhere")) == EXPECTED


_ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        ["ssl-redirect", "auth-tls-secret", "auth-tls-verify-client", "backend-protocol", "ssl-passthrough"]
    ),
    st.sampled_from(["true", "false", "on", "HTTPS", "", "x/y"]),
)


@SETTINGS
@given(_ANNOTATIONS, st.booleans())
def test_a_forced_redirect_never_leaves_plain_http_open(annotations: dict[str, str], tls: bool) -> None:
    named = {NGINX + key: value for key, value in annotations.items()} | {
        NGINX + "force-ssl-redirect": "true"
    }
    objects = [ingress_class("nginx", "k8s.io/ingress-nginx"), ingress(tls=tls, **named)]
    assert [row.plaintext for row in rows(objects)] == [Plaintext.REDIRECTED]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "tls",
                    "mode",
                    "hosts",
                    "port",
                    "name",
                    "namespace",
                    "routes",
                    "services",
                    "rules",
                    "http",
                    "paths",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_KINDS = [
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("v1", "Service"),
    ("networking.istio.io/v1", "Gateway"),
    ("networking.istio.io/v1", "VirtualService"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "ListenerSet"),
    ("traefik.io/v1alpha1", "IngressRoute"),
    ("traefik.io/v1alpha1", "IngressRouteTCP"),
    ("projectcontour.io/v1", "HTTPProxy"),
    ("route.openshift.io/v1", "Route"),
    ("cert-manager.io/v1", "Certificate"),
    ("projectcalico.org/v3", "FelixConfiguration"),
]


@SETTINGS
@given(st.lists(st.tuples(st.sampled_from(_KINDS), _JSON), max_size=6))
def test_no_object_is_broken_enough_to_raise(broken: list[tuple[tuple[str, str], Any]]) -> None:
    objects = [manifest(*kind, f"x{n}", spec) for n, (kind, spec) in enumerate(broken)]
    everything_of([*CLUSTER, *objects])


def everything_of(objects: list[Manifest]) -> None:
    cluster = cluster_of(objects)
    endpoints = list_endpoints(cluster)
    services = Services(cluster, endpoints)
    found = entry_points(cluster, services)
    inventory = certificates(cluster, datetime(2026, 6, 1, tzinfo=UTC))
    causes = [c for row in found for c in (*row.causes, *row.assumptions, *row.notices)]
    causes += [c for row in exposures(cluster, services, endpoints) for c in row.causes]
    causes += [c for fact in inventory for c in fact.problems]
    causes += [c for match in host_certificates(found, inventory) for c in match.causes]
    causes += node_encryption(cluster).causes
    assert {cause.code for cause in causes} <= set(CAUSES)
    assert all(row.verdict and row.subject for row in found)


REFERENCE = os.environ.get("AUDITOR_REFERENCE_DATA")


def _documents(folder: Path) -> Iterator[Manifest]:
    seen = set()
    for path in sorted(folder.rglob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            if isinstance(body, dict) and body.get("kind") and body.get("metadata", {}).get("name"):
                identity = (
                    body["apiVersion"],
                    body["kind"],
                    body["metadata"].get("namespace"),
                    body["metadata"]["name"],
                )
                if identity not in seen:
                    seen.add(identity)
                    yield body


@pytest.mark.skipif(
    REFERENCE is None, reason="AUDITOR_REFERENCE_DATA does not name the reference data's folder"
)
def test_real_manifests_load_and_every_cause_is_known() -> None:
    for folder in sorted((Path(REFERENCE or "") / "real-manifests").iterdir()):
        if folder.is_dir():
            everything_of(list(_documents(folder)))
