"""Rows of 1d: whether authorization rejects plaintext on a permissive port, at a sidecar and at ztunnel."""

from typing import Any

from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import Manifest, authorization, custom, judge, pod
from tests.encryption.semantics.rows import RowCase, each

OPEN, REJECTED = Protection.OPPORTUNISTIC, Protection.PLAINTEXT_REJECTED_BY_AUTHZ
AMBIENT = pod(proxy=None, annotations={"ambient.istio.io/redirection": "enabled"})
IDENTITY = {"from": [{"source": {"principals": ["*"]}}]}
NOBODY = {"from": [{"source": {"notPrincipals": ["*"]}}]}
METHOD = {"to": [{"operation": {"methods": ["GET"]}}]}


def policy(spec: Any, name: str = "a", **more: Any) -> Manifest:
    return authorization(name, "shop", spec, **more)


def source(**fields: Any) -> Manifest:
    return {"rules": [{"from": [{"source": fields}]}]}


CASES = [
    RowCase(
        "1d.order",
        "DENY of those without identity, before an ALLOW of all",
        [pod(), policy({"action": "DENY", "rules": [NOBODY]}), policy({"rules": [{}]}, "b")],
        REJECTED,
    ),
    RowCase("1d.order", "an ALLOW of all", [pod(), policy({"rules": [{}]})], OPEN),
    RowCase("1d.empty", "spec {} allows nothing", [pod(), policy({})], REJECTED),
    RowCase("1d.empty", "rules [{}] allows all", [pod(), policy({"rules": [{}]})], OPEN),
    RowCase("1d.empty", "DENY without rules", [pod(), policy({"action": "DENY"})], OPEN),
    RowCase(
        "1d.not-enforced",
        "dry run",
        [pod(), policy({"rules": [IDENTITY]}, annotations={"istio.io/dry-run": "true"})],
        OPEN,
    ),
    RowCase("1d.not-enforced", "AUDIT", [pod(), policy({"action": "AUDIT", "rules": [IDENTITY]})], OPEN),
    RowCase("1d.identity", "principals", [pod(), policy(source(principals=["a"]))], REJECTED),
    RowCase("1d.identity", "namespaces", [pod(), policy(source(namespaces=["a"]))], REJECTED),
    RowCase("1d.identity", "serviceAccounts", [pod(), policy(source(serviceAccounts=["a/b"]))], REJECTED),
    RowCase("1d.identity", "ipBlocks", [pod(), policy(source(ipBlocks=["10.0.0.0/8"]))], OPEN),
    RowCase("1d.identity", "notPrincipals", [pod(), policy(source(notPrincipals=["a"]))], OPEN),
    RowCase(
        "1d.identity",
        "one rule of two without identity",
        [pod(), policy({"rules": [IDENTITY, METHOD]})],
        OPEN,
    ),
    RowCase(
        "1d.ztunnel-allow",
        "a rule of HTTP fields alone is dropped: nothing is allowed",
        [AMBIENT, policy({"rules": [METHOD]})],
        REJECTED,
    ),
    RowCase("1d.ztunnel-allow", "a sidecar allows it", [pod(), policy({"rules": [METHOD]})], OPEN),
    RowCase(
        "1d.ztunnel-custom",
        "CUSTOM",
        [AMBIENT, policy({"action": "CUSTOM", "provider": {"name": "x"}, "rules": [IDENTITY]})],
        OPEN,
    ),
    RowCase("1d.ztunnel-custom", "AUDIT", [AMBIENT, policy({"action": "AUDIT", "rules": [IDENTITY]})], OPEN),
    RowCase(
        "1d.ztunnel-target",
        "a policy for a waypoint",
        [
            AMBIENT,
            policy(
                {
                    "targetRefs": [
                        {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "waypoint"}
                    ],
                    "rules": [IDENTITY],
                }
            ),
        ],
        OPEN,
    ),
    RowCase(
        "1d.ztunnel-deny",
        "HTTP fields alone",
        [AMBIENT, policy({"action": "DENY", "rules": [METHOD]})],
        OPEN,
    ),
    RowCase(
        "1d.ztunnel-deny",
        "mixed",
        [AMBIENT, policy({"action": "DENY", "rules": [{**NOBODY, **METHOD}]})],
        OPEN,
    ),
    RowCase(
        "1d.ztunnel-deny",
        "no HTTP field",
        [AMBIENT, policy({"action": "DENY", "rules": [NOBODY]})],
        REJECTED,
    ),
    RowCase(
        "1d.request",
        "alone",
        [
            pod(),
            custom(
                "security.istio.io/v1",
                "RequestAuthentication",
                "jwt",
                "shop",
                {"jwtRules": [{"issuer": "https://id.example"}]},
            ),
        ],
        OPEN,
    ),
    RowCase(
        "1d.request",
        "a token is no mesh identity",
        [pod(), policy(source(requestPrincipals=["*"]))],
        OPEN,
    ),
]


@each(CASES)
def test_whether_authorization_rejects_plaintext(case: RowCase) -> None:
    assert judge(*case.given).label is case.expected
