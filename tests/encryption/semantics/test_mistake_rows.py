"""Section 8: mistakes that tools make, each a case that the mistake would get wrong."""

from typing import Any

from auditor.encryption.cni import node_encryption
from auditor.encryption.entry_points import Plaintext
from auditor.model.verdict import Protection, Reach, Tri
from tests.encryption.entry_manifests import WEB, cluster_of, ingress_class, rows
from tests.encryption.mesh_manifests import (
    DISABLE,
    PERMISSIVE,
    STRICT,
    config_map,
    judge,
    peer_authentication,
    pod,
    service,
    workload,
)
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_cni_encryption import CILIUM, cilium
from tests.encryption.test_entry_controllers import alb
from tests.encryption.test_entry_layer4 import APP, ARN, aws, balanced
from tests.encryption.test_entry_routes import route
from tests.network.building import node, policy
from tests.network.test_enforcement import _both, _with

P = Protection
AMBIENT = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})


def ports(number: int) -> Any:
    return peer_authentication("w", "shop", workload(portLevelMtls={number: {"mode": "DISABLE"}}, **STRICT))


MESH = [
    RowCase(
        "8.service-port", "an entry for the Service's port", [pod(), service(), ports(80)], P.ENFORCED_MTLS
    ),
    RowCase("8.service-port", "an entry for the container's", [pod(), service(), ports(8080)], P.PLAINTEXT),
    RowCase(
        "8.first",
        "the first by name is younger",
        [
            pod(),
            peer_authentication("aaa", "shop", STRICT, "09"),
            peer_authentication("zzz", "shop", PERMISSIVE, "01"),
        ],
        P.OPPORTUNISTIC,
    ),
    RowCase(
        "8.root-selector",
        "STRICT for app web, in the root namespace",
        [pod(), peer_authentication("w", "istio-system", workload(**STRICT))],
        P.OPPORTUNISTIC,
    ),
    RowCase("8.ambient", "DISABLE", [AMBIENT, peer_authentication("n", "shop", DISABLE)], P.OPPORTUNISTIC),
    RowCase(
        "8.linkerd",
        "injected, and the default all-unauthenticated",
        [pod(proxy="linkerd-proxy"), config_map("linkerd-config", "linkerd", values="proxy: {}")],
        P.OPPORTUNISTIC,
    ),
]
ENTRIES = [
    RowCase(
        "8.spec-tls",
        "an ALB without a certificate",
        [*WEB, ingress_class("alb", "ingress.k8s.aws/alb"), alb(tls=True)],
        (Plaintext.OPEN, P.PLAINTEXT),
    ),
    RowCase("8.route", "no tls", [*WEB, route()], (Plaintext.OPEN, P.PLAINTEXT)),
]
VERSIONS = [
    RowCase("8.elb", "no policy is named", aws(ssl_cert=ARN), "1.0"),
    RowCase(
        "8.elb",
        "the default by name",
        aws(ssl_cert=ARN, ssl_negotiation_policy="ELBSecurityPolicy-2016-08"),
        "1.0",
    ),
]
NODES = [
    RowCase(
        "8.mutual-authentication",
        "switched on, and no encryption",
        [*CILIUM, cilium(mesh_auth_enabled="true", mesh_auth_mutual_enabled="true")],
        Tri.NO,
    ),
]
POLICIES = [
    RowCase(
        "8.policy-exists",
        "Flannel",
        _both("kube-flannel", "kube-flannel"),
        Reach.DECLARED_NOT_ENFORCED,
    ),
    RowCase(
        "8.policy-exists",
        "Weave without its controller",
        _both("weave-net", "weave-npc", env=[{"name": "EXPECT_NPC", "value": "0"}]),
        Reach.DECLARED_NOT_ENFORCED,
    ),
]
CASES = MESH + ENTRIES + VERSIONS + NODES + POLICIES


@each(MESH)
def test_what_a_mesh_protects(case: RowCase) -> None:
    assert judge(*case.given).label is case.expected


@each(ENTRIES)
def test_what_a_way_in_serves(case: RowCase) -> None:
    (found,) = rows(case.given)
    assert (found.plaintext, found.verdict) == case.expected


@each(VERSIONS)
def test_the_oldest_version_of_a_load_balancer(case: RowCase) -> None:
    (found,) = rows([APP, balanced(annotations=case.given)])
    assert found.tls is not None
    assert found.tls.minimum_version == case.expected


@each(NODES)
def test_authentication_is_not_encryption(case: RowCase) -> None:
    assert node_encryption(cluster_of(case.given)).cross_node is case.expected


@each(POLICIES)
def test_a_policy_that_nothing_enforces_denies_nothing(case: RowCase) -> None:
    nodes = [node("node-1", "192.0.2.1"), node("node-2", "192.0.2.2")]
    found = _with(*nodes, policy("deny", ingress=[]), *case.given)
    web, db = found.resolve("default/web"), found.resolve("default/db")
    assert found.allows(web, db, 80).verdict is case.expected
