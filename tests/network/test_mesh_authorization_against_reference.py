"""Istio's and Linkerd's authorization, with Kubernetes NetworkPolicy, against the slow evaluators on generated clusters."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditor.network.connectivity import Basis
from tests.network.building import Raw, connect, enforced, namespace
from tests.network.generated import BLOCKS, PORTS, SPACES, network_policies, pods, some
from tests.network.proof import compare, examples, points
from tests.network.reference import Party
from tests.network.reference_datapath import (
    ISTIO,
    LINKERD,
    NETWORKPOLICY,
    OFF,
    ON,
    Datapath,
    Ends,
    proxies_of,
)
from tests.network.reference_istio import ROOT
from tests.network.reference_linkerd import CLUSTER_NETWORKS, DEFAULT, IDENTIFIED, SKIPPED

_POINTS = points((*PORTS, 79, 4567), "TCP", "UDP")
_labels = st.sampled_from(({}, {"k": "x"}, {"k": "x"}, {"k": "y"}, {"k": "x", "l": "y"}))
_principals = st.sampled_from(
    ("*", "cluster.local/ns/a/sa/one", "cluster.local/ns/a/*", "*/sa/two", "cluster.local/ns/b/sa/two")
)
_CONDITIONS: tuple[Raw, ...] = (
    {"key": "source.namespace", "values": ["a"]},
    {"key": "source.namespace", "notValues": ["b"]},
    {"key": "destination.port", "values": ["80", "8080"]},
    {"key": "destination.port", "notValues": ["80"]},
    {"key": "request.headers[x-team]", "values": ["pay"]},
)


@st.composite
def istio_pods(draw: st.DrawFn, number: int) -> Raw:
    raw = draw(pods(number))
    raw["metadata"]["labels"] = draw(_labels)
    raw["spec"]["serviceAccountName"] = draw(st.sampled_from(("one", "two")))
    proxy = draw(st.sampled_from(("none", "sidecar", "sidecar", "ambient")))
    if proxy == "sidecar" and not raw["spec"].get("hostNetwork"):
        raw["spec"]["containers"].append({"name": "istio-proxy"})
    elif proxy == "ambient":
        raw["metadata"]["annotations"] = {"ambient.istio.io/redirection": "enabled"}
    return raw


@st.composite
def _rules(draw: st.DrawFn) -> Raw:
    source: dict[str, Any] = {}
    for field, values in (
        ("principals", _principals),
        ("notPrincipals", _principals),
        ("namespaces", st.sampled_from(("a", "b", "*"))),
        ("notNamespaces", st.sampled_from(("a", "b"))),
        ("ipBlocks", st.sampled_from(BLOCKS)),
        ("notIpBlocks", st.sampled_from(BLOCKS[2:])),
    ):
        if draw(st.sampled_from(range(4))) == 0:
            source[field] = draw(some(values, 1, 2))
    operation: dict[str, Any] = {}
    for field in ("ports", "notPorts"):
        if draw(st.sampled_from(range(4))) == 0:
            operation[field] = draw(some(st.sampled_from([str(port) for port in PORTS]), 1, 2))
    if draw(st.sampled_from(range(4))) == 0:
        operation["methods"] = ["GET"]
    if draw(st.sampled_from(range(12))) == 0:
        source["requestPrincipals"] = ["*"]
    rule: Raw = {}
    if source:
        rule["from"] = [{"source": source}]
    if operation:
        rule["to"] = [{"operation": operation}]
    if draw(st.sampled_from(range(4))) == 0:
        rule["when"] = [draw(st.sampled_from(_CONDITIONS))]
    return rule


@st.composite
def authorization_policies(draw: st.DrawFn, number: int) -> Raw:
    spec: dict[str, Any] = {}
    action = draw(st.sampled_from((None, "ALLOW", "ALLOW", "DENY", "DENY", "CUSTOM", "AUDIT")))
    if action:
        spec["action"] = action
    if action == "CUSTOM":
        spec["provider"] = {"name": "opa"}
    rules = draw(some(_rules(), 0, 1, 1, 2))
    if rules:
        spec["rules"] = rules
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(st.sampled_from(({"k": "x"}, {"k": "y"}, {"l": "y"})))}
    metadata: Raw = {"name": f"a{number}", "namespace": draw(st.sampled_from((*SPACES, ROOT)))}
    if draw(st.sampled_from(range(8))) == 0:
        metadata["annotations"] = {"istio.io/dry-run": "true"}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


@st.composite
def istio_services(draw: st.DrawFn) -> list[Raw]:
    """Services that say which of their ports are HTTP."""
    found = []
    for number, space in enumerate(draw(some(st.sampled_from(SPACES), 0, 1, 2))):
        port = {
            "port": 80,
            "targetPort": draw(st.sampled_from(PORTS)),
            "name": draw(st.sampled_from(("tcp", "http"))),
        }
        spec = {"selector": draw(st.sampled_from(({"k": "x"}, {"k": "y"}))), "ports": [port]}
        metadata = {"name": f"s{number}", "namespace": space}
        found.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return found


@st.composite
def istio_clusters(draw: st.DrawFn) -> list[Raw]:
    """A cluster of which most pods have a proxy, with authorization and now and then NetworkPolicies."""
    objects = [*(namespace(name) for name in SPACES), *enforced("node-1", "node-2")]
    objects += [draw(istio_pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += [draw(authorization_policies(number)) for number in range(draw(st.sampled_from((1, 2, 3))))]
    objects += draw(istio_services())
    return objects + [draw(network_policies(number)) for number in range(draw(st.sampled_from((0, 0, 1))))]


# -- Linkerd ----------------------------------------------------------------------------------------------------------


@st.composite
def linkerd_pods(draw: st.DrawFn, number: int) -> Raw:
    """A pod, most of the time with Linkerd's proxy, sometimes with annotations that change its inbound policy."""
    raw = draw(pods(number))
    raw["metadata"]["labels"] = draw(_labels)
    raw["spec"]["serviceAccountName"] = draw(st.sampled_from(("one", "two")))
    if not raw["spec"].get("hostNetwork") and draw(st.sampled_from(range(4))):
        raw["spec"]["containers"].append({"name": "linkerd-proxy"})
    notes = raw["metadata"].setdefault("annotations", {})
    for key, values in ((DEFAULT, _DEFAULTS), (SKIPPED, ("81",)), (IDENTIFIED, ("80", "80,9000"))):
        if draw(st.sampled_from(range(4))) == 0:
            notes[key] = draw(st.sampled_from(values))
    return raw


_DEFAULTS = (
    *("all-unauthenticated", "all-authenticated", "cluster-authenticated", "cluster-unauthenticated"),
    *("deny", "audit"),
)
_identities = st.sampled_from(
    (
        "*",
        "one.a.serviceaccount.identity.linkerd.cluster.local",
        "two.b.serviceaccount.identity.linkerd.cluster.local",
        "*.a.serviceaccount.identity.linkerd.cluster.local",
    )
)
_accounts = st.builds(
    lambda name, space: {"name": name, **({"namespace": space} if space else {})},
    st.sampled_from(("one", "two")),
    st.sampled_from((None, *SPACES)),
)


def _linkerd(kind: str, name: str, space: str, spec: Raw, **metadata: Any) -> Raw:
    found = {"name": name, "namespace": space, **metadata}
    return {"apiVersion": "policy.linkerd.io/v1beta3", "kind": kind, "metadata": found, "spec": spec}


@st.composite
def _networks(draw: st.DrawFn) -> list[Raw]:
    entry: Raw = {"cidr": draw(st.sampled_from(BLOCKS))}
    if draw(st.booleans()) and entry["cidr"] in ("0.0.0.0/0", "10.0.0.0/8"):
        entry["except"] = ["10.0.0.0/24"]
    return [entry]


@st.composite
def _servers(draw: st.DrawFn, number: int) -> Raw:
    spec: Raw = {
        "podSelector": draw(st.sampled_from(({}, {"matchLabels": {"k": "x"}}, {"matchLabels": {"k": "y"}}))),
        "port": draw(st.sampled_from((80, 80, 8080, 9000, "http"))),
    }
    if draw(st.sampled_from(range(3))) == 0:
        spec["accessPolicy"] = draw(st.sampled_from(_DEFAULTS))
    created = draw(st.sampled_from(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")))
    labels = draw(st.sampled_from(({}, {"for": "x"})))
    space = draw(st.sampled_from(SPACES))
    return _linkerd("Server", f"s{number}", space, spec, creationTimestamp=created, labels=labels)


@st.composite
def _server_authorizations(draw: st.DrawFn, number: int) -> Raw:
    client: Raw = {"unauthenticated": True}
    kind = draw(st.sampled_from(("unauthenticated", "tls", "identities", "accounts")))
    if kind == "tls":
        client = {"meshTLS": {"unauthenticatedTLS": True}}
    elif kind == "identities":
        client = {"meshTLS": {"identities": draw(some(_identities, 1, 2))}}
    elif kind == "accounts":
        client = {"meshTLS": {"serviceAccounts": draw(some(_accounts, 1, 2))}}
    if draw(st.booleans()):
        client["networks"] = draw(_networks())
    server = draw(
        st.sampled_from(({"name": "s0"}, {"name": "s1"}, {"selector": {"matchLabels": {"for": "x"}}}))
    )
    space = draw(st.sampled_from(SPACES))
    return _linkerd("ServerAuthorization", f"sa{number}", space, {"server": server, "client": client})


@st.composite
def _authorizations(draw: st.DrawFn, number: int) -> Raw:
    space = draw(st.sampled_from(SPACES))
    target = draw(
        st.sampled_from(
            (
                {"group": "policy.linkerd.io", "kind": "Server", "name": "s0"},
                {"group": "policy.linkerd.io", "kind": "Server", "name": "s1"},
                {"group": "core", "kind": "Namespace", "name": space},
                {"group": "policy.linkerd.io", "kind": "HTTPRoute", "name": "r"},
            )
        )
    )
    references = st.sampled_from(
        (
            {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "t0"},
            {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "t1", "namespace": "a"},
            {"group": "policy.linkerd.io", "kind": "NetworkAuthentication", "name": "n0"},
            {"kind": "ServiceAccount", "name": "one", "namespace": "b"},
        )
    )
    spec = {"targetRef": target, "requiredAuthenticationRefs": draw(some(references, 0, 1, 1, 2))}
    return _linkerd("AuthorizationPolicy", f"ap{number}", space, spec)


@st.composite
def _authentications(draw: st.DrawFn) -> list[Raw]:
    found = []
    for name, space in (("t0", "a"), ("t0", "b"), ("t1", "a")):
        spec: Raw = {"identities": draw(some(_identities, 1, 2))}
        if draw(st.booleans()):
            reference = draw(
                st.sampled_from((("ServiceAccount", "one"), ("Namespace", "a"), ("Namespace", "b")))
            )
            spec = {"identityRefs": [{"kind": reference[0], "name": reference[1]}]}
        if draw(st.sampled_from(range(5))):
            found.append(_linkerd("MeshTLSAuthentication", name, space, spec))
    spaces = draw(some(st.sampled_from(SPACES), 0, 1, 1))
    return found + [
        _linkerd("NetworkAuthentication", "n0", s, {"networks": draw(_networks())}) for s in spaces
    ]


@st.composite
def linkerd_policies(draw: st.DrawFn) -> list[Raw]:
    """The cluster's default, Servers, grants, and what the grants name; some of it missing."""
    default = draw(st.sampled_from(_DEFAULTS))
    values = f"clusterNetworks: {','.join(CLUSTER_NETWORKS)}\nproxy:\n  defaultInboundPolicy: {default}\n"
    metadata = {"name": "linkerd-config", "namespace": "linkerd"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"values": values}}
    objects = [config, *draw(_authentications())]
    objects += [draw(_servers(number)) for number in range(draw(st.sampled_from((0, 1, 2, 2))))]
    objects += [draw(_server_authorizations(number)) for number in range(draw(st.sampled_from((0, 1, 2))))]
    objects += [draw(_authorizations(number)) for number in range(draw(st.sampled_from((0, 1, 2))))]
    if draw(st.booleans()):
        spec = {"parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "s0"}], "rules": []}
        objects.append(_linkerd("HTTPRoute", "r", draw(st.sampled_from(SPACES)), spec))
    return objects


@st.composite
def linkerd_clusters(draw: st.DrawFn) -> list[Raw]:
    """A cluster of which most pods have Linkerd's proxy."""
    objects = [*(namespace(name) for name in SPACES), *enforced("node-1", "node-2")]
    objects += [draw(linkerd_pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += draw(linkerd_policies())
    return objects + [draw(network_policies(number)) for number in range(draw(st.sampled_from((0, 0, 1))))]


def linkerd_default(objects: list[Raw]) -> str:
    """The cluster's default inbound policy; no say where Linkerd isn't configured."""
    texts = [raw["data"]["values"] for raw in objects if raw["metadata"]["name"] == "linkerd-config"]
    return texts[0].rpartition(" ")[2].strip() if texts else ""


def status(raws: dict[str, Raw], layer: str, pod: Party) -> str:
    """Enforced where a proxy of the mesh is; NetworkPolicy by the agent, on every node."""
    if layer == ISTIO:
        return ON if proxies_of(raws[pod.address]) in ("sidecar", "ambient") else OFF
    if layer == LINKERD:
        return ON if proxies_of(raws[pod.address]) == "linkerd" else OFF
    return ON if layer == NETWORKPOLICY else OFF


def by_address(objects: list[Raw]) -> dict[str, Raw]:
    """The pods with a network of their own."""
    return {
        raw["status"]["podIPs"][0]["ip"]: raw
        for raw in objects
        if raw["kind"] == "Pod" and not raw["spec"].get("hostNetwork")
    }


def _compare(objects: list[Raw]) -> None:
    raws = by_address(objects)
    path = Datapath(tuple(objects), partial(status, raws), raws, linkerd_default=linkerd_default(objects))
    connectivity = connect(objects)
    references = {problem.code for problem in connectivity.policy_problems}
    assert references <= {"invalid.reference"}
    compare(
        connectivity,
        lambda _, one, __, other, *at: path.answer(Ends(one, other, *at)),
        _POINTS,
        Basis.ENFORCED,
    )


@given(istio_clusters())
@examples(40)
def test_istio_authorization_as_documented(objects: list[Raw]) -> None:
    _compare(objects)


@given(linkerd_clusters())
@examples(60)
def test_linkerd_authorization_as_documented(objects: list[Raw]) -> None:
    _compare(objects)
