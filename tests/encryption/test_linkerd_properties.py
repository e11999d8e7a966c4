"""Properties of Linkerd's verdicts: less granted never weakens, other namespaces never matter, order is nothing."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.model.verdict import Protection
from tests.encryption.mesh_manifests import Manifest, custom, judge, namespace
from tests.encryption.test_linkerd_inbound import (
    ACCOUNT,
    ANY_IDENTITY,
    ANY_NETWORK,
    MESH_TLS,
    NETWORK,
    POLICY,
    cluster_default,
    meshed,
    policy,
    server,
    server_authorization,
)

P = Protection
STRENGTH = [P.OPPORTUNISTIC, P.TLS_SERVER_ONLY, P.ENFORCED_MTLS, P.DENIED]
"""Weakest first. What is indeterminate stands outside; nothing here is left to be."""

DEFAULTS = [
    ("all-unauthenticated", "audit", "cluster-unauthenticated"),
    ("all-authenticated", "cluster-authenticated"),
    ("deny",),
]
"""Default policies, weakest group first."""

GRANTS: list[Manifest] = [
    policy(NETWORK, name="a"),
    policy(MESH_TLS, name="b"),
    policy(NETWORK, MESH_TLS, name="c"),
    policy(name="d"),
    policy(ACCOUNT, name="e"),
    server_authorization({"meshTLS": {"unauthenticatedTLS": True}}),
]
grants = st.lists(st.sampled_from(range(len(GRANTS))), unique=True, max_size=5)
defaults = st.sampled_from([name for group in DEFAULTS for name in group])
ports = st.sampled_from([8080, 9090])


def label(*manifests: Manifest, default: str = "all-unauthenticated", port: int = 8080) -> Protection:
    return judge(meshed(), cluster_default(default), ANY_NETWORK, ANY_IDENTITY, *manifests, port=port).label


@settings(deadline=None, max_examples=80)
@given(grants, st.data(), defaults, ports)
def test_a_grant_that_is_taken_away_never_weakens(
    chosen: list[int], data: st.DataObject, default: str, port: int
) -> None:
    if not chosen:
        return
    away = data.draw(st.sampled_from(chosen))
    before = label(server(), *(GRANTS[n] for n in chosen), default=default, port=port)
    after = label(server(), *(GRANTS[n] for n in chosen if n != away), default=default, port=port)
    assert STRENGTH.index(after) >= STRENGTH.index(before)


@settings(deadline=None, max_examples=60)
@given(defaults, defaults, st.booleans(), ports)
def test_a_stricter_default_never_weakens(one: str, other: str, served: bool, port: int) -> None:
    rank = {name: number for number, group in enumerate(DEFAULTS) for name in group}
    weaker, stricter = sorted((one, other), key=lambda name: rank[name])
    objects = [server(accessPolicy="all-authenticated")] if served else []
    before, after = (label(*objects, default=name, port=port) for name in (weaker, stricter))
    assert STRENGTH.index(after) >= STRENGTH.index(before)


@settings(deadline=None, max_examples=60)
@given(grants, defaults, ports, st.booleans())
def test_an_unrelated_namespace_never_changes_a_verdict(
    chosen: list[int], default: str, port: int, served: bool
) -> None:
    def far(kind: str, version: str, spec: Any) -> Manifest:
        return custom(POLICY + version, kind, "http", "far", spec, "01")

    own = [*([server()] if served else []), *(GRANTS[n] for n in chosen)]
    foreign = [
        namespace("far", annotations={"config.linkerd.io/default-inbound-policy": "deny"}),
        far("Server", "v1beta3", {"podSelector": {}, "port": port, "accessPolicy": "all-unauthenticated"}),
        far(
            "AuthorizationPolicy",
            "v1alpha1",
            {
                "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "http"},
                "requiredAuthenticationRefs": [],
            },
        ),
    ]
    assert label(*own, default=default, port=port) is label(*own, *foreign, default=default, port=port)
