"""Rows of 3 and 5: what the network plugin encrypts between nodes, and whether it enforces NetworkPolicy."""

from auditor.encryption.cni import node_encryption
from auditor.encryption.node_encryption import NodeEncryption
from auditor.model.verdict import Protection, Tri
from tests.encryption.entry_manifests import cluster_of, manifest
from tests.encryption.mesh_manifests import judge, pod
from tests.encryption.semantics.rows import RowCase, each
from tests.encryption.test_cni_encryption import (
    CALICO,
    CILIUM,
    FLANNEL,
    KEYED,
    NODES,
    OPTIONAL,
    PASSWORD,
    VXLAN_NODES,
    WIREGUARD_NODES,
    antrea,
    cilium,
    everywhere,
    felix,
    flannel,
    node,
    ovn,
    weave,
)
from tests.network.building import agent as policy_agent
from tests.network.building import node as policy_node
from tests.network.test_enforcement import _both, _config, _layer, _with

YES, NO, UNKNOWN = Tri.YES, Tri.NO, Tri.UNKNOWN
NONE: frozenset[str] = frozenset()
WG = {"enable_wireguard": "true"}
MASTER = node("cp", {"node-role.kubernetes.io/control-plane": ""})

ENCRYPTION = [
    RowCase("3.cilium", "WireGuard", [*CILIUM, cilium(**WG)], (YES, NO, NONE), "cni.no-strict-mode"),
    RowCase("3.cilium", "IPsec", [*CILIUM, cilium(enable_ipsec="true")], (YES, NO, NONE), "cni.encrypts"),
    RowCase("3.cilium", "neither", [*CILIUM, cilium(enable_policy="default")], (NO, NO, NONE), "cni.plain"),
    RowCase(
        "3.cilium",
        "encrypt-node",
        [*CILIUM, cilium(**WG, encrypt_node="true")],
        (YES, YES, NONE),
        "cni.encrypts",
    ),
    RowCase(
        "3.cilium",
        "encrypt-node, and a control-plane node, which opts out",
        [*CILIUM, MASTER, *everywhere("cilium-agent")[:0], cilium(**WG, encrypt_node="true")],
        (YES, UNKNOWN, frozenset({"cp"})),
        "indeterminate.cni.control-plane",
    ),
    RowCase(
        "3.cilium",
        "encrypt-node is nothing without WireGuard",
        [*CILIUM, cilium(enable_ipsec="true", encrypt_node="true")],
        (YES, NO, NONE),
        "cni.encrypts",
    ),
    RowCase(
        "3.cilium-mutual",
        "mutual authentication alone",
        [*CILIUM, cilium(mesh_auth_enabled="true", mesh_auth_mutual_enabled="true")],
        (NO, NO, NONE),
        "cni.mutual-authentication",
    ),
    RowCase(
        "3.calico",
        "a key on every node",
        [*KEYED, *CALICO, felix(wireguardEnabled=True)],
        (YES, NO, NONE),
        "cni.encrypts",
    ),
    RowCase(
        "3.calico",
        "a node without a key",
        [KEYED[0], NODES[1], *CALICO, felix(wireguardEnabled=True)],
        (YES, NO, frozenset({"n2"})),
        "cni.nodes-without-key",
    ),
    RowCase(
        "3.calico",
        "no node has a key",
        [*NODES, *CALICO, felix(wireguardEnabled=True)],
        (NO, NO, frozenset({"n1", "n2"})),
        "cni.nodes-without-key",
    ),
    RowCase("3.calico", "switched off", [*KEYED, *CALICO, felix()], (NO, NO, NONE), "cni.plain"),
    RowCase(
        "3.calico",
        "IPv6 alone, and pods on IPv4",
        [*KEYED, *CALICO, felix(wireguardEnabledV6=True)],
        (NO, NO, frozenset({"n1", "n2"})),
        "cni.plain",
    ),
    RowCase(
        "3.calico",
        "the nodes' own traffic",
        [*KEYED, *CALICO, felix(wireguardEnabled=True, wireguardHostEncryptionEnabled=True)],
        (YES, YES, NONE),
        "cni.encrypts",
    ),
    RowCase(
        "3.flannel",
        "wireguard",
        [*WIREGUARD_NODES, *FLANNEL, flannel("wireguard")],
        (YES, NO, NONE),
        "cni.encrypts",
    ),
    RowCase(
        "3.flannel",
        "ipsec is experimental",
        [
            node("n1", **{"flannel.alpha.coreos.com/backend-type": "ipsec"}),
            node("n2", **{"flannel.alpha.coreos.com/backend-type": "ipsec"}),
            *FLANNEL,
            flannel("ipsec"),
        ],
        (YES, NO, NONE),
        "cni.experimental",
    ),
    RowCase("3.flannel", "vxlan", [*VXLAN_NODES, *FLANNEL, flannel("vxlan")], (NO, NO, NONE), "cni.plain"),
    RowCase(
        "3.flannel",
        "nodes say vxlan, the ConfigMap wireguard",
        [*VXLAN_NODES, *FLANNEL, flannel("wireguard")],
        (NO, NO, NONE),
        "cni.plain",
    ),
    RowCase("3.weave", "a password", weave(PASSWORD), (YES, NO, NONE), "cni.unmaintained"),
    RowCase("3.weave", "no password", weave(), (NO, NO, NONE), "cni.plain"),
    RowCase(
        "3.weave",
        "a password that may be missing",
        weave(OPTIONAL),
        (UNKNOWN, NO, NONE),
        "indeterminate.cni.password",
    ),
    RowCase(
        "3.weave",
        "trusted subnets",
        weave(PASSWORD, args=("--trusted-subnets=10.0.0.0/8",)),
        (UNKNOWN, NO, NONE),
        "indeterminate.cni.trusted-subnets",
    ),
    RowCase(
        "3.antrea", "WireGuard", antrea("trafficEncryptionMode: wireGuard"), (YES, NO, NONE), "cni.encrypts"
    ),
    RowCase(
        "3.antrea",
        "IPsec with a pre-shared key, maybe changeme",
        antrea("trafficEncryptionMode: ipsec"),
        (UNKNOWN, NO, NONE),
        "indeterminate.cni.preshared-key",
    ),
    RowCase(
        "3.antrea",
        "IPsec with certificates",
        antrea("trafficEncryptionMode: ipsec\nipsec: {authenticationMode: cert}"),
        (YES, NO, NONE),
        "cni.encrypts",
    ),
    RowCase("3.antrea", "none is the default", antrea(""), (NO, NO, NONE), "cni.plain"),
    RowCase("3.ovn", "Full", ovn({"ipsecConfig": {"mode": "Full"}}), (YES, NO, NONE), "cni.encrypts"),
    RowCase("3.ovn", "External", ovn({"ipsecConfig": {"mode": "External"}}), (NO, NO, NONE), "cni.plain"),
    RowCase("3.ovn", "Disabled", ovn({"ipsecConfig": {"mode": "Disabled"}}), (NO, NO, NONE), "cni.plain"),
]
ZTUNNEL_ON = [
    *CILIUM,
    manifest("v1", "Namespace", "shop", {}, None, labels={"io.cilium/mtls-enabled": "true"}),
    cilium(enable_ztunnel="true"),
]
ZTUNNEL = [
    RowCase("3.cilium-ztunnel", "TCP of an enrolled namespace", ("shop", False, "TCP"), "cilium-ztunnel"),
    RowCase("3.cilium-ztunnel", "UDP", ("shop", False, "UDP"), "none"),
    RowCase("3.cilium-ztunnel", "the node's network", ("shop", True, "TCP"), "none"),
    RowCase("3.cilium-ztunnel", "another namespace", ("other", False, "TCP"), "none"),
]
SAME_NODE = [
    RowCase("3.same-node", "WireGuard", Tri.YES, (Protection.NODE_ENCRYPTED_UNAUTHENTICATED, YES, NO)),
    RowCase("3.same-node", "nothing", Tri.NO, (Protection.PLAINTEXT, NO, NO)),
]
READY = [policy_node("node-1", "192.0.2.1"), policy_node("node-2", "192.0.2.2")]
NEVER = _config("cilium-config", **{"enable-policy": "never"})
GKE = "gke.gcr.io/cilium/cilium:v1.15.6-gke.1"
NEW, OLD = (
    f"docker.io/kindest/kindnetd:{version}" for version in ("v20250512-df8de77b", "v20230511-dc714da8")
)
ENFORCEMENT = [
    RowCase("5.calico", "calico-node", _both("calico-node", "calico-node"), "enforced"),
    RowCase("5.calico", "Canal", _both("canal", "calico-node"), "enforced"),
    RowCase(
        "5.cilium",
        "the default mode",
        [*_both("cilium", "cilium-agent"), _config("cilium-config")],
        "enforced",
    ),
    RowCase("5.cilium", "never", [*_both("cilium", "cilium-agent"), NEVER], "not-enforced"),
    RowCase("5.cilium", "anetd", _both("anetd", "cilium-agent", image=GKE), "enforced"),
    RowCase("5.weave", "weave-npc", _both("weave-net", "weave-npc"), "enforced"),
    RowCase(
        "5.weave",
        "EXPECT_NPC 0",
        _both("weave-net", "weave-npc", env=[{"name": "EXPECT_NPC", "value": "0"}]),
        "not-enforced",
    ),
    RowCase("5.kube-router", "the default", _both("kube-router", "kube-router"), "enforced"),
    RowCase(
        "5.kube-router",
        "run-firewall false",
        _both("kube-router", "kube-router", args=["--run-firewall=false"]),
        "not-enforced",
    ),
    RowCase("5.others", "azure-npm", _both("azure-npm", "azure-npm"), "enforced"),
    RowCase("5.others", "Antrea", _both("antrea-agent", "antrea-agent"), "enforced"),
    RowCase(
        "5.others",
        "AWS with its switch",
        _both("aws-node", "aws-eks-nodeagent", args=["--enable-network-policy=true"]),
        "enforced",
    ),
    RowCase("5.others", "AWS without it", _both("aws-node", "aws-eks-nodeagent"), "not-enforced"),
    RowCase("5.others", "recent kindnet", _both("kindnet", "kindnet-cni", image=NEW), "enforced"),
    RowCase("5.others", "old kindnet", _both("kindnet", "kindnet-cni", image=OLD), "not-enforced"),
    RowCase("5.flannel", "alone", _both("kube-flannel", "kube-flannel"), "not-enforced"),
    RowCase(
        "5.every-node",
        "ready on one of two",
        [
            policy_agent("calico-node", "calico-node", "node-1", ready=False),
            policy_agent("calico-node", "calico-node", "node-2"),
        ],
        ("node-1",),
    ),
]
K3S = [RowCase("5.k3s", "no agent is to be seen", "v1.33.1+k3s1", "unknown")]
CASES = ENCRYPTION + ZTUNNEL + SAME_NODE + ENFORCEMENT + K3S


@each(ENCRYPTION)
def test_what_the_network_plugin_encrypts(case: RowCase) -> None:
    found = node_encryption(cluster_of(case.given))
    assert (found.cross_node, found.host_network, found.except_nodes) == case.expected
    assert found.same_node is NO
    assert case.asked in {cause.code for cause in found.causes}


@each(ZTUNNEL)
def test_what_ciliums_ztunnel_carries(case: RowCase) -> None:
    space, host_network, protocol = case.given
    nodes = node_encryption(cluster_of(ZTUNNEL_ON))
    body = pod(namespace=space, proxy=None, hostNetwork=host_network)
    found = judge(body, endpoint=f"{space}/Pod/web", protocol=protocol, nodes=nodes)
    assert found.data_plane == case.expected


@each(SAME_NODE)
def test_traffic_inside_one_node_is_stated(case: RowCase) -> None:
    nodes = NodeEncryption("calico", case.given, NO, mechanism="wireguard")
    found = judge(pod(proxy=None), nodes=nodes)
    assert (found.label, found.record.cross_node_encrypted, found.record.same_node_encrypted) == case.expected


@each(ENFORCEMENT)
def test_whether_policies_are_enforced(case: RowCase) -> None:
    connectivity = _with(*READY, *case.given)
    if case.row == "5.every-node":
        entry = next(e for e in connectivity.enforcement if e.layer == "networkpolicy")
        assert (entry.status, entry.except_nodes) == ("enforced", case.expected)
    else:
        assert _layer(connectivity, "networkpolicy") == case.expected


@each(K3S)
def test_k3s_is_never_said_to_enforce_nothing(case: RowCase) -> None:
    found = policy_node("node-1", "192.0.2.1")
    found["status"]["nodeInfo"]["kubeletVersion"] = case.given
    assert _layer(_with(found), "networkpolicy") == case.expected
