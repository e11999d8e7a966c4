"""Cilium, alone and with Kubernetes NetworkPolicy, against the slow evaluator on generated clusters."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.network.building import Raw, connect, namespace, node
from tests.network.generated import PORTS, SPACES, expressions, network_policies, pods, some
from tests.network.proof import compare, examples, points
from tests.network.reference import world_of
from tests.network.reference_cilium import CiliumWorld, outcome

_POINTS = points((*PORTS, 79, 8081), "TCP", "UDP", "SCTP")
_labels = st.sampled_from(({}, {"k": "x"}, {"k": "x"}, {"k": "y"}, {"l": "x"}, {"k": "x", "l": "y"}))
_WORLD_BLOCKS = ("0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24", "203.0.113.0/24", "203.0.113.128/25")


@st.composite
def _labelled_pods(draw: st.DrawFn, number: int) -> Raw:
    raw = draw(pods(number))
    return {**raw, "metadata": {**raw["metadata"], "labels": draw(_labels)}}


@st.composite
def _selectors(draw: st.DrawFn) -> Raw:
    kind = draw(st.sampled_from(("empty", "label", "label", "expression", "space", "spaces")))
    source = draw(st.sampled_from(("", "", "k8s:", "any:")))
    if kind == "label":
        key, value = draw(st.sampled_from(("k", "l"))), draw(st.sampled_from(("x", "y")))
        return {"matchLabels": {source + key: value}}
    if kind == "expression":
        return {"matchExpressions": [draw(expressions())]}
    if kind == "space":
        return {"matchLabels": {"k8s:io.kubernetes.pod.namespace": draw(st.sampled_from(SPACES))}}
    if kind == "spaces":
        return {"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.k": draw(st.sampled_from(("x", "y")))}}
    return {}


@st.composite
def _ports(draw: st.DrawFn, deny: bool) -> Raw:
    port = draw(st.sampled_from(("80", "81", "8080", "0", "http")))
    entry: Raw = {"port": port}
    protocol = draw(st.sampled_from((None, "TCP", "TCP", "UDP", "ANY")))
    if protocol:
        entry["protocol"] = protocol
    if port in ("80", "81") and draw(st.booleans()):
        entry["endPort"] = 8080
    if not deny and protocol == "TCP" and port != "0" and draw(st.booleans()):
        return {"ports": [entry], "rules": {"http": [{"method": "GET"}]}}
    return {"ports": [entry]}


@st.composite
def _entries(draw: st.DrawFn, egress: bool, deny: bool) -> Raw:
    prefix = "to" if egress else "from"
    kinds = ["none", "Endpoints", "Endpoints", "Endpoints", "Entities", "CIDR", "CIDRSet"]
    kind = draw(st.sampled_from([*kinds, *(["FQDNs"] if egress and not deny else [])]))
    entry: Raw = {}
    if kind == "Endpoints":
        entry[prefix + kind] = draw(some(_selectors(), 0, 1, 1, 1, 2))
    elif kind == "Entities":
        entry[prefix + kind] = draw(some(st.sampled_from(("all", "world", "cluster", "remote-node")), 1, 2))
    elif kind == "CIDR":
        entry[prefix + kind] = draw(some(st.sampled_from(_WORLD_BLOCKS), 1, 2))
    elif kind == "CIDRSet":
        block = st.sampled_from(
            ({"cidr": "203.0.113.0/24", "except": ["203.0.113.128/25"]}, {"cidr": "0.0.0.0/0"})
        )
        entry[prefix + kind] = draw(some(block, 1))
    elif kind == "FQDNs":
        entry[prefix + kind] = [{"matchName": "example.com"}]
    if draw(st.booleans()):
        entry["toPorts"] = draw(some(_ports(deny), 1, 1, 2))
    return entry


@st.composite
def _rules(draw: st.DrawFn) -> Raw:
    chosen = st.sampled_from(({}, {"matchLabels": {"k": "x"}}))
    rule: dict[str, Any] = {"endpointSelector": draw(chosen | _selectors())}
    for direction, egress in (("ingress", False), ("egress", True)):
        for field, deny in ((direction, False), (f"{direction}Deny", True)):
            sizes = (0, 0, 0, 1) if deny else (0, 1, 1, 2)
            entries = draw(some(_entries(egress, deny), *sizes))
            if entries:
                rule[field] = entries
        if draw(st.sampled_from(range(4))) == 0:
            rule.setdefault("enableDefaultDeny", {})[direction] = draw(st.booleans())
    return rule


@st.composite
def _policies(draw: st.DrawFn, number: int) -> Raw:
    space = draw(st.sampled_from((None, *SPACES, *SPACES)))
    kind = "CiliumNetworkPolicy" if space else "CiliumClusterwideNetworkPolicy"
    metadata: Raw = {"name": f"c{number}", **({"namespace": space} if space else {})}
    rules = draw(some(_rules(), 1, 1, 2))
    body: Raw = {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata}
    return {**body, "spec": rules[0]} if len(rules) == 1 else {**body, "specs": rules}


@st.composite
def cilium_objects(draw: st.DrawFn) -> list[Raw]:
    """Policies of namespaces and of the cluster."""
    return [draw(_policies(number)) for number in range(draw(st.sampled_from((1, 2, 3))))]


@st.composite
def cilium_clusters(draw: st.DrawFn, kubernetes: bool = False) -> list[Raw]:
    """A cluster with Cilium's policies; with `kubernetes` also NetworkPolicies."""
    objects = [namespace(name, **draw(_labels)) for name in SPACES]
    objects += [node(f"node-{number}", f"192.0.2.{number}") for number in (1, 2)]
    objects += [draw(_labelled_pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4))) + 1)]
    objects += draw(cilium_objects())
    mode = draw(st.sampled_from(("default", "default", "default", "always")))
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cilium-config", "namespace": "kube-system"},
            "data": {"enable-policy": mode},
        }
    )
    if kubernetes:
        objects += [draw(network_policies(number)) for number in range(draw(st.sampled_from((1, 2))))]
    return objects


def _compare(objects: list[Raw]) -> None:
    connectivity = connect(objects)
    assert connectivity.policy_problems == ()
    kubernetes = world_of([raw for raw in objects if not raw["apiVersion"].startswith("cilium.io")])
    mode = next(raw["data"]["enable-policy"] for raw in objects if raw["kind"] == "ConfigMap")
    world = CiliumWorld(kubernetes, tuple(objects), mode)
    compare(connectivity, lambda _, one, __, other, *at: outcome(world, one, other, *at), _POINTS)


@given(cilium_clusters())
@examples(30)
def test_cilium_as_documented(objects: list[Raw]) -> None:
    _compare(objects)


@given(cilium_clusters(kubernetes=True))
@examples(30)
def test_cilium_with_kubernetes_policies_as_documented(objects: list[Raw]) -> None:
    _compare(objects)
