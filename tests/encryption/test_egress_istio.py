"""Istio's ways out: ServiceEntry, TLS origination, egress gateways, waypoints. Answers worked out by hand."""

from typing import Any

import pytest

from auditor.encryption.egress.values import Sent
from auditor.model.verdict import Protection, Tri
from tests.encryption.egress_manifests import (
    GATEWAY_HOST,
    HOST,
    ISTIO,
    OUT_GATEWAY,
    ambient,
    egress_gateway,
    gateway_rule,
    rule,
    server,
    service_entry,
    through_gateway,
    tls,
    to,
    virtual_service,
    way,
    waypoint,
    ways,
)
from tests.encryption.mesh_manifests import (
    DISABLE,
    WIREGUARD,
    Manifest,
    config_map,
    custom,
    namespace,
    peer_authentication,
    pod,
)

P = Protection
HTTP_80 = service_entry((80, "HTTP"))
BOTH = service_entry((80, "HTTP"), (443, "HTTPS"))
SIMPLE = rule(**tls("SIMPLE"))
TUNNEL: Manifest = {"tunnel": {"protocol": "CONNECT", "targetHost": "db.partner.example", "targetPort": 5432}}


def port_rule(port: int, mode: str) -> Manifest:
    return rule(trafficPolicy={"portLevelSettings": [{"port": {"number": port}, "tls": {"mode": mode}}]})


def mesh(text: str) -> Manifest:
    return config_map("istio", "istio-system", mesh=text)


def sidecar(spec: Any, where: str = "shop") -> Manifest:
    return custom(ISTIO, "Sidecar", "s", where, spec, "01")


CASES: list[tuple[str, list[Manifest], int, Sent, Protection]] = [
    ("HTTP without a rule is plaintext", [HTTP_80], 80, Sent.PLAINTEXT, P.PLAINTEXT),
    ("gRPC without a rule is plaintext", [service_entry((80, "grpc"))], 80, Sent.PLAINTEXT, P.PLAINTEXT),
    (
        "HTTPS is TLS of the application's own, which nobody here sees",
        [BOTH],
        443,
        Sent.APPLICATION_TLS,
        P.INDETERMINATE,
    ),
    ("TCP may be anything", [service_entry((5432, "TCP"))], 5432, Sent.APPLICATION, P.INDETERMINATE),
    ("a protocol that is left out is TCP", [service_entry((25, ""))], 25, Sent.APPLICATION, P.INDETERMINATE),
    ("SIMPLE originates TLS", [HTTP_80, SIMPLE], 80, Sent.TLS, P.TLS_SERVER_ONLY),
    (
        "SIMPLE without verification",
        [HTTP_80, rule(**tls("SIMPLE", insecureSkipVerify=True))],
        80,
        Sent.TLS_UNVERIFIED,
        P.INDETERMINATE,
    ),
    (
        "MUTUAL shows a client certificate",
        [HTTP_80, rule(**tls("MUTUAL", clientCertificate="/c", privateKey="/k"))],
        80,
        Sent.MUTUAL_TLS,
        P.ENFORCED_MTLS,
    ),
    ("DISABLE leaves plaintext", [HTTP_80, rule(**tls("DISABLE"))], 80, Sent.PLAINTEXT, P.PLAINTEXT),
    (
        "DISABLE on an HTTPS port leaves the application's TLS",
        [BOTH, rule(**tls("DISABLE"))],
        443,
        Sent.APPLICATION_TLS,
        P.INDETERMINATE,
    ),
    (
        "credentialName without workloadSelector is dropped by a sidecar",
        [HTTP_80, rule(**tls("SIMPLE", credentialName="partner-ca"))],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "credentialName with workloadSelector counts",
        [
            HTTP_80,
            rule(workloadSelector={"matchLabels": {"app": "web"}}, **tls("SIMPLE", credentialName="ca")),
        ],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "a rule that selects another workload",
        [HTTP_80, rule(workloadSelector={"matchLabels": {"app": "other"}}, **tls("SIMPLE"))],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    ("a rule for another port", [HTTP_80, port_rule(443, "SIMPLE")], 80, Sent.PLAINTEXT, P.PLAINTEXT),
    ("a rule for this port", [HTTP_80, port_rule(80, "SIMPLE")], 80, Sent.TLS, P.TLS_SERVER_ONLY),
    (
        "a port entry drops the rule's tls",
        [
            HTTP_80,
            rule(
                trafficPolicy={
                    "tls": {"mode": "SIMPLE"},
                    "portLevelSettings": [{"port": {"number": 80}, "connectionPool": {}}],
                }
            ),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "a VirtualService leads HTTP to the port that originates TLS",
        [
            BOTH,
            port_rule(443, "SIMPLE"),
            virtual_service({"http": [{"match": [{"port": 80}], "route": to(HOST, 443)}]}),
        ],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "a VirtualService leads HTTP to 443 and nothing originates TLS",
        [BOTH, virtual_service({"http": [{"match": [{"port": 80}], "route": to(HOST, 443)}]})],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "the worst of several routes counts",
        [
            BOTH,
            port_rule(443, "SIMPLE"),
            virtual_service(
                {
                    "http": [
                        {"match": [{"uri": {"prefix": "/v1"}}], "route": to(HOST, 80)},
                        {"route": to(HOST, 443)},
                    ]
                }
            ),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "a mirrored copy counts",
        [
            BOTH,
            port_rule(443, "SIMPLE"),
            virtual_service(
                {"http": [{"route": to(HOST, 443), "mirror": {"host": HOST, "port": {"number": 80}}}]}
            ),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "a subset that originates TLS, where the route names it",
        [
            HTTP_80,
            rule(subsets=[{"name": "tls", **tls("SIMPLE")}]),
            virtual_service({"http": [{"route": to(HOST, 80, "tls")}]}),
        ],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "an endpoint in another network of the mesh",
        [
            service_entry(
                (80, "HTTP"), resolution="STATIC", endpoints=[{"address": "10.5.0.1", "network": "west"}]
            )
        ],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a tunnel carries TCP through a proxy, and what protects it can't be told",
        [service_entry((5432, "TCP")), rule(trafficPolicy=TUNNEL)],
        5432,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a tunnel under TLS to the proxy: beyond it the application's own traffic goes on",
        [service_entry((5432, "TCP")), rule(trafficPolicy={**TUNNEL, "tls": {"mode": "SIMPLE"}})],
        5432,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "HTTP routes have no tunnel",
        [HTTP_80, rule(trafficPolicy={**TUNNEL, "tls": {"mode": "SIMPLE"}})],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "a subset that no route names",
        [HTTP_80, rule(subsets=[{"name": "tls", **tls("SIMPLE")}])],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "a subset that no rule has",
        [HTTP_80, SIMPLE, virtual_service({"http": [{"route": to(HOST, 80, "nowhere")}]})],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a route to a host that nothing registers",
        [HTTP_80, virtual_service({"http": [{"route": to("other.example", 80)}]})],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a route that is about another port leaves the host to itself",
        [HTTP_80, virtual_service({"http": [{"match": [{"port": 81}], "route": to("other.example", 80)}]})],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "HTTP routes are not about a TLS port",
        [BOTH, virtual_service({"http": [{"route": to("other.example", 80)}]})],
        443,
        Sent.APPLICATION_TLS,
        P.INDETERMINATE,
    ),
    (
        "a delegate isn't followed",
        [HTTP_80, SIMPLE, virtual_service({"http": [{"delegate": {"name": "other"}}]})],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a route of the wrong shape",
        [HTTP_80, SIMPLE, virtual_service({"http": [{"route": "out"}]})],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a Gateway API route that is attached to the entry isn't followed",
        [
            HTTP_80,
            SIMPLE,
            custom(
                "gateway.networking.k8s.io/v1",
                "HTTPRoute",
                "r",
                "shop",
                {
                    "parentRefs": [
                        {"kind": "ServiceEntry", "group": "networking.istio.io", "name": "partner"}
                    ],
                    "rules": [{"backendRefs": [{"name": "egress", "port": 80}]}],
                },
            ),
        ],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "a redirect is answered by the sidecar",
        [HTTP_80, virtual_service({"http": [{"redirect": {"scheme": "https"}}]})],
        80,
        Sent.NOTHING,
        P.DENIED,
    ),
    (
        "a VirtualService of a gateway is not about the mesh",
        [
            HTTP_80,
            SIMPLE,
            virtual_service({"gateways": ["in"], "http": [{"route": to("other.example", 80)}]}),
        ],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "VirtualServices without an age that differ in effect",
        [
            BOTH,
            port_rule(443, "SIMPLE"),
            virtual_service({"http": [{"route": to(HOST, 443)}]}, "a", created=None),
            virtual_service({"http": [{"route": to(HOST, 80)}]}, "b", created=None),
        ],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "the oldest VirtualService governs",
        [
            BOTH,
            port_rule(443, "SIMPLE"),
            virtual_service({"http": [{"route": to(HOST, 80)}]}, "a", created="02"),
            virtual_service({"http": [{"route": to(HOST, 443)}]}, "b", created="01"),
        ],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "the client's namespace has a rule of its own before the entry's",
        [
            service_entry((80, "HTTP"), namespace="egress"),
            rule("theirs", "egress", **tls("SIMPLE")),
            rule("own", "shop", **tls("DISABLE")),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "the rule of the entry's namespace, exported",
        [service_entry((80, "HTTP"), namespace="egress"), rule("theirs", "egress", **tls("SIMPLE"))],
        80,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "the rule of the entry's namespace, kept to itself",
        [
            service_entry((80, "HTTP"), namespace="egress"),
            rule("theirs", "egress", exportTo=["."], **tls("SIMPLE")),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "MeshConfig keeps rules to themselves by default",
        [
            mesh("defaultDestinationRuleExportTo: ['.']"),
            service_entry((80, "HTTP"), namespace="egress"),
            rule("theirs", "egress", **tls("SIMPLE")),
        ],
        80,
        Sent.PLAINTEXT,
        P.PLAINTEXT,
    ),
    (
        "TLS around the application's TLS",
        [BOTH, port_rule(443, "SIMPLE")],
        443,
        Sent.TLS,
        P.TLS_SERVER_ONLY,
    ),
    (
        "a mode that Istio doesn't have",
        [HTTP_80, rule(**tls("STRONG"))],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
    (
        "an EnvoyFilter that touches outbound TLS",
        [
            HTTP_80,
            SIMPLE,
            custom(
                "networking.istio.io/v1alpha3",
                "EnvoyFilter",
                "f",
                "shop",
                {
                    "configPatches": [
                        {
                            "applyTo": "CLUSTER",
                            "match": {"context": "SIDECAR_OUTBOUND"},
                            "patch": {"operation": "MERGE", "value": {"transport_socket": None}},
                        }
                    ]
                },
            ),
        ],
        80,
        Sent.INDETERMINATE,
        P.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "port", "sent", "label"), CASES, ids=[case[0] for case in CASES]
)
def test_what_a_sidecar_sends_out(
    case: str, manifests: list[Manifest], port: int, sent: Sent, label: Protection
) -> None:
    found = way(pod(), *manifests, port=port)
    assert (found.sent, found.label) == (sent, label)
    assert [client.id for client in found.sources] == ["shop/Pod/web"]


def test_a_tunnel_is_named_with_its_place() -> None:
    found = way(pod(), service_entry((443, "TLS")), rule(trafficPolicy=TUNNEL), port=443)
    assert [cause.code for cause in found.reasons.causes] == ["indeterminate.istio.client-tunnel"]
    assert [ref.rule for ref in found.reasons.chain] == ["spec.trafficPolicy.tunnel"]


def test_a_subset_has_no_tunnel_but_its_own() -> None:
    entry = service_entry((5432, "TCP"))
    routed = virtual_service({"tcp": [{"route": to(HOST, 5432, "v1")}]})
    above = rule(trafficPolicy=TUNNEL, subsets=[{"name": "v1"}])
    own = rule(subsets=[{"name": "v1", "trafficPolicy": TUNNEL}])
    assert way(pod(), entry, routed, above, port=5432).sent is Sent.APPLICATION
    assert way(pod(), entry, routed, own, port=5432).sent is Sent.INDETERMINATE


def test_the_chain_names_entry_route_and_rule() -> None:
    found = way(
        pod(),
        BOTH,
        port_rule(443, "SIMPLE"),
        virtual_service({"http": [{"match": [{"port": 80}], "route": to(HOST, 443)}]}),
    )
    assert [(r.object, r.rule) for r in found.reasons.chain] == [
        ("shop/VirtualService.networking.istio.io/partner", "spec.http[0]"),
        ("shop/DestinationRule.networking.istio.io/partner", "spec.trafficPolicy.portLevelSettings[0]"),
    ]
    assert found.subject == f"shop/ServiceEntry.networking.istio.io/partner:{HOST}:80/TCP"


BYPASS = "traffic.sidecar.istio.io/"
BYPASSING: list[tuple[str, dict[str, str], Sent]] = [
    ("the port is excluded", {BYPASS + "excludeOutboundPorts": "80"}, Sent.PLAINTEXT),
    ("another port is excluded", {BYPASS + "excludeOutboundPorts": "81"}, Sent.TLS),
    ("nothing is intercepted", {"sidecar.istio.io/interceptionMode": "NONE"}, Sent.PLAINTEXT),
    ("some addresses are excluded", {BYPASS + "excludeOutboundIPRanges": "1.0.0.0/8"}, Sent.INDETERMINATE),
]


@pytest.mark.parametrize(("case", "annotations", "sent"), BYPASSING, ids=[case[0] for case in BYPASSING])
def test_tls_is_originated_only_for_what_the_sidecar_captures(
    case: str, annotations: dict[str, str], sent: Sent
) -> None:
    assert way(pod(annotations=annotations), HTTP_80, SIMPLE).sent is sent


HIDDEN: list[tuple[str, list[Manifest], bool]] = [
    ("exported to everybody", [service_entry((80, "HTTP"), namespace="egress")], True),
    ("kept to its own namespace", [service_entry((80, "HTTP"), namespace="egress", exportTo=["."])], False),
    ("exported by name", [service_entry((80, "HTTP"), namespace="egress", exportTo=["shop"])], True),
    ("exported to nobody", [service_entry((80, "HTTP"), exportTo=["~"])], False),
    (
        "MeshConfig keeps entries to themselves by default",
        [mesh("defaultServiceExportTo: ['.']"), service_entry((80, "HTTP"), namespace="egress")],
        False,
    ),
    (
        "the client's Sidecar doesn't import it",
        [sidecar({"egress": [{"hosts": ["./*"]}]}), service_entry((80, "HTTP"), namespace="egress")],
        False,
    ),
    (
        "the client's Sidecar imports its namespace",
        [sidecar({"egress": [{"hosts": ["egress/*"]}]}), service_entry((80, "HTTP"), namespace="egress")],
        True,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "known"), HIDDEN, ids=[case[0] for case in HIDDEN])
def test_whether_a_client_knows_a_host(case: str, manifests: list[Manifest], known: bool) -> None:
    found = way(pod(), *manifests)
    assert (bool(found.sources), found.sent) == (known, Sent.PLAINTEXT if known else Sent.NOTHING)


def at(*addresses: str) -> dict[str, Any]:
    return {"resolution": "STATIC", "endpoints": [{"address": address} for address in addresses]}


ENDS: list[tuple[str, list[Manifest], int, list[str] | None]] = [
    ("a name that DNS resolves", [HTTP_80], 80, None),
    (
        "endpoints by address",
        [service_entry((80, "HTTP"), **at("10.5.0.2", "10.5.0.1"))],
        80,
        ["10.5.0.1/32", "10.5.0.2/32"],
    ),
    ("one endpoint is a name", [service_entry((80, "HTTP"), **at("10.5.0.1", "db.corp.example"))], 80, None),
    (
        "the virtual address of a resolved host isn't where it ends",
        [service_entry((80, "HTTP"), addresses=["10.5.0.1"])],
        80,
        None,
    ),
    (
        "without resolution: TCP to the addresses that are named",
        [service_entry((5432, "TCP"), resolution="NONE", addresses=["10.5.0.0/24"])],
        5432,
        ["10.5.0.0/24"],
    ),
    (
        "without resolution: HTTP is known by its name, wherever it goes",
        [service_entry((80, "HTTP"), resolution="NONE", addresses=["10.5.0.0/24"])],
        80,
        None,
    ),
    (
        "an endpoint of another network is behind a gateway",
        [
            service_entry(
                (80, "HTTP"), resolution="STATIC", endpoints=[{"address": "10.5.0.1", "network": "west"}]
            )
        ],
        80,
        None,
    ),
    (
        "WorkloadEntries",
        [
            service_entry((80, "HTTP"), resolution="STATIC", workloadSelector={"labels": {"app": "old"}}),
            custom(
                ISTIO, "WorkloadEntry", "vm", "shop", {"address": "10.5.0.3", "labels": {"app": "old"}}, "01"
            ),
        ],
        80,
        ["10.5.0.3/32"],
    ),
    (
        "TLS that the mesh originates",
        [service_entry((80, "HTTP"), **at("10.5.0.1")), SIMPLE],
        80,
        ["10.5.0.1/32"],
    ),
]


@pytest.mark.parametrize(("case", "manifests", "port", "ends"), ENDS, ids=[case[0] for case in ENDS])
def test_where_a_way_ends(case: str, manifests: list[Manifest], port: int, ends: list[str] | None) -> None:
    found = way(pod(), *manifests, port=port).addresses
    assert (None if found is None else [str(block) for block in found]) == ends


def test_routes_that_end_elsewhere_are_told() -> None:
    here = service_entry((80, "HTTP"), **at("10.5.0.1"))
    there = custom(
        ISTIO,
        "ServiceEntry",
        "other",
        "shop",
        {**service_entry((80, "HTTP"), hosts=["other.example"], **at("10.6.0.1"))["spec"]},
        "01",
    )
    both = virtual_service({"http": [{"route": [*to(HOST, 80), *to("other.example", 80)]}]})
    one = virtual_service({"http": [{"route": to(HOST, 80)}]})
    assert way(pod(), here, there, both).elsewhere
    assert not way(pod(), here, there, one).elsewhere


def test_a_wildcard_host_is_judged_under_its_own_name() -> None:
    wild = service_entry((443, "TLS"), hosts=["*.partner.example"], resolution="NONE")
    assert way(pod(), wild, port=443, host="*.partner.example").sent is Sent.APPLICATION_TLS


def test_a_rule_for_a_wildcard_covers_the_hosts_below() -> None:
    assert way(pod(), HTTP_80, rule(host="*.partner.example", **tls("SIMPLE"))).sent is Sent.TLS


def test_clients_that_fare_alike_are_one_row_and_others_another() -> None:
    own = rule("own", "back", exportTo=["."], **tls("DISABLE"))
    rows = [
        row
        for row in ways(
            pod(),
            pod("other"),
            pod("job", "back"),
            service_entry((80, "HTTP"), namespace="egress"),
            rule("theirs", "egress", **tls("SIMPLE")),
            own,
        )
        if row.port == 80
    ]
    assert {(row.sent, tuple(client.id for client in row.sources)) for row in rows} == {
        (Sent.PLAINTEXT, ("back/Pod/job",)),
        (Sent.TLS, ("shop/Pod/other", "shop/Pod/web")),
    }


INSIDE = {"location": "MESH_INTERNAL", "resolution": "STATIC"}
MTLS = {"security.istio.io/tlsMode": "istio"}
INTERNAL: list[tuple[str, list[Manifest], Sent]] = [
    (
        "every endpoint says that it takes mTLS",
        [service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "labels": MTLS}], **INSIDE)],
        Sent.MESH_MTLS,
    ),
    (
        "an endpoint with a service account takes it",
        [service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "serviceAccount": "vm"}], **INSIDE)],
        Sent.MESH_MTLS,
    ),
    (
        "one endpoint doesn't",
        [
            service_entry(
                (80, "HTTP"),
                endpoints=[{"address": "10.9.0.1", "labels": MTLS}, {"address": "10.9.0.2"}],
                **INSIDE,
            )
        ],
        Sent.PLAINTEXT,
    ),
    ("no endpoint is known", [service_entry((80, "HTTP"), **INSIDE)], Sent.INDETERMINATE),
    (
        "a host by DNS takes none",
        [service_entry((80, "HTTP"), location="MESH_INTERNAL")],
        Sent.PLAINTEXT,
    ),
    (
        "a host that isn't resolved takes none",
        [service_entry((80, "HTTP"), location="MESH_INTERNAL", resolution="NONE")],
        Sent.PLAINTEXT,
    ),
    (
        "the namespace's mode is DISABLE",
        [
            service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "labels": MTLS}], **INSIDE),
            peer_authentication("ns", "shop", DISABLE),
        ],
        Sent.PLAINTEXT,
    ),
    (
        "MeshConfig that isn't YAML",
        [
            mesh("{{{"),
            service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "labels": MTLS}], **INSIDE),
        ],
        Sent.INDETERMINATE,
    ),
    (
        "WorkloadEntries stand behind it",
        [
            service_entry((80, "HTTP"), workloadSelector={"labels": {"app": "vm"}}, **INSIDE),
            custom(
                ISTIO,
                "WorkloadEntry",
                "vm",
                "shop",
                {"address": "10.9.0.1", "labels": {"app": "vm"}, "serviceAccount": "vm"},
            ),
        ],
        Sent.MESH_MTLS,
    ),
    (
        "automatic mTLS is off",
        [
            mesh("enableAutoMtls: false"),
            service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "labels": MTLS}], **INSIDE),
        ],
        Sent.PLAINTEXT,
    ),
    (
        "outside the mesh labels of endpoints don't count",
        [service_entry((80, "HTTP"), endpoints=[{"address": "10.9.0.1", "labels": MTLS}])],
        Sent.PLAINTEXT,
    ),
    (
        "a location that Istio doesn't have",
        [service_entry((80, "HTTP"), location="MESH_NEARBY")],
        Sent.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "sent"), INTERNAL, ids=[case[0] for case in INTERNAL])
def test_entries_inside_the_mesh_get_automatic_mtls(case: str, manifests: list[Manifest], sent: Sent) -> None:
    assert way(pod(), *manifests).sent is sent


GATEWAY_TLS = tls("ISTIO_MUTUAL", sni=HOST)
GATEWAYS: list[tuple[str, list[Manifest], int, list[Sent], Protection]] = [
    (
        "mesh mTLS to the gateway, which originates TLS",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(**GATEWAY_TLS),
            rule("out", "istio-system", **tls("SIMPLE")),
        ],
        80,
        [Sent.MESH_MTLS, Sent.TLS],
        P.TLS_SERVER_ONLY,
    ),
    (
        "the gateway may use a credentialName",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(**GATEWAY_TLS),
            rule("out", "istio-system", **tls("MUTUAL", credentialName="client")),
        ],
        80,
        [Sent.MESH_MTLS, Sent.MUTUAL_TLS],
        P.ENFORCED_MTLS,
    ),
    (
        "mesh mTLS to the gateway, and plaintext from there",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            through_gateway(443, 80),
            gateway_rule(**GATEWAY_TLS),
        ],
        80,
        [Sent.MESH_MTLS, Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
    (
        "plaintext to the gateway, which originates TLS",
        [
            *egress_gateway(server(80, "HTTP")),
            BOTH,
            through_gateway(80, 443),
            gateway_rule(),
            rule("out", "istio-system", **tls("SIMPLE")),
        ],
        80,
        [Sent.PLAINTEXT, Sent.TLS],
        P.PLAINTEXT,
    ),
    (
        "plaintext to a gateway that demands mesh mTLS is refused",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(),
            rule("out", "istio-system", **tls("SIMPLE")),
        ],
        80,
        [Sent.NOTHING],
        P.DENIED,
    ),
    (
        "the application's TLS passes through",
        [
            *egress_gateway(server(443, "TLS", "PASSTHROUGH")),
            service_entry((443, "TLS")),
            through_gateway(443, 443, "tls", at=443),
            gateway_rule(),
        ],
        443,
        [Sent.APPLICATION_TLS, Sent.APPLICATION_TLS],
        P.INDETERMINATE,
    ),
    (
        "two servers that differ in TLS",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL"), server(443, "TLS", "PASSTHROUGH")),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(**GATEWAY_TLS),
            rule("out", "istio-system", **tls("SIMPLE")),
        ],
        80,
        [Sent.INDETERMINATE, Sent.TLS],
        P.INDETERMINATE,
    ),
    (
        "an EnvoyFilter that touches the gateway's TLS",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(**GATEWAY_TLS),
            rule("out", "istio-system", **tls("SIMPLE")),
            custom(
                "networking.istio.io/v1alpha3",
                "EnvoyFilter",
                "f",
                "istio-system",
                {
                    "workloadSelector": {"labels": {"istio": "egressgateway"}},
                    "configPatches": [
                        {
                            "applyTo": "CLUSTER",
                            "match": {"context": "GATEWAY"},
                            "patch": {"value": {"transport_socket": {}}},
                        }
                    ],
                },
            ),
        ],
        80,
        [Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
    (
        "a server for another host",
        [
            *egress_gateway({**server(443, "HTTPS", "ISTIO_MUTUAL"), "hosts": ["other.example"]}),
            BOTH,
            through_gateway(443, 443),
            gateway_rule(**GATEWAY_TLS),
        ],
        80,
        [Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
    (
        "a gateway from which no route leads on",
        [
            *egress_gateway(server(443, "HTTPS", "ISTIO_MUTUAL")),
            BOTH,
            virtual_service({"http": [{"route": to(GATEWAY_HOST, 443, "partner")}]}),
            gateway_rule(**GATEWAY_TLS),
        ],
        80,
        [Sent.MESH_MTLS, Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "port", "hops", "label"), GATEWAYS, ids=[case[0] for case in GATEWAYS]
)
def test_each_hop_through_an_egress_gateway(
    case: str, manifests: list[Manifest], port: int, hops: list[Sent], label: Protection
) -> None:
    found = way(pod(), *manifests, port=port)
    assert ([hop.sent for hop in found.hops], found.label) == (hops, label)
    if len(found.hops) > 1:
        assert [hop.origin for hop in found.hops] == ["shop/Pod/web", f"istio-system/Pod/{OUT_GATEWAY}"]


def test_nodes_encrypt_the_hop_to_the_gateway_and_not_the_one_beyond() -> None:
    inside = [
        *egress_gateway(server(80, "HTTP")),
        BOTH,
        through_gateway(80, 443),
        gateway_rule(),
        rule("out", "istio-system", **tls("SIMPLE")),
    ]
    first, second = way(pod(), *inside, nodes=WIREGUARD).hops
    assert (first.record.cross_node_encrypted, first.record.plaintext_accepted) == (Tri.YES, Tri.YES)
    assert second.record.cross_node_encrypted is Tri.YES
    plain = way(pod(), *inside[:-1], nodes=WIREGUARD)
    assert plain.record.cross_node_encrypted is Tri.NO


USES = {"istio.io/use-waypoint": "waypoint"}


def labelled(entry: Manifest, labels: dict[str, str]) -> Manifest:
    return {**entry, "metadata": {**entry["metadata"], "labels": labels}}


WAYPOINTS: list[tuple[str, list[Manifest], list[Sent], Protection]] = [
    (
        "ztunnel doesn't look at the rule",
        [HTTP_80, SIMPLE],
        [Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
    (
        "a waypoint does",
        [labelled(HTTP_80, USES), waypoint(), SIMPLE],
        [Sent.MESH_MTLS, Sent.TLS],
        P.TLS_SERVER_ONLY,
    ),
    (
        "a waypoint without a rule sends plaintext on",
        [labelled(HTTP_80, USES), waypoint()],
        [Sent.MESH_MTLS, Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
    (
        "a waypoint with a VirtualService isn't followed",
        [
            labelled(BOTH, USES),
            waypoint(),
            port_rule(443, "SIMPLE"),
            virtual_service({"http": [{"match": [{"port": 80}], "route": to(HOST, 443)}]}),
        ],
        [Sent.MESH_MTLS, Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
    (
        "the namespace's label counts",
        [namespace("shop", USES), HTTP_80, waypoint(), SIMPLE],
        [Sent.MESH_MTLS, Sent.TLS],
        P.TLS_SERVER_ONLY,
    ),
    (
        "the entry opts out",
        [
            namespace("shop", USES),
            labelled(HTTP_80, {"istio.io/use-waypoint": "none"}),
            waypoint(),
            SIMPLE,
        ],
        [Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
    (
        "the waypoint is missing",
        [labelled(HTTP_80, USES), SIMPLE],
        [Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
    (
        "a Gateway of another class",
        [labelled(HTTP_80, USES), waypoint(cls="nginx"), SIMPLE],
        [Sent.INDETERMINATE],
        P.INDETERMINATE,
    ),
    (
        "a waypoint for workloads only",
        [labelled(HTTP_80, USES), waypoint(takes="workload"), SIMPLE],
        [Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
    (
        "a waypoint of another namespace that admits it",
        [
            labelled(HTTP_80, {**USES, "istio.io/use-waypoint-namespace": "egress"}),
            waypoint(
                namespace="egress",
                listeners=[{"name": "mesh", "allowedRoutes": {"namespaces": {"from": "All"}}}],
            ),
            rule("theirs", "egress", **tls("SIMPLE")),
        ],
        [Sent.MESH_MTLS, Sent.TLS],
        P.TLS_SERVER_ONLY,
    ),
    (
        "a waypoint of another namespace that doesn't",
        [
            labelled(HTTP_80, {**USES, "istio.io/use-waypoint-namespace": "egress"}),
            waypoint(namespace="egress"),
        ],
        [Sent.PLAINTEXT],
        P.PLAINTEXT,
    ),
]


@pytest.mark.parametrize(
    ("case", "manifests", "hops", "label"), WAYPOINTS, ids=[case[0] for case in WAYPOINTS]
)
def test_what_an_ambient_client_sends_out(
    case: str, manifests: list[Manifest], hops: list[Sent], label: Protection
) -> None:
    found = way(ambient(), *manifests)
    assert ([hop.sent for hop in found.hops], found.label) == (hops, label)


ANY: list[tuple[str, list[Manifest], Sent]] = [
    ("ALLOW_ANY is the default", [pod()], Sent.APPLICATION),
    ("REGISTRY_ONLY", [pod(), mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")], Sent.NOTHING),
    (
        "REGISTRY_ONLY, and some ports past the sidecar",
        [
            pod(annotations={BYPASS + "excludeOutboundPorts": "443"}),
            mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
        ],
        Sent.APPLICATION,
    ),
    (
        "REGISTRY_ONLY, and some addresses past the sidecar",
        [
            pod(annotations={BYPASS + "includeOutboundIPRanges": "10.0.0.0/8"}),
            mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
        ],
        Sent.INDETERMINATE,
    ),
    (
        "the Sidecar's policy outranks the mesh's",
        [
            pod(),
            mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
            sidecar({"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}),
        ],
        Sent.APPLICATION,
    ),
    (
        "a Sidecar's policy without a mode is REGISTRY_ONLY, number 0",
        [pod(), sidecar({"outboundTrafficPolicy": {"mode": ""}})],
        Sent.NOTHING,
    ),
    (
        "a Sidecar that says nothing of it",
        [
            pod(),
            mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
            sidecar({"egress": [{"hosts": ["*/*"]}]}),
        ],
        Sent.NOTHING,
    ),
    ("a mode that Istio doesn't have", [pod(), mesh("outboundTrafficPolicy: {mode: X}")], Sent.INDETERMINATE),
    (
        "ztunnel passes on all the same",
        [ambient(), mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")],
        Sent.APPLICATION,
    ),
    (
        "without a proxy nothing is refused",
        [pod(proxy=None), mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")],
        Sent.APPLICATION,
    ),
]


@pytest.mark.parametrize(("case", "manifests", "sent"), ANY, ids=[case[0] for case in ANY])
def test_what_becomes_of_destinations_that_nothing_registers(
    case: str, manifests: list[Manifest], sent: Sent
) -> None:
    assert way(*manifests, port=None, host="*").sent is sent
