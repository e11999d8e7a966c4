"""Rows of 1c: what a client's sidecar sends, by DestinationRule and by automatic mutual TLS."""

from typing import Any

from auditor.encryption.egress.values import Sent
from auditor.encryption.verdicts import Wire
from tests.encryption.egress_manifests import service_entry, way
from tests.encryption.mesh_manifests import (
    DISABLE,
    Manifest,
    config_map,
    custom,
    judge,
    peer_authentication,
    pod,
    service,
    workload,
)
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_mesh_clients import CLIENT, on_wire, rule, tls

W = Wire
ROOT = "istio-system"
NO_LABEL = pod(labels={"security.istio.io/tlsMode": "disabled"})
SECOND = pod("web-2", labels={"app": "web", "security.istio.io/tlsMode": "disabled"})
ROUTE = custom(
    "networking.istio.io/v1",
    "VirtualService",
    "v",
    "shop",
    {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web", "subset": "v1"}}]}]},
)
SUBSET = {"name": "v1", "labels": {"app": "web"}}


def entry(port: int, **policy: Any) -> Manifest:
    return {"port": {"number": port}, **policy}


def passing() -> Manifest:
    return {"loadBalancer": {"simple": "PASSTHROUGH"}}


def mesh(text: str) -> Manifest:
    return config_map("istio", ROOT, mesh=text)


LOOKUP = [
    RowCase(
        "1c.own-namespace",
        "before the service's",
        [rule("a", "front", tls()), rule("b", "shop", tls("ISTIO_MUTUAL"))],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.service-namespace",
        "before the root's",
        [rule("a", "shop", tls()), rule("b", ROOT, tls("ISTIO_MUTUAL"))],
        W.PLAINTEXT,
    ),
    RowCase("1c.root", "where no other is", [rule("a", ROOT, tls())], W.PLAINTEXT),
    RowCase("1c.root", "a third namespace's doesn't count", [rule("a", "other", tls())], W.MESH_MTLS),
    RowCase(
        "1c.specific",
        "an exact host over a wildcard",
        [rule("a", policy=tls(), host="*.local"), rule("b", policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    RowCase("1c.export", "not exported", [rule(policy=tls(), exportTo=["."])], W.MESH_MTLS),
    RowCase("1c.export", "exported by name", [rule(policy=tls(), exportTo=["front"])], W.PLAINTEXT),
    RowCase(
        "1c.selector",
        "selects the client",
        [rule("a", "front", tls(), workloadSelector={"matchLabels": {"app": "client"}})],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.selector",
        "selects another",
        [rule("a", "front", tls(), workloadSelector={"matchLabels": {"app": "x"}})],
        W.MESH_MTLS,
    ),
    RowCase(
        "1c.subset",
        "overrides",
        [rule(policy=tls("ISTIO_MUTUAL"), subsets=[{**SUBSET, "trafficPolicy": tls()}]), ROUTE],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.subset",
        "inherits",
        [rule(policy=tls(), subsets=[{**SUBSET, "trafficPolicy": passing()}]), ROUTE],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.port",
        "replaces the whole",
        [rule(policy={**tls("ISTIO_MUTUAL"), "portLevelSettings": [entry(80, **tls())]})],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.port",
        "drops an omitted tls",
        [rule(policy={**tls(), "portLevelSettings": [entry(80, connectionPool={})]})],
        W.MESH_MTLS,
    ),
    RowCase(
        "1c.port",
        "another port",
        [rule(policy={**tls(), "portLevelSettings": [entry(81, connectionPool={})]})],
        W.PLAINTEXT,
    ),
]
TLS = [
    RowCase("1c.disable", "DISABLE", [rule(policy=tls())], W.PLAINTEXT),
    RowCase("1c.simple", "SIMPLE", [rule(policy=tls("SIMPLE"))], W.TLS),
    RowCase(
        "1c.simple",
        "MUTUAL",
        [rule(policy=tls("MUTUAL", clientCertificate="/c", privateKey="/k"))],
        W.MUTUAL_TLS,
    ),
    RowCase(
        "1c.skip-verify",
        "SIMPLE",
        [rule(policy=tls("SIMPLE", insecureSkipVerify=True))],
        W.TLS_UNVERIFIED,
    ),
    RowCase("1c.credential", "SIMPLE", [rule(policy=tls("SIMPLE", credentialName="c"))], W.PLAINTEXT),
    RowCase("1c.credential", "MUTUAL", [rule(policy=tls("MUTUAL", credentialName="c"))], W.PLAINTEXT),
    RowCase(
        "1c.credential", "a ConfigMap", [rule(policy=tls("SIMPLE", credentialName="configmap://c"))], W.TLS
    ),
    RowCase(
        "1c.credential",
        "with a workloadSelector",
        [
            rule(
                "a",
                "front",
                tls("SIMPLE", credentialName="c"),
                workloadSelector={"matchLabels": {"app": "client"}},
            )
        ],
        W.TLS,
    ),
    RowCase("1c.istio-mutual", "ISTIO_MUTUAL", [rule(policy=tls("ISTIO_MUTUAL"))], W.MESH_MTLS),
    RowCase("1c.auto", "no rule", [], W.MESH_MTLS),
    RowCase("1c.auto", "a rule without tls", [rule(policy={"connectionPool": {}})], W.MESH_MTLS),
    RowCase("1c.auto-off", "enableAutoMtls false", [mesh("enableAutoMtls: false")], W.PLAINTEXT),
    RowCase(
        "1c.auto-off",
        "and a rule in its place",
        [mesh("enableAutoMtls: false"), rule(policy=tls("ISTIO_MUTUAL"))],
        W.MESH_MTLS,
    ),
    RowCase("1c.auto-namespace", "DISABLE", [peer_authentication("ns", "shop", DISABLE)], W.PLAINTEXT),
    RowCase(
        "1c.auto-port",
        "a port DISABLE",
        [peer_authentication("w", "shop", workload(portLevelMtls={8080: {"mode": "DISABLE"}}))],
        W.PLAINTEXT,
    ),
    RowCase("1c.mesh-config", "nothing collected: automatic mTLS", [], W.MESH_MTLS),
    RowCase(
        "1c.mesh-config",
        "another root namespace",
        [mesh("rootNamespace: mesh-root"), rule("a", "mesh-root", tls())],
        W.PLAINTEXT,
    ),
    RowCase(
        "1c.mesh-config",
        "istio-system is then no root",
        [mesh("rootNamespace: mesh-root"), rule("a", ROOT, tls())],
        W.MESH_MTLS,
    ),
]
TARGETS = [
    RowCase("1c.auto-label", "the label says disabled", [NO_LABEL, service()], W.PLAINTEXT),
    RowCase("1c.headless", "all take it", [pod(), service(clusterIP="None")], W.MESH_MTLS),
    RowCase("1c.headless", "one doesn't", [pod(), SECOND, service(clusterIP="None")], W.PLAINTEXT),
    RowCase("1c.headless", "an ordinary Service spares the others", [pod(), SECOND, service()], W.MESH_MTLS),
    RowCase("1c.headless", "PASSTHROUGH", [pod(), SECOND, service(), rule(policy=passing())], W.PLAINTEXT),
]
OUTSIDE = [
    RowCase("1c.auto-external", "a ServiceEntry outside", [service_entry((80, "HTTP"))], Sent.PLAINTEXT),
]
MESH = [
    RowCase(
        "1c.mesh-config", "its minimum version", [mesh("meshMTLS: {minProtocolVersion: TLSV1_3}")], "1.3"
    ),
    RowCase("1c.mesh-config", "the minimum by default", [], "1.2"),
]
ANY = [
    RowCase("1c.mesh-config", "ALLOW_ANY by default", [], Sent.APPLICATION),
    RowCase(
        "1c.mesh-config",
        "REGISTRY_ONLY",
        [mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")],
        Sent.NOTHING,
    ),
]
CASES = LOOKUP + TLS + TARGETS + OUTSIDE + MESH + ANY


@each(LOOKUP + TLS)
def test_what_rules_make_a_client_send(case: RowCase) -> None:
    assert on_wire(CLIENT, pod(), service(), *case.given).wire is case.expected


@each(TARGETS)
def test_what_the_target_makes_a_client_send(case: RowCase) -> None:
    assert on_wire(CLIENT, *case.given).wire is case.expected


def test_a_client_in_the_root_namespace_has_no_rules_of_its_own_but_private_ones() -> None:
    client, source = pod("client", ROOT), f"{ROOT}/Pod/client"
    shared = [rule("a", ROOT, tls()), rule("b", "shop", tls("ISTIO_MUTUAL"))]
    assert on_wire(client, pod(), service(), *shared, source=source).wire is W.MESH_MTLS
    private = [rule("a", ROOT, tls(), exportTo=["."]), rule("b", "shop", tls("ISTIO_MUTUAL"))]
    assert on_wire(client, pod(), service(), *private, source=source).wire is W.PLAINTEXT


@each(OUTSIDE)
def test_what_is_outside_the_mesh_gets_no_mtls_by_itself(case: RowCase) -> None:
    assert way(pod(), *case.given).sent is case.expected


@each(MESH)
def test_the_oldest_version_that_the_mesh_takes(case: RowCase) -> None:
    assert judge(pod(), *case.given).minimum_tls == case.expected


@each(ANY)
def test_what_becomes_of_hosts_that_nothing_registers(case: RowCase) -> None:
    assert way(pod(), *case.given, host="*", port=None).sent is case.expected
