"""Hypothesis strategies for small clusters: few names, so that everything overlaps.

Sizes and kinds are sampled evenly (not drawn as integers or lists, which lean towards small and empty).
"""

from typing import Any

from hypothesis import strategies as st

from tests.network.building import Raw, agent, cluster_policy, namespace, node, pod, policy

SPACES = ("a", "b")
PORTS = (80, 81, 8080, 9000)
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.0.2/32",
    "192.0.2.0/24",
    "203.0.113.0/24",
)
_HOLES = {
    "0.0.0.0/0": ("10.0.0.0/8", "192.0.2.1/32"),
    "10.0.0.0/8": ("10.0.1.0/24", "10.0.0.2/32"),
    "10.0.0.0/24": ("10.0.0.2/32",),
}

_pairs = st.dictionaries(st.sampled_from(("k", "l")), st.sampled_from(("x", "y")), max_size=2)


@st.composite
def expressions(draw: st.DrawFn) -> Raw:
    """One of matchExpressions."""
    operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")))
    entry: Raw = {"key": draw(st.sampled_from(("k", "l", "m"))), "operator": operator}
    if operator in ("In", "NotIn"):
        entry["values"] = draw(
            st.lists(st.sampled_from(("x", "y", "z")), min_size=1, max_size=2, unique=True)
        )
    return entry


def some(entries: st.SearchStrategy[Any], *sizes: int) -> st.SearchStrategy[list[Any]]:
    """A list with one of the sizes."""
    return st.sampled_from(sizes).flatmap(lambda size: st.lists(entries, min_size=size, max_size=size))


@st.composite
def selectors(draw: st.DrawFn) -> Raw:
    """A label selector: a third are empty, a third by one label, a third with an expression."""
    kind = draw(st.sampled_from(("empty", "label", "expression")))
    if kind == "label":
        return {"matchLabels": {draw(st.sampled_from(("k", "l"))): draw(st.sampled_from(("x", "y")))}}
    return {"matchExpressions": [draw(expressions())]} if kind == "expression" else {}


@st.composite
def blocks(draw: st.DrawFn) -> Raw:
    """An ipBlock, sometimes with exceptions."""
    cidr = draw(st.sampled_from(BLOCKS))
    block: Raw = {"cidr": cidr}
    if cidr in _HOLES and draw(st.booleans()):
        block["except"] = draw(st.lists(st.sampled_from(_HOLES[cidr]), min_size=1, max_size=2, unique=True))
    return block


@st.composite
def np_peers(draw: st.DrawFn) -> Raw:
    """A peer of a NetworkPolicy."""
    kind = draw(st.sampled_from(range(4)))
    if kind == 0:
        return {"ipBlock": draw(blocks())}
    if kind == 1:
        return {"podSelector": draw(selectors())}
    if kind == 2:
        return {"namespaceSelector": draw(selectors())}
    return {"podSelector": draw(selectors()), "namespaceSelector": draw(selectors())}


@st.composite
def np_ports(draw: st.DrawFn) -> Raw:
    """A port of a NetworkPolicy."""
    entry: Raw = {}
    if draw(st.booleans()):
        entry["protocol"] = draw(st.sampled_from(("TCP", "UDP", "SCTP")))
    kind = draw(st.sampled_from((0, 1, 1, 2, 3)))
    if kind == 1:
        entry["port"] = "http"
    elif kind >= 2:
        entry["port"] = draw(st.sampled_from(PORTS))
        if kind == 3:
            entry["endPort"] = entry["port"] + draw(st.sampled_from((0, 1, 1000)))
    return entry


@st.composite
def np_rules(draw: st.DrawFn, field: str) -> Raw:
    """A rule of a NetworkPolicy."""
    rule: Raw = {}
    if draw(st.sampled_from(range(5))):
        rule[field] = draw(some(np_peers(), 0, 1, 1, 2))
    if draw(st.sampled_from(range(3))):
        rule["ports"] = draw(some(np_ports(), 0, 1, 1, 2))
    return rule


@st.composite
def network_policies(draw: st.DrawFn, number: int) -> Raw:
    """A NetworkPolicy."""
    return policy(
        f"np-{number}",
        draw(st.sampled_from(SPACES)),
        pods=draw(selectors()),
        types=draw(st.sampled_from((None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]))),
        ingress=draw(st.none() | some(np_rules("from"), 0, 1, 1, 2)),
        egress=draw(st.none() | some(np_rules("to"), 0, 1, 1, 2)),
    )


@st.composite
def pods(draw: st.DrawFn, number: int) -> Raw:
    """A pod with an address; now and then on its node's network."""
    on_node = draw(st.sampled_from((1, 2)))
    host = draw(st.sampled_from(range(6))) == 5
    ports = [
        {"name": "http", "containerPort": draw(st.sampled_from((80, 8080))), "protocol": protocol}
        for protocol in draw(st.sampled_from(((), ("TCP",), ("TCP",), ("TCP", "UDP"))))
    ]
    address = f"192.0.2.{on_node}" if host else f"10.0.{number % 2}.{number}"
    space, labels = draw(st.sampled_from(SPACES)), draw(_pairs)
    return pod(
        f"p{number}", space, labels, ports=ports, address=address, node=f"node-{on_node}", host_network=host
    )


@st.composite
def admin_peers(draw: st.DrawFn, egress: bool) -> Raw:
    """A peer of the cluster-wide kinds."""
    kind = draw(st.sampled_from((0, 0, 1, 1, 2, 2, 3, *((4, 4, 5) if egress else ()))))
    if kind == 3:
        return {"someday": {}}
    if kind == 4:
        return {"networks": draw(some(st.sampled_from(BLOCKS), 1, 2))}
    if kind == 5:
        return {"nodes": draw(selectors())}
    if kind == 0:
        return {"namespaces": draw(selectors())}
    return {"pods": {"namespaceSelector": draw(selectors()), "podSelector": draw(selectors())}}


@st.composite
def admin_ports(draw: st.DrawFn, new: bool) -> Raw:
    """An entry of `ports` (v1alpha1) or `protocols` (v1alpha2)."""
    protocol = draw(st.sampled_from(("TCP", "UDP")))
    port = draw(st.sampled_from(PORTS))
    kind = draw(st.sampled_from(range(3)))
    if kind == 0:
        return {"destinationNamedPort" if new else "namedPort": "http"}
    span = {"start": port, "end": port + 1000}
    if new:
        chosen = {"number": port} if kind == 1 else {"range": span}
        return {protocol.lower(): {"destinationPort": chosen}}
    if kind == 1:
        return {"portNumber": {"protocol": protocol, "port": port}}
    return {"portRange": {"protocol": protocol, **span}}


@st.composite
def admin_rules(draw: st.DrawFn, egress: bool, new: bool, actions: tuple[str, ...]) -> Raw:
    """A rule of the cluster-wide kinds."""
    rule: Raw = {"action": draw(st.sampled_from(actions))}
    rule["to" if egress else "from"] = draw(some(admin_peers(egress), 1, 1, 2))
    if draw(st.booleans()):
        rule["protocols" if new else "ports"] = draw(some(admin_ports(new), 1, 2))
    return rule


@st.composite
def admin_policies(draw: st.DrawFn, kind: str, number: int) -> Raw:
    """An AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy."""
    new = kind == "ClusterNetworkPolicy"
    actions = ("Accept", "Deny", "Pass") if new else ("Allow", "Deny", "Pass")
    if kind == "BaselineAdminNetworkPolicy":
        actions = ("Allow", "Deny")
    subject = draw(
        st.builds(lambda s: {"namespaces": s}, selectors())
        | st.builds(
            lambda s, p: {"pods": {"namespaceSelector": s, "podSelector": p}}, selectors(), selectors()
        )
    )
    spec: dict[str, Any] = {"subject": subject}
    for egress in (False, True):
        rules = draw(some(admin_rules(egress, new, actions), 0, 1, 2, 3))
        if rules:
            spec["egress" if egress else "ingress"] = rules
    if kind != "BaselineAdminNetworkPolicy":
        spec["priority"] = draw(st.sampled_from((0, 1, 2)))
    if new:
        spec["tier"] = draw(st.sampled_from(("Admin", "Baseline")))
    name = "default" if kind == "BaselineAdminNetworkPolicy" else f"{kind.lower()}-{number}"
    return cluster_policy(kind, name, "v1alpha2" if new else "v1alpha1", spec)


@st.composite
def clusters(draw: st.DrawFn, admin: bool = False) -> list[Raw]:
    """A cluster: namespaces, nodes with an agent, pods, policies; with `admin` also the cluster-wide kinds."""
    objects = [namespace(name, **draw(_pairs)) for name in SPACES]
    for number in (1, 2):
        objects.append(node(f"node-{number}", f"192.0.2.{number}", draw(_pairs)))
        objects.append(agent("kube-router", "kube-router", f"node-{number}"))
    objects += [draw(pods(number)) for number in range(1, draw(st.sampled_from((2, 3, 4, 5))) + 1)]
    objects += [draw(network_policies(number)) for number in range(draw(st.sampled_from((1, 2, 3, 4))))]
    if draw(st.booleans()):
        named = {"from": [draw(np_peers())], "ports": [{"port": "http"}]}
        objects.append(policy("named", draw(st.sampled_from(SPACES)), ingress=[named]))
    if admin:
        for kind in draw(
            st.sampled_from((("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"), ("ClusterNetworkPolicy",)))
        ):
            count = 1 if kind.startswith("Baseline") else draw(st.sampled_from((1, 2, 3)))
            objects += [draw(admin_policies(kind, number)) for number in range(count)]
    return objects
