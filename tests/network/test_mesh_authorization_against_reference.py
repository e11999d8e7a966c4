"""Istio's authorization, alone and with Kubernetes NetworkPolicy, against the slow evaluators on generated clusters."""

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.inventory.endpoints import Endpoint
from auditor.network.addresses import External
from auditor.network.connectivity import Basis
from auditor.network.universe import Host, Peer
from tests.network.building import Raw, connect, enforced, namespace
from tests.network.generated import BLOCKS, PORTS, SPACES, network_policies, pods, some
from tests.network.reference import ALLOW, Party, outcomes, world_of
from tests.network.reference_istio import ROOT, authorized

_EXAMPLES = int(os.environ.get("AUDITOR_EXAMPLES", "100"))
_settings = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize="AUDITOR_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_POINTS = [(port, protocol) for port in (*PORTS, 79) for protocol in ("TCP", "UDP")]
_labels = st.sampled_from(({}, {"k": "x"}, {"k": "x"}, {"k": "y"}, {"k": "x", "l": "y"}))
_principals = st.sampled_from(
    ("*", "cluster.local/ns/a/sa/one", "cluster.local/ns/a/*", "*/sa/two", "cluster.local/ns/b/sa/two")
)


@st.composite
def _pods(draw: st.DrawFn, number: int) -> Raw:
    raw = draw(pods(number))
    raw["metadata"]["labels"] = draw(_labels)
    raw["spec"]["serviceAccountName"] = draw(st.sampled_from(("one", "two")))
    if not raw["spec"].get("hostNetwork") and draw(st.sampled_from(range(4))):
        raw["spec"]["containers"].append({"name": "istio-proxy"})
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
    rule: Raw = {}
    if source:
        rule["from"] = [{"source": source}]
    if operation:
        rule["to"] = [{"operation": operation}]
    return rule


@st.composite
def _policies(draw: st.DrawFn, number: int) -> Raw:
    spec: dict[str, Any] = {}
    action = draw(st.sampled_from((None, "ALLOW", "ALLOW", "DENY")))
    if action:
        spec["action"] = action
    rules = draw(some(_rules(), 0, 1, 1, 2))
    if rules:
        spec["rules"] = rules
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(st.sampled_from(({"k": "x"}, {"k": "y"}, {"l": "y"})))}
    metadata = {"name": f"a{number}", "namespace": draw(st.sampled_from((*SPACES, ROOT)))}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


@st.composite
def mesh_clusters(draw: st.DrawFn) -> list[Raw]:
    """A cluster of which most pods have a sidecar, with authorization and now and then NetworkPolicies."""
    objects = [*(namespace(name) for name in SPACES), *enforced("node-1", "node-2")]
    objects += [draw(_pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += [draw(_policies(number)) for number in range(draw(st.sampled_from((1, 2, 3))))]
    return objects + [draw(network_policies(number)) for number in range(draw(st.sampled_from((0, 0, 1))))]


def _party(peer: Peer) -> Party:
    if isinstance(peer, Endpoint):
        ports = tuple((p.name, p.protocol, p.port) for p in peer.ports)
        on = next(iter(peer.node_names))
        return Party(peer.addresses[0], peer.namespace, peer.labels, ports, on, peer.host_network)
    if isinstance(peer, Host):
        return Party(peer.addresses[0], node=peer.name, is_node=True)
    return Party(peer.cidrs[0].partition("/")[0])


def _account(peer: Peer) -> str | None:
    """The client's identity: its service account, if it has a sidecar."""
    return peer.service_account if isinstance(peer, Endpoint) and _has_sidecar(peer) else None


def _has_sidecar(peer: Peer) -> bool:
    return isinstance(peer, Endpoint) and any(c["name"] == "istio-proxy" for c in peer.containers)


def _near(one: Party, other: Party) -> bool:
    hosts = [p for p in (one, other) if p.is_node or p.host_network]
    return one == other or (bool(hosts) and one.node == other.node)


def _compare(objects: list[Raw]) -> None:
    connectivity, world = connect(objects), world_of(objects)
    policies = [raw for raw in objects if raw["kind"] == "AuthorizationPolicy"]
    peers = [
        p
        for p in connectivity.universe.peers
        if not (isinstance(p, Endpoint) and p.namespace == "kube-system")
    ]
    for source in peers:
        for destination in peers:
            if isinstance(source, External) and isinstance(destination, External):
                continue
            one, other = _party(source), _party(destination)
            found = connectivity.connection(source, destination, Basis.ENFORCED)
            for port, protocol in _POINTS:
                expected = outcomes(world, one, other, port, protocol) == {ALLOW}
                if protocol == "TCP" and _has_sidecar(destination) and not _near(one, other):
                    expected = expected and authorized(policies, one, _account(source), other, port)
                ours = found.allowed.contains(port, protocol) or found.declared_not_enforced.contains(
                    port, protocol
                )
                assert ours is expected, (source.id, destination.id, port, protocol)


@given(mesh_clusters())
@_settings
def test_istio_authorization_as_documented(objects: list[Raw]) -> None:
    _compare(objects)
