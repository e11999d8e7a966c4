"""Cilium where it surprises: entities, ICMP, denials with ports, default denial, CIDR and pods; worked out by hand.

Sources: docs.cilium.io (Layer 3, Layer 4, Deny Policies, Endpoint default policy), pkg/policy/api.
"""

from typing import Any

import pytest

from tests.network.building import Raw, labels, policy
from tests.network.test_cilium import (
    FROM_WEB,
    NET_DB,
    OPEN,
    PARTLY,
    PROBE_DB,
    SHUT,
    TCP_80,
    WEB,
    WEB_DB,
    barring,
    ccnp,
    cnp,
    config,
    declared,
    into,
    out_of,
    ports,
    slices,
)

_ANY = {"fromEntities": ["all"]}
_ECHO, _REPLY = "shop/web > shop/db 2048/ICMP", "shop/web > shop/db 0/ICMP"
_API_SERVER = "203.0.113.9"


def _icmps(*types: Any, family: str = "IPv4") -> Raw:
    return {"icmps": [{"fields": [{"family": family, "type": t} for t in types]}]}


_KUBERNETES = slices("kubernetes", _API_SERVER, space="default")
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"ports": [{"port": 443}]},
}

CASES: list[tuple[str, list[Raw], str, str]] = [
    # ICMP
    ("a type of ICMP alone lets that in", [cnp("p", into(_icmps(8)))], _ECHO, OPEN),
    ("and no other", [cnp("p", into(_icmps(8)))], _REPLY, SHUT),
    ("and isolates TCP", [cnp("p", into(_icmps(8)))], WEB_DB, SHUT),
    ("a type by its name", [cnp("p", into(_icmps("EchoRequest")))], _ECHO, OPEN),
    ("a type of ICMPv6 is none of ICMP", [cnp("p", into(_icmps(8, family="IPv6")))], _ECHO, SHUT),
    (
        "ICMP from some endpoints",
        [cnp("p", into({**FROM_WEB, **_icmps(8)}))],
        "lab/probe > shop/db 2048/ICMP",
        SHUT,
    ),
    (
        "ports say nothing about ICMP, so it is shut",
        [cnp("p", into({**FROM_WEB, **ports(TCP_80)}))],
        _ECHO,
        SHUT,
    ),
    ("without ports endpoints get in with ICMP as well", [cnp("p", into(FROM_WEB))], _ECHO, OPEN),
    ("a denied type of ICMP", [cnp("p", into(_ANY)), cnp("q", barring(_icmps(8)))], _ECHO, SHUT),
    ("leaves the others", [cnp("p", into(_ANY)), cnp("q", barring(_icmps(8)))], _REPLY, OPEN),
    # entities
    (
        "the cluster includes its API server outside",
        [_SERVICE, _KUBERNETES, cnp("p", into({"fromEntities": ["cluster"]}))],
        *(f"{_API_SERVER} > shop/db 80", OPEN),
    ),
    (
        "and nobody else outside",
        [_SERVICE, _KUBERNETES, cnp("p", into({"fromEntities": ["cluster"]}))],
        *(NET_DB, SHUT),
    ),
    (
        "the world includes an API server outside",
        [_SERVICE, _KUBERNETES, cnp("p", into({"fromEntities": ["world"]}))],
        *(f"{_API_SERVER} > shop/db 80", OPEN),
    ),
    (
        "a denied API server is denied though the world is let in",
        [
            _SERVICE,
            _KUBERNETES,
            cnp("p", into({"fromEntities": ["world"]})),
            cnp("q", barring({"fromEntities": ["kube-apiserver"]})),
        ],
        *(f"{_API_SERVER} > shop/db 80", SHUT),
    ),
    ("the IPv4 world is outside", [cnp("p", into({"fromEntities": ["world-ipv4"]}))], NET_DB, OPEN),
    ("the IPv6 world is not the IPv4 one", [cnp("p", into({"fromEntities": ["world-ipv6"]}))], NET_DB, SHUT),
    (
        "health, ingress and init are no pods",
        [cnp("p", into({"fromEntities": ["health", "init", "ingress"]}))],
        WEB_DB,
        SHUT,
    ),
    (
        "all in egress is the world too",
        [cnp("p", out_of({"toEntities": ["all"]}))],
        "shop/web > internet 443",
        OPEN,
    ),
    (
        "cluster in egress is not",
        [cnp("p", out_of({"toEntities": ["cluster"]}))],
        "shop/web > internet 443",
        SHUT,
    ),
    # denials and defaults
    (
        "a denied port leaves the peer's other ports",
        [cnp("p", into(FROM_WEB)), cnp("q", barring({**FROM_WEB, **ports(TCP_80)}))],
        *("shop/web > shop/db 81", OPEN),
    ),
    (
        "a denied peer beats a port that is open to everyone",
        [cnp("p", into(ports(TCP_80))), cnp("q", barring(FROM_WEB))],
        *(WEB_DB, SHUT),
    ),
    (
        "a denial beats requests that L7 rules let in",
        [cnp("p", into({**ports(TCP_80, rules={"http": [{"method": "GET"}]})})), cnp("q", barring(FROM_WEB))],
        *(WEB_DB, SHUT),
    ),
    (
        "L7 rules that name nothing are a condition all the same",
        [cnp("p", into({**FROM_WEB, **ports(TCP_80, rules={"http": [{}]})}))],
        *(WEB_DB, PARTLY),
    ),
    (
        "one policy without default denial doesn't lift that of another",
        [
            cnp("p", into({"fromEntities": ["world"]}, enableDefaultDeny={"ingress": False})),
            cnp("q", into(FROM_WEB)),
        ],
        *(PROBE_DB, SHUT),
    ),
    (
        "and its own allow still counts there",
        [
            cnp("p", into({"fromEntities": ["world"]}, enableDefaultDeny={"ingress": False})),
            cnp("q", into(FROM_WEB)),
        ],
        *(NET_DB, OPEN),
    ),
    (
        "a denial of egress isolates ingress of nobody",
        [cnp("q", {"endpointSelector": {}, "egressDeny": [{"toEntities": ["world"]}]})],
        *(NET_DB, OPEN),
    ),
    (
        "and isolates egress",
        [cnp("q", {"endpointSelector": {}, "egressDeny": [{"toEntities": ["world"]}]})],
        *(WEB_DB, SHUT),
    ),
    (
        "a clusterwide denial reaches every namespace",
        [
            ccnp(
                "q",
                {
                    "endpointSelector": {},
                    "ingressDeny": [{"fromEntities": ["world"]}],
                    "enableDefaultDeny": {"ingress": False},
                },
            )
        ],
        *("internet > lab/probe 80", SHUT),
    ),
    (
        "always: what a Kubernetes policy allows is let in",
        [
            config(enable_policy="always"),
            policy("k", "shop", types=["Ingress", "Egress"], ingress=[{}], egress=[{}]),
        ],
        *(WEB_DB, OPEN),
    ),
    # ports
    (
        "port 0 is every port",
        [cnp("p", into(ports({"port": "0", "protocol": "TCP"})))],
        "shop/web > shop/db 9999",
        OPEN,
    ),
    (
        "of its protocol",
        [cnp("p", into(ports({"port": "0", "protocol": "TCP"})))],
        "shop/web > shop/db 53/UDP",
        SHUT,
    ),
    (
        "endPort is inclusive",
        [cnp("p", into(ports({"port": "80", "endPort": 90})))],
        "shop/web > shop/db 90",
        OPEN,
    ),
    ("an empty list of ports is no restriction", [cnp("p", into({**FROM_WEB, "toPorts": []}))], WEB_DB, OPEN),
    # addresses
    (
        "a denied CIDR leaves pods with such addresses alone",
        [
            cnp("q", barring({"fromCIDR": ["10.0.0.0/8"]}, enableDefaultDeny={"ingress": False})),
        ],
        *(WEB_DB, OPEN),
    ),
    (
        "a CIDR with except",
        [cnp("p", into({"fromCIDRSet": [{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}]}))],
        *(NET_DB, OPEN),
    ),
    (
        "toEndpoints with a namespace and labels needs both",
        [
            cnp(
                "p",
                out_of(
                    {
                        "toEndpoints": [
                            {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "lab", "app": "db"}}
                        ]
                    }
                ),
            )
        ],
        *("shop/web > lab/probe 80", SHUT),
    ),
    (
        "a Kubernetes policy and a Cilium policy isolate together and each lets in its own",
        [policy("k", "shop", pods=labels(app="db"), ingress=[]), cnp("p", into({"fromEndpoints": [WEB]}))],
        *(WEB_DB, OPEN),
    ),
]


@pytest.mark.parametrize(("objects", "flow", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_cilium_decides(objects: list[Raw], flow: str, expected: str) -> None:
    assert declared(objects, flow) == expected
