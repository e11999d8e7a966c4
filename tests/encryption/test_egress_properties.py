"""Properties of ways out: stricter rules never weaken, other namespaces never matter, no shape raises."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.encryption.egress.values import RANK, Sent
from tests.encryption.egress_manifests import (
    HOST,
    ISTIO,
    ambient,
    egress_network,
    rule,
    service_entry,
    tls,
    to,
    virtual_service,
    way,
    waypoint,
    ways,
)
from tests.encryption.mesh_manifests import Manifest, custom, namespace, pod

MODES = ("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")
FILES = {"clientCertificate": "/c", "privateKey": "/k"}
ENTRY = service_entry((80, "HTTP"), (443, "HTTPS"))


def policy(mode: str | None, port: int | None) -> Manifest:
    if mode is None:
        return {}
    block = {"mode": mode, **(FILES if mode == "MUTUAL" else {})}
    if port is None:
        return {"tls": block}
    return {"portLevelSettings": [{"port": {"number": port}, "tls": block}]}


rules = st.lists(
    st.tuples(
        st.sampled_from(("a", "b", "c")),
        st.sampled_from(("shop", "istio-system")),
        st.sampled_from((None, *MODES)),
        st.sampled_from((None, 80, 443)),
        st.sampled_from(("01", "02")),
    ),
    max_size=4,
    unique_by=lambda drawn: drawn[:2],
)
routes = st.sampled_from(
    (
        [],
        [virtual_service({"http": [{"match": [{"port": 80}], "route": to(HOST, 443)}]})],
        [virtual_service({"http": [{"route": to(HOST, 80)}, {"route": to(HOST, 443)}]})],
    )
)


def built(drawn: list[Any], stricter: int | None = None) -> list[Manifest]:
    found = []
    for index, (name, where, mode, port, created) in enumerate(drawn):
        chosen = "SIMPLE" if index == stricter else mode
        found.append(rule(name, where, HOST, created, trafficPolicy=policy(chosen, port)))
    return found


@settings(deadline=None, max_examples=120)
@given(rules, routes, st.data())
def test_a_rule_that_originates_tls_never_weakens_a_way_out(
    drawn: list[Any], routed: list[Manifest], data: st.DataObject
) -> None:
    """Only rules that turn TLS off are made stricter: SIMPLE is no gain over mutual TLS, and a rule that had no policy
    and gets one may come before another rule's."""
    weak = [i for i, (_, _, mode, *_) in enumerate(drawn) if mode == "DISABLE"]
    if not weak:
        return
    chosen = data.draw(st.sampled_from(weak))
    for port in (80, 443):
        before = way(pod(), ENTRY, *routed, *built(drawn), port=port).sent
        after = way(pod(), ENTRY, *routed, *built(drawn, chosen), port=port).sent
        gained = RANK.index(after) >= min(RANK.index(before), RANK.index(Sent.TLS))
        assert gained or Sent.INDETERMINATE in (before, after)


@settings(deadline=None, max_examples=80)
@given(rules, routes, st.sampled_from(MODES), st.booleans())
def test_an_unrelated_namespace_never_changes_a_way_out(
    drawn: list[Any], routed: list[Manifest], mode: str, private: bool
) -> None:
    foreign = [
        namespace("far"),
        rule("far", "far", HOST, exportTo=["."] if private else ["*"], **tls(mode, **FILES)),
        virtual_service({"http": [{"route": to("other.example", 80)}], "exportTo": ["."]}, "far", "far"),
        custom(ISTIO, "Sidecar", "s", "far", {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}),
        egress_network("Deny", "far"),
        waypoint(namespace="far"),
    ]
    for port in (80, 443):
        before = way(pod(), ENTRY, *routed, *built(drawn), port=port)
        after = way(pod(), ENTRY, *routed, *built(drawn), *foreign, port=port)
        assert (before.sent, before.record) == (after.sent, after.record)


def shapes() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-1, 70000) | st.sampled_from(("", "*", ".", "~", HOST))
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    (
                        *(
                            "hosts",
                            "ports",
                            "number",
                            "protocol",
                            "location",
                            "resolution",
                            "endpoints",
                            "labels",
                        ),
                        *(
                            "exportTo",
                            "gateways",
                            "http",
                            "tls",
                            "tcp",
                            "match",
                            "route",
                            "destination",
                            "host",
                        ),
                        *("port", "subset", "servers", "selector", "trafficPolicy", "parentRefs", "rules"),
                        *("workloadSelector", "targetPort", "mode", "hostnames", "backendRefs", "listeners"),
                    )
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )


KINDS = (
    (ISTIO, "ServiceEntry"),
    (ISTIO, "VirtualService"),
    (ISTIO, "DestinationRule"),
    (ISTIO, "Gateway"),
    (ISTIO, "WorkloadEntry"),
    (ISTIO, "Sidecar"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "TLSRoute"),
    ("policy.linkerd.io/v1alpha1", "EgressNetwork"),
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(KINDS), shapes())
def test_no_shape_of_an_object_raises(kind: tuple[str, str], spec: Any) -> None:
    api, name = kind
    clients = (pod(), ambient("other"), pod("third", proxy="linkerd-proxy"))
    hostile = custom(api, name, "x", "shop", spec, "01")
    usual = [ENTRY, rule(**tls("SIMPLE")), virtual_service({"http": [{"route": to(HOST, 443)}]}), waypoint()]
    assert ways(*clients, *usual, egress_network("Deny"), hostile)


def test_gateways_that_lead_to_each_other_end() -> None:
    from tests.encryption.egress_manifests import GATEWAY_HOST, egress_gateway, server

    loop = virtual_service(
        {
            "gateways": ["mesh", "istio-system/istio-egressgateway"],
            "http": [{"route": to(GATEWAY_HOST, 80)}],
        }
    )
    assert way(pod(), ENTRY, *egress_gateway(server(80, "HTTP")), loop).sent is not Sent.TLS


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3", "v9"])
def test_versions_of_the_api_read_alike(version: str) -> None:
    entry = {**ENTRY, "apiVersion": f"networking.istio.io/{version}"}
    assert way(pod(), entry).sent is Sent.PLAINTEXT


SPACES = ("shop", "back", "egress", "istio-system")
spread = st.lists(
    st.tuples(
        st.sampled_from(("a", "b", "c", "d")),
        st.sampled_from(SPACES),
        st.sampled_from(MODES),
        st.sampled_from((HOST, "*.partner.example")),
        st.sampled_from(([], ["."], ["back"], ["*"])),
    ),
    max_size=4,
    unique_by=lambda drawn: drawn[:2],
)


@settings(deadline=None, max_examples=100)
@given(spread, st.sampled_from(([], ["."], ["shop", "back"])), st.booleans(), routes)
def test_clients_that_are_told_together_fare_as_each_does_alone(
    drawn: list[Any], export: list[str], narrowed: bool, routed: list[Manifest]
) -> None:
    objects = [
        rule(
            name, where, host, trafficPolicy=policy(mode, None), **({"exportTo": to_whom} if to_whom else {})
        )
        for name, where, mode, host, to_whom in drawn
    ]
    objects += [service_entry((80, "HTTP"), (443, "HTTPS"), namespace="egress", exportTo=export), *routed]
    if narrowed:
        objects.append(custom(ISTIO, "Sidecar", "s", "back", {"egress": [{"hosts": ["./*"]}]}, "01"))
    clients = [
        pod("web", "shop"),
        pod("job", "back"),
        pod("other", "far"),
        pod("second", "far"),
        ambient("z"),
    ]
    together = [row for row in ways(*clients, *objects) if row.host == HOST]
    for client in clients:
        name = f"{client['metadata']['namespace']}/Pod/{client['metadata']['name']}"
        alone = [row for row in ways(client, *objects) if row.host == HOST]
        assert {(r.port, r.sent) for r in together if name in {c.id for c in r.sources}} == {
            (r.port, r.sent) for r in alone if r.sources
        }
